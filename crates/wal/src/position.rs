//! Places in a log, and how far it has been written.

use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A place between two records. A later place is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Number of the segment.
    pub segment: u32,
    /// Bytes from its start.
    pub offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {:08} at {}", self.segment, self.offset)
    }
}

/// How far a log has been written: the end of the last batch that succeeded. Shared by the writer, which
/// moves it, and those that follow the log.
pub struct Progress {
    state: Mutex<State>,
    moved: Condvar,
}

struct State {
    end: Position,
    is_closed: bool,
    n_waiting: usize,
}

impl Progress {
    pub(crate) fn new(end: Position) -> Self {
        let state = State { end, is_closed: false, n_waiting: 0 };
        Self { state: Mutex::new(state), moved: Condvar::new() }
    }

    /// The end of the last batch.
    pub fn end(&self) -> Position {
        self.state().end
    }

    /// True once the writer is gone: no more will come.
    pub fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    /// Waits until the log reaches beyond `from`, at most for `timeout`; not at all if its writer is gone.
    /// Returns its end.
    pub fn wait_beyond(&self, from: Position, timeout: Duration) -> Position {
        let mut state = self.state();
        state.n_waiting += 1;
        let waited = self
            .moved
            .wait_timeout_while(state, timeout, |it| !it.is_closed && it.end <= from)
            .unwrap_or_else(PoisonError::into_inner);
        (state, _) = waited;
        state.n_waiting -= 1;
        state.end
    }

    pub(crate) fn move_to(&self, end: Position) {
        let mut state = self.state();
        state.end = end;
        self.wake(&state);
    }

    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        self.wake(&state);
    }

    /// Nobody waiting is the usual case, and waking costs a system call.
    fn wake(&self, state: &State) {
        if 0 < state.n_waiting {
            self.moved.notify_all();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
