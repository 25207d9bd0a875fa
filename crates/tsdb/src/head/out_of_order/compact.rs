//! Late samples become blocks.

use std::collections::BTreeSet;

use block::Error;

use super::super::Head;
use super::super::chunk_files::ChunkAt;
use super::super::querier::decode;
use super::NOTHING;
use crate::sync::lock;

/// The late samples that are to become blocks: all that were there at a moment.
pub(crate) struct LateCut {
    /// The last of their chunks.
    last: ChunkAt,
    /// The segment of the log that began with the cut.
    segment: u32,
    /// Which multiples of the block range have samples.
    pub(crate) ranges: BTreeSet<i64>,
}

impl LateCut {
    /// True if a chunk belongs to the cut.
    pub(crate) fn has(&self, chunk: ChunkAt) -> bool {
        chunk <= self.last
    }
}

impl Head {
    /// Begins a new segment of the log, then writes all late samples into chunks. `None` without any.
    ///
    /// # Errors
    /// If the disk refuses; what was done does no harm.
    pub(crate) fn cut_late(&self) -> Result<Option<LateCut>, Error> {
        if !self.out_of_order.is_used() {
            return Ok(None);
        }
        {
            let mut spans = lock(&self.out_of_order.spans);
            spans.older = spans.older.hull(spans.newer);
            spans.newer = NOTHING;
        }
        let segment = {
            let mut log = lock(&self.out_of_order.log);
            let writer = self.open_late_log(&mut log).map_err(Error::Refused)?;
            writer.cut_synced().map_err(|error| Error::Refused(error.to_string()))?
        };
        let mut cut =
            LateCut { last: ChunkAt { file: 0, offset: 0 }, segment, ranges: BTreeSet::new() };
        for (_, page) in self.pages.all() {
            let mut page = lock(&page);
            for (series, late) in page.late.iter_mut() {
                if !late.open.is_empty() {
                    let written = self.write_late(series, &late.open);
                    late.mapped.extend(written.map_err(|it| Error::Refused(it.to_string()))?);
                    late.open.clear();
                }
                for it in &late.mapped {
                    cut.last = cut.last.max(it.at);
                    self.add_ranges((it.mint, it.maxt), it.at, &mut cut.ranges)?;
                }
            }
        }
        Ok(Some(cut))
    }

    /// Adds the multiples of the block range in which a chunk has samples.
    fn add_ranges(
        &self,
        (mint, maxt): (i64, i64),
        at: ChunkAt,
        ranges: &mut BTreeSet<i64>,
    ) -> Result<(), Error> {
        let range = |t: i64| t.div_euclid(self.chunk_range_ms);
        ranges.extend([range(mint), range(maxt)]);
        if 1 < range(maxt).abs_diff(range(mint)) {
            let mut samples = storage::Samples::default();
            let bytes = self.chunk_files.read(at).map_err(corrupt)?;
            decode(bytes.data(), mint, maxt, &mut samples).map_err(corrupt)?;
            ranges.extend(samples.t.iter().chain(&samples.histogram_t).map(|t| range(*t)));
        }
        Ok(())
    }

    /// Forgets what a cut has, which blocks hold by now. Waits for those who may read it; false if `stop`
    /// became true before.
    pub(crate) fn drop_late(&self, cut: &LateCut, stop: &dyn Fn() -> bool) -> bool {
        if !self.isolation.wait_for_open_views(stop) {
            return false;
        }
        let mut n_dropped = 0;
        for (_, page) in self.pages.all() {
            n_dropped += lock(&page).late.drop_until(cut.last);
        }
        self.metrics.chunks_removed.add(n_dropped as u64);
        let noted = match cut.ranges.is_empty() {
            true => Ok(()),
            false => self.chunk_files.note_late_in_blocks(cut.last),
        };
        let mut log = lock(&self.out_of_order.log);
        let removed = self
            .open_late_log(&mut log)
            .and_then(|writer| writer.remove_below(cut.segment).map_err(|error| error.to_string()));
        match noted {
            Ok(()) if removed.is_ok() => self.out_of_order.forget_older(),
            _ => self.out_of_order.give_up(cut.last.file, removed.is_err()),
        }
        if let Err(error) = noted {
            tracing::warn!(%error, "the next start will find late samples that blocks hold once more");
        }
        if let Err(error) = removed {
            // Replayed once more, it would become the same blocks again.
            tracing::error!(%error, "removing WBL segments failed");
        }
        true
    }
}

fn corrupt(error: storage::ReadError) -> Error {
    match error {
        storage::ReadError::Corrupt { place, reason } => Error::Corrupt { place, reason },
        other => Error::Corrupt { place: "chunks_head".to_owned(), reason: other.to_string() },
    }
}
