//! The vocabulary of the house: what every other crate speaks in.
//!
//! - [`Labels`]: an immutable, sorted label set in one shared allocation; [`LabelsBuilder`] edits one.
//! - [`Matcher`]: one condition on one label.
//! - [`Sample`], [`SeriesRef`], [`stale_nan`]: numbers in time.
//! - [`Histogram`], [`FloatHistogram`]: native histograms (integer and float buckets).
//! - [`Exemplar`], [`Metadata`], [`TargetGroup`], [`duration`]: what travels beside samples.
//!
//! Timestamps are `i64` milliseconds since the Unix epoch everywhere, named `t`, `mint`, `maxt` or
//! `…_ms`; ranges `mint..=maxt` are closed unless said otherwise. Types here are not serialisable:
//! YAML lives in `config`, protobuf in `proto`, JSON in `api`.

mod builder;
pub mod duration;
mod exemplar;
mod histogram;
mod label_list;
mod labels;
mod matcher;
mod metadata;
mod name;
mod sample;
mod target_group;

pub use builder::LabelsBuilder;
pub use exemplar::Exemplar;
pub use histogram::{
    Bucket, ClassicError, ClassicHistogram, Converted, CounterResetHint, FloatHistogram, Histogram,
    HistogramError, SCHEMA_CUSTOM, SCHEMA_KNOWN, SCHEMA_MAX, SCHEMA_MIN, Span,
};
pub use label_list::{LabelList, LabelsRef, Speller};
pub use labels::Labels;
pub use matcher::{MatchType, Matcher};
pub use metadata::{Metadata, MetricType};
pub use name::{is_legacy_label_name, is_legacy_metric_name, quote};
pub use sample::{STALE_NAN_BITS, Sample, SeriesRef, is_stale_nan, stale_nan};
pub use target_group::TargetGroup;

/// The label that holds a metric's name.
pub const METRIC_NAME: &str = "__name__";

/// The label that holds the type of a series' family, where that is wanted.
pub const METRIC_TYPE: &str = "__type__";

/// The label that holds the unit of a series' family, where that is wanted.
pub const METRIC_UNIT: &str = "__unit__";
