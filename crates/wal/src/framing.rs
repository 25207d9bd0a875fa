//! From the bytes of a page to fragments, from fragments to records, from records to what was logged.

use std::io;

use crate::segment::{
    FIRST, FLAG_SNAPPY, FLAG_ZSTD, FULL, HEADER_BYTES, LAST, MIDDLE, PAGE_BYTES, PAGE_END,
};

/// No record unpacks to more than this: longer ones are not ours and not Prometheus's.
const RECORD_BYTES_MAX: usize = 1 << 30;

/// What stands at a place in a page.
pub(crate) enum Fragment {
    /// A fragment: its type, and the length of its data behind the header.
    Data { kind: u8, len: usize },
    /// Nothing but zeros, or nothing at all.
    Zeros,
    /// The beginning of one.
    Torn,
}

/// Looks at `rest`, what there is of a page from `at` in its segment on.
pub(crate) fn fragment(rest: &[u8], at: u64) -> Result<Fragment, &'static str> {
    let Some(&kind) = rest.first() else { return Ok(Fragment::Zeros) };
    if kind & 0x07 == PAGE_END {
        let zeros = rest.iter().all(|byte| *byte == 0);
        return if zeros {
            Ok(Fragment::Zeros)
        } else {
            Err("unexpected non-zero byte in padded page")
        };
    }
    let Some((header, data)) = rest.split_first_chunk::<HEADER_BYTES>() else {
        return Ok(Fragment::Torn);
    };
    let len = usize::from(u16::from_be_bytes([header[1], header[2]]));
    if page_left(at) < HEADER_BYTES + len {
        return Err("invalid record size");
    }
    let Some(data) = data.get(..len) else { return Ok(Fragment::Torn) };
    if crc32c::crc32c(data).to_be_bytes() != header[3..] {
        return Err("unexpected checksum");
    }
    Ok(Fragment::Data { kind, len })
}

/// Appends a record to `out`, whose start is `out_at` in its segment. Returns the number of fragments.
pub(crate) fn put_fragments(out: &mut Vec<u8>, out_at: u64, flags: u8, packed: &[u8]) -> u64 {
    let mut rest = packed;
    let mut n_fragments = 0;
    loop {
        if page_left(out_at + out.len() as u64) < HEADER_BYTES {
            put_padding(out, out_at);
        }
        let room = page_left(out_at + out.len() as u64) - HEADER_BYTES;
        let (now, later) = rest.split_at(rest.len().min(room));
        let kind = match (n_fragments == 0, later.is_empty()) {
            (true, true) => FULL,
            (true, false) => FIRST,
            (false, false) => MIDDLE,
            (false, true) => LAST,
        };
        let len = u16::try_from(now.len()).expect("a fragment is below a page");
        out.push(kind | flags);
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(&crc32c::crc32c(now).to_be_bytes());
        out.extend_from_slice(now);
        n_fragments += 1;
        rest = later;
        if rest.is_empty() {
            return n_fragments;
        }
    }
}

/// Fills the page that `out` ends in, whose start is `out_at` in its segment.
pub(crate) fn put_padding(out: &mut Vec<u8>, out_at: u64) {
    let missing = page_left(out_at + out.len() as u64) % PAGE_BYTES;
    out.resize(out.len() + missing, 0);
}

/// How many bytes the page of `at` has from there on.
pub(crate) fn page_left(at: u64) -> usize {
    let page = PAGE_BYTES as u64;
    usize::try_from(page - at % page).expect("at most a page")
}

/// A record as framed.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    /// Where its first fragment starts.
    pub(crate) start: u64,
    pub(crate) flags: u8,
    /// The length of its data, if it is one fragment; otherwise it was joined.
    pub(crate) whole: Option<usize>,
}

/// Joins fragments.
#[derive(Default)]
pub(crate) struct Assembly {
    /// Start and flags of the record that has begun.
    open: Option<(u64, u8)>,
    joined: Vec<u8>,
}

impl Assembly {
    /// True between the first fragment of a record and its last.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Where the record that has begun starts.
    pub(crate) fn start(&self) -> Option<u64> {
        self.open.map(|(start, _)| start)
    }

    /// The bytes of a record of several fragments.
    pub(crate) fn joined(&self) -> &[u8] {
        &self.joined
    }

    /// The packed bytes of a record that came with `frame` from a segment.
    pub(crate) fn packed<'a>(&'a self, segment: &'a [u8], frame: Frame) -> &'a [u8] {
        let Some(len) = frame.whole else { return &self.joined };
        let start = usize::try_from(frame.start).expect("it is in memory") + HEADER_BYTES;
        &segment[start..start + len]
    }

    /// Takes the fragment at `start`; returns the record it completes.
    pub(crate) fn take(
        &mut self,
        kind: u8,
        start: u64,
        data: &[u8],
    ) -> Result<Option<Frame>, &'static str> {
        let flags = kind & (FLAG_SNAPPY | FLAG_ZSTD);
        match (kind & 0x07, self.open) {
            (FULL, None) => return Ok(Some(Frame { start, flags, whole: Some(data.len()) })),
            (FIRST, None) => {
                self.joined.clear();
                self.open = Some((start, flags));
            }
            (MIDDLE | LAST, Some(_)) => {}
            (FULL | FIRST, Some(_)) => return Err("a record starts within a record"),
            (MIDDLE | LAST, None) => return Err("a record continues that never started"),
            _ => return Err("unexpected record type"),
        }
        if RECORD_BYTES_MAX < self.joined.len() {
            return Err("record too long");
        }
        self.joined.extend_from_slice(data);
        if kind & 0x07 != LAST {
            return Ok(None);
        }
        Ok(self.open.take().map(|(start, flags)| Frame { start, flags, whole: None }))
    }
}

/// Takes the compression off records.
pub(crate) struct Unpacker {
    unpacked: Vec<u8>,
    snappy: snap::raw::Decoder,
}

impl Unpacker {
    pub(crate) fn new() -> Self {
        Self { unpacked: Vec::new(), snappy: snap::raw::Decoder::new() }
    }

    pub(crate) fn unpack<'a>(
        &'a mut self,
        flags: u8,
        packed: &'a [u8],
    ) -> Result<&'a [u8], &'static str> {
        if flags & FLAG_SNAPPY != 0 {
            let len = snap::raw::decompress_len(packed).map_err(|_| "invalid snappy length")?;
            // Snappy spends at least three bytes on 64.
            if RECORD_BYTES_MAX < len || packed.len().saturating_mul(22) < len {
                return Err("record too long");
            }
            self.unpacked.resize(len, 0);
            self.snappy
                .decompress(packed, &mut self.unpacked)
                .map_err(|_| "invalid snappy data")?;
        } else if flags & FLAG_ZSTD != 0 {
            self.unpacked.clear();
            unpack_zstd(packed, &mut self.unpacked)?;
        } else {
            return Ok(packed);
        }
        Ok(&self.unpacked)
    }
}

fn unpack_zstd(packed: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    let decoder =
        zstd::stream::read::Decoder::with_buffer(packed).map_err(|_| "invalid zstd frame")?;
    io::Read::read_to_end(&mut io::Read::take(decoder, RECORD_BYTES_MAX as u64 + 1), out)
        .map_err(|_| "invalid zstd frame")?;
    if RECORD_BYTES_MAX < out.len() { Err("record too long") } else { Ok(()) }
}
