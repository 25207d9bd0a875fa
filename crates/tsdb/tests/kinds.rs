//! Samples of all kinds: what is admitted, and what is there after commits, restarts and compactions.

mod support;

use std::collections::BTreeMap;

use model::{
    CounterResetHint, FloatHistogram, Histogram, Labels, Matcher, SCHEMA_CUSTOM, Span, stale_nan,
};
use proptest::prelude::*;
use storage::{
    AnySample, AnyValue, AppendError, Appendable, Appender, Queryable, Samples, SelectHints,
};
use support::{copy, open, open_with};
use tsdb::{Db, Options};

const RANGE: i64 = 100_000;
const T: i64 = 1_700_000_000_000;

fn options() -> Options {
    Options {
        retention_ms: 0,
        block_range_min_ms: RANGE,
        block_range_max_ms: 9 * RANGE,
        ..Options::default()
    }
}

fn labels(i: usize) -> Labels {
    Labels::from_pairs([("__name__", "m".to_owned()), ("i", i.to_string())])
}

/// Buckets from `first` on with these counts; `custom`: between bounds of its own.
fn histogram(first: i32, counts: &[i64], custom: bool) -> Histogram {
    let mut before = 0;
    let deltas = counts.iter().map(|it| it - std::mem::replace(&mut before, *it)).collect();
    let total: i64 = counts.iter().sum();
    let length = u32::try_from(counts.len()).expect("few");
    Histogram {
        schema: if custom { SCHEMA_CUSTOM } else { 1 },
        count: total.cast_unsigned(),
        #[expect(clippy::cast_precision_loss, reason = "small")]
        sum: total as f64 * 1.5,
        positive_spans: vec![Span { offset: first, length }],
        positive_deltas: deltas,
        custom_values: if custom { (0..20).map(f64::from).collect() } else { Vec::new() },
        ..Histogram::default()
    }
}

/// A value, as text: `1.5`, `stale`, `i3+1+0` (integers), `f3+1` (floats), `ic3` (custom bounds).
#[derive(Clone, Debug)]
enum Value {
    Float(f64),
    Whole(Histogram),
    Floats(FloatHistogram),
}

impl Value {
    fn parse(text: &str) -> Self {
        let counts = |text: &str| -> Vec<i64> {
            text.split('+').map(|it| it.parse().expect("a number")).collect()
        };
        let (kind, rest) = text.split_at(1);
        match (kind, rest.strip_prefix('c')) {
            ("s", _) => Self::Float(stale_nan()),
            ("i", Some(rest)) => Self::Whole(histogram(1, &counts(rest), true)),
            ("i", None) => Self::Whole(histogram(1, &counts(rest), false)),
            ("f", Some(rest)) => Self::Floats(histogram(1, &counts(rest), true).to_float()),
            ("f", None) => Self::Floats(histogram(1, &counts(rest), false).to_float()),
            _ => Self::Float(text.parse().expect("a number")),
        }
    }

    fn as_any(&self) -> AnyValue<'_> {
        match self {
            Self::Float(v) => AnyValue::Float(*v),
            Self::Whole(it) => AnyValue::Histogram(it),
            Self::Floats(it) => AnyValue::FloatHistogram(it),
        }
    }
}

fn sample(t: i64, value: &Value) -> AnySample<'_> {
    AnySample { st: 0, t, value: value.as_any() }
}

/// What is stored of each series, by time: floats in bits, histograms without hints and empty buckets.
type Contents = BTreeMap<Labels, BTreeMap<i64, String>>;

fn shown_histogram(it: &FloatHistogram) -> String {
    if it.is_stale() {
        return "stale histogram".to_owned();
    }
    let buckets = Span::indexes(&it.positive_spans).zip(&it.positive_buckets);
    let filled: Vec<String> =
        buckets.filter(|it| *it.1 != 0.0).map(|(at, n)| format!("{at}:{n}")).collect();
    format!("{} {} {} {}", it.schema, it.count, it.sum, filled.join(" "))
}

fn shown_float(v: f64) -> String {
    format!("{:x}", v.to_bits())
}

