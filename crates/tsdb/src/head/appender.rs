//! Taking samples.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use model::{Exemplar, Labels, Metadata, SeriesRef};
use storage::{AnySample, AnyValue, AppendError, Appender, CommitError, ExemplarError};
use wal::record::{self, Kind, RefExemplar};

use super::Head;
use super::batch::Batch;
use super::index::{Index, Key};
use super::open::Open;
use super::out_of_order::Admission;
use super::series::{Page, page_of};
use crate::sync::{lock, read, write};

/// New series are logged in records of about this size.
const RECORD_BYTES: usize = 1 << 20;
/// So many of them wait for a log that cannot be written; then new series are refused.
const UNLOGGED_MAX: usize = 64;
/// Batches kept for reuse.
const POOL_MAX: usize = 16;

/// For each open batch, the time before which it refuses samples.
#[derive(Default)]
pub(crate) struct OpenAppenders {
    state: Mutex<(u64, BTreeMap<u64, i64>)>,
    closed: Condvar,
}

/// A batch of samples for the head.
pub(crate) struct HeadAppender {
    pub(super) head: Arc<Head>,
    /// Its number among the open ones.
    number: u64,
    pub(super) batch: Batch,
    pub(super) admission: Admission,
    pub(super) n_refused: Refused,
}

/// Counts refused samples: floats, then histograms.
#[derive(Clone, Copy, Default)]
pub(super) struct Refused {
    out_of_order: [u64; 2],
    out_of_bounds: [u64; 2],
    too_old: [u64; 2],
}

impl Refused {
    pub(super) fn count(&mut self, error: &AppendError, is_histogram: bool) {
        let counts = match error {
            AppendError::OutOfOrder => &mut self.out_of_order,
            AppendError::OutOfBounds => &mut self.out_of_bounds,
            AppendError::TooOld => &mut self.too_old,
            _ => return,
        };
        counts[usize::from(is_histogram)] += 1;
    }
}

impl HeadAppender {
    pub(crate) fn new(head: Arc<Head>) -> Self {
        head.metrics.active_appenders.add(1.0);
        head.metrics.appenders_created.inc();
        let batch = lock(&head.pool).pop().unwrap_or_default();
        let (number, min_valid) = head.open_appenders.open(|| head.min_appendable());
        let admission = head.admission(min_valid);
        Self { head, number, batch, admission, n_refused: Refused::default() }
    }

    /// Takes a float if it is later than all of its page: the common case. False tells nothing.
    #[inline]
    fn take_next(&mut self, series: u64, t: i64, v: f64) -> bool {
        let Self { head, batch, admission, .. } = self;
        let takes = admission.min_valid <= t
            && !admission.is_recording
            && !head.stores_starts
            && batch.held.find(&head.pages, page_of(series)).is_some_and(|it| it.takes(series, t));
        if takes {
            batch.push_float(series, t, v);
        }
        takes
    }

    /// Takes a float if its series is known and it may go there.
    pub(super) fn take(&mut self, series: u64, t: i64, v: f64) -> Result<(), AppendError> {
        if self.head.stores_starts {
            return self.take_any(series, AnySample::float(t, v));
        }
        let held = self.batch.held.find(&self.head.pages, page_of(series));
        let held = held.ok_or(AppendError::UnknownSeries)?;
        let twice = |open: &Open| open.refuse_other(AnyValue::Float(v));
        let admitted = admit(&lock(&held.page), (series, t), self.admission, twice);
        if self.judge(admitted, t, false)? {
            self.batch.push_float(series, t, v);
        }
        Ok(())
    }

    /// Counts what was refused and what is late; false if the sample is there already.
    pub(super) fn judge(
        &mut self,
        admitted: Result<Admitted, AppendError>,
        t: i64,
        is_histogram: bool,
    ) -> Result<bool, AppendError> {
        match admitted {
            Ok(Admitted::InOrder) => return Ok(true),
            Ok(Admitted::Known) => return Ok(false),
            Ok(Admitted::Late) => {}
            Err(ref error) => self.n_refused.count(error, is_histogram),
        }
        let is_late = matches!(
            admitted,
            Ok(_) | Err(AppendError::TooOld | AppendError::OutOfBounds | AppendError::OutOfOrder)
        );
        if is_late && let Some(seconds) = &self.head.metrics.seconds_late {
            seconds.observe(self.admission.seconds_late(t));
        }
        admitted.map(|_| true)
    }

    /// Refuses what is too old for any series, before one is made for it.
    pub(super) fn in_bounds(&mut self, t: i64, is_histogram: bool) -> Result<(), AppendError> {
        match self.admission.refuse_late(t) {
            Some(error) if t < self.admission.min_valid => {
                self.judge(Err(error), t, is_histogram).map(drop)
            }
            _ => Ok(()),
        }
    }

    fn give_up(&mut self) {
        if self.admission.is_recording {
            // It may be logged and not applied yet: until the end of the recording its series must stay.
            self.batch.held.forget();
        }
        self.batch.held.release();
        self.batch.clear();
    }
}

impl Appender for HeadAppender {
    fn append_ref(&mut self, series: SeriesRef, t: i64, v: f64) -> Result<(), AppendError> {
        if self.take_next(series.0, t, v) {
            return Ok(());
        }
        self.in_bounds(t, false)?;
        self.take(series.0, t, v)
    }

    fn append(&mut self, labels: &Labels, t: i64, v: f64) -> Result<SeriesRef, AppendError> {
        self.append_any(labels, AnySample::float(t, v))
    }

