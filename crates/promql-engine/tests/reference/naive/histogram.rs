//! Native histograms as maps from bucket index to count, and what can be done to them.
//!
//! Bucket bounds come from `model`; all arithmetic is here.

use std::collections::{BTreeMap, BTreeSet};

use model::{CounterResetHint, FloatHistogram, SCHEMA_CUSTOM, Span, is_stale_nan};

/// A native histogram. Buckets may be there and empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Hist {
    pub(crate) hint: CounterResetHint,
    pub(crate) schema: i32,
    pub(crate) zero_threshold: f64,
    pub(crate) zero_count: f64,
    pub(crate) count: f64,
    pub(crate) sum: f64,
    pub(crate) positive: BTreeMap<i64, f64>,
    pub(crate) negative: BTreeMap<i64, f64>,
    pub(crate) custom: Vec<f64>,
}

/// A bucket with its bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    pub(crate) lower: f64,
    pub(crate) upper: f64,
    pub(crate) count: f64,
}

impl Hist {
    pub(crate) fn read(it: &FloatHistogram) -> Self {
        let buckets = |spans: &[Span], counts: &[f64]| {
            Span::indexes(spans).zip(counts.iter().copied()).collect()
        };
        Self {
            hint: it.hint,
            schema: it.schema,
            zero_threshold: it.zero_threshold,
            zero_count: it.zero_count,
            count: it.count,
            sum: it.sum,
            positive: buckets(&it.positive_spans, &it.positive_buckets),
            negative: buckets(&it.negative_spans, &it.negative_buckets),
            custom: it.custom_values.clone(),
        }
    }

    pub(crate) fn write(&self) -> FloatHistogram {
        FloatHistogram {
            hint: self.hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count,
            count: self.count,
            sum: self.sum,
            positive_spans: Span::of(self.positive.keys().copied()),
            positive_buckets: self.positive.values().copied().collect(),
            negative_spans: Span::of(self.negative.keys().copied()),
            negative_buckets: self.negative.values().copied().collect(),
            custom_values: self.custom.clone(),
        }
    }

    pub(crate) fn is_stale(&self) -> bool {
        is_stale_nan(self.sum)
    }

    pub(crate) fn is_custom(&self) -> bool {
        self.schema == SCHEMA_CUSTOM
    }

    /// The upper bound of a bucket above zero.
    pub(crate) fn bound(&self, index: i64) -> f64 {
        let layout = FloatHistogram {
            schema: self.schema,
            custom_values: self.custom.clone(),
            ..FloatHistogram::default()
        };
        layout.bound(index)
    }

    /// The buckets on one side, by index, with their bounds.
    fn side(&self, negative: bool) -> Vec<(i64, Bucket)> {
        let buckets = if negative { &self.negative } else { &self.positive };
        let bucket = |(&index, &count): (&i64, &f64)| {
            let (lower, upper) = (self.bound(index - 1), self.bound(index));
            let (lower, upper) = if negative { (-upper, -lower) } else { (lower, upper) };
            (index, Bucket { lower, upper, count })
        };
        buckets.iter().map(bucket).collect()
    }

    /// All buckets that hold something, ascending, cut where the zero bucket begins.
    pub(crate) fn buckets(&self) -> Vec<Bucket> {
        self.all_buckets().into_iter().filter(|it| it.count != 0.0).collect()
    }

    /// [`Hist::buckets`] with empty ones.
    pub(crate) fn all_buckets(&self) -> Vec<Bucket> {
        let edge = self.zero_threshold;
        let mut all: Vec<Bucket> = self.side(true).into_iter().rev().map(|it| it.1).collect();
        let zero = Bucket { lower: -edge, upper: edge, count: self.zero_count };
        all.extend(Some(zero).filter(|it| 0.0 < it.count));
        all.extend(self.side(false).into_iter().map(|it| it.1));
        for it in &mut all {
            if it.upper < 0.0 && -edge < it.upper {
                it.upper = -edge;
            }
            if 0.0 < it.lower && it.lower < edge {
                it.lower = edge;
            }
        }
        all
    }