fn contents(db: &dyn Queryable, mint: i64, maxt: i64) -> Contents {
    let querier = db.querier(mint, maxt).expect("opens a view");
    let hints = SelectHints { mint, maxt, ..SelectHints::default() };
    let set = querier.select(&hints, &[Matcher::equal("__name__", "m")]).expect("selects");
    let (mut all, mut samples) = (Contents::new(), Samples::default());
    for at in 0..set.len() {
        samples.clear();
        set.read(at, mint, maxt, &mut samples).expect("reads");
        let floats = samples.t.iter().zip(&samples.v).map(|(t, v)| (*t, shown_float(*v)));
        let histograms = samples.histogram_t.iter().zip(&samples.histogram);
        let histograms = histograms.map(|(t, it)| (*t, shown_histogram(it)));
        let by_time: BTreeMap<i64, String> = floats.chain(histograms).collect();
        assert_eq!(by_time.len(), samples.len(), "times are unique");
        if !by_time.is_empty() {
            all.insert(set.labels(at), by_time);
        }
    }
    all
}

fn everything(db: &dyn Queryable) -> Contents {
    contents(db, i64::MIN, i64::MAX)
}

/// Offers `offered` (`time value`) to a series that has `stored`, each in a batch of its own.
fn check(stored: &str, offered: &str, expected: &str) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = open(dir.path(), options());
    let offer = |text: &str| {
        let (t, value) = text.split_once(' ').expect("time and value");
        let value = Value::parse(value);
        let mut batch = db.appender();
        let t = T + t.parse::<i64>().expect("a time");
        let result = batch.append_any(&labels(0), sample(t, &value));
        batch.commit().expect("commits");
        result.map_or_else(|error| error.to_string(), |_| "taken".to_owned())
    };
    for it in stored.split(", ") {
        assert_eq!(offer(it), "taken", "{it}");
    }
    assert_eq!(offer(offered), expected, "{offered} after {stored}");
}

#[test]
fn admits_what_upstream_admits() {
    let twice = "duplicate sample for timestamp";
    let overrides = "duplicate sample for timestamp 1700000000005; overrides not allowed: existing";
    for (stored, offered, expected) in [
        ("5 1", "6 i3", "taken"),
        ("5 i3", "6 1", "taken"),
        ("5 i3", "6 f3", "taken"),
        ("5 i3", "5 i3", "taken"),
        ("5 i3", "5 i3+0", "taken"),
        ("5 i3", "5 i4", twice),
        ("5 i3", "5 f3", twice),
        ("5 f3", "5 f3", "taken"),
        ("5 ic3", "5 ic3", "taken"),
        ("5 ic3", "5 i3", twice),
        ("5 1", "5 i3", twice),
        ("5 i3", "5 1.5", &format!("{overrides} is a histogram, new value 1.5")),
        ("5 1", "5 2", &format!("{overrides} 1, new value 2")),
        ("5 i3", "4 i3", "out of order sample"),
        ("5 i3", "4 1", "out of order sample"),
        ("5 1", "4 f3", "out of order sample"),
        ("200000 1", "5 i3", "out of bounds"),
        // A reset, another layout, a wider one, custom bounds: a chunk ends or is written anew.
        ("5 i3+3, 6 i1+3, 7 i1+3+7, 8 ic5, 9 f4, 10 stale", "11 i3", "taken"),
    ] {
        check(stored, offered, expected);
    }
}

#[test]
fn refuses_a_histogram_that_contradicts_itself() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = open(dir.path(), options());
    let mut batch = db.appender();
    let bad = Value::Whole(Histogram { count: 9, ..histogram(1, &[3], false) });
    let error = batch.append_any(&labels(0), sample(T, &bad)).expect_err("is refused");
    assert!(matches!(error, AppendError::InvalidHistogram(_)), "{error}");
    batch.append(&labels(0), T, 1.0).expect("the batch stays usable");
    batch.commit().expect("commits");
    assert_eq!(everything(&db).len(), 1);
}

