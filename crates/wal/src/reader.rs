//! Reading segments.

use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stdx::{Directory, Mapped};

use crate::Position;
use crate::framing::{Assembly, Fragment, Frame, Unpacker, fragment, page_left};
use crate::segment::{self, HEADER_BYTES};

/// Why a record could not be read. One variant for each thing the caller can do about it.
#[derive(Debug)]
pub enum ReadError {
    /// The disk refused. Trying again may help.
    Io {
        /// Number of the segment.
        segment: u32,
        /// What the system said.
        source: io::Error,
    },
    /// The bytes are wrong. Trying again never helps; [`crate::repair()`] cuts the segment at `offset`.
    Corrupt {
        /// Number of the segment.
        segment: u32,
        /// Where the last good record ends.
        offset: u64,
        /// What is wrong with the bytes there.
        rule: &'static str,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { segment, source } => write!(f, "read segment {segment:08}: {source}"),
            Self::Corrupt { segment, offset, rule } => {
                write!(f, "corruption in segment {segment:08} at {offset}: {rule}")
            }
        }
    }
}

impl std::error::Error for ReadError {}

/// So many bytes of a segment are in memory at most, but for a record that is longer.
const LEAVE_BYTES: usize = 4 << 20;

/// One record, unpacked.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its bytes, the first being its type.
    pub bytes: &'a [u8],
    /// Number of the segment that holds it.
    pub segment: u32,
    /// Where in the segment its first fragment starts.
    pub offset: u64,
}

/// Walks the records of consecutive segments.
pub struct Reader {
    directory: Arc<dyn Directory>,
    folder: PathBuf,
    rest: RangeInclusive<u32>,
    /// Where in the first segment to start.
    offset: u64,
    current: Option<Segment>,
    unpacker: Unpacker,
}

impl Reader {
    /// Starts at the beginning of the first segment of `segments` in `folder`. Every number of the range
    /// must exist when it is reached.
    pub fn new(
        directory: Arc<dyn Directory>,
        folder: &Path,
        segments: RangeInclusive<u32>,
    ) -> Self {
        let from = Position { segment: *segments.start(), offset: 0 };
        Self::from(directory, folder, from, *segments.end())
    }

    /// Starts at a record, or at a page, and ends with the segment `last`.
    pub fn from(directory: Arc<dyn Directory>, folder: &Path, from: Position, last: u32) -> Self {
        Self {
            directory,
            folder: folder.to_owned(),
            rest: from.segment..=last,
            offset: from.offset,
            current: None,
            unpacker: Unpacker::new(),
        }
    }

    /// Reads the next record; `None` at the end of the last segment.
    ///
    /// # Errors
    /// See [`ReadError`]. After an error, reading on is not possible.
    #[expect(clippy::should_implement_trait, reason = "a record borrows from the reader")]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        loop {
            if self.current.is_none() {
                let Some(n) = self.rest.next() else { return Ok(None) };
                let bytes = self.directory.map(&segment::path(&self.folder, n));
                let bytes = bytes.map_err(|source| ReadError::Io { segment: n, source })?;
                let at = usize::try_from(std::mem::take(&mut self.offset)).unwrap_or(usize::MAX);
                let assembly = Assembly::default();
                self.current = Some(Segment { n, bytes, at, left: at, assembly });
            }
            let current = self.current.as_mut().expect("opened above");
            current.leave();
            match current.next_frame()? {
                Some(frame) => return self.unpack(frame).map(Some),
                None => self.current = None,
            }
        }
    }

    fn unpack(&mut self, frame: Frame) -> Result<Record<'_>, ReadError> {
        let current = self.current.as_ref().expect("a frame comes from a segment");
        let (segment, offset) = (current.n, frame.start);
        let bytes =
            self.unpacker.unpack(frame.flags, current.assembly.packed(&current.bytes, frame));
        let bytes = bytes.map_err(|rule| ReadError::Corrupt { segment, offset, rule })?;
        Ok(Record { bytes, segment, offset })
    }
}

struct Segment {
    n: u32,
    bytes: Mapped,
    /// Where the next fragment starts.
    at: usize,
    /// Up to where memory was given back.
    left: usize,
    assembly: Assembly,
}

impl Segment {
    /// Gives memory back now and then: a whole segment of 128 MiB would count as the process's.
    fn leave(&mut self) {
        if LEAVE_BYTES <= self.at - self.left {
            self.bytes.leave(self.at);
            self.left = self.at;
        }
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, ReadError> {
        let good_end = self.at as u64;
        let result = self.frame();
        result.map_err(|rule| ReadError::Corrupt { segment: self.n, offset: good_end, rule })
    }

    fn frame(&mut self) -> Result<Option<Frame>, &'static str> {
        while let Some(rest) = self.bytes.get(self.at..).filter(|rest| !rest.is_empty()) {
            let at = self.at as u64;
            let rest = &rest[..rest.len().min(page_left(at))];
            match fragment(rest, at)? {
                Fragment::Data { kind, len } => {
                    let data = &rest[HEADER_BYTES..HEADER_BYTES + len];
                    let done = self.assembly.take(kind, at, data)?;
                    self.at += HEADER_BYTES + len;
                    if done.is_some() {
                        return Ok(done);
                    }
                }
                // What is missing of the last page counts as zeros.
                Fragment::Zeros => self.at += page_left(at),
                Fragment::Torn => return Err("last record is torn"),
            }
        }
        if self.assembly.is_open() { Err("last record is torn") } else { Ok(None) }
    }
}
