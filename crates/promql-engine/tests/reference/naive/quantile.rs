//! Estimates from native histograms: quantiles, fractions, variance, text.

use stdx::gofloat::format_g;

use super::histogram::{Bucket, Hist};
use super::scalar::Kahan;

/// What an estimate found out about the observations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Nans {
    /// The quantile lies among NaN.
    Hit,
    /// There are some.
    Present,
}

impl Hist {
    /// A bucket around zero, cut where nothing was observed on one side of zero.
    fn cut_zero(&self, it: Bucket) -> Bucket {
        if self.is_custom() { it } else { self.cut_at_zero(it) }
    }

    fn cut_at_zero(&self, it: Bucket) -> Bucket {
        if !(it.lower <= 0.0 && 0.0 <= it.upper) {
            return it;
        }
        let (below, above) = (!self.negative.is_empty(), !self.positive.is_empty());
        match (below, above) {
            (false, true) => Bucket { lower: 0.0, ..it },
            (true, false) => Bucket { upper: 0.0, ..it },
            _ => it,
        }
    }

    pub(super) fn quantile(&self, q: f64) -> (f64, Option<Nans>) {
        if q < 0.0 {
            return (f64::NEG_INFINITY, None);
        }
        if q > 1.0 {
            return (f64::INFINITY, None);
        }
        if self.count == 0.0 || q.is_nan() {
            return (f64::NAN, None);
        }
        let mut buckets = self.all_buckets();
        let forward = self.sum.is_nan() || q < 0.5;
        let mut rank = if forward { q * self.count } else { (1.0 - q) * self.count };
        if !forward {
            buckets.reverse();
        }
        let (mut seen, mut found) = (0.0, None);
        for (at, it) in buckets.iter().enumerate() {
            seen += it.count;
            found = Some((at, *it));
            if it.count != 0.0 && seen >= rank {
                break;
            }
        }
        let (at, found) =
            found.unwrap_or((buckets.len(), Bucket { lower: 0.0, upper: 0.0, count: 0.0 }));
        let mut it = self.cut_zero(found);
        if self.is_custom() {
            if it.lower == f64::NEG_INFINITY {
                if it.upper <= 0.0 {
                    return (it.upper, None);
                }
                it.lower = 0.0;
            }
            if it.upper == f64::INFINITY {
                return (it.lower, None);
            }
        }
        seen = if seen > self.count { self.count } else { seen };
        if seen < rank {
            return if self.sum.is_nan() { (f64::NAN, Some(Nans::Hit)) } else { (it.upper, None) };
        }
        rank = if forward { rank - (seen - it.count) } else { seen - rank };
        // It counts on from where it was, which is less than all before if that was more than the count.
        let rest = buckets.get(at + 1..).unwrap_or_default();
        let total = rest.iter().fold(seen, |total, it| total + it.count);
        let nans = (self.sum.is_nan() && total < self.count).then_some(Nans::Present);
        if let Some(last) = rest.last().filter(|_| self.sum.is_nan()) {
            // As upstream has it: counting on to find out about NaN, it loses the bucket that it found.
            it = *last;
        }
        let share = rank / it.count;
        (self.inside(it, share), nans)
    }

    /// The value at a share of a bucket.
    fn inside(&self, it: Bucket, share: f64) -> f64 {
        if self.is_custom() || it.lower <= 0.0 && 0.0 <= it.upper {
            return it.lower + (it.upper - it.lower) * share;
        }
        let (lower, upper) = (it.lower.abs().log2(), it.upper.abs().log2());
        if it.lower > 0.0 {
            (lower + (upper - lower) * share).exp2()
        } else {
            -(upper + (lower - upper) * (1.0 - share)).exp2()
        }
    }

    /// The share of a bucket that lies below a value inside of it.
    pub(super) fn share_below(&self, it: Bucket, v: f64) -> f64 {
        if self.is_custom() || it.lower <= 0.0 && 0.0 <= it.upper {
            return (v - it.lower) / (it.upper - it.lower);
        }
        let [v, lower, upper] = [v, it.lower, it.upper].map(|it| it.abs().log2());
        if it.lower > 0.0 {
            (v - lower) / (upper - lower)
        } else {
            1.0 - (v - upper) / (lower - upper)
        }
    }

    pub(super) fn fraction(&self, lower: f64, upper: f64) -> (f64, Option<Nans>) {
        if self.count == 0.0 || lower.is_nan() || upper.is_nan() {
            return (f64::NAN, None);
        }
        if lower >= upper {
            return (0.0, None);
        }
        let buckets = self.all_buckets();
        let total: f64 = buckets.iter().map(|it| it.count).sum();
        let nans = (self.sum.is_nan() && total < self.count).then_some(Nans::Present);
        let most = if self.sum.is_nan() { total } else { self.count };
        let rank = |v: f64| self.rank_of(&buckets, v).filter(|it| *it <= most).unwrap_or(most);
        ((rank(upper) - rank(lower)) / self.count, nans)
    }

    /// How many observations lie below a value. Here custom buckets around zero are cut, too.
    fn rank_of(&self, buckets: &[Bucket], v: f64) -> Option<f64> {
        let mut rank = 0.0;
        for it in buckets {
            let cut = self.cut_at_zero(*it);
            if cut.lower >= v {
                return Some(rank);
            }
            if v < cut.upper {
                let share =
                    if cut.lower == f64::NEG_INFINITY { 1.0 } else { self.share_below(cut, v) };
                return Some(rank + it.count * share);
            }
            rank += it.count;
        }
        None
    }

    pub(super) fn variance(&self) -> f64 {
        let mean = self.sum / self.count;
        let mut sum = Kahan::default();
        for it in self.buckets() {
            let middle = if self.is_custom() {
                (it.lower + it.upper) / 2.0
            } else if it.lower <= 0.0 && 0.0 <= it.upper {
                0.0
            } else {
                let root = (it.lower * it.upper).sqrt();
                if it.upper < 0.0 { -root } else { root }
            };
            let delta = middle - mean;
            sum.add(it.count * delta * delta);
        }
        sum.value() / self.count
    }

    /// As `count_values` shows it.
    pub(super) fn text(&self) -> String {
        let mut parts =
            vec![format!("count:{}", format_g(self.count)), format!("sum:{}", format_g(self.sum))];
        let whole = Self { zero_threshold: 0.0, zero_count: 0.0, ..self.clone() };
        let mut buckets = whole.buckets();
        let at = buckets.iter().take_while(|it| it.upper <= 0.0 && !self.is_custom()).count();
        if self.zero_count != 0.0 {
            let edge = self.zero_threshold;
            buckets.insert(at, Bucket { lower: -edge, upper: edge, count: self.zero_count });
        }
        for (index, it) in buckets.iter().enumerate() {
            let negative = index < at;
            let zero = index == at && self.zero_count != 0.0;
            let first = self.is_custom() && it.lower == f64::NEG_INFINITY;
            let open = if zero || negative || first { '[' } else { '(' };
            let close = if negative { ')' } else { ']' };
            parts.push(format!(
                "{open}{},{}{close}:{}",
                format_g(it.lower),
                format_g(it.upper),
                format_g(it.count)
            ));
        }
        format!("{{{}}}", parts.join(", "))
    }
}
