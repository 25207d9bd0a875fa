//! Blocks of some of what the head holds, one for each aligned range: they lie beside those that are cut from
//! it in order, and are merged with them later.

use block::meta::{HINT_OUT_OF_ORDER, Parent};
use block::{Error, Meta, Ulid};

use crate::db::Inner;
use crate::head::{HeadRange, What};

impl Inner {
    /// Turns the samples that came out of order into blocks.
    pub(super) fn compact_late(&self) -> Result<(), Error> {
        let head = self.head();
        let Some(cut) = head.cut_late()? else { return Ok(()) };
        let mut written = Vec::new();
        for range in &cut.ranges {
            if self.is_stopping() {
                return Ok(());
            }
            written.extend(self.write_aligned(
                *range,
                What::Late(Some(&cut)),
                HINT_OUT_OF_ORDER,
            )?);
        }
        self.open_written(&written)?;
        if head.drop_late(&cut, &|| self.is_stopping()) {
            // Series that had nothing else, and chunk files.
            head.drop_unused(head.time_range().0);
        }
        Ok(())
    }

    /// Writes the block of one multiple of the block range; returns its name, `None` if there is nothing for it.
    pub(super) fn write_aligned(
        &self,
        range: i64,
        what: What<'_>,
        hint: &str,
    ) -> Result<Option<Ulid>, Error> {
        let head = self.head();
        let length = head.chunk_range_ms;
        let mint = range.saturating_mul(length);
        let maxt = mint.saturating_add(length);
        let ulid = self.new_ulid();
        let mut meta = Meta::new(ulid, mint, maxt);
        meta.compaction.level = 1;
        meta.compaction.sources = vec![ulid];
        // As upstream: no block has this name.
        meta.compaction.parents = vec![Parent { ulid: Ulid::new(0, 0), mint: 0, maxt: 0 }];
        meta.compaction.hints = vec![hint.to_owned()];
        let source = HeadRange::new(&head, what, mint, maxt - 1);
        let written = self.write_first(meta, Box::new(source))?;
        if let Some(meta) = &written {
            tracing::info!(block = %meta.ulid, mint, maxt, hint, series = meta.stats.n_series, "write block");
        }
        Ok(written.map(|it| it.ulid))
    }
}
