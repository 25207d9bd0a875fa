//! Series that have ended leave the head early when they are many.

use block::Error;
use block::meta::HINT_STALE_SERIES;

use crate::db::Inner;
use crate::head::{Head, What};
use crate::sync::lock;

impl Inner {
    /// Turns the series that have ended into blocks, if their share is at the threshold and the head does not
    /// become blocks soon anyway.
    pub(super) fn compact_stale(&self) -> Result<(), Error> {
        let head = self.head();
        if !self.has_many_stale(&head) || head.is_nearly_compactable() || self.is_paused() {
            return Ok(());
        }
        let metrics = &self.metrics.blocks;
        metrics.stale_triggered.inc();
        let start = self.clock.monotonic();
        let done = self.move_stale(&head);
        metrics.stale_failed.add(u64::from(done.is_err()));
        if let Some(all) = &metrics.histograms {
            all.stale_seconds.observe((self.clock.monotonic() - start).as_secs_f64());
        }
        done
    }

    fn has_many_stale(&self, head: &Head) -> bool {
        let threshold = *lock(&self.stale_threshold);
        if threshold <= 0.0 {
            return false;
        }
        let (n_stale, n_series) = (head.n_stale(), head.n_series_and_chunks().0);
        #[expect(clippy::cast_precision_loss, reason = "numbers of series")]
        let is_many = threshold * n_series as f64 <= n_stale as f64;
        0 < n_stale && is_many
    }

    fn move_stale(&self, head: &Head) -> Result<(), Error> {
        let stop = || self.is_stopping();
        let Some(cut) = head.pick_stale(&stop) else { return Ok(()) };
        let range = |t: i64| t.div_euclid(head.chunk_range_ms);
        let mut written = Vec::new();
        for range in range(cut.mint)..=range(cut.maxt) {
            if stop() {
                return Ok(());
            }
            written.extend(self.write_aligned(range, What::Stale(&cut), HINT_STALE_SERIES)?);
        }
        self.open_written(&written)?;
        if let Some(series) = head.evict_stale(&cut, &stop).map_err(Error::Refused)? {
            tracing::info!(series, "stale series compaction completed");
        }
        Ok(())
    }
}
