//! A database on a disk that crashes, and the map it must equal.

mod append;
mod crash;
mod exemplars;
mod look;

use std::collections::BTreeMap;
use std::sync::Arc;

use block::Block;
use model::{Labels, SeriesRef};
use storage::{Appender, Querier};
use testkit::{CrashingDirectory, SettableClock};
use tsdb::{Db, OpenError, Options};

use crate::flip::flip;
use crate::history::Setting;
use crate::naive::{Added, Naive};
use crate::steps::{Crash, RANGE, SERIES, SLOTS, Step};
use crate::support::Contents;
use exemplars::Exemplars;

pub(crate) const START: i64 = 1_700_000_000_000;

/// A batch that is open.
struct Batch {
    appender: Box<dyn Appender>,
    /// What was put into it.
    added: Vec<Added>,
    exemplars: Vec<u32>,
    /// It takes samples from here on for sure.
    takes_from: i64,
}

/// A view that is open, and what was there then.
struct View {
    querier: Box<dyn Querier>,
    mint: i64,
    expected: Contents,
    /// Others were open beside it.
    is_beside: bool,
}

pub(crate) struct World {
    setting: Setting,
    pub(crate) options: Options,
    pub(crate) disk: CrashingDirectory,
    pub(crate) clock: Arc<SettableClock>,
    db: Option<Db>,
    pub(crate) naive: Naive,
    exemplars: Exemplars,
    refs: BTreeMap<usize, SeriesRef>,
    /// How often each series has become another.
    lives: [usize; SERIES * 2],
    open: [Option<Batch>; SLOTS],
    views: [Option<View>; SLOTS],
    now: i64,
    n_values: u32,
    /// The disk refuses, or did since the start: writing may fail.
    is_unkind: bool,
    /// There may be late samples, of a window that is closed by now.
    took_late: bool,
    /// The power was cut: of some samples perhaps only a chunk file was left.
    lost_power: bool,
    /// When the process ended chunk files were in doubt, which the next start gives up for the log.
    doubted_chunks: bool,
}

impl World {
    pub(crate) fn new(setting: Setting) -> Self {
        let options = Options {
            retention_ms: setting.retention_ms,
            retention_bytes: setting.retention_bytes,
            block_range_min_ms: RANGE,
            block_range_max_ms: 9 * RANGE,
            wal_segment_bytes: setting.segment_bytes,
            wal_compression: setting.compression,
            head_checkpoint_bytes: setting.head_checkpoint_bytes,
            out_of_order_window_ms: setting.window_ms,
            stale_series_threshold: setting.stale_threshold,
            exemplars_max: if setting.exemplars { 10_000 } else { 0 },
            store_starts: setting.starts,
            histogram_starts: setting.starts,
            float_xor2: setting.float_xor2,
            ..Options::default()
        };
        // Starting reads the log on a thread of the database.
        let disk = CrashingDirectory::new(setting.disk).counting("tsdb");
        let clock = Arc::new(SettableClock::new(START));
        let db = open(&options, &disk, &clock).expect("opens");
        Self {
            setting,
            options,
            disk,
            clock,
            db: Some(db),
            naive: Naive::default(),
            exemplars: Exemplars::default(),
            refs: BTreeMap::new(),
            lives: [0; SERIES * 2],
            open: std::array::from_fn(|_| None),
            views: std::array::from_fn(|_| None),
            now: START,
            n_values: 0,
            is_unkind: false,
            took_late: 0 < setting.window_ms,
            lost_power: false,
            doubted_chunks: false,
        }
    }

    fn db(&self) -> &Db {
        self.db.as_ref().expect("open between the steps")
    }

    pub(crate) fn step(&mut self, step: &Step) {
        match *step {
            Step::Scrape { from, n, later, by_ref, keep } => {
                self.pass(later);
                self.scrape(from..from + n, by_ref, keep);
            }
            Step::Burst { from, n, scrapes, interval } => {
                // A view does not hide more than 255 samples of a series.
                self.close_views(|_| true);
                for _ in 0..scrapes {
                    self.pass(interval);
                    self.scrape(from..from + n, true, true);
                }
            }
            Step::EndSeries { from, n } => self.end_series(from..from + n),
            Step::Churn { from, n } => self.churn(from..from + n),
            Step::Late { series, earlier, n, apart } => self.late(series, (earlier, n, apart)),
            Step::Again { series, same } => self.again(series, same),
            Step::Batch { slot, from, n, later } => self.batch(slot, from..from + n, later),
            Step::End { slot, keep } => self.end(slot, keep),
            Step::View { slot, ago } => self.view(slot, ago),
            Step::Maintain => self.maintain(),
            Step::Query { kind, pattern, from, len } => {
                self.query(kind, pattern, START + from, START + from + len);
            }
            Step::Delete { kind, pattern, ago, len } => self.delete(kind, pattern, ago, len),
            Step::Clean => self.clean(),
            Step::ReadOnly => self.read_only(),
            Step::Snapshot { with_head } => self.snapshot(with_head),
            Step::Window { window_ms } => self.set_window(window_ms),
            Step::Xor2 { is_on } => self.set_xor2(is_on),
            Step::Restart => self.restart(),
            Step::Crash(crash) => self.crash(crash),
            Step::CrashWithin { crash, after, ref step } => {
                self.disk.die_after(after);
                self.step(step);
                self.crash(crash);
            }
            Step::CrashAtStart { first, second, after } => self.crash_twice(first, second, after),
            Step::FailAtStart { crash, after } => self.fail_at_start(crash, after),
            Step::Fail { after, ref step } => {
                self.is_unkind = true;
                self.disk.fail_after(after);
                self.step(step);
                self.disk.be_kind();
            }
            Step::Full { room } => {
                self.is_unkind = true;
                self.disk.set_capacity(self.disk.used() + room);
            }
            Step::Room => self.disk.set_capacity(u64::MAX),
            Step::Flip { seed } => flip(self, seed),
        }
    }

