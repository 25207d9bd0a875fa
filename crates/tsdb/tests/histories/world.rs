//! A database on a disk that crashes, and the map it must equal.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{Labels, MatchType, Matcher, SeriesRef};
use storage::{AppendError, Appendable, Appender, Querier, Queryable, SelectHints};
use testkit::{CrashingDirectory, SettableClock};
use tsdb::{Db, OpenError, Options};

use crate::flip::flip;
use crate::naive::{Kept, Naive};
use crate::steps::{Crash, RANGE, SLOTS, Setting, Step};
use crate::support::{Contents, contents, everything, read_all};

pub(crate) const START: i64 = 1_700_000_000_000;

/// A batch that is open: what it writes, and what was put into it.
type Batch = (Box<dyn Appender>, Vec<(Labels, i64, u64)>);

pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) disk: CrashingDirectory,
    pub(crate) clock: Arc<SettableClock>,
    db: Option<Db>,
    pub(crate) naive: Naive,
    refs: BTreeMap<usize, SeriesRef>,
    open: [Option<Batch>; SLOTS],
    view: Option<(Box<dyn Querier>, Contents)>,
    now: i64,
    n_values: u32,
    /// The disk refuses, or did since the start: writing may fail.
    is_unkind: bool,
}

impl World {
    pub(crate) fn new(setting: Setting) -> Self {
        let options = Options {
            retention_ms: setting.retention_ms,
            block_range_min_ms: RANGE,
            block_range_max_ms: 9 * RANGE,
            wal_segment_bytes: 96 << 10,
            wal_compression: setting.compression,
            head_checkpoint_bytes: setting.head_checkpoint_bytes,
            ..Options::default()
        };
        let disk = CrashingDirectory::new(setting.disk);
        let clock = Arc::new(SettableClock::new(START));
        let db = open(&options, &disk, &clock).expect("opens");
        Self {
            options,
            disk,
            clock,
            db: Some(db),
            naive: Naive::default(),
            refs: BTreeMap::new(),
            open: std::array::from_fn(|_| None),
            view: None,
            now: START,
            n_values: 0,
            is_unkind: false,
        }
    }

    pub(crate) fn db(&self) -> &Db {
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
                self.close_view();
                for _ in 0..scrapes {
                    self.pass(interval);
                    self.scrape(from..from + n, true, true);
                }
            }
            Step::Late { series, earlier } => self.late(series, earlier),
            Step::Again { series, same } => self.again(series, same),
            Step::Batch { slot, from, n, later } => self.batch(slot, from..from + n, later),
            Step::End { slot, keep } => self.end(slot, keep),
            Step::View => self.view(),
            Step::Maintain => self.maintain(),
            Step::Query { kind, pattern, from, len } => {
                self.query(kind, pattern, START + from, START + from + len);
            }
            Step::Delete { kind, pattern, ago, len } => self.delete(kind, pattern, ago, len),
            Step::Clean => self.clean(),
            Step::ReadOnly => self.read_only(),
            Step::Restart => self.restart(),
            Step::Crash(crash) => self.crash(crash),
            Step::CrashWithin { crash, after, ref step } => {
                self.disk.die_after(after);
                self.step(step);
                self.crash(crash);
            }
            Step::CrashAtStart { first, second, after } => self.crash_twice(first, second, after),
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

    fn value(&mut self) -> f64 {
        self.n_values += 1;
        match self.n_values % 97 {
            0 => f64::from_bits(0x7ff0_0000_0000_0002),
            1 => f64::NEG_INFINITY,
            2..50 => f64::from(self.n_values % 50),
            _ => 1.0 / f64::from(self.n_values),
        }
    }

    fn scrape(&mut self, series: Range<usize>, by_ref: bool, keep: bool) {
        let mut batch = (self.db().appender(), Vec::new());
        self.add(&mut batch, series, by_ref);
        self.finish(batch, keep);
    }

    fn add(&mut self, (appender, added): &mut Batch, series: Range<usize>, by_ref: bool) {
        for i in series {
            let v = self.value();
            let known = self.refs.get(&i).filter(|_| by_ref).copied();
            let by_ref = known.map(|it| appender.append_ref(it, self.now, v));
            let result = match by_ref {
                None | Some(Err(AppendError::UnknownSeries)) => {
                    let made = appender.append(&labels(i), self.now, v);
                    made.map(|it| _ = self.refs.insert(i, it))
                }
                Some(result) => result,
            };
            match result {
                Ok(()) => added.push((labels(i), self.now, v.to_bits())),
                Err(AppendError::Limit(_)) if self.is_unkind => {}
                Err(error) => panic!("in order, but {error}"),
            }
        }
    }

