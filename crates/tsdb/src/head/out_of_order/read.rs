//! Reading late samples.

use chunk::Rebuilt;
use storage::{ReadError, Samples};

use super::super::Head;
use super::super::series::page_of;
use super::table::{LateChunk, LateSample, encode};
use crate::sync::lock;

/// The late samples of a series that may lie in a range: a copy, and places.
pub(crate) struct LateSamples {
    open: Vec<LateSample>,
    pub(crate) mapped: Vec<LateChunk>,
}

impl Head {
    /// Collects the late samples of a series in `mint..=maxt`; `None` if it has none.
    pub(crate) fn late(&self, series: u64, mint: i64, maxt: i64) -> Option<LateSamples> {
        if !self.out_of_order.is_used() {
            return None;
        }
        let page = self.pages.find(page_of(series))?;
        let page = lock(&page);
        let late = page.late.get(series)?;
        let open = late.open.iter().filter(|it| mint <= it.t && it.t <= maxt);
        let mapped = late.mapped.iter().filter(|it| it.overlaps(mint, maxt));
        let found =
            LateSamples { open: open.cloned().collect(), mapped: mapped.copied().collect() };
        (!found.open.is_empty() || !found.mapped.is_empty()).then_some(found)
    }
}

impl LateSamples {
    /// Those that are in no chunk yet, as chunks.
    pub(crate) fn open_chunks(&self) -> Vec<Rebuilt> {
        encode(&self.open)
    }

    /// Appends the samples in `mint..=maxt` to `out`, chunk by chunk: not sorted.
    pub(crate) fn read(
        &self,
        head: &Head,
        (mint, maxt): (i64, i64),
        out: &mut Samples,
    ) -> Result<(), ReadError> {
        for it in &self.mapped {
            let bytes = head.chunk_files.read(it.at)?;
            super::super::querier::decode(bytes.data(), mint, maxt, out)?;
        }
        for it in self.open_chunks() {
            super::super::querier::decode(it.chunk.as_data(), mint, maxt, out)?;
        }
        Ok(())
    }
}
