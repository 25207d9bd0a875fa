//! The head, and the young one that takes samples while it is loaded.
//!
//! A start does not wait for the log to be read: samples go to a young head at once, and to the loaded one
//! from the moment when [`crate::head::load_behind`] puts it in the young one's place. Queries of what the
//! files may hold wait for that moment, and maintenance does.
//!
//! With a head checkpoint there is one head only, which records until it is loaded.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};

use storage::Appender;

use crate::OpenError;
use crate::head::Head;
use crate::sync::{lock, read};

/// The head in charge, and how far loading has come.
pub(crate) struct Generations {
    /// Who takes samples. Locked to write while one head takes the other's place; comes before every lock of
    /// a head.
    pub(crate) head: RwLock<Arc<Head>>,
    pub(crate) loading: Loading,
    state: Mutex<State>,
    changed: Condvar,
}

enum State {
    Loading,
    Loaded,
    Failed(OpenError),
}

/// How far the log has been read. Numbers of segments.
#[derive(Default)]
pub(crate) struct Loading {
    first: AtomicU32,
    last: AtomicU32,
    current: AtomicU32,
    /// The database is being closed.
    is_cancelled: AtomicBool,
}

/// How far the log has been read at a start, in numbers of segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayStatus {
    /// The first to be read.
    pub min: u32,
    /// The last one.
    pub max: u32,
    /// The one being read.
    pub current: u32,
}

impl Generations {
    /// A head that is loaded.
    pub(crate) fn loaded(head: Arc<Head>, loading: Loading) -> Self {
        Self::new(head, loading, State::Loaded)
    }

    /// A young head, or one that records; [`Generations::end`] is to be called.
    pub(crate) fn young(head: Arc<Head>) -> Self {
        Self::new(head, Loading::default(), State::Loading)
    }

    fn new(head: Arc<Head>, loading: Loading, state: State) -> Self {
        let (head, state) = (RwLock::new(head), Mutex::new(state));
        Self { head, loading, state, changed: Condvar::new() }
    }

    /// The head in charge.
    pub(crate) fn head(&self) -> Arc<Head> {
        Arc::clone(&read(&self.head))
    }

    /// The head, if it holds all there is.
    pub(crate) fn if_loaded(&self) -> Option<Arc<Head>> {
        let is_loaded = matches!(*lock(&self.state), State::Loaded);
        is_loaded.then(|| self.head())
    }

    /// Changes a setting of the head in charge, which the one that takes its place inherits.
    pub(crate) fn set(&self, change: impl FnOnce(&Head)) {
        // Under the lock, so that none is changed after it was inherited.
        change(&read(&self.head));
    }

    /// Opens a batch. While one head takes the other's place, this waits.
    pub(crate) fn appender(&self) -> Box<dyn Appender> {
        let head = read(&self.head);
        // Under the lock, so that whoever takes the place sees every batch.
        Box::new(head.appender())
    }

    /// Says how loading ended.
    pub(crate) fn end(&self, result: Result<(), OpenError>) {
        *lock(&self.state) = match result {
            Ok(()) => State::Loaded,
            Err(error) => State::Failed(error),
        };
        self.changed.notify_all();
    }

    /// Waits until loading has ended.
    ///
    /// # Errors
    /// Why it failed; whoever asks again is told [`OpenError::Closed`].
    pub(crate) fn wait(&self) -> Result<(), OpenError> {
        let state = lock(&self.state);
        let ended = self.changed.wait_while(state, |it| matches!(it, State::Loading));
        match &mut *ended.unwrap_or_else(PoisonError::into_inner) {
            State::Failed(why) => Err(std::mem::replace(why, OpenError::Closed)),
            State::Loading | State::Loaded => Ok(()),
        }
    }
}

impl Loading {
    /// Says which segments are to be read.
    pub(crate) fn begin(&self, first: u32, last: u32) {
        self.first.store(first, Relaxed);
        self.current.store(first, Relaxed);
        self.last.store(last, Relaxed);
    }

    /// Says that a record of `segment` comes next; false if nobody wants it any more.
    pub(crate) fn reach(&self, segment: u32) -> bool {
        if self.current.swap(segment, Relaxed) != segment {
            let last = self.last.load(Relaxed);
            tracing::info!(segment, max_segment = last, "replaying WAL segment");
        }
        self.is_wanted()
    }

    /// False once the database is being closed.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.is_cancelled.load(Relaxed)
    }

    /// Ends loading early.
    pub(crate) fn cancel(&self) {
        self.is_cancelled.store(true, Relaxed);
    }

    /// How far it is.
    pub(crate) fn status(&self) -> ReplayStatus {
        let of = |it: &AtomicU32| it.load(Relaxed);
        let Self { first, last, current, .. } = self;
        ReplayStatus { min: of(first), max: of(last), current: of(current) }
    }
}
