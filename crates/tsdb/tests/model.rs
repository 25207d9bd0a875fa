//! The database against a map: random appends, queries, compactions, restarts, crashes, torn logs.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Labels, MatchType, Matcher, SeriesRef};
use proptest::prelude::*;
use stdx::{SystemClock, SystemDirectory};
use storage::{AppendError, Appendable, ListHints, Queryable, SelectHints};
use support::{Contents, contents, copy, everything, open};
use tsdb::{Db, Options};

/// A range of a block, far shorter than in life.
const RANGE: i64 = 100_000;
const START: i64 = 1_700_000_000_000;

fn options() -> Options {
    Options {
        retention_ms: 0,
        block_range_min_ms: RANGE,
        block_range_max_ms: 9 * RANGE,
        wal_segment_bytes: 64 << 10,
        ..Options::default()
    }
}

fn labels(i: usize) -> Labels {
    let name = ["up", "http_requests_total", "node_cpu"][i % 3];
    let pairs = [
        ("__name__", name.to_owned()),
        ("instance", format!("host-{}:9100", i / 3 % 5)),
        ("job", ["a", "b"][i % 2].to_owned()),
        // Some series have one label less than others.
        ("mode", if i.is_multiple_of(4) { String::new() } else { format!("m{}", i / 7) }),
    ];
    Labels::from_pairs(pairs)
}

#[derive(Clone, Debug)]
enum Op {
    /// Scrape series `from..to`, so much later than the last time, with refs or by labels.
    Scrape {
        from: usize,
        to: usize,
        later: i64,
        by_ref: bool,
        keep: bool,
    },
    /// A sample out of order, or twice.
    Late {
        series: usize,
        earlier: i64,
    },
    Maintain,
    Restart,
    Crash,
    Query {
        kind: usize,
        pattern: usize,
        from: i64,
        len: i64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let scrape = (0usize..40, 1usize..40, 1i64..20_000, any::<bool>(), prop::bool::weighted(0.95));
    prop_oneof![
        40 => scrape.prop_map(|(from, n, later, by_ref, keep)| Op::Scrape { from, to: from + n, later, by_ref, keep }),
        4 => (0usize..40, 0i64..300_000).prop_map(|(series, earlier)| Op::Late { series, earlier }),
        3 => Just(Op::Maintain),
        2 => Just(Op::Restart),
        2 => Just(Op::Crash),
        6 => (0usize..4, 0usize..8, -RANGE..RANGE * 8, 0..RANGE * 4)
            .prop_map(|(kind, pattern, from, len)| Op::Query { kind, pattern, from, len }),
    ]
}

struct World {
    dir: tempfile::TempDir,
    /// Folders of crashed databases, kept until the end.
    n_folders: usize,
    db: Option<Db>,
    model: Contents,
    refs: BTreeMap<usize, SeriesRef>,
    now: i64,
    n_values: u32,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let db = open(&dir.path().join("0"), options());
        Self {
            dir,
            n_folders: 0,
            db: Some(db),
            model: Contents::new(),
            refs: BTreeMap::new(),
            now: START,
            n_values: 0,
        }
    }

