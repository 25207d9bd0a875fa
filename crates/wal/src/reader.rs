//! Reading segments.

use std::fmt;
use std::io;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stdx::{Directory, Mapped};

use crate::segment::{
    self, FIRST, FLAG_SNAPPY, FLAG_ZSTD, FULL, HEADER_BYTES, LAST, MIDDLE, PAGE_BYTES, PAGE_END,
};

/// No record unpacks to more than this: longer ones are not ours and not Prometheus's.
const RECORD_BYTES_MAX: usize = 1 << 30;

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
    current: Option<Segment>,
    /// Fragments of the current record, joined.
    joined: Vec<u8>,
    unpacked: Vec<u8>,
    snappy: snap::raw::Decoder,
}

impl Reader {
    /// Starts at the beginning of the first segment of `segments` in `folder`. Every number of the range
    /// must exist when it is reached.
    pub fn new(
        directory: Arc<dyn Directory>,
        folder: &Path,
        segments: RangeInclusive<u32>,
    ) -> Self {
        Self {
            directory,
            folder: folder.to_owned(),
            rest: segments,
            current: None,
            joined: Vec::new(),
            unpacked: Vec::new(),
            snappy: snap::raw::Decoder::new(),
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
                self.current = Some(Segment { n, bytes, at: 0 });
            }
            let current = self.current.as_mut().expect("opened above");
            match current.next_frame(&mut self.joined)? {
                Some(frame) => return self.unpack(frame).map(Some),
                None => self.current = None,
            }
        }
    }

    fn unpack(&mut self, frame: Frame) -> Result<Record<'_>, ReadError> {
        let current = self.current.as_ref().expect("a frame comes from a segment");
        let (segment, offset) = (current.n, frame.start as u64);
        let corrupt = |rule| ReadError::Corrupt { segment, offset, rule };
        let packed = frame.whole.map_or(&self.joined[..], |range| &current.bytes[range]);
        let bytes = if frame.flags & FLAG_SNAPPY != 0 {
            let len =
                snap::raw::decompress_len(packed).map_err(|_| corrupt("invalid snappy length"))?;
            if RECORD_BYTES_MAX < len {
                return Err(corrupt("record too long"));
            }
            self.unpacked.resize(len, 0);
            self.snappy
                .decompress(packed, &mut self.unpacked)
                .map_err(|_| corrupt("invalid snappy data"))?;
            &self.unpacked[..]
        } else if frame.flags & FLAG_ZSTD != 0 {
            self.unpacked.clear();
            unpack_zstd(packed, &mut self.unpacked).map_err(corrupt)?;
            &self.unpacked[..]
        } else {
            packed
        };
        Ok(Record { bytes, segment, offset })
    }
}

fn unpack_zstd(packed: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    let decoder =
        zstd::stream::read::Decoder::with_buffer(packed).map_err(|_| "invalid zstd frame")?;
    io::Read::read_to_end(&mut io::Read::take(decoder, RECORD_BYTES_MAX as u64 + 1), out)
        .map_err(|_| "invalid zstd frame")?;
    if RECORD_BYTES_MAX < out.len() { Err("record too long") } else { Ok(()) }
}

struct Segment {
    n: u32,
    bytes: Mapped,
    /// Where the next fragment starts.
    at: usize,
}

/// A record as framed.
struct Frame {
    start: usize,
    flags: u8,
    /// Where its bytes are, if they are in one fragment; otherwise they were joined.
    whole: Option<Range<usize>>,
}

impl Segment {
    fn next_frame(&mut self, joined: &mut Vec<u8>) -> Result<Option<Frame>, ReadError> {
        let good_end = self.at as u64;
        let result = self.frame(joined);
        result.map_err(|rule| ReadError::Corrupt { segment: self.n, offset: good_end, rule })
    }

    fn frame(&mut self, joined: &mut Vec<u8>) -> Result<Option<Frame>, &'static str> {
        joined.clear();
        let mut open: Option<(usize, u8)> = None;
        while let Some((kind, range)) = self.fragment()? {
            let (start, flags) = (range.start - HEADER_BYTES, kind & (FLAG_SNAPPY | FLAG_ZSTD));
            match (kind & 0x07, open) {
                (FULL, None) => return Ok(Some(Frame { start, flags, whole: Some(range) })),
                (FIRST, None) => open = Some((start, flags)),
                (MIDDLE | LAST, Some(_)) => {}
                (FULL | FIRST, Some(_)) => return Err("a record starts within a record"),
                (MIDDLE | LAST, None) => return Err("a record continues that never started"),
                _ => return Err("unexpected record type"),
            }
            joined.extend_from_slice(&self.bytes[range]);
            if let (LAST, Some((start, flags))) = (kind & 0x07, open) {
                return Ok(Some(Frame { start, flags, whole: None }));
            }
        }
        if open.is_some() { Err("last record is torn") } else { Ok(None) }
    }

    /// The next fragment's type and where its data is; `None` at the end of the segment.
    fn fragment(&mut self) -> Result<Option<(u8, Range<usize>)>, &'static str> {
        while self.at < self.bytes.len() {
            let page_end = (self.at / PAGE_BYTES + 1) * PAGE_BYTES;
            let page = &self.bytes[self.at..page_end.min(self.bytes.len())];
            if page[0] & 0x07 == PAGE_END {
                if page.iter().any(|byte| *byte != 0) {
                    return Err("unexpected non-zero byte in padded page");
                }
                self.at = page_end;
                continue;
            }
            let Some((header, rest)) = page.split_at_checked(HEADER_BYTES) else {
                return Err("last record is torn");
            };
            let len = usize::from(u16::from_be_bytes([header[1], header[2]]));
            if page_end - self.at < HEADER_BYTES + len {
                return Err("invalid record size");
            }
            let Some(data) = rest.get(..len) else { return Err("last record is torn") };
            if crc32c::crc32c(data).to_be_bytes() != header[3..7] {
                return Err("unexpected checksum");
            }
            let start = self.at + HEADER_BYTES;
            self.at = start + len;
            return Ok(Some((header[0], start..start + len)));
        }
        Ok(None)
    }
}
