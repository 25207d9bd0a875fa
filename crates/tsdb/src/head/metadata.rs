//! What was logged last about each series: type, unit and help.
//!
//! Nobody reads it here; it is kept to log only what changes, as a hash: 17 bytes a series.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Mutex;

use foldhash::fast::{FixedState, RandomState};
use model::{Metadata, SeriesRef};

use crate::sync::lock;

/// Hashes of metadata by series. The lock is held to look one up or to change some; no other is taken
/// meanwhile.
pub(crate) struct Known {
    is_on: bool,
    hashes: Mutex<HashMap<u64, u64, FixedState>>,
    hasher: RandomState,
}

impl Known {
    /// Remembers nothing unless `is_on`.
    pub(crate) fn new(is_on: bool) -> Self {
        Self { is_on, hashes: Mutex::default(), hasher: RandomState::default() }
    }

    /// True if this should be logged.
    pub(crate) fn is_news(&self, series: SeriesRef, metadata: &Metadata) -> bool {
        let hash = || self.hasher.hash_one(metadata);
        self.is_on && lock(&self.hashes).get(&series.0) != Some(&hash())
    }

    /// Notes what was logged.
    pub(crate) fn learn(&self, logged: &[(SeriesRef, Metadata)]) {
        if self.is_on && !logged.is_empty() {
            let mut hashes = lock(&self.hashes);
            hashes.extend(logged.iter().map(|(it, what)| (it.0, self.hasher.hash_one(what))));
        }
    }

    /// Forgets series that are gone.
    pub(crate) fn forget(&self, gone: impl Iterator<Item = u64>) {
        if self.is_on {
            let mut hashes = lock(&self.hashes);
            for series in gone {
                hashes.remove(&series);
            }
        }
    }
}
