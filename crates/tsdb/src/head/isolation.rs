//! Readers see whole commits.
//!
//! A commit holds the gate shared while it changes series; opening a view holds it exclusively for a
//! moment. So when a view is opened, no commit is half done, and every commit numbered above the view's
//! own number came later. A series remembers how many of its newest samples came since the oldest view
//! that was open at the time, and the number of the first of those commits: a view with a lower number
//! leaves them out. That costs five bytes a series, and nothing else to a reader or a writer.
//!
//! One case is not exact: of two open views, the younger one sees all of a tail that began before it,
//! even what came after it. Such samples are newer than the view, and mostly past its time range.
//!
//! A view also holds truncation back: what is in its range stays until it is closed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use crate::sync::{lock, read, write};

#[derive(Default)]
pub(crate) struct Isolation {
    gate: RwLock<()>,
    /// The number of the newest commit. Numbers wrap around; only their distance counts.
    newest: AtomicU32,
    /// 0 without views, else 2^32 and the lowest number of one.
    floor: AtomicU64,
    views: Mutex<Views>,
    /// A view was closed.
    closed: Condvar,
}

#[derive(Default)]
struct Views {
    /// The first time each view may read, and its commit number, in the order of opening.
    open: BTreeMap<u64, (i64, u32)>,
    next_key: u64,
    /// How many wait for views to be closed.
    n_waiting: usize,
}

/// A commit that is being applied.
pub(crate) struct Applying<'a> {
    _gate: RwLockReadGuard<'a, ()>,
    pub(crate) commit: u32,
    floor: u64,
}

impl Applying<'_> {
    /// True if every open view, and every one to come, sees the commit.
    pub(crate) fn is_seen_by_all(&self, commit: u32) -> bool {
        let Some(floor) = self.floor.checked_sub(1 << 32) else { return commit != self.commit };
        !is_after(commit, u32::try_from(floor).expect("a commit number"))
    }
}

impl Isolation {
    /// Starts to apply a commit.
    pub(crate) fn apply(&self) -> Applying<'_> {
        let gate = read(&self.gate);
        let commit = self.newest.fetch_add(1, SeqCst).wrapping_add(1);
        Applying { _gate: gate, commit, floor: self.floor.load(SeqCst) }
    }

    /// Opens a view of what is committed, from `mint` on.
    pub(crate) fn view(self: &Arc<Self>, mint: i64) -> View {
        let _gate = write(&self.gate);
        let commit = self.newest.load(SeqCst);
        let mut views = lock(&self.views);
        let key = views.next_key;
        views.next_key += 1;
        views.open.insert(key, (mint, commit));
        self.set_floor(&views);
        View { isolation: Arc::clone(self), key, commit }
    }

    /// The number of the newest commit that all open views see, and that of the newest at all.
    pub(crate) fn watermarks(&self) -> (u32, u32) {
        let newest = self.newest.load(SeqCst);
        let low = self.floor.load(SeqCst).checked_sub(1 << 32);
        (low.and_then(|it| u32::try_from(it).ok()).unwrap_or(newest), newest)
    }

    /// Waits until no view that reads before `t` is open; false if `stop` became true before.
    pub(crate) fn wait_for_views_before(&self, t: i64, stop: &dyn Fn() -> bool) -> bool {
        let mut views = lock(&self.views);
        while views.open.values().any(|(mint, _)| *mint < t) {
            if stop() {
                return false;
            }
            views = self.wait_for_closed(views);
        }
        true
    }

    /// Waits until all views that are open now are closed; false if `stop` became true before.
    pub(crate) fn wait_for_open_views(&self, stop: &dyn Fn() -> bool) -> bool {
        let mut views = lock(&self.views);
        let next_key = views.next_key;
        while views.open.first_key_value().is_some_and(|(key, _)| *key < next_key) {
            if stop() {
                return false;
            }
            views = self.wait_for_closed(views);
        }
        true
    }

    /// Waits until a view is closed, but not long.
    fn wait_for_closed<'v>(&self, mut views: MutexGuard<'v, Views>) -> MutexGuard<'v, Views> {
        const PAUSE: Duration = Duration::from_millis(500);
        views.n_waiting += 1;
        let waited = self.closed.wait_timeout(views, PAUSE);
        views = waited.unwrap_or_else(PoisonError::into_inner).0;
        views.n_waiting -= 1;
        views
    }

    fn set_floor(&self, views: &Views) {
        let floor =
            views.open.first_key_value().map_or(0, |(_, (_, commit))| 1 << 32 | u64::from(*commit));
        self.floor.store(floor, SeqCst);
    }
}

/// What a reader may see.
pub(crate) struct View {
    isolation: Arc<Isolation>,
    key: u64,
    commit: u32,
}

impl View {
    /// True if the commit came after the view was opened.
    pub(crate) fn hides(&self, commit: u32) -> bool {
        is_after(commit, self.commit)
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let mut views = lock(&self.isolation.views);
        views.open.remove(&self.key);
        self.isolation.set_floor(&views);
        // Telling nobody is a call of the system, too.
        if 0 < views.n_waiting {
            self.isolation.closed.notify_all();
        }
    }
}

fn is_after(a: u32, b: u32) -> bool {
    0 < a.wrapping_sub(b).cast_signed()
}
