//! Folding old segments into one folder that holds only what is still needed.
//!
//! `checkpoint.00000007` stands for all segments up to number 7. It is a log of its own, built under a
//! `.tmp` name and renamed when it is complete, so a crash at any point leaves the older one in charge.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{Metadata, SeriesRef};
use stdx::{Clock, Directory};

use crate::record::{self, DecodeError, Kind};
use crate::{Metrics, Options, ReadError, Reader, WriteError, Writer, segment};

const PREFIX: &str = "checkpoint.";

/// Records are handed to the log in batches of about this size.
const BATCH_BYTES: usize = 1 << 20;

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
    /// Which series are still needed.
    pub keep: &'a dyn Fn(SeriesRef) -> bool,
    /// Samples before this time are not needed.
    pub mint: i64,
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
    if !directory.exists(folder) {
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
/// and older checkpoints stay, for the caller to remove.
///
/// # Errors
/// See [`CheckpointError`].
pub fn create(request: &Request<'_>) -> Result<Found, CheckpointError> {
    let directory = request.directory.as_ref();
    remove_unfinished(directory, request.folder)?;
    let name = format!("{PREFIX}{:08}", request.last);
    let (done, unfinished) =
        (request.folder.join(&name), request.folder.join(format!("{name}.tmp")));
    let mut sources = Vec::new();
    let mut first = segment::list(directory, request.folder)?.first().copied().unwrap_or(0);
    if let Some(found) = last(directory, request.folder)? {
        if found.index + 1 < first {
            return Err(io::Error::other("unexpected gap to last checkpoint").into());
        }
        first = found.index + 1;
        sources.push(open(Arc::clone(&request.directory), &found)?);
    }
    sources.push(Reader::new(Arc::clone(&request.directory), request.folder, first..=request.last));

    let (shared, clock) = (Arc::clone(&request.directory), Arc::clone(&request.clock));
    let writer = Writer::open(shared, &unfinished, request.options, clock, Metrics::default())?;
    let mut fold =
        Fold { request, writer, batch: Vec::new(), batch_bytes: 0, metadata: BTreeMap::new() };
    for mut source in sources {
        fold.read(&mut source)?;
    }
    fold.finish().map_err(CheckpointError::Write)?;
    directory.sync_dir(&unfinished)?;
    if directory.exists(&done) {
        directory.remove_dir_all(&done)?;
    }
    directory.rename(&unfinished, &done)?;
    directory.sync_dir(request.folder)?;
    Ok(Found { index: request.last, folder: done })
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
    if !directory.exists(folder) {
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

struct Fold<'a> {
    request: &'a Request<'a>,
    writer: Writer,
    batch: Vec<Vec<u8>>,
    batch_bytes: usize,
    /// The latest of each kept series.
    metadata: BTreeMap<SeriesRef, Metadata>,
}

impl Fold<'_> {
    fn read(&mut self, source: &mut Reader) -> Result<(), CheckpointError> {
        while let Some(it) = source.next().map_err(CheckpointError::Read)? {
            let at = (it.segment, it.offset);
            let kept = self.filter(it.bytes).map_err(|error| {
                CheckpointError::Read(ReadError::Corrupt {
                    segment: at.0,
                    offset: at.1,
                    rule: error.rule,
                })
            })?;
            if let Some(record) = kept {
                self.push(record).map_err(CheckpointError::Write)?;
            }
        }
        Ok(())
    }

    /// What is left of a record; `None` if nothing is.
    fn filter(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, DecodeError> {
        let Some((kind, body)) = record::split(bytes) else { return Ok(None) };
        let Request { keep, mint, .. } = self.request;
        let mut out = Vec::new();
        match kind {
            Kind::Series => {
                record::start(kind, &mut out);
                record::series(body, |series, labels| {
                    if keep(series) {
                        record::put_series(&mut out, series, &labels);
                    }
                })?;
            }
            Kind::Samples | Kind::SamplesV2 => {
                let mut kept = Vec::new();
                let mut each = |it: record::RefSample| kept.extend((*mint <= it.t).then_some(it));
                if kind == Kind::Samples {
                    record::samples(body, &mut each)?
                } else {
                    record::samples_v2(body, &mut each)?
                }
                record::put_samples(&mut out, kept);
            }
            Kind::Tombstones => {
                record::start(kind, &mut out);
                record::tombstones(body, |it| {
                    if keep(it.series) && *mint <= it.maxt {
                        record::put_tombstone(&mut out, it);
                    }
                })?;
            }
            Kind::Exemplars => {
                let mut kept = Vec::new();
                record::exemplars(body, |it| kept.extend((*mint <= it.t).then_some(it)))?;
                record::put_exemplars(&mut out, &kept);
            }
            Kind::Metadata => {
                let metadata = &mut self.metadata;
                record::metadata(body, |series, it| {
                    if keep(series) {
                        metadata.insert(series, it);
                    }
                })?;
            }
            // Not decoded yet, so kept whole: more than needed, never less.
            _ => out.extend_from_slice(bytes),
        }
        Ok((1 < out.len()).then_some(out))
    }

    fn push(&mut self, record: Vec<u8>) -> Result<(), WriteError> {
        self.batch_bytes += record.len();
        self.batch.push(record);
        if BATCH_BYTES < self.batch_bytes { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), WriteError> {
        let records: Vec<&[u8]> = self.batch.iter().map(|it| &it[..]).collect();
        self.writer.log(&records)?;
        self.batch.clear();
        self.batch_bytes = 0;
        Ok(())
    }

    fn finish(mut self) -> Result<(), WriteError> {
        if !self.metadata.is_empty() {
            let mut out = Vec::new();
            record::start(Kind::Metadata, &mut out);
            for (series, it) in &self.metadata {
                record::put_metadata(&mut out, *series, it);
            }
            self.push(out)?;
        }
        self.write()?;
        self.writer.close()
    }
}
