//! `chunks_head`: finished chunks of the head, in files of 128 MiB.
//!
//! A chunk is appended to a buffer when it is full, and the buffer to the file when it has 64 KiB; until
//! then it is read from the buffer, afterwards from the mapped file. All that is here is in the log too
//! until the head is truncated, so a chunk that a crash takes is made again by replay, and a file is
//! synced only when it is finished.

mod durable;
mod late;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use chunk::{ChunkData, Encoding};
use stdx::varint::{put_u64, take_u64};
use stdx::{Directory, FileWrite, Mapped};
use storage::ReadError;

use crate::sync::lock;
pub(crate) use durable::FileEnd;

/// The folder within the data directory.
pub(crate) const FOLDER: &str = "chunks_head";

const MAGIC: [u8; 4] = 0x0130_BC91_u32.to_be_bytes();
const HEADER: [u8; 8] = [MAGIC[0], MAGIC[1], MAGIC[2], MAGIC[3], 1, 0, 0, 0];
const FILE_BYTES_MAX: usize = 128 << 20;
/// Buffered chunks go to the file at this size.
const BUFFER_BYTES: usize = 64 << 10;
/// If the disk refuses, so much is held back before a chunk is refused.
const BUFFER_BYTES_MAX: usize = 16 << 20;
/// Series, times, encoding.
const FIXED_BYTES: usize = 25;
/// The shortest entry: fixed part, a length, no data, checksum — and what upstream calls its least.
const ENTRY_BYTES_MIN: usize = 34;
/// Bit of the encoding byte: the chunk is out of order.
const OUT_OF_ORDER: u8 = 0x80;

/// Where a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChunkAt {
    pub(crate) file: u32,
    pub(crate) offset: u32,
}

/// A chunk as the files describe it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) series: u64,
    pub(crate) mint: i64,
    pub(crate) maxt: i64,
    /// `None` if the encoding is not known to us.
    pub(crate) encoding: Option<Encoding>,
    pub(crate) is_out_of_order: bool,
    /// Blocks hold its samples, which are out of order.
    pub(crate) is_in_blocks: bool,
    pub(crate) at: ChunkAt,
}

/// The bytes of a chunk.
pub(crate) struct Bytes {
    source: Source,
    pub(crate) encoding: Encoding,
    range: Range<usize>,
}

enum Source {
    Map(Arc<Mapped>),
    Copy(Vec<u8>),
}

impl Bytes {
    /// The chunk.
    pub(crate) fn data(&self) -> ChunkData<'_> {
        ChunkData { encoding: self.encoding, data: &self.source.bytes()[self.range.clone()] }
    }
}

impl Source {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Map(map) => map,
            Self::Copy(bytes) => bytes,
        }
    }
}

/// What opening found wrong and cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repaired {
    pub(crate) path: PathBuf,
    pub(crate) offset: usize,
    pub(crate) rule: &'static str,
}

/// The files.
pub(crate) struct ChunkFiles {
    directory: Arc<dyn Directory>,
    folder: PathBuf,
    /// New chunks stay in memory.
    read_only: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Finished files.
    done: BTreeMap<u32, Arc<Mapped>>,
    writing: Option<Writing>,
    /// Finished, but not synced yet.
    unsynced: Vec<Box<dyn FileWrite>>,
    /// A sync failed, here or in an earlier process: what is in files up to this one may never be durable.
    lost: Option<u32>,
    /// The disk had no room to note that.
    is_unnoted: bool,
    /// The number of the newest file there ever was.
    newest: u32,
}

impl State {
    /// The number of the first file, if there is one.
    fn first(&self) -> Option<u32> {
        let done = self.done.first_key_value().map(|(n, _)| *n);
        done.or(self.writing.as_ref().map(|it| it.n))
    }

    /// The file that is written. A new one is made when there is something to be flushed.
    fn writing(&mut self) -> &mut Writing {
        let newest = &mut self.newest;
        self.writing.get_or_insert_with(|| {
            *newest += 1;
            let mut buffer = Vec::with_capacity(BUFFER_BYTES + 4096);
            buffer.extend_from_slice(&HEADER);
            Writing { n: *newest, file: None, is_torn: false, written: 0, buffer, mapped: None }
        })
    }
}

struct Writing {
    n: u32,
    /// `None` until something is written to it.
    file: Option<Box<dyn FileWrite>>,
    /// The file may be longer than it should be: a failed write was not cut off.
    is_torn: bool,
    /// Bytes in the file.
    written: usize,
    /// Bytes that follow them.
    buffer: Vec<u8>,
    /// The file as long as it was when a reader last needed more of it.
    mapped: Option<Arc<Mapped>>,
}

