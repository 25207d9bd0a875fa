//! Pauses between attempts, longer each time.

use std::time::Duration;

use stdx::random_between;

/// Pauses that double up to a bound. A random part keeps many that failed at once from coming back at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(min: Duration, max: Duration) -> Self {
        Backoff { min, max, next: min }
    }

    /// Returns the next pause: between half of it and all of it.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.max);
        random_between(pause / 2, pause)
    }

    /// Begins with the shortest pause again.
    pub(crate) fn reset(&mut self) {
        self.next = self.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_a_bound() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(100), ms(300));
        for longest in [100, 200, 300, 300] {
            let pause = backoff.pause();
            assert!(ms(longest / 2) <= pause && pause <= ms(longest), "{pause:?} of {longest}");
        }
        backoff.reset();
        assert!(backoff.pause() <= ms(100));
    }
}
