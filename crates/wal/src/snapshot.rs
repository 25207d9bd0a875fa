//! Snapshots of the head's newest chunks, made on a clean end so that the next start need not replay them.
//!
//! `chunk_snapshot.000007.0000065536` stands for the log up to that segment and offset: a log of its own,
//! beside the folder of the log, whose records have kinds of their own. Built under a `.tmp` name and
//! renamed when it is complete.

mod entry;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stdx::{Clock, Directory};

use crate::{Metrics, Options, Position, Reader, WriteError, Writer, segment};
pub use entry::{
    Entry, Last, NewestChunk, SeriesEntry, decode, put_exemplars, put_series, put_tombstones,
};

const PREFIX: &str = "chunk_snapshot.";
const UNFINISHED: &str = ".tmp";

/// A snapshot found in a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Replay of the log goes on from here.
    pub at: Position,
    /// Its folder.
    pub folder: PathBuf,
}

/// Finds the newest snapshot in `folder`, the data directory.
///
/// # Errors
/// If the folder cannot be listed.
pub fn last(directory: &dyn Directory, folder: &Path) -> io::Result<Option<Found>> {
    Ok(list(directory, folder)?.into_iter().max_by_key(|it| it.at))
}

/// Opens a snapshot for reading; its records are for [`decode`].
///
/// # Errors
/// If its segments cannot be listed.
pub fn open(directory: Arc<dyn Directory>, found: &Found) -> io::Result<Reader> {
    let numbers = segment::list(directory.as_ref(), &found.folder)?;
    #[expect(clippy::reversed_empty_ranges, reason = "a snapshot without segments holds nothing")]
    let range = numbers.first().zip(numbers.last()).map_or(1..=0, |(first, last)| *first..=*last);
    Ok(Reader::new(directory, &found.folder, range))
}

/// Removes all snapshots before `at`, and what a crash left of unfinished ones. With
/// `Position { segment: u32::MAX, offset: u64::MAX }` all of them, as is right once the log has gone on
/// without them.
///
/// # Errors
/// If the disk refuses.
pub fn remove_before(directory: &dyn Directory, folder: &Path, at: Position) -> io::Result<()> {
    for entry in directory.list(folder)? {
        let unfinished = entry.name.strip_prefix(PREFIX).and_then(|it| it.strip_suffix(UNFINISHED));
        if entry.is_dir && unfinished.is_some() {
            directory.remove_dir_all(&folder.join(entry.name))?;
        }
    }
    for old in list(directory, folder)?.into_iter().filter(|it| it.at < at) {
        directory.remove_dir_all(&old.folder)?;
    }
    Ok(())
}

fn list(directory: &dyn Directory, folder: &Path) -> io::Result<Vec<Found>> {
    let mut all = Vec::new();
    for entry in directory.list(folder)? {
        if let (true, Some(at)) = (entry.is_dir, position(&entry.name)) {
            all.push(Found { at, folder: folder.join(entry.name) });
        }
    }
    Ok(all)
}

fn position(name: &str) -> Option<Position> {
    let (segment, offset) = name.strip_prefix(PREFIX)?.split_once('.')?;
    Some(Position { segment: segment.parse().ok()?, offset: offset.parse().ok()? })
}

/// A snapshot being made. Dropped unfinished, it leaves what [`remove_before`] takes away.
pub struct Build {
    directory: Arc<dyn Directory>,
    folder: PathBuf,
    at: Position,
    unfinished: PathBuf,
    writer: Writer,
}

impl Build {
    /// Begins a snapshot in `folder`, the data directory, of a log closed with its end at `at`.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn new(
        directory: Arc<dyn Directory>,
        folder: &Path,
        at: Position,
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let Position { segment, offset } = at;
        let unfinished = folder.join(format!("{PREFIX}{segment:06}.{offset:010}{UNFINISHED}"));
        if directory.exists(&unfinished)? {
            directory.remove_dir_all(&unfinished)?;
        }
        let shared = Arc::clone(&directory);
        let writer = Writer::open(shared, &unfinished, options, clock, Metrics::default())?;
        Ok(Self { directory, folder: folder.to_owned(), at, unfinished, writer })
    }

    /// Writes records: series in any order, then one of tombstones, then exemplars.
    ///
    /// # Errors
    /// As [`Writer::log`]; the snapshot is then of no use.
    pub fn log(&mut self, records: &[&[u8]]) -> Result<(), WriteError> {
        self.writer.log(records)
    }

    /// Completes the snapshot and removes older ones.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn finish(self) -> io::Result<Found> {
        self.writer.close().map_err(io::Error::other)?;
        let directory = self.directory.as_ref();
        directory.sync_dir(&self.unfinished)?;
        let done = self.unfinished.with_extension("");
        if directory.exists(&done)? {
            directory.remove_dir_all(&done)?;
        }
        directory.rename(&self.unfinished, &done)?;
        directory.sync_dir(&self.folder)?;
        remove_before(directory, &self.folder, self.at)?;
        Ok(Found { at: self.at, folder: done })
    }
}
