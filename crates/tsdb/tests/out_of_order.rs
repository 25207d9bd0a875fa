//! Samples that come late, against a map: windows, restarts, crashes, compactions, torn logs.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use model::{Labels, Matcher};
use proptest::prelude::*;
use storage::{AppendError, Appendable};
use support::{Contents, contents, copy, everything, open, open_with};
use tsdb::{Db, Options};

/// A range of a block, far shorter than in life.
const RANGE: i64 = 100_000;
const WINDOW: i64 = 4 * RANGE;
const START: i64 = 1_700_000_000_000;

fn options() -> Options {
    Options {
        retention_ms: 0,
        block_range_min_ms: RANGE,
        block_range_max_ms: 9 * RANGE,
        wal_segment_bytes: 64 << 10,
        out_of_order_window_ms: WINDOW,
        ..Options::default()
    }
}

fn labels(i: usize) -> Labels {
    Labels::from_pairs([("__name__", "m".to_owned()), ("i", i.to_string())])
}

/// A sample has the same value whenever it comes, so it does not matter which of two is kept.
fn value(i: usize, t: i64) -> f64 {
    f64::from(i32::try_from((t * 31 + i64::try_from(i).expect("small")) % 1000).expect("small"))
}

#[derive(Clone, Debug)]
enum Op {
    Scrape {
        series: usize,
        later: i64,
        keep: bool,
    },
    /// `n` samples of a series, the first so much earlier than the newest, `step` apart, in an order that
    /// `stride` makes.
    Late {
        series: usize,
        earlier: i64,
        n: i64,
        step: i64,
        stride: i64,
    },
    Window {
        is_on: bool,
    },
    Maintain,
    Restart,
    Crash,
    Query {
        from: i64,
        len: i64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let late = (0usize..8, 0..WINDOW * 3 / 2, 1i64..150, 1i64..2000, 1i64..50);
    prop_oneof![
        30 => (1usize..8, 1i64..30_000, prop::bool::weighted(0.9))
            .prop_map(|(series, later, keep)| Op::Scrape { series, later, keep }),
        20 => late.prop_map(|(series, earlier, n, step, stride)| Op::Late { series, earlier, n, step, stride }),
        1 => any::<bool>().prop_map(|is_on| Op::Window { is_on }),
        4 => Just(Op::Maintain),
        2 => Just(Op::Restart),
        3 => Just(Op::Crash),
        6 => (-WINDOW..WINDOW * 2, 0..WINDOW).prop_map(|(from, len)| Op::Query { from, len }),
    ]
}

struct World {
    dir: tempfile::TempDir,
    n_folders: usize,
    db: Option<Db>,
    model: Contents,
    now: i64,
    window: i64,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let db = Some(open(&dir.path().join("0"), options()));
        Self { dir, n_folders: 0, db, model: Contents::new(), now: START, window: WINDOW }
    }

    fn db(&self) -> &Db {
        self.db.as_ref().expect("open between the steps")
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Scrape { series, later, keep } => self.scrape(series, later, keep),
            Op::Late { series, earlier, n, step, stride } => {
                let times = (0..n).map(|k| self.now - earlier + k * stride % n * step);
                self.late(series, &times.collect::<Vec<_>>());
            }
            Op::Window { is_on } => {
                self.window = if is_on { WINDOW } else { 0 };
                self.db().set_out_of_order_window(self.window);
            }
            Op::Maintain => self.db().maintain(),
            Op::Restart => {
                self.db().close().expect("closes");
                self.db = None;
                self.reopen();
            }
            Op::Crash => {
                let folder = |n: usize| self.dir.path().join(n.to_string());
                // What is in the files now is what a killed process leaves.
                copy(&folder(self.n_folders), &folder(self.n_folders + 1));
                self.n_folders += 1;
                self.reopen();
            }
            Op::Query { from, len } => {
                let (mint, maxt) = (self.now + from - WINDOW, self.now + from - WINDOW + len);
                let matchers = [Matcher::equal("__name__", "m")];
                let mut expected = self.model.clone();
                expected.values_mut().for_each(|it| it.retain(|t, _| mint <= *t && *t <= maxt));
                expected.retain(|_, it| !it.is_empty());
                assert_eq!(contents(self.db(), &matchers, mint, maxt), expected, "{mint}..={maxt}");
            }
        }
    }

    fn reopen(&mut self) {
        let options = Options { out_of_order_window_ms: self.window, ..options() };
        self.db = Some(open(&self.dir.path().join(self.n_folders.to_string()), options));
        self.check();
    }

    fn check(&self) {
        let found = everything(self.db());
        for (labels, samples) in &self.model {
            let found = found.get(labels).unwrap_or_else(|| panic!("{labels} is missing"));
            let times = |a: &BTreeMap<i64, u64>, b: &BTreeMap<i64, u64>| {
                a.iter().filter(|(t, v)| b.get(t) != Some(v)).map(|it| *it.0).collect::<Vec<_>>()
            };
            let (missing, odd) = (times(samples, found), times(found, samples));
            assert!(
                missing.is_empty() && odd.is_empty(),
                "{labels} lacks {missing:?}, has {odd:?}"
            );
        }
        assert_eq!(found.len(), self.model.len());
    }

    fn keep(&mut self, i: usize, t: i64) {
        self.model.entry(labels(i)).or_default().insert(t, value(i, t).to_bits());
    }

    fn scrape(&mut self, n: usize, later: i64, keep: bool) {
        self.now += later;
        let mut appender = self.db().appender();
        for i in 0..n {
            appender.append(&labels(i), self.now, value(i, self.now)).expect("in order");
        }
        if !keep {
            // Nobody has a sample at this time then.
            self.now -= later;
            return appender.rollback();
        }
        appender.commit().expect("commits");
        (0..n).for_each(|i| self.keep(i, self.now));
    }

    fn late(&mut self, i: usize, times: &[i64]) {
        let mut appender = self.db().appender();
        let mut taken = Vec::new();
        for t in times {
            let result = appender.append(&labels(i), *t, value(i, *t));
            let last =
                self.model.get(&labels(i)).and_then(|it| it.last_key_value()).map(|it| *it.0);
            match result {
                Ok(_) => taken.push(*t),
                Err(AppendError::TooOld) => assert!(0 < self.window && *t < self.now - self.window),
                Err(AppendError::OutOfOrder) => assert!(self.window == 0 && last.is_some()),
                Err(AppendError::OutOfBounds) => assert!(self.window == 0),
                Err(other) => panic!("{other}"),
            }
        }
        appender.commit().expect("commits");
        // Within a batch, what is in order depends on what came before it; without a window what is not is
        // left out at commit.
        let mut newest =
            self.model.get(&labels(i)).and_then(|it| it.last_key_value()).map(|it| *it.0);
        for t in taken {
            if 0 < self.window || newest.is_none_or(|newest| newest < t) {
                self.keep(i, t);
                newest = newest.max(Some(t));
                self.now = self.now.max(t);
            }
        }
    }
}

