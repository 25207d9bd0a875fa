//! The symbols of an index: all label names and values, sorted, each once.

use std::path::Path;
use std::str;

use super::{Format, section};
use crate::Error;
use crate::take::{take_string, take_u32};

/// One symbol in so many has its offset kept.
const SAMPLING: usize = 8;

/// Finds symbols in the bytes of an index. Costs half a byte of memory a symbol.
pub(super) struct Symbols {
    /// Offset of every [`SAMPLING`]th symbol in the file.
    sampled: Vec<u32>,
    n: usize,
    format: Format,
}

impl Symbols {
    /// Reads the section at `offset` once through: its checksum, and that all is text.
    pub(super) fn open(
        path: &Path,
        bytes: &[u8],
        offset: u64,
        format: Format,
    ) -> Result<Self, Error> {
        let content = section(path, bytes, offset)?;
        let invalid =
            |reason: &str| Error::corrupt_at(path, offset, format!("read symbols: {reason}"));
        let mut rest = content;
        let n = take_u32(&mut rest).ok_or_else(|| invalid("invalid size"))? as usize;
        // A symbol has one byte or more.
        if rest.len() < n {
            return Err(invalid("invalid size"));
        }
        let base = usize::try_from(offset).unwrap_or(0) + 4 + content.len();
        let mut sampled = Vec::with_capacity(n.div_ceil(SAMPLING));
        for at in 0..n {
            if at.is_multiple_of(SAMPLING) {
                let offset = base - rest.len();
                sampled.push(u32::try_from(offset).map_err(|_| invalid("invalid size"))?);
            }
            let symbol = take_string(&mut rest).ok_or_else(|| invalid("invalid size"))?;
            if str::from_utf8(symbol).is_err() {
                return Err(invalid("symbol is not valid UTF-8"));
            }
        }
        Ok(Self { sampled, n, format })
    }

    pub(super) fn heap_bytes(&self) -> u64 {
        size_of_val(&self.sampled[..]) as u64
    }

    pub(super) fn len(&self) -> usize {
        self.n
    }

    /// Returns the symbol that series call `number`; `bytes` is the file.
    pub(super) fn get<'a>(&self, bytes: &'a [u8], number: u32) -> Option<&'a str> {
        let symbol = match self.format {
            Format::V1 => take_string(&mut bytes.get(number as usize..)?)?,
            Format::V2 => {
                let number = number as usize;
                if self.n <= number {
                    return None;
                }
                let mut rest = bytes.get(self.sampled[number / SAMPLING] as usize..)?;
                for _ in 0..number % SAMPLING {
                    take_string(&mut rest)?;
                }
                take_string(&mut rest)?
            }
        };
        str::from_utf8(symbol).ok()
    }

    /// Walks all symbols in the order of the file, with what series call them.
    pub(super) fn iter<'a>(
        &self,
        bytes: &'a [u8],
    ) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let start = self.sampled.first().map_or(bytes.len(), |it| *it as usize);
        let (format, mut rest) = (self.format, bytes.get(start..).unwrap_or_default());
        (0..self.n).map_while(move |at| {
            let number = match format {
                Format::V1 => bytes.len() - rest.len(),
                Format::V2 => at,
            };
            Some((u32::try_from(number).ok()?, take_string(&mut rest)?))
        })
    }

    /// Returns the number of `symbol` in a sorted table (version 2), if it is there.
    pub(super) fn find(&self, bytes: &[u8], symbol: &str) -> Option<u32> {
        let at = |offset: &u32| take_string(&mut bytes.get(*offset as usize..)?);
        let group =
            self.sampled.partition_point(|it| at(it).is_some_and(|it| it <= symbol.as_bytes()));
        let first = group.checked_sub(1)? * SAMPLING;
        (first..self.n.min(first + SAMPLING))
            .filter_map(|it| u32::try_from(it).ok())
            .find(|it| self.get(bytes, *it) == Some(symbol))
    }
}
