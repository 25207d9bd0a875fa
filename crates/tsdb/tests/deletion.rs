//! Deletions against a map: in the head and in blocks, across compactions, restarts, crashes and cleaning.

mod support;

use std::sync::Arc;

use block::Block;
use model::{Labels, MatchType, Matcher};
use proptest::prelude::*;
use storage::{Appendable, Queryable, SelectHints};
use support::{Contents, contents, copy, everything, open};
use testkit::{CrashingDirectory, SettableClock};
use tsdb::{AdminError, Db, Options};

/// A range of a block, far shorter than in life.
const RANGE: i64 = 100_000;
const START: i64 = 1_700_000_000_000;
const N_SERIES: usize = 12;

fn options() -> Options {
    Options {
        retention_ms: 0,
        block_range_min_ms: RANGE,
        block_range_max_ms: 9 * RANGE,
        wal_segment_bytes: 32 << 10,
        ..Options::default()
    }
}

fn labels(i: usize) -> Labels {
    Labels::from_pairs([("__name__", format!("m{}", i % 3)), ("i", i.to_string())])
}

/// Selectors and which series they are for.
fn selector(which: usize) -> (Matcher, fn(usize) -> bool) {
    match which % 4 {
        0 => (Matcher::equal("__name__", "m1"), |i| i % 3 == 1),
        1 => (Matcher::equal("i", "4"), |i| i == 4),
        2 => (Matcher::new(MatchType::Regexp, "i", "[0-5]").expect("compiles"), |i| i < 6),
        _ => (Matcher::new(MatchType::NotEqual, "i", "7").expect("compiles"), |i| i != 7),
    }
}

#[derive(Clone, Debug)]
enum Op {
    /// So many rounds of samples of all series.
    Scrape(usize),
    /// From so long ago, so long.
    Delete {
        which: usize,
        ago: i64,
        len: i64,
    },
    Maintain,
    Clean,
    Restart,
    Crash,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (1usize..40).prop_map(Op::Scrape),
        6 => (0usize..4, -1000i64..900_000, 0i64..400_000)
            .prop_map(|(which, ago, len)| Op::Delete { which, ago, len }),
        3 => Just(Op::Maintain),
        1 => Just(Op::Clean),
        1 => Just(Op::Restart),
        2 => Just(Op::Crash),
    ]
}

