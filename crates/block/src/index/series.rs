//! One series: its labels and where its chunks are.

use stdx::varint;

use crate::take::{take_slice, take_u32};

/// Where a chunk is and what time it spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkMeta {
    /// Time of the first sample.
    pub mint: i64,
    /// Time of the last sample.
    pub maxt: i64,
    /// Where it is: file in the high, offset in the low 32 bits.
    pub reference: u64,
}

/// A series as read from an index. Kept by the caller and filled again and again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesEntry {
    /// `(name, value)` as symbol numbers, sorted by name.
    pub labels: Vec<(u32, u32)>,
    /// The chunks, ascending in time, not overlapping.
    pub chunks: Vec<ChunkMeta>,
}

/// Why bytes are no series.
pub(super) enum Broken {
    Size,
    Checksum,
}

impl Broken {
    pub(super) fn text(&self) -> &'static str {
        match self {
            Self::Size => "invalid size",
            Self::Checksum => "invalid checksum",
        }
    }
}

impl SeriesEntry {
    /// Reads `length | body | checksum` off the front of `bytes`.
    pub(super) fn decode(&mut self, mut bytes: &[u8], with_chunks: bool) -> Result<(), Broken> {
        self.labels.clear();
        self.chunks.clear();
        let len = varint::take_u64(&mut bytes)
            .and_then(|it| usize::try_from(it).ok())
            .ok_or(Broken::Size)?;
        let body = take_slice(&mut bytes, len).ok_or(Broken::Size)?;
        if take_u32(&mut bytes) != Some(crc32c::crc32c(body)) {
            return Err(Broken::Checksum);
        }
        self.decode_body(body, with_chunks).ok_or(Broken::Size)
    }

    fn decode_body(&mut self, mut body: &[u8], with_chunks: bool) -> Option<()> {
        let n_labels = varint::take_u64(&mut body)?;
        for _ in 0..n_labels {
            let name = u32::try_from(varint::take_u64(&mut body)?).ok()?;
            self.labels.push((name, u32::try_from(varint::take_u64(&mut body)?).ok()?));
        }
        let n_chunks = varint::take_u64(&mut body)?;
        if !with_chunks || n_chunks == 0 {
            return Some(());
        }
        let mint = varint::take_i64(&mut body)?;
        let maxt = mint.checked_add_unsigned(varint::take_u64(&mut body)?)?;
        let mut last = ChunkMeta { mint, maxt, reference: varint::take_u64(&mut body)? };
        self.chunks.push(last);
        for _ in 1..n_chunks {
            last.mint = last.maxt.checked_add_unsigned(varint::take_u64(&mut body)?)?;
            last.maxt = last.mint.checked_add_unsigned(varint::take_u64(&mut body)?)?;
            last.reference = last.reference.checked_add_signed(varint::take_i64(&mut body)?)?;
            self.chunks.push(last);
        }
        Some(())
    }
}

/// Appends the body of a series.
pub(super) fn encode_body(out: &mut Vec<u8>, labels: &[(u32, u32)], chunks: &[ChunkMeta]) {
    varint::put_u64(out, labels.len() as u64);
    for (name, value) in labels {
        varint::put_u64(out, u64::from(*name));
        varint::put_u64(out, u64::from(*value));
    }
    varint::put_u64(out, chunks.len() as u64);
    let mut last: Option<&ChunkMeta> = None;
    for it in chunks {
        match last {
            None => varint::put_i64(out, it.mint),
            Some(last) => varint::put_u64(out, it.mint.wrapping_sub(last.maxt).cast_unsigned()),
        }
        varint::put_u64(out, it.maxt.wrapping_sub(it.mint).cast_unsigned());
        match last {
            None => varint::put_u64(out, it.reference),
            Some(last) => {
                varint::put_i64(out, it.reference.wrapping_sub(last.reference).cast_signed());
            }
        }
        last = Some(it);
    }
}