impl ChunkFiles {
    /// Opens the files in `chunks_head`, and hands every chunk to `each` in file order, or those from `from`
    /// on. What is torn or corrupt is cut off unless `read_only`, with all that follows it: the log has it.
    ///
    /// # Errors
    /// If the disk refuses, or a file is not of this kind at all.
    pub(crate) fn open(
        directory: Arc<dyn Directory>,
        read_only: bool,
        from: Option<ChunkAt>,
        mut each: impl FnMut(Entry),
    ) -> Result<(Self, Option<Repaired>), ReadError> {
        let folder = PathBuf::from(FOLDER);
        let files = Self { directory, folder, read_only, state: Mutex::default() };
        let from = from.unwrap_or(ChunkAt { file: 0, offset: 0 });
        let repaired = files.load(from, &mut each)?;
        files.forget_lost();
        Ok((files, repaired))
    }

    /// Holds nothing and takes nothing; the files are left alone.
    pub(crate) fn none(directory: Arc<dyn Directory>) -> Self {
        let folder = PathBuf::from(FOLDER);
        Self { directory, folder, read_only: true, state: Mutex::default() }
    }

    /// Appends a chunk.
    ///
    /// # Errors
    /// If the disk has refused for a while, or if none are taken; the chunk is not taken then.
    pub(crate) fn write(
        &self,
        series: u64,
        times: (i64, i64),
        chunk: ChunkData<'_>,
    ) -> io::Result<ChunkAt> {
        self.write_marked(series, times, chunk, 0)
    }

