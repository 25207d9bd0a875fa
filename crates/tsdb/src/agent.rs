//! Agent mode: a log and nothing else.
//!
//! What is appended goes to the log, for others to read from there and send on; nothing can be queried. Of
//! a series only labels, reference and newest time are in memory. Every two hours the log is truncated:
//! series without newer samples are forgotten, and the older two thirds of the segments are folded into a
//! checkpoint. A forgotten series keeps its record while segments may name it.
//!
//! The files are those of upstream's `data-agent/`.

mod appender;
mod metrics;
mod replay;
mod series;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use model::SeriesRef;
use stdx::{Clock, Directory};
use storage::{Appendable, Appender};
use wal::checkpoint::{self, CheckpointError, Found};
use wal::segment;

use crate::OpenError;
use crate::sync::lock;
use appender::AgentAppender;
use metrics::Metrics;
use series::Table;

/// The folder of the log within the data directory.
const WAL_FOLDER: &str = "wal";
const LOCK_FILE: &str = "lock";

/// Settings of an agent's storage. The default is what upstream does without flags.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentOptions {
    /// Size at which a log segment ends.
    pub wal_segment_bytes: u64,
    /// How log records are compressed.
    pub wal_compression: wal::Compression,
    /// The log is truncated so often.
    pub truncate_every: Duration,
    /// What was sent is kept so much longer, in milliseconds.
    pub age_min_ms: i64,
    /// Nothing is kept longer than this, in milliseconds, sent or not.
    pub age_max_ms: i64,
    /// A sample may be so much older than the newest of its series, in milliseconds.
    pub out_of_order_window_ms: i64,
    /// Take the `lock` file.
    pub lock: bool,
    /// Checkpoints hold what is known of the series, in batches of so many, and no samples: the segments are
    /// not read again. `None` folds the segments.
    pub checkpoint_batch: Option<NonZeroUsize>,
}

impl Default for AgentOptions {
    fn default() -> Self {
        Self {
            wal_segment_bytes: wal::SEGMENT_BYTES_DEFAULT,
            wal_compression: wal::Compression::Snappy,
            truncate_every: Duration::from_secs(2 * 3600),
            age_min_ms: 5 * 60 * 1000,
            age_max_ms: 4 * 3600 * 1000,
            out_of_order_window_ms: 0,
            lock: true,
            checkpoint_batch: None,
        }
    }
}

/// Tells up to which time everything was sent on; `None` if nobody sends.
pub type Sent = Arc<dyn Fn() -> Option<i64> + Send + Sync>;

/// The storage of an agent. Closed by [`AgentDb::close`] or by dropping it.
pub struct AgentDb {
    inner: Arc<Inner>,
    maintenance: Mutex<Option<JoinHandle<()>>>,
}

struct Inner {
    options: AgentOptions,
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    sent: Sent,
    /// `None` once closed. Taken before `table`.
    log: Mutex<Option<wal::Writer>>,
    table: Mutex<Table>,
    /// The log was truncated up to this time.
    truncated: AtomicI64,
    lock: Mutex<Option<Box<dyn Send>>>,
    stop: Mutex<bool>,
    stopped: Condvar,
}

impl AgentDb {
    /// Opens or creates the log in `directory`, reads what series there are, and starts the thread that
    /// truncates it.
    ///
    /// A log that is damaged is repaired as that of [`crate::Db`].
    ///
    /// # Errors
    /// If the directory is locked or unreadable, or a checkpoint is damaged.
    pub fn open(
        options: AgentOptions,
        directory: Arc<dyn Directory>,
        clock: Arc<dyn Clock>,
        registry: &client::Registry,
        sent: Sent,
    ) -> Result<Self, OpenError> {
        let metrics = Metrics::register(registry);
        let root = directory.root().display().to_string();
        directory.create_dir_all(Path::new("")).map_err(OpenError::io(format!("create {root}")))?;
        let lock = take_lock(&options, directory.as_ref(), &metrics)?;
        let folder = Path::new(WAL_FOLDER);
        checkpoint::remove_unfinished(directory.as_ref(), folder)
            .map_err(OpenError::io("remove unfinished checkpoints"))?;
        let start = clock.monotonic();
        let mut table = replay::replay(&directory, &metrics)?;
        table.remembers_labels = options.checkpoint_batch.is_some();
        metrics.replay_seconds.set((clock.monotonic() - start).as_secs_f64());
        let wal_options = wal_options(&options);
        let wal_metrics = wal::Metrics::register(registry);
        let shared = (Arc::clone(&directory), Arc::clone(&clock));
        let writer = wal::Writer::open(shared.0, folder, wal_options, shared.1, wal_metrics)
            .map_err(OpenError::io("open WAL"))?;
        let inner = Arc::new(Inner {
            options,
            directory,
            clock,
            metrics,
            sent,
            log: Mutex::new(Some(writer)),
            table: Mutex::new(table),
            truncated: AtomicI64::new(i64::MIN),
            lock: Mutex::new(lock),
            stop: Mutex::new(false),
            stopped: Condvar::new(),
        });
        inner.show_counts();
        let worker = Arc::clone(&inner);
        let thread = std::thread::Builder::new().name("agent".into()).spawn(move || worker.run());
        let thread = thread.map_err(OpenError::io("start the maintenance thread"))?;
        Ok(Self { inner, maintenance: Mutex::new(Some(thread)) })
    }

