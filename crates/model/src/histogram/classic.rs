//! Native histograms with custom bounds, put together from the buckets of classic ones.

use std::fmt;

use stdx::gofloat::format_g;

use super::{FloatHistogram, Histogram, SCHEMA_CUSTOM, Span};

/// So many empty buckets of integers are stored rather than a span is begun: that takes less room.
const EMPTY_KEPT: i64 = 2;

/// A classic histogram: cumulative counts by upper bound, as they come.
#[derive(Clone, Debug, Default)]
pub struct ClassicHistogram {
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
    error: Option<ClassicError>,
}

/// A native histogram: with integer counts, if all of the classic one are whole numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Converted {
    /// All counts are whole numbers.
    Integer(Histogram),
    /// Some count is not.
    Float(FloatHistogram),
}

/// Why a classic histogram is none. `Display` is upstream's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicError(String);

impl fmt::Display for ClassicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ClassicError {}

impl ClassicHistogram {
    /// Sets how many observations are at most `upper`, which is a number. The first of several with one
    /// bound counts.
    pub fn set_bucket(&mut self, upper: f64, count: f64) {
        if count < 0.0 {
            return self.refuse("bucket count must be non-negative".to_owned());
        }
        self.buckets.push((upper, count));
    }

    /// Sets the number of all observations.
    pub fn set_count(&mut self, count: f64) {
        if count < 0.0 {
            return self.refuse("count must be non-negative".to_owned());
        }
        self.count = Some(count);
    }

    /// Sets the sum of all observations.
    pub fn set_sum(&mut self, sum: f64) {
        self.sum = sum;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.buckets.clear();
        (self.count, self.sum, self.error) = (None, 0.0, None);
    }

    fn refuse(&mut self, why: String) {
        self.error.get_or_insert(ClassicError(why));
    }

    /// Makes a native histogram of it. Without a count, that of the highest bucket is taken.
    ///
    /// # Errors
    /// If counts are negative, not cumulative, or differ from the number of all observations.
    pub fn convert(&self) -> Result<Converted, ClassicError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let mut buckets = self.buckets.clone();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        buckets.dedup_by(|later, first| later.0 == first.0);
        if let Some(pair) = buckets.windows(2).find(|pair| pair[1].1 < pair[0].1) {
            let (low, high) = (format_g(pair[1].1), format_g(pair[0].1));
            return Err(ClassicError(format!("count is not cumulative: {low} < {high}")));
        }
        let top = buckets.last().copied();
        let count = self.count.or(top.map(|it| it.1)).unwrap_or(0.0);
        if top.is_none_or(|it| it.0 < f64::INFINITY) {
            buckets.push((f64::INFINITY, count));
        }
        let highest = buckets.last().map_or(count, |it| it.1);
        if highest != count {
            let (count, highest) = (format_g(count), format_g(highest));
            return Err(ClassicError(format!(
                "count mismatch: count={count} != le=+Inf count={highest}"
            )));
        }
        let mut before = 0.0;
        let counts = buckets.iter().map(|it| it.1 - std::mem::replace(&mut before, it.1));
        let bounds = buckets[..buckets.len() - 1].iter().map(|it| it.0).collect();
        Ok(if buckets.iter().all(|it| is_whole(it.1)) {
            Converted::Integer(integer(count, self.sum, counts, bounds))
        } else {
            Converted::Float(float(count, self.sum, counts, bounds))
        })
    }
}

/// True for numbers that integers hold exactly.
fn is_whole(v: f64) -> bool {
    v.fract() == 0.0 && v < 2f64.powi(63)
}

