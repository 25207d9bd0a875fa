//! Taking late samples.

use std::sync::atomic::Ordering::SeqCst;

use chunk::Rebuilt;
use storage::AppendError;

use super::super::Head;
use super::super::series::Page;
use super::log::LateRecords;
use super::table::{LateChunk, LateSample, OPEN_MAX, encode};
use crate::sync::lock;

/// If the disk refuses, so many samples of a series are held; then late ones are refused.
const HELD_MAX: usize = 4096;

/// Which samples a batch takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admission {
    /// Older samples are late, whatever their series has.
    pub(crate) min_valid: i64,
    /// The newest time when the batch was opened.
    newest: i64,
    /// Late samples are taken from here on, if at all.
    late_from: Option<i64>,
    /// It is not known yet what each series has last: see [`Head`]'s recording.
    pub(crate) is_recording: bool,
}

impl Admission {
    /// Why a sample is refused that is too old for its series, or for the head: `None` if it is taken as a
    /// late one.
    pub(crate) fn refuse_late(&self, t: i64) -> Option<AppendError> {
        match self.late_from {
            Some(from) if from <= t => None,
            Some(_) => Some(AppendError::TooOld),
            None if t < self.min_valid => Some(AppendError::OutOfBounds),
            None => Some(AppendError::OutOfOrder),
        }
    }

    /// How late a sample is, in seconds.
    #[expect(clippy::cast_precision_loss, reason = "shown rounded")]
    pub(crate) fn seconds_late(&self, t: i64) -> f64 {
        self.newest.saturating_sub(t) as f64 / 1000.0
    }
}

impl Head {
    /// What a batch takes that is opened now and refuses what is before `min_valid` in order.
    pub(crate) fn admission(&self, min_valid: i64) -> Admission {
        let is_recording = self.is_recording.load(SeqCst);
        // What is late among the samples taken now cannot be told from what is late against the log.
        let window_ms = if is_recording { 0 } else { self.out_of_order.window_ms() };
        // A head without samples takes over where the blocks end.
        let newest = self.maxt.load(SeqCst).max(self.min_valid.load(SeqCst));
        let late_from = (0 < window_ms).then(|| newest.saturating_sub(window_ms));
        Admission { min_valid, newest, late_from, is_recording }
    }

    /// Keeps a late sample of a series on this page and notes it for the log. False if one is there at its
    /// time, or if there is no room because the disk refuses.
    pub(crate) fn store_late(
        &self,
        page: &mut Page,
        series: u64,
        sample: LateSample,
        records: &mut LateRecords,
    ) -> bool {
        let Some(mapped) = self.insert_late(page, series, sample.clone()) else { return false };
        records.add(series, &sample, &mapped);
        true
    }

    /// Keeps a late sample. Returns the chunks that those before it were written to; `None` if it is not kept.
    pub(super) fn insert_late(
        &self,
        page: &mut Page,
        series: u64,
        sample: LateSample,
    ) -> Option<Vec<LateChunk>> {
        let late = page.late.make(series);
        let mut mapped = Vec::new();
        if OPEN_MAX <= late.open.len() {
            match self.write_late(series, &late.open) {
                Ok(chunks) => {
                    late.open.clear();
                    late.mapped.extend_from_slice(&chunks);
                    mapped = chunks;
                }
                Err(_) if late.open.len() < HELD_MAX => {}
                Err(_) => return None,
            }
        }
        self.out_of_order.widen(sample.t, sample.t);
        late.insert(sample).then_some(mapped)
    }

    /// Writes samples of a series into the chunk files.
    pub(super) fn write_late(
        &self,
        series: u64,
        samples: &[LateSample],
    ) -> std::io::Result<Vec<LateChunk>> {
        let mut written = Vec::new();
        for Rebuilt { mint, maxt, chunk } in encode(samples) {
            let at = self.chunk_files.write_late(series, (mint, maxt), chunk.as_data())?;
            written.push(LateChunk { mint, maxt, at });
        }
        self.metrics.mmap_chunks.add(written.len() as u64);
        self.metrics.chunks_created.add(written.len() as u64);
        Ok(written)
    }

    /// Logs the late samples of a commit.
    pub(crate) fn log_late(&self, records: LateRecords) -> Result<(), String> {
        let records = records.finish(self.stores_starts);
        if records.is_empty() {
            return Ok(());
        }
        let mut log = lock(&self.out_of_order.log);
        let writer = self.open_late_log(&mut log)?;
        let records: Vec<&[u8]> = records.iter().map(|it| &it[..]).collect();
        writer.log(&records).map_err(|error| error.to_string())
    }
}
