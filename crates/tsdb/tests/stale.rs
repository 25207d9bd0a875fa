//! Series that have ended go into blocks early, and come back as new ones.

mod support;

use std::path::Path;

use model::{Labels, stale_nan};
use storage::{Appendable, Queryable};
use support::{Contents, copy, everything, open, open_with};
use tsdb::{Db, Options};

const RANGE: i64 = 1_200_000;
const START: i64 = 1_700_000_400_000;
const STEP: i64 = 10_000;
const HINT: &str = "from-stale-series";

fn options() -> Options {
    Options {
        retention_ms: 0,
        block_range_min_ms: RANGE,
        block_range_max_ms: 9 * RANGE,
        wal_segment_bytes: 64 << 10,
        out_of_order_window_ms: RANGE,
        stale_series_threshold: 0.5,
        ..Options::default()
    }
}

fn labels(i: usize) -> Labels {
    Labels::from_pairs([("__name__", "m".to_owned()), ("i", i.to_string())])
}

/// A database and what it has to hold.
struct World {
    db: Db,
    model: Contents,
}

impl World {
    fn new(path: &Path) -> Self {
        Self { db: open(path, options()), model: Contents::new() }
    }

    fn append(&mut self, i: usize, t: i64, v: f64) {
        let mut appender = self.db.appender();
        appender.append(&labels(i), t, v).expect("takes");
        appender.commit().expect("commits");
        self.model.entry(labels(i)).or_default().insert(t, v.to_bits());
    }

    /// `n` series with `n_samples` each, of which the first `n_stale` end.
    fn fill(&mut self, n: usize, n_stale: usize, n_samples: i64) {
        for k in 0..n_samples {
            for i in 0..n {
                self.append(i, START + k * STEP, 1.0 + i as f64);
            }
        }
        for i in 0..n_stale {
            self.append(i, START + n_samples * STEP, stale_nan());
        }
    }

    fn check(&self) {
        assert!(everything(&self.db) == self.model);
    }

    fn n_stale_blocks(&self) -> usize {
        self.db.blocks().iter().filter(|it| it.meta().has_hint(HINT)).count()
    }

    fn n_series(&self) -> u64 {
        self.db.stats(1).n_series
    }

    /// Closes it and opens it again.
    fn restart(self, path: &Path) -> Self {
        self.db.close().expect("closes");
        let Self { db, model } = self;
        drop(db);
        let it = Self { db: open(path, options()), model };
        it.check();
        it
    }
}

/// Of `n` series `n_stale` end after `n_samples`; so many are left in the head, and so many blocks there are.
#[track_caller]
fn check(threshold: f64, (n, n_stale, n_samples): (usize, usize, i64), expected: (u64, usize)) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut world = World::new(dir.path());
    world.db.set_stale_series_threshold(threshold);
    world.fill(n, n_stale, n_samples);
    world.db.maintain();
    assert_eq!((world.n_series(), world.n_stale_blocks()), expected);
    world.check();
    let world = world.restart(dir.path());
    assert_eq!((world.n_series(), world.n_stale_blocks()), expected);
    assert_eq!(world.db.wal_corruptions(), 0);
}

#[test]
fn goes_by_the_share_and_by_what_is_due() {
    check(0.5, (4, 2, 20), (2, 1));
    check(0.5, (4, 1, 20), (4, 0));
    check(0.0, (4, 4, 20), (4, 0));
    check(1.0, (4, 3, 20), (4, 0));
    check(1.0, (4, 4, 20), (0, 1));
    check(f64::NAN, (4, 4, 20), (4, 0));
    // From one range into the next.
    check(0.5, (4, 2, 150), (2, 2));
    // The head is due soon.
    check(0.5, (4, 2, 175), (4, 0));
}

#[test]
fn a_series_comes_back_as_a_new_one() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut world = World::new(dir.path());
    world.fill(4, 2, 20);
    let reference = world.db.appender().append(&labels(0), START + 21 * STEP, 1.0);
    let before = reference.expect("rolled back");
    world.db.maintain();
    assert_eq!(world.n_series(), 2);
    let mut appender = world.db.appender();
    assert!(appender.append_ref(before, START + 30 * STEP, 1.0).is_err(), "it is gone");
    let after = appender.append(&labels(0), START + 30 * STEP, 1.0).expect("takes");
    drop(appender);
    assert_ne!(before, after);
    world.append(0, START + 31 * STEP, 7.0);
    world.check();
    for _ in 0..2 {
        world = world.restart(dir.path());
        assert_eq!(world.n_series(), 3);
        world.append(0, START + 32 * STEP, 8.0);
    }
    // It ends again, and so does another; then all become blocks in order.
    world.append(0, START + 33 * STEP, stale_nan());
    world.append(2, START + 33 * STEP, stale_nan());
    world.db.maintain();
    assert_eq!(world.n_series(), 1);
    world.check();
    let mut world = world.restart(dir.path());
    for k in 34..400 {
        world.append(3, START + k * STEP, 9.0);
    }
    world.db.maintain();
    world.check();
    assert!(world.restart(dir.path()).db.wal_corruptions() == 0);
}

#[test]
fn a_series_with_late_samples_stays() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut world = World::new(dir.path());
    world.fill(2, 2, 20);
    world.append(0, START + 5, 1.0);
    world.db.maintain();
    assert_eq!((world.n_series(), world.n_stale_blocks()), (1, 1));
    world.check();
    world.restart(dir.path());
}

#[test]
fn a_crash_before_the_head_gives_them_up() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (life, killed) = (dir.path().join("life"), dir.path().join("killed"));
    let mut world = World::new(&life);
    world.fill(4, 3, 20);
    // While somebody reads without the block, the head keeps them.
    let reader = world.db.querier(i64::MIN, i64::MAX).expect("opens a view");
    std::thread::scope(|scope| {
        scope.spawn(|| world.db.maintain());
        while world.n_stale_blocks() == 0 {
            std::thread::yield_now();
        }
        assert_eq!(world.n_series(), 4);
        world.check();
        copy(&life, &killed);
        drop(reader);
    });
    assert_eq!(world.n_series(), 1);
    world.check();
    let mut again = World { db: open(&killed, options()), model: world.model.clone() };
    again.check();
    assert_eq!((again.n_series(), again.n_stale_blocks()), (4, 1));
    again.append(1, START + 40 * STEP, 3.0);
    again.db.maintain();
    assert_eq!(again.n_series(), 2, "what came back meanwhile stays");
    again.check();
    again.restart(&killed);
}

#[test]
fn counts() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let registry = client::Registry::default();
    let db = open_with(dir.path(), options(), &registry);
    let mut world = World { db, model: Contents::new() };
    world.fill(5, 3, 2);
    let has = |line: &str| assert!(client::text_page(&registry).contains(line), "{line}");
    has("prometheus_tsdb_head_stale_series 3\n");
    has("prometheus_tsdb_stale_series_compactions_triggered_total 0\n");
    world.db.maintain();
    has("prometheus_tsdb_head_stale_series 0\n");
    has("prometheus_tsdb_head_series_removed_total 3\n");
    has("prometheus_tsdb_stale_series_compactions_triggered_total 1\n");
    has("prometheus_tsdb_stale_series_compactions_failed_total 0\n");
    has("prometheus_tsdb_stale_series_compaction_duration_seconds_count 1\n");
}
