//! Chance, so that many do not do the same at the same moment. Not for secrets: it can be guessed.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Returns any duration between two.
pub fn random_between(min: Duration, max: Duration) -> Duration {
    // Each state has keys of its own: what it hashes nothing to is random.
    let part = RandomState::new().hash_one(()) >> 32;
    #[expect(clippy::cast_precision_loss, reason = "32 bits")]
    let part = part as f64 / f64::from(u32::MAX);
    min + max.saturating_sub(min).mul_f64(part)
}