    fn finish(&mut self, (appender, added): Batch, keep: bool) {
        if !keep {
            return appender.rollback();
        }
        match appender.commit() {
            Ok(()) => self.naive.acknowledge(&added, last_segment(&self.disk)),
            Err(error) => {
                assert!(self.is_unkind || self.is_dead(), "{error}");
                self.naive.doubt(&added);
            }
        }
    }

    fn batch(&mut self, slot: usize, series: Range<usize>, later: i64) {
        self.pass(later);
        let mut batch =
            self.open[slot].take().unwrap_or_else(|| (self.db().appender(), Vec::new()));
        self.add(&mut batch, series, false);
        self.open[slot] = Some(batch);
    }

    fn end(&mut self, slot: usize, keep: bool) {
        if let Some(batch) = self.open[slot].take() {
            self.finish(batch, keep);
        }
    }

    fn late(&mut self, i: usize, earlier: i64) {
        let t = self.now - earlier;
        let known = self.naive.last(&labels(i)).map(|it| it.0);
        let mut appender = self.db().appender();
        let added = match appender.append(&labels(i), t, 0.125) {
            Ok(_) => {
                assert!(known.is_none_or(|last| last < t), "{t} is behind {known:?}");
                vec![(labels(i), t, 0.125f64.to_bits())]
            }
            Err(AppendError::OutOfBounds) => {
                assert!(RANGE / 2 < earlier || known.is_none_or(|last| t <= last));
                Vec::new()
            }
            Err(AppendError::OutOfOrder | AppendError::Duplicate { .. }) => {
                assert!(self.naive.may_be_behind(&labels(i), t));
                Vec::new()
            }
            Err(AppendError::Limit(_)) if self.is_unkind => Vec::new(),
            Err(other) => panic!("{other}"),
        };
        self.finish((appender, added), true);
    }

    fn again(&mut self, i: usize, same: bool) {
        let Some((t, value)) = self.naive.last(&labels(i)) else { return };
        let mut appender = self.db().appender();
        let v = if same { f64::from_bits(value) } else { 0.0625 };
        match appender.append(&labels(i), t, v) {
            // Dropped in silence: it is there.
            Ok(_) => assert!(same, "another value for {t}"),
            Err(AppendError::Duplicate { t: at, existing, new }) => {
                assert_eq!((at, existing.to_bits(), new.to_bits()), (t, value, v.to_bits()));
                assert!(!same);
            }
            // Its chunk is finished, or in a block.
            Err(AppendError::OutOfOrder | AppendError::OutOfBounds) => {}
            Err(other) => panic!("{other}"),
        }
        self.finish((appender, Vec::new()), true);
    }

    fn view(&mut self) {
        self.close_view();
        let querier = self.db().querier(i64::MIN, i64::MAX).expect("opens a view");
        self.view = Some((querier, self.naive.contents()));
    }

    /// A view shows what was there when it was opened.
    fn close_view(&mut self) {
        if let Some((querier, expected)) = self.view.take() {
            let all = [Matcher::equal("no_such_label", "")];
            let found = read_all(querier.as_ref(), &all, i64::MIN, i64::MAX).expect("reads");
            check_equal(&found, &expected);
        }
    }

    /// Ends all that would hold maintenance or a restart up.
    fn let_go(&mut self) {
        self.close_view();
        self.open = std::array::from_fn(|_| None);
    }

    fn maintain(&mut self) {
        self.let_go();
        self.db().maintain();
        if !self.is_dead() {
            self.disk.be_kind();
            self.check();
        }
    }

    fn restart(&mut self) {
        self.let_go();
        let closed = self.db().close();
        if let Err(error) = &closed {
            assert!(self.is_unkind || self.is_dead(), "{error}");
        }
        self.db = None;
        if self.is_dead() {
            return;
        }
        let failed_sync = segments(&self.disk).iter().any(|it| self.disk.is_sync_failed(&it.1));
        self.disk = self.disk.kill();
        // Closed in peace, nothing is lost any more.
        let is_durable = closed.is_ok() && !failed_sync;
        let segment = (!is_durable).then(|| last_segment(&self.disk));
        self.reopen(|_, _| true, segment);
    }

