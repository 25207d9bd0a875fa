//! Native histograms: sparse buckets on an exponential or a custom scale.

mod bucket;
mod classic;
mod resolution;
mod span;
mod text;
mod validate;

use std::ops::RangeInclusive;

use crate::is_stale_nan;
pub use bucket::Bucket;
pub use classic::{ClassicError, ClassicHistogram, Converted};
use resolution::counts;
pub use span::Span;
pub use validate::HistogramError;

/// The schema of histograms with custom bounds.
pub const SCHEMA_CUSTOM: i32 = -53;
/// The coarsest exponential resolution that is taken in.
pub const SCHEMA_MIN: i32 = -4;
/// The finest exponential resolution that is computed with.
pub const SCHEMA_MAX: i32 = 8;
/// Exponential resolutions that can be read: finer ones than [`SCHEMA_MAX`] are reduced then.
pub const SCHEMA_KNOWN: RangeInclusive<i32> = -9..=52;

/// What is known about a counter reset between a histogram and the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CounterResetHint {
    /// Nothing is known; compare the buckets.
    #[default]
    Unknown,
    /// This histogram starts anew.
    Reset,
    /// It continues the one before.
    NotReset,
    /// It is a gauge: resets have no meaning.
    Gauge,
}

/// A native histogram with integer counts, as scraped and stored.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Histogram {
    /// Counter reset hint.
    pub hint: CounterResetHint,
    /// Resolution: -4…8 exponential, -53 custom bounds.
    pub schema: i32,
    /// Width of the zero bucket.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: u64,
    /// All observations.
    pub count: u64,
    /// Sum of all observations; the stale marker here makes the histogram stale.
    pub sum: f64,
    /// Layout of the positive buckets.
    pub positive_spans: Vec<Span>,
    /// Layout of the negative buckets.
    pub negative_spans: Vec<Span>,
    /// Positive counts; the first absolute, the rest as difference to the one before.
    pub positive_deltas: Vec<i64>,
    /// Negative counts, as above.
    pub negative_deltas: Vec<i64>,
    /// Upper bounds, only with schema -53, ascending, without +Inf.
    pub custom_values: Vec<f64>,
}

/// A native histogram with float counts, absolute for each bucket: what queries compute with.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct FloatHistogram {
    /// Counter reset hint.
    pub hint: CounterResetHint,
    /// Resolution: -4…8 exponential, -53 custom bounds.
    pub schema: i32,
    /// Width of the zero bucket.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: f64,
    /// All observations.
    pub count: f64,
    /// Sum of all observations; the stale marker here makes the histogram stale.
    pub sum: f64,
    /// Layout of the positive buckets.
    pub positive_spans: Vec<Span>,
    /// Layout of the negative buckets.
    pub negative_spans: Vec<Span>,
    /// Positive counts, absolute.
    pub positive_buckets: Vec<f64>,
    /// Negative counts, absolute.
    pub negative_buckets: Vec<f64>,
    /// Upper bounds, only with schema -53, ascending, without +Inf.
    pub custom_values: Vec<f64>,
}

impl Histogram {
    /// True if it marks the end of its series.
    pub fn is_stale(&self) -> bool {
        is_stale_nan(self.sum)
    }

    /// The same with float counts.
    pub fn to_float(&self) -> FloatHistogram {
        FloatHistogram {
            hint: self.hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: unsigned_to_float(self.zero_count),
            count: unsigned_to_float(self.count),
            sum: self.sum,
            positive_spans: self.positive_spans.clone(),
            negative_spans: self.negative_spans.clone(),
            positive_buckets: counts(&self.positive_deltas).map(to_float).collect(),
            negative_buckets: counts(&self.negative_deltas).map(to_float).collect(),
            custom_values: self.custom_values.clone(),
        }
    }

    /// True if both say the same, sums compared bit by bit. Hints and empty buckets do not matter; all stale
    /// markers are alike.
    pub fn is_same(&self, other: &Self) -> bool {
        if self.is_stale() && other.is_stale() {
            return true;
        }
        self.schema == other.schema
            && self.zero_threshold == other.zero_threshold
            && self.custom_values == other.custom_values
            && (self.count, self.zero_count) == (other.count, other.zero_count)
            && self.sum.to_bits() == other.sum.to_bits()
            && filled(&self.positive_spans, counts(&self.positive_deltas))
                .eq(filled(&other.positive_spans, counts(&other.positive_deltas)))
            && filled(&self.negative_spans, counts(&self.negative_deltas))
                .eq(filled(&other.negative_spans, counts(&other.negative_deltas)))
    }
}

impl FloatHistogram {
    /// True if it marks the end of its series.
    pub fn is_stale(&self) -> bool {
        is_stale_nan(self.sum)
    }

    /// True if both say the same, sum and counts compared bit by bit. Hints and empty buckets do not
    /// matter; all stale markers are alike.
    pub fn is_same(&self, other: &Self) -> bool {
        if self.is_stale() && other.is_stale() {
            return true;
        }
        let bits = |it: &Self| [it.sum, it.count, it.zero_count].map(f64::to_bits);
        self.schema == other.schema
            && self.zero_threshold == other.zero_threshold
            && self.custom_values == other.custom_values
            && bits(self) == bits(other)
            && filled(&self.positive_spans, all_bits(&self.positive_buckets))
                .eq(filled(&other.positive_spans, all_bits(&other.positive_buckets)))
            && filled(&self.negative_spans, all_bits(&self.negative_buckets))
                .eq(filled(&other.negative_spans, all_bits(&other.negative_buckets)))
    }
}

/// The buckets that are not empty, with their indexes.
fn filled<'a, T: Default + PartialEq + 'a>(
    spans: &'a [Span],
    counts: impl Iterator<Item = T> + 'a,
) -> impl Iterator<Item = (i64, T)> + 'a {
    Span::indexes(spans).zip(counts).filter(|it| it.1 != T::default())
}

fn all_bits(counts: &[f64]) -> impl Iterator<Item = u64> + '_ {
    counts.iter().map(|it| it.to_bits())
}

fn is_exponential(schema: i32) -> bool {
    SCHEMA_KNOWN.contains(&schema)
}

#[expect(clippy::cast_precision_loss, reason = "queries compute with floats")]
fn unsigned_to_float(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "queries compute with floats")]
fn to_float(count: i64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
