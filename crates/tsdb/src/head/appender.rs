//! Taking samples.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use model::{Exemplar, Labels, Metadata, SeriesRef};
use storage::{AppendError, Appender, CommitError, ExemplarError};
use wal::record::{self, Kind, RefExemplar, RefSample};

use super::Head;
use super::batch::Batch;
use super::index::{Index, Key};
use super::series::{Page, for_each_page, page_of};
use crate::sync::{lock, read, write};

/// New series are logged in records of about this size.
const RECORD_BYTES: usize = 1 << 20;
/// So many of them wait for a log that cannot be written; then new series are refused.
const UNLOGGED_MAX: usize = 64;
/// Batches kept for reuse, and samples in one of them.
const POOL_MAX: usize = 16;
const POOLED_SAMPLES_MAX: usize = 1 << 17;

/// For each open batch, the time before which it refuses samples.
#[derive(Default)]
pub(crate) struct OpenAppenders {
    state: Mutex<(u64, BTreeMap<u64, i64>)>,
    closed: Condvar,
}

/// A batch of samples for the head.
pub(crate) struct HeadAppender {
    head: Arc<Head>,
    /// Its number among the open ones.
    number: u64,
    batch: Batch,
    /// Older samples are refused.
    min_valid: i64,
    /// The page of the series appended to last.
    page: Option<(u64, Arc<Mutex<Page>>)>,
    /// Refused so far: out of order, out of bounds.
    n_refused: (u64, u64),
}

impl HeadAppender {
    pub(crate) fn new(head: Arc<Head>) -> Self {
        head.metrics.active_appenders.add(1.0);
        let batch = lock(&head.pool).pop().unwrap_or_default();
        let (number, min_valid) = head.open_appenders.open(|| head.min_appendable());
        Self { head, number, batch, min_valid, page: None, n_refused: (0, 0) }
    }

    /// Takes a sample if its series is known and it may go there.
    fn take(&mut self, series: u64, t: i64, v: f64) -> Result<(), AppendError> {
        let number = page_of(series);
        if self.page.as_ref().is_none_or(|(n, _)| *n != number) {
            let page = self.head.pages.find(number).ok_or(AppendError::UnknownSeries)?;
            self.page = Some((number, page));
        }
        let (_, page) = self.page.as_ref().expect("set above");
        match admit(&mut lock(page), series, t, v) {
            Ok(true) => self.batch.samples.push(RefSample { series: SeriesRef(series), t, v }),
            Ok(false) => {}
            Err(error) => {
                self.n_refused.0 += u64::from(error == AppendError::OutOfOrder);
                return Err(error);
            }
        }
        Ok(())
    }

    fn in_bounds(&mut self, t: i64) -> Result<(), AppendError> {
        if t < self.min_valid {
            self.n_refused.1 += 1;
            return Err(AppendError::OutOfBounds);
        }
        Ok(())
    }

    fn give_up(&mut self) {
        for_each_page(
            &self.head.pages,
            &self.batch.samples,
            |it| it.series.0,
            |page, it| {
                page.set_pending(it.series.0, false);
            },
        );
        self.batch.clear();
    }
}

impl Appender for HeadAppender {
    fn append_ref(&mut self, series: SeriesRef, t: i64, v: f64) -> Result<(), AppendError> {
        self.in_bounds(t)?;
        self.take(series.0, t, v)
    }

    fn append(&mut self, labels: &Labels, t: i64, v: f64) -> Result<SeriesRef, AppendError> {
        self.in_bounds(t)?;
        if labels.is_empty() {
            return Err(AppendError::InvalidLabels("empty labelset: invalid sample".to_owned()));
        }
        loop {
            let series = self.head.find_or_make(labels, &mut self.batch.key)?;
            match self.take(series, t, v) {
                // Dropped between the two lines above.
                Err(AppendError::UnknownSeries) => {}
                other => return other.map(|()| SeriesRef(series)),
            }
        }
    }

    fn append_exemplar(
        &mut self,
        series: SeriesRef,
        exemplar: &Exemplar,
    ) -> Result<(), ExemplarError> {
        let Some(t) = exemplar.t.filter(|_| self.head.exemplars.is_on()) else { return Ok(()) };
        let found = self.head.labels(series.0).ok_or(ExemplarError::UnknownSeries(series))?;
        let Exemplar { labels, value: v, .. } = exemplar;
        if self.head.exemplars.check(&found, labels, (t, *v))? {
            let exemplar = RefExemplar { series, t, v: *v, labels: labels.clone() };
            self.batch.exemplars.push((found, exemplar));
        }
        Ok(())
    }

    fn set_metadata(&mut self, series: SeriesRef, metadata: &Metadata) -> Result<(), AppendError> {
        if self.head.metadata.is_news(series, metadata) {
            let page = self.head.pages.find(page_of(series.0));
            if !page.is_some_and(|page| lock(&page).has(series.0)) {
                return Err(AppendError::UnknownSeries);
            }
            self.batch.metadata.push((series, metadata.clone()));
        }
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<(), CommitError> {
        // On failure, dropping this gives the batch up.
        self.head.log(&self.batch.encode()).map_err(CommitError)?;
        self.head.metadata.learn(&self.batch.metadata);
        for (series, it) in &self.batch.exemplars {
            self.head.exemplars.add(series, &it.labels, (it.t, it.v));
        }
        self.head.apply(&self.batch.samples);
        self.batch.clear();
        Ok(())
    }

    fn rollback(self: Box<Self>) {}
}

impl Drop for HeadAppender {
    fn drop(&mut self) {
        self.give_up();
        self.head.open_appenders.close(self.number);
        let metrics = &self.head.metrics;
        metrics.out_of_order.add(self.n_refused.0);
        metrics.out_of_bound.add(self.n_refused.1);
        metrics.active_appenders.add(-1.0);
        let mut pool = lock(&self.head.pool);
        if pool.len() < POOL_MAX && self.batch.samples.capacity() < POOLED_SAMPLES_MAX {
            pool.push(std::mem::take(&mut self.batch));
        }
    }
}

impl OpenAppenders {
    fn open(&self, min_valid: impl FnOnce() -> i64) -> (u64, i64) {
        let (next, open) = &mut *lock(&self.state);
        *next += 1;
        // Asked for under the lock: whoever raises it and then waits must not miss this one.
        let min_valid = min_valid();
        open.insert(*next, min_valid);
        (*next, min_valid)
    }