    /// Removes empty buckets.
    pub(crate) fn compact(mut self) -> Self {
        self.positive.retain(|_, count| *count != 0.0);
        self.negative.retain(|_, count| *count != 0.0);
        self
    }

    /// Applies `f` to all counts and the sum.
    pub(crate) fn map(mut self, f: impl Fn(f64) -> f64) -> Self {
        for it in [&mut self.zero_count, &mut self.count, &mut self.sum] {
            *it = f(*it);
        }
        self.positive.values_mut().chain(self.negative.values_mut()).for_each(|it| *it = f(*it));
        self
    }

    /// `h * factor`.
    pub(crate) fn times(self, factor: f64) -> Self {
        let hint = if factor < 0.0 { CounterResetHint::Gauge } else { self.hint };
        Self { hint, ..self.map(|it| it * factor) }
    }

    /// `h / divisor`.
    pub(crate) fn over(self, divisor: f64) -> Self {
        let hint = if divisor < 0.0 { CounterResetHint::Gauge } else { self.hint };
        let mut out = Self { hint, ..self.map(|it| it / divisor) };
        if divisor == 0.0 {
            out.positive.clear();
            out.negative.clear();
        }
        out
    }

    /// Joins neighbouring buckets so that the resolution is `schema`.
    pub(crate) fn reduce(mut self, schema: i32) -> Self {
        if self.is_custom() || self.schema <= schema {
            return self;
        }
        let by = self.schema - schema;
        self.positive = joined(&self.positive, by);
        self.negative = joined(&self.negative, by);
        self.schema = schema;
        self
    }

    /// True if the other one says the same in the same buckets, bit by bit.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        let bits = |it: &Self| {
            let buckets = |all: &BTreeMap<i64, f64>| -> Vec<(i64, u64)> {
                all.iter().map(|(index, count)| (*index, count.to_bits())).collect()
            };
            let numbers = [it.zero_count, it.count, it.sum].map(f64::to_bits);
            (numbers, buckets(&it.positive), buckets(&it.negative))
        };
        self.schema == other.schema
            && self.zero_threshold == other.zero_threshold
            && self.custom == other.custom
            && bits(self) == bits(other)
    }

    /// What decoding of counts and sums alone gives.
    pub(crate) fn without_buckets(&self) -> Self {
        Self {
            hint: self.hint,
            schema: self.schema,
            count: self.count,
            sum: self.sum,
            ..Self::default()
        }
    }

    /// The zero bucket grown to `threshold`, or to the end of a bucket with observations that this falls
    /// into.
    fn grow_zero(self, threshold: f64) -> Self {
        let edges: Vec<(f64, f64)> = [false, true]
            .into_iter()
            .flat_map(|negative| self.side(negative))
            .filter(|(_, it)| it.count != 0.0)
            .map(|(_, it)| (it.lower.abs().min(it.upper.abs()), it.lower.abs().max(it.upper.abs())))
            .collect();
        let mut threshold = threshold;
        while let Some((_, outer)) =
            edges.iter().find(|(inner, outer)| *inner < threshold && threshold < *outer)
        {
            threshold = *outer;
        }
        self.swallow(threshold)
    }

    /// Puts all that lies up to `threshold` into the zero bucket, which then ends there.
    fn swallow(mut self, threshold: f64) -> Self {
        for (index, it) in self.side(false) {
            if it.lower < threshold {
                self.zero_count += it.count;
                self.positive.remove(&index);
            }
        }
        for (index, it) in self.side(true) {
            if -threshold < it.upper {
                self.zero_count += it.count;
                self.negative.remove(&index);
            }
        }
        self.zero_threshold = threshold;
        self
    }

    /// Brings custom buckets to bounds that are a part of its own.
    fn with_bounds(mut self, bounds: &[f64]) -> Self {
        let mut merged = BTreeMap::new();
        for (index, count) in &self.positive {
            let upper = self.bound(*index);
            let at = bounds.iter().position(|it| upper <= *it).unwrap_or(bounds.len());
            *merged.entry(i64::try_from(at).expect("few bounds")).or_insert(0.0) += count;
        }
        self.positive = merged;
        self.custom = bounds.to_vec();
        self
    }
}