#[test]
fn a_marker_is_what_its_series_is() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let db = open(&data, options());
    for (i, value) in ["1", "i3", "f3", "ic3"].iter().enumerate() {
        // In one batch: the kind is that of the sample before.
        let mut batch = db.appender();
        let series = batch.append_any(&labels(i), sample(T, &Value::parse(value)));
        batch.append_ref(series.expect("takes"), T + 1, stale_nan()).expect("takes");
        batch.commit().expect("commits");
    }
    let all = everything(&db);
    for i in 0..4 {
        let expected = if i == 0 { shown_float(stale_nan()) } else { "stale histogram".to_owned() };
        assert_eq!(all[&labels(i)][&(T + 1)], expected, "series {i}");
    }
    copy(&data, &dir.path().join("killed"));
    assert_eq!(everything(&open(&dir.path().join("killed"), options())), all);
}

#[test]
fn kinds_take_turns_in_one_batch() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let db = open(&data, options());
    let values = ["1", "i3", "f3", "2", "ic3", "i4", "fc3", "f4", "i5", "stale", "3"];
    let mut batch = db.appender();
    for (t, value) in (T..).zip(values) {
        for i in 0..3 {
            batch.append_any(&labels(i), sample(t, &Value::parse(value))).expect("takes");
        }
    }
    batch.commit().expect("commits");
    let all = everything(&db);
    assert!(all.len() == 3 && all.values().all(|it| it.len() == values.len()), "{all:?}");
    copy(&data, &dir.path().join("killed"));
    assert_eq!(everything(&open(&dir.path().join("killed"), options())), all);
}

#[test]
fn hints_say_what_is_known() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = open(dir.path(), options());
    let gauge = Histogram { hint: CounterResetHint::Gauge, ..histogram(1, &[9], false) };
    let values = ["i3", "i4", "i1", "i2"].map(Value::parse);
    for (t, value) in (T..).zip(values.into_iter().chain([Value::Whole(gauge)])) {
        let mut batch = db.appender();
        batch.append_any(&labels(0), sample(t, &value)).expect("takes");
        batch.commit().expect("commits");
    }
    let querier = db.querier(T, T + 9).expect("opens a view");
    let set =
        querier.select(&SelectHints::default(), &[Matcher::equal("i", "0")]).expect("selects");
    let mut samples = Samples::default();
    set.read(0, T, T + 9, &mut samples).expect("reads");
    let hints: Vec<CounterResetHint> = samples.histogram.iter().map(|it| it.hint).collect();
    use CounterResetHint::{Gauge, NotReset, Unknown};
    // Each chunk begins with what is not known.
    assert_eq!(hints, [Unknown, NotReset, Unknown, NotReset, Gauge]);
}

#[test]
fn blocks_count_their_samples() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let registry = client::Registry::default();
    let db = open_with(dir.path(), options(), &registry);
    for t in (T..T + 2 * RANGE).step_by(5000) {
        let mut batch = db.appender();
        batch.append(&labels(0), t, 1.0).expect("takes");
        batch.append_any(&labels(1), sample(t, &Value::parse("i3+4"))).expect("takes");
        batch.append_any(&labels(2), sample(t, &Value::parse("f3"))).expect("takes");
        batch.commit().expect("commits");
    }
    let page = client::text_page(&registry);
    for line in [
        "prometheus_tsdb_head_samples_appended_total{type=\"float\"} 40\n",
        "prometheus_tsdb_head_samples_appended_total{type=\"histogram\"} 80\n",
        "prometheus_tsdb_head_native_histogram_series 2\n",
        "prometheus_tsdb_head_native_histogram_buckets 3\n",
    ] {
        assert!(page.contains(line), "{line}");
    }
    let all = everything(&db);
    db.maintain();
    let blocks = db.blocks();
    let stats = blocks.first().expect("has a block").meta().stats;
    assert_eq!(stats.n_histogram_samples, 2 * stats.n_float_samples);
    assert_eq!(stats.n_samples, 3 * stats.n_float_samples);
    assert_eq!(everything(&db), all);
}

fn starting(st: i64, t: i64, value: &Value) -> AnySample<'_> {
    AnySample { st, t, value: value.as_any() }
}

