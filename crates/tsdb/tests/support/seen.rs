//! Samples of all kinds, as far as the API shows them.

use std::collections::BTreeMap;

use model::{FloatHistogram, Labels, Matcher, STALE_NAN_BITS};
use storage::{Queryable, Samples, SelectHints};
use testkit::Value;

/// Series, and their samples by time.
pub(crate) type Contents = BTreeMap<Labels, BTreeMap<i64, Seen>>;

/// A sample; numbers by their bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Float(u64),
    /// The buckets that are not empty: lower and upper border, count.
    Histogram {
        count: u64,
        sum: u64,
        buckets: Vec<[u64; 3]>,
    },
}

impl Seen {
    /// `None` for a stale marker: it is not shown.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Float(v) => Self::float(*v),
            Value::Histogram(it) => Self::histogram(&it.to_float()),
            Value::FloatHistogram(it) => Self::histogram(it),
        }
    }

    fn float(v: f64) -> Option<Self> {
        (v.to_bits() != STALE_NAN_BITS).then(|| Self::Float(bits(v)))
    }

    fn histogram(it: &FloatHistogram) -> Option<Self> {
        let below: Vec<_> = it.negative().collect();
        let all = below.into_iter().rev().chain([it.zero()]).chain(it.positive());
        let filled = all.filter(|it| it.count != 0.0);
        let buckets = filled.map(|it| [it.lower, it.upper, it.count].map(bits)).collect();
        let (count, sum) = (bits(it.count), bits(it.sum));
        (!it.is_stale()).then_some(Self::Histogram { count, sum, buckets })
    }

    /// Reads a value as the API writes it.
    pub(crate) fn from_json(value: &serde_json::Value) -> Self {
        let Some(histogram) = value.as_object() else { return Self::Float(number(value)) };
        let bucket = |it: &serde_json::Value| [1, 2, 3].map(|at| number(&it[at]));
        let buckets = histogram.get("buckets").and_then(|it| it.as_array());
        Self::Histogram {
            count: number(&histogram["count"]),
            sum: number(&histogram["sum"]),
            buckets: buckets.into_iter().flatten().map(bucket).collect(),
        }
    }
}

fn number(text: &serde_json::Value) -> u64 {
    bits(text.as_str().and_then(|it| it.parse().ok()).expect("is a float"))
}

/// The API says only that a value is not a number, and borders at zero may have a sign.
fn bits(v: f64) -> u64 {
    match v {
        _ if v.is_nan() => f64::NAN.to_bits(),
        0.0 => 0,
        _ => v.to_bits(),
    }
}

/// Reads all that is stored, but for stale markers.
pub(crate) fn all_of(db: &dyn Queryable) -> Contents {
    let querier = db.querier(i64::MIN, i64::MAX).expect("opens a view");
    let hints = SelectHints { mint: i64::MIN, maxt: i64::MAX, ..SelectHints::default() };
    let matchers = [Matcher::equal("no_such_label", "")];
    let set = querier.select(&hints, &matchers).expect("selects");
    let mut all = Contents::new();
    for at in 0..set.len() {
        let mut read = Samples::default();
        set.read(at, i64::MIN, i64::MAX, &mut read).expect("reads");
        let floats = read.t.iter().zip(&read.v).map(|(t, v)| (*t, Seen::float(*v)));
        let histograms = read.histogram_t.iter().zip(&read.histogram);
        let histograms = histograms.map(|(t, it)| (*t, Seen::histogram(it)));
        let shown = floats.chain(histograms).filter_map(|(t, it)| Some((t, it?)));
        let samples: BTreeMap<i64, Seen> = shown.collect();
        if !samples.is_empty() {
            all.insert(set.labels(at), samples);
        }
    }
    all
}
