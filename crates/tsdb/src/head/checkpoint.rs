//! The head checkpoint: the head as it was, in one file, so that a start reads it instead of most of the log.
//!
//! It only accelerates. The log, its own checkpoints and the head's chunks stay complete, as Prometheus wants
//! them; whenever there is a doubt about a head checkpoint it is given up with a line in the program's log, and
//! the log is replayed. See ADR 8 for what is a doubt, and `docs/format/head-checkpoint.md` for the bytes.
//!
//! [`write`]: a new segment N of the log is begun. What was logged before it is awaited, until it is on its
//! pages; then page by page is written, while appends go on. So the file has all that was logged before N, and
//! some of what came later: N and what follows is replayed over it, and samples that a series has are passed
//! over. In the same way its chunks are all that are before a place in `chunks_head`, and some that are behind.
//!
//! [`find`] and [`load`]: the start.
//!
//! Series whose record is not in the log before N are left out: those after it bring their record.

mod file;
mod find;
mod load;
mod write;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::SeqCst;

use super::Head;
use super::chunk_files::ChunkAt;
use crate::sync::lock;

pub(crate) use find::{Found, find};
pub(crate) use load::{Doubt, Loaded};

/// The folder within the data directory.
const FOLDER: &str = "head_checkpoint";
const UNFINISHED: &str = "tmp";

/// What a section holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    /// [`Start`]. The first.
    Start = 1,
    /// Series with neighbouring references.
    Page = 2,
    /// Label names; before pairs.
    Names = 3,
    Pairs = 4,
    Deletions = 5,
    /// References of the log that stand for others.
    Aliases = 6,
    Exemplars = 7,
    /// Nothing is missing. The last.
    End = 8,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Start,
        Self::Page,
        Self::Names,
        Self::Pairs,
        Self::Deletions,
        Self::Aliases,
        Self::Exemplars,
        Self::End,
    ];
}

/// Where the log and the chunks go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// The first segment of the log that is to be replayed.
    pub(crate) segment: u32,
    /// Greater references are of series that this segment, or one behind it, has the record of.
    pub(crate) last_ref: u64,
    /// Chunks from here on are to be looked through.
    pub(crate) chunks: ChunkAt,
    /// What is older was given up, for blocks hold it.
    pub(crate) held_from: i64,
    /// How many series there are, nearly.
    pub(crate) n_series: u64,
}

/// What a head knows about its newest checkpoint.
#[derive(Debug, Default)]
pub(super) struct Newest {
    /// Its bytes; 0 without any.
    n_bytes: u64,
    /// What is to be replayed, in bytes, when the writer of the log has written `at`.
    behind: u64,
    at: u64,
    /// The log is damaged: the next start is to read, and repair, all of it.
    is_barred: bool,
}

impl Head {
    /// How many bytes of the log a start would have to replay now; 0 once closed.
    pub(crate) fn bytes_to_replay(&self) -> u64 {
        let log = lock(&self.log);
        let Some(writer) = log.as_ref() else { return 0 };
        let newest = lock(&self.newest_checkpoint);
        newest.behind + writer.n_bytes().saturating_sub(newest.at)
    }

    /// True if the log has grown by `bytes` since the last checkpoint, and by the size of that.
    pub(crate) fn is_checkpoint_due(&self, bytes: u64) -> bool {
        let (last, is_barred) = {
            let newest = lock(&self.newest_checkpoint);
            (newest.n_bytes, newest.is_barred)
        };
        0 < bytes && !is_barred && bytes.max(last) <= self.bytes_to_replay()
    }

    /// Bytes of the newest checkpoint.
    pub(crate) fn checkpoint_bytes(&self) -> u64 {
        lock(&self.newest_checkpoint).n_bytes
    }

    /// Notes what the start found: a checkpoint of so many bytes, 0 if none, and so many of log behind it.
    pub(super) fn note_loaded(&self, n_bytes: u64, behind: u64) {
        *lock(&self.newest_checkpoint) = Newest { n_bytes, behind, ..Newest::default() };
    }

    /// Lets the next start read the whole log, which is damaged.
    pub(super) fn bar_checkpoints(&self) {
        let newest = Newest { is_barred: true, ..Newest::default() };
        *lock(&self.newest_checkpoint) = newest;
        self.remove_checkpoints_below(u32::MAX);
    }

    /// Removes the checkpoint, for good: it may have series that the log is about to forget, and a start would
    /// bring them back without a record of theirs.
    ///
    /// # Errors
    /// If the disk refuses; the log must stay as it is then.
    pub(super) fn drop_checkpoint(&self) -> io::Result<()> {
        let folder = Path::new(FOLDER);
        for (_, path) in find::list(self.directory.as_ref())? {
            self.directory.remove_file(&path)?;
        }
        if self.directory.exists(folder)? {
            self.directory.sync_dir(folder)?;
        }
        self.note_dropped();
        Ok(())
    }

    /// Notes that all of the log is to be replayed.
    pub(super) fn note_dropped(&self) {
        let (behind, log) = (self.wal_bytes(), lock(&self.log));
        let at = log.as_ref().map_or(0, wal::Writer::n_bytes);
        let mut newest = lock(&self.newest_checkpoint);
        *newest = Newest { n_bytes: 0, behind, at, ..*newest };
    }

    fn remove_checkpoints_below(&self, segment: u32) {
        let folder = Path::new(FOLDER);
        for (n, path) in find::list(self.directory.as_ref()).unwrap_or_default() {
            if n < segment
                && let Err(error) = self.directory.remove_file(&path)
            {
                tracing::warn!(%error, path = %path.display(), "an old head checkpoint cannot be removed");
            }
        }
        // If a crash brings one back, it is found to be older, or to be worth nothing.
        let _ = self.directory.sync_dir(folder);
    }

    /// The greatest reference given out.
    fn last_ref(&self) -> u64 {
        self.last_ref.load(SeqCst)
    }
}

fn path_of(segment: u32) -> PathBuf {
    Path::new(FOLDER).join(format!("{segment:08}"))
}
