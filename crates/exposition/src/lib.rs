//! Exposition formats: pages of samples, read and written.
//!
//! Reading: a [`Parser`] walks a page of Prometheus text (0.0.4 and 1.0.0 are the same to it) or
//! OpenMetrics, statement by statement. An [`Entry`] borrows from the page: nothing is copied or
//! allocated, and labels are not looked at until [`Parser::labels_into`] is asked to. A caller that
//! remembers the series of the last page goes faster still: [`Parser::peek`] hands out the bytes where
//! it expects a series, and [`Parser::known`] reads the value behind them.
//!
//! Writing: [`PageWriter`] appends families and samples to a byte buffer.
//!
//! The parser takes what upstream takes: it knows the grammar, not the rules about suffixes, order and
//! repetition that OpenMetrics adds; [`check_open_metrics`] knows those too. The protobuf format is not here yet.

mod conformance;
mod entry;
mod labels;
mod lex;
mod parse;
mod write;

pub use conformance::check_open_metrics;
pub use entry::{Entry, ParseError, RawExemplar, Series};
pub use labels::LabelsError;
pub use parse::{Parser, unescape_help};
pub use write::{PageWriter, TextFormat, write_open_metrics_float};
