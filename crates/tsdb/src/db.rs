//! The database: a head, blocks, and the thread that turns one into the other.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use block::Block;
use model::Matcher;
use stdx::{Clock, Directory};
use storage::merge::MergeQuerier;
use storage::{Appendable, Appender, Querier, Queryable, ReadError};

use crate::blocks::{Blocks, UploadList};
use crate::cut_delay::CutDelay;
use crate::exemplars::Exemplars;
use crate::floor::Floor;
use crate::generations::Generations;
use crate::head::{Head, HeadQuerier, Setup, WAL_FOLDER};
use crate::memory::{Memory, MemoryStatus};
use crate::metrics::{self, Metrics};
use crate::retention::{self, Retention};
use crate::sync::{lock, read};
use crate::{OpenError, Options, ReplayStatus, SeriesExemplars, Stats, StorageStatus, quarantine};

/// Whether the log has grown is looked at so often.
const TICK: Duration = Duration::from_secs(5);
/// The first time sooner: what crashes again and again must not find more to replay each time.
const FIRST_TICK: Duration = Duration::from_secs(1);
/// Each so many times, there is a round of maintenance: each minute.
const TICKS: u32 = 12;

const LOCK_FILE: &str = "lock";

/// An open database. Shared by wrapping it in an `Arc`; closed by [`Db::close`] or by dropping it.
pub struct Db {
    pub(crate) inner: Arc<Inner>,
    maintenance: Mutex<Option<JoinHandle<()>>>,
}

/// What the maintenance thread shares with everybody else.
pub(crate) struct Inner {
    pub(crate) options: Options,
    /// What is kept; a reload changes it. Held to copy it.
    pub(crate) retention: Mutex<Retention>,
    /// See [`Options::stale_series_threshold`]; held to copy it.
    pub(crate) stale_threshold: Mutex<f64>,
    /// Held while the list is read.
    pub(crate) uploads: Mutex<Option<UploadList>>,
    pub(crate) floor: Floor,
    pub(crate) cut_delay: CutDelay,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) generations: Generations,
    pub(crate) exemplars: Arc<Exemplars>,
    pub(crate) blocks: RwLock<Blocks>,
    /// Until the head is loaded: whether the files of the head may hold what is older than the end of the blocks.
    pub(crate) has_late_log: bool,
    /// The last head checkpoint could not be written.
    pub(crate) is_checkpoint_failed: AtomicBool,
    /// Held by whoever compacts or reloads.
    pub(crate) maintaining: Mutex<()>,
    /// Nothing may be written.
    pub(crate) is_read_only: bool,
    pub(crate) n_wal_corruptions: AtomicU64,
    /// What was damaged in the log and the head chunks when they were opened, and what became of it.
    pub(crate) repairs: Mutex<Vec<String>>,
    /// Held while the database is open. `None` if it is only read, or closed.
    pub(crate) lock: Mutex<Option<Box<dyn Send>>>,
    /// Set once, to end the maintenance thread.
    pub(crate) stop: Mutex<bool>,
    pub(crate) stopped: Condvar,
}

impl Db {
    /// As [`Db::start`], and returns when everything is readable.
    ///
    /// # Errors
    /// As [`Db::start`] and [`Db::wait_loaded`].
    pub fn open(
        options: Options,
        directory: Arc<dyn Directory>,
        clock: Arc<dyn Clock>,
        registry: &client::Registry,
    ) -> Result<Self, OpenError> {
        let db = Self::start(options, directory, clock, registry)?;
        db.wait_loaded()?;
        Ok(db)
    }

    /// Opens or creates the database in `directory` and starts the thread that replays its log and then
    /// maintains it, which [`Db::close`] joins. Takes samples from now on; see [`Db::wait_loaded`] for when
    /// all can be read. Only a directory that this program has not written before is replayed first.
    ///
    /// A block that is damaged is set aside as `<ULID>.quarantined`, with an error in the log; what is torn
    /// or corrupt in the log is taken out, and what was lost is logged.
    ///
    /// # Errors
    /// If the directory is locked, unreadable, or damaged in a way that repair would make worse.
    pub fn start(
        options: Options,
        directory: Arc<dyn Directory>,
        clock: Arc<dyn Clock>,
        registry: &client::Registry,
    ) -> Result<Self, OpenError> {
        let metrics = Metrics::register(registry);
        let root = directory.root().display().to_string();
        directory.create_dir_all(Path::new("")).map_err(OpenError::io(format!("create {root}")))?;
        retention::remove_leftovers(directory.as_ref())
            .map_err(block_error("remove unfinished blocks"))?;
        wal::checkpoint::remove_unfinished(directory.as_ref(), Path::new(WAL_FOLDER))
            .map_err(OpenError::io("remove unfinished checkpoints"))?;
        wal::snapshot::remove_before(directory.as_ref(), Path::new(""), wal::Position::default())
            .map_err(OpenError::io("remove unfinished chunk snapshots"))?;
        let lock = take_lock(&options, directory.as_ref(), &metrics)?;
        retention::repair_versions(directory.as_ref()).map_err(block_error("repair blocks"))?;
        let wal_metrics = wal::Metrics::register(registry);
        let exemplars = Arc::new(Exemplars::new(options.exemplars_max, 0, registry));
        let setup = Setup {
            memory: Arc::new(Memory::new(options.memory_limit_bytes, registry)),
            options,
            directory,
            clock,
            metrics,
            exemplars,
            min_valid: i64::MIN,
            read_only: false,
            checkpoint: None,
        };
        let (inner, load) = Inner::open(setup, wal_metrics, lock)?;
        let inner = Arc::new(inner);
        metrics::register_gauges(registry, &inner);
        let worker = Arc::clone(&inner);
        let work = move || {
            if let Some(load) = load {
                load.run(&worker);
            }
            worker.run();
        };
        let thread = std::thread::Builder::new().name("tsdb".to_owned()).spawn(work);
        let thread = thread.map_err(OpenError::io("start the maintenance thread"))?;
        Ok(Self { inner, maintenance: Mutex::new(Some(thread)) })
    }

