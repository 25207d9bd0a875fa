//! Logged samples become visible.

use chunk::{OpenChunk, cut};
use model::SeriesRef;
use wal::record::RefSample;

use super::Head;
use super::isolation::Applying;
use super::series::{Finished, Page, for_each_run};

/// Samples whose series are fetched into the cache together.
pub(super) const TOUCHED_TOGETHER: usize = 16;
/// Even if full chunks cannot be written out, a chunk takes no more samples.
const SAMPLES_MAX: u16 = 60_000;

/// What a commit did.
pub(super) struct Applied {
    pub(super) n: u64,
    pub(super) n_late: u64,
    pub(super) n_chunks: u64,
    pub(super) mint: i64,
    pub(super) maxt: i64,
}

impl Default for Applied {
    fn default() -> Self {
        Self { n: 0, n_late: 0, n_chunks: 0, mint: i64::MAX, maxt: i64::MIN }
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
    /// Makes logged samples visible.
    pub(super) fn apply(&self, samples: &[RefSample]) {
        let applying = self.isolation.apply();
        let mut applied = Applied::default();
        for_each_run(
            &self.pages,
            samples,
            |it| it.series.0,
            |page, run| {
                for some in run.chunks(TOUCHED_TOGETHER) {
                    page.touch(some.iter().map(|it| it.series.0));
                    some.iter().for_each(|it| self.store(page, it, &applying, &mut applied));
                }
            },
        );
        drop(applying);
        self.widen(applied.mint, applied.maxt);
        self.metrics.samples_appended.add(applied.n);
        self.metrics.out_of_order.add(applied.n_late);
        self.metrics.chunks_created.add(applied.n_chunks);
    }

    fn store(
        &self,
        page: &mut Page,
        sample: &RefSample,
        applying: &Applying<'_>,
        applied: &mut Applied,
    ) {
        page.set_pending(sample.series.0, false);
        let Some(series) = page.get_mut(sample.series.0) else { return };
        let before = series.tail;
        series.tail = if before == 0 || applying.is_seen_by_all(series.tail_commit) {
            series.tail_commit = applying.commit;
            1
        } else {
            before.saturating_add(1)
        };
        match self.push_sample(page, sample, applied) {
            Pushed::Stored => {
                applied.n += 1;
                applied.mint = applied.mint.min(sample.t);
                applied.maxt = applied.maxt.max(sample.t);
            }
            Pushed::Late => {
                // Another batch was faster: this sample is in the log, and replay will leave it out too.
                if let Some(series) = page.get_mut(sample.series.0) {
                    series.tail = series.tail.saturating_sub(1);
                }
                applied.n_late += 1;
            }
        }
    }

    /// Appends a sample to its series' open chunk, or to a new one if that is full.
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
        let Some(open) = &mut series.open else {
            series.open = Some(OpenChunk::start(t, v));
            series.next_at = cut::range_end(t, self.chunk_range_ms);
            page.count_opened();
            applied.n_chunks += 1;
            return Pushed::Stored;
        };
        if !is_full(open, t, &mut series.next_at) {
            open.append(t, v);
            return Pushed::Stored;
        }
        let (mint, maxt) = (open.first_t(), open.last_t());
        match self.chunk_files.write(at, (mint, maxt), open.as_data()) {
            Ok(place) => {
                series.open = Some(OpenChunk::start(t, v));
                series.next_at = cut::range_end(t, self.chunk_range_ms);
                page.push_finished(at, Finished { at: place, maxt });
                applied.n_chunks += 1;
                self.metrics.mmap_chunks.inc();
            }
            Err(_) if open.n_samples() < SAMPLES_MAX => open.append(t, v),
            Err(_) => return Pushed::Late,
        }
        Pushed::Stored
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
