//! The head: everything too young for a block.
//!
//! - [`series`]: records of series in pages; [`index`]: [`pairs`], their [`postings`], and series by labels.
//! - [`appender`]: one [`batch`]: checked when appended, logged and [applied](apply) at commit.
//! - [`chunk_files`]: finished chunks, mapped.
//! - [`out_of_order`]: samples that come late.
//! - [`querier`], [`select`]: reading; [`isolation`]: what a reader may see.
//! - [`deletion`]: what is deleted, in memory and in the log.
//! - [`stale`]: giving up series that have ended.
//! - [`replay`]: the head as the files describe it; [`references`]: which were given out.
//! - [`checkpoint`]: the head in one file, so that less has to be replayed; [`chunk_snapshot`]: upstream's way.
//! - [`truncate`]: giving up what a block holds.
//!
//! Locks, in the order in which they may be taken: commits; log; log of late samples; index; list of pages; a page; chunk files.
//! The gate of [`isolation`] comes before the pages.

mod any;
mod appender;
mod apply;
mod batch;
mod block_source;
mod checkpoint;
mod chunk_files;
mod chunk_snapshot;
mod deletion;
mod held;
mod index;
mod isolation;
mod metadata;
mod open;
mod out_of_order;
mod pairs;
mod postings;
mod querier;
mod references;
mod replay;
mod select;
mod series;
mod stale;
mod stats;
mod truncate;
mod write_out;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, RwLock};

use stdx::{Clock, Directory};

use crate::exemplars::Exemplars;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::sync::{lock, read};

pub(crate) use appender::HeadAppender;
pub(crate) use block_source::{HeadRange, What};
pub(crate) use checkpoint::{Found as FoundCheckpoint, find as find_checkpoint};
pub(crate) use out_of_order::{LateCut, has_log as has_late_log};
pub(crate) use querier::HeadQuerier;
pub(crate) use references::References;
pub(crate) use replay::{Live, Replayed, Setup, load_behind, load_checkpoint};
pub(crate) use stale::StaleCut;

/// The folder of the log within the data directory.
pub(crate) const WAL_FOLDER: &str = "wal";

/// Series, their open chunks, and where their finished ones are.
pub(crate) struct Head {
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) memory: Arc<Memory>,
    /// Range of the blocks written from here.
    pub(crate) chunk_range_ms: i64,
    wal_options: wal::Options,
    index: RwLock<Index>,
    pages: series::Pages,
    /// The greatest reference there is. Given out while `index` is locked to write.
    last_ref: AtomicU64,
    references: RwLock<Arc<References>>,
    /// `None` once closed, or if only read.
    log: Mutex<Option<wal::Writer>>,
    /// Records of series that no commit has logged yet.
    unlogged: Mutex<Vec<Vec<u8>>>,
    chunk_files: chunk_files::ChunkFiles,
    deletions: deletion::Deletions,
    pub(crate) out_of_order: out_of_order::OutOfOrder,
    isolation: Arc<isolation::Isolation>,
    /// Batches are logged and no more: the replay of the log, which is under way, comes to them.
    is_recording: AtomicBool,
    /// Series are being given up that a reader may just have found.
    is_evicting: AtomicBool,
    /// Time of the oldest sample, or what is left of it after truncation; `i64::MAX` without any.
    mint: AtomicI64,
    /// Time of the newest sample; `i64::MIN` without any.
    maxt: AtomicI64,
    /// Blocks hold what is older, or all of it was deleted.
    min_valid: AtomicI64,
    /// Where blocks end: a start takes what is younger from the files.
    blocks_end: AtomicI64,
    /// Views opened from now on read from here: before it, a block takes over.
    truncating_below: AtomicI64,
    /// References of the log that replay mapped to another series with the same labels.
    aliases: Mutex<HashMap<u64, u64>>,
    pub(crate) exemplars: Arc<Exemplars>,
    /// What is logged of each series' metadata.
    metadata: metadata::Known,
    /// Start times are kept.
    stores_starts: bool,
    /// In chunks of histograms too.
    histogram_starts: bool,
    /// New chunks of floats are XOR2. A reload changes it.
    pub(crate) float_xor2: AtomicBool,
    pool: Mutex<Vec<batch::Batch>>,
    open_appenders: appender::OpenAppenders,
    /// Held to read from the logging of a commit until it is visible. Comes before the log.
    committing: RwLock<()>,
    newest_checkpoint: Mutex<checkpoint::Newest>,
}

use index::Index;
use out_of_order::WBL_FOLDER;

