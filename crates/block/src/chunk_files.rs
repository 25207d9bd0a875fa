//! `chunks/000001…`: the chunks of a block. Format: `docs/format/chunks.md`.
//!
//! A chunk is found by its reference: the number of its file, counted from 0, in the high 32 bits, the
//! offset of its first byte in the low ones.

use std::path::{Path, PathBuf};

use chunk::{ChunkData, Encoding};
use stdx::{Directory, FileRead, Mapped, varint};

use crate::Error;
use crate::output::Output;
use crate::take::{take_slice, take_u8, take_u32};

/// The folder of the files in the block's folder.
pub const CHUNKS_DIR: &str = "chunks";
/// Size at which a file ends unless told otherwise.
pub const SEGMENT_BYTES_DEFAULT: u64 = 512 << 20;

const MAGIC: u32 = 0x85BD_40DD;
const VERSION: u8 = 1;
const HEAD: [u8; 8] = [0x85, 0xBD, 0x40, 0xDD, VERSION, 0, 0, 0];
const CRC_BYTES: usize = 4;
/// Length (5 at most), encoding, checksum: what a chunk counts beside its data.
const FRAME_BYTES_MAX: u64 = 10;

/// The chunk files of a block, mapped.
pub(crate) struct ChunkFiles {
    files: Vec<(PathBuf, Mapped)>,
}

impl ChunkFiles {
    /// Maps the files of the block in folder `block`.
    pub(crate) fn open(dir: &dyn Directory, block: &Path) -> Result<Self, Error> {
        let mut files = Vec::new();
        for path in segment_paths(dir, block)? {
            let bytes = dir.map(&path).map_err(Error::io(&path))?;
            check_head(&path, &bytes)?;
            files.push((path, bytes));
        }
        Ok(Self { files })
    }

    /// Returns the chunk at `reference`, after checking its checksum.
    pub(crate) fn get(&self, reference: u64) -> Result<ChunkData<'_>, Error> {
        let (file, offset) = split(reference);
        let Some((path, bytes)) = self.files.get(file) else {
            let reason = format!("segment index {file} out of range");
            return Err(Error::Corrupt { place: format!("chunk reference {reference}"), reason });
        };
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = bytes.get(start..).unwrap_or_default();
        parse(rest).map_err(|reason| Error::corrupt_at(path, offset, reason.text()))
    }

    pub(crate) fn n_bytes(&self) -> u64 {
        self.files.iter().map(|(_, it)| it.len() as u64).sum()
    }
}

/// Reads the chunks of a block in ascending order of reference without mapping them: memory is one
/// window, however large the files.
pub struct SequentialChunks {
    files: Vec<(PathBuf, Box<dyn FileRead>)>,
    /// The file and offset that `window` starts at.
    window_at: (usize, u64),
    window: Vec<u8>,
}

/// Bytes read at once.
const WINDOW_BYTES: usize = 256 << 10;

impl SequentialChunks {
    /// Opens the files of the block in folder `block`.
    ///
    /// # Errors
    /// If a file cannot be opened.
    pub fn open(dir: &dyn Directory, block: &Path) -> Result<Self, Error> {
        let mut files = Vec::new();
        for path in segment_paths(dir, block)? {
            let file = dir.open(&path).map_err(Error::io(&path))?;
            files.push((path, file));
        }
        Ok(Self { files, window_at: (usize::MAX, 0), window: Vec::new() })
    }

    /// Returns the chunk at `reference`, after checking its checksum.
    ///
    /// # Errors
    /// If it cannot be read, or its bytes are wrong.
    pub fn get(&mut self, reference: u64) -> Result<ChunkData<'_>, Error> {
        let (file, offset) = split(reference);
        let within = self.within(file, offset);
        let needs_more = match within {
            Some(at) => matches!(parse(&self.window[at..]), Err(Broken::Short(_))),
            None => true,
        };
        let at = if needs_more { self.load(file, offset)? } else { within.unwrap_or(0) };
        let path = &self.files[file].0;
        parse(&self.window[at..]).map_err(|reason| Error::corrupt_at(path, offset, reason.text()))
    }

    fn within(&self, file: usize, offset: u64) -> Option<usize> {
        if self.window_at.0 != file {
            return None;
        }
        let at = usize::try_from(offset.checked_sub(self.window_at.1)?).ok()?;
        (at < self.window.len()).then_some(at)
    }

    /// Loads a window that starts at `offset` and holds the whole chunk there, if the file does.
    fn load(&mut self, file: usize, offset: u64) -> Result<usize, Error> {
        let Some((path, source)) = self.files.get(file) else {
            let reason = format!("segment index {file} out of range");
            return Err(Error::Corrupt { place: format!("chunk in segment {file}"), reason });
        };
        let left = source.size().map_err(Error::io(path))?.saturating_sub(offset);
        let mut len = WINDOW_BYTES;
        loop {
            let whole = u64::try_from(len).unwrap_or(u64::MAX).min(left);
            self.window.resize(usize::try_from(whole).unwrap_or(usize::MAX), 0);
            source.read_exact_at(&mut self.window, offset).map_err(Error::io(path))?;
            self.window_at = (file, offset);
            match parse(&self.window) {
                Err(Broken::Short(needed)) if whole < left && len < needed => len = needed,
                _ => return Ok(0),
            }
        }
    }
}

