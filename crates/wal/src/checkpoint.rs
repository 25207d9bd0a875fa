//! Folding old segments into one folder that holds only what is still needed.
//!
//! `checkpoint.00000007` stands for all segments up to number 7. It is a log of its own, built under a
//! `.tmp` name and renamed when it is complete, so a crash at any point leaves the older one in charge.

mod fold;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::SeriesRef;
use stdx::{Clock, Directory};

use crate::{Metrics, Options, ReadError, Reader, WriteError, Writer, segment};
use fold::Fold;

const PREFIX: &str = "checkpoint.";

/// A checkpoint found in a log's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The last segment folded in.
    pub index: u32,
    /// Its folder.
    pub folder: PathBuf,
}

/// What a new checkpoint is to hold.
pub struct Request<'a> {
    /// Where files are.
    pub directory: Arc<dyn Directory>,
    /// The folder of the log.
    pub folder: &'a Path,
    /// The last segment to fold in. It must be finished.
    pub last: u32,
    /// Which series are still needed: those there are, and those that are gone and that later records
    /// still name.
    pub keep: &'a dyn Fn(SeriesRef) -> bool,
    /// Samples, histograms and exemplars before this time are not needed.
    pub mint: i64,
    /// Nor are deletions that end before this.
    pub deletions_mint: i64,
    /// Samples are stored with their start times: older records are written anew as those that have
    /// them. Otherwise it goes the other way, and start times are lost.
    pub start_times: bool,
    /// How to write it.
    pub options: Options,
    /// For the writer.
    pub clock: Arc<dyn Clock>,
}

/// Where a checkpoint of given records goes.
pub struct Place<'a> {
    /// Where files are.
    pub directory: Arc<dyn Directory>,
    /// The folder of the log.
    pub folder: &'a Path,
    /// The last segment that it stands for.
    pub last: u32,
    /// How to write it.
    pub options: Options,
    /// For the writer.
    pub clock: Arc<dyn Clock>,
}

/// Why a checkpoint was not made. The log is as it was.
#[derive(Debug)]
pub enum CheckpointError {
    /// What is to be folded in cannot be read.
    Read(ReadError),
    /// The checkpoint cannot be written.
    Write(WriteError),
    /// The disk refused something else.
    Io(io::Error),
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(why) => write!(f, "create checkpoint: {why}"),
            Self::Write(why) => write!(f, "create checkpoint: {why}"),
            Self::Io(why) => write!(f, "create checkpoint: {why}"),
        }
    }
}

impl std::error::Error for CheckpointError {}

impl From<io::Error> for CheckpointError {
    fn from(source: io::Error) -> Self {
        Self::Io(source)
    }
}

/// Finds the newest checkpoint in `folder`.
///
/// # Errors
/// If the folder cannot be listed.
pub fn last(directory: &dyn Directory, folder: &Path) -> io::Result<Option<Found>> {
    Ok(list(directory, folder)?.pop())
}

/// Removes what a crash left of unfinished checkpoints.
///
/// # Errors
/// If the disk refuses.
pub fn remove_unfinished(directory: &dyn Directory, folder: &Path) -> io::Result<()> {
    if !directory.exists(folder)? {
        return Ok(());
    }
    for entry in directory.list(folder)? {
        if entry.is_dir && entry.name.starts_with(PREFIX) && entry.name.ends_with(".tmp") {
            directory.remove_dir_all(&folder.join(entry.name))?;
        }
    }
    Ok(())
}

/// Removes the checkpoints before `index`.
///
/// # Errors
/// If the disk refuses.
pub fn remove_before(directory: &dyn Directory, folder: &Path, index: u32) -> io::Result<()> {
    for old in list(directory, folder)?.into_iter().take_while(|it| it.index < index) {
        directory.remove_dir_all(&old.folder)?;
    }
    Ok(())
}

