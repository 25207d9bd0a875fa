//! Which queries wait, run, or are being answered.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use client::Registry;
use promql_engine::{Cancel, Usage};
use tokio::sync::{Notify, Semaphore};

use super::active_file::ActiveFile;
use super::log::QueryLog;
use super::metrics::{Counted, Metrics};
use super::{Origin, Request, When};

/// All queries of the server.
pub(crate) struct Queries {
    /// By number. Held for a few lines only.
    running: Mutex<BTreeMap<u64, Arc<Query>>>,
    last: AtomicU64,
    slots: Semaphore,
    /// Set once the data directory is ours.
    file: OnceLock<ActiveFile>,
    log: QueryLog,
    metrics: Arc<Metrics>,
}

/// One query.
pub(crate) struct Query {
    pub(crate) id: u64,
    pub(crate) text: String,
    pub(crate) when: When,
    pub(crate) origin: Origin,
    /// In milliseconds.
    pub(crate) start_t: i64,
    start: Instant,
    pub(crate) cancel: Cancel,
    pub(crate) usage: Usage,
    phase: AtomicU8,
    given_up: Notify,
}

/// How far a query is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Queued,
    Evaluating,
    Answering,
}

impl Phase {
    const ALL: [Self; 3] = [Self::Queued, Self::Evaluating, Self::Answering];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Evaluating => "evaluating",
            Self::Answering => "answering",
        }
    }
}

impl Query {
    pub(crate) fn age(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Relaxed))]
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    fn give_up(&self) {
        self.cancel.cancel();
        self.given_up.notify_one();
    }

    /// Waits until the query is given up.
    pub(super) async fn canceled(&self) {
        self.given_up.notified().await;
    }
}

impl Queries {
    pub(crate) fn new(registry: &Registry, queries_max: usize) -> Self {
        let metrics = Arc::new(Metrics::new(registry, queries_max));
        Self {
            running: Mutex::default(),
            last: AtomicU64::new(0),
            slots: Semaphore::new(queries_max.min(Semaphore::MAX_PERMITS)),
            file: OnceLock::new(),
            log: QueryLog::new(Arc::clone(&metrics)),
            metrics,
        }
    }

    pub(super) fn begin(self: &Arc<Self>, request: &Request, start_t: i64) -> Running {
        let query = Arc::new(Query {
            id: self.last.fetch_add(1, Relaxed) + 1,
            text: request.query.clone(),
            when: request.when,
            origin: request.origin.clone(),
            start_t,
            start: Instant::now(),
            cancel: Cancel::default(),
            usage: Usage::default(),
            phase: AtomicU8::new(Phase::Queued as u8),
            given_up: Notify::new(),
        });
        self.lock().insert(query.id, Arc::clone(&query));
        Running { all: Arc::clone(self), query, counted: Some(self.metrics.count()) }
    }

    /// All, the oldest first.
    pub(crate) fn list(&self) -> Vec<Arc<Query>> {
        self.lock().values().cloned().collect()
    }

    /// Gives a query up. False if there is none with this number.
    pub(crate) fn give_up(&self, id: u64) -> bool {
        let query = self.lock().get(&id).cloned();
        query.map(|it| it.give_up()).is_some()
    }

    /// What is to be held while a query is evaluated.
    pub(super) fn slots(&self) -> &Semaphore {
        &self.slots
    }

    /// Notes in this file from now on what runs.
    pub(crate) fn set_file(&self, file: ActiveFile) {
        assert!(self.file.set(file).is_ok(), "the server starts once");
    }

    pub(super) fn file(&self) -> Option<&ActiveFile> {
        self.file.get()
    }

    pub(crate) fn log(&self) -> &QueryLog {
        &self.log
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Query>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a query in the list. Dropping it gives the query up, should it still run.
pub(crate) struct Running {
    all: Arc<Queries>,
    query: Arc<Query>,
    counted: Option<Counted>,
}

impl Running {
    pub(super) fn query(&self) -> &Arc<Query> {
        &self.query
    }

    /// True if the client, or an operator, wants it no more.
    pub(super) fn is_given_up(&self) -> bool {
        self.query.cancel.is_canceled()
    }

    /// The query is evaluated; what is left is to send the answer.
    pub(super) fn is_evaluated(&mut self) {
        self.counted = None;
        self.query.enter(Phase::Answering);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.query.cancel.cancel();
        self.all.lock().remove(&self.query.id);
    }
}
