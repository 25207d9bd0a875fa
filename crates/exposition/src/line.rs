//! What a page of any format is made of, where samples may be of any kind.

use model::{Exemplar, FloatHistogram, Histogram, LabelsBuilder, MetricType};

use crate::TextFormat;
use crate::labels::{self, LabelsError};
use crate::parse::unescape_help;

/// One statement of a page. Names and texts borrow from the page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Line<'a> {
    /// A sample: it stands in the [`PageSample`] that was handed in.
    Sample,
    /// A family's name and what it is about.
    Help(&'a [u8], Help<'a>),
    /// A family's name and type.
    Type(&'a [u8], MetricType),
    /// A family's name and unit.
    Unit(&'a [u8], &'a [u8]),
    /// A comment without meaning.
    Comment,
}

/// A help text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Help<'a> {
    pub(crate) raw: &'a [u8],
    /// Whose escapes are in it; `None` if none are.
    pub(crate) format: Option<TextFormat>,
}

impl Help<'_> {
    /// The text itself.
    pub fn text(self) -> String {
        match self.format {
            Some(format) => unescape_help(self.raw, format),
            None => String::from_utf8_lossy(self.raw).into_owned(),
        }
    }
}

/// A sample of any kind. To be used again for the next one: its buffers are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PageSample {
    /// Name and labels in the text form: the same bytes name the same series in every page of this format
    /// that is read in the same way. For a statement that is no sample: what tells it from others.
    pub raw: Vec<u8>,
    /// How the labels in `raw` are read.
    pub(crate) rules: labels::Rules,
    /// What was measured.
    pub value: PageValue,
    /// Milliseconds since the epoch, if the page says.
    pub t: Option<i64>,
    /// When what is counted began, in milliseconds since the epoch, if the page says and it is asked for.
    pub st: Option<i64>,
    /// What was measured grows until the exporter starts anew: it is of a counter or a histogram, or it is the sum or
    /// the count of a summary.
    pub is_cumulative: bool,
    /// Exemplars, in the order of the page.
    pub exemplars: Vec<Exemplar>,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub enum PageValue {
    /// A number; NaN is always the ordinary one, never the stale marker.
    Float(f64),
    /// A native histogram with integer counts.
    Histogram(Box<Histogram>),
    /// A native histogram with float counts.
    FloatHistogram(Box<FloatHistogram>),
}

impl Default for PageValue {
    fn default() -> Self {
        Self::Float(0.0)
    }
}

impl PageSample {
    pub(crate) fn clear(&mut self) {
        self.raw.clear();
        self.exemplars.clear();
        (self.rules, self.value) = (labels::Rules::default(), PageValue::default());
        (self.t, self.st, self.is_cumulative) = (None, None, false);
    }

    /// Reads the labels into `out`, which it clears first. The name goes to `__name__`.
    ///
    /// # Errors
    /// If a name stands twice, or is not UTF-8.
    pub fn labels_into(&self, out: &mut LabelsBuilder) -> Result<(), LabelsError> {
        labels::read(&self.raw, self.rules, out)
    }

    /// Names the labels that stand there with an empty value: no label comes of them, but the exporter has
    /// said something.
    pub fn empty_labels(&self) -> Vec<String> {
        labels::empty(&self.raw)
    }
}
