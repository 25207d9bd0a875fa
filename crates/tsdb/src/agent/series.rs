//! Which series there are.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use model::{Exemplar, Labels, SeriesRef};
use std::hash::BuildHasher;
use wal::record::{self, Kind, RefSample};

/// New series are logged in records of about this size.
const RECORD_BYTES: usize = 1 << 20;
/// So many of them wait for a log that cannot be written; then new series are refused.
const UNLOGGED_MAX: usize = 64;

/// What is known of a series.
pub(super) struct Series {
    labels: Labels,
    /// Time of its newest sample.
    pub(super) last_t: i64,
    /// Open batches that name it.
    pub(super) n_pending: u32,
    /// The newest exemplar.
    pub(super) exemplar: Option<Box<Exemplar>>,
}

/// What is left of a series that is forgotten.
struct Forgotten {
    /// The one that was written when it was.
    segment: u32,
    /// Empty if they are not remembered.
    labels: Labels,
}

/// All series, those that are forgotten, and records that no commit has logged yet.
#[derive(Default)]
pub(super) struct Table {
    series: HashMap<u64, Series>,
    by_labels: HashTable<u64>,
    hasher: FixedState,
    last_ref: u64,
    /// Forgotten series.
    forgotten: BTreeMap<u64, Forgotten>,
    /// The labels of forgotten series are kept with them.
    pub(super) remembers_labels: bool,
    /// References of the log that mean another series with the same labels.
    aliases: HashMap<u64, u64>,
    unlogged: Vec<Vec<u8>>,
}

fn started(kind: Kind) -> Vec<u8> {
    let mut record = Vec::new();
    record::start(kind, &mut record);
    record
}

impl Table {
    pub(super) fn get_mut(&mut self, series: u64) -> Option<&mut Series> {
        self.series.get_mut(&series)
    }

    /// Finds the series with these labels, or makes it. `None` if too many wait for the log.
    pub(super) fn find_or_make(&mut self, labels: &Labels) -> Option<u64> {
        if let Some(found) = self.find(labels) {
            return Some(found);
        }
        if UNLOGGED_MAX < self.unlogged.len() {
            return None;
        }
        let series = self.last_ref + 1;
        self.insert(series, labels.clone());
        if self.unlogged.last().is_none_or(|it| RECORD_BYTES < it.len()) {
            self.unlogged.push(started(Kind::Series));
        }
        let record = self.unlogged.last_mut().expect("pushed above");
        record::put_series(record, SeriesRef(series), labels);
        Some(series)
    }

    fn find(&self, labels: &Labels) -> Option<u64> {
        let hash = self.hasher.hash_one(labels.as_bytes());
        let is_it = |it: &u64| self.series.get(it).is_some_and(|it| it.labels == *labels);
        self.by_labels.find(hash, is_it).copied()
    }

    fn insert(&mut self, series: u64, labels: Labels) {
        self.last_ref = self.last_ref.max(series);
        let Self { series: all, by_labels, hasher, .. } = self;
        let hash = hasher.hash_one(labels.as_bytes());
        let made = Series { labels, last_t: i64::MIN, n_pending: 0, exemplar: None };
        all.insert(series, made);
        by_labels.insert_unique(hash, series, |it| {
            all.get(it).map_or(0, |it| hasher.hash_one(it.labels.as_bytes()))
        });
    }

    /// Takes a series from the log.
    pub(super) fn replay(&mut self, series: u64, labels: Labels) {
        self.last_ref = self.last_ref.max(series);
        if labels.is_empty() || self.series.contains_key(&series) {
            return;
        }
        match self.find(&labels) {
            Some(found) => drop(self.aliases.insert(series, found)),
            None => self.insert(series, labels),
        }
    }

    /// Takes the time of a sample from the log. False if the series is not known.
    pub(super) fn replay_time(&mut self, series: u64, t: i64) -> bool {
        let series = self.aliases.get(&series).copied().unwrap_or(series);
        let Some(found) = self.series.get_mut(&series) else { return false };
        found.last_t = found.last_t.max(t);
        true
    }

    /// Forgets series without samples from `mint` on; `segment` is the one being written.
    pub(super) fn forget(&mut self, mint: i64, segment: u32) {
        let is_gone = |it: &Series| it.last_t < mint && it.n_pending == 0;
        let gone: Vec<u64> =
            self.series.iter().filter(|it| is_gone(it.1)).map(|it| *it.0).collect();
        for series in gone {
            let Some(old) = self.series.remove(&series) else { continue };
            let hash = self.hasher.hash_one(old.labels.as_bytes());
            if let Ok(entry) = self.by_labels.find_entry(hash, |it| *it == series) {
                entry.remove();
            }
            let labels = if self.remembers_labels { old.labels } else { Labels::default() };
            self.forgotten.insert(series, Forgotten { segment, labels });
        }
    }

    /// Forgets even the references of those that no segment after `last` names.
    pub(super) fn forget_finally(&mut self, last: u32) {
        self.forgotten.retain(|_, it| last < it.segment);
    }

    /// True if a record of the series has to stay in the log.
    pub(super) fn is_needed(&self, series: u64) -> bool {
        let target = self.aliases.get(&series).unwrap_or(&series);
        self.series.contains_key(target)
            || self.forgotten.contains_key(target)
            || self.forgotten.contains_key(&series)
    }

    /// The references of all series, ascending.
    pub(super) fn references(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.series.keys().copied().collect();
        all.sort_unstable();
        all
    }

    /// Records that say what is known of these series: their labels, and as samples without meaning the times of
    /// their newest.
    pub(super) fn records(&self, references: &[u64]) -> Vec<Vec<u8>> {
        let known = || references.iter().filter_map(|it| Some((*it, self.series.get(it)?)));
        let [mut series, mut samples] = [Kind::Series, Kind::Samples].map(started);
        known()
            .for_each(|(it, known)| record::put_series(&mut series, SeriesRef(it), &known.labels));
        let seen = known().filter(|it| it.1.last_t != i64::MIN);
        let seen =
            seen.map(|(it, known)| RefSample { series: SeriesRef(it), t: known.last_t, v: 0.0 });
        record::put_samples(&mut samples, seen);
        vec![series, samples]
    }

    /// A record of what later segments may still name: forgotten series, and second references.
    pub(super) fn records_of_gone(&self) -> Option<Vec<u8>> {
        let mut record = started(Kind::Series);
        let empty = record.len();
        let labels_of = |it: &u64| {
            let forgotten = self.forgotten.get(it).map(|it| &it.labels);
            self.series.get(it).map(|it| &it.labels).or(forgotten)
        };
        let aliases = self.aliases.iter().map(|(alias, target)| (*alias, labels_of(target)));
        let forgotten = self.forgotten.iter().map(|(it, gone)| (*it, Some(&gone.labels)));
        for (series, labels) in aliases.chain(forgotten) {
            if let Some(labels) = labels.filter(|it| !it.is_empty()) {
                record::put_series(&mut record, SeriesRef(series), labels);
            }
        }
        (empty < record.len()).then_some(record)
    }

    pub(super) fn take_unlogged(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.unlogged)
    }

    /// Takes back what could not be logged; it comes before what is newer.
    pub(super) fn give_back(&mut self, mut records: Vec<Vec<u8>>) {
        records.append(&mut self.unlogged);
        self.unlogged = records;
    }

    pub(super) fn n_active(&self) -> usize {
        self.series.len()
    }

    pub(super) fn n_forgotten(&self) -> usize {
        self.forgotten.len()
    }
}
