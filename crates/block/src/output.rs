//! A file written from front to back.

use std::io::Write;
use std::path::{Path, PathBuf};

use stdx::{Directory, FileWrite};

use crate::Error;

/// Bytes collected before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// A file being written, with its position and a buffer.
pub(crate) struct Output {
    file: Box<dyn FileWrite>,
    path: PathBuf,
    buffer: Vec<u8>,
    written: u64,
}

impl Output {
    pub(crate) fn create(dir: &dyn Directory, path: &Path) -> Result<Self, Error> {
        let file = dir.create(path).map_err(Error::io(path))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            buffer: Vec::with_capacity(BUFFER_BYTES),
            written: 0,
        })
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if BUFFER_BYTES < self.buffer.len() + bytes.len() {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes zeros up to a multiple of `alignment`.
    pub(crate) fn pad_to(&mut self, alignment: u64) -> Result<(), Error> {
        const ZEROS: [u8; 16] = [0; 16];
        let n = self.position().next_multiple_of(alignment) - self.position();
        self.put(&ZEROS[..usize::try_from(n).expect("less than the alignment")])
    }

    /// Where the next byte goes.
    pub(crate) fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes all bytes so far readable by others.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        self.file.write_all(&self.buffer).map_err(Error::io(&self.path))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        self.file.flush().map_err(Error::io(&self.path))
    }

    /// Makes all bytes durable.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        self.flush()?;
        self.file.sync().map_err(Error::io(&self.path))
    }
}
