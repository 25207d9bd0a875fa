//! Quantiles and fractions of classic histograms: cumulative buckets, one series each.

use crate::annotation::Monotonicity;

/// A classic bucket: how many observations were at most `upper`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) upper: f64,
    pub(crate) count: f64,
}

/// Relative difference below which a falling count is rounding, not an error.
const SMALL: f64 = 1e-12;

/// The φ-quantile of a classic histogram. Sorts and repairs `buckets`, and says what it had to raise;
/// `t` is the time of the histogram.
pub(crate) fn quantile(phi: f64, buckets: &mut Vec<Bucket>, t: i64) -> (f64, Option<Monotonicity>) {
    if phi.is_nan() {
        return (f64::NAN, None);
    }
    if phi < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if 1.0 < phi {
        return (f64::INFINITY, None);
    }
    sort(buckets);
    if buckets.last().is_none_or(|last| last.upper != f64::INFINITY) {
        return (f64::NAN, None);
    }
    merge_equal(buckets);
    let raised = make_monotonic(buckets, t);
    (interpolate(phi, buckets), raised)
}

fn sort(buckets: &mut [Bucket]) {
    // NaN goes last, where +Inf would have to be.
    buckets.sort_by(|a, b| a.upper.total_cmp(&b.upper));
}

/// Joins buckets with equal bounds.
fn merge_equal(buckets: &mut Vec<Bucket>) {
    buckets.dedup_by(|next, kept| {
        let equal = next.upper == kept.upper;
        if equal {
            kept.count += next.count;
        }
        equal
    });
}

/// Raises counts that are below the one before.
fn make_monotonic(buckets: &mut [Bucket], t: i64) -> Option<Monotonicity> {
    let mut found = Monotonicity::none(t);
    let mut before = buckets[0].count;
    for bucket in &mut buckets[1..] {
        if bucket.count == before {
            continue;
        }
        if almost_equal(before, bucket.count) {
            bucket.count = before;
        } else if bucket.count < before {
            let diff_max = before - bucket.count;
            let one = Monotonicity {
                buckets: (bucket.upper, bucket.upper),
                diff_max,
                samples: 0,
                t: (t, t),
            };
            found.join(&one);
            found.samples = 1;
            bucket.count = before;
        } else {
            before = bucket.count;
        }
    }
    (found.samples != 0).then_some(found)
}

/// True if two counts differ by rounding only.
fn almost_equal(a: f64, b: f64) -> bool {
    if a.is_nan() || b.is_nan() {
        return a.is_nan() && b.is_nan();
    }
    if a == b {
        return true;
    }
    let total = a.abs() + b.abs();
    let diff = (a - b).abs();
    if a == 0.0 || b == 0.0 || total < f64::MIN_POSITIVE {
        return diff < SMALL * f64::MIN_POSITIVE;
    }
    diff / total.min(f64::MAX) < SMALL
}

fn interpolate(phi: f64, buckets: &[Bucket]) -> f64 {
    let total = buckets[buckets.len() - 1].count;
    if buckets.len() < 2 || total == 0.0 {
        return f64::NAN;
    }
    let rank = phi * total;
    let last = buckets.len() - 1;
    // Where counts are NaN none of them is enough.
    let is_enough = |it: &Bucket| rank <= it.count;
    let at = buckets[..last].partition_point(|it| !is_enough(it));
    if at == last {
        return buckets[last - 1].upper;
    }
    if at == 0 && buckets[0].upper <= 0.0 {
        return buckets[0].upper;
    }
    let (lower, before) =
        if at == 0 { (0.0, 0.0) } else { (buckets[at - 1].upper, buckets[at - 1].count) };
    lower + (buckets[at].upper - lower) * ((rank - before) / (buckets[at].count - before))
}

/// The share of observations between `lower` and `upper` in a classic histogram. Sorts `buckets`.
pub(crate) fn fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    sort(buckets);
    if buckets.last().is_none_or(|last| last.upper != f64::INFINITY) {
        return f64::NAN;
    }
    merge_equal(buckets);
    let total = buckets[buckets.len() - 1].count;
    if total == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if upper <= lower {
        return 0.0;
    }
    let mut ranks = [None, None];
    let mut before = 0.0;
    let mut low = if 0.0 < buckets[0].upper { 0.0 } else { f64::NEG_INFINITY };
    for bucket in &*buckets {
        for (rank, value) in ranks.iter_mut().zip([lower, upper]) {
            if rank.is_some() {
                continue;
            }
            if value <= low {
                *rank = Some(before);
            } else if value < bucket.upper {
                // Nothing can be said within a bucket without lower bound: all of it counts as below.
                let share = if low == f64::NEG_INFINITY {
                    1.0
                } else {
                    (value - low) / (bucket.upper - low)
                };
                *rank = Some(before + (bucket.count - before) * share);
            }
        }
        (before, low) = (bucket.count, bucket.upper);
    }
    let [lower_rank, upper_rank] =
        ranks.map(|rank| rank.filter(|it| *it <= total).unwrap_or(total));
    (upper_rank - lower_rank) / total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(all: &[(f64, f64)]) -> Vec<Bucket> {
        all.iter().map(|(upper, count)| Bucket { upper: *upper, count: *count }).collect()
    }

    #[test]
    fn finds_quantiles() {
        let inf = f64::INFINITY;
        let check = |phi: f64, all: &[(f64, f64)], expected: f64| {
            let (got, _) = quantile(phi, &mut buckets(all), 0);
            assert!(got == expected || got.is_nan() && expected.is_nan(), "{phi} {all:?}: {got}");
        };
        let usual = [(0.1, 4.0), (1.0, 8.0), (inf, 10.0)];
        check(0.5, &usual, 0.325);
        check(0.2, &usual, 0.05);
        check(0.9, &usual, 1.0);
        check(-0.1, &usual, -inf);
        check(1.1, &usual, inf);
        check(0.5, &[(1.0, 8.0)], f64::NAN);
        check(0.5, &[(inf, 8.0)], f64::NAN);
        check(0.5, &[(1.0, 0.0), (inf, 0.0)], f64::NAN);
        check(0.1, &[(-1.0, 5.0), (inf, 10.0)], -1.0);
    }

    #[test]
    fn repairs_falling_counts() {
        let mut all = buckets(&[(1.0, 5.0), (2.0, 3.0), (3.0, 5.0 - 1e-13), (f64::INFINITY, 6.0)]);
        let (_, raised) = quantile(0.5, &mut all, 7);
        let raised = raised.expect("a count fell");
        assert_eq!(
            (raised.buckets, raised.diff_max, raised.samples, raised.t),
            ((2.0, 2.0), 2.0, 1, (7, 7))
        );
        assert_eq!(all.iter().map(|it| it.count).collect::<Vec<_>>(), [5.0, 5.0, 5.0, 6.0]);
    }

    #[test]
    fn finds_fractions() {
        let all = [(1.0, 4.0), (2.0, 8.0), (f64::INFINITY, 10.0)];
        let check = |lower, upper, expected: f64| {
            let got = fraction(lower, upper, &mut buckets(&all));
            assert!((got - expected).abs() < 1e-15, "{lower} {upper}: {got}");
        };
        check(0.0, 1.0, 0.4);
        check(0.5, 1.5, 0.4);
        check(1.5, f64::INFINITY, 0.4);
        check(2.0, 1.0, 0.0);
        check(f64::NEG_INFINITY, f64::INFINITY, 1.0);
    }
}