    /// Does at once what is done every [`AgentOptions::truncate_every`]. Failures are logged and counted.
    pub fn maintain(&self) {
        self.inner.maintain();
    }

    /// Stops maintenance, finishes the log, gives the lock back. Appends after it fail.
    ///
    /// # Errors
    /// If the last bytes could not be written.
    pub fn close(&self) -> Result<(), OpenError> {
        *lock(&self.inner.stop) = true;
        self.inner.stopped.notify_all();
        if let Some(thread) = lock(&self.maintenance).take() {
            // If it panicked it has said so; closing goes on.
            let _ = thread.join();
        }
        let logged = self.inner.log(&[]);
        let writer = lock(&self.inner.log).take();
        let closed = writer.map_or(Ok(()), wal::Writer::close).map_err(|it| it.to_string());
        if lock(&self.inner.lock).take().is_some() {
            // Left behind, it would only make the next start say that this one was not clean.
            let _ = self.inner.directory.remove_file(Path::new(LOCK_FILE));
        }
        // A second close finds the log gone, and that is fine.
        let logged = if closed.is_ok() && logged.is_err() { Ok(()) } else { logged };
        logged.and(closed).map_err(|why| OpenError::Io {
            what: "close the log".to_owned(),
            source: std::io::Error::other(why),
        })
    }
}

impl Drop for AgentDb {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "closing the log failed");
        }
    }
}

impl Appendable for AgentDb {
    fn appender(&self) -> Box<dyn Appender> {
        Box::new(AgentAppender::new(Arc::clone(&self.inner)))
    }
}

/// From when on samples are kept: from what was sent last, less a bit, but never longer than the maximum.
fn keep_from(sent: Option<i64>, now_ms: i64, options: &AgentOptions) -> i64 {
    let by_sent = sent.map_or(i64::MIN, |it| it.saturating_sub(options.age_min_ms).max(0));
    by_sent.max(now_ms.saturating_sub(options.age_max_ms))
}

fn wal_options(options: &AgentOptions) -> wal::Options {
    wal::Options { segment_bytes: options.wal_segment_bytes, compression: options.wal_compression }
}

fn take_lock(
    options: &AgentOptions,
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
    Ok(Some(lock))
}

impl Inner {
    fn run(&self) {
        loop {
            let stop = lock(&self.stop);
            let wait =
                self.stopped.wait_timeout_while(stop, self.options.truncate_every, |stop| !*stop);
            if *wait.unwrap_or_else(PoisonError::into_inner).0 {
                return;
            }
            self.maintain();
        }
    }

    fn maintain(&self) {
        let mint = keep_from((self.sent)(), self.clock.now_ms(), &self.options);
        if mint <= self.truncated.load(SeqCst) {
            return;
        }
        let start = self.clock.monotonic();
        match self.truncate(mint) {
            Ok(()) => self.truncated.store(mint, SeqCst),
            Err(error) => tracing::error!(%error, "truncating the log failed"),
        }
        if let Some(seconds) = &self.metrics.truncate_seconds {
            seconds.observe((self.clock.monotonic() - start).as_secs_f64());
        }
        self.show_counts();
    }

