//! Sums of histograms.

use std::cmp::Ordering;

use model::{CounterResetHint, FloatHistogram, SCHEMA_CUSTOM, Span};

use super::Incompatible;
use crate::function::sum::Kahan;

/// A number of observations while histograms are added up.
pub(crate) trait Tally: Copy {
    fn new(v: f64) -> Self;
    /// Adds a number.
    fn plus(self, v: f64) -> Self;
    /// Adds another one, with all that it keeps.
    fn join(self, other: Self) -> Self;
    /// Changes all that it keeps.
    fn map(self, f: impl Fn(f64) -> f64) -> Self;
    fn value(self) -> f64;
    /// True if it is past the largest float.
    fn is_infinite(self) -> bool;
}

/// A number, and nothing about what rounding lost.
pub(crate) type Plain = f64;

impl Tally for Plain {
    fn new(v: f64) -> Self {
        v
    }

    fn plus(self, v: f64) -> Self {
        self + v
    }

    fn join(self, other: Self) -> Self {
        self + other
    }

    fn map(self, f: impl Fn(f64) -> f64) -> Self {
        f(self)
    }

    fn value(self) -> f64 {
        self
    }

    fn is_infinite(self) -> bool {
        f64::is_infinite(self)
    }
}

impl Tally for Kahan {
    fn new(v: f64) -> Self {
        Self { sum: v, compensation: 0.0 }
    }

    fn plus(mut self, v: f64) -> Self {
        self.add(v);
        self
    }

    fn join(self, other: Self) -> Self {
        let sum = self.plus(other.sum);
        Self { compensation: sum.compensation + other.compensation, ..sum }
    }

    fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self { sum: f(self.sum), compensation: f(self.compensation) }
    }

    fn value(self) -> f64 {
        Self::value(self)
    }

    fn is_infinite(self) -> bool {
        self.sum.is_infinite()
    }
}

/// Buckets by index, ascending.
type Buckets<N> = Vec<(i64, N)>;

/// A sum of histograms.
#[derive(Clone, Debug)]
pub(crate) struct Total<N> {
    pub(crate) hint: CounterResetHint,
    schema: i32,
    pub(super) zero_threshold: f64,
    pub(super) zero_count: N,
    pub(crate) count: N,
    sum: N,
    pub(super) positive: Buckets<N>,
    pub(super) negative: Buckets<N>,
    custom_values: Vec<f64>,
}

/// What happened when a histogram was added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Added {
    /// One says that it is a reset, the other one that it is none.
    pub(crate) collision: bool,
    /// Bounds that only one had are gone.
    pub(crate) reconciled: bool,
}

impl<N: Tally> Total<N> {
    /// The sum of one histogram.
    pub(crate) fn of(first: &FloatHistogram) -> Self {
        let buckets = |spans, counts: &[f64]| {
            Span::indexes(spans).zip(counts.iter().copied().map(N::new)).collect()
        };
        Self {
            hint: first.hint,
            schema: first.schema,
            zero_threshold: first.zero_threshold,
            zero_count: N::new(first.zero_count),
            count: N::new(first.count),
            sum: N::new(first.sum),
            positive: buckets(&first.positive_spans, &first.positive_buckets),
            negative: buckets(&first.negative_spans, &first.negative_buckets),
            custom_values: first.custom_values.clone(),
        }
    }

    /// Adds a histogram.
    ///
    /// # Errors
    /// If one has exponential buckets and the other one custom ones; the sum stays as it was.
    pub(crate) fn add(&mut self, other: &FloatHistogram) -> Result<Added, Incompatible> {
        self.join(other, 1.0)
    }

    /// Subtracts a histogram.
    ///
    /// # Errors
    /// As [`Total::add`].
    pub(crate) fn subtract(&mut self, other: &FloatHistogram) -> Result<Added, Incompatible> {
        self.join(other, -1.0)
    }

