//! Logged samples become visible.

use std::sync::atomic::Ordering::Relaxed;

use chunk::{HistogramRef, OpenChunk, OpenHistogram, OpenXor2, Sample, Value, cut};
use model::SeriesRef;
use storage::{AnySample, AnyValue};
use wal::record::RefSample;

use super::Head;
use super::batch::{Batch, Other, Part};
use super::isolation::Applying;
use super::open::{Open, Rare, StaleHistogram};
use super::out_of_order::{Admission, LateRecords, LateSample};
use super::series::{Finished, Page, Series, for_each_run};

/// Samples whose series are fetched into the cache together.
pub(super) const TOUCHED_TOGETHER: usize = 16;
/// Even if full chunks cannot be written out, a chunk takes no more samples.
const SAMPLES_MAX: u16 = 60_000;

/// What a commit did; counts are of floats, then of histograms.
pub(super) struct Applied {
    pub(super) n: [u64; 2],
    pub(super) n_late: [u64; 2],
    pub(super) n_chunks: u64,
    pub(super) mint: i64,
    pub(super) maxt: i64,
    /// Out-of-order samples that were taken.
    pub(super) late: LateRecords,
    n_late_taken: [u64; 2],
}

impl Default for Applied {
    fn default() -> Self {
        Self {
            n: [0; 2],
            n_late: [0; 2],
            n_chunks: 0,
            mint: i64::MAX,
            maxt: i64::MIN,
            late: LateRecords::default(),
            n_late_taken: [0; 2],
        }
    }
}

impl Applied {
    /// Counts what became of a sample at `t`.
    pub(super) fn count(&mut self, is_histogram: bool, t: i64, pushed: Pushed) {
        let kind = usize::from(is_histogram);
        match pushed {
            Pushed::Stored => {
                self.n[kind] += 1;
                self.mint = self.mint.min(t);
                self.maxt = self.maxt.max(t);
            }
            Pushed::Late => self.n_late[kind] += 1,
        }
    }
}

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    Stored,
    /// The series has that time or a later one already.
    Late,
}

impl Head {
    /// Makes logged samples visible. Returns those that are out of order, still to be logged as such.
    pub(super) fn apply(&self, batch: &Batch, admission: Admission) -> LateRecords {
        let applying = self.isolation.apply();
        let mut applied = Applied::default();
        for part in batch.parts() {
            self.apply_part(part, (&applying, admission), &mut applied);
        }
        drop(applying);
        self.widen(applied.mint, applied.maxt);
        for kind in 0..2 {
            self.metrics.samples_appended[kind].add(applied.n[kind]);
            self.metrics.out_of_order[kind].add(applied.n_late[kind]);
            self.metrics.late_appended[kind].add(applied.n_late_taken[kind]);
        }
        self.metrics.chunks_created.add(applied.n_chunks);
        applied.late
    }

    /// Counts the samples of a batch that is only logged.
    pub(super) fn count_recorded(&self, batch: &Batch) {
        for Part { samples, others, .. } in batch.parts() {
            let is_float = |it: &&Other| matches!(it.sample.value, Value::Float(_));
            let n_floats = samples.len() + others.iter().filter(is_float).count();
            let n = [n_floats, samples.len() + others.len() - n_floats];
            (0..2).for_each(|kind| self.metrics.samples_appended[kind].add(n[kind] as u64));
        }
    }