    /// As [`ChunkFiles::write`], for a chunk of out-of-order samples.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn write_late(
        &self,
        series: u64,
        times: (i64, i64),
        chunk: ChunkData<'_>,
    ) -> io::Result<ChunkAt> {
        self.write_marked(series, times, chunk, OUT_OF_ORDER)
    }

    fn write_marked(
        &self,
        series: u64,
        times: (i64, i64),
        chunk: ChunkData<'_>,
        mark: u8,
    ) -> io::Result<ChunkAt> {
        let mut state = lock(&self.state);
        let need = FIXED_BYTES + 10 + chunk.data.len() + 4;
        if state.writing.as_ref().is_some_and(|it| FILE_BYTES_MAX < it.end() + need) {
            // If the disk refuses, the file grows on for as long as the buffer may.
            let _ = self.finish_file(&mut state);
        }
        let writing = state.writing();
        if BUFFER_BYTES_MAX < writing.buffer.len() {
            self.flush(writing)?;
        }
        let at = ChunkAt { file: writing.n, offset: offset(writing.end()) };
        put_entry(&mut writing.buffer, series, times, chunk, mark);
        if BUFFER_BYTES < writing.buffer.len() {
            // If the disk refuses, the buffer keeps it for the next attempt.
            let _ = self.flush(writing);
        }
        Ok(at)
    }

    /// Reads a chunk.
    ///
    /// # Errors
    /// If it is not there, or not as it was written.
    pub(crate) fn read(&self, at: ChunkAt) -> Result<Bytes, ReadError> {
        self.read_with_mint(at).map(|(_, bytes)| bytes)
    }

    /// Reads a chunk and the time of its first sample.
    ///
    /// # Errors
    /// As [`ChunkFiles::read`].
    pub(crate) fn read_with_mint(&self, at: ChunkAt) -> Result<(i64, Bytes), ReadError> {
        let (source, start) = match self.find(at)? {
            Found::Map(map) => (Source::Map(map), at.offset as usize),
            Found::Buffered(bytes) => (Source::Copy(bytes), 0),
        };
        let (entry, range) =
            parse(source.bytes(), start, at).map_err(|rule| self.corrupt(at, rule))?;
        let encoding = entry.encoding.ok_or_else(|| self.corrupt(at, "unknown chunk encoding"))?;
        Ok((entry.mint, Bytes { source, encoding, range }))
    }

    /// Reads the time of a chunk's first sample.
    ///
    /// # Errors
    /// As [`ChunkFiles::read`].
    pub(crate) fn mint(&self, at: ChunkAt) -> Result<i64, ReadError> {
        let from = |bytes: &[u8], start: usize| -> Option<i64> {
            Some(i64::from_be_bytes(*bytes.get(start + 8..)?.first_chunk()?))
        };
        let mint = match self.find(at)? {
            Found::Map(map) => from(&map, at.offset as usize),
            Found::Buffered(bytes) => from(&bytes, 0),
        };
        mint.ok_or_else(|| self.corrupt(at, "file ends within an entry"))
    }

    /// Removes the files below `first`, and syncs what was finished since the last call.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) fn remove_below(&self, first: u32) -> io::Result<()> {
        if self.read_only {
            return Ok(());
        }
        loop {
            let oldest = lock(&self.state).done.first_key_value().map(|(n, _)| *n);
            let Some(n) = oldest.filter(|n| *n < first) else { break };
            self.remove(n)?;
            lock(&self.state).done.remove(&n);
        }
        self.forget_lost();
        self.sync_finished()
    }

    /// Writes and syncs everything.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) fn close(&self) -> io::Result<()> {
        let finished = self.finish_file(&mut lock(&self.state));
        self.sync_finished().and(finished)
    }

    /// Bytes of all files.
    pub(crate) fn size(&self) -> u64 {
        let state = lock(&self.state);
        let done: usize = state.done.values().map(|it| it.len()).sum();
        (done + state.writing.as_ref().map_or(0, Writing::end)) as u64
    }

    fn path(&self, n: u32) -> PathBuf {
        self.folder.join(format!("{n:06}"))
    }

    fn corrupt(&self, at: ChunkAt, rule: &str) -> ReadError {
        let place = format!("{} at {}", self.path(at.file).display(), at.offset);
        ReadError::Corrupt { place, reason: rule.to_owned() }
    }

    fn io(&self, path: &Path) -> impl FnOnce(io::Error) -> ReadError {
        let path = path.display().to_string();
        |source| ReadError::Io { path, reason: source.to_string() }
    }

    fn find(&self, at: ChunkAt) -> Result<Found, ReadError> {
        let mut state = lock(&self.state);
        if let Some(map) = state.done.get(&at.file) {
            return Ok(Found::Map(Arc::clone(map)));
        }
        let Some(writing) = state.writing.as_mut().filter(|it| it.n == at.file) else {
            return Err(self.corrupt(at, "no such file"));
        };
        let start = at.offset as usize;
        if let Some(start) = start.checked_sub(writing.written) {
            let entry =
                writing.buffer.get(start..).ok_or_else(|| self.corrupt(at, "past the end"))?;
            let len = entry_len(entry).ok_or_else(|| self.corrupt(at, "past the end"))?;
            return Ok(Found::Buffered(entry[..len].to_vec()));
        }
        if writing.mapped.as_ref().is_none_or(|map| map.len() <= start) {
            let path = self.path(at.file);
            // What is mapped must not be cut later.
            writing.cut_back().map_err(self.io(&path))?;
            writing.mapped = Some(Arc::new(self.directory.map(&path).map_err(self.io(&path))?));
        }
        Ok(Found::Map(Arc::clone(writing.mapped.as_ref().expect("mapped above"))))
    }

    /// Writes the buffer out, into a file that is made if need be. If that fails, the buffer is kept.
    fn flush(&self, writing: &mut Writing) -> io::Result<()> {
        if self.read_only {
            return Ok(());
        }
        if writing.file.is_none() {
            writing.file = Some(self.create(writing.n)?);
        }
        writing.flush()
    }

    fn create(&self, n: u32) -> io::Result<Box<dyn FileWrite>> {
        self.directory.create_dir_all(&self.folder)?;
        let file = self.directory.create(&self.path(n))?;
        self.directory.sync_dir(&self.folder)?;
        Ok(file)
    }

    fn finish_file(&self, state: &mut State) -> io::Result<()> {
        let Some(writing) = &mut state.writing else { return Ok(()) };
        self.flush(writing)?;
        let map = match &writing.file {
            Some(_) => self.directory.map(&self.path(writing.n))?,
            None => Mapped::held(std::mem::take(&mut writing.buffer)),
        };
        let writing = state.writing.take().expect("looked at above");
        state.done.insert(writing.n, Arc::new(map));
        state.unsynced.extend(writing.file);
        Ok(())
    }

    fn load(
        &self,
        from: ChunkAt,
        each: &mut dyn FnMut(Entry),
    ) -> Result<Option<Repaired>, ReadError> {
        if !self.directory.exists(&self.folder).map_err(self.io(&self.folder))? {
            return Ok(None);
        }
        let entries = self.directory.list(&self.folder).map_err(self.io(&self.folder))?;
        let mut numbers: Vec<u32> = entries.iter().filter_map(|it| it.name.parse().ok()).collect();
        numbers.sort_unstable();
        if numbers.windows(2).any(|pair| pair[0] + 1 != pair[1]) {
            let reason = "found unsequential head chunk files".to_owned();
            return Err(ReadError::Corrupt { place: self.folder.display().to_string(), reason });
        }
        let mut state = lock(&self.state);
        state.newest = numbers.last().copied().unwrap_or(0);
        state.lost = self.noted(&entries, state.newest);
        if state.lost.is_some() {
            // Whether the end of a file is missing cannot be told. The log has what it held.
            return self.give_up_all(&numbers).map(|()| None).map_err(self.io(&self.folder));
        }
        let late_in_blocks = self.late_in_blocks();
        let each = &mut |it: Entry| {
            let is_in_blocks =
                it.is_out_of_order && late_in_blocks.is_some_and(|last| it.at <= last);
            each(Entry { is_in_blocks, ..it });
        };
        for (i, n) in numbers.iter().enumerate() {
            let path = self.path(*n);
            let map = self.directory.map(&path).map_err(self.io(&path))?;
            if is_header_lost(&map) {
                // Created, and nothing written, or not yet on the disk when the power went.
                drop(map);
                return self.give_up(&mut state, &numbers[i..]).map_err(self.io(&path));
            }
            check_header(&map)
                .map_err(|rule| self.corrupt(ChunkAt { file: *n, offset: 0 }, rule))?;
            if *n < from.file {
                state.done.insert(*n, Arc::new(map));
                continue;
            }
            let start = if *n == from.file { from.offset as usize } else { HEADER.len() };
            let bad = walk(&map, *n, start.max(HEADER.len()), each);
            let Some((offset, rule)) = bad else {
                if !self.read_only {
                    // Whoever wrote it was perhaps killed before it was synced.
                    state.unsynced.push(self.directory.append(&path).map_err(self.io(&path))?);
                }
                state.done.insert(*n, Arc::new(map));
                continue;
            };
            if self.read_only {
                state.done.insert(*n, Arc::new(map));
            } else {
                drop(map);
                let map = self.cut(&mut state, &numbers[i..], offset).map_err(self.io(&path))?;
                state.done.insert(*n, Arc::new(map));
                state.newest = *n;
            }
            return Ok(Some(Repaired { path, offset, rule }));
        }
        Ok(None)
    }

    fn give_up_all(&self, files: &[u32]) -> io::Result<()> {
        if self.read_only {
            return Ok(());
        }
        tracing::warn!(files = files.len(), "head chunk files given up: a sync failed before");
        files.iter().rev().try_for_each(|n| self.remove(*n))
    }

    /// Removes `files`, last first. Only of the first it is known that it holds nothing.
    fn give_up(&self, state: &mut State, files: &[u32]) -> io::Result<Option<Repaired>> {
        if !self.read_only {
            files.iter().rev().try_for_each(|n| self.remove(*n))?;
            state.newest = files[0] - 1;
        }
        let repaired =
            Repaired { path: self.path(files[0]), offset: 0, rule: "file without a header" };
        Ok((1 < files.len()).then_some(repaired))
    }

    /// Removes a file for good: if a crash brought it back, but none of its neighbours, there would be a gap.
    fn remove(&self, n: u32) -> io::Result<()> {
        self.directory.remove_file(&self.path(n))?;
        self.directory.sync_dir(&self.folder)
    }

    /// Cuts the first of `files` at `offset` and removes the others, last first.
    fn cut(&self, state: &mut State, files: &[u32], offset: usize) -> io::Result<Mapped> {
        for later in files[1..].iter().rev() {
            self.remove(*later)?;
        }
        let path = self.path(files[0]);
        let mut file = self.directory.append(&path)?;
        file.set_len(offset as u64)?;
        self.note_if_lost(state, file.sync())?;
        self.directory.sync_dir(&self.folder)?;
        self.directory.map(&path)
    }
}

