//! A database takes samples before its log is read, and has all of them afterwards.

mod support;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use model::{Labels, SeriesRef};
use stdx::{Directory, Entry, FileRead, FileWrite, Mapped, SystemClock, SystemDirectory};
use storage::{AppendError, Appendable, Queryable, ReadError};
use support::{Contents, contents, copy, everything, open};
use tsdb::{Db, Options};

const START: i64 = 1_700_000_000_000;

/// A directory whose log cannot be mapped before the gate is opened.
struct Gated {
    directory: SystemDirectory,
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gated {
    fn new(path: &Path) -> Arc<Self> {
        let directory = SystemDirectory::new(path);
        Arc::new(Self { directory, is_open: Mutex::new(false), opened: Condvar::new() })
    }

    fn open(&self) {
        *self.is_open.lock().expect("no panic") = true;
        self.opened.notify_all();
    }
}

impl Directory for Gated {
    fn map(&self, path: &Path) -> io::Result<Mapped> {
        if path.starts_with("wal") {
            let is_open = self.is_open.lock().expect("no panic");
            drop(self.opened.wait_while(is_open, |it| !*it).expect("no panic"));
        }
        self.directory.map(path)
    }

    fn root(&self) -> &Path {
        self.directory.root()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.directory.list(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.directory.create_dir_all(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn FileWrite>> {
        self.directory.create(path)
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn FileWrite>> {
        self.directory.append(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FileRead>> {
        self.directory.open(path)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.directory.read(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.directory.rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.directory.hard_link(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.directory.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.directory.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.directory.sync_dir(path)
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        self.directory.size(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.directory.exists(path)
    }
}

fn options() -> Options {
    Options { retention_ms: 0, wal_segment_bytes: 64 << 10, ..Options::default() }
}

fn start(directory: Arc<dyn Directory>) -> Db {
    start_with(options(), directory)
}

fn start_with(options: Options, directory: Arc<dyn Directory>) -> Db {
    let clock = Arc::new(SystemClock::default());
    Db::start(options, directory, clock, &client::Registry::default()).expect("starts")
}

fn labels(i: usize) -> Labels {
    Labels::from_pairs([("__name__", "m".to_owned()), ("i", i.to_string())])
}

/// Appends one sample to each of the series; returns their references.
fn scrape(db: &Db, model: &mut Contents, series: std::ops::Range<usize>, t: i64) -> Vec<SeriesRef> {
    let mut appender = db.appender();
    let mut refs = Vec::new();
    for i in series {
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let v = (t - START + i as i64) as f64;
        refs.push(appender.append(&labels(i), t, v).expect("takes"));
        model.entry(labels(i)).or_default().insert(t, v.to_bits());
    }
    appender.commit().expect("commits");
    refs
}

/// A directory as a killed process leaves it, and what is in it.
fn killed(root: &Path) -> (std::path::PathBuf, Contents) {
    let mut model = Contents::new();
    let db = open(&root.join("living"), options());
    for round in 0..200 {
        scrape(&db, &mut model, 0..50, START + round * 1000);
    }
    copy(&root.join("living"), &root.join("killed"));
    (root.join("killed"), model)
}

#[test]
fn takes_samples_before_the_log_is_read() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (path, mut model) = killed(dir.path());
    let directory = Gated::new(&path);
    let db = start(directory.clone());
    let refs = scrape(&db, &mut model, 40..60, START + 300_000);
    scrape(&db, &mut model, 40..60, START + 301_000);
    let refused = db.querier(START, START + 400_000).err().expect("is refused");
    assert!(matches!(refused, ReadError::Unavailable(_)), "{refused}");
    directory.open();
    db.wait_loaded().expect("loads");
    assert_eq!(everything(&db), model);
    // A series that is in the files has its older reference again, a new one keeps the one it got.
    let mut appender = db.appender();
    let by_young = |appender: &mut Box<dyn storage::Appender>, i: usize| {
        appender.append_ref(refs[i - 40], START + 302_000, 1.0)
    };
    assert_eq!(by_young(&mut appender, 45), Err(AppendError::UnknownSeries));
    assert_eq!(by_young(&mut appender, 55), Ok(()));
    appender.rollback();
    let later = scrape(&db, &mut model, 40..70, START + 303_000);
    assert!(later[20..].iter().all(|it| !refs.contains(it)), "no reference is given out twice");
    assert_eq!(everything(&db), model);
    copy(&path, &dir.path().join("again"));
    assert_eq!(everything(&open(&dir.path().join("again"), options())), model);
}

/// As [`killed`], with a head checkpoint: the last rounds and some series are only in the log behind it.
fn killed_behind_checkpoint(root: &Path) -> (std::path::PathBuf, Contents, Vec<SeriesRef>) {
    let mut model = Contents::new();
    let db = open(&root.join("living"), with_checkpoints());
    let mut refs = Vec::new();
    for round in 0..200 {
        if round == 150 {
            db.maintain();
        }
        let n = if round < 160 { 50 } else { 60 };
        refs = scrape(&db, &mut model, 0..n, START + round * 1000);
    }
    copy(&root.join("living"), &root.join("killed"));
    (root.join("killed"), model, refs)
}

fn with_checkpoints() -> Options {
    Options { head_checkpoint_bytes: 1, ..options() }
}

#[test]
fn a_checkpoint_records_what_comes() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (path, mut model, refs) = killed_behind_checkpoint(dir.path());
    let directory = Gated::new(&path);
    let db = start_with(with_checkpoints(), directory.clone());
    let mut appender = db.appender();
    // Its reference is that of before; the log is not read, so what is behind the checkpoint is not known.
    assert_eq!(appender.append_ref(refs[3], START + 299_000, 1.0), Ok(()));
    assert_eq!(
        appender.append_ref(refs[55], START + 299_000, 1.0),
        Err(AppendError::UnknownSeries)
    );
    appender.rollback();
    // 40 to 49 are known, 50 to 59 are still to be read, 60 to 69 are new.
    let first = scrape(&db, &mut model, 40..70, START + 300_000);
    assert_eq!(first[..10], refs[40..50]);
    let mut given_up = db.appender();
    given_up.append_ref(refs[45], START + 300_500, 1.0).expect("takes");
    given_up.rollback();
    let second = scrape(&db, &mut model, 40..70, START + 301_000);
    assert_eq!(first, second);
    assert!(db.querier(START, START + 400_000).is_err(), "the log is not read yet");
    copy(&path, &dir.path().join("while recording"));
    directory.open();
    db.wait_loaded().expect("loads");
    assert_eq!(everything(&db), model);
    let third = scrape(&db, &mut model, 40..80, START + 302_000);
    assert_eq!(third[..30], first, "references stay");
    assert_eq!(everything(&db), model);
    db.maintain();
    copy(&path, &dir.path().join("again"));
    assert_eq!(everything(&open(&dir.path().join("again"), with_checkpoints())), model);
    // Whoever reads the log alone finds the same.
    std::fs::remove_dir_all(dir.path().join("again/head_checkpoint")).expect("removes");
    assert_eq!(everything(&open(&dir.path().join("again"), options())), model);
}

#[test]
fn a_kill_while_recording_loses_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (mut path, mut model, _) = killed_behind_checkpoint(dir.path());
    for round in 0..6usize {
        let t = START + 300_000 + i64::try_from(round).expect("small") * 1000;
        let directory = Gated::new(&path);
        let db = start_with(with_checkpoints(), directory.clone());
        scrape(&db, &mut model, round * 10..round * 10 + 40, t);
        let next = dir.path().join(round.to_string());
        copy(&path, &next);
        directory.open();
        db.wait_loaded().expect("loads");
        assert_eq!(everything(&db), model, "in round {round}");
        path = next;
    }
    let db = open(&path, with_checkpoints());
    assert_eq!(everything(&db), model);
    // A series of which only the recorded samples are young is not dropped before they are applied.
    drop(db);
    assert_eq!(everything(&open(&path, options())), model);
}

#[test]
fn late_samples_that_are_recorded_are_kept_within_the_window() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (path, mut model, _) = killed_behind_checkpoint(dir.path());
    let directory = Gated::new(&path);
    let options = Options { out_of_order_window_ms: 1_000_000, ..with_checkpoints() };
    let db = start_with(options.clone(), directory.clone());
    scrape(&db, &mut model, 0..5, START + 500);
    scrape(&db, &mut model, 0..5, START + 300_000);
    directory.open();
    db.wait_loaded().expect("loads");
    assert_eq!(everything(&db), model);
    copy(&path, &dir.path().join("again"));
    assert_eq!(everything(&open(&dir.path().join("again"), options)), model);
}

#[test]
fn many_kills_in_a_row() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (mut path, mut model) = killed(dir.path());
    let mut refs: BTreeMap<SeriesRef, Labels> = BTreeMap::new();
    for round in 0..40usize {
        let db = start(Arc::new(SystemDirectory::new(&path)));
        let series = round % 7 * 10..round % 7 * 10 + 30;
        let t = START + 300_000 + i64::try_from(round).expect("small") * 1000;
        for (it, i) in scrape(&db, &mut model, series.clone(), t).into_iter().zip(series) {
            let known = refs.entry(it).or_insert_with(|| labels(i));
            assert_eq!(*known, labels(i), "{it:?} is of another series");
        }
        if round % 3 != 0 {
            db.wait_loaded().expect("loads");
            assert_eq!(everything(&db), model, "in round {round}");
        }
        let next = dir.path().join(round.to_string());
        copy(&path, &next);
        path = next;
    }
    assert_eq!(everything(&open(&path, options())), model);
}

#[test]
fn a_batch_that_is_open_meanwhile_is_kept() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (path, mut model) = killed(dir.path());
    let db = Arc::new(start(Arc::new(SystemDirectory::new(&path))));
    let mut appender = db.appender();
    appender.append(&labels(3), START + 300_000, 5.0).expect("takes");
    // Others may open batches while loading waits for this one.
    for n in 0..5 {
        scrape(&db, &mut model, 80..90, START + 300_000 + n);
    }
    assert!(db.querier(START, START).is_err(), "not loaded while a batch is open");
    appender.commit().expect("commits");
    model.entry(labels(3)).or_default().insert(START + 300_000, 5f64.to_bits());
    db.wait_loaded().expect("loads");
    assert_eq!(everything(db.as_ref()), model);
}

#[test]
fn damage_that_is_not_repaired_is_told_and_nothing_is_lost() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (path, mut model) = killed(dir.path());
    std::fs::create_dir(path.join("wal/checkpoint.00000000")).expect("creates");
    let bad = path.join("wal/checkpoint.00000000/00000000");
    std::fs::write(&bad, [0xFF; 100]).expect("writes");
    let db = start(Arc::new(SystemDirectory::new(&path)));
    scrape(&db, &mut model, 0..5, START + 300_000);
    let error = db.wait_loaded().expect_err("is damaged").to_string();
    assert!(error.contains("checkpoint.00000000"), "{error}");
    assert!(db.querier(START, START).is_err());
    scrape(&db, &mut model, 0..5, START + 301_000);
    db.maintain();
    db.close().expect("closes");
    std::fs::remove_dir_all(path.join("wal/checkpoint.00000000")).expect("removes");
    assert_eq!(everything(&open(&path, options())), model);
}

#[test]
fn closing_does_not_wait_for_the_log() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (path, mut model) = killed(dir.path());
    let directory = Gated::new(&path);
    let db = Arc::new(start(directory.clone()));
    scrape(&db, &mut model, 0..5, START + 300_000);
    let closing = Arc::clone(&db);
    let thread = std::thread::spawn(move || closing.close().map_err(|it| it.to_string()));
    directory.open();
    assert_eq!(thread.join().expect("no panic"), Ok(()));
    drop(db);
    assert_eq!(everything(&open(&path, options())), model);
}

#[test]
fn what_is_in_blocks_can_be_read_at_once() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (path, mut model) = killed(dir.path());
    let range = options().block_range_min_ms;
    let db = open(&path, options());
    scrape(&db, &mut model, 0..5, START + 2 * range);
    db.maintain();
    let end = db.blocks().last().expect("a block was cut").meta().maxt;
    let all = [model::Matcher::equal("__name__", "m")];
    let before = contents(&db, &all, START, end - 1);
    assert!(!before.is_empty());
    drop(db);
    let directory = Gated::new(&path);
    let db = start(directory.clone());
    assert_eq!(contents(&db, &all, START, end - 1), before);
    assert!(db.querier(START, end).is_err());
    directory.open();
    db.wait_loaded().expect("loads");
    assert_eq!(everything(&db), model);
}

const WINDOW: i64 = 3_600_000;

fn with_window() -> Options {
    Options { out_of_order_window_ms: WINDOW, ..options() }
}

/// Appends samples that are later for the young head and earlier than the last in the files: some between
/// those, some before all of them, for a series that the files have and one that they do not have.
fn append_late(db: &Db, model: &mut Contents) {
    for i in [7usize, 70] {
        for t in [START - 2000, START - 1000, START + 500, START + 100_500, START + 400_000] {
            let mut appender = db.appender();
            appender.append(&labels(i), t, 0.5).expect("takes");
            appender.commit().expect("commits");
            model.entry(labels(i)).or_default().insert(t, 0.5f64.to_bits());
        }
    }
}

#[test]
fn late_samples_that_come_meanwhile_are_kept_within_the_window() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (path, mut model) = killed(dir.path());
    let directory = Gated::new(&path);
    let db = start_with(with_window(), directory.clone());
    append_late(&db, &mut model);
    // Late within the young head itself.
    let refused = db.appender().append(&labels(7), START + 399_000, 1.0);
    assert_eq!(refused, Err(AppendError::OutOfOrder));
    directory.open();
    db.wait_loaded().expect("loads");
    assert_eq!(everything(&db), model);
    let mut appender = db.appender();
    appender.append(&labels(7), START + 399_000, 1.0).expect("takes late samples from now on");
    appender.commit().expect("commits");
    model.entry(labels(7)).or_default().insert(START + 399_000, 1f64.to_bits());
    for n in ["again", "and again"] {
        copy(&path, &dir.path().join(n));
        assert_eq!(everything(&open(&dir.path().join(n), with_window())), model, "{n}");
    }
    drop(db);
    assert_eq!(everything(&open(&path, with_window())), model);
}