    fn db(&self) -> &Db {
        self.db.as_ref().expect("open between the steps")
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Scrape { from, to, later, by_ref, keep } => {
                self.scrape(from..to, later, by_ref, keep)
            }
            Op::Late { series, earlier } => self.late(series, earlier),
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
            Op::Query { kind, pattern, from, len } => {
                self.query(kind, pattern, START + from, START + from + len)
            }
        }
    }

    fn reopen(&mut self) {
        self.db = Some(open(&self.dir.path().join(self.n_folders.to_string()), options()));
        // References are good for the life of a process: those of series that are gone may come again.
        self.refs.clear();
        self.check();
    }

    fn check(&self) {
        let found = everything(self.db());
        for (labels, samples) in &self.model {
            assert_eq!(found.get(labels), Some(samples), "{labels}");
        }
        assert_eq!(found.len(), self.model.len());
    }

    fn scrape(&mut self, series: std::ops::Range<usize>, later: i64, by_ref: bool, keep: bool) {
        self.now += later;
        let mut appender = self.db.as_ref().expect("open").appender();
        let mut taken = Vec::new();
        for i in series {
            self.n_values += 1;
            let v = f64::from(self.n_values % 50);
            let known = self.refs.get(&i).filter(|_| by_ref).copied();
            let by_ref = known.map(|it| appender.append_ref(it, self.now, v));
            match by_ref {
                Some(Ok(())) => {}
                None | Some(Err(AppendError::UnknownSeries)) => {
                    let it = appender.append(&labels(i), self.now, v).expect("in order");
                    self.refs.insert(i, it);
                }
                Some(Err(error)) => panic!("in order, but {error}"),
            }
            taken.push((i, v));
        }
        if !keep {
            return appender.rollback();
        }
        appender.commit().expect("commits");
        for (i, v) in taken {
            self.model.entry(labels(i)).or_default().insert(self.now, v.to_bits());
        }
    }

    fn late(&mut self, i: usize, earlier: i64) {
        let t = self.now - earlier;
        let mut appender = self.db().appender();
        let result = appender.append(&labels(i), t, 0.125);
        appender.commit().expect("commits");
        let known = self.model.get(&labels(i)).and_then(|it| it.last_key_value()).map(|(t, _)| *t);
        match result {
            Ok(_) => {
                assert!(known.is_none_or(|last| last < t), "{t} is not behind {known:?}");
                self.model.entry(labels(i)).or_default().insert(t, 0.125f64.to_bits());
            }
            Err(AppendError::OutOfBounds) => {
                assert!(RANGE / 2 < earlier || known.is_none_or(|last| t <= last))
            }
            Err(AppendError::OutOfOrder) => assert!(known.is_some_and(|last| t <= last)),
            Err(AppendError::Duplicate { .. }) => assert_eq!(known, Some(t)),
            Err(other) => panic!("{other}"),
        }
    }

    fn query(&self, kind: usize, pattern: usize, mint: i64, maxt: i64) {
        let kind =
            [MatchType::Equal, MatchType::NotEqual, MatchType::Regexp, MatchType::NotRegexp][kind];
        let (name, value) = [
            ("__name__", "up"),
            ("mode", ""),
            ("mode", "m1|m2|m9"),
            ("mode", ".*"),
            ("mode", ".+"),
            ("instance", "host-[0-2].*"),
            ("job", "a|"),
            ("nothing", "x"),
        ][pattern];
        let matchers = [
            Matcher::new(kind, name, value).expect("is valid"),
            Matcher::new(MatchType::NotEqual, "instance", "host-3:9100").expect("is valid"),
        ];
        let mut expected = Contents::new();
        let mut names = std::collections::BTreeSet::new();
        for (labels, samples) in &self.model {
            if !matchers.iter().all(|it| it.matches(labels.value(it.name()))) {
                continue;
            }
            let kept: BTreeMap<i64, u64> =
                samples.range(mint..=maxt).map(|(t, v)| (*t, *v)).collect();
            if !kept.is_empty() {
                names.extend(labels.iter().map(|(name, _)| name.to_owned()));
                expected.insert(labels.clone(), kept);
            }
        }
        assert_eq!(
            contents(self.db(), &matchers, mint, maxt),
            expected,
            "{matchers:?} {mint}..={maxt}"
        );
        let querier = self.db().querier(mint, maxt).expect("opens a view");
        let found = querier.label_names(&matchers, &ListHints::default()).expect("lists");
        assert!(names.iter().all(|it| found.contains(it)) && found.is_sorted());
        let found = querier.label_values("job", &matchers, &ListHints::default()).expect("lists");
        assert!(expected.keys().all(|it| found.contains(&it.value("job").to_owned())));
        let hints = SelectHints { sorted: true, limit: 3, ..SelectHints::default() };
        let set = querier.select(&hints, &matchers).expect("selects");
        assert!(set.len() <= 3 && (1..set.len()).all(|at| set.labels(at - 1) < set.labels(at)));
    }
}

