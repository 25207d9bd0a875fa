//! What a page is made of.

use std::fmt;

use model::MetricType;

use crate::TextFormat;
use crate::labels::{self, LabelsError};
use crate::line::{Help, Line};

/// One statement of a page. Everything borrows from the page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Entry<'a> {
    /// A sample.
    Series(Series<'a>),
    /// `# HELP`: the help text is still escaped, see [`unescape_help`](crate::unescape_help).
    Help(&'a [u8], &'a [u8]),
    /// `# TYPE`.
    Type(&'a [u8], MetricType),
    /// `# UNIT`, in OpenMetrics only.
    Unit(&'a [u8], &'a [u8]),
    /// A comment without meaning, from its `#`.
    Comment(&'a [u8]),
}

impl<'a> Entry<'a> {
    /// The same among statements of any format. `format`: of the page.
    pub fn as_line(self, format: TextFormat) -> Line<'a> {
        match self {
            Self::Series(_) => Line::Sample,
            Self::Help(name, raw) => Line::Help(name, Help { raw, format: Some(format) }),
            Self::Type(name, kind) => Line::Type(name, kind),
            Self::Unit(name, unit) => Line::Unit(name, unit),
            Self::Comment(_) => Line::Comment,
        }
    }
}

/// A sample and the series it belongs to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Series<'a> {
    /// Name and labels as the page has them: the same bytes name the same series in every page of
    /// this format, so they serve as a key. See [`Parser::labels_into`](crate::Parser::labels_into) for what they mean.
    pub raw: &'a [u8],
    /// The value; NaN is always the ordinary one, never the stale marker.
    pub value: f64,
    /// Milliseconds since the epoch, if the page says.
    pub t: Option<i64>,
    /// The exemplar, if there is one.
    pub exemplar: Option<RawExemplar<'a>>,
}

/// An exemplar whose labels are not read yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawExemplar<'a> {
    /// The labels with their braces.
    pub raw: &'a [u8],
    /// The value.
    pub value: f64,
    /// Milliseconds since the epoch, if the page says.
    pub t: Option<i64>,
}

impl RawExemplar<'_> {
    /// Reads the labels.
    ///
    /// # Errors
    /// If a name stands twice or is not UTF-8.
    pub fn labels(&self) -> Result<model::Labels, LabelsError> {
        let mut builder = model::LabelsBuilder::default();
        labels::read(self.raw, labels::Rules::default(), &mut builder)?;
        Ok(builder.labels())
    }
}

/// Why a page is not in its format. Nothing behind this place can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Where the statement starts, in bytes from the start of the page.
    pub offset: usize,
    /// What is wrong, in upstream's words.
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ParseError {}
