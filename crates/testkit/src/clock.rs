//! Time that a test moves.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use stdx::Clock;

/// A clock that stands still until it is moved; only each look at the wall clock takes a millisecond, so
/// that what is named after the time has an order.
#[derive(Debug, Default)]
pub struct SettableClock {
    now_ms: AtomicI64,
    monotonic_ms: AtomicU64,
}

impl SettableClock {
    /// A clock that shows `now_ms`.
    pub fn new(now_ms: i64) -> Self {
        Self { now_ms: AtomicI64::new(now_ms), monotonic_ms: AtomicU64::new(0) }
    }

    /// Moves the wall clock to `now_ms`, be it back.
    pub fn set(&self, now_ms: i64) {
        self.now_ms.store(now_ms, SeqCst);
    }

    /// Lets so many milliseconds pass.
    pub fn advance(&self, ms: u32) {
        self.now_ms.fetch_add(i64::from(ms), SeqCst);
        self.monotonic_ms.fetch_add(u64::from(ms), SeqCst);
    }
}

impl Clock for SettableClock {
    fn now_ms(&self) -> i64 {
        self.now_ms.fetch_add(1, SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic_ms.load(SeqCst))
    }
}
