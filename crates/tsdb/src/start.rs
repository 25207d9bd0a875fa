//! Opening: at once if it is known which series references are free, else after the log is replayed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, RwLock};
use std::time::Duration;

use storage::ReadError;

use crate::OpenError;
use crate::blocks::Blocks;
use crate::cut_delay::CutDelay;
use crate::db::{Inner, block_error};
use crate::floor::Floor;
use crate::generations::{Generations, Loading};
use crate::head::{
    FoundCheckpoint, Head, Live, References, Replayed, Setup, find_checkpoint, has_late_log,
    load_behind, load_checkpoint,
};
use crate::retention::Retention;
use crate::sync::lock;

/// Loading that is still to be done.
pub(crate) struct Load {
    setup: Setup,
    live: Live,
    /// When opening began, by the monotonic clock.
    start: Duration,
}

impl Load {
    /// Loads the head, and says so to those who wait.
    pub(crate) fn run(self, inner: &Inner) {
        let ending = Ending(inner);
        match load_behind(&self.setup, &inner.generations, self.live) {
            Ok(replayed) => {
                inner.note(replayed, self.start);
                inner.generations.end(Ok(()));
            }
            Err(error) => inner.generations.end(Err(error)),
        }
        std::mem::forget(ending);
    }
}

/// Lets nobody wait for a thread that panicked.
struct Ending<'a>(&'a Inner);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.generations.end(Err(OpenError::Closed));
    }
}

impl Inner {
    /// Opens blocks, and the head or a young one.
    pub(crate) fn open(
        setup: Setup,
        wal_metrics: wal::Metrics,
        held: Option<Box<dyn Send>>,
    ) -> Result<(Self, Option<Load>), OpenError> {
        let start = setup.clock.monotonic();
        let mut blocks = Blocks::default();
        blocks
            .load(setup.directory.as_ref(), &setup.metrics)
            .map_err(block_error("list blocks"))?;
        if !setup.read_only {
            blocks
                .quarantine(setup.directory.as_ref(), &setup.metrics)
                .map_err(block_error("set damaged blocks aside"))?;
        }
        let setup = Setup { min_valid: blocks.in_order_maxt(), ..setup };
        let checkpoint = if setup.read_only { None } else { find(&setup)? };
        let mut setup = Setup { checkpoint, ..setup };
        let has_late_log = has_late_log(setup.directory.as_ref());
        let taken = if setup.read_only { None } else { References::taken(&setup.directory) };
        let (generations, replayed, live) = match taken {
            Some(taken) => {
                let (head, live) = match load_checkpoint(&setup)? {
                    Some(loaded) => Head::record(&setup, loaded, taken, wal_metrics)?,
                    None => {
                        setup.checkpoint = None;
                        Head::open_young(&setup, taken, wal_metrics)?
                    }
                };
                (Generations::young(head), None, Some(live))
            }
            None => {
                let loading = Loading::default();
                let (head, replayed) = Head::open(&setup, wal_metrics, &loading)?;
                (Generations::loaded(head, loading), Some(replayed), None)
            }
        };
        let retention = Retention {
            time_ms: setup.options.retention_ms,
            bytes: setup.options.retention_bytes,
            percentage: setup.options.retention_percentage,
        };
        let inner = Self {
            options: setup.options.clone(),
            retention: Mutex::new(retention),
            uploads: Mutex::new(None),
            stale_threshold: Mutex::new(setup.options.stale_series_threshold),
            floor: Floor::default(),
            cut_delay: CutDelay::new(setup.options.cut_delay_max()),
            directory: Arc::clone(&setup.directory),
            clock: Arc::clone(&setup.clock),
            metrics: setup.metrics.clone(),
            generations,
            exemplars: Arc::clone(&setup.exemplars),
            blocks: RwLock::new(blocks),
            has_late_log,
            is_checkpoint_failed: AtomicBool::new(false),
            maintaining: Mutex::default(),
            is_read_only: setup.read_only,
            n_wal_corruptions: AtomicU64::new(0),
            repairs: Mutex::default(),
            lock: Mutex::new(held),
            stop: Mutex::new(false),
            stopped: Condvar::new(),
        };
        if let Some(replayed) = replayed {
            inner.note(replayed, start);
        }
        let load = live.map(|live| Load { setup, live, start });
        Ok((inner, load))
    }

    /// The head, for a view up to `maxt`; `None` if all of that is in blocks.
    ///
    /// # Errors
    /// If it may be needed and is not loaded yet.
    pub(crate) fn readable_head(&self, maxt: i64) -> Result<Option<Arc<Head>>, ReadError> {
        match self.generations.if_loaded() {
            Some(head) => Ok(Some(head)),
            None if maxt < self.blocks_end() && !self.has_late_log => Ok(None),
            None => {
                Err(ReadError::Unavailable("the write-ahead log is still being read".to_owned()))
            }
        }
    }

    fn note(&self, replayed: Replayed, start: Duration) {
        let seconds = (self.clock.monotonic() - start).as_secs_f64();
        self.metrics.replay_seconds.set(seconds);
        self.n_wal_corruptions.store(replayed.n_wal_corruptions, SeqCst);
        report(&replayed, seconds);
        *lock(&self.repairs) = replayed.repairs;
    }
}

/// The head checkpoint, if it may be used.
fn find(setup: &Setup) -> Result<Option<FoundCheckpoint>, OpenError> {
    find_checkpoint(setup.directory.as_ref(), setup.min_valid)
        .map_err(OpenError::io("look for a head checkpoint"))
}

fn report(replayed: &Replayed, seconds: f64) {
    for place in &replayed.repairs {
        tracing::error!(%place, "repaired corruption");
    }
    let Replayed { n_unknown_samples, n_unknown_series, n_unknown_tombstones, .. } = *replayed;
    if 0 < n_unknown_samples + n_unknown_series + n_unknown_tombstones {
        tracing::warn!(
            samples = n_unknown_samples,
            series_of_mapped_chunks = n_unknown_series,
            tombstones = n_unknown_tombstones,
            "Unknown series references"
        );
    }
    tracing::info!(samples = replayed.n_samples, seconds, "WAL replay completed");
}
