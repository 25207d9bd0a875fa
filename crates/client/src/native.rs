//! Native histograms: exponential buckets that are made as they are needed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use exposition::{HistogramParts, Native};
use model::{FloatHistogram, Histogram, MetricType, SCHEMA_MIN, Span};

use crate::{Metric, Sink};

/// The resolution a histogram begins with: each bucket is 9 % wider than the one before.
const SCHEMA: i32 = 3;

/// Past so many buckets neighbours are merged: twice as many numbers share one.
const BUCKETS_MAX: usize = 160;

/// What is not farther from zero than this is counted as zero: 2^-128.
const ZERO_THRESHOLD: f64 = f64::from_bits((1023 - 128) << 52);

/// Counts observations in exponential buckets, at most 160 of them. An observation takes a lock.
#[derive(Debug)]
pub struct NativeHistogram(Mutex<State>);

/// Held for an observation, or a copy.
#[derive(Clone, Debug)]
struct State {
    schema: i32,
    count: u64,
    sum: f64,
    zero_count: u64,
    /// Counts by index: the bucket `i` ends at 2^(i / 2^schema).
    positive: BTreeMap<i64, u64>,
    negative: BTreeMap<i64, u64>,
}

impl Default for NativeHistogram {
    fn default() -> Self {
        let (positive, negative) = (BTreeMap::new(), BTreeMap::new());
        let (schema, count, sum, zero_count) = (SCHEMA, 0, 0.0, 0);
        Self(Mutex::new(State { schema, count, sum, zero_count, positive, negative }))
    }
}

impl NativeHistogram {
    /// Takes an observation in. One that is no number is counted, and makes the sum none.
    pub fn observe(&self, v: f64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.count += 1;
        state.sum += v;
        if v.is_nan() {
            return;
        }
        if v.abs() <= ZERO_THRESHOLD {
            state.zero_count += 1;
            return;
        }
        let index = index(v.abs(), state.schema);
        let side = if v < 0.0 { &mut state.negative } else { &mut state.positive };
        *side.entry(index).or_default() += 1;
        while BUCKETS_MAX < state.positive.len() + state.negative.len() && SCHEMA_MIN < state.schema
        {
            state.coarsen();
        }
    }

    /// What was observed so far.
    pub fn value(&self) -> Histogram {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Histogram {
            schema: state.schema,
            zero_threshold: ZERO_THRESHOLD,
            zero_count: state.zero_count,
            count: state.count,
            sum: state.sum,
            positive_spans: Span::of(state.positive.keys().copied()),
            negative_spans: Span::of(state.negative.keys().copied()),
            positive_deltas: deltas(&state.positive),
            negative_deltas: deltas(&state.negative),
            ..Histogram::default()
        }
    }
}

impl State {
    /// Merges pairs of neighbours.
    fn coarsen(&mut self) {
        self.schema -= 1;
        for side in [&mut self.positive, &mut self.negative] {
            for (index, count) in std::mem::take(side) {
                *side.entry((index + 1).div_euclid(2)).or_default() += count;
            }
        }
    }
}

impl Metric for NativeHistogram {
    const KIND: MetricType = MetricType::Histogram;

    fn write(&self, labels: &[(&str, &str)], sink: &mut dyn Sink) {
        let value = self.value();
        let native = Some(Native::Integer(&value));
        sink.histogram(labels, HistogramParts { native, ..HistogramParts::default() });
    }
}

/// The bucket that `v`, above zero, falls into: the first whose upper bound is not below it. What is infinite has
/// the bucket behind that of the largest number.
#[expect(clippy::cast_possible_truncation, reason = "within a few thousand at any resolution")]
fn index(v: f64, schema: i32) -> i64 {
    if v.is_infinite() {
        return index(f64::MAX, schema) + 1;
    }
    let bounds = FloatHistogram { schema, ..FloatHistogram::default() };
    // The logarithm may be off by its last bit; the bounds are not.
    let near = (v.log2() * f64::from(schema).exp2()).ceil() as i64;
    let fits = |it: &i64| v <= bounds.bound(*it);
    (near - 1..=near + 1).find(fits).unwrap_or(near + 1)
}

fn deltas(counts: &BTreeMap<i64, u64>) -> Vec<i64> {
    let mut before = 0u64;
    let mut delta =
        |count: &u64| count.cast_signed() - std::mem::replace(&mut before, *count).cast_signed();
    counts.values().map(&mut delta).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The buckets after these observations, in the notation of PromQL.
    fn check(observations: &[f64], schema: i32, expected: &[(f64, f64, f64)]) {
        let histogram = NativeHistogram::default();
        observations.iter().for_each(|it| histogram.observe(*it));
        let value = histogram.value();
        assert_eq!((value.validate(), value.schema), (Ok(()), schema), "{observations:?}");
        let buckets = value.to_float().buckets();
        let buckets: Vec<_> = buckets.iter().map(|it| (it.lower, it.upper, it.count)).collect();
        assert_eq!(buckets, expected, "{observations:?}");
    }

    #[test]
    fn counts_in_buckets() {
        let below = FloatHistogram { schema: 3, ..FloatHistogram::default() }.bound(-1);
        check(&[], 3, &[]);
        check(&[1.0, 1.0, -1.0], 3, &[(-1.0, -below, 1.0), (below, 1.0, 2.0)]);
        check(&[0.0, -1e-300], 3, &[(-ZERO_THRESHOLD, ZERO_THRESHOLD, 2.0)]);
    }

    #[test]
    fn a_bucket_holds_what_is_put_into_it() {
        for schema in SCHEMA_MIN..=SCHEMA {
            let bounds = FloatHistogram { schema, ..FloatHistogram::default() };
            for v in [1e-38, 0.1, 0.5, 1.0, 1.0f64.next_up(), 3.0, 1e9, 2f64.powi(1023), f64::MAX] {
                let at = index(v, schema);
                assert!(bounds.bound(at - 1) < v && v <= bounds.bound(at), "{v} {schema} {at}");
            }
        }
    }

    #[test]
    fn many_buckets_become_few() {
        let histogram = NativeHistogram::default();
        (-120..120).for_each(|it| histogram.observe(2f64.powi(it)));
        histogram.observe(f64::NEG_INFINITY);
        histogram.observe(f64::NAN);
        let value = histogram.value();
        assert_eq!((value.schema, value.count, value.sum.is_nan()), (-1, 242, true));
        assert_eq!(value.positive_deltas.len() + value.negative_deltas.len(), 122);
        assert_eq!(value.to_float().positive().map(|it| it.count).sum::<f64>(), 240.0);
    }
}