    fn join(&mut self, other: &FloatHistogram, sign: f64) -> Result<Added, Incompatible> {
        let custom = self.schema == SCHEMA_CUSTOM;
        if custom != other.has_custom_buckets() {
            return Err(Incompatible);
        }
        let (hint, collision) = join_hints(self.hint, other.hint);
        self.hint = hint;
        self.count = self.count.plus(sign * other.count);
        self.sum = self.sum.plus(sign * other.sum);
        let same_layout = self.schema == other.schema
            && self.zero_threshold == other.zero_threshold
            && self.custom_values == other.custom_values;
        if same_layout {
            self.zero_count = self.zero_count.plus(sign * other.zero_count);
            let positive = Span::indexes(&other.positive_spans).zip(&other.positive_buckets);
            merge(&mut self.positive, positive.map(|(at, v)| (at, sign * v)));
            let negative = Span::indexes(&other.negative_spans).zip(&other.negative_buckets);
            merge(&mut self.negative, negative.map(|(at, v)| (at, sign * v)));
            return Ok(Added { collision, reconciled: false });
        }
        let other = Total::<Plain>::of(other);
        if custom {
            self.join_custom(other, sign);
        } else {
            self.join_exponential(other, sign);
        }
        Ok(Added { collision, reconciled: custom })
    }

    fn join_exponential(&mut self, mut other: Total<Plain>, sign: f64) {
        while let Some(order) = self.zero_threshold.partial_cmp(&other.zero_threshold) {
            match order {
                Ordering::Less => self.widen_zero(other.zero_threshold),
                Ordering::Greater => other.widen_zero(self.zero_threshold),
                Ordering::Equal => break,
            }
        }
        let schema = self.schema.min(other.schema);
        self.reduce_to(schema);
        other.reduce_to(schema);
        self.zero_count = self.zero_count.plus(sign * other.zero_count);
        merge(&mut self.positive, other.positive.into_iter().map(|(at, v)| (at, sign * v)));
        merge(&mut self.negative, other.negative.into_iter().map(|(at, v)| (at, sign * v)));
    }

    fn join_custom(&mut self, mut other: Total<Plain>, sign: f64) {
        let common = common_bounds(&self.custom_values, &other.custom_values);
        self.keep_bounds(&common);
        other.keep_bounds(&common);
        merge(&mut self.positive, other.positive.into_iter().map(|(at, v)| (at, sign * v)));
        self.positive.retain(|(_, it)| it.value() != 0.0);
    }

    /// Merges custom buckets until there are no bounds but `bounds`, which are among its own.
    pub(super) fn keep_bounds(&mut self, bounds: &[f64]) {
        let mut kept: Buckets<N> = Vec::new();
        for (index, it) in self.positive.drain(..) {
            let upper = usize::try_from(index).ok().and_then(|at| self.custom_values.get(at));
            let at = upper.map_or(bounds.len(), |upper| bounds.partition_point(|it| it < upper));
            push_joined(&mut kept, at as i64, it);
        }
        self.positive = kept;
        self.custom_values = bounds.to_vec();
    }

    /// Makes the zero bucket at least as wide as `threshold`. A bucket with observations that it reaches
    /// into becomes part of it.
    pub(super) fn widen_zero(&mut self, threshold: f64) {
        let bounds = |index: i64| (bound(index - 1, self.schema), bound(index, self.schema));
        let mut threshold = threshold;
        let reaching = |threshold: f64| {
            let filled = self.positive.iter().chain(&self.negative);
            let filled = filled.filter(|(_, it)| it.value() != 0.0).map(|(at, _)| bounds(*at));
            let cut = filled.filter(|(lower, upper)| *lower < threshold && threshold < *upper);
            cut.map(|(_, upper)| upper).reduce(f64::max)
        };
        while let Some(upper) = reaching(threshold) {
            threshold = upper;
        }
        let swallowed = |(at, _): &(i64, N)| bounds(*at).0 < threshold;
        let inside = self.positive.iter().chain(&self.negative).filter(|it| swallowed(it));
        let zero_count = inside.fold(self.zero_count, |count, (_, it)| count.join(*it));
        let kept = |all: &[(i64, N)]| all.iter().filter(|it| !swallowed(it)).copied().collect();
        let (positive, negative) = (kept(&self.positive), kept(&self.negative));
        (self.positive, self.negative) = (positive, negative);
        (self.zero_count, self.zero_threshold) = (zero_count, threshold);
    }