/// More of them by `PROPTEST_CASES`.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(12)
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 200, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn keeps_what_a_map_keeps(ops in prop::collection::vec(op(), 1..120)) {
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

fn append(db: &Db, i: usize, t: i64, v: f64) {
    let mut appender = db.appender();
    appender.append(&labels(i), t, v).expect("takes");
    appender.commit().expect("commits");
}

#[test]
fn a_log_torn_at_every_byte_of_its_last_record() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = open(&dir.path().join("whole"), options());
    append(&db, 1, START, 1.0);
    append(&db, 2, START + 1, 2.0);
    let segment = "wal/00000000";
    let kept = everything(&db);
    let good = std::fs::metadata(dir.path().join("whole").join(segment)).expect("is there").len();
    append(&db, 3, START + 2, 3.0);
    let all = everything(&db);
    let whole = std::fs::metadata(dir.path().join("whole").join(segment)).expect("is there").len();
    assert!(good < whole);
    for cut in good..=whole {
        let torn = dir.path().join(cut.to_string());
        copy(&dir.path().join("whole"), &torn);
        let file = std::fs::OpenOptions::new().write(true).open(torn.join(segment)).expect("opens");
        file.set_len(cut).expect("cuts");
        let db = open(&torn, options());
        // A series record, then a samples record: the first alone adds no sample.
        let found = everything(&db);
        assert!(found == kept || (cut == whole && found == all), "cut at {cut} of {whole}");
        append(&db, 3, START + 3, 4.0);
        let after = everything(&db);
        assert_eq!(after.len(), 3);
        // Killed again.
        copy(&torn, &torn.with_extension("again"));
        let again = open(&torn.with_extension("again"), options());
        assert_eq!((everything(&again), again.wal_corruptions()), (after, 0), "cut at {cut}");
    }
}

/// A series without samples stays while a batch has some for it, whatever becomes of another batch.
#[test]
fn a_batch_keeps_its_series_beside_another() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = open(dir.path(), options());
    let newest = START + 160_000;
    [START, START + 80_000, newest].iter().for_each(|t| append(&db, 0, *t, 1.0));
    let mut first = db.appender();
    let series = first.append(&labels(1), newest, 1.0).expect("takes");
    let mut second = db.appender();
    second.append_ref(series, newest, 2.0).expect("takes");
    second.rollback();
    db.maintain();
    assert_eq!(db.blocks().len(), 1);
    first.commit().expect("commits");
    let found = everything(&db).get(&labels(1)).cloned();
    assert_eq!(found, Some(BTreeMap::from([(newest, 1.0f64.to_bits())])));
}

#[test]
fn refuses_with_upstreams_words() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = open(dir.path(), options());
    append(&db, 1, START, 1.0);
    append(&db, 1, START + 1000, 2.0);
    let mut appender = db.appender();
    let mut refuse =
        |t, v| appender.append(&labels(1), t, v).map(drop).map_err(|it| it.to_string());
    assert_eq!(refuse(START + 1000, 2.0), Ok(()), "the same again is dropped");
    let duplicate = "duplicate sample for timestamp 1700000001000; overrides not allowed: existing 2, new value 3";
    assert_eq!(refuse(START + 1000, 3.0), Err(duplicate.to_owned()));
    assert_eq!(refuse(START + 999, 3.0), Err("out of order sample".to_owned()));
    assert_eq!(refuse(START - RANGE, 3.0), Err("out of bounds".to_owned()));
    let empty = appender.append(&Labels::empty(), START + 2000, 1.0).map_err(|it| it.to_string());
    assert_eq!(empty, Err("empty labelset: invalid sample".to_owned()));
    assert_eq!(
        appender.append_ref(SeriesRef(99), START + 2000, 1.0),
        Err(AppendError::UnknownSeries)
    );
    appender.commit().expect("commits");
    assert_eq!(everything(&db).values().map(BTreeMap::len).sum::<usize>(), 2);
}

