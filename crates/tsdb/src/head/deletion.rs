//! What is deleted in the head: intervals by series, in the log first and then in memory.
//!
//! Reads leave them out, and so does a block that is written from the head. They go when the head is
//! truncated past them, or with their series.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, RwLock};

use block::{Interval, Intervals};
use model::{Labels, Matcher, SeriesRef};
use storage::Guard;
use wal::record::{self, Kind, Tombstone};

use super::Head;
use super::index::Key;
use super::open::Open;
use super::series::{Page, Series, for_each_page};
use crate::sync::{read, write};

/// Deletions are logged in records of about this size.
const RECORD_BYTES: usize = 1 << 20;

/// The deleted intervals of the head's series. The lock comes after that of a page.
#[derive(Default)]
pub(crate) struct Deletions {
    /// Looked at first, so that reads pay nothing while nothing is deleted.
    is_used: AtomicBool,
    by_series: RwLock<HashMap<u64, Arc<Intervals>>>,
}

impl Deletions {
    /// What is deleted of a series.
    pub(crate) fn get(&self, series: u64) -> Option<Arc<Intervals>> {
        if !self.is_used.load(SeqCst) {
            return None;
        }
        read(&self.by_series).get(&series).cloned()
    }

    /// All deleted intervals with their series.
    pub(crate) fn all(&self) -> Vec<(u64, Interval)> {
        let all = read(&self.by_series);
        let each = |(series, deleted): (&u64, &Arc<Intervals>)| -> Vec<(u64, Interval)> {
            deleted.as_slice().iter().map(|it| (*series, *it)).collect()
        };
        all.iter().flat_map(each).collect()
    }

    /// Marks an interval of a series as deleted.
    pub(crate) fn add(&self, series: u64, interval: Interval) {
        let mut all = write(&self.by_series);
        Arc::make_mut(all.entry(series).or_default()).add(interval);
        self.is_used.store(true, SeqCst);
    }

    /// Forgets a series.
    pub(crate) fn remove(&self, series: u64) {
        if self.is_used.load(SeqCst) {
            write(&self.by_series).remove(&series);
        }
    }

    /// Forgets what ends before `mint`, and series that are gone.
    pub(super) fn truncate(&self, mint: i64, is_there: impl Fn(u64) -> bool) {
        if !self.is_used.load(SeqCst) {
            return;
        }
        // The pages are locked before this, never after.
        let known: Vec<u64> = read(&self.by_series).keys().copied().collect();
        let gone: Vec<u64> = known.into_iter().filter(|it| !is_there(*it)).collect();
        let mut all = write(&self.by_series);
        gone.iter().for_each(|it| drop(all.remove(it)));
        all.retain(|_, intervals| {
            if intervals.as_slice().first().is_some_and(|it| it.maxt < mint) {
                Arc::make_mut(intervals).remove_before(mint);
            }
            !intervals.is_empty()
        });
        self.is_used.store(!all.is_empty(), SeqCst);
    }
}

impl Head {
    /// Deletes what the series that fulfil all matchers have in `mint..=maxt`. A sample that comes later is
    /// not concerned, unless it comes out of order.
    ///
    /// # Errors
    /// If the log cannot be written. What was logged before is deleted.
    pub(crate) fn delete(&self, mint: i64, maxt: i64, matchers: &[Matcher]) -> Result<(), String> {
        let found = self.find_series(matchers, &Guard::default()).expect("nobody gives it up");
        let mut stones: Vec<Tombstone> = Vec::new();
        for_each_page(
            &self.pages,
            &found,
            |it| *it,
            |page, series| {
                let range =
                    page.get(*series).and_then(|record| self.range_of(page, *series, record));
                let Some((first, last)) = range else { return };
                let (mint, maxt) = (mint.max(first), maxt.min(last));
                if mint <= maxt {
                    stones.push(Tombstone { series: SeriesRef(*series), mint, maxt });
                }
            },
        );
        self.log_stones(&stones, |Tombstone { series, mint, maxt }| {
            self.deletions.add(series.0, Interval { mint, maxt });
        })
    }

    /// Notes in the log that what blocks hold of series is deleted, for a start that finds their samples in the log:
    /// late ones, of series that left the head perhaps.
    ///
    /// # Errors
    /// If the log cannot be written, or there is no room for a series.
    pub(crate) fn log_deleted(&self, all: &[(Labels, Interval)]) -> Result<(), String> {
        let mut key = Key::default();
        let mut stones: Vec<Tombstone> = Vec::new();
        for (labels, Interval { mint, maxt }) in all {
            let series = self.find_or_make(labels, &mut key).map_err(|error| error.to_string())?;
            stones.push(Tombstone { series: SeriesRef(series), mint: *mint, maxt: *maxt });
        }
        self.log_stones(&stones, |_| ())
    }

    /// Logs deletions; `each` is told of those that are.
    fn log_stones(&self, stones: &[Tombstone], each: impl Fn(Tombstone)) -> Result<(), String> {
        let mut record = Vec::new();
        for some in stones.chunks(RECORD_BYTES / size_of::<Tombstone>()) {
            record.clear();
            record::start(Kind::Tombstones, &mut record);
            some.iter().for_each(|it| record::put_tombstone(&mut record, *it));
            self.log(&[&record])?;
            some.iter().for_each(|it| each(*it));
        }
        Ok(())
    }

    /// Times of the first and the last sample of a series, late ones included, and those that a start would find
    /// in files once more; `None` without any.
    fn range_of(&self, page: &Page, number: u64, series: &Series) -> Option<(i64, i64)> {
        let in_order = self.range_in_order(page, series);
        // Of its given up samples none is where one in order may come yet.
        let first_free =
            in_order.map_or(i64::MIN, |it| it.1).max(self.min_appendable().saturating_sub(1));
        let given_up = self.out_of_order.given_up().map(|it| (it.0, it.1.min(first_free)));
        let late =
            page.late.time_range(number).into_iter().chain(given_up.filter(|it| it.0 <= it.1));
        late.chain(in_order).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    fn range_in_order(&self, page: &Page, series: &Series) -> Option<(i64, i64)> {
        let last = page.last_t(series)?;
        let first = match page.finished(series).last() {
            Some(oldest) => self.chunk_files.mint(oldest.at).ok(),
            None => series.open.as_ref().map(Open::first_t),
        };
        // A first chunk that cannot be read does not save the others.
        Some((first.unwrap_or(i64::MIN), last))
    }

    /// True if of all chunks of a series that have samples in `mint..=maxt` nothing is left.
    pub(super) fn is_deleted(
        &self,
        page: &Page,
        number: u64,
        series: &Series,
        (mint, maxt): (i64, i64),
    ) -> bool {
        let Some(deleted) = self.deletions.get(number) else { return false };
        let is_gone =
            |first: i64, last: i64| last < mint || maxt < first || deleted.covers(first, last);
        let open = series.open.as_ref();
        open.is_none_or(|it| is_gone(it.first_t(), it.last_t()))
            && page
                .finished(series)
                .all(|it| self.chunk_files.mint(it.at).is_ok_and(|first| is_gone(first, it.maxt)))
    }
}
