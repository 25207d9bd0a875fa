//! Exposition formats: pages of samples, read and written.
//!
//! Reading: a [`Parser`] walks a page of Prometheus text (0.0.4 and 1.0.0 are the same to it) or
//! OpenMetrics, statement by statement. An [`Entry`] borrows from the page: nothing is copied or
//! allocated, and labels are not looked at until [`Parser::labels_into`] is asked to. A caller that
//! remembers the series of the last page goes faster still: [`Parser::peek`] hands out the bytes where
//! it expects a series, and [`Parser::known`] reads the value behind them.
//!
//! Writing: [`PageWriter`] appends families and samples to a byte buffer, [`ProtobufWriter`] families and metrics.
//!
//! The parser takes what upstream takes: it knows the grammar, not the rules about suffixes, order and
//! repetition that OpenMetrics adds; [`check_open_metrics`] knows those too.
//!
//! An [`AnyParser`] reads protobuf too, native histograms, start times, and native histograms made of classic
//! ones. It hands out what it reads in one buffer of the caller's, a [`PageSample`], and gives every series its
//! name in the text form, so that who reads pages need not care for their format.

mod any;
mod conformance;
mod convert;
mod entry;
mod family;
mod labels;
mod lex;
mod line;
mod parse;
mod plain;
mod proto;
mod text;
mod wire;
mod write;

pub use any::AnyParser;
pub use conformance::check_open_metrics;
pub use entry::{Entry, ParseError, RawExemplar, Series};
pub use family::is_of_family;
pub use labels::LabelsError;
pub use line::{Help, Line, PageSample, PageValue};
pub use parse::{Parser, unescape_help};
pub use proto::write::{
    FamilyHead, FamilyWriter, HistogramParts, MetricHead, Native, PROTOBUF_CONTENT_TYPE,
    ProtobufWriter, put_family,
};
pub use write::{PageWriter, TextFormat, write_open_metrics_float};

/// The format of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One of the text formats.
    Text(TextFormat),
    /// `io.prometheus.client.MetricFamily` messages, each behind its length.
    Protobuf,
}

/// What is taken of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Reading {
    /// Native histograms; a histogram that has one is then not read as a classic one.
    pub native: bool,
    /// Classic buckets even where a native histogram is taken.
    pub classic: bool,
    /// Makes native histograms with custom bounds of classic ones.
    pub convert: bool,
    /// When counters began, instead of series `_created`.
    pub start_times: bool,
    /// Labels with the type and the unit of a series' family, as far as they are known.
    pub type_and_unit: bool,
}