    fn append_any_ref(
        &mut self,
        series: SeriesRef,
        sample: AnySample<'_>,
    ) -> Result<(), AppendError> {
        self.check(sample)?;
        self.take_any(series.0, sample)
    }

    fn append_any(
        &mut self,
        labels: &Labels,
        sample: AnySample<'_>,
    ) -> Result<SeriesRef, AppendError> {
        self.check(sample)?;
        self.take_by_labels(labels, sample)
    }

    fn append_start_ref(
        &mut self,
        series: SeriesRef,
        sample: AnySample<'_>,
    ) -> Result<(), AppendError> {
        let by_ref =
            |it: &mut Self, zero: AnySample<'_>| it.take_any(series.0, zero).map(|()| series);
        self.take_start(sample, by_ref).map(drop)
    }

    fn append_start(
        &mut self,
        labels: &Labels,
        sample: AnySample<'_>,
    ) -> Result<SeriesRef, AppendError> {
        self.take_start(sample, |it, zero| it.take_by_labels(labels, zero))
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
        let records = self.batch.encode(self.head.stores_starts);
        let head = Arc::clone(&self.head);
        let _committing = read(&head.committing);
        self.head.log(&records).map_err(CommitError)?;
        self.head.metadata.learn(&self.batch.metadata);
        if self.admission.is_recording {
            self.head.count_recorded(&self.batch);
            self.batch.clear();
            return Ok(());
        }
        for (series, it) in &self.batch.exemplars {
            self.head.exemplars.add(series, &it.labels, (it.t, it.v));
        }
        let late = self.head.apply(&self.batch, self.admission);
        self.batch.clear();
        self.head.log_late(late).map_err(CommitError)
    }

    fn rollback(self: Box<Self>) {}
}

impl Drop for HeadAppender {
    fn drop(&mut self) {
        self.give_up();
        self.head.open_appenders.close(self.number);
        let metrics = &self.head.metrics;
        for kind in 0..2 {
            metrics.out_of_order[kind].add(self.n_refused.out_of_order[kind]);
            metrics.out_of_bound[kind].add(self.n_refused.out_of_bounds[kind]);
            metrics.too_old[kind].add(self.n_refused.too_old[kind]);
        }
        metrics.active_appenders.add(-1.0);
        let mut pool = lock(&self.head.pool);
        if pool.len() < POOL_MAX && self.batch.is_small() {
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

    /// Waits until those that are open now are closed; false if `stop` became true before.
    pub(super) fn wait_for_open(&self, stop: &dyn Fn() -> bool) -> bool {
        let mut state = lock(&self.state);
        let last = state.0;
        while state.1.first_key_value().is_some_and(|(number, _)| *number <= last) {
            if stop() {
                return false;
            }
            let pause = Duration::from_millis(500);
            let waited = self.closed.wait_timeout(state, pause);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn close(&self, number: u64) {
        lock(&self.state).1.remove(&number);
        self.closed.notify_all();
    }

    /// Waits until no batch is open; false if one still is after `patience`.
    pub(super) fn wait_for_none(&self, patience: Duration) -> bool {
        let state = lock(&self.state);
        let some = |it: &mut (u64, BTreeMap<u64, i64>)| !it.1.is_empty();
        let waited = self.closed.wait_timeout_while(state, patience, some);
        waited.unwrap_or_else(PoisonError::into_inner).0.1.is_empty()
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

    /// Finds the series with these labels, or makes it. Before a sample waits for it, a truncation may drop it.
    pub(super) fn find_or_make(&self, labels: &Labels, key: &mut Key) -> Result<u64, AppendError> {
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
        let series = self.next_ref().map_err(|error| {
            AppendError::Limit(format!("new series are refused: no reference for it: {error}"))
        })?;
        let page = self.pages.make(page_of(series));
        lock(&page).insert(series, key.as_bytes());
        index.insert(key.as_bytes(), series);
        if !self.is_recording.load(SeqCst) {
            // Series of the log, which are to come before it, are not all there yet.
            index.add_postings(key.as_bytes(), series);
        }
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
        let before = writer.segment();
        let result = writer.log(&records);
        if before != writer.segment() {
            read(&self.references).note_segment(writer.segment());
        }
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

/// What a sample is to its series.
pub(super) enum Admitted {
    InOrder,
    /// Older than the newest, and to be kept beside the others.
    Late,
    /// The newest, which is there already.
    Known,
}

/// Takes any sample that the head takes at all: what its series has is not known yet.
fn admit_unseen(
    page: &Page,
    at: u64,
    refusal: Option<AppendError>,
) -> Result<Admitted, AppendError> {
    if !page.has(at) {
        return Err(AppendError::UnknownSeries);
    }
    refusal.map_or(Ok(Admitted::InOrder), Err)
}

/// Says whether a sample may be taken. `twice` judges one at the time of the last sample.
pub(super) fn admit(
    page: &Page,
    (at, t): (u64, i64),
    admission: Admission,
    twice: impl FnOnce(&Open) -> Result<(), AppendError>,
) -> Result<Admitted, AppendError> {
    let is_valid = admission.min_valid <= t;
    if admission.is_recording {
        return admit_unseen(page, at, admission.refuse_late(t).filter(|_| !is_valid));
    }
    let series = page.get(at).ok_or(AppendError::UnknownSeries)?;
    let last = page.last_t(series);
    if is_valid && last.is_none_or(|last| last < t) {
        return Ok(Admitted::InOrder);
    }
    if is_valid
        && last == Some(t)
        && let Some(open) = &series.open
    {
        return twice(open).map(|()| Admitted::Known);
    }
    if let Some(error) = admission.refuse_late(t) {
        return Err(error);
    }
    Ok(Admitted::Late)
}