    /// What every history ends with.
    pub(crate) fn end_well(&mut self) {
        self.step(&Step::Room);
        for step in [Step::Crash(Crash::Kill), Step::Maintain, Step::Restart] {
            self.step(&step);
        }
        self.step(&Step::Crash(Crash::Power));
    }

    fn pass(&mut self, ms: i64) {
        self.now += ms;
        self.clock.set(self.now);
    }

    /// Nothing can be asked of a process that is dead.
    fn is_dead(&self) -> bool {
        self.disk.is_dead()
    }

    /// True if writing may fail.
    fn may_fail(&self) -> bool {
        self.is_unkind || self.is_dead()
    }

    fn takes_late(&self) -> bool {
        0 < self.options.out_of_order_window_ms
    }

    fn labels(&self, i: usize) -> Labels {
        let name = ["up", "http_requests_total", "node_cpu"][i % 3];
        let mode = match (i.is_multiple_of(4), self.lives[i]) {
            // Some series have one label less than others.
            (true, 0) => String::new(),
            (_, 0) => format!("m{}", i / 7),
            (_, life) => format!("m{}", i / 7 + 100 * life),
        };
        let pairs = [
            ("__name__", name.to_owned()),
            ("instance", format!("host-{}:9100", i / 3 % 5)),
            ("job", ["a", "b"][i % 2].to_owned()),
            ("mode", mode),
        ];
        Labels::from_pairs(pairs)
    }

    fn maintain(&mut self) {
        self.let_go_before_maintenance();
        self.db().maintain();
        if !self.is_dead() {
            self.disk.be_kind();
            self.check();
        }
    }

    fn delete(&mut self, kind: usize, pattern: usize, ago: i64, len: i64) {
        self.let_go();
        let (matchers, mint) = (look::matchers(kind, pattern), self.now - ago);
        let deleted = self.db().delete(mint, mint + len, &matchers);
        assert!(deleted.is_ok() || self.may_fail(), "{deleted:?}");
        let is_matched = |it: &Labels| matchers.iter().all(|m| m.matches(it.value(m.name())));
        // Of a deletion that fails, any part may be done.
        let how = (deleted.is_err() || self.is_unkind, self.newest_segments());
        self.naive.delete(is_matched, (mint, mint + len), how);
        if !self.is_dead() {
            self.disk.be_kind();
            self.check();
        }
    }

    fn clean(&mut self) {
        self.let_go();
        let cleaned = self.db().clean_tombstones();
        assert!(cleaned.is_ok() || self.may_fail(), "{cleaned:?}");
        let is_clean = |it: &Block| it.tombstones().is_empty() || it.meta().compaction.deletable;
        assert!(cleaned.is_err() || self.db().blocks().iter().all(|it| is_clean(it)));
        if !self.is_dead() {
            self.disk.be_kind();
            self.check();
        }
    }

    fn set_window(&mut self, window_ms: i64) {
        if 0 < self.setting.retention_bytes {
            return;
        }
        // An open batch goes by the window that it was opened with.
        self.let_go();
        self.options.out_of_order_window_ms = window_ms;
        self.took_late |= 0 < window_ms;
        self.db().set_out_of_order_window(window_ms);
    }

    fn set_xor2(&mut self, is_on: bool) {
        // Without it, start times of floats are lost.
        if !self.setting.starts {
            self.options.float_xor2 = is_on;
            self.db().set_float_xor2(is_on);
        }
    }

    /// Ends all that would hold maintenance or a restart up.
    fn let_go(&mut self) {
        self.close_views(|_| true);
        self.open = std::array::from_fn(|_| None);
    }

    /// As [`World::let_go`], but what is younger than all that the head gives up may stay.
    fn let_go_before_maintenance(&mut self) {
        if self.took_late || 0.0 < self.setting.stale_threshold || self.is_unkind {
            return self.let_go();
        }
        let cut = (self.now - RANGE / 2).div_euclid(RANGE) * RANGE;
        self.close_views(|it| it.mint < cut);
        for open in &mut self.open {
            *open = open.take().filter(|it| cut <= it.takes_from);
        }
    }
}

pub(crate) fn open(
    options: &Options,
    disk: &CrashingDirectory,
    clock: &Arc<SettableClock>,
) -> Result<Db, OpenError> {
    let registry = client::Registry::default();
    Db::open(options.clone(), Arc::new(disk.clone()), clock.clone(), &registry)
}