    fn apply_part(&self, part: &Part, how: (&Applying<'_>, Admission), applied: &mut Applied) {
        let Part { samples, others, .. } = part;
        for_each_run(
            &self.pages,
            samples,
            |it| it.series.0,
            |page, run| {
                for some in run.chunks(TOUCHED_TOGETHER) {
                    page.touch(some.iter().map(|it| it.series.0));
                    for it in some {
                        if push_next(page, it, how) {
                            applied.count(false, it.t, Pushed::Stored);
                            continue;
                        }
                        let push = |page: &mut Page, applied: &mut Applied| {
                            self.push_sample(page, it, applied)
                        };
                        if !store((page, it.series.0, it.t), how, false, applied, push) {
                            let late = LateSample::float(it.t, it.v);
                            self.store_if_late(page, it.series.0, late, how.1, applied);
                        }
                    }
                }
            },
        );
        for_each_run(
            &self.pages,
            others,
            |it| it.series,
            |page, run| {
                for Other { series, sample } in run {
                    let push = |page: &mut Page, applied: &mut Applied| {
                        self.push_other(page, *series, sample, applied)
                    };
                    let is_histogram = !matches!(sample.value, Value::Float(_));
                    if !store((page, *series, sample.t), how, is_histogram, applied, push) {
                        let late = LateSample::from(sample);
                        self.store_if_late(page, *series, late, how.1, applied);
                    }
                }
            },
        );
    }

    /// Keeps a sample that is not in order, if it is late by no more than is allowed. Else another batch was
    /// faster: this one is in the log, and replay will leave it out too.
    fn store_if_late(
        &self,
        page: &mut Page,
        series: u64,
        sample: LateSample,
        admission: Admission,
        applied: &mut Applied,
    ) {
        let kind = usize::from(sample.is_histogram());
        let is_there = page.get(series).is_none_or(|it| page.last_t(it) == Some(sample.t));
        let is_taken = !is_there
            && admission.refuse_late(sample.t).is_none()
            && self.store_late(page, series, sample, &mut applied.late);
        let counts = if is_taken { &mut applied.n } else { &mut applied.n_late };
        counts[kind] += 1;
        applied.n_late_taken[kind] += u64::from(is_taken);
    }

    /// Appends a float without a start time to its series.
    pub(super) fn push_sample(
        &self,
        page: &mut Page,
        sample: &RefSample,
        applied: &mut Applied,
    ) -> Pushed {
        let RefSample { series: SeriesRef(at), t, v } = *sample;
        let Some(series) = page.get(at) else { return Pushed::Late };
        if page.last_t(series).is_some_and(|last| t <= last) {
            return Pushed::Late;
        }
        page.widen(t);
        let series = page.get_mut(at).expect("looked at above");
        if let Some(Open::Float(open)) = &mut series.open
            && !is_full(open, t, &mut series.next_at)
        {
            open.append(t, v);
            return Pushed::Stored;
        }
        self.push_any(page, at, AnySample::float(t, v), applied)
    }

    /// Appends any sample to its series.
    pub(super) fn push_other(
        &self,
        page: &mut Page,
        at: u64,
        sample: &Sample,
        applied: &mut Applied,
    ) -> Pushed {
        let t = sample.t;
        let Some(series) = page.get(at) else { return Pushed::Late };
        if page.last_t(series).is_some_and(|last| t <= last) {
            return Pushed::Late;
        }
        page.widen(t);
        self.push_any(page, at, as_any(sample), applied)
    }

    /// Appends a sample that is later than all of its series.
    fn push_any(
        &self,
        page: &mut Page,
        at: u64,
        sample: AnySample<'_>,
        applied: &mut Applied,
    ) -> Pushed {
        let n_buckets = |page: &Page| page.get(at)?.open.as_ref()?.n_buckets();
        let before = n_buckets(page);
        let AnySample { st, t, value } = sample;
        let is_stored = match value {
            AnyValue::Float(v) => match self.stale_histogram(page, at, v) {
                Some(marker) => self.push_histogram(page, at, (st, t, marker.as_ref()), applied),
                None => self.push_float(page, at, (st, t, v), applied),
            },
            AnyValue::Histogram(it) => self.push_histogram(page, at, (st, t, it.into()), applied),
            AnyValue::FloatHistogram(it) => {
                self.push_histogram(page, at, (st, t, it.into()), applied)
            }
        };
        page.count_buckets(before, n_buckets(page));
        if is_stored { Pushed::Stored } else { Pushed::Late }
    }

    /// A marker for the end of a series is logged as a float, whatever the series has: what it is here.
    fn stale_histogram(&self, page: &Page, at: u64, v: f64) -> Option<StaleHistogram> {
        if !model::is_stale_nan(v) {
            return None;
        }
        let series = page.get(at)?;
        let encoding = match &series.open {
            Some(open) => open.as_data().encoding,
            None => self.chunk_files.read(page.finished(series).next()?.at).ok()?.encoding,
        };
        StaleHistogram::of(v, encoding)
    }

    fn push_float(
        &self,
        page: &mut Page,
        at: u64,
        (st, t, v): (i64, i64, f64),
        applied: &mut Applied,
    ) -> bool {
        let Some(series) = page.get_mut(at) else { return false };
        if self.append_float(series, (st, t, v), false) {
            return true;
        }
        let next = if self.float_xor2.load(Relaxed) {
            Open::xor2(OpenXor2::start(st, t, v))
        } else {
            Open::Float(OpenChunk::start(t, v))
        };
        if self.begin_chunk(page, at, next, applied) {
            return true;
        }
        page.get_mut(at).is_some_and(|series| self.append_float(series, (st, t, v), true))
    }

    /// Appends a float to the open chunk, if that takes it. `even_if_full`: the disk refuses what is full.
    fn append_float(
        &self,
        series: &mut Series,
        (st, t, v): (i64, i64, f64),
        even_if_full: bool,
    ) -> bool {
        let Series { open: Some(open), next_at, .. } = series else { return false };
        match open {
            Open::Float(it) => {
                let takes = !self.stores_starts
                    && it.n_samples() < SAMPLES_MAX
                    && (even_if_full || !is_full(it, t, next_at));
                if takes {
                    it.append(t, v);
                }
                takes
            }
            Open::Rare(rare) => {
                let Rare::Xor2(it) = &mut **rare else { return false };
                let takes = it.n_samples() < SAMPLES_MAX
                    && (even_if_full || !cut::before_float(it.filling(), t, next_at));
                if takes {
                    it.append(st, t, v);
                }
                takes
            }
        }
    }

    fn push_histogram(
        &self,
        page: &mut Page,
        at: u64,
        (st, t, histogram): (i64, i64, HistogramRef<'_>),
        applied: &mut Applied,
    ) -> bool {
        let Some(Series { open, next_at, .. }) = page.get_mut(at) else { return false };
        let with_starts = self.histogram_starts;
        let next = match open.as_mut().and_then(Open::as_histogram_mut) {
            Some(it) => {
                if it.is_full(t, self.chunk_range_ms, next_at) {
                    it.follow(with_starts, st, t, histogram)
                } else if let Some(next) = it.append(st, t, histogram) {
                    next
                } else {
                    return true;
                }
            }
            None => OpenHistogram::start(with_starts, st, t, histogram),
        };
        if self.begin_chunk(page, at, Open::histogram(next), applied) {
            return true;
        }
        // The disk refuses what is full: it grows on, if it can.
        let open = page.get_mut(at).and_then(|it| it.open.as_mut());
        let open = open.and_then(Open::as_histogram_mut);
        open.is_some_and(|it| it.append(st, t, histogram).is_none())
    }

    /// Finishes the open chunk and puts the next in its place; false if the disk refuses.
    fn begin_chunk(&self, page: &mut Page, at: u64, next: Open, applied: &mut Applied) -> bool {
        let Some(series) = page.get_mut(at) else { return false };
        let next_at = cut::range_end(next.first_t(), self.chunk_range_ms);
        let Some(open) = &series.open else {
            (series.open, series.next_at) = (Some(next), next_at);
            page.count_opened();
            applied.n_chunks += 1;
            return true;
        };
        let (mint, maxt) = (open.first_t(), open.last_t());
        let Ok(place) = self.chunk_files.write(at, (mint, maxt), open.as_data()) else {
            return false;
        };
        (series.open, series.next_at) = (Some(next), next_at);
        page.push_finished(at, Finished { at: place, maxt });
        applied.n_chunks += 1;
        self.metrics.mmap_chunks.inc();
        true
    }
}

/// The sample, as appenders take it.
pub(super) fn as_any(sample: &Sample) -> AnySample<'_> {
    let Sample { st, t, ref value } = *sample;
    let value = match value {
        Value::Float(v) => AnyValue::Float(*v),
        Value::Histogram(it) => AnyValue::Histogram(it),
        Value::FloatHistogram(it) => AnyValue::FloatHistogram(it),
    };
    AnySample { st, t, value }
}

/// Appends a float to the open chunk of its series, if nothing is in the way: the common case, with one look at the
/// record. False if anything is.
#[inline]
fn push_next(
    page: &mut Page,
    sample: &RefSample,
    (applying, admission): (&Applying<'_>, Admission),
) -> bool {
    let RefSample { series: SeriesRef(at), t, v } = *sample;
    let Some(series) = page.get_mut(at) else { return false };
    let Some(Open::Float(open)) = &mut series.open else { return false };
    if t < admission.min_valid || t <= open.last_t() || is_full(open, t, &mut series.next_at) {
        return false;
    }
    open.append(t, v);
    mark_tail(series, applying);
    page.widen(t);
    true
}

/// Stores a sample in order with `push`; false if it is not in order.
#[inline]
fn store(
    (page, series, t): (&mut Page, u64, i64),
    (applying, admission): (&Applying<'_>, Admission),
    is_histogram: bool,
    applied: &mut Applied,
    push: impl FnOnce(&mut Page, &mut Applied) -> Pushed,
) -> bool {
    if t < admission.min_valid {
        return false;
    }
    if let Some(series) = page.get_mut(series) {
        mark_tail(series, applying);
    }
    let pushed = push(page, applied);
    unmark_late(page, series, pushed);
    if pushed == Pushed::Stored {
        applied.count(is_histogram, t, pushed);
    }
    pushed == Pushed::Stored
}

/// Notes that a sample of this commit follows: views that were opened before must not see it.
fn mark_tail(series: &mut Series, applying: &Applying<'_>) {
    let before = series.tail;
    series.tail = if before == 0 || applying.is_seen_by_all(series.tail_commit) {
        series.tail_commit = applying.commit;
        1
    } else {
        before.saturating_add(1)
    };
}

/// Takes [`mark_tail`] back where the sample is not in order.
fn unmark_late(page: &mut Page, series: u64, pushed: Pushed) {
    if pushed == Pushed::Late
        && let Some(series) = page.get_mut(series)
    {
        series.tail = series.tail.saturating_sub(1);
    }
}

/// As [`cut::before_float`], which needs the first time only once in the life of a chunk.
fn is_full(open: &OpenChunk, t: i64, next_at: &mut i64) -> bool {
    let n_samples = usize::from(open.n_samples());
    if n_samples == cut::SAMPLES_PER_CHUNK / 4 {
        return cut::before_float(open.filling(), t, next_at);
    }
    cut::FLOAT_BYTES_MAX < open.n_bytes()
        || *next_at <= t
        || 2 * cut::SAMPLES_PER_CHUNK <= n_samples
}