impl Head {
    /// Opens a batch.
    pub(crate) fn appender(self: &Arc<Self>) -> HeadAppender {
        HeadAppender::new(Arc::clone(self))
    }

    /// Times of the oldest and the newest sample; `(i64::MAX, i64::MIN)` without any.
    pub(crate) fn time_range(&self) -> (i64, i64) {
        (self.mint.load(SeqCst), self.maxt.load(SeqCst))
    }

    /// True if the head is old enough for a block to be cut from it.
    pub(crate) fn is_compactable(&self) -> bool {
        let (mint, maxt) = self.time_range();
        mint <= maxt && self.chunk_range_ms.saturating_mul(3) / 2 < maxt.saturating_sub(mint)
    }

    /// Blocks hold what is older, or will at the end of a cut.
    pub(crate) fn min_valid(&self) -> i64 {
        self.min_valid.load(SeqCst)
    }

    /// Older samples are refused.
    fn min_appendable(&self) -> i64 {
        let by_age = self.maxt.load(SeqCst).saturating_sub(self.chunk_range_ms / 2);
        self.min_valid.load(SeqCst).max(by_age)
    }

    fn truncating_below(&self) -> i64 {
        self.truncating_below.load(SeqCst)
    }

    /// Notes where blocks end that were cut in order.
    pub(crate) fn note_blocks_end(&self, end: i64) {
        self.blocks_end.store(end, SeqCst);
    }

    fn widen(&self, mint: i64, maxt: i64) {
        self.mint.fetch_min(mint, SeqCst);
        self.maxt.fetch_max(maxt, SeqCst);
    }

    /// Gives out a reference.
    ///
    /// # Errors
    /// If it cannot be made sure that it is never given out again.
    fn next_ref(&self) -> std::io::Result<u64> {
        let next = self.last_ref.load(SeqCst) + 1;
        read(&self.references).allow(next)?;
        self.last_ref.store(next, SeqCst);
        Ok(next)
    }

    /// See [`isolation::Isolation::watermarks`].
    pub(crate) fn watermarks(&self) -> (u32, u32) {
        self.isolation.watermarks()
    }

    /// Bytes on disk of the log, of finished chunks, and of the head checkpoint.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.wal_bytes() + self.wbl_bytes() + self.chunk_files.size() + self.checkpoint_bytes()
    }

    /// Bytes on disk of the log, checkpoints included.
    pub(crate) fn wal_bytes(&self) -> u64 {
        self.folder_bytes(WAL_FOLDER)
    }

    /// Bytes on disk of the log of out-of-order samples.
    pub(crate) fn wbl_bytes(&self) -> u64 {
        self.folder_bytes(WBL_FOLDER)
    }

    fn folder_bytes(&self, folder: &str) -> u64 {
        let mut total = 0;
        let mut open = vec![PathBuf::from(folder)];
        while let Some(folder) = open.pop() {
            for entry in self.directory.list(&folder).unwrap_or_default() {
                total += entry.size;
                open.extend(entry.is_dir.then(|| folder.join(&entry.name)));
            }
        }
        total
    }

    /// Bytes on disk of finished chunks.
    pub(crate) fn chunk_bytes(&self) -> u64 {
        self.chunk_files.size()
    }

    /// Writes what is still to be written and ends the log. Commits fail from now on. Returns the last segment of
    /// the log; `None` if it was closed before.
    ///
    /// # Errors
    /// If the disk refuses; everything else was done all the same.
    pub(crate) fn close(&self) -> Result<Option<u32>, String> {
        let logged = self.log(&[]);
        let writer = lock(&self.log).take();
        let Some(writer) = writer else { return Ok(None) };
        let segment = writer.segment();
        let references = read(&self.references);
        references.note_segment(segment);
        let closed = writer.close().map_err(|error| error.to_string());
        let noted = references.close(self.last_ref.load(SeqCst));
        if let Err(error) = noted {
            tracing::warn!(%error, "the last series reference is not noted; the next start sets it higher");
        }
        let chunks =
            self.chunk_files.close().map_err(|error| format!("close head chunk files: {error}"));
        logged.and(closed).and(self.close_late_log()).and(chunks).map(|()| Some(segment))
    }

    /// Syncs files that are finished. To be called now and then.
    pub(crate) fn sync_finished(&self) -> Result<(), String> {
        // New series without a commit yet, of a batch that was given up.
        self.log(&[])?;
        self.chunk_files.sync_finished().map_err(|error| format!("sync head chunk files: {error}"))
    }

    /// Bytes of memory that series take, for tests and for the status page.
    pub(crate) fn n_label_pairs(&self) -> usize {
        read(&self.index).pairs.len()
    }
}