#[test]
fn adds_the_zero_of_a_start() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = open(dir.path(), options());
    let mut batch = db.appender();
    let start = |batch: &mut Box<dyn Appender>, i: usize, st: i64, t: i64, value: &Value| {
        let result = batch.append_start(&labels(i), starting(st, t, value));
        result.map_or_else(|error| error.to_string(), |_| "taken".to_owned())
    };
    for (i, value) in ["7", "i3", "f3", "ic3"].map(Value::parse).iter().enumerate() {
        assert_eq!(start(&mut batch, i, T, T + 10, value), "taken");
        batch.append_any(&labels(i), sample(T + 10, value)).expect("takes");
    }
    batch.commit().expect("commits");
    let all = everything(&db);
    assert_eq!(all[&labels(0)][&T], shown_float(0.0));
    for (i, schema) in [(1, 1), (2, 1), (3, SCHEMA_CUSTOM)] {
        assert_eq!(all[&labels(i)][&T], format!("{schema} 0 0 "));
    }
    let mut batch = db.appender();
    for (st, expected) in [
        (T + 20, "ST is newer or the same as sample's timestamp, ignoring"),
        (T, "start timestamp out of order, ignoring"),
        (T + 15, "taken"),
        (T - RANGE, "out of bounds"),
    ] {
        let value = Value::parse("i3");
        assert_eq!(start(&mut batch, 1, st, T + 20, &value), expected, "{st}");
    }
}

/// Start times of floats and histograms of series `i`.
fn starts(db: &Db, i: usize) -> Vec<(i64, i64)> {
    let querier = db.querier(i64::MIN, i64::MAX).expect("opens a view");
    let matchers = [Matcher::equal("i", i.to_string())];
    let set = querier.select(&SelectHints::default(), &matchers).expect("selects");
    let mut samples = Samples::default();
    set.read(0, i64::MIN, i64::MAX, &mut samples).expect("reads");
    let floats = (0..samples.t.len()).map(|at| (samples.t[at], samples.start(at)));
    let histograms = (0..samples.histogram_t.len())
        .map(|at| (samples.histogram_t[at], samples.histogram_start(at)));
    let mut all: Vec<(i64, i64)> = floats.chain(histograms).collect();
    all.sort_unstable();
    all
}

#[test]
fn start_times_come_back() {
    let with_starts =
        Options { store_starts: true, histogram_starts: true, float_xor2: true, ..options() };
    for (options, keeps) in
        [(with_starts.clone(), true), (Options { store_starts: false, ..with_starts }, false)]
    {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let data = dir.path().join("data");
        let db = open(&data, options.clone());
        let mut expected = Vec::new();
        for (n, t) in (0..).zip((T..T + 2 * RANGE).step_by(5000)) {
            let st = if n % 7 == 0 { 0 } else { T - 1000 + n / 10 * 5000 };
            expected.push((t, if keeps { st } else { 0 }));
            let mut batch = db.appender();
            for (i, value) in ["7", "i3", "f3", "ic3"].map(Value::parse).iter().enumerate() {
                batch.append_any(&labels(i), starting(st, t, value)).expect("takes");
            }
            batch.commit().expect("commits");
        }
        let check = |db: &Db, what: &str| {
            (0..4).for_each(|i| assert_eq!(starts(db, i), expected, "{what}, series {i}"));
        };
        check(&db, "as appended");
        copy(&data, &dir.path().join("killed"));
        let again = open(&dir.path().join("killed"), options.clone());
        check(&again, "after replay");
        again.maintain();
        assert!(!again.blocks().is_empty());
        check(&again, "with a block");
    }
}

#[derive(Clone, Debug)]
enum Op {
    /// A batch: series, time since the last batch, values.
    Append(Vec<(usize, Value)>, i64, bool),
    Restart,
    Crash,
    Maintain,
    Query(i64, i64),
}

