//! What can be asked about targets while they are scraped.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Labels;

use crate::metadata::{Families, Family};

/// Whether the last scrape worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Health {
    /// Not scraped yet.
    #[default]
    Unknown,
    /// It worked.
    Up,
    /// It failed.
    Down,
}

impl Health {
    /// The word of the HTTP API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// The last scrape of a target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LastScrape {
    /// Whether it worked.
    pub health: Health,
    /// Why it failed; empty if it did not.
    pub error: String,
    /// When it began, in milliseconds since the epoch.
    pub t: Option<i64>,
    /// How long it took.
    pub duration_s: f64,
}

/// Written by the loop, read by whoever asks.
#[derive(Debug, Default)]
pub(crate) struct Status {
    /// Held to copy it.
    last: Mutex<LastScrape>,
    pub(crate) families: Arc<Mutex<Families>>,
}

impl Status {
    pub(crate) fn last(&self) -> MutexGuard<'_, LastScrape> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn families(&self) -> MutexGuard<'_, Families> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A target that is scraped.
#[derive(Clone, Debug)]
pub struct ActiveTarget {
    /// The labels that discovery found, with the job's defaults.
    pub discovered: Labels,
    /// The labels that its samples get.
    pub labels: Labels,
    /// The job.
    pub pool: String,
    /// The URL that is scraped.
    pub url: String,
    /// Time between two scrapes.
    pub interval_ms: i64,
    /// How long a scrape may take.
    pub timeout_ms: i64,
    /// The last scrape.
    pub last: LastScrape,
    pub(crate) status: Arc<Status>,
}

impl ActiveTarget {
    /// What the target says about its metrics, sorted by name.
    pub fn metadata(&self) -> Vec<Arc<Family>> {
        let mut all = self.status.families().all();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}

/// A job and its targets.
#[derive(Clone, Debug)]
pub struct PoolStatus {
    /// The job.
    pub name: String,
    /// Its targets, sorted by labels.
    pub active: Vec<ActiveTarget>,
    /// Discovered labels of targets that relabelling dropped: as many as the job keeps.
    pub dropped: Vec<Labels>,
    /// How many were dropped.
    pub n_dropped: usize,
}
