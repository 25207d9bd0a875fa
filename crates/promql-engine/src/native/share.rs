//! Quantiles, fractions and variances, estimated from buckets.

use model::{Bucket, FloatHistogram};

use crate::function::sum::Kahan;

/// What observations that are no numbers did to a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NanObservations {
    /// The quantile is among them.
    Result,
    /// They push the quantile up.
    SkewedHigher,
    /// They are in no fraction.
    Excluded,
}

impl NanObservations {
    /// The info, without the metric name.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Result => "input to histogram_quantile has NaN observations, result is NaN",
            Self::SkewedHigher => {
                "input to histogram_quantile has NaN observations, result is skewed higher"
            }
            Self::Excluded => {
                "input to histogram_fraction has NaN observations, which are excluded from all fractions"
            }
        }
    }
}

/// The φ-quantile.
pub(crate) fn quantile(phi: f64, it: &FloatHistogram) -> (f64, Option<NanObservations>) {
    if phi < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if 1.0 < phi {
        return (f64::INFINITY, None);
    }
    if it.count == 0.0 || phi.is_nan() {
        return (f64::NAN, None);
    }
    let all = it.buckets();
    // From the nearer end, so that less is added up; observations that are no numbers are at the upper one.
    let forward = it.sum.is_nan() || phi < 0.5;
    let rank = if forward { phi * it.count } else { (1.0 - phi) * it.count };
    let (chosen, cumulative) = find(&all, forward, rank);
    let mut bucket = chosen.map_or_else(no_bucket, |at| all[at]);
    if it.has_custom_buckets() {
        if bucket.lower == f64::NEG_INFINITY {
            if bucket.upper <= 0.0 {
                return (bucket.upper, None);
            }
            bucket.lower = 0.0;
        }
        if bucket.upper == f64::INFINITY {
            return (bucket.lower, None);
        }
    } else if bucket.lower < 0.0 && 0.0 < bucket.upper {
        clamp_zero(it, &mut bucket);
    }
    let cumulative = if it.count < cumulative { it.count } else { cumulative };
    if cumulative < rank {
        return if it.sum.is_nan() {
            (f64::NAN, Some(NanObservations::Result))
        } else {
            (bucket.upper, None)
        };
    }
    let rank = if forward { rank - (cumulative - bucket.count) } else { cumulative - rank };
    let mut note = None;
    if it.sum.is_nan() {
        // Upstream looks for what is missing with the variable that held the bucket.
        let rest = chosen.map_or(&[][..], |at| &all[at + 1..]);
        let total = rest.iter().fold(cumulative, |total, it| total + it.count);
        note = (total < it.count).then_some(NanObservations::SkewedHigher);
        bucket = rest.last().copied().unwrap_or(bucket);
    }
    (interpolate(it.has_custom_buckets(), &bucket, rank / bucket.count), note)
}

/// The bucket in which the sum of counts reaches `rank`, or the last one looked at; and the sum.
fn find(all: &[Bucket], forward: bool, rank: f64) -> (Option<usize>, f64) {
    let mut cumulative = 0.0;
    let mut chosen = None;
    for step in 0..all.len() {
        let at = if forward { step } else { all.len() - 1 - step };
        chosen = Some(at);
        if all[at].count == 0.0 {
            continue;
        }
        cumulative += all[at].count;
        if rank <= cumulative {
            break;
        }
    }
    (chosen, cumulative)
}

fn no_bucket() -> Bucket {
    Bucket { lower: 0.0, upper: 0.0, lower_inclusive: false, upper_inclusive: false, count: 0.0 }
}

/// A zero bucket next to buckets on one side only holds nothing of the other side.
fn clamp_zero(it: &FloatHistogram, bucket: &mut Bucket) {
    match (it.negative_buckets.is_empty(), it.positive_buckets.is_empty()) {
        (true, false) => bucket.lower = 0.0,
        (false, true) => bucket.upper = 0.0,
        _ => {}
    }
}

/// The value that `share` of a bucket lies below.
fn interpolate(custom: bool, bucket: &Bucket, share: f64) -> f64 {
    let Bucket { lower, upper, .. } = *bucket;
    if custom || lower <= 0.0 && 0.0 <= upper {
        return lower + (upper - lower) * share;
    }
    let (low, high) = (lower.abs().log2(), upper.abs().log2());
    if 0.0 < lower {
        (low + (high - low) * share).exp2()
    } else {
        -(high + (low - high) * (1.0 - share)).exp2()
    }
}

/// The share of a bucket that lies below `v`, a value inside of it.
pub(super) fn below(linear: bool, bucket: &Bucket, v: f64) -> f64 {
    let Bucket { lower, upper, .. } = *bucket;
    if linear {
        return (v - lower) / (upper - lower);
    }
    let (low, high, value) = (lower.abs().log2(), upper.abs().log2(), v.abs().log2());
    if 0.0 <= lower { (value - low) / (high - low) } else { 1.0 - (value - high) / (low - high) }
}

/// The share of observations between `lower` and `upper`.
pub(crate) fn fraction(
    lower: f64,
    upper: f64,
    it: &FloatHistogram,
) -> (f64, Option<NanObservations>) {
    if it.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return (f64::NAN, None);
    }
    if upper <= lower {
        return (0.0, None);
    }
    let mut ranks = [None, None];
    let mut rank = 0.0;
    for mut bucket in it.buckets() {
        let zero = bucket.lower <= 0.0 && 0.0 <= bucket.upper;
        if zero {
            clamp_zero(it, &mut bucket);
        }
        for (found, v) in ranks.iter_mut().zip([lower, upper]).filter(|(found, _)| found.is_none())
        {
            if v <= bucket.lower {
                *found = Some(rank);
            } else if v < bucket.upper {
                let share = if bucket.lower == f64::NEG_INFINITY {
                    1.0
                } else {
                    below(it.has_custom_buckets() || zero, &bucket, v)
                };
                *found = Some(rank + bucket.count * share);
            }
        }
        rank += bucket.count;
    }
    let (mut total, mut note) = (it.count, None);
    if it.sum.is_nan() && rank < it.count {
        (total, note) = (rank, Some(NanObservations::Excluded));
    }
    let [lower, upper] = ranks.map(|it| it.filter(|rank| *rank <= total).unwrap_or(total));
    ((upper - lower) / it.count, note)
}

/// Population variance, each bucket counting as its middle.
pub(crate) fn variance(it: &FloatHistogram) -> f64 {
    let mean = it.sum / it.count;
    let mut total = Kahan::default();
    for bucket in it.buckets().iter().filter(|bucket| bucket.count != 0.0) {
        let Bucket { lower, upper, count, .. } = *bucket;
        let value = if it.has_custom_buckets() {
            f64::midpoint(lower, upper)
        } else if lower <= 0.0 && 0.0 <= upper {
            0.0
        } else {
            (lower * upper).sqrt().copysign(upper)
        };
        let delta = value - mean;
        total.add(count * delta * delta);
    }
    total.value() / it.count
}