/// More of them by `PROPTEST_CASES`.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(12)
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 200, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn keeps_what_a_map_keeps(ops in prop::collection::vec(op(), 1..100)) {
        let mut world = World::new();
        for op in &ops {
            world.step(op);
        }
        world.check();
        world.step(&Op::Crash);
        world.step(&Op::Maintain);
        world.step(&Op::Restart);
    }
}

fn append(db: &Db, i: usize, t: i64) -> Result<(), String> {
    let mut appender = db.appender();
    let result = appender.append(&labels(i), t, value(i, t)).map(drop);
    appender.commit().expect("commits");
    result.map_err(|it| it.to_string())
}

#[test]
fn refuses_with_upstreams_words_and_counts() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let registry = client::Registry::default();
    let db = open_with(dir.path(), options(), &registry);
    append(&db, 1, START).expect("is the first");
    assert_eq!(append(&db, 1, START - WINDOW), Ok(()));
    assert_eq!(append(&db, 1, START - WINDOW - 1), Err("too old sample".to_owned()));
    assert_eq!(append(&db, 2, START - WINDOW - 1), Err("too old sample".to_owned()));
    assert_eq!(append(&db, 2, START - RANGE), Ok(()), "a new series, before what is in order");
    let mut appender = db.appender();
    let twice = appender.append(&labels(1), START, 0.25).map_err(|it| it.to_string());
    assert!(twice.expect_err("is another value").starts_with("duplicate sample for timestamp"));
    drop(appender);
    db.set_out_of_order_window(0);
    assert_eq!(append(&db, 1, START - 1), Err("out of order sample".to_owned()));
    assert_eq!(append(&db, 1, START - RANGE), Err("out of bounds".to_owned()));
    let found = everything(&db);
    assert_eq!(found[&labels(1)].len() + found[&labels(2)].len(), 3);
    assert_eq!(found.len(), 2, "a refused sample makes no series");
    let page = client::text_page(&registry);
    for line in [
        "prometheus_tsdb_head_out_of_order_samples_appended_total{type=\"float\"} 2\n",
        "prometheus_tsdb_too_old_samples_total{type=\"float\"} 2\n",
        "prometheus_tsdb_out_of_order_samples_total{type=\"float\"} 1\n",
        "prometheus_tsdb_out_of_bound_samples_total{type=\"float\"} 1\n",
        "prometheus_tsdb_sample_ooo_delta_count 6\n",
        "prometheus_tsdb_out_of_order_wbl_segment_current 0\n",
    ] {
        assert!(page.contains(line), "{line}");
    }
}

#[test]
fn a_series_without_late_samples_costs_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = open(dir.path(), options());
    append(&db, 1, START).expect("is the first");
    assert!(!dir.path().join("wbl").exists());
    assert_eq!(append(&db, 1, START - 1), Ok(()));
    assert!(dir.path().join("wbl/00000000").exists());
}