#[test]
fn late_samples_that_come_meanwhile_are_left_out_and_counted_without_a_window() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (path, mut model) = killed(dir.path());
    let directory = Gated::new(&path);
    let registry = client::Registry::default();
    let clock = Arc::new(SystemClock::default());
    let db = Db::start(options(), directory.clone(), clock, &registry).expect("starts");
    append_late(&db, &mut model);
    let known = model.get_mut(&labels(7)).expect("is there");
    known.retain(|t, v| *v != 0.5f64.to_bits() || *t == START + 400_000);
    directory.open();
    db.wait_loaded().expect("loads");
    assert_eq!(everything(&db), model);
    let page = client::text_page(&registry);
    let counted = "prometheus_tsdb_out_of_order_samples_total{type=\"float\"} 4\n";
    assert!(page.contains(counted), "{page}");
}

#[test]
fn settings_changed_meanwhile_hold_afterwards() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (path, mut model) = killed(dir.path());
    let directory = Gated::new(&path);
    let db = start(directory.clone());
    db.set_out_of_order_window(WINDOW);
    append_late(&db, &mut model);
    directory.open();
    db.wait_loaded().expect("loads");
    assert_eq!(everything(&db), model);
}

#[test]
fn late_samples_in_the_log_may_be_older_than_the_blocks() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (path, mut model) = killed(dir.path());
    let range = options().block_range_min_ms;
    let with_window = || Options { out_of_order_window_ms: 2 * range, ..options() };
    let db = open(&path, with_window());
    scrape(&db, &mut model, 0..5, START + 2 * range);
    db.maintain();
    let end = db.blocks().last().expect("a block was cut").meta().maxt;
    assert!(START + 500 < end, "the sample is of the time of the block");
    scrape(&db, &mut model, 3..4, START + 500);
    copy(&path, &dir.path().join("killed again"));
    drop(db);
    let directory = Gated::new(&dir.path().join("killed again"));
    let db = start_with(with_window(), directory.clone());
    let refused = db.querier(START, end - 1).err().expect("is refused");
    assert!(matches!(refused, ReadError::Unavailable(_)), "{refused}");
    directory.open();
    db.wait_loaded().expect("loads");
    assert_eq!(everything(&db), model);
}
