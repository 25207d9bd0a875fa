//! Giving up what a block holds: chunks, series without any, and the log behind them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use chunk::{ChunkData, cut};
use wal::checkpoint::CheckpointError;
use wal::{ReadError, checkpoint, segment};

use super::index::pairs_of;
use super::pairs::PairId;
use super::querier::decode;
use super::series::{Finished, Page, Series, page_of};
use super::{Head, WAL_FOLDER};
use crate::sync::{lock, read, write};

/// Postings lists changed before the index is let go for those who wait.
const LISTS_PER_LOCK: usize = 512;

impl Head {
    /// Drops everything before `mint`, which a block holds by now. Waits for the readers of it; false if
    /// `stop` became true before.
    pub(crate) fn truncate(&self, mint: i64, stop: &dyn Fn() -> bool) -> bool {
        self.metrics.truncations.inc();
        self.truncating_below.fetch_max(mint, SeqCst);
        if !self.isolation.wait_for_views_before(mint, stop) {
            return false;
        }
        self.min_valid.fetch_max(mint, SeqCst);
        let start = self.clock.monotonic();
        self.drop_unused(mint);
        if let Some(seconds) = &self.metrics.gc_seconds {
            seconds.observe((self.clock.monotonic() - start).as_secs_f64());
        }
        true
    }

    /// The start of the block range with the first sample from `from` on; but not beyond where the head would no
    /// longer be old enough to be cut.
    pub(crate) fn end_of_nothing(&self, from: i64) -> i64 {
        let range_ms = self.chunk_range_ms;
        let not_due = self.time_range().1.saturating_sub(range_ms.saturating_mul(3) / 2);
        let end = cut::range_end(not_due.saturating_sub(1), range_ms);
        let first = self.pages.all().into_iter().filter_map(|(n, page)| {
            let page = lock(&page);
            let records = page.refs(n).filter_map(|it| page.get(it));
            records.filter_map(|it| self.first_t(&page, it, from)).min()
        });
        let start = |t: i64| cut::range_end(t, range_ms).saturating_sub(range_ms);
        first.min().map_or(end, |t| start(t).min(end)).max(from)
    }

    /// The time of a series' first sample from `from` on, or a little before it; `None` without any.
    fn first_t(&self, page: &Page, record: &Series, from: i64) -> Option<i64> {
        let finished: Vec<Finished> = page.finished(record).collect();
        for it in finished.iter().rev() {
            let found = match self.chunk_files.mint(it.at) {
                Ok(mint) if from <= mint => Some(mint),
                // What is older in it is deleted.
                _ => self.chunk_files.read(it.at).ok().and_then(|it| first_t(it.data(), from)),
            };
            if found.is_some() {
                return found;
            }
        }
        let open = record.open.as_ref()?;
        if from <= open.first_t() { Some(open.first_t()) } else { first_t(open.as_data(), from) }
    }

    /// Drops chunks that end before `mint`, then series without chunks, then what only they used.
    pub(crate) fn drop_unused(&self, mint: i64) {
        let mut gone: Vec<(u64, Vec<u8>)> = Vec::new();
        let (mut n_chunks, mut file_min, mut newest) = (0, u32::MAX, 0);
        for (n, page) in self.pages.all() {
            let dropped = lock(&page).truncate(n, mint);
            gone.extend(dropped.series);
            n_chunks += dropped.n_chunks;
            file_min = file_min.min(dropped.file_min);
            newest = n;
        }
        self.forget(&gone);
        self.metadata.forget(gone.iter().map(|(series, _)| *series));
        self.pages.drop_empty(newest);
        self.deletions.truncate(self.deletions_mint(mint), |series| {
            self.pages.find(page_of(series)).is_some_and(|page| lock(&page).has(series))
        });
        let oldest = self.mint.load(SeqCst);
        if oldest < mint {
            // As upstream: what is left starts at the cut, whether or not a sample is there.
            self.mint.store(mint, SeqCst);
        }
        self.metrics.chunks_removed.add(n_chunks as u64);
        self.metrics.series_removed.add(gone.len() as u64);
        if file_min < u32::MAX
            && let Err(error) = self.chunk_files.remove_below(file_min)
        {
            self.metrics.truncations_failed.inc();
            tracing::error!(%error, "truncating head chunk files failed");
        }
        self.out_of_order.forget_files_before(self.chunk_files.first().unwrap_or(u32::MAX));
    }

