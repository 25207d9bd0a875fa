//! Samples of all kinds.

use model::{FloatHistogram, Histogram};

/// A sample as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// When what is counted began, in milliseconds; 0 if that is not known.
    pub st: i64,
    /// Milliseconds since the epoch.
    pub t: i64,
    /// What was measured.
    pub value: Value,
}

/// The value of a sample.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Float(f64),
    /// A native histogram with integer counts.
    Histogram(Histogram),
    /// A native histogram with float counts.
    FloatHistogram(FloatHistogram),
}

/// A native histogram of either kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HistogramRef<'a> {
    /// With integer counts.
    Integer(&'a Histogram),
    /// With float counts.
    Float(&'a FloatHistogram),
}

impl<'a> From<&'a Histogram> for HistogramRef<'a> {
    fn from(it: &'a Histogram) -> Self {
        Self::Integer(it)
    }
}

impl<'a> From<&'a FloatHistogram> for HistogramRef<'a> {
    fn from(it: &'a FloatHistogram) -> Self {
        Self::Float(it)
    }
}