struct World {
    dir: tempfile::TempDir,
    n_folders: usize,
    db: Option<Db>,
    model: Contents,
    now: i64,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let db = Some(open(&dir.path().join("0"), options()));
        Self { dir, n_folders: 0, db, model: Contents::new(), now: START }
    }

    fn db(&self) -> &Db {
        self.db.as_ref().expect("open between the steps")
    }

    fn folder(&self) -> std::path::PathBuf {
        self.dir.path().join(self.n_folders.to_string())
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Scrape(rounds) => (0..rounds).for_each(|_| self.scrape()),
            Op::Delete { which, ago, len } => self.delete(which, self.now - ago, len),
            Op::Maintain => self.db().maintain(),
            Op::Clean => {
                self.db().clean_tombstones().expect("cleans");
                assert!(self.db().blocks().iter().all(|it| is_clean(it)));
            }
            Op::Restart => {
                self.db = None;
                self.db = Some(open(&self.folder(), options()));
            }
            Op::Crash => {
                let from = self.folder();
                self.n_folders += 1;
                copy(&from, &self.folder());
                self.db = None;
                self.db = Some(open(&self.folder(), options()));
            }
        }
        assert!(everything(self.db()) == self.model, "{op:?}");
    }

    fn scrape(&mut self) {
        self.now += 3000;
        let mut appender = self.db().appender();
        for i in 0..N_SERIES {
            let v = 1.0 / (self.now - START + i as i64) as f64;
            appender.append(&labels(i), self.now, v).expect("takes");
            self.model.entry(labels(i)).or_default().insert(self.now, v.to_bits());
        }
        appender.commit().expect("commits");
    }

    fn delete(&mut self, which: usize, mint: i64, len: i64) {
        let (matcher, fits) = selector(which);
        self.db().delete(mint, mint + len, &[matcher]).expect("deletes");
        for i in (0..N_SERIES).filter(|i| fits(*i)) {
            if let Some(samples) = self.model.get_mut(&labels(i)) {
                samples.retain(|t, _| !(mint..=mint + len).contains(t));
            }
        }
        self.model.retain(|_, samples| !samples.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn equals_a_map(ops in prop::collection::vec(op(), 1..40)) {
        let mut world = World::new();
        ops.iter().for_each(|it| world.step(it));
    }
}

fn is_clean(block: &Block) -> bool {
    block.tombstones().is_empty() || block.meta().compaction.deletable
}

/// The log still has the samples of the newest block.
#[test]
fn does_not_come_back_with_the_log() {
    let mut world = World::new();
    (0..60).for_each(|_| world.scrape());
    world.step(&Op::Maintain);
    assert_eq!(world.db().blocks().len(), 1);
    // All that is in the block.
    for which in [0, 3] {
        let ago = world.now - START;
        world.step(&Op::Delete { which, ago, len: RANGE - 1 });
    }
    for op in [Op::Clean, Op::Maintain, Op::Crash, Op::Clean, Op::Restart] {
        world.step(&op);
    }
    (0..60).for_each(|_| world.scrape());
    world.step(&Op::Maintain);
    assert!(world.db().blocks().iter().all(|it| !it.meta().compaction.deletable));
    world.step(&Op::Crash);
}

#[test]
fn is_kept_by_checkpoints_and_leaves_blocks_without() {
    let mut world = World::new();
    (0..20).for_each(|_| world.scrape());
    world.step(&Op::Delete { which: 0, ago: 30_000, len: 10_000 });
    for _ in 0..4 {
        (0..60).for_each(|_| world.scrape());
        // The newest deletion is in the log that the next truncation folds.
        world.step(&Op::Delete { which: 1, ago: 20_000, len: 10_000 });
        world.step(&Op::Maintain);
    }
    let wal = std::fs::read_dir(world.folder().join("wal")).expect("lists");
    let is_checkpoint = |name: &str| name.starts_with("checkpoint.");
    let mut names = wal.map(|it| it.expect("lists").file_name().to_string_lossy().into_owned());
    assert!(names.any(|it| is_checkpoint(&it)), "a checkpoint is part of the test");
    assert!(world.db().blocks().iter().all(|it| it.tombstones().is_empty()));
    world.step(&Op::Crash);
    // A whole series in head and blocks: its labels go too.
    world.step(&Op::Delete { which: 1, ago: 10_000_000, len: 20_000_000 });
    let querier = world.db().querier(i64::MIN, i64::MAX).expect("opens");
    let found =
        querier.select(&SelectHints::default(), &[Matcher::equal("i", "4")]).expect("finds");
    assert_eq!(found.len(), 0);
    world.step(&Op::Clean);
    world.step(&Op::Crash);
    let of_4 = contents(world.db(), &[Matcher::equal("i", "4")], i64::MIN, i64::MAX);
    assert_eq!(of_4, Contents::new());
}

/// Samples out of order may be older than all others of their series, and than what blocks hold.
#[test]
fn reaches_late_samples_and_stays() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let options = Options { out_of_order_window_ms: 9 * RANGE, ..options() };
    let db = open(dir.path(), options.clone());
    let append = |t: i64| {
        let mut appender = db.appender();
        appender.append(&labels(0), t, 1.0).expect("takes");
        appender.commit().expect("commits");
    };
    append(START + RANGE);
    [1, 2].iter().for_each(|at| append(START + at));
    db.delete(START, START + 1, &[Matcher::equal("i", "0")]).expect("deletes");
    let times = |db: &Db| -> Vec<i64> {
        everything(db).get(&labels(0)).into_iter().flat_map(|it| it.keys().copied()).collect()
    };
    assert_eq!(times(&db), [START + 2, START + RANGE]);
    // The head is cut behind what is deleted, then the late samples become a block.
    append(START + 3 * RANGE);
    db.maintain();
    let left = [START + 2, START + RANGE, START + 3 * RANGE];
    assert_eq!(times(&db), left);
    db.close().expect("closes");
    drop(db);
    assert_eq!(times(&open(dir.path(), options)), left);
}

/// No round of maintenance has so many operations.
const NEVER: u64 = 1 << 40;

/// Two rounds of maintenance in each of which an operation may fail, then some more, and a restart.
struct Failing {
    /// Operations of the two rounds.
    n: [u64; 2],
    /// Late samples are in a block, and in their log.
    is_left: bool,
    /// The times that are there in the end, and those that are to be.
    times: [Vec<i64>; 2],
}