/// Makes one of each 2^`by` buckets.
fn joined(buckets: &BTreeMap<i64, f64>, by: i32) -> BTreeMap<i64, f64> {
    let mut all = BTreeMap::new();
    for (index, count) in buckets {
        // An index names the upper bound of its bucket, which belongs to it.
        *all.entry(((index - 1) >> by) + 1).or_insert(0.0) += count;
    }
    all
}

/// Brings two histograms to one layout. The flag says that custom bounds differed.
fn align(mut a: Hist, mut b: Hist) -> Result<(Hist, Hist, bool), Incompatible> {
    if a.is_custom() != b.is_custom() {
        return Err(Incompatible);
    }
    if a.is_custom() {
        if a.custom == b.custom {
            return Ok((a, b, false));
        }
        let common: Vec<f64> =
            a.custom.iter().copied().filter(|it| b.custom.contains(it)).collect();
        return Ok((a.with_bounds(&common), b.with_bounds(&common), true));
    }
    while a.zero_threshold != b.zero_threshold {
        if a.zero_threshold < b.zero_threshold {
            a = a.grow_zero(b.zero_threshold);
        } else {
            b = b.grow_zero(a.zero_threshold);
        }
    }
    let schema = a.schema.min(b.schema);
    Ok((a.reduce(schema), b.reduce(schema), false))
}

/// One histogram has exponential buckets, the other custom ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Incompatible;

/// A sum of two histograms.
pub(crate) struct Added {
    pub(crate) hist: Hist,
    /// One was a reset, the other one not.
    pub(crate) collided: bool,
    /// Custom bounds differed.
    pub(crate) reconciled: bool,
}

/// Adds two histograms, or subtracts the second one.
pub(crate) fn add(a: &Hist, b: &Hist, sign: f64) -> Result<Added, Incompatible> {
    let (hint, collided) = joined_hint(a.hint, b.hint);
    let (a, b, reconciled) = align(a.clone(), b.clone())?;
    let mut hist = zip(&a, &b, |a, b| a + sign * b);
    hist.hint = hint;
    Ok(Added { hist: if reconciled { hist.compact() } else { hist }, collided, reconciled })
}

fn joined_hint(a: CounterResetHint, b: CounterResetHint) -> (CounterResetHint, bool) {
    use CounterResetHint::{Gauge, Unknown};
    match (a, b) {
        (a, b) if a == b => (a, false),
        (Gauge, _) | (_, Gauge) => (Gauge, false),
        (Unknown, _) | (_, Unknown) => (Unknown, false),
        _ => (Unknown, true),
    }
}

/// Applies `f` to each pair of counts of two histograms of one layout.
fn zip(a: &Hist, b: &Hist, f: impl Fn(f64, f64) -> f64) -> Hist {
    let buckets = |a: &BTreeMap<i64, f64>, b: &BTreeMap<i64, f64>| {
        let indexes: BTreeSet<i64> = a.keys().chain(b.keys()).copied().collect();
        let count = |all: &BTreeMap<i64, f64>, index| all.get(index).copied().unwrap_or(0.0);
        indexes.iter().map(|index| (*index, f(count(a, index), count(b, index)))).collect()
    };
    Hist {
        zero_count: f(a.zero_count, b.zero_count),
        count: f(a.count, b.count),
        sum: f(a.sum, b.sum),
        positive: buckets(&a.positive, &b.positive),
        negative: buckets(&a.negative, &b.negative),
        ..a.clone()
    }
}

