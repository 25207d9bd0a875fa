//! When the head is written into a checkpoint, so that the next start has little to replay.

use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;

use wal::Position;

use crate::db::Inner;
use crate::head::{Head, WAL_FOLDER};

/// At a clean end a checkpoint is worth it from so many bytes of log on.
const BYTES_AT_END: u64 = 4 << 20;

impl Inner {
    /// Writes a head checkpoint if the log has grown enough; not right after one failed.
    pub(crate) fn look_at_checkpoint(&self) {
        let is_due = |head: &Head| head.is_checkpoint_due(self.options.head_checkpoint_bytes);
        if self.is_checkpoint_failed.load(SeqCst)
            || !self.generations.if_loaded().is_some_and(|it| is_due(&it))
        {
            return;
        }
        if let Ok(_maintaining) = self.change() {
            self.write_due_checkpoint();
        }
    }

    /// As [`Inner::look_at_checkpoint`], after a failure too. To be called by who maintains.
    pub(crate) fn write_due_checkpoint(&self) {
        let head = self.head();
        if head.is_checkpoint_due(self.options.head_checkpoint_bytes) {
            self.write_checkpoint(&head, &|| self.is_stopping());
        }
    }

    /// Writes a head checkpoint at a clean end. To be called by who maintains.
    pub(crate) fn write_last_checkpoint(&self) {
        let bytes = self.options.head_checkpoint_bytes.min(BYTES_AT_END);
        if let Some(head) = self.generations.if_loaded()
            && 0 < bytes
            && bytes <= head.bytes_to_replay()
        {
            self.write_checkpoint(&head, &|| false);
        }
    }

    /// Writes upstream's snapshot of a head whose log ended with `segment`, if one is wanted.
    pub(crate) fn write_snapshot(&self, segment: Option<u32>) {
        let head = self.generations.if_loaded().filter(|_| self.options.snapshot_at_close);
        let (Some(head), Some(segment)) = (head, segment) else { return };
        let path = wal::segment::path(Path::new(WAL_FOLDER), segment);
        let offset = self.directory.size(&path);
        match offset.and_then(|offset| head.write_snapshot(Position { segment, offset })) {
            Ok(true) => tracing::info!(segment, "chunk snapshot written"),
            Ok(false) => tracing::info!(segment, "no chunk snapshot is needed, or possible"),
            Err(error) => tracing::error!(%error, "writing a chunk snapshot failed"),
        }
    }

    fn write_checkpoint(&self, head: &Head, stop: &dyn Fn() -> bool) {
        if !self.has_room_for_checkpoint(head) {
            return;
        }
        let start = self.clock.monotonic();
        let written = head.write_checkpoint(stop);
        let seconds = (self.clock.monotonic() - start).as_secs_f64();
        self.is_checkpoint_failed.store(written.is_err(), SeqCst);
        match written {
            Ok(Some(it)) => {
                tracing::info!(
                    segment = it.segment,
                    series = it.n_series,
                    bytes = it.n_bytes,
                    seconds,
                    "head checkpoint written"
                );
                self.metrics.head_checkpoint.written(seconds);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%error, "writing a head checkpoint failed");
                self.metrics.head_checkpoint.failed();
            }
        }
    }

    /// False if the disk has no room for it that is not to stay free.
    fn has_room_for_checkpoint(&self, head: &Head) -> bool {
        let need = head.checkpoint_bytes().max(self.options.head_checkpoint_bytes);
        let status = self.disk_status();
        status.is_none_or(|it| !it.is_paused && it.floor.saturating_add(need) <= it.free)
    }
}
