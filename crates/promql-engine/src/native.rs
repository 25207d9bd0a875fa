//! Arithmetic of native histograms.
//!
//! [`Total`] adds histograms up, plain or compensated, whatever their layouts: resolutions are brought to
//! the coarser one, zero buckets to the wider one, custom bounds to those that both have.
//! [`is_reset`] compares two that follow each other; [`share`] estimates quantiles and fractions;
//! [`trim`] cuts observations off.

mod mean;
mod reset;
pub(crate) mod share;
mod total;
pub(crate) mod trim;

use std::fmt;

use model::{CounterResetHint, FloatHistogram, Span};

pub(crate) use mean::Mean;
pub use reset::is_reset;
pub(crate) use total::{Added, Plain, Total};

/// One histogram has exponential buckets, the other one custom ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Incompatible;

/// Finds a function of one histogram by its name in PromQL.
pub(crate) fn get(name: &str) -> Option<fn(&FloatHistogram) -> f64> {
    Some(match name {
        "histogram_avg" => |it| it.sum / it.count,
        "histogram_count" => |it| it.count,
        "histogram_sum" => |it| it.sum,
        "histogram_stddev" => |it| share::variance(it).sqrt(),
        "histogram_stdvar" => share::variance,
        _ => return None,
    })
}

/// Multiplies everything; a negative number of observations belongs to a gauge.
pub(crate) fn times(it: &FloatHistogram, factor: f64) -> FloatHistogram {
    scaled(it, factor < 0.0, |v| v * factor)
}

/// Divides everything. What is divided by zero has no buckets.
pub(crate) fn over(it: &FloatHistogram, divisor: f64) -> FloatHistogram {
    let mut out = scaled(it, divisor < 0.0, |v| v / divisor);
    if divisor == 0.0 {
        out.positive_spans.clear();
        out.positive_buckets.clear();
        out.negative_spans.clear();
        out.negative_buckets.clear();
    }
    out
}

fn scaled(it: &FloatHistogram, gauge: bool, f: impl Fn(f64) -> f64 + Copy) -> FloatHistogram {
    FloatHistogram {
        hint: if gauge { CounterResetHint::Gauge } else { it.hint },
        zero_count: f(it.zero_count),
        count: f(it.count),
        sum: f(it.sum),
        positive_buckets: it.positive_buckets.iter().copied().map(f).collect(),
        negative_buckets: it.negative_buckets.iter().copied().map(f).collect(),
        positive_spans: it.positive_spans.clone(),
        negative_spans: it.negative_spans.clone(),
        custom_values: it.custom_values.clone(),
        ..*it
    }
}

/// Removes empty buckets.
pub fn compact(it: &mut FloatHistogram) {
    for (spans, buckets) in [
        (&mut it.positive_spans, &mut it.positive_buckets),
        (&mut it.negative_spans, &mut it.negative_buckets),
    ] {
        if buckets.contains(&0.0) {
            let filled = Span::indexes(spans).zip(buckets.iter()).filter(|it| *it.1 != 0.0);
            *spans = Span::of(filled.map(|it| it.0));
            buckets.retain(|it| *it != 0.0);
        }
    }
}

/// True if both have the same buckets with the same counts, compared bit by bit.
pub(crate) fn equal(a: &FloatHistogram, b: &FloatHistogram) -> bool {
    let same_buckets = |a: (&[Span], &[f64]), b: (&[Span], &[f64])| {
        Span::indexes(a.0).eq(Span::indexes(b.0))
            && a.1.iter().map(|it| it.to_bits()).eq(b.1.iter().map(|it| it.to_bits()))
    };
    let bits = |it: &FloatHistogram| [it.zero_count, it.count, it.sum].map(f64::to_bits);
    a.schema == b.schema
        && a.zero_threshold == b.zero_threshold
        && a.custom_values == b.custom_values
        && bits(a) == bits(b)
        && same_buckets(
            (&a.positive_spans, &a.positive_buckets),
            (&b.positive_spans, &b.positive_buckets),
        )
        && same_buckets(
            (&a.negative_spans, &a.negative_buckets),
            (&b.negative_spans, &b.negative_buckets),
        )
}

/// The sum of two histograms, or their difference if `negative`. `None` if one has exponential buckets and
/// the other one custom ones.
pub fn accumulate(
    a: &FloatHistogram,
    b: &FloatHistogram,
    negative: bool,
) -> Option<FloatHistogram> {
    let mut total = Total::<Plain>::of(a);
    let added = if negative { total.subtract(b) } else { total.add(b) };
    added.ok()?;
    Some(total.finish())
}

/// What is left where only counts and sums are asked for.
pub(crate) fn without_buckets(it: &FloatHistogram) -> FloatHistogram {
    FloatHistogram {
        hint: it.hint,
        schema: it.schema,
        count: it.count,
        sum: it.sum,
        ..FloatHistogram::default()
    }
}

/// What to do to two histograms to get one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Addition,
    Subtraction,
    Aggregation,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Addition => "addition",
            Self::Subtraction => "subtraction",
            Self::Aggregation => "aggregation",
        })
    }
}

impl Operation {
    /// The warning about a reset and none in one sum.
    pub(crate) fn collision(self) -> String {
        format!("conflicting counter resets during histogram {self}")
    }

    /// The info about bounds that only some had.
    pub(crate) fn reconciled(self) -> String {
        format!("mismatched custom buckets were reconciled during {self}")
    }
}