#[test]
fn a_second_process_is_told_so() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = open(dir.path(), options());
    let directory = Arc::new(SystemDirectory::new(dir.path()));
    let second = Db::open(
        options(),
        directory.clone(),
        Arc::new(SystemClock::default()),
        &client::Registry::default(),
    );
    let error = second.err().expect("is refused").to_string();
    assert_eq!(error, "lock DB directory: resource temporarily unavailable");
    append(&db, 1, START, 1.0);
    let reader =
        Db::open_read_only(directory, Arc::new(SystemClock::default())).expect("reads beside");
    assert_eq!(everything(&reader), everything(&db));
    db.close().expect("closes");
    let error = {
        let mut appender = db.appender();
        appender.append(&labels(1), START + 5, 1.0).expect("takes");
        appender.commit().expect_err("closed").to_string()
    };
    assert_eq!(error, "the database is closed");
    assert!(!dir.path().join("lock").exists());
}

#[test]
fn a_corrupt_block_is_left_out() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = open(dir.path(), options());
    for i in 0..60 {
        append(&db, 1, START + i * 10_000, 1.0);
        db.maintain();
    }
    let blocks = db.blocks();
    assert!(1 < blocks.len());
    let all = everything(&db);
    let victim = dir.path().join(blocks[0].path()).join("index");
    db.close().expect("closes");
    drop((db, blocks));
    let bytes = std::fs::read(&victim).expect("reads");
    std::fs::write(&victim, &bytes[..bytes.len() - 10]).expect("writes");
    let db = open(dir.path(), options());
    let left = everything(&db);
    let n = |it: &Contents| it.values().map(BTreeMap::len).sum::<usize>();
    assert!(0 < n(&left) && n(&left) < n(&all));
    append(&db, 1, START + 700_000, 2.0);
    db.maintain();
    // Set aside under another name, not removed: repaired, it is put back.
    let folder = victim.parent().expect("a block's folder");
    let aside = folder.with_extension("quarantined");
    std::fs::write(aside.join("index"), bytes).expect("writes");
    std::fs::rename(&aside, folder).expect("renames");
    db.maintain();
    assert_eq!(n(&everything(&db)), n(&all) + 1, "it is there again once it can be read");
}

#[test]
fn a_reader_sees_whole_commits() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = Arc::new(open(dir.path(), Options::default()));
    let writer = Arc::clone(&db);
    let thread = std::thread::spawn(move || {
        for round in 0..400i64 {
            let mut appender = writer.appender();
            for i in 0..200usize {
                let series =
                    Labels::from_pairs([("__name__", "m".to_owned()), ("i", i.to_string())]);
                #[expect(clippy::cast_precision_loss, reason = "small")]
                appender.append(&series, START + round * 1000, round as f64).expect("takes");
            }
            appender.commit().expect("commits");
        }
    });
    let matchers = [Matcher::equal("__name__", "m")];
    let mut n_checked = 0;
    while !thread.is_finished() || n_checked == 0 {
        let found = contents(db.as_ref(), &matchers, i64::MIN, i64::MAX);
        let lengths: std::collections::BTreeSet<usize> =
            found.values().map(BTreeMap::len).collect();
        assert!(lengths.len() <= 1, "some series have {lengths:?} samples");
        n_checked += 1;
    }
    thread.join().expect("no panic");
    assert_eq!(contents(db.as_ref(), &matchers, i64::MIN, i64::MAX).len(), 200);
}

#[test]
fn retention_by_time_and_by_size() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = open(
        dir.path(),
        Options { retention_ms: 3 * RANGE, block_range_max_ms: RANGE, ..options() },
    );
    for i in 0..100 {
        append(&db, 1, START + i * 10_000, 1.0);
    }
    db.maintain();
    let oldest = db.blocks().first().expect("has blocks").meta().maxt;
    let newest = db.blocks().last().expect("has blocks").meta().maxt;
    assert!(newest - oldest < 3 * RANGE && 1 < db.blocks().len());
    db.close().expect("closes");
    drop(db);
    let db = open(dir.path(), Options { retention_bytes: 1, ..options() });
    db.maintain();
    assert!(db.blocks().is_empty());
    let stats = db.stats(10);
    assert_eq!((stats.n_series, stats.series_by_metric_name[0].value), (1, 1));
}
