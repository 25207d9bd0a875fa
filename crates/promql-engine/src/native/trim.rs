//! `</` and `>/`: observations up to a value, or from it on.

use model::{Bucket, FloatHistogram};

use super::compact;
use super::share::below;

/// Which observations stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Those at or below the value.
    Lower,
    /// Those at or above it.
    Upper,
}

/// What stays of a bucket: how many observations, and the value that they count as in the sum.
type Kept = (f64, f64);

/// Removes all observations on one side of `v`. A histogram of which all stays is not changed.
pub(crate) fn trim(it: &FloatHistogram, keep: Keep, v: f64) -> FloatHistogram {
    let linear = it.has_custom_buckets();
    let mut out = it.clone();
    let (mut count, mut sum, mut changed) = (0.0, 0.0, false);
    let mut cut = |stored: &mut f64, bucket: &Bucket, linear: bool| {
        if bucket.count == 0.0 {
            return;
        }
        let (kept, middle) = part(bucket, keep, v, linear);
        changed |= kept != bucket.count;
        count += kept;
        if kept != 0.0 {
            sum += kept * middle;
        }
        *stored = kept;
    };
    for (stored, bucket) in out.positive_buckets.iter_mut().zip(it.positive()) {
        cut(stored, &bucket, linear);
    }
    for (stored, bucket) in out.negative_buckets.iter_mut().zip(it.negative()) {
        cut(stored, &bucket, linear);
    }
    // Custom buckets have none beside them, whatever its count.
    if !linear {
        cut(&mut out.zero_count, &zero(it), true);
    }
    if !changed {
        return it.clone();
    }
    (out.count, out.sum) = (count, sum);
    compact(&mut out);
    out
}

/// The zero bucket. Next to observations on one side only it holds nothing of the other side.
fn zero(it: &FloatHistogram) -> Bucket {
    let filled = |buckets: &[f64]| buckets.iter().any(|it| *it != 0.0);
    let mut zero = it.zero();
    match (filled(&it.negative_buckets), filled(&it.positive_buckets)) {
        (false, true) => zero.lower = 0.0,
        (true, false) => zero.upper = 0.0,
        _ => {}
    }
    zero
}

fn part(bucket: &Bucket, keep: Keep, v: f64, linear: bool) -> Kept {
    let Bucket { lower, upper, count, .. } = *bucket;
    let (whole, none) = match keep {
        Keep::Lower => (upper <= v, v <= lower),
        Keep::Upper => (v <= lower, upper <= v),
    };
    if whole {
        return (count, middle(lower, upper, linear));
    }
    if none || v.is_nan() {
        return (0.0, 0.0);
    }
    match (keep, lower == f64::NEG_INFINITY, upper == f64::INFINITY) {
        (Keep::Lower, _, true) | (_, true, true) => (0.0, 0.0),
        (Keep::Upper, _, true) => (count, v),
        (Keep::Lower, true, _) if upper <= 0.0 => (count, v),
        (Keep::Lower, true, _) if 0.0 < v => (count * v / upper, v / 2.0),
        (Keep::Upper, true, _) if 0.0 <= v => (count * (1.0 - v / upper), f64::midpoint(v, upper)),
        (_, true, _) => (0.0, 0.0),
        (Keep::Lower, ..) => (count * below(linear, bucket, v), middle(lower, v, linear)),
        (Keep::Upper, ..) => (count * (1.0 - below(linear, bucket, v)), middle(v, upper, linear)),
    }
}

/// The value that all between two borders count as.
fn middle(lower: f64, upper: f64, linear: bool) -> f64 {
    match (lower == f64::NEG_INFINITY, upper == f64::INFINITY) {
        (true, _) if 0.0 < upper => upper / 2.0,
        (true, _) => upper,
        (_, true) => lower,
        _ if linear => f64::midpoint(lower, upper),
        _ => (lower * upper).sqrt().copysign(upper),
    }
}