    /// Deletions that end before this concern nothing in a head that is cut at `mint`, nor what a start will take from
    /// its files: late samples may be older, and of a range that was deleted whole there is no block.
    fn deletions_mint(&self, mint: i64) -> i64 {
        let given_up = self.out_of_order.given_up().map_or(i64::MAX, |it| it.0);
        let in_order = mint.min(self.blocks_end.load(SeqCst));
        in_order.min(self.out_of_order.time_range().0).min(given_up)
    }

    /// Removes series from the index.
    pub(super) fn forget(&self, gone: &[(u64, Vec<u8>)]) {
        let mut by_pair: BTreeMap<PairId, Vec<u64>> = BTreeMap::new();
        for some in gone.chunks(LISTS_PER_LOCK) {
            let mut index = write(&self.index);
            for (series, key) in some {
                index.remove(key, *series);
                pairs_of(key).for_each(|id| by_pair.entry(id).or_default().push(*series));
            }
        }
        let by_pair: Vec<(PairId, Vec<u64>)> = by_pair.into_iter().collect();
        for some in by_pair.chunks(LISTS_PER_LOCK) {
            write(&self.index).remove_postings(some);
        }
    }

    /// Folds the older two thirds of the log into a checkpoint and removes them.
    pub(crate) fn truncate_log(&self, mint: i64) {
        let start = self.clock.monotonic();
        let folder = Path::new(WAL_FOLDER);
        let last = match self.begin_truncation(folder) {
            Ok(Some(last)) => last,
            Ok(None) => return,
            Err(error) => return tracing::error!(%error, "WAL truncation failed"),
        };
        if let Err(error) = self.drop_checkpoint() {
            return tracing::error!(%error, "WAL truncation failed: a head checkpoint cannot be removed");
        }
        self.metrics.checkpoints.inc();
        let aliases = lock(&self.aliases).clone();
        let keep = |series: model::SeriesRef| {
            let series = aliases.get(&series.0).copied().unwrap_or(series.0);
            self.pages.find(page_of(series)).is_some_and(|page| lock(&page).get(series).is_some())
        };
        let request = checkpoint::Request {
            directory: Arc::clone(&self.directory),
            folder,
            last,
            keep: &keep,
            mint,
            deletions_mint: self.deletions_mint(mint),
            start_times: self.stores_starts,
            options: self.wal_options,
            clock: Arc::clone(&self.clock),
        };
        if let Err(error) = checkpoint::create(&request) {
            self.metrics.checkpoints_failed.inc();
            if matches!(error, CheckpointError::Read(ReadError::Corrupt { .. })) {
                self.bar_checkpoints();
            }
            return tracing::error!(%error, "creating a checkpoint failed");
        }
        self.metrics.wal_truncations.inc();
        // What cannot be removed is ignored from now on, and goes with the next truncation.
        let removed =
            lock(&self.log).as_mut().map_or(Ok(()), |writer| writer.remove_below(last + 1));
        if let Err(error) = removed {
            self.metrics.wal_truncations_failed.inc();
            tracing::error!(%error, "removing old WAL segments failed");
        }
        self.note_dropped();
        self.metrics.checkpoint_deletions.inc();
        if let Err(error) = checkpoint::remove_before(self.directory.as_ref(), folder, last) {
            self.metrics.checkpoint_deletions_failed.inc();
            tracing::error!(%error, "removing old checkpoints failed");
        }
        if let Some(seconds) = &self.metrics.wal_truncate_seconds {
            seconds.observe((self.clock.monotonic() - start).as_secs_f64());
        }
    }

    /// Begins a new segment; returns the last segment to be folded, if that is worth it.
    fn begin_truncation(&self, folder: &Path) -> Result<Option<u32>, String> {
        let mut log = lock(&self.log);
        let Some(writer) = log.as_mut() else { return Ok(None) };
        let numbers =
            segment::list(self.directory.as_ref(), folder).map_err(|error| error.to_string())?;
        let (Some(first), Some(newest)) = (numbers.first(), numbers.last()) else {
            return Ok(None);
        };
        let segment = writer.cut().map_err(|error| error.to_string())?;
        read(&self.references).note_segment(segment);
        // The newest segment still belongs to the future: `newest - 1` is the last to look at.
        let last = first + (newest.saturating_sub(1).saturating_sub(*first)) * 2 / 3;
        Ok((*first < last).then_some(last))
    }
}

/// The time of a chunk's first sample from `from` on.
fn first_t(chunk: ChunkData<'_>, from: i64) -> Option<i64> {
    let mut samples = storage::Samples::default();
    decode(chunk, from, i64::MAX, &mut samples).ok()?;
    samples.t.first().into_iter().chain(samples.histogram_t.first()).min().copied()
}