    /// Opens the database in `directory` without writing to it or locking it.
    ///
    /// # Errors
    /// As [`Db::open`].
    pub fn open_read_only(
        directory: Arc<dyn Directory>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let (options, metrics) = (Options::default(), Metrics::default());
        let setup = Setup {
            options,
            directory,
            clock,
            metrics,
            memory: Arc::default(),
            exemplars: Arc::default(),
            min_valid: i64::MIN,
            read_only: true,
            checkpoint: None,
        };
        let (inner, _) = Inner::open(setup, wal::Metrics::default(), None)?;
        let inner = Arc::new(inner);
        Ok(Self { inner, maintenance: Mutex::new(None) })
    }

    /// Changes how long and how much is kept, from the next maintenance on.
    pub fn set_retention(&self, retention: Retention) {
        *lock(&self.inner.retention) = retention;
    }

    /// How the disk stands, and what on it could not be read.
    pub fn storage_status(&self) -> StorageStatus {
        self.inner.storage_status()
    }

    /// Waits until all that is in the files can be read.
    ///
    /// # Errors
    /// If the files are damaged in a way that repair would make worse, or cannot be read. What was and is
    /// appended stays in the log; nothing can be read. The reason is told once.
    pub fn wait_loaded(&self) -> Result<(), OpenError> {
        self.inner.generations.wait()
    }

    /// How far the log has been read.
    pub fn replay_status(&self) -> ReplayStatus {
        self.inner.generations.loading.status()
    }

    /// Changes how late a sample may come, in milliseconds: see [`Options::out_of_order_window_ms`]. What came
    /// before stays, and still becomes blocks.
    pub fn set_out_of_order_window(&self, window_ms: i64) {
        self.inner.generations.set(|head| head.out_of_order.set_window_ms(window_ms));
    }

    /// Changes when series that have ended leave the head early: see [`Options::stale_series_threshold`].
    pub fn set_stale_series_threshold(&self, share: f64) {
        *lock(&self.inner.stale_threshold) = share;
    }

    /// From now on blocks of the first level are merged only when the list has them; `None` merges all.
    pub fn set_upload_list(&self, list: Option<UploadList>) {
        *lock(&self.inner.uploads) = list;
    }

    /// Changes how many exemplars are held in memory; the newest stay.
    pub fn set_exemplars_max(&self, n: usize) {
        self.inner.exemplars.resize(n);
        self.inner.head().exemplars.resize(n);
    }

    /// Changes how new chunks of floats are written: as XOR2 or as XOR. Open ones stay as they are.
    pub fn set_float_xor2(&self, is_xor2: bool) {
        self.inner.generations.set(|head| head.float_xor2.store(is_xor2, Relaxed));
    }

    /// Finds the exemplars within `mint..=maxt` of the series that one of the selectors takes, sorted by
    /// the labels of the series. None unless [`Options::exemplars_max`] keeps some.
    pub fn exemplars(
        &self,
        mint: i64,
        maxt: i64,
        selectors: &[Vec<Matcher>],
    ) -> Vec<SeriesExemplars> {
        self.inner.head().exemplars.select(mint, maxt, selectors)
    }

    /// Counts what the head holds; each list is cut to `limit` entries.
    pub fn stats(&self, limit: usize) -> Stats {
        self.inner.head().stats(limit)
    }

    /// Time of the oldest sample, in head or blocks; `i64::MAX` without any.
    pub fn mint(&self) -> i64 {
        self.inner.mint()
    }

    /// The blocks, oldest first.
    pub fn blocks(&self) -> Vec<Arc<Block>> {
        self.inner.blocks().to_vec()
    }

    /// How many corruptions were found in the log and repaired when it was opened.
    pub fn wal_corruptions(&self) -> u64 {
        self.inner.n_wal_corruptions.load(SeqCst)
    }

    /// Bytes of memory of the head's series: records, labels as numbers, open chunks.
    pub fn series_bytes(&self) -> u64 {
        self.inner.head().heap_bytes()
    }