fn float(
    count: f64,
    sum: f64,
    counts: impl Iterator<Item = f64>,
    custom_values: Vec<f64>,
) -> FloatHistogram {
    let filled: Vec<(i64, f64)> = (0..).zip(counts).filter(|it| it.1 != 0.0).collect();
    FloatHistogram {
        schema: SCHEMA_CUSTOM,
        count,
        sum,
        positive_spans: Span::of(filled.iter().map(|it| it.0)),
        positive_buckets: filled.iter().map(|it| it.1).collect(),
        custom_values,
        ..FloatHistogram::default()
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, not negative")]
fn integer(
    count: f64,
    sum: f64,
    counts: impl Iterator<Item = f64>,
    custom_values: Vec<f64>,
) -> Histogram {
    let mut kept: Vec<(i64, i64)> = Vec::new();
    for (at, count) in (0..).zip(counts).filter(|it| it.1 != 0.0) {
        let next = kept.last().map_or(at, |it| it.0 + 1);
        if at - next <= EMPTY_KEPT {
            kept.extend((next..at).map(|it| (it, 0)));
        }
        kept.push((at, count as i64));
    }
    let mut before = 0;
    let deltas = kept.iter().map(|it| it.1 - std::mem::replace(&mut before, it.1)).collect();
    Histogram {
        schema: SCHEMA_CUSTOM,
        count: count as u64,
        sum,
        positive_spans: Span::of(kept.iter().map(|it| it.0)),
        positive_deltas: deltas,
        custom_values,
        ..Histogram::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classic(buckets: &[(f64, f64)], count: Option<f64>, sum: f64) -> ClassicHistogram {
        let mut it = ClassicHistogram::default();
        buckets.iter().for_each(|(upper, count)| it.set_bucket(*upper, *count));
        count.inspect(|count| it.set_count(*count));
        it.set_sum(sum);
        it
    }

    fn check(buckets: &[(f64, f64)], count: Option<f64>, expected: &str) {
        let found = match classic(buckets, count, 7.0).convert() {
            Err(error) => error.to_string(),
            Ok(Converted::Integer(it)) => {
                it.validate().expect("is a histogram");
                let Histogram { count, positive_spans, positive_deltas, custom_values, .. } = it;
                let spans: Vec<_> =
                    positive_spans.iter().map(|it| (it.offset, it.length)).collect();
                format!("{count} {spans:?} {positive_deltas:?} {custom_values:?}")
            }
            Ok(Converted::Float(it)) => {
                it.validate().expect("is a histogram");
                let FloatHistogram {
                    count, positive_spans, positive_buckets, custom_values, ..
                } = it;
                let spans: Vec<_> =
                    positive_spans.iter().map(|it| (it.offset, it.length)).collect();
                format!("{count:?} {spans:?} {positive_buckets:?} {custom_values:?}")
            }
        };
        assert_eq!(found, expected, "{buckets:?} {count:?}");
    }

    #[test]
    fn converts() {
        let inf = f64::INFINITY;
        check(&[(0.5, 1.0), (1.0, 3.0), (inf, 4.0)], Some(4.0), "4 [(0, 3)] [1, 1, -1] [0.5, 1.0]");
        check(&[(1.0, 3.0), (0.5, 1.0), (0.5, 2.0)], Some(4.0), "4 [(0, 3)] [1, 1, -1] [0.5, 1.0]");
        check(&[(1.0, 3.0)], None, "3 [(0, 1)] [3] [1.0]");
        check(&[(inf, 0.0)], None, "0 [] [] []");
        check(&[], Some(2.0), "2 [(0, 1)] [2] []");
        check(&[], None, "0 [] [] []");
        check(&[(1.0, 0.5)], Some(2.0), "2.0 [(0, 2)] [0.5, 1.5] [1.0]");
        // Two empty buckets are kept, three are not.
        let two = [(1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (4.0, 2.0)];
        check(&two, None, "2 [(0, 4)] [1, -1, 0, 1] [1.0, 2.0, 3.0, 4.0]");
        let three = [(1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (4.0, 1.0), (5.0, 2.0)];
        check(&three, None, "2 [(0, 1), (3, 1)] [1, 0] [1.0, 2.0, 3.0, 4.0, 5.0]");
        check(&[(1.0, 0.0), (2.0, 0.5)], None, "0.5 [(1, 1)] [0.5] [1.0, 2.0]");
    }

    #[test]
    fn refuses() {
        let inf = f64::INFINITY;
        check(&[(1.0, -1.0)], None, "bucket count must be non-negative");
        check(&[], Some(-1.0), "count must be non-negative");
        check(&[(1.0, 3.0), (2.0, 2.5)], None, "count is not cumulative: 2.5 < 3");
        check(&[(2.0, 3.0), (1.0, 4.0)], None, "count is not cumulative: 3 < 4");
        check(&[(inf, 3.0)], Some(4.0), "count mismatch: count=4 != le=+Inf count=3");
        check(&[(inf, f64::NAN)], None, "count mismatch: count=NaN != le=+Inf count=NaN");
    }
}