enum Found {
    Map(Arc<Mapped>),
    Buffered(Vec<u8>),
}

impl Writing {
    fn end(&self) -> usize {
        self.written + self.buffer.len()
    }

    /// Writes the buffer out, if there is a file. If that fails, the file is cut back and the buffer kept.
    fn flush(&mut self) -> io::Result<()> {
        self.cut_back()?;
        let Some(file) = &mut self.file else { return Ok(()) };
        self.is_torn = true;
        if let Err(error) = file.write_all(&self.buffer) {
            self.is_torn = file.set_len(self.written as u64).is_err();
            return Err(error);
        }
        self.is_torn = false;
        self.written += self.buffer.len();
        self.buffer.clear();
        Ok(())
    }

    /// Takes away what a failed write left, if that was not possible at once.
    fn cut_back(&mut self) -> io::Result<()> {
        if let Some(file) = self.file.as_mut().filter(|_| self.is_torn) {
            file.set_len(self.written as u64)?;
            self.is_torn = false;
        }
        Ok(())
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("files end at 128 MiB")
}

fn put_entry(
    out: &mut Vec<u8>,
    series: u64,
    (mint, maxt): (i64, i64),
    chunk: ChunkData<'_>,
    mark: u8,
) {
    let start = out.len();
    out.extend_from_slice(&series.to_be_bytes());
    out.extend_from_slice(&mint.to_be_bytes());
    out.extend_from_slice(&maxt.to_be_bytes());
    out.push(chunk.encoding.byte() | mark);
    put_u64(out, chunk.data.len() as u64);
    out.extend_from_slice(chunk.data);
    let crc = crc32c::crc32c(&out[start..]);
    out.extend_from_slice(&crc.to_be_bytes());
}

/// True if some of the header, or all, was not yet on the disk when the power went.
fn is_header_lost(file: &[u8]) -> bool {
    let Some(header) = file.get(..HEADER.len()) else { return true };
    header != HEADER && header.iter().zip(HEADER).all(|(it, right)| *it == right || *it == 0)
}

fn check_header(file: &[u8]) -> Result<(), &'static str> {
    match file.get(..HEADER.len()) {
        None => Err("file too short"),
        Some(header) if header[..4] != MAGIC => Err("invalid magic number"),
        Some(header) if header[4] != HEADER[4] => Err("invalid chunk format version"),
        Some(_) => Ok(()),
    }
}

