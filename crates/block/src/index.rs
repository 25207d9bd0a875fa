//! `index`: which series a block holds and where their chunks are. Format: `docs/format/index.md`.
//!
//! ```text
//! magic, version | symbols | series | postings | postings offset table | table of contents
//! ```
//!
//! - [`Index`] reads it from a mapped file. It keeps 4 bytes for every 8th symbol and every 32nd label
//!   value; all else is found in the file by walking from there.
//! - [`IndexWriter`] writes it in one pass: symbols first, then series in label order; postings are
//!   gathered at the end by reading the series back, some label names at a time.

mod postings;
mod reader;
mod series;
mod symbols;
mod table;
mod writer;

use std::path::Path;

pub use postings::{Cursor, Postings};
pub use reader::Index;
pub use series::{ChunkMeta, SeriesEntry};
pub use writer::{EachSymbol, IndexWriter};

use crate::Error;
use crate::take::{take_u8, take_u32, take_u64};

/// The name of the file in the block's folder.
pub const INDEX_FILE: &str = "index";

const MAGIC: u32 = 0xBAAA_D700;
const VERSION: u8 = 2;
const HEAD_BYTES: usize = 5;
const TOC_BYTES: usize = 6 * 8 + 4;
/// Series begin at multiples of this, and are numbered by it.
const SERIES_ALIGNMENT: u64 = 16;

/// How a file is laid out. 3 is read as 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// Symbols are named by offset, series by offset; the table of postings is not sorted.
    V1,
    /// Symbols are named by position, series by offset / 16.
    V2,
}

/// Where the sections begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Toc {
    symbols: u64,
    series: u64,
    label_indices: u64,
    label_indices_table: u64,
    postings: u64,
    postings_table: u64,
}

impl Toc {
    fn read(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let at = bytes.len().checked_sub(TOC_BYTES).filter(|at| HEAD_BYTES <= *at);
        let at = at.ok_or_else(|| Error::corrupt(path, "invalid size"))?;
        let toc = &bytes[at..];
        let mut rest = toc;
        let mut next = || take_u64(&mut rest).expect("the length was checked");
        let it = Self {
            symbols: next(),
            series: next(),
            label_indices: next(),
            label_indices_table: next(),
            postings: next(),
            postings_table: next(),
        };
        if take_u32(&mut rest) != Some(crc32c::crc32c(&toc[..TOC_BYTES - 4])) {
            return Err(Error::corrupt_at(path, at as u64, "read TOC: invalid checksum"));
        }
        Ok(it)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(TOC_BYTES);
        for it in [
            self.symbols,
            self.series,
            self.label_indices,
            self.label_indices_table,
            self.postings,
            self.postings_table,
        ] {
            out.extend_from_slice(&it.to_be_bytes());
        }
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_be_bytes());
        out
    }
}

fn read_head(path: &Path, bytes: &[u8]) -> Result<Format, Error> {
    let mut head = bytes;
    let (Some(magic), Some(version)) = (take_u32(&mut head), take_u8(&mut head)) else {
        return Err(Error::corrupt(path, "index header: invalid size"));
    };
    if magic != MAGIC {
        return Err(Error::corrupt(path, format!("invalid magic number {magic:x}")));
    }
    match version {
        1 => Ok(Format::V1),
        2 | 3 => Ok(Format::V2),
        _ => Err(Error::corrupt(path, format!("unknown index file version {version}"))),
    }
}

/// Returns the content of a section `length | content | checksum` that begins at `offset`.
fn section<'a>(path: &Path, bytes: &'a [u8], offset: u64) -> Result<&'a [u8], Error> {
    let invalid = |reason| Error::corrupt_at(path, offset, reason);
    let at = usize::try_from(offset).unwrap_or(usize::MAX);
    let mut rest = bytes.get(at..).ok_or_else(|| invalid("invalid size"))?;
    let len = take_u32(&mut rest).ok_or_else(|| invalid("invalid size"))?;
    let content =
        crate::take::take_slice(&mut rest, len as usize).ok_or_else(|| invalid("invalid size"))?;
    if take_u32(&mut rest) != Some(crc32c::crc32c(content)) {
        return Err(invalid("invalid checksum"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests;