impl Failing {
    fn at(fails_at: [u64; 2]) -> Self {
        let disk = CrashingDirectory::new(fails_at[0]);
        let db = Self::open(&disk);
        let append = |t: i64| {
            let mut appender = db.appender();
            appender.append(&labels(0), t, 1.0).expect("takes");
            appender.commit().is_ok()
        };
        let mut times: Vec<i64> = (1..8).map(|it| START + it * RANGE).collect();
        for t in &times {
            append(*t);
            db.maintain();
        }
        // They are older than all that the head has.
        times.insert(0, START + 2);
        [1, 2].iter().for_each(|at| assert!(append(START + at)));
        db.delete(START, START + 1, &[Matcher::equal("i", "0")]).expect("deletes");
        let (mut n, mut is_left) = ([0; 2], false);
        for round in 0..6 {
            let t = START + (9 + 2 * round as i64) * RANGE;
            times.extend(append(t).then_some(t));
            let before = disk.n_operations();
            if let Some(at) = fails_at.get(round) {
                disk.fail_after(*at);
            }
            db.maintain();
            disk.be_kind();
            if let Some(n) = n.get_mut(round) {
                *n = disk.n_operations() - before;
            }
            if round == 0 {
                let has_late = |it: &Block| it.meta().has_hint("from-out-of-order");
                let log = disk.files().into_iter().filter(|it| it.0.starts_with("wbl"));
                is_left = db.blocks().iter().any(|it| has_late(it))
                    && 0 < log.map(|it| it.1).sum::<u64>();
            }
        }
        db.close().ok();
        drop(db);
        let mut found = everything(&Self::open(&disk.kill()));
        let found = found.remove(&labels(0)).expect("the series is there");
        Self { n, is_left, times: [found.into_keys().collect(), times] }
    }

    fn open(disk: &CrashingDirectory) -> Db {
        let options = Options { out_of_order_window_ms: 20 * RANGE, ..options() };
        let (directory, clock) = (Arc::new(disk.clone()), Arc::new(SettableClock::new(START)));
        Db::open(options, directory, clock, &client::Registry::default()).expect("opens")
    }
}

/// What is deleted of late samples does not come back from their log, or their chunks.
#[test]
fn stays_whatever_fails_in_maintenance() {
    let mut n_left = 0;
    for first in 0.. {
        let once = Failing::at([first, NEVER]);
        assert_eq!(once.times[0], once.times[1], "operation {first}");
        for second in (0..once.n[1]).filter(|_| once.is_left) {
            n_left += 1;
            let Failing { times: [found, expected], .. } = Failing::at([first, second]);
            assert_eq!(found, expected, "operations {first}, then {second}");
        }
        if once.n[0] <= first {
            assert!(50 < first && 0 < n_left, "{first} operations, {n_left} that leave the log");
            return;
        }
    }
}

#[test]
fn snapshots_open_as_databases() {
    let mut world = World::new();
    (0..150).for_each(|_| world.scrape());
    world.step(&Op::Maintain);
    world.step(&Op::Delete { which: 0, ago: 100_000, len: 90_000 });
    world.step(&Op::Delete { which: 2, ago: 400_000, len: 90_000 });
    let now = world.model.clone();
    let db = world.db();
    let n_blocks = db.blocks().len();
    assert!(0 < n_blocks);
    let folder = std::path::Path::new("snapshots");
    db.snapshot(&folder.join("all"), true).expect("copies");
    db.snapshot(&folder.join("blocks"), false).expect("copies");
    // What comes later is not in them.
    world.step(&Op::Clean);
    world.step(&Op::Delete { which: 3, ago: 900_000, len: 900_000 });
    let at = |name: &str| open(&world.folder().join(folder).join(name), options());
    assert!(everything(&at("all")) == now);
    let blocks = at("blocks");
    assert_eq!(blocks.blocks().len(), n_blocks);
    let end = blocks.blocks().iter().map(|it| it.meta().maxt).max().expect("blocks");
    let mut in_blocks = now;
    in_blocks.values_mut().for_each(|it| it.retain(|t, _| *t < end));
    in_blocks.retain(|_, it| !it.is_empty());
    assert!(everything(&blocks) == in_blocks);
    // An empty database has an empty snapshot.
    let empty = open(&world.dir.path().join("empty"), options());
    empty.snapshot(std::path::Path::new("s"), true).expect("copies");
}

