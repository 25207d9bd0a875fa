//! `</` and `>/`: cutting observations off a native histogram.

use super::histogram::{Bucket, Hist};

/// What is kept of a bucket: how many observations, and the value they count for in the sum.
struct Kept {
    count: f64,
    middle: f64,
}

impl Hist {
    /// Keeps observations up to `x`, or from `x` on if not `upper`.
    pub(super) fn trim(&self, x: f64, upper: bool) -> Self {
        let mut out = self.clone();
        let mut changed = false;
        let (mut count, mut sum) = (0.0, 0.0);
        let mut keep = |bucket: Bucket, zero: bool| {
            let kept = self.kept(bucket, x, upper, zero);
            changed |= kept.count != bucket.count;
            count += kept.count;
            if kept.count != 0.0 {
                sum += kept.count * kept.middle;
            }
            kept.count
        };
        // The order of additions is free.
        for (index, it) in &mut out.positive {
            let bounds = (self.bound(index - 1), self.bound(*index));
            *it = keep(Bucket { lower: bounds.0, upper: bounds.1, count: *it }, false);
        }
        for (index, it) in &mut out.negative {
            let bounds = (-self.bound(*index), -self.bound(index - 1));
            *it = keep(Bucket { lower: bounds.0, upper: bounds.1, count: *it }, false);
        }
        if !self.is_custom() {
            let edge = self.zero_threshold;
            let mut zero = Bucket { lower: -edge, upper: edge, count: self.zero_count };
            let (below, above) = (filled(&self.negative), filled(&self.positive));
            if above && !below {
                zero.lower = 0.0;
            }
            if below && !above {
                zero.upper = 0.0;
            }
            out.zero_count = keep(zero, true);
        }
        if !changed {
            return self.clone();
        }
        out.count = count;
        out.sum = sum;
        out.compact()
    }

    fn kept(&self, it: Bucket, x: f64, upper: bool, zero: bool) -> Kept {
        let Bucket { lower, upper: top, count } = it;
        let whole = Kept { count, middle: self.middle(lower, top, zero) };
        let none = Kept { count: 0.0, middle: 0.0 };
        if count == 0.0 || x.is_nan() {
            return none;
        }
        if upper && top <= x || !upper && lower >= x {
            return whole;
        }
        if upper && lower >= x || !upper && top <= x {
            return none;
        }
        match (lower == f64::NEG_INFINITY, top == f64::INFINITY, upper) {
            (true, _, true) if x > 0.0 && top.is_finite() => {
                Kept { count: count * x / top, middle: x / 2.0 }
            }
            (true, _, true) if top <= 0.0 => Kept { count, middle: x },
            (true, _, true) => none,
            (true, _, false) if x >= 0.0 && top.is_finite() => {
                Kept { count: count * (1.0 - x / top), middle: (x + top) / 2.0 }
            }
            (true, _, false) => none,
            (_, true, true) => none,
            (_, true, false) => Kept { count, middle: x },
            _ => {
                let share =
                    if zero { (x - lower) / (top - lower) } else { self.share_below(it, x) };
                if upper {
                    Kept { count: count * share, middle: self.middle(lower, x, zero) }
                } else {
                    Kept { count: count * (1.0 - share), middle: self.middle(x, top, zero) }
                }
            }
        }
    }

    /// The value that observations between two bounds count for.
    fn middle(&self, lower: f64, upper: f64, zero: bool) -> f64 {
        match (lower == f64::NEG_INFINITY, upper == f64::INFINITY) {
            (true, false) if upper > 0.0 => upper / 2.0,
            (true, _) => upper,
            (_, true) => lower,
            _ if zero || self.is_custom() => (lower + upper) / 2.0,
            _ if upper <= 0.0 => -(lower * upper).sqrt(),
            _ => (lower * upper).sqrt(),
        }
    }
}

fn filled(buckets: &std::collections::BTreeMap<i64, f64>) -> bool {
    buckets.values().any(|it| *it != 0.0)
}