fn value() -> impl Strategy<Value = Value> {
    let counts = || prop::collection::vec(0i64..5, 1..4);
    let whole = (-2i32..6, counts(), any::<bool>());
    let shape = |(first, counts, custom): (i32, Vec<i64>, bool)| {
        histogram(if custom { first.max(0) } else { first }, &counts, custom)
    };
    prop_oneof![
        3 => (0u8..4).prop_map(|it| Value::Float(f64::from(it))),
        1 => Just(Value::Float(stale_nan())),
        4 => whole.clone().prop_map(move |it| Value::Whole(shape(it))),
        1 => whole.clone().prop_map(move |it| Value::Whole(Histogram { hint: CounterResetHint::Gauge, ..shape(it) })),
        2 => whole.prop_map(move |it| Value::Floats(shape(it).to_float())),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let batch = prop::collection::vec((0usize..4, value()), 1..12);
    prop_oneof![
        20 => (batch, 100i64..15_000, prop::bool::weighted(0.95))
            .prop_map(|(batch, later, keep)| Op::Append(batch, later, keep)),
        1 => Just(Op::Restart),
        1 => Just(Op::Crash),
        1 => Just(Op::Maintain),
        2 => (-RANGE..5 * RANGE, 0..2 * RANGE).prop_map(|(from, len)| Op::Query(T + from, T + from + len)),
    ]
}

struct World {
    dir: tempfile::TempDir,
    options: Options,
    n_folders: usize,
    db: Option<Db>,
    model: Contents,
    now: i64,
}

impl World {
    fn new(options: Options) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let db = Some(open(&dir.path().join("0"), options.clone()));
        Self { dir, options, n_folders: 0, db, model: Contents::new(), now: T }
    }

    fn db(&self) -> &Db {
        self.db.as_ref().expect("open between the steps")
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Append(batch, later, keep) => self.append(batch, *later, *keep),
            Op::Restart => {
                self.db().close().expect("closes");
                self.reopen();
            }
            Op::Crash => {
                let folder = |n: usize| self.dir.path().join(n.to_string());
                copy(&folder(self.n_folders), &folder(self.n_folders + 1));
                self.n_folders += 1;
                self.reopen();
            }
            Op::Maintain => self.db().maintain(),
            Op::Query(mint, maxt) => {
                let mut expected = self.model.clone();
                expected.values_mut().for_each(|it| it.retain(|t, _| (mint..=maxt).contains(&t)));
                expected.retain(|_, it| !it.is_empty());
                assert_same(contents(self.db(), *mint, *maxt), &expected);
            }
        }
    }

    fn reopen(&mut self) {
        self.db = None;
        let path = self.dir.path().join(self.n_folders.to_string());
        self.db = Some(open(&path, self.options.clone()));
        assert_same(everything(self.db()), &self.model);
    }

    fn append(&mut self, batch: &[(usize, Value)], later: i64, keep: bool) {
        self.now += later;
        let mut appender = self.db().appender();
        for (t, (i, value)) in (self.now..).zip(batch) {
            appender.append_any(&labels(*i), sample(t, value)).expect("in order");
        }
        if !keep {
            return appender.rollback();
        }
        appender.commit().expect("commits");
        for (t, (i, value)) in (self.now..).zip(batch) {
            let shown = match value {
                Value::Float(v) => shown_float(*v),
                Value::Whole(it) => shown_histogram(&it.to_float()),
                Value::Floats(it) => shown_histogram(it),
            };
            self.model.entry(labels(*i)).or_default().insert(t, shown);
        }
        self.now += 20;
    }
}

/// A marker is what its series was, as far as the head remembers: here any will do.
fn assert_same(mut found: Contents, expected: &Contents) {
    let marker = shown_float(stale_nan());
    for shown in found.values_mut().flat_map(BTreeMap::values_mut) {
        if shown == "stale histogram" {
            shown.clone_from(&marker);
        }
    }
    for (series, samples) in expected {
        let found = found.get(series).unwrap_or_else(|| panic!("{series} is missing"));
        let differs = samples.iter().find(|(t, shown)| found.get(t) != Some(shown));
        let had = differs.and_then(|(t, _)| found.get(t));
        assert_eq!(differs, None, "{series} has {had:?}");
        assert_eq!(found.len(), samples.len(), "{series}");
    }
    assert_eq!(found.len(), expected.len());
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 300, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn keeps_what_a_map_keeps(
        ops in prop::collection::vec(op(), 1..80),
        store_starts: bool,
        float_xor2: bool,
    ) {
        let float_xor2 = float_xor2 || store_starts;
        let mut world = World::new(Options {
            store_starts,
            float_xor2,
            histogram_starts: store_starts,
            ..options()
        });
        ops.iter().for_each(|it| world.step(it));
        world.step(&Op::Crash);
        world.step(&Op::Maintain);
        world.step(&Op::Restart);
    }
}