    fn crash(&mut self, crash: Crash) {
        let rule = self.fall(crash);
        self.reopen(|t, kept| rule.is_required(t, kept), rule.segment(&self.disk));
    }

    fn crash_twice(&mut self, first: Crash, second: Crash, after: u64) {
        let rule = self.fall(first);
        self.disk.die_after(after);
        let opened = open(&self.options, &self.disk, &self.clock);
        if let Err(error) = &opened {
            assert!(self.is_dead() || self.is_unkind, "{error}");
        }
        let before = self.disk.clone();
        let again = self.rule(second);
        self.disk = crashed(&before, second);
        drop(opened);
        // A segment that the first crash left is on the medium if that took the power.
        let is_required =
            |t, kept| rule.is_required(t, kept) && (rule.is_power() || again.is_required(t, kept));
        let segment = rule.segment(&self.disk).and(again.segment(&self.disk));
        self.reopen(is_required, segment);
    }

    /// Crashes; returns what must be left.
    fn fall(&mut self, crash: Crash) -> Rule {
        let rule = self.rule(crash);
        self.disk = crashed(&self.disk, crash);
        self.view = None;
        self.open = std::array::from_fn(|_| None);
        self.db = None;
        rule
    }

    fn rule(&self, crash: Crash) -> Rule {
        match crash {
            Crash::Kill => Rule::All,
            Crash::Power => {
                let segments = segments(&self.disk);
                let lost = segments.iter().find(|(_, path)| !self.disk.is_durable(path));
                Rule::Durable {
                    lost_from: lost.map_or(u32::MAX, |it| it.0),
                    in_blocks_below: self.durable_blocks_maxt(),
                }
            }
        }
    }

    fn durable_blocks_maxt(&self) -> i64 {
        let blocks = self.db.as_ref().map(Db::blocks).unwrap_or_default();
        let files = self.disk.files();
        let is_durable = |folder: &Path| {
            let mut files = files.iter().filter(|(path, _)| path.starts_with(folder));
            files.all(|(path, _)| self.disk.is_durable(path)) && self.disk.is_durable(folder)
        };
        let durable = blocks.iter().filter(|it| is_durable(it.path()));
        durable.map(|it| it.meta().maxt).max().unwrap_or(i64::MIN)
    }

    fn reopen(&mut self, is_required: impl Fn(i64, Kept) -> bool, segment: Option<u32>) {
        if self.is_unkind {
            match open(&self.options, &self.disk, &self.clock) {
                Ok(db) => return self.begin(db, is_required, segment),
                // The next one has what it needs.
                Err(_) => self.disk.set_capacity(u64::MAX),
            }
            self.disk = self.disk.kill();
        }
        match open(&self.options, &self.disk, &self.clock) {
            Ok(db) => self.begin(db, is_required, segment),
            Err(error) => panic!("does not start: {error}"),
        }
    }

    fn begin(&mut self, db: Db, is_required: impl Fn(i64, Kept) -> bool, segment: Option<u32>) {
        self.disk.be_kind();
        self.is_unkind = self.disk.is_limited();
        // References are good for the life of a process: those of series that are gone may come again.
        self.refs.clear();
        let found = everything(&db);
        let bound = self.retention_bound(&db);
        self.naive.remove_old(&found, bound);
        self.naive.survive(&found, is_required, segment);
        self.db = Some(db);
    }

    /// Before this, retention may have removed anything.
    fn retention_bound(&self, db: &Db) -> i64 {
        let newest = db.blocks().iter().map(|it| it.meta().maxt).max();
        let retention = self.options.retention_ms;
        newest.filter(|_| 0 < retention).map_or(i64::MIN, |it| it - retention)
    }

    fn check(&mut self) {
        let found = everything(self.db());
        let bound = self.retention_bound(self.db());
        self.naive.remove_old(&found, bound);
        check_equal(&found, &self.naive.contents());
    }

    fn delete(&mut self, kind: usize, pattern: usize, ago: i64, len: i64) {
        // Of a deletion that fails, any part may be done.
        if self.is_unkind {
            return;
        }
        self.let_go();
        let (matchers, mint) = (matchers(kind, pattern), self.now - ago);
        self.db().delete(mint, mint + len, &matchers).expect("deletes");
        let is_matched = |it: &Labels| matchers.iter().all(|m| m.matches(it.value(m.name())));
        self.naive.delete(is_matched, mint, mint + len);
        self.check();
    }

