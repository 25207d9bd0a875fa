//! Making chunks durable, and knowing later that they still are what they were.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use stdx::{Entry, Mapped};

use super::{ChunkAt, ChunkFiles, HEADER, State, offset};
use crate::sync::lock;

/// So many bytes before the end of a file tell it from another one.
const TAIL_BYTES: usize = 64;
/// Says that a sync failed, and up to which file: a later sync succeeds and makes up for nothing, in another
/// process too.
const LOST: &str = "unsynced";

/// How far a file is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileEnd {
    pub(crate) file: u32,
    pub(crate) len: u32,
    /// CRC-32C of the last bytes before `len`.
    pub(crate) tail_crc: u32,
}

impl ChunkFiles {
    /// Where the next chunk will be, or before it.
    pub(crate) fn end(&self) -> ChunkAt {
        let state = lock(&self.state);
        match &state.writing {
            Some(it) => ChunkAt { file: it.n, offset: offset(it.end()) },
            None => ChunkAt { file: state.newest + 1, offset: offset(HEADER.len()) },
        }
    }

    /// The number of the first file, if there is one.
    pub(crate) fn first(&self) -> Option<u32> {
        lock(&self.state).first()
    }

    /// Syncs files that were finished since the last call.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) fn sync_finished(&self) -> io::Result<()> {
        let unsynced = std::mem::take(&mut lock(&self.state).unsynced);
        let synced = unsynced.into_iter().try_for_each(|mut it| it.sync());
        self.note_if_lost(&mut lock(&self.state), synced)
    }

    /// Makes all chunks durable that were written before, while others are written. Returns how far each file is.
    ///
    /// # Errors
    /// If the disk refuses, or refused a sync before.
    pub(crate) fn sync_all(&self) -> io::Result<Vec<FileEnd>> {
        let (done, growing) = {
            let mut state = lock(&self.state);
            if let Some(writing) = &mut state.writing {
                self.flush(writing)?;
            }
            let done: Vec<(u32, Arc<Mapped>)> =
                state.done.iter().map(|(n, map)| (*n, Arc::clone(map))).collect();
            (done, state.writing.as_ref().map(|it| (it.n, it.written)))
        };
        self.sync_finished()?;
        let mut ends: Vec<FileEnd> =
            done.iter().map(|(n, map)| end_of(*n, map.len(), map)).collect();
        if let Some((n, len)) = growing {
            // Through a handle of its own, so that nobody waits who writes a chunk meanwhile.
            let synced = self.directory.append(&self.path(n))?.sync();
            self.note_if_lost(&mut lock(&self.state), synced)?;
            let mut tail = vec![0; len.min(TAIL_BYTES)];
            let from = (len - tail.len()) as u64;
            self.directory.open(&self.path(n))?.read_exact_at(&mut tail, from)?;
            ends.push(FileEnd { file: n, len: offset(len), tail_crc: crc32c::crc32c(&tail) });
        }
        if lock(&self.state).lost.is_some() {
            return Err(io::Error::other("an earlier head chunk file could not be synced"));
        }
        Ok(ends)
    }

    /// Notes a sync that failed, or one before for which there was no room, for this process and those to come.
    pub(super) fn note_if_lost(&self, state: &mut State, synced: io::Result<()>) -> io::Result<()> {
        if synced.is_err() {
            (state.lost, state.is_unnoted) = (Some(state.newest), true);
        }
        if let Some(lost) = state.lost.filter(|_| state.is_unnoted) {
            let noted = self.directory.create(&self.note());
            let noted = noted.and_then(|mut it| writeln!(it, "{lost}"));
            state.is_unnoted = noted.is_err();
            if let Err(error) = noted {
                tracing::error!(%error, "the next start will not know that head chunks may be lost");
            }
        }
        synced
    }

    /// What a process before noted; `newest` is the newest file.
    pub(super) fn noted(&self, entries: &[Entry], newest: u32) -> Option<u32> {
        entries.iter().find(|it| it.name == LOST)?;
        let note = self.directory.read(&self.note()).ok();
        let last = note.and_then(|it| String::from_utf8(it).ok()?.trim().parse().ok());
        // One that cannot be read speaks for all.
        Some(last.unwrap_or(newest))
    }

    /// Forgets the sync that failed once the files that it concerned are gone.
    pub(super) fn forget_lost(&self) {
        let mut state = lock(&self.state);
        let first = state.first().unwrap_or(u32::MAX);
        if !self.read_only && state.lost.is_some_and(|lost| lost < first) {
            // If the note stays, it only keeps the next process from writing head checkpoints.
            let _ = self.directory.remove_file(&self.note());
            (state.lost, state.is_unnoted) = (None, false);
        }
    }

    fn note(&self) -> PathBuf {
        self.folder.join(LOST)
    }

    /// True if a finished file is as far as `end` says, or farther, and has what was there.
    pub(crate) fn holds(&self, end: FileEnd) -> bool {
        let map = lock(&self.state).done.get(&end.file).cloned();
        let len = end.len as usize;
        map.is_some_and(|map| len <= map.len() && end_of(end.file, len, &map) == end)
    }
}

fn end_of(n: u32, len: usize, file: &[u8]) -> FileEnd {
    let tail = &file[len.saturating_sub(TAIL_BYTES)..len];
    // No file is longer; one that is matches nothing later.
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    FileEnd { file: n, len, tail_crc: crc32c::crc32c(tail) }
}
