//! Deleting: marking what goes, and writing blocks anew without it.

use std::sync::Arc;

use block::index::SeriesEntry;
use block::{Block, Interval, Meta};
use model::Matcher;

use crate::compact::rewrite;
use crate::db::Inner;
use crate::sync::{lock, write};
use crate::{AdminError, Db};

impl Db {
    /// Deletes the samples in `mint..=maxt` of the series that fulfil all matchers. They are out of sight
    /// at once, and off the disk when their blocks are next written.
    ///
    /// # Errors
    /// If the disk refuses. Some may be deleted then, and asking again deletes the rest.
    pub fn delete(&self, mint: i64, maxt: i64, matchers: &[Matcher]) -> Result<(), AdminError> {
        self.inner.delete(mint, maxt, matchers)
    }

    /// Writes every block of which something is deleted anew without that. Returns when none is left but one
    /// of which all is deleted: the newest waits for a younger one.
    ///
    /// # Errors
    /// If a block cannot be read, or the disk refuses. What was done before stays done.
    pub fn clean_tombstones(&self) -> Result<(), AdminError> {
        self.inner.clean_tombstones()
    }
}

impl Inner {
    fn delete(&self, mint: i64, maxt: i64, matchers: &[Matcher]) -> Result<(), AdminError> {
        // Nothing moves from the head into a block meanwhile.
        let _maintaining = self.change()?;
        self.head().delete(mint, maxt, matchers).map_err(AdminError::Log)?;
        let directory = self.directory.as_ref();
        for block in self.blocks().iter().filter(|it| it.overlaps(mint, maxt)) {
            if self.blocks_end() < block.meta().maxt {
                self.delete_in_log(block, (mint, maxt), matchers)?;
            }
            if block.delete(directory, mint, maxt, matchers)? {
                let changed = Block::open(directory, block.path())?;
                write(&self.blocks).replace(Arc::new(changed));
            }
        }
        Ok(())
    }

    /// Lets a start pass over what the log has of a block that was not cut in order. A series' interval ends with what
    /// the block has of it: what comes later is not concerned.
    fn delete_in_log(
        &self,
        block: &Block,
        (mint, maxt): (i64, i64),
        matchers: &[Matcher],
    ) -> Result<(), AdminError> {
        let mut all = Vec::new();
        let mut entry = SeriesEntry::default();
        for number in block.series_matching(matchers)? {
            block.index().read_series(number, &mut entry)?;
            let (Some(first), Some(last)) = (entry.chunks.first(), entry.chunks.last()) else {
                continue;
            };
            let (mint, maxt) = (mint.max(first.mint), maxt.min(last.maxt));
            if mint <= maxt {
                all.push((block.index().labels(&entry)?, Interval { mint, maxt }));
            }
        }
        self.head().log_deleted(&all).map_err(AdminError::Log)
    }

    fn clean_tombstones(&self) -> Result<(), AdminError> {
        let _maintaining = self.change()?;
        let start = self.clock.monotonic();
        let cleaned = self.clean_blocks();
        let seconds = (self.clock.monotonic() - start).as_secs_f64();
        if let Some(it) = &self.metrics.blocks.histograms {
            it.tombstone_cleanup_seconds.observe(seconds);
        }
        cleaned
    }

    fn clean_blocks(&self) -> Result<(), AdminError> {
        let all = self.blocks();
        let is_unclean =
            |it: &&Arc<Block>| !it.tombstones().is_empty() && !it.meta().compaction.deletable;
        for block in all.iter().filter(is_unclean) {
            let ulid = self.new_ulid();
            let meta: &Meta = block.meta();
            let written =
                rewrite(self.directory.as_ref(), ulid, self.options.block_segment_bytes, meta)?;
            let left = written.map_or(0, |it| it.stats.n_samples);
            tracing::info!(block = %meta.ulid, new = %ulid, samples = left, "block written anew without what is deleted");
            self.read_again(&[meta]);
            self.reload()?;
        }
        Ok(())
    }

    /// Lets nobody else change blocks while the returned value lives.
    ///
    /// # Errors
    /// If the database is only read.
    pub(crate) fn change(&self) -> Result<std::sync::MutexGuard<'_, ()>, AdminError> {
        if self.is_read_only {
            return Err(AdminError::Refused("the database is open for reading only".to_owned()));
        }
        if self.generations.if_loaded().is_none() {
            // A head that is not whole can neither become a block nor be deleted from.
            return Err(AdminError::Refused("the write-ahead log is still being read".to_owned()));
        }
        Ok(lock(&self.maintaining))
    }
}
