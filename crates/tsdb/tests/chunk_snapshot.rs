//! Upstream's chunk snapshots: a start goes on from one that fits, and gives up any other.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use client::Registry;
use model::{Exemplar, Histogram, Labels, Matcher, Span};
use stdx::Directory;
use storage::{AnySample, AnyValue, Appendable};
use support::seen::{Contents, all_of};
use testkit::{CrashingDirectory, SettableClock};
use tsdb::{Db, Options, SeriesExemplars};

/// A range of a block, far shorter than in life.
const RANGE: i64 = 100_000;
const START: i64 = 1_700_000_000_000;
const SERIES: usize = 8;

fn options() -> Options {
    Options {
        retention_ms: 0,
        block_range_min_ms: RANGE,
        wal_segment_bytes: 64 << 10,
        exemplars_max: 1000,
        head_checkpoint_bytes: 0,
        snapshot_at_close: true,
        ..Options::default()
    }
}

struct World {
    disk: CrashingDirectory,
    registry: Registry,
    db: Db,
    now: i64,
}

impl World {
    fn new(options: Options) -> Self {
        let (disk, registry) = (CrashingDirectory::new(0), Registry::default());
        let db = open(&disk, options, &registry);
        Self { disk, registry, db, now: START }
    }

    fn scrapes(&mut self, n: usize) {
        for _ in 0..n {
            self.now += 1000;
            let mut appender = self.db.appender();
            for i in 0..SERIES {
                let whole = histogram(self.now);
                let float = whole.to_float();
                let value = match i % 4 {
                    2 => AnyValue::Histogram(&whole),
                    3 => AnyValue::FloatHistogram(&float),
                    #[expect(clippy::cast_precision_loss, reason = "any number is good")]
                    _ => AnyValue::Float(self.now as f64 / 7.0),
                };
                let sample = AnySample { st: 0, t: self.now, value };
                let series = appender.append_any(&labels(i), sample).expect("takes");
                let labels = Labels::from_pairs([("id", self.now.to_string())]);
                let exemplar = Exemplar { labels, value: 1.0, t: Some(self.now) };
                appender.append_exemplar(series, &exemplar).expect("takes");
            }
            appender.commit().expect("commits");
        }
    }

    fn delete(&self) {
        let matchers = [Matcher::equal("i", "1")];
        self.db.delete(self.now - 20_000, self.now - 10_000, &matchers).expect("deletes");
    }

    /// All samples, and the exemplars that blocks do not reach.
    fn everything(&self) -> (Contents, Vec<SeriesExemplars>) {
        let from = self.db.blocks().iter().map(|it| it.meta().maxt).max().unwrap_or(i64::MIN);
        let all = vec![Matcher::equal("no_such_label", "")];
        (all_of(&self.db), self.db.exemplars(from, i64::MAX, &[all]))
    }

    /// Restarts, after `change`; returns how many snapshots were given up.
    fn restart(&mut self, options: Options, change: impl Fn(&CrashingDirectory)) -> f64 {
        let before = self.everything();
        self.db.close().expect("closes");
        change(&self.disk);
        self.registry = Registry::default();
        self.db = open(&self.disk, options, &self.registry);
        let after = self.everything();
        assert!(after.0 == before.0, "all samples are there again");
        assert!(after.1 == before.1, "all exemplars are there again");
        self.metric("prometheus_tsdb_snapshot_replay_error_total")
    }

    fn metric(&self, name: &str) -> f64 {
        let page = client::text_page(&self.registry);
        let line = page.lines().find(|it| it.starts_with(&format!("{name} ")));
        line.and_then(|it| it.rsplit_once(' ')).expect("is there").1.parse().expect("a number")
    }
}

fn open(disk: &CrashingDirectory, options: Options, registry: &Registry) -> Db {
    let (directory, clock) = (Arc::new(disk.clone()), Arc::new(SettableClock::new(START)));
    Db::open(options, directory, clock, registry).expect("opens")
}

fn labels(i: usize) -> Labels {
    Labels::from_pairs([("__name__", "m".to_owned()), ("i", i.to_string())])
}

fn histogram(t: i64) -> Histogram {
    let n = t / 1000 - START / 1000;
    Histogram {
        count: n.unsigned_abs(),
        positive_spans: vec![Span { offset: 0, length: 1 }],
        positive_deltas: vec![n],
        ..Histogram::default()
    }
}

fn snapshots(disk: &CrashingDirectory) -> Vec<String> {
    let first = |path: &Path| path.iter().next().and_then(|it| it.to_str()).map(str::to_owned);
    let mut names: Vec<String> = disk.files().iter().filter_map(|it| first(&it.0)).collect();
    names.retain(|it| it.starts_with("chunk_snapshot."));
    names.dedup();
    names
}

