//! When to publish: soon after quiet, rarely under constant change.

use std::time::Duration;

use stdx::random_between;
use tokio::time::Instant;

/// Decides when the next snapshot is due.
///
/// The pause before a snapshot grows by half with each, from the shortest to the longest, and is
/// the shortest again once nothing was published for longer than the longest. Each is spread, so that servers that
/// see the same changes do not move at once.
#[derive(Debug)]
pub(crate) struct Pacing {
    min: Duration,
    max: Duration,
    spread: fn(Duration) -> Duration,
    pause: Duration,
    published: Option<Instant>,
    due: Option<Instant>,
}

/// Returns a pause of between half and one and a half of what is given.
fn half_around(pause: Duration) -> Duration {
    random_between(pause / 2, pause * 3 / 2)
}

impl Pacing {
    pub(crate) fn new(min: Duration, max: Duration) -> Self {
        let max = max.max(min);
        Pacing { min, max, spread: half_around, pause: min, published: None, due: None }
    }

    /// When to publish, if there is anything.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// There is something to publish. Returns whether something else was waiting already.
    pub(crate) fn changed(&mut self, now: Instant) -> bool {
        if self.due.is_some() {
            return true;
        }
        if self.published.is_none_or(|it| now.duration_since(it) > self.max) {
            self.pause = self.min;
        }
        self.due = Some(now + (self.spread)(self.pause));
        false
    }

    /// There is something to publish at a certain time, or before if it was due already.
    pub(crate) fn changed_by(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Nothing is to be published before a certain time.
    pub(crate) fn hold_until(&mut self, at: Instant) {
        self.due = Some(at);
    }

    /// It was published.
    pub(crate) fn published(&mut self, now: Instant) {
        self.due = None;
        self.published = Some(now);
        self.pause = (self.pause * 3 / 2).min(self.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_pauses() {
        let pause = Duration::from_secs(1);
        let all: Vec<Duration> = (0..200).map(|_| half_around(pause)).collect();
        assert!(all.iter().all(|it| (pause / 2..=pause * 3 / 2).contains(it)), "{all:?}");
        assert!(all.iter().any(|it| *it < pause) && all.iter().any(|it| pause < *it), "{all:?}");
    }

    /// Changes all the time and prints the pauses in milliseconds.
    #[test]
    fn waits_longer_under_constant_change() {
        let start = Instant::now();
        let mut pacing = Pacing::new(Duration::from_millis(100), Duration::from_secs(1));
        pacing.spread = |it| it;
        let (mut now, mut pauses) = (start, Vec::new());
        for _ in 0..8 {
            assert!(!pacing.changed(now));
            assert!(pacing.changed(now), "it is due already");
            let due = pacing.due().expect("a change is due");
            pauses.push((due - now).as_millis());
            pacing.published(due);
            assert_eq!(pacing.due(), None);
            now = due;
        }
        assert_eq!(pauses, [100, 150, 225, 337, 506, 759, 1000, 1000]);
        now += Duration::from_millis(1001);
        pacing.changed(now);
        assert_eq!(
            pacing.due(),
            Some(now + Duration::from_millis(100)),
            "quiet makes it quick again"
        );
    }

    #[test]
    fn holds_back_and_lets_go() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let mut pacing = Pacing::new(second, second);
        pacing.hold_until(now + 5 * second);
        pacing.changed(now);
        assert_eq!(pacing.due(), Some(now + 5 * second));
        pacing.changed_by(now + second);
        assert_eq!(pacing.due(), Some(now + second));
        pacing.changed_by(now + 2 * second);
        assert_eq!(pacing.due(), Some(now + second));
    }
}