    fn clean(&mut self) {
        if self.is_unkind {
            return;
        }
        self.let_go();
        self.db().clean_tombstones().expect("cleans");
        assert!(self.db().blocks().iter().all(|it| it.tombstones().is_empty()));
        self.check();
    }

    fn read_only(&self) {
        let directory = Arc::new(self.disk.clone());
        let beside = Db::open_read_only(directory, self.clock.clone()).expect("reads beside");
        check_equal(&everything(&beside), &self.naive.contents());
    }

    fn query(&self, kind: usize, pattern: usize, mint: i64, maxt: i64) {
        let matchers = matchers(kind, pattern);
        let mut expected = Contents::new();
        for (labels, samples) in self.naive.contents() {
            if matchers.iter().all(|it| it.matches(labels.value(it.name()))) {
                let kept: BTreeMap<i64, u64> =
                    samples.range(mint..=maxt).map(|(t, v)| (*t, *v)).collect();
                if !kept.is_empty() {
                    expected.insert(labels, kept);
                }
            }
        }
        check_equal(&contents(self.db(), &matchers, mint, maxt), &expected);
        let querier = self.db().querier(mint, maxt).expect("opens a view");
        let found = querier.label_names(&matchers, 0).expect("lists");
        let mut names = expected.keys().flat_map(|it| it.iter().map(|(name, _)| name.to_owned()));
        assert!(names.all(|it| found.contains(&it)) && found.is_sorted());
        let found = querier.label_values("job", &matchers, 0).expect("lists");
        assert!(expected.keys().all(|it| found.contains(&it.value("job").to_owned())));
        let hints = SelectHints { sorted: true, limit: 3, ..SelectHints::default() };
        let set = querier.select(&hints, &matchers).expect("selects");
        assert!(set.len() <= 3 && (1..set.len()).all(|at| set.labels(at - 1) < set.labels(at)));
    }
}

/// What a crash must leave.
enum Rule {
    All,
    Durable {
        /// This segment of the log, and those after it, were not synced.
        lost_from: u32,
        in_blocks_below: i64,
    },
}

impl Rule {
    fn is_required(&self, t: i64, kept: Kept) -> bool {
        match self {
            Self::All => true,
            Self::Durable { lost_from, in_blocks_below } => {
                t < *in_blocks_below || kept.segment.is_none_or(|it| it < *lost_from)
            }
        }
    }

    fn is_power(&self) -> bool {
        matches!(self, Self::Durable { .. })
    }

    /// Where what is found may be; `None`: on the medium.
    fn segment(&self, disk: &CrashingDirectory) -> Option<u32> {
        (!self.is_power()).then(|| last_segment(disk))
    }
}

fn crashed(disk: &CrashingDirectory, crash: Crash) -> CrashingDirectory {
    match crash {
        Crash::Kill => disk.kill(),
        Crash::Power => disk.cut_power(),
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

/// The segments of the log.
fn segments(disk: &CrashingDirectory) -> Vec<(u32, PathBuf)> {
    let number = |path: PathBuf| {
        let name = path.strip_prefix("wal").ok()?.to_str()?;
        Some((name.parse().ok()?, path))
    };
    disk.files().into_iter().filter_map(|(path, _)| number(path)).collect()
}

fn last_segment(disk: &CrashingDirectory) -> u32 {
    segments(disk).last().map_or(0, |it| it.0)
}

pub(crate) fn labels(i: usize) -> Labels {
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

fn matchers(kind: usize, pattern: usize) -> [Matcher; 2] {
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
    [
        Matcher::new(kind, name, value).expect("is valid"),
        Matcher::new(MatchType::NotEqual, "instance", "host-3:9100").expect("is valid"),
    ]
}

/// Says where two contents differ first: they are too long to be shown.
pub(crate) fn check_equal(found: &Contents, expected: &Contents) {
    for (labels, samples) in expected {
        let found = found.get(labels).unwrap_or_else(|| panic!("{labels} is missing"));
        for (t, v) in samples {
            assert_eq!(found.get(t), Some(v), "{labels} at {t}");
        }
        let more = found.keys().find(|t| !samples.contains_key(t));
        assert_eq!(more, None, "{labels} has a sample that nobody wrote");
    }
    let more = found.keys().find(|it| !expected.contains_key(it));
    assert_eq!(more, None, "a series that nobody wrote");
}