#[test]
fn a_reader_does_not_write() {
    let mut world = World::new();
    (0..100).for_each(|_| world.scrape());
    world.step(&Op::Maintain);
    world.step(&Op::Delete { which: 2, ago: 200_000, len: 90_000 });
    (0..10).for_each(|_| world.scrape());
    let folder = world.folder();
    // Killed within a commit, and with head chunks that are torn.
    let copied = world.dir.path().join("copied");
    copy(&folder, &copied);
    let newest = |name: &str| {
        let all = std::fs::read_dir(copied.join(name)).expect("lists");
        let files = all.map(|it| it.expect("lists").path()).filter(|it| it.is_file());
        files.max().expect("there are files")
    };
    let wal = newest("wal");
    let mut bytes = std::fs::read(&wal).expect("reads");
    bytes.truncate(bytes.len() - 3);
    std::fs::write(&wal, bytes).expect("writes");
    let leftover = copied.join("01BZJ9WJQPWHGNC2W4J9TA62KC.tmp-for-deletion");
    std::fs::create_dir(leftover).expect("creates");
    let before = listing(&copied);
    let directory = std::sync::Arc::new(stdx::SystemDirectory::new(&copied));
    let clock = std::sync::Arc::new(stdx::SystemClock::default());
    let reader = Db::open_read_only(directory, clock).expect("opens");
    assert!(!everything(&reader).is_empty());
    let all = Matcher::equal("no_such_label", "");
    assert!(matches!(
        reader.delete(0, i64::MAX, std::slice::from_ref(&all)),
        Err(AdminError::Refused(_))
    ));
    assert!(matches!(reader.clean_tombstones(), Err(AdminError::Refused(_))));
    assert!(matches!(reader.snapshot("s".as_ref(), true), Err(AdminError::Refused(_))));
    reader.maintain();
    reader.close().expect("closes");
    drop(reader);
    assert_eq!(listing(&copied), before);
}

/// All files with their bytes, and all folders.
fn listing(folder: &std::path::Path) -> Vec<(std::path::PathBuf, Option<Vec<u8>>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("lists") {
        let path = entry.expect("lists").path();
        if path.is_dir() {
            all.push((path.clone(), None));
            all.extend(listing(&path));
        } else {
            let bytes = std::fs::read(&path).expect("reads");
            all.push((path, Some(bytes)));
        }
    }
    all.sort();
    all
}

/// Of a range that was deleted whole there is no block that tells a start to pass over its files.
#[test]
fn a_range_that_was_deleted_whole_stays_so() {
    let options = Options { wal_segment_bytes: 32 << 10, ..options() };
    let disk = CrashingDirectory::new(0);
    let open = || {
        let (directory, clock) = (Arc::new(disk.clone()), Arc::new(SettableClock::new(START)));
        Db::open(options.clone(), directory, clock, &client::Registry::default()).expect("opens")
    };
    for t in [START, START + 2 * RANGE] {
        // Each start begins a segment, and some are needed for the log to be folded.
        for _ in 0..3 {
            drop(open());
        }
        let db = open();
        let mut appender = db.appender();
        appender.append(&labels(0), t, 1.0).expect("takes");
        appender.commit().expect("commits");
        if t == START {
            db.delete(t, t, &[Matcher::equal("i", "0")]).expect("deletes");
        }
        db.maintain();
    }
    let db = open();
    assert!(db.blocks().is_empty());
    let found = everything(&db);
    assert!(found[&labels(0)].keys().eq(&[START + 2 * RANGE]), "{found:?}");
}

/// Late samples may be newer than all that their series has in order.
#[test]
fn late_samples_beyond_their_series_stay_deleted() {
    let options =
        Options { out_of_order_window_ms: 3 * RANGE, head_checkpoint_bytes: 1, ..options() };
    let open = |disk: &CrashingDirectory| {
        let (directory, clock) = (Arc::new(disk.clone()), Arc::new(SettableClock::new(START)));
        Db::open(options.clone(), directory, clock, &client::Registry::default()).expect("opens")
    };
    let disk = CrashingDirectory::new(0);
    let db = open(&disk);
    for (i, ago) in [(0, RANGE), (1, 0), (0, RANGE - 1), (0, RANGE - 2)] {
        let mut appender = db.appender();
        appender.append(&labels(i), START - ago, 1.0).expect("takes");
        appender.commit().expect("commits");
    }
    db.maintain();
    db.delete(START - RANGE + 1, START - RANGE + 1, &[Matcher::equal("i", "0")]).expect("deletes");
    let left = [START - RANGE, START - RANGE + 2];
    for disk in [disk.kill(), disk] {
        let found = everything(&open(&disk.kill()));
        assert!(found[&labels(0)].keys().eq(&left), "{found:?}");
    }
}