    /// Takes note of the bytes of memory that the process takes: to be called some times a second. When they
    /// near the limit, open chunks are written out, which may take seconds, and new series are rationed.
    pub fn observe_memory(&self, used: u64) {
        let is_scarce_now = self.inner.head().memory.observe(used);
        if let Some(head) = self.inner.generations.if_loaded().filter(|_| is_scarce_now) {
            head.write_out();
        }
    }

    /// How memory stands against its limit.
    pub fn memory(&self) -> MemoryStatus {
        self.inner.head().memory.status()
    }

    /// Does at once what the maintenance thread does each minute: turns the head into blocks if it is old
    /// enough, merges blocks, and removes those that retention or a merge made superfluous. Failures are
    /// logged and counted.
    pub fn maintain(&self) {
        self.inner.maintain();
    }

    /// Stops maintenance, finishes files, gives the lock back. Later calls do nothing; appends after
    /// it fail.
    ///
    /// # Errors
    /// If the last bytes could not be written.
    pub fn close(&self) -> Result<(), OpenError> {
        self.inner.generations.loading.cancel();
        *lock(&self.inner.stop) = true;
        self.inner.stopped.notify_all();
        if let Some(thread) = lock(&self.maintenance).take() {
            // If it panicked it has said so; closing goes on.
            let _ = thread.join();
        }
        let _maintaining = lock(&self.inner.maintaining);
        self.inner.write_last_checkpoint();
        let closed = self.inner.head().close().map(|segment| self.inner.write_snapshot(segment));
        if lock(&self.inner.lock).take().is_some() {
            // Left behind, it would only make the next start say that this one was not clean.
            let _ = self.inner.directory.remove_file(Path::new(LOCK_FILE));
        }
        closed.map_err(|why| OpenError::Io {
            what: "close the database".to_owned(),
            source: std::io::Error::other(why),
        })
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "closing the database failed");
        }
    }
}

impl Appendable for Db {
    fn appender(&self) -> Box<dyn Appender> {
        self.inner.generations.appender()
    }
}

impl Queryable for Db {
    fn querier(&self, mint: i64, maxt: i64) -> Result<Box<dyn Querier>, ReadError> {
        let mut parts: Vec<Box<dyn Querier>> = Vec::new();
        // The head first: what it gives up after this is in the blocks looked at next.
        let head = self.inner.readable_head(maxt)?;
        let head = head.map(|head| HeadQuerier::new(head, mint, maxt));
        for block in self.inner.blocks().iter().filter(|it| it.overlaps(mint, maxt)) {
            parts.push(Box::new(block.querier(mint, maxt)));
        }
        let is_needed = |it: &HeadQuerier| parts.is_empty() || !it.is_outside();
        if let Some(head) = head.filter(is_needed) {
            parts.push(Box::new(head));
        }
        Ok(Box::new(MergeQuerier::new(parts)))
    }
}

impl Inner {
    pub(crate) fn storage_status(&self) -> StorageStatus {
        let logs = [WAL_FOLDER, "wbl"];
        StorageStatus {
            disk: self.disk_status(),
            repairs: lock(&self.repairs).clone(),
            quarantined: quarantine::list(self.directory.as_ref(), &logs),
            left_out: read(&self.blocks).left_out(),
        }
    }

    /// The maintenance thread.
    fn run(&self) {
        let mut pause = FIRST_TICK;
        for tick in (1..=TICKS).cycle() {
            let stop = lock(&self.stop);
            let wait = self.stopped.wait_timeout_while(stop, pause, |stop| !*stop);
            if *wait.unwrap_or_else(PoisonError::into_inner).0 {
                return;
            }
            pause = TICK;
            if tick == TICKS {
                self.maintain();
            } else {
                self.look_at_checkpoint();
            }
        }
    }

    /// True once the database is being closed.
    pub(crate) fn is_stopping(&self) -> bool {
        *lock(&self.stop)
    }

    /// The head in charge, which holds only what came since the start until it is loaded.
    pub(crate) fn head(&self) -> Arc<Head> {
        self.generations.head()
    }

    pub(crate) fn mint(&self) -> i64 {
        let in_blocks = self.blocks().iter().map(|it| it.meta().mint).min().unwrap_or(i64::MAX);
        let head = self.head();
        in_blocks.min(head.time_range().0).min(head.out_of_order.time_range().0)
    }
}

fn take_lock(
    options: &Options,
    directory: &dyn Directory,
    metrics: &Metrics,
) -> Result<Option<Box<dyn Send>>, OpenError> {
    if !options.lock {
        metrics.clean_start.set(-1.0);
        return Ok(None);
    }
    let path = PathBuf::from(LOCK_FILE);
    let was_there = directory.exists(&path).map_err(OpenError::Locked)?;
    let lock = directory.lock(&path).map_err(OpenError::Locked)?;
    metrics.clean_start.set(if was_there { 0.0 } else { 1.0 });
    if was_there {
        tracing::warn!(path = %directory.root().join(&path).display(), "A lockfile from a previous execution already existed. It was replaced");
    }
    Ok(Some(lock))
}

pub(crate) fn block_error(what: &str) -> impl FnOnce(block::Error) -> OpenError {
    let what = what.to_owned();
    move |error| OpenError::Io { what, source: std::io::Error::other(error.to_string()) }
}