#[test]
fn a_start_goes_on_from_it() {
    let mut world = World::new(options());
    world.scrapes(70);
    world.delete();
    assert_eq!(world.restart(options(), |_| {}), 0.0);
    // Open chunks, finished ones, blocks, and deletions of all ages.
    for _ in 0..6 {
        world.scrapes(45);
        world.delete();
        world.db.maintain();
        assert_eq!(world.restart(options(), |_| {}), 0.0);
        assert_eq!(snapshots(&world.disk).len(), 1);
    }
    assert!(!world.db.blocks().is_empty());
    // What is before it in the log is not read.
    let damage = |disk: &CrashingDirectory| {
        let mut files = disk.files().into_iter();
        let (segment, _) =
            files.rfind(|it| it.0.starts_with("wal") && 1000 < it.1).expect("is there");
        disk.flip_bit(&segment, 8 * 500);
    };
    assert_eq!(world.restart(options(), damage), 0.0);
    assert_eq!(world.db.wal_corruptions(), 0);
}

/// Prometheus leaves none of the file that says which references are free.
#[test]
fn references_of_the_log_before_it_are_not_given_out_again() {
    let mut world = World::new(options());
    let gone = Labels::from_pairs([("__name__", "gone")]);
    let mut appender = world.db.appender();
    appender.append(&gone, START, 1.0).expect("takes");
    appender.commit().expect("commits");
    world.scrapes(200);
    world.db.maintain();
    let mut appender = world.db.appender();
    let newest = appender.append(&labels(SERIES), world.now, 1.0).expect("takes");
    appender.commit().expect("commits");
    world.scrapes(200);
    world.db.maintain();
    let forget = |disk: &CrashingDirectory| {
        disk.remove_file(Path::new("wal/series_state.json")).expect("removes");
    };
    assert_eq!(world.restart(options(), forget), 0.0);
    let mut appender = world.db.appender();
    let next = appender.append(&labels(SERIES + 1), world.now + 1, 1.0).expect("takes");
    assert!(newest < next, "{newest:?} is of another series in the log, {next:?} is given out");
}

#[test]
fn what_is_in_doubt_is_replayed() {
    type Change = fn(&CrashingDirectory);
    let cases: [(&str, Change); 5] = [
        ("a torn record", |disk| disk.flip_bit(&records(disk), 8 * 100)),
        ("an empty snapshot", |disk| truncate(disk, 0)),
        ("a snapshot without its end", |disk| truncate(disk, 20)),
        ("a log that is shorter", |disk| rename(disk, "chunk_snapshot.000000.0009999999")),
        ("a log that is older", |disk| rename(disk, "chunk_snapshot.000009.0000000000")),
    ];
    for (what, change) in cases {
        let mut world = World::new(options());
        world.scrapes(200);
        world.delete();
        assert_eq!(world.restart(options(), change), 1.0, "{what}");
        assert_eq!(snapshots(&world.disk), [""; 0], "{what}");
    }
}

/// Somebody who writes none was here since, and the log was folded.
#[test]
fn one_that_is_older_than_the_log_is_given_up() {
    let mut world = World::new(options());
    world.scrapes(50);
    let without = Options { snapshot_at_close: false, ..options() };
    assert_eq!(world.restart(without.clone(), |_| {}), 0.0);
    for _ in 0..5 {
        world.scrapes(200);
        world.db.maintain();
    }
    assert_eq!(world.restart(without, |_| {}), 0.0);
    assert_eq!(snapshots(&world.disk).len(), 1);
    assert_eq!(world.restart(options(), |_| {}), 1.0);
}

#[test]
fn the_disk_may_refuse_it() {
    for n in 0.. {
        let mut world = World::new(options());
        world.scrapes(50);
        let before = world.everything();
        let first = world.disk.n_operations();
        world.disk.fail_after(n);
        let closed = world.db.close();
        let is_over = world.disk.n_operations() - first <= n;
        let disk = world.disk.kill();
        let db = open(&disk, options(), &Registry::default());
        (world.disk, world.db) = (disk, db);
        assert!(world.everything() == before, "operation {n}, {closed:?}");
        if is_over {
            assert!(20 < n, "{n} operations only");
            return;
        }
    }
}

fn records(disk: &CrashingDirectory) -> PathBuf {
    Path::new(&snapshots(disk)[0]).join("00000000")
}

fn rename(disk: &CrashingDirectory, to: &str) {
    disk.rename(snapshots(disk)[0].as_ref(), to.as_ref()).expect("renames");
}

fn truncate(disk: &CrashingDirectory, len: u64) {
    disk.append(&records(disk)).and_then(|mut it| it.set_len(len)).expect("truncates");
}