    /// Merges neighbouring exponential buckets until the resolution is `schema`.
    pub(crate) fn reduce_to(&mut self, schema: i32) {
        if self.schema <= schema {
            return;
        }
        let by = self.schema.abs_diff(schema).min(63);
        for side in [&mut self.positive, &mut self.negative] {
            let mut wide: Buckets<N> = Vec::new();
            for (index, it) in side.drain(..) {
                push_joined(&mut wide, ((index - 1) >> by) + 1, it);
            }
            *side = wide;
        }
        self.schema = schema;
    }

    /// Changes all counts and the sum.
    pub(crate) fn scale(&mut self, f: impl Fn(f64) -> f64 + Copy) {
        self.numbers(|it| *it = it.map(f));
    }

    fn numbers(&mut self, f: impl FnMut(&mut N)) {
        let buckets = self.positive.iter_mut().chain(&mut self.negative).map(|(_, it)| it);
        [&mut self.zero_count, &mut self.count, &mut self.sum]
            .into_iter()
            .chain(buckets)
            .for_each(f);
    }

    /// True if a number is past the largest float.
    pub(crate) fn has_overflow(&self) -> bool {
        let buckets = self.positive.iter().chain(&self.negative).map(|(_, it)| *it);
        buckets.chain([self.zero_count, self.count, self.sum]).any(N::is_infinite)
            || self.custom_values.iter().any(|it| it.is_infinite())
    }

    /// The sum as a histogram, empty buckets included.
    pub(crate) fn finish(self) -> FloatHistogram {
        let split = |side: &[(i64, N)]| {
            let spans = Span::of(side.iter().map(|(at, _)| *at));
            (spans, side.iter().map(|(_, it)| it.value()).collect())
        };
        let (positive_spans, positive_buckets) = split(&self.positive);
        let (negative_spans, negative_buckets) = split(&self.negative);
        FloatHistogram {
            hint: self.hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count.value(),
            count: self.count.value(),
            sum: self.sum.value(),
            positive_spans,
            negative_spans,
            positive_buckets,
            negative_buckets,
            custom_values: self.custom_values,
        }
    }
}

/// The hint of a sum, and whether the two contradict each other.
fn join_hints(a: CounterResetHint, b: CounterResetHint) -> (CounterResetHint, bool) {
    use CounterResetHint::{Gauge, Unknown};
    match (a, b) {
        (a, b) if a == b => (a, false),
        (Gauge, _) | (_, Gauge) => (Gauge, false),
        (Unknown, _) | (_, Unknown) => (Unknown, false),
        _ => (Unknown, true),
    }
}

/// The bounds that both have.
pub(super) fn common_bounds(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().copied().filter(|it| b.contains(it)).collect()
}

/// Adds counts to the buckets with their indexes.
fn merge<N: Tally>(into: &mut Buckets<N>, other: impl Iterator<Item = (i64, f64)>) {
    let known = into.len();
    let mut at = 0;
    for (index, v) in other {
        while at < known && into[at].0 < index {
            at += 1;
        }
        if at < known && into[at].0 == index {
            into[at].1 = into[at].1.plus(v);
        } else {
            into.push((index, N::new(v)));
        }
    }
    if known < into.len() {
        into.sort_by_key(|(index, _)| *index);
    }
}

/// Adds a bucket behind all others, or to the last one if that has the same index.
fn push_joined<N: Tally>(into: &mut Buckets<N>, index: i64, it: N) {
    match into.last_mut() {
        Some((last, known)) if *last == index => *known = known.join(it),
        _ => into.push((index, it)),
    }
}

fn bound(index: i64, schema: i32) -> f64 {
    FloatHistogram { schema, ..FloatHistogram::default() }.bound(index)
}