#[test]
fn late_samples_become_blocks_of_their_own() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = open(dir.path(), options());
    let mut expected = Contents::new();
    let mut all = |i: usize, t: i64| {
        append(&db, i, t).expect("takes");
        expected.entry(labels(i)).or_default().insert(t, value(i, t).to_bits());
    };
    for k in 0..20 {
        all(1, START + k * 10_000);
    }
    for k in 0..100 {
        // Two chunks and some; another series has nothing but late samples.
        all(1, START + 5 + k * 37 % 100 * 1_000);
        all(2, START - RANGE + k * 100);
    }
    let reader = storage::Queryable::querier(&db, i64::MIN, i64::MAX).expect("opens a view");
    drop(reader);
    db.maintain();
    assert_eq!(everything(&db), expected);
    let is_late = |it: &&std::sync::Arc<block::Block>| it.meta().has_hint("from-out-of-order");
    let blocks = db.blocks();
    let merged: Vec<_> = blocks.iter().filter(|it| !is_late(it)).collect();
    assert!(
        !merged.is_empty() && blocks.windows(2).all(|it| it[0].meta().maxt <= it[1].meta().mint)
    );
    let segments = std::fs::read_dir(dir.path().join("wbl")).expect("lists");
    let names: Vec<_> = segments.map(|it| it.expect("lists").file_name()).collect();
    assert_eq!(names, ["00000001"], "what is in blocks is not in the log");
    assert_eq!(db.stats(10).n_series, 1, "a series with nothing else is gone");
    db.close().expect("closes");
    drop(db);
    assert_eq!(everything(&open(dir.path(), options())), expected);
}

#[test]
fn a_log_torn_at_every_byte_of_its_last_record() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let whole = dir.path().join("whole");
    let db = open(&whole, options());
    append(&db, 1, START).expect("is the first");
    for k in 1..=33 {
        append(&db, 1, START - k * 1000).expect("takes");
    }
    let size = || std::fs::metadata(whole.join("wbl/00000000")).expect("is there").len();
    let (kept, good) = (everything(&db), size());
    append(&db, 1, START - 500).expect("takes");
    let (all, end) = (everything(&db), size());
    assert!(good < end);
    let n = |it: &Contents| it.values().map(BTreeMap::len).sum::<usize>();
    for cut in good..=end {
        let torn = dir.path().join(cut.to_string());
        copy(&whole, &torn);
        tear(&torn.join("wbl/00000000"), cut);
        let db = open(&torn, options());
        let found = everything(&db);
        assert!(found == kept || (cut == end && found == all), "cut at {cut} of {end}");
        assert_eq!(db.wal_corruptions(), u64::from(cut != good && cut != end));
        append(&db, 1, START - 700).expect("takes");
        let after = everything(&db);
        assert_eq!(n(&after), n(&found) + 1);
        // Killed again.
        copy(&torn, &torn.with_extension("again"));
        let again = open(&torn.with_extension("again"), options());
        assert_eq!((everything(&again), again.wal_corruptions()), (after, 0), "cut at {cut}");
    }
}

fn tear(path: &Path, at: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(path).expect("opens");
    file.set_len(at).expect("cuts");
}

#[test]
fn histograms_come_late_too() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = open(&dir.path().join("0"), options());
    let histogram = |n: u64| model::Histogram { count: n, zero_count: n, ..Default::default() };
    append(&db, 1, START).expect("is the first");
    let mut expected = Vec::new();
    for k in 1..80u32 {
        // Between floats, so that a full chunk becomes two.
        let t = START - i64::from(k * 37 % 80) * 1000;
        let mut appender = db.appender();
        if k % 2 == 0 {
            appender.append(&labels(1), t, 1.0).expect("takes");
        } else {
            let value = storage::AnyValue::Histogram(&histogram(u64::from(k)));
            appender.append_any(&labels(1), storage::AnySample { st: 0, t, value }).expect("takes");
            expected.push((t, f64::from(k)));
        }
        appender.commit().expect("commits");
    }
    expected.sort_by_key(|it| it.0);
    let histograms = |db: &Db| {
        let querier = storage::Queryable::querier(db, i64::MIN, i64::MAX).expect("opens a view");
        let matchers = [Matcher::equal("__name__", "m")];
        let set = querier.select(&storage::SelectHints::default(), &matchers).expect("selects");
        let mut out = storage::Samples::default();
        set.read(0, i64::MIN, i64::MAX, &mut out).expect("reads");
        assert_eq!(out.t.len(), 40);
        out.histogram_t.into_iter().zip(out.histogram.iter().map(|it| it.count)).collect::<Vec<_>>()
    };
    assert_eq!(histograms(&db), expected);
    copy(&dir.path().join("0"), &dir.path().join("1"));
    let db = open(&dir.path().join("1"), options());
    assert_eq!(histograms(&db), expected, "after a crash");
    for k in 1..20 {
        append(&db, 2, START + k * 10_000).expect("in order");
    }
    db.maintain();
    assert!(!db.blocks().is_empty());
    assert_eq!(histograms(&db), expected, "in blocks");
}
