//! Sections with a checksum each.

use std::io::{self, Write};
use std::path::Path;

use stdx::{Directory, FileRead, FileWrite};

use super::Kind;

/// The last byte is the version.
const MAGIC: [u8; 8] = *b"PyrHead\x01";
/// Kind and length.
const HEADER_BYTES: usize = 5;
const CRC_BYTES: usize = 4;
/// Sections are written together up to this size.
const WRITE_BYTES: usize = 512 << 10;

/// Writes sections.
pub(super) struct Sections {
    file: Box<dyn FileWrite>,
    buffer: Vec<u8>,
    pub(super) n_bytes: u64,
}

impl Sections {
    /// Creates the file.
    pub(super) fn create(directory: &dyn Directory, path: &Path) -> io::Result<Self> {
        let file = directory.create(path)?;
        Ok(Self { file, buffer: MAGIC.to_vec(), n_bytes: 0 })
    }

    /// Adds a section with what `put` appends.
    pub(super) fn add<T>(
        &mut self,
        kind: Kind,
        put: impl FnOnce(&mut Vec<u8>) -> T,
    ) -> io::Result<T> {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&[kind as u8, 0, 0, 0, 0]);
        let result = put(&mut self.buffer);
        let len = self.buffer.len() - start - HEADER_BYTES;
        let len = u32::try_from(len).map_err(|_| io::Error::other("a section is too long"))?;
        self.buffer[start + 1..start + HEADER_BYTES].copy_from_slice(&len.to_le_bytes());
        let crc = crc32c::crc32c(&self.buffer[start..]);
        self.buffer.extend_from_slice(&crc.to_le_bytes());
        if WRITE_BYTES < self.buffer.len() {
            self.flush()?;
        }
        Ok(result)
    }

    /// Makes all durable.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.flush()?;
        self.file.sync()?;
        Ok(self.n_bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.n_bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// Why sections cannot be read.
#[derive(Debug)]
pub(crate) enum SectionError {
    Io(io::Error),
    Corrupt(&'static str),
}

impl From<io::Error> for SectionError {
    fn from(source: io::Error) -> Self {
        Self::Io(source)
    }
}

/// Reads sections, one at a time.
pub(super) struct SectionReader {
    file: Box<dyn FileRead>,
    at: u64,
    pub(super) size: u64,
    buffer: Vec<u8>,
}

impl SectionReader {
    /// Opens the file.
    pub(super) fn open(directory: &dyn Directory, path: &Path) -> Result<Self, SectionError> {
        let file = directory.open(path)?;
        let size = file.size()?;
        let mut magic = [0; MAGIC.len()];
        if size < magic.len() as u64 {
            return Err(SectionError::Corrupt("the file is too short"));
        }
        file.read_exact_at(&mut magic, 0)?;
        if magic != MAGIC {
            return Err(SectionError::Corrupt("no head checkpoint of a known version"));
        }
        Ok(Self { file, at: magic.len() as u64, size, buffer: Vec::new() })
    }

    /// Reads the next section; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<(Kind, &[u8])>, SectionError> {
        const TORN: SectionError = SectionError::Corrupt("the file ends within a section");
        let left = self.size - self.at;
        if left == 0 {
            return Ok(None);
        }
        let mut header = [0; HEADER_BYTES];
        if left < header.len() as u64 {
            return Err(TORN);
        }
        self.file.read_exact_at(&mut header, self.at)?;
        let [kind, len @ ..] = header;
        let len = u32::from_le_bytes(len) as usize;
        let rest = (len + CRC_BYTES) as u64;
        if left - (HEADER_BYTES as u64) < rest {
            return Err(TORN);
        }
        self.buffer.resize(len + CRC_BYTES, 0);
        self.file.read_exact_at(&mut self.buffer, self.at + HEADER_BYTES as u64)?;
        self.at += HEADER_BYTES as u64 + rest;
        let (data, crc) = self.buffer.split_at(len);
        if crc32c::crc32c_append(crc32c::crc32c(&header), data).to_le_bytes() != crc {
            return Err(SectionError::Corrupt("checksum mismatch"));
        }
        let kind = Kind::ALL.into_iter().find(|it| *it as u8 == kind);
        let kind = kind.ok_or(SectionError::Corrupt("a section of an unknown kind"))?;
        Ok(Some((kind, data)))
    }
}
