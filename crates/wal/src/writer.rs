//! Writing segments.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stdx::{Clock, Directory, FileWrite, Syncing};

use crate::framing::{page_left, put_fragments, put_padding};
use crate::segment::{self, FLAG_SNAPPY, FLAG_ZSTD, HEADER_BYTES, PAGE_BYTES};
use crate::{Compression, Metrics, Position, Progress, checkpoint};

/// Past so many framed bytes, what is framed goes to the file before the next record does.
const FLUSH_BYTES: usize = 1 << 20;

/// Names the last segment that there was when a sync failed: a later sync succeeds and makes up for nothing, in
/// another process too.
const LOST: &str = "unsynced";

/// The fastest that is smaller than snappy by a quarter (`benches/samples.rs`).
const ZSTD_LEVEL: i32 = 1;

/// Settings of a log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Size at which a segment ends; a multiple of [`PAGE_BYTES`].
    pub segment_bytes: u64,
    /// How records are compressed.
    pub compression: Compression,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: crate::SEGMENT_BYTES_DEFAULT, compression: Compression::default() }
    }
}

/// Why a batch was not written.
#[derive(Debug)]
pub struct WriteError {
    /// Number of the segment.
    pub segment: u32,
    /// What the system said.
    pub source: io::Error,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "write log segment {:08}: {}", self.segment, self.source)
    }
}

impl std::error::Error for WriteError {}

/// Appends to a log. A process has one writer for a log.
pub struct Writer {
    directory: Arc<dyn Directory>,
    folder: PathBuf,
    options: Options,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    segment: u32,
    file: Box<dyn FileWrite>,
    /// Bytes of the segment that are in the file.
    written: u64,
    /// Framed bytes that follow them.
    pending: Vec<u8>,
    /// Bytes written to all segments.
    n_bytes: u64,
    packed: Vec<u8>,
    snappy: snap::raw::Encoder,
    /// Made when it is needed: it takes a megabyte.
    zstd: Option<zstd::bulk::Compressor<'static>>,
    /// Where a failed batch began. Until it is cut off, nothing more is written.
    broken: Option<Position>,
    progress: Arc<Progress>,
    /// Makes the segments before this one durable.
    syncing: Option<Box<dyn Syncing>>,
    /// A sync failed: what was acknowledged may be gone, so nothing more is.
    lost: Option<String>,
    /// The disk had no room to note that.
    is_unnoted: bool,
    /// A sync failed in an earlier process, when this was the last segment.
    doubtful: Option<u32>,
}

