//! Samples of all kinds, each told from others by one number.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use model::{
    CounterResetHint, FloatHistogram, Histogram, Matcher, SCHEMA_CUSTOM, Span, is_stale_nan,
    stale_nan,
};
use storage::{AnySample, AnyValue, Querier, Samples, SelectHints};

use crate::support::Contents;

/// A value of any kind.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Float(f64),
    Whole(Histogram),
    Floats(FloatHistogram),
}

/// What a series is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Float,
    Whole,
    Floats,
    Gauge,
    Custom,
}

impl Value {
    /// The `n`th value there is, of this kind.
    pub(crate) fn nth(kind: Kind, n: u32) -> Self {
        match kind {
            Kind::Float => Self::Float(nth_float(n)),
            // Some series change what they are.
            _ if n.is_multiple_of(83) => Self::Float(nth_float(n)),
            Kind::Whole => Self::Whole(nth_histogram(n)),
            Kind::Floats => Self::Floats(nth_histogram(n).to_float()),
            Kind::Gauge => {
                Self::Whole(Histogram { hint: CounterResetHint::Gauge, ..nth_histogram(n) })
            }
            Kind::Custom => {
                let custom_values = (0..20).map(f64::from).collect();
                Self::Whole(Histogram { schema: SCHEMA_CUSTOM, custom_values, ..nth_histogram(n) })
            }
        }
    }

    /// The sample that has this value.
    pub(crate) fn at(&self, st: i64, t: i64) -> AnySample<'_> {
        let value = match self {
            Self::Float(v) => AnyValue::Float(*v),
            Self::Whole(it) => AnyValue::Histogram(it),
            Self::Floats(it) => AnyValue::FloatHistogram(it),
        };
        AnySample { st, t, value }
    }

    /// What tells it from others, with its start time.
    pub(crate) fn number(&self, st: i64) -> u64 {
        match self {
            Self::Float(v) => number_of_float(*v, st),
            Self::Whole(it) => number_of_histogram(&it.to_float(), st),
            Self::Floats(it) => number_of_histogram(it, st),
        }
    }
}

fn nth_float(n: u32) -> f64 {
    match n % 97 {
        0 => stale_nan(),
        1 => f64::NEG_INFINITY,
        2..50 => f64::from(n % 50),
        _ => 1.0 / f64::from(n),
    }
}

/// Counts that mostly grow; the buckets move now and then, and are reset.
fn nth_histogram(n: u32) -> Histogram {
    let base = if n.is_multiple_of(31) { 1 } else { 1 + i64::from(n) };
    let length = 1 + n / 16 % 4;
    let counts: Vec<i64> = (0..i64::from(length)).map(|it| base + it * it).collect();
    let mut before = 0;
    let deltas = counts.iter().map(|it| it - std::mem::replace(&mut before, *it)).collect();
    let total: i64 = counts.iter().sum();
    Histogram {
        schema: 1,
        count: total.cast_unsigned(),
        #[expect(clippy::cast_precision_loss, reason = "small")]
        sum: total as f64 * 1.5,
        positive_spans: vec![Span { offset: i32::from(n.is_multiple_of(37)) + 1, length }],
        positive_deltas: deltas,
        ..Histogram::default()
    }
}

fn number_of_float(v: f64, st: i64) -> u64 {
    // A marker stays one, whatever kind its series is of.
    if st == 0 || is_stale_nan(v) {
        return v.to_bits();
    }
    let mut hasher = DefaultHasher::new();
    (v.to_bits(), st).hash(&mut hasher);
    hasher.finish()
}

/// Hints that a neighbour decides, and empty buckets, do not count.
fn number_of_histogram(it: &FloatHistogram, st: i64) -> u64 {
    if it.is_stale() {
        return stale_nan().to_bits();
    }
    let mut hasher = DefaultHasher::new();
    (it.schema, it.hint == CounterResetHint::Gauge, st).hash(&mut hasher);
    for v in [it.zero_threshold, it.zero_count, it.count, it.sum] {
        v.to_bits().hash(&mut hasher);
    }
    let sides =
        [(&it.positive_spans, &it.positive_buckets), (&it.negative_spans, &it.negative_buckets)];
    for (spans, buckets) in sides {
        for (at, n) in Span::indexes(spans).zip(buckets).filter(|it| *it.1 != 0.0) {
            (at, n.to_bits()).hash(&mut hasher);
        }
        "side".hash(&mut hasher);
    }
    it.custom_values.iter().for_each(|it| it.to_bits().hash(&mut hasher));
    hasher.finish()
}

/// Reads what fulfils the matchers within `mint..=maxt`; series without samples there are left out.
pub(crate) fn read_all(
    querier: &dyn Querier,
    matchers: &[Matcher],
    mint: i64,
    maxt: i64,
) -> Result<Contents, String> {
    let hints = SelectHints { mint, maxt, ..SelectHints::default() };
    let set = querier.select(&hints, matchers).map_err(|it| it.to_string())?;
    let (mut all, mut samples) = (Contents::new(), Samples::default());
    for at in 0..set.len() {
        samples.clear();
        set.read(at, mint, maxt, &mut samples).map_err(|it| it.to_string())?;
        let by_time = numbers(&samples);
        assert_eq!(by_time.len(), samples.len(), "times are unique");
        assert!(samples.t.is_sorted() && samples.histogram_t.is_sorted(), "ascending in time");
        if !by_time.is_empty() {
            assert!(all.insert(set.labels(at), by_time).is_none(), "a series comes once");
        }
    }
    Ok(all)
}

fn numbers(it: &Samples) -> BTreeMap<i64, u64> {
    // No start times at all are an empty column.
    let start = |column: &[i64], at: usize| column.get(at).copied().unwrap_or(0);
    let float = |at: usize| (it.t[at], number_of_float(it.v[at], start(&it.st, at)));
    let histogram = |at: usize| {
        let st = start(&it.histogram_st, at);
        (it.histogram_t[at], number_of_histogram(&it.histogram[at], st))
    };
    (0..it.t.len()).map(float).chain((0..it.histogram_t.len()).map(histogram)).collect()
}

/// All there is.
pub(crate) fn all_series() -> [Matcher; 1] {
    [Matcher::equal("no_such_label", "")]
}
