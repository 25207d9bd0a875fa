//! The memory budget: what is refused when the process nears its limit.
//!
//! Whoever can measure the process tells [`Memory::observe`] what it takes, some times a second. From 80 % of
//! the limit on *new* series are rationed: half of the room that is then left is shared among the jobs that ask,
//! so that a job that floods the database is refused and one with a few new series is not. At 92 % none are
//! taken. Below 75 % all is as before. Samples of series that are there are always taken.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use client::{Counter, Family, Registry};

use crate::sync::lock;

/// Percent of the limit: where rationing ends, begins, and where no new series is taken.
const EASED: u64 = 75;
const PRESSED: u64 = 80;
const FULL: u64 = 92;
/// What a new series is held to cost, with its line in the scrape cache.
const SERIES_BYTES: u64 = 800;
/// Jobs that are told apart; the rest is one.
const JOBS_MAX: usize = 1000;

/// Says whether there is room for a new series.
#[derive(Default)]
pub(crate) struct Memory {
    limit: u64,
    used: AtomicU64,
    is_pressed: AtomicBool,
    /// Held to look at one job.
    rations: Mutex<Rations>,
    refused: Option<Arc<Family<Counter>>>,
}

/// What was given out since memory became scarce.
#[derive(Default)]
struct Rations {
    /// New series that all jobs together may have.
    all: u64,
    jobs: HashMap<String, Ration>,
}

#[derive(Default)]
struct Ration {
    taken: u64,
    refused: u64,
}

/// How memory stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryStatus {
    /// In bytes; 0 is none.
    pub limit: u64,
    /// What the process was last seen to take, in bytes.
    pub used: u64,
    /// New series are rationed.
    pub is_pressed: bool,
    /// Refusals of each job since rationing began, the most first. A series that is offered again counts again.
    pub refused: Vec<(String, u64)>,
}

impl Memory {
    /// Sets up a budget of `limit` bytes; 0 is none.
    pub(crate) fn new(limit: u64, registry: &Registry) -> Self {
        let refused = registry.counters(
            "pyrrha_tsdb_series_refused_total",
            "New series refused because the process nears its memory limit; one that is offered again counts again.",
            &["job"],
        );
        Self { limit, refused: Some(refused), ..Self::default() }
    }

    /// Takes note of the bytes that the process takes. True if memory became scarce just now.
    pub(crate) fn observe(&self, used: u64) -> bool {
        self.used.store(used, Relaxed);
        if self.limit == 0 {
            return false;
        }
        let is_pressed = self.is_pressed.load(Relaxed);
        if is_pressed && used < self.percent(EASED) {
            self.is_pressed.store(false, Relaxed);
            *lock(&self.rations) = Rations::default();
            tracing::info!(
                used,
                limit = self.limit,
                "memory is no longer scarce: new series are taken"
            );
        }
        let begins = !is_pressed && self.percent(PRESSED) <= used;
        if begins {
            let room = self.percent(FULL).saturating_sub(used);
            *lock(&self.rations) = Rations { all: room / 2 / SERIES_BYTES, jobs: HashMap::new() };
            self.is_pressed.store(true, Relaxed);
            tracing::warn!(
                used,
                limit = self.limit,
                "memory is scarce: new series are rationed by job"
            );
        }
        begins
    }

    /// True if a new series of this job may be made.
    pub(crate) fn admit(&self, job: &str) -> bool {
        if !self.is_pressed.load(Relaxed) {
            return true;
        }
        let rations = &mut *lock(&self.rations);
        let is_known = rations.jobs.contains_key(job);
        let name = if is_known || rations.jobs.len() < JOBS_MAX { job } else { "" };
        if !rations.jobs.contains_key(name) {
            rations.jobs.insert(name.to_owned(), Ration::default());
        }
        let share = rations.all / rations.jobs.len() as u64;
        let ration = rations.jobs.get_mut(name).expect("put in above");
        if ration.taken < share && self.used.load(Relaxed) < self.percent(FULL) {
            ration.taken += 1;
            return true;
        }
        ration.refused += 1;
        if let Some(refused) = &self.refused {
            refused.get(&[name]).inc();
        }
        false
    }

    /// How memory stands.
    pub(crate) fn status(&self) -> MemoryStatus {
        let refused =
            |(job, it): (&String, &Ration)| (0 < it.refused).then(|| (job.clone(), it.refused));
        let mut refused: Vec<_> = lock(&self.rations).jobs.iter().filter_map(refused).collect();
        refused.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        MemoryStatus {
            limit: self.limit,
            used: self.used.load(Relaxed),
            is_pressed: self.is_pressed.load(Relaxed),
            refused,
        }
    }

    fn percent(&self, n: u64) -> u64 {
        self.limit / 100 * n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    fn offer(memory: &Memory, job: &str, n: usize) -> usize {
        (0..n).filter(|_| memory.admit(job)).count()
    }

    #[test]
    fn rations_the_room_among_those_who_ask() {
        let memory = Memory::new(1000 * MB, &Registry::default());
        assert!(!memory.observe(799 * MB));
        assert_eq!(offer(&memory, "flood", 1_000_000), 1_000_000);
        assert!(memory.observe(800 * MB), "scarce now");
        assert!(!memory.observe(810 * MB), "said once");
        // Half of 120 MB, at 800 bytes each.
        let all = usize::try_from(120 * MB / 2 / SERIES_BYTES).unwrap();
        assert_eq!(offer(&memory, "flood", 1_000_000), all);
        assert_eq!(offer(&memory, "small", 100), 100);
        assert_eq!(offer(&memory, "flood", 10), 0);
        let status = memory.status();
        assert_eq!(status.refused, [("flood".to_owned(), 1_000_010 - all as u64)]);
        assert!(!memory.observe(920 * MB));
        assert_eq!((offer(&memory, "small", 1), offer(&memory, "new", 1)), (0, 0));
        assert!(!memory.observe(740 * MB));
        assert_eq!((offer(&memory, "flood", 10), memory.status().refused), (10, vec![]));
    }

    #[test]
    fn without_a_limit_nothing_is_refused() {
        let memory = Memory::new(0, &Registry::default());
        assert!(!memory.observe(u64::MAX));
        assert!(memory.admit("any"));
    }

    #[test]
    fn jobs_without_end_are_one() {
        let memory = Memory::new(1000 * MB, &Registry::default());
        memory.observe(919 * MB);
        (0..3 * JOBS_MAX).for_each(|it| {
            memory.admit(&it.to_string());
        });
        assert_eq!(lock(&memory.rations).jobs.len(), JOBS_MAX + 1);
    }
}