    fn close(&self, number: u64) {
        lock(&self.state).1.remove(&number);
        self.closed.notify_all();
    }
}

impl Head {
    /// Refuses samples before `t` from now on and waits for the batches that may still hold some; false
    /// if `stop` became true before.
    pub(crate) fn wait_for_appenders_before(&self, t: i64, stop: &dyn Fn() -> bool) -> bool {
        self.min_valid.fetch_max(t, SeqCst);
        let mut state = lock(&self.open_appenders.state);
        while state.1.values().any(|min_valid| *min_valid < t) {
            if stop() {
                return false;
            }
            let pause = Duration::from_millis(500);
            let waited = self.open_appenders.closed.wait_timeout(state, pause);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Finds the series with these labels, or makes it; it is marked as having a batch open.
    fn find_or_make(&self, labels: &Labels, key: &mut Key) -> Result<u64, AppendError> {
        let is_complete = {
            let index = read(&self.index);
            let is_complete = index.find_key(labels, key);
            if is_complete && let Some(found) = self.find_by_key(&index, key) {
                return Ok(found);
            }
            is_complete.then(|| index.generation())
        };
        if !self.memory.admit(labels.get("job").unwrap_or_default()) {
            return Err(AppendError::Limit(
                "new series are refused: the process nears its memory limit".to_owned(),
            ));
        }
        let mut index = write(&self.index);
        if is_complete != Some(index.generation()) {
            index.make_key(labels, key);
        }
        if let Some(found) = self.find_by_key(&index, key) {
            return Ok(found);
        }
        if UNLOGGED_MAX < lock(&self.unlogged).len() {
            return Err(AppendError::Limit(
                "new series are refused: the log cannot be written".to_owned(),
            ));
        }
        let series = self.next_ref();
        let page = self.pages.make(page_of(series));
        {
            let mut page = lock(&page);
            page.insert(series, key.as_bytes());
            page.set_pending(series, true);
        }
        index.insert(key.as_bytes(), series);
        index.add_postings(key.as_bytes(), series);
        self.remember_to_log(SeriesRef(series), labels);
        self.metrics.series_created.inc();
        Ok(series)
    }

    /// A new series is logged with the next commit, whoever's that is: a sample of it may be in any.
    fn remember_to_log(&self, series: SeriesRef, labels: &Labels) {
        let mut unlogged = lock(&self.unlogged);
        if unlogged.last().is_none_or(|it| RECORD_BYTES < it.len()) {
            let mut record = Vec::new();
            record::start(Kind::Series, &mut record);
            unlogged.push(record);
        }
        record::put_series(unlogged.last_mut().expect("pushed above"), series, labels);
    }

    /// Logs new series, and then those of the records that are not empty.
    pub(super) fn log(&self, of_batch: &[&[u8]]) -> Result<(), String> {
        let mut log = lock(&self.log);
        let Some(writer) = log.as_mut() else { return Err("the database is closed".to_owned()) };
        let new_series = std::mem::take(&mut *lock(&self.unlogged));
        let mut records: Vec<&[u8]> = new_series.iter().map(|it| &it[..]).collect();
        records.extend(of_batch.iter().filter(|it| !it.is_empty()));
        if records.is_empty() {
            return Ok(());
        }
        let result = writer.log(&records);
        if result.is_err() {
            lock(&self.unlogged).extend(new_series);
        }
        result.map_err(|error| error.to_string())
    }

    fn find_by_key(&self, index: &Index, key: &Key) -> Option<u64> {
        index.find(key.as_bytes(), |it| self.has_key(it, key.as_bytes()))
    }

    fn has_key(&self, series: u64, key: &[u8]) -> bool {
        self.pages.find(page_of(series)).is_some_and(|page| lock(&page).has_key(series, key))
    }
}

/// Says whether a sample may be taken; `false` if it is there already.
fn admit(page: &mut Page, at: u64, t: i64, v: f64) -> Result<bool, AppendError> {
    if page.is_before(t) && page.has(at) {
        // The common case, without a look at the record, which is far away.
        page.set_pending(at, true);
        return Ok(true);
    }
    let series = page.get(at).ok_or(AppendError::UnknownSeries)?;
    match &series.open {
        Some(open) if open.last_t() < t => {}
        Some(open) if open.last_t() == t => {
            let existing = open.last_v();
            return match existing.to_bits() == v.to_bits() {
                true => Ok(false),
                false => Err(AppendError::Duplicate { t, existing, new: v }),
            };
        }
        Some(_) => return Err(AppendError::OutOfOrder),
        None => {
            if page.last_t(series).is_some_and(|last| t <= last) {
                return Err(AppendError::OutOfOrder);
            }
        }
    }
    page.set_pending(at, true);
    Ok(true)
}