/// A running compensated sum: each count carries what its additions lost.
#[derive(Clone)]
pub(crate) struct Total {
    sum: Hist,
    lost: Hist,
}

impl Total {
    pub(crate) fn new(first: &Hist) -> Self {
        Self { sum: first.clone(), lost: first.clone().map(|_| 0.0) }
    }

    /// Adds one. The flags are those of [`Added`].
    pub(crate) fn add(&mut self, it: &Hist) -> Result<(bool, bool), Incompatible> {
        let (hint, collided) = joined_hint(self.sum.hint, it.hint);
        let (sum, added, reconciled) = align(self.sum.clone(), it.clone())?;
        // What was lost lies in the layout of the sum.
        let lost = if sum.is_custom() {
            self.lost.clone().with_bounds(&sum.custom)
        } else {
            self.lost.clone().swallow(sum.zero_threshold).reduce(sum.schema)
        };
        let next = zip(&sum, &added, |sum, x| sum + x);
        let error = zip(&sum, &added, lost_by);
        self.lost = zip(&lost, &error, |lost, error| lost + error);
        // An infinite sum has lost nothing that could be given back.
        self.lost = zip(&self.lost, &next, |lost, sum| if sum.is_infinite() { 0.0 } else { lost });
        self.sum = Hist { hint, ..next };
        if reconciled {
            self.sum = self.sum.clone().compact();
            self.lost = self.lost.clone().compact();
        }
        Ok((collided, reconciled))
    }

    /// The sum divided by `n`.
    pub(crate) fn mean(&self, n: f64) -> Hist {
        let mean = zip(&self.sum, &self.lost, |sum, lost| sum / n + lost / n);
        Hist { hint: self.sum.hint, ..mean }
    }

    pub(crate) fn sum(&self) -> Hist {
        let sum = zip(&self.sum, &self.lost, |sum, lost| sum + lost);
        Hist { hint: self.sum.hint, ..sum }
    }
}

/// What `sum + x` loses by rounding.
fn lost_by(sum: f64, x: f64) -> f64 {
    let t = sum + x;
    if t.is_infinite() {
        0.0
    } else if sum.abs() >= x.abs() {
        (sum - t) + x
    } else {
        (x - t) + sum
    }
}

/// True if a counter started anew between two histograms.
pub(crate) fn is_reset(before: &Hist, now: &Hist) -> bool {
    match now.hint {
        CounterResetHint::Reset => return true,
        CounterResetHint::NotReset => return false,
        CounterResetHint::Unknown | CounterResetHint::Gauge => {}
    }
    if now.count < before.count || before.schema < now.schema {
        return true;
    }
    if now.is_custom() {
        let common: Vec<f64> =
            now.custom.iter().copied().filter(|it| before.custom.contains(it)).collect();
        let on_common = |it: &Hist| {
            if before.custom == now.custom { it.clone() } else { it.clone().with_bounds(&common) }
        };
        return !before.is_custom()
            || any_fell(&on_common(before).positive, &on_common(now).positive);
    }
    if before.is_custom() {
        return true;
    }
    if now.zero_threshold < before.zero_threshold {
        return true;
    }
    let grows = before.zero_threshold < now.zero_threshold;
    let before = before.clone();
    let before = if grows { before.grow_zero(now.zero_threshold) } else { before };
    let before = before.reduce(now.schema);
    before.zero_threshold != now.zero_threshold
        || now.zero_count < before.zero_count
        || any_fell(&before.positive, &now.positive)
        || any_fell(&before.negative, &now.negative)
}

/// True if a bucket has less than before; one that is gone has nothing.
fn any_fell(before: &BTreeMap<i64, f64>, now: &BTreeMap<i64, f64>) -> bool {
    before.iter().any(|(index, count)| match now.get(index) {
        Some(now) => now < count,
        None => *count != 0.0,
    })
}
