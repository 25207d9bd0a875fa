//! A random time between when a block can be cut from the head and when it is: many servers that were started at once
//! would otherwise write to their disks at once.

use std::sync::Mutex;
use std::time::Duration;

use stdx::random_between;

use crate::sync::lock;

/// Holds a cut back.
pub(crate) struct CutDelay {
    max: Duration,
    /// When the waiting ends, by the monotonic clock; `None` while there is nothing to cut.
    end: Mutex<Option<Duration>>,
}

impl CutDelay {
    /// One of up to `max`.
    pub(crate) fn new(max: Duration) -> Self {
        Self { max, end: Mutex::new(None) }
    }

    /// True if a head that can be cut, and could be at all calls since the last [`CutDelay::reset`], is to be cut `now`.
    pub(crate) fn is_over(&self, now: Duration) -> bool {
        let draw = || now + random_between(Duration::ZERO, self.max);
        *lock(&self.end).get_or_insert_with(draw) <= now
    }

    /// Lets the next waiting be another one.
    pub(crate) fn reset(&self) {
        *lock(&self.end) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_once_and_stays_so_until_reset() {
        let s = Duration::from_secs;
        let delay = CutDelay::new(s(1000));
        let first_over = |from: u64| (from..).find(|at| delay.is_over(s(*at))).expect("it ends");
        let ends: Vec<u64> = (0..20)
            .map(|_| {
                delay.reset();
                first_over(500)
            })
            .collect();
        assert!(ends.iter().all(|it| (500..=1500).contains(it)), "{ends:?}");
        assert!(ends.iter().any(|it| *it != ends[0]), "all the same: {ends:?}");
        assert!(delay.is_over(s(1500)) && delay.is_over(s(9000)));
        assert!(CutDelay::new(Duration::ZERO).is_over(s(7)), "without one it is over at once");
    }
}
