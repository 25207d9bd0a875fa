//! Chunk encodings: a run of samples of one series as bits, byte for byte as Prometheus writes them.
//!
//! - [`Encoding`]: the byte that says how a chunk is written. [`ChunkData`] is that byte with the data,
//!   borrowed; a [`Chunk`] owns it.
//! - [`OpenChunk`]: a float chunk that grows; 48 bytes of state beside its buffer.
//! - [`OpenXor2`], [`OpenHistogram`]: the other chunks that grow, less small and less often met.
//! - [`decode`]: all samples of a chunk within a time range, into columns the caller owns: the hot
//!   path of queries. [`decode_samples`] keeps integer histograms as they are; [`xor::Reader`] gives
//!   floats one by one.
//! - [`Rebuilder`]: any samples as chunks again, for merges and for what came out of order.
//! - [`cut`]: when a chunk is full, as pure functions.
//!
//! Floats are XOR chunks (encoding 1): each timestamp as the difference of differences, each value as
//! the bits that differ from the value before. 1.3 to 2.5 bytes a sample are usual, 19 the worst.
//!
//! Costs, measured (`cargo bench -p pyrrha-chunk`) on one core: see `docs/format/chunks.md`. Decoding
//! allocates only by growing the columns, by at most what the length of the data allows.
//!
//! XOR2 chunks (encoding 4) are XOR chunks with start times. Native histograms have a chunk each for
//! integer and float counts, without (2, 3) and with start times (5, 6).

mod buffer;
pub mod cut;
mod histogram;
#[cfg(test)]
mod naive;
mod open;
mod rebuild;
mod sample;
mod starts;
mod varbit;
pub mod xor;
mod xor2;

use std::fmt;

use model::FloatHistogram;

pub use histogram::OpenHistogram;
pub use open::OpenChunk;
pub use rebuild::{Purpose, Rebuilder, Rebuilt};
pub use sample::{HistogramRef, Sample, Value};
pub use xor2::OpenXor2;

/// How a chunk's data is written: the byte before it in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Encoding {
    /// Floats.
    Xor = 1,
    /// Native histograms with integer counts.
    Histogram = 2,
    /// Native histograms with float counts.
    FloatHistogram = 3,
    /// Floats with start timestamps.
    Xor2 = 4,
    /// Integer histograms with start timestamps.
    HistogramSt = 5,
    /// Float histograms with start timestamps.
    FloatHistogramSt = 6,
}

impl Encoding {
    /// Reads the byte of a file. `None` if no encoding has it; the mark of out-of-order chunks (0x80)
    /// is not part of it.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Xor,
            2 => Self::Histogram,
            3 => Self::FloatHistogram,
            4 => Self::Xor2,
            5 => Self::HistogramSt,
            6 => Self::FloatHistogramSt,
            _ => return None,
        })
    }

    /// The byte that files hold.
    pub fn byte(self) -> u8 {
        self as u8
    }

    /// True if the samples may have start times.
    pub fn has_starts(self) -> bool {
        matches!(self, Self::Xor2 | Self::HistogramSt | Self::FloatHistogramSt)
    }

    /// How many samples its count can say.
    fn n_samples_max(self) -> usize {
        match self {
            // Two bits of the count say what is known about a counter reset.
            Self::HistogramSt | Self::FloatHistogramSt => 0x3FFF,
            _ => 0xFFFF,
        }
    }

    /// True if the samples are floats.
    pub fn is_float(self) -> bool {
        matches!(self, Self::Xor | Self::Xor2)
    }
}

/// A finished chunk that owns its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// How the data is written.
    pub encoding: Encoding,
    /// The data, without encoding byte and checksum.
    pub data: Box<[u8]>,
}

impl Chunk {
    /// Borrows it.
    pub fn as_data(&self) -> ChunkData<'_> {
        ChunkData { encoding: self.encoding, data: &self.data }
    }
}

/// A chunk whose data lies elsewhere, mostly in a mapped file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkData<'a> {
    /// How the data is written.
    pub encoding: Encoding,
    /// The data, without encoding byte and checksum.
    pub data: &'a [u8],
}

impl ChunkData<'_> {
    /// How many samples the chunk says it has; 0 if it is too short to say.
    pub fn n_samples(&self) -> usize {
        let Some(head) = self.data.first_chunk() else { return 0 };
        usize::from(u16::from_be_bytes(*head)) & self.encoding.n_samples_max()
    }
}

/// Where decoded samples go: floats, and beside them histograms. A column of start times is as long as
/// that of the times, or empty if no sample has one; 0 is none.
#[derive(Debug)]
pub struct Columns<'a> {
    /// Start times of the floats.
    pub st: &'a mut Vec<i64>,
    /// Times of the floats.
    pub t: &'a mut Vec<i64>,
    /// The floats.
    pub v: &'a mut Vec<f64>,
    /// Start times of the histograms.
    pub histogram_st: &'a mut Vec<i64>,
    /// Times of the histograms.
    pub histogram_t: &'a mut Vec<i64>,
    /// The histograms.
    pub histogram: &'a mut Vec<FloatHistogram>,
}

/// Appends the samples of `chunk` within `mint..=maxt` to `out`.
///
/// # Errors
/// If the data is not a chunk; nothing is appended then.
pub fn decode(
    chunk: ChunkData<'_>,
    mint: i64,
    maxt: i64,
    out: &mut Columns<'_>,
) -> Result<(), DecodeError> {
    match chunk.encoding {
        Encoding::Xor => {
            xor::decode_range(chunk.data, mint, maxt, out.t, out.v)?;
            starts::pad(out.st, out.t.len());
            Ok(())
        }
        Encoding::Xor2 => xor2::decode_range(chunk.data, mint, maxt, out.st, out.t, out.v),
        _ => histogram::decode_range(chunk, mint, maxt, out),
    }
}

/// As [`decode`], one after the other, and integer histograms as such: for those who write them again.
///
/// # Errors
/// If the data is not a chunk; nothing is appended then.
pub fn decode_samples(
    chunk: ChunkData<'_>,
    mint: i64,
    maxt: i64,
    out: &mut Vec<Sample>,
) -> Result<(), DecodeError> {
    if !chunk.encoding.is_float() {
        return histogram::decode_samples(chunk, mint, maxt, out);
    }
    let (mut st, mut t, mut v) = (Vec::new(), Vec::new(), Vec::new());
    match chunk.encoding {
        Encoding::Xor => xor::decode_range(chunk.data, mint, maxt, &mut t, &mut v)?,
        _ => xor2::decode_range(chunk.data, mint, maxt, &mut st, &mut t, &mut v)?,
    }
    st.resize(t.len(), 0);
    let samples = st.into_iter().zip(t).zip(v);
    out.extend(samples.map(|((st, t), v)| Sample { st, t, value: Value::Float(v) }));
    Ok(())
}

/// Why data could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The data ends before the last sample it announces.
    Truncated,
    /// A histogram has buckets of a kind that is not known.
    UnknownSchema(i64),
    /// A histogram chunk announces more than any histogram has.
    Excessive,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("chunk data ends before its last sample"),
            Self::UnknownSchema(it) => write!(f, "unknown histogram schema {it}"),
            Self::Excessive => f.write_str("histogram chunk announces too many buckets"),
        }
    }
}

impl std::error::Error for DecodeError {}