impl Writer {
    /// Opens the log in `folder`, creating it if needed, and begins a new segment.
    ///
    /// # Errors
    /// If the folder cannot be read or the segment not created.
    pub fn open(
        directory: Arc<dyn Directory>,
        folder: &Path,
        options: Options,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> io::Result<Self> {
        assert_eq!(options.segment_bytes % PAGE_BYTES as u64, 0, "a segment is whole pages");
        make_folder(directory.as_ref(), folder)?;
        let numbers = segment::list(directory.as_ref(), folder)?;
        let last = numbers.last().copied();
        // Segments up to a checkpoint are ignored, so the next one must be above it.
        let folded = checkpoint::last(directory.as_ref(), folder)?.map(|it| it.index);
        let segment = last.max(folded).map_or(0, |n| n + 1);
        let file = create(directory.as_ref(), folder, segment)?;
        metrics.segment_current.set(f64::from(segment));
        let mut writer = Self {
            folder: folder.to_owned(),
            directory,
            options,
            clock,
            metrics,
            segment,
            file,
            written: 0,
            pending: Vec::new(),
            n_bytes: 0,
            packed: Vec::new(),
            snappy: snap::raw::Encoder::new(),
            zstd: None,
            broken: None,
            progress: Arc::new(Progress::new(Position { segment, offset: 0 })),
            syncing: None,
            lost: None,
            is_unnoted: false,
            doubtful: None,
        };
        writer.doubtful = writer.noted()?;
        writer.forget_lost(numbers.first().copied());
        writer.sync_leftovers(&numbers)?;
        Ok(writer)
    }

    /// Syncs what a process that was killed may have left unsynced. Otherwise a power cut could take it from
    /// before what this writer has synced.
    fn sync_leftovers(&mut self, numbers: &[u32]) -> io::Result<()> {
        let open = |n: &u32| self.directory.append(&segment::path(&self.folder, *n));
        let files = numbers.iter().map(open).collect::<io::Result<Vec<_>>>()?;
        if !files.is_empty() {
            self.syncing = Some(self.directory.sync_beside(files)?);
        }
        Ok(())
    }

    /// The number of the segment being written.
    pub fn segment(&self) -> u32 {
        self.segment
    }

    /// Bytes written since the log was opened.
    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// How far the log is written, for those that follow it.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Writes records, all or none. They then survive the death of the process.
    ///
    /// # Errors
    /// Nothing of the batch is kept. A later call first cuts off what a failed one left, and works
    /// again once the disk does; after a failed sync, none does.
    pub fn log(&mut self, records: &[&[u8]]) -> Result<(), WriteError> {
        self.heal()?;
        let start = self.end();
        let result =
            records.iter().try_for_each(|record| self.put(record)).and_then(|()| self.flush());
        match result {
            Ok(()) => {
                self.progress.move_to(self.end());
                Ok(())
            }
            Err(source) => Err(self.fail(start, source)),
        }
    }

    /// Ends the segment and begins the next one. Returns the new number.
    ///
    /// # Errors
    /// As [`Writer::log`].
    pub fn cut(&mut self) -> Result<u32, WriteError> {
        self.heal()?;
        let start = self.end();
        match self.roll() {
            Ok(()) => {
                self.progress.move_to(self.end());
                Ok(self.segment)
            }
            Err(source) => Err(self.fail(start, source)),
        }
    }

    /// As [`Writer::cut`], and returns only when the segment before is synced: for a caller about to give
    /// up other copies of what it holds.
    ///
    /// # Errors
    /// As [`Writer::log`].
    pub fn cut_synced(&mut self) -> Result<u32, WriteError> {
        let segment = self.cut()?;
        // A failure is remembered: nothing more is written then.
        self.join_sync().map_err(|source| WriteError { segment: segment - 1, source })?;
        Ok(segment)
    }

    /// True if all segments before the current one are durable; does not wait for it.
    ///
    /// # Errors
    /// If a sync failed; nothing more is written then.
    pub fn is_synced_before(&mut self) -> Result<bool, WriteError> {
        self.heal()?;
        Ok(self.syncing.is_none())
    }

    /// True if segments are there that an earlier process could not sync: they may never be durable, whatever
    /// [`Writer::is_synced_before`] says.
    pub fn is_doubtful(&self) -> bool {
        self.doubtful.is_some()
    }

    /// Removes the segments below `first`.
    ///
    /// # Errors
    /// If one cannot be removed; those before it are gone.
    pub fn remove_below(&mut self, first: u32) -> io::Result<()> {
        let numbers = segment::list(self.directory.as_ref(), &self.folder)?;
        for n in numbers.into_iter().take_while(|n| *n < first.min(self.segment)) {
            self.remove(n)?;
        }
        self.forget_lost(Some(first.min(self.segment)));
        Ok(())
    }

    /// Removes a segment for good: if a crash brought it back, but none of its neighbours, there would be a
    /// gap.
    fn remove(&self, n: u32) -> io::Result<()> {
        self.directory.remove_file(&segment::path(&self.folder, n))?;
        self.directory.sync_dir(&self.folder)
    }

    /// Pads and syncs the last segment.
    ///
    /// # Errors
    /// If that fails, or the sync of the segment before it did.
    pub fn close(mut self) -> Result<(), WriteError> {
        self.heal()?;
        let segment = self.segment;
        put_padding(&mut self.pending, self.written);
        let result = self.flush().and_then(|()| {
            // In the order of the log, so that a power cut takes nothing from before what is kept.
            self.join_sync()?;
            let start = self.clock.monotonic();
            self.file.sync().inspect_err(|_| {
                self.note_lost();
            })?;
            self.metrics.fsync_duration.observe((self.clock.monotonic() - start).as_secs_f64());
            Ok(())
        });
        result.map_err(|source| WriteError { segment, source })
    }

    /// The end of what is in the files.
    fn end(&self) -> Position {
        Position { segment: self.segment, offset: self.written }
    }

    /// Frames one record into `pending`.
    fn put(&mut self, record: &[u8]) -> io::Result<()> {
        let (flag, len) = self.pack(record)?;
        let used = self.written + self.pending.len() as u64;
        let pages_left = (self.options.segment_bytes / PAGE_BYTES as u64)
            .saturating_sub(used / PAGE_BYTES as u64 + 1);
        let room = page_left(used).saturating_sub(HEADER_BYTES) as u64
            + pages_left * (PAGE_BYTES - HEADER_BYTES) as u64;
        if room < len as u64 && 0 < used {
            self.roll()?;
        }
        if FLUSH_BYTES < self.pending.len() {
            self.flush()?;
        }
        let before = self.pending.len();
        let packed = if flag == 0 { record } else { &self.packed[..len] };
        let n_parts = put_fragments(&mut self.pending, self.written, flag, packed);
        self.metrics.parts.add(n_parts);
        self.metrics.part_bytes.add((self.pending.len() - before) as u64);
        Ok(())
    }

    /// Compresses into `packed`; returns the fragments' flag and the length to be framed.
    fn pack(&mut self, record: &[u8]) -> io::Result<(u8, usize)> {
        let (flag, len) = match self.options.compression {
            Compression::None => (0, record.len()),
            Compression::Snappy => {
                self.packed.resize(snap::raw::max_compress_len(record.len()), 0);
                let len =
                    self.snappy.compress(record, &mut self.packed).map_err(io::Error::other)?;
                (FLAG_SNAPPY, len)
            }
            Compression::Zstd => {
                self.packed.resize(zstd::zstd_safe::compress_bound(record.len()), 0);
                let zstd = match &mut self.zstd {
                    Some(zstd) => zstd,
                    none => none.insert(zstd::bulk::Compressor::new(ZSTD_LEVEL)?),
                };
                (FLAG_ZSTD, zstd.compress_to_buffer(record, &mut self.packed[..])?)
            }
        };
        if record.len() <= len {
            return Ok((0, record.len()));
        }
        self.metrics.saved(self.options.compression, record.len() - len);
        Ok((flag, len))
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.file.write_all(&self.pending)?;
        let pages = |len: u64| len / PAGE_BYTES as u64;
        let end = self.written + self.pending.len() as u64;
        self.metrics.page_flushes.inc();
        self.metrics.completed_pages.add(pages(end) - pages(self.written));
        self.n_bytes += end - self.written;
        self.written = end;
        self.pending.clear();
        Ok(())
    }

    /// Finishes the segment, syncs it in the background, and creates the next one.
    fn roll(&mut self) -> io::Result<()> {
        put_padding(&mut self.pending, self.written);
        self.flush()?;
        self.join_sync()?;
        let next = create(self.directory.as_ref(), &self.folder, self.segment + 1)?;
        let done = std::mem::replace(&mut self.file, next);
        self.segment += 1;
        self.written = 0;
        self.metrics.segment_current.set(f64::from(self.segment));
        self.syncing = Some(self.directory.sync_beside(vec![done])?);
        Ok(())
    }

    fn join_sync(&mut self) -> io::Result<()> {
        let Some(syncing) = self.syncing.take() else { return Ok(()) };
        match syncing.join() {
            Ok(durations) => {
                let observe = |it: Duration| self.metrics.fsync_duration.observe(it.as_secs_f64());
                durations.into_iter().for_each(observe);
                Ok(())
            }
            Err(source) => {
                self.lost = Some(source.to_string());
                self.is_unnoted = !self.note_lost();
                Err(source)
            }
        }
    }

    /// Notes a sync that failed, for processes to come. False if that is not possible: they do not know.
    fn note_lost(&self) -> bool {
        let note = self.directory.create(&self.folder.join(LOST));
        note.and_then(|mut it| writeln!(it, "{}", self.segment)).is_ok()
    }

    /// What an earlier process noted; a note that cannot be read speaks for all segments.
    fn noted(&self) -> io::Result<Option<u32>> {
        let path = self.folder.join(LOST);
        if !self.directory.exists(&path)? {
            return Ok(None);
        }
        let text = String::from_utf8(self.directory.read(&path)?).unwrap_or_default();
        Ok(Some(text.trim().parse().unwrap_or(self.segment)))
    }

    /// Forgets what was noted of segments that are gone; `first` is the first that is there.
    fn forget_lost(&mut self, first: Option<u32>) {
        if self.doubtful.is_some_and(|last| first.is_none_or(|first| last < first)) {
            // If it stays, the next process is too careful.
            let _ = self.directory.remove_file(&self.folder.join(LOST));
            self.doubtful = None;
        }
    }

    fn fail(&mut self, start: Position, source: io::Error) -> WriteError {
        self.metrics.writes_failed.inc();
        self.pending.clear();
        self.broken = Some(start);
        let error = WriteError { segment: self.segment, source };
        // If the disk refuses this too, the next call tries again.
        let _ = self.heal();
        error
    }

    /// Cuts off what a failed batch left behind; refuses if that, or an earlier sync, failed.
    fn heal(&mut self) -> Result<(), WriteError> {
        if self.syncing.as_ref().is_some_and(|it| it.is_finished()) {
            // A failure is remembered in `lost`.
            let _ = self.join_sync();
        }
        let segment = self.segment;
        if self.is_unnoted {
            self.is_unnoted = !self.note_lost();
        }
        if let Some(why) = &self.lost {
            let source = io::Error::other(format!("an earlier segment could not be synced: {why}"));
            return Err(WriteError { segment, source });
        }
        let Some(mark) = self.broken else { return Ok(()) };
        self.cut_back(mark).map_err(|source| WriteError { segment, source })?;
        self.broken = None;
        Ok(())
    }

    fn cut_back(&mut self, mark: Position) -> io::Result<()> {
        for n in segment::list(self.directory.as_ref(), &self.folder)?.into_iter().rev() {
            if mark.segment < n {
                self.remove(n)?;
            }
        }
        let path = segment::path(&self.folder, mark.segment);
        let mut file = self.directory.append(&path)?;
        file.set_len(mark.offset)?;
        if self.directory.size(&path)? != mark.offset {
            return Err(io::Error::other("the segment could not be cut back"));
        }
        (self.file, self.segment, self.written) = (file, mark.segment, mark.offset);
        self.metrics.segment_current.set(f64::from(self.segment));
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.progress.close();
        // Without `close` nothing is promised but that no thread outlives its owner.
        let _ = self.join_sync();
    }
}

/// Makes the folder, if it is not there, and its name durable.
fn make_folder(directory: &dyn Directory, folder: &Path) -> io::Result<()> {
    directory.create_dir_all(folder)?;
    directory.sync_dir(folder.parent().unwrap_or(Path::new("")))
}

fn create(
    directory: &dyn Directory,
    folder: &Path,
    segment: u32,
) -> io::Result<Box<dyn FileWrite>> {
    let file = directory.create(&segment::path(folder, segment))?;
    directory.sync_dir(folder)?;
    Ok(file)
}