/// Writes the chunk files of a block.
pub(crate) struct ChunkWriter<'a> {
    dir: &'a dyn Directory,
    folder: PathBuf,
    segment_bytes_max: u64,
    current: Option<Output>,
    /// Files begun.
    n_files: u32,
    scratch: Vec<u8>,
}

impl<'a> ChunkWriter<'a> {
    /// Creates the folder in the folder `block`. The first file begins with the first chunk.
    pub(crate) fn create(
        dir: &'a dyn Directory,
        block: &Path,
        segment_bytes_max: u64,
    ) -> Result<Self, Error> {
        let folder = block.join(CHUNKS_DIR);
        dir.create_dir_all(&folder).map_err(Error::io(&folder))?;
        Ok(Self { dir, folder, segment_bytes_max, current: None, n_files: 0, scratch: Vec::new() })
    }

    /// Writes a chunk and returns its reference.
    pub(crate) fn put(&mut self, chunk: ChunkData<'_>) -> Result<u64, Error> {
        let bytes = chunk.data.len() as u64 + FRAME_BYTES_MAX;
        let fits = |it: &Output| {
            it.position() + bytes <= self.segment_bytes_max || it.position() <= HEAD.len() as u64
        };
        if !self.current.as_ref().is_some_and(fits) {
            self.next_file()?;
        }
        let file = self.current.as_mut().expect("just begun");
        let reference = u64::from(self.n_files - 1) << 32 | file.position();
        self.scratch.clear();
        varint::put_u64(&mut self.scratch, chunk.data.len() as u64);
        let framed_from = self.scratch.len();
        self.scratch.push(chunk.encoding.byte());
        self.scratch.extend_from_slice(chunk.data);
        let crc = crc32c::crc32c(&self.scratch[framed_from..]);
        self.scratch.extend_from_slice(&crc.to_be_bytes());
        file.put(&self.scratch)?;
        Ok(reference)
    }

    /// Makes all chunks durable.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        if let Some(last) = self.current.take() {
            last.finish()?;
        }
        self.dir.sync_dir(&self.folder).map_err(Error::io(&self.folder))
    }

    fn next_file(&mut self) -> Result<(), Error> {
        if let Some(last) = self.current.take() {
            last.finish()?;
        }
        self.n_files += 1;
        let path = self.folder.join(format!("{:06}", self.n_files));
        let mut file = Output::create(self.dir, &path)?;
        file.put(&HEAD)?;
        self.current = Some(file);
        Ok(())
    }
}

/// Lists the files in the order of their names; names that are no decimal number are none.
fn segment_paths(dir: &dyn Directory, block: &Path) -> Result<Vec<PathBuf>, Error> {
    let folder = block.join(CHUNKS_DIR);
    let entries = dir.list(&folder).map_err(Error::io(&folder))?;
    let is_segment = |name: &str| name.parse::<u64>().is_ok();
    Ok(entries.iter().filter(|it| is_segment(&it.name)).map(|it| folder.join(&it.name)).collect())
}

fn check_head(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut head = bytes;
    let Some(magic) = take_u32(&mut head) else { return Err(Error::corrupt(path, "invalid size")) };
    if magic != MAGIC {
        return Err(Error::corrupt(path, format!("invalid magic number {magic:x}")));
    }
    match take_u8(&mut head) {
        Some(VERSION) => Ok(()),
        other => Err(Error::corrupt(
            path,
            format!("invalid chunk format version {}", other.unwrap_or(0)),
        )),
    }
}

fn split(reference: u64) -> (usize, u64) {
    (usize::try_from(reference >> 32).unwrap_or(usize::MAX), reference & 0xFFFF_FFFF)
}

/// Why bytes are no chunk.
enum Broken {
    /// They end before the chunk does, which needs as many bytes as this.
    Short(usize),
    Encoding(u8),
    Checksum {
        expected: u32,
        actual: u32,
    },
}

impl Broken {
    fn text(&self) -> String {
        match self {
            Self::Short(needed) => format!(
                "segment doesn't include enough bytes to read the chunk - required:{needed}"
            ),
            Self::Encoding(byte) => format!("invalid chunk encoding {byte}"),
            Self::Checksum { expected, actual } => {
                format!("checksum mismatch expected:{expected:x}, actual:{actual:x}")
            }
        }
    }
}

/// Reads `length | encoding | data | checksum` off the front.
fn parse(bytes: &[u8]) -> Result<ChunkData<'_>, Broken> {
    let mut rest = bytes;
    let Some(len) = varint::take_u64(&mut rest) else { return Err(Broken::Short(10)) };
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let needed = (bytes.len() - rest.len()).saturating_add(len).saturating_add(1 + CRC_BYTES);
    let Some(framed) = take_slice(&mut rest, len.saturating_add(1)) else {
        return Err(Broken::Short(needed));
    };
    let Some(expected) = take_u32(&mut rest) else { return Err(Broken::Short(needed)) };
    let actual = crc32c::crc32c(framed);
    if expected != actual {
        return Err(Broken::Checksum { expected, actual });
    }
    let encoding = Encoding::from_byte(framed[0]).ok_or(Broken::Encoding(framed[0]))?;
    Ok(ChunkData { encoding, data: &framed[1..] })
}