/// Hands out the entries of a file from `at` on. Returns where the first bad one starts, and what is wrong
/// with it.
fn walk(
    file: &[u8],
    n: u32,
    mut at: usize,
    each: &mut dyn FnMut(Entry),
) -> Option<(usize, &'static str)> {
    while at < file.len() {
        let rest = &file[at..];
        let is_end = if rest.len() < ENTRY_BYTES_MIN {
            rest.iter().all(|it| *it == 0)
        } else {
            rest[..24].iter().all(|it| *it == 0)
        };
        if is_end {
            return None;
        }
        match parse(file, at, ChunkAt { file: n, offset: u32::try_from(at).unwrap_or(u32::MAX) }) {
            Ok((entry, range)) => {
                each(entry);
                at = range.end + 4;
            }
            Err(rule) => return Some((at, rule)),
        }
    }
    None
}

/// Reads the entry at `start`; the range is that of the chunk's data.
fn parse(file: &[u8], start: usize, at: ChunkAt) -> Result<(Entry, Range<usize>), &'static str> {
    const SHORT: &str = "file ends within an entry";
    let mut rest = file.get(start..).ok_or(SHORT)?;
    let mut take_8 = || -> Result<[u8; 8], &'static str> {
        let (bytes, tail) = rest.split_first_chunk().ok_or(SHORT)?;
        rest = tail;
        Ok(*bytes)
    };
    let series = u64::from_be_bytes(take_8()?);
    let (mint, maxt) = (i64::from_be_bytes(take_8()?), i64::from_be_bytes(take_8()?));
    let (encoding, mut rest) = rest.split_first().ok_or(SHORT)?;
    let len = take_u64(&mut rest).and_then(|it| usize::try_from(it).ok()).ok_or(SHORT)?;
    let data_at = file.len() - rest.len();
    let crc = rest.get(len..).and_then(|it| it.first_chunk::<4>()).ok_or(SHORT)?;
    let data_end = data_at + len;
    if crc32c::crc32c(&file[start..data_end]).to_be_bytes() != *crc {
        return Err("checksum mismatch");
    }
    let is_out_of_order = encoding & OUT_OF_ORDER != 0;
    let encoding = Encoding::from_byte(encoding & !OUT_OF_ORDER);
    let is_in_blocks = false;
    let entry = Entry { series, mint, maxt, encoding, is_out_of_order, is_in_blocks, at };
    Ok((entry, data_at..data_end))
}

/// How long the entry at the start of `bytes` is.
fn entry_len(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes.get(FIXED_BYTES..)?;
    let len = usize::try_from(take_u64(&mut rest)?).ok()?;
    let len = (bytes.len() - rest.len()).checked_add(len)?.checked_add(4)?;
    (len <= bytes.len()).then_some(len)
}

#[cfg(test)]
mod tests;