/// Folds the newest checkpoint and the segments after it, up to `request.last`, into a new one. Segments
/// and older checkpoints stay, for the caller to remove. If the newest one already reaches `request.last`,
/// it is returned as it is.
///
/// # Errors
/// See [`CheckpointError`].
pub fn create(request: &Request<'_>) -> Result<Found, CheckpointError> {
    let directory = request.directory.as_ref();
    remove_unfinished(directory, request.folder)?;
    let mut sources = Vec::new();
    let mut first = segment::list(directory, request.folder)?.first().copied().unwrap_or(0);
    if let Some(found) = last(directory, request.folder)? {
        if request.last <= found.index {
            return Ok(found);
        }
        if found.index + 1 < first {
            return Err(io::Error::other("unexpected gap to last checkpoint").into());
        }
        first = found.index + 1;
        sources.push(open(Arc::clone(&request.directory), &found)?);
    }
    sources.push(Reader::new(Arc::clone(&request.directory), request.folder, first..=request.last));

    let (shared, clock) = (Arc::clone(&request.directory), Arc::clone(&request.clock));
    let unfinished = unfinished(request.folder, request.last);
    let writer = Writer::open(shared, &unfinished, request.options, clock, Metrics::default())?;
    let mut fold = Fold::new(request, writer);
    for mut source in sources {
        fold.read(&mut source)?;
    }
    fold.finish().map_err(CheckpointError::Write)?;
    publish(directory, request.folder, request.last)
}

/// Makes a checkpoint of records that the caller knows, instead of what the log holds. Segments and older
/// checkpoints stay, for the caller to remove.
///
/// # Errors
/// See [`CheckpointError`].
pub fn create_of(
    place: &Place<'_>,
    records: impl IntoIterator<Item = Vec<u8>>,
) -> Result<Found, CheckpointError> {
    let directory = place.directory.as_ref();
    remove_unfinished(directory, place.folder)?;
    let (shared, clock) = (Arc::clone(&place.directory), Arc::clone(&place.clock));
    let unfinished = unfinished(place.folder, place.last);
    let mut writer = Writer::open(shared, &unfinished, place.options, clock, Metrics::default())?;
    for record in records {
        writer.log(&[&record]).map_err(CheckpointError::Write)?;
    }
    writer.close().map_err(CheckpointError::Write)?;
    publish(directory, place.folder, place.last)
}

/// What a checkpoint is called while it is written.
fn unfinished(folder: &Path, last: u32) -> PathBuf {
    folder.join(format!("{PREFIX}{last:08}.tmp"))
}

/// Puts a checkpoint that is written in charge.
fn publish(directory: &dyn Directory, folder: &Path, last: u32) -> Result<Found, CheckpointError> {
    let (unfinished, done) = (unfinished(folder, last), folder.join(format!("{PREFIX}{last:08}")));
    directory.sync_dir(&unfinished)?;
    directory.rename(&unfinished, &done)?;
    directory.sync_dir(folder)?;
    Ok(Found { index: last, folder: done })
}

/// Opens a checkpoint for reading.
///
/// # Errors
/// If its segments cannot be listed.
pub fn open(directory: Arc<dyn Directory>, found: &Found) -> io::Result<Reader> {
    let numbers = segment::list(directory.as_ref(), &found.folder)?;
    #[expect(clippy::reversed_empty_ranges, reason = "a checkpoint without segments holds nothing")]
    let range = numbers.first().zip(numbers.last()).map_or(1..=0, |(first, last)| *first..=*last);
    Ok(Reader::new(directory, &found.folder, range))
}

fn list(directory: &dyn Directory, folder: &Path) -> io::Result<Vec<Found>> {
    if !directory.exists(folder)? {
        return Ok(Vec::new());
    }
    let mut all: Vec<Found> = Vec::new();
    for entry in directory.list(folder)? {
        let index = entry.name.strip_prefix(PREFIX).and_then(|it| it.parse().ok());
        if let (true, Some(index)) = (entry.is_dir, index) {
            all.push(Found { index, folder: folder.join(entry.name) });
        }
    }
    all.sort_by_key(|it| it.index);
    Ok(all)
}