    /// Logs new series, and then these records; empty ones are left out.
    fn log(&self, records: &[&[u8]]) -> Result<(), String> {
        let mut log = lock(&self.log);
        let Some(writer) = log.as_mut() else { return Err("the log is closed".to_owned()) };
        let new_series = lock(&self.table).take_unlogged();
        let mut all: Vec<&[u8]> = new_series.iter().map(|it| &it[..]).collect();
        all.extend(records.iter().filter(|it| !it.is_empty()));
        if all.is_empty() {
            return Ok(());
        }
        let result = writer.log(&all);
        if result.is_err() {
            lock(&self.table).give_back(new_series);
        } else if !new_series.is_empty() {
            self.show_counts();
        }
        result.map_err(|error| error.to_string())
    }

    /// Forgets series without samples from `mint` on, and folds the older two thirds of the log.
    fn truncate(&self, mint: i64) -> Result<(), String> {
        let folder = Path::new(WAL_FOLDER);
        let last = {
            let mut log = lock(&self.log);
            let Some(writer) = log.as_mut() else { return Ok(()) };
            lock(&self.table).forget(mint, writer.segment());
            let numbers = segment::list(self.directory.as_ref(), folder)
                .map_err(|error| error.to_string())?;
            let (Some(first), Some(newest)) = (numbers.first(), numbers.last()) else {
                return Ok(());
            };
            writer.cut().map_err(|error| error.to_string())?;
            // The newest segment still belongs to the future.
            let last = first + newest.saturating_sub(1).saturating_sub(*first) * 2 / 3;
            if last <= *first {
                return Ok(());
            }
            last
        };
        self.checkpoint(folder, last, mint)?;
        lock(&self.table).forget_finally(last);
        let removed = lock(&self.log).as_mut().map_or(Ok(()), |it| it.remove_below(last + 1));
        if let Err(error) = removed {
            tracing::error!(%error, "removing old WAL segments failed");
        }
        self.metrics.checkpoint_deletions.inc();
        checkpoint::remove_before(self.directory.as_ref(), folder, last).map_err(|error| {
            self.metrics.checkpoint_deletions_failed.inc();
            error.to_string()
        })
    }

    fn checkpoint(&self, folder: &Path, last: u32, mint: i64) -> Result<(), String> {
        self.metrics.checkpoints.inc();
        let made = match self.options.checkpoint_batch {
            Some(batch) => self.write_known(folder, last, batch),
            None => self.fold(folder, last, mint),
        };
        made.map(drop).map_err(|error| {
            self.metrics.checkpoints_failed.inc();
            error.to_string()
        })
    }

    /// Writes what is in memory. Appends go on between the batches.
    fn write_known(
        &self,
        folder: &Path,
        last: u32,
        batch: NonZeroUsize,
    ) -> Result<Found, CheckpointError> {
        let place = checkpoint::Place {
            directory: Arc::clone(&self.directory),
            folder,
            last,
            options: wal_options(&self.options),
            clock: Arc::clone(&self.clock),
        };
        let all = lock(&self.table).references();
        let active = all.chunks(batch.get()).flat_map(|it| lock(&self.table).records(it));
        let gone = std::iter::once_with(|| lock(&self.table).records_of_gone()).flatten();
        checkpoint::create_of(&place, active.chain(gone))
    }

    fn fold(&self, folder: &Path, last: u32, mint: i64) -> Result<Found, CheckpointError> {
        let keep = |series: SeriesRef| lock(&self.table).is_needed(series.0);
        let request = checkpoint::Request {
            directory: Arc::clone(&self.directory),
            folder,
            last,
            keep: &keep,
            mint,
            deletions_mint: mint,
            start_times: false,
            options: wal_options(&self.options),
            clock: Arc::clone(&self.clock),
        };
        checkpoint::create(&request)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of series")]
    fn show_counts(&self) {
        let table = lock(&self.table);
        self.metrics.active_series.set(table.n_active() as f64);
        self.metrics.deleted_series.set(table.n_forgotten() as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_was_not_sent_but_not_for_ever() {
        let options = AgentOptions { age_min_ms: 10, age_max_ms: 100, ..AgentOptions::default() };
        for (sent, now, expected) in
            [(None, 1000, 900), (Some(990), 1000, 980), (Some(500), 1000, 900), (Some(5), 50, 0)]
        {
            assert_eq!(keep_from(sent, now, &options), expected);
        }
    }
}
