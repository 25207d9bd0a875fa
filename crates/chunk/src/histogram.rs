//! Native histogram chunks (encodings 2 and 5: integer counts, 3 and 6: float counts; 5 and 6 have start
//! times).
//!
//! The bucket layout is written once for the chunk, then sample after sample: time, count, zero count,
//! sum, buckets, start time. Integer numbers are changes of differences; floats, and the sum of both, are
//! xored, each bucket with a window of its own. A header says what is known about a counter reset between
//! this chunk and the one before.

mod compare;
mod layout;
mod open;
mod state;

use model::{CounterResetHint, FloatHistogram};
use stdx::bits::BitReader;

use crate::{ChunkData, Columns, DecodeError, Sample, Value, starts, xor};
use layout::Layout;
pub use open::OpenHistogram;
use state::{Kind, State};

/// The count and the header come before the bits.
const START_BIT: usize = 24;
/// Buckets, spans and bounds of all samples of a chunk together.
const ENTRIES_MAX: usize = 32 << 20;

/// Appends the samples of `chunk` within `mint..=maxt` to the columns.
///
/// # Errors
/// If the data ends early or makes no sense; nothing is appended then.
pub(crate) fn decode_range(
    chunk: ChunkData<'_>,
    mint: i64,
    maxt: i64,
    out: &mut Columns<'_>,
) -> Result<(), DecodeError> {
    let (len, starts_len) = (out.histogram_t.len(), out.histogram_st.len());
    let done = each(chunk, mint, maxt, |reader| {
        starts::push(out.histogram_st, out.histogram_t.len(), reader.state.st());
        out.histogram_t.push(reader.state.t.value);
        out.histogram.push(reader.float());
    });
    if done.is_err() {
        out.histogram_st.truncate(starts_len);
        out.histogram_t.truncate(len);
        out.histogram.truncate(len);
    }
    done
}

/// Appends the samples of `chunk` within `mint..=maxt` to `out`, integers as integers.
///
/// # Errors
/// If the data ends early or makes no sense; nothing is appended then.
pub(crate) fn decode_samples(
    chunk: ChunkData<'_>,
    mint: i64,
    maxt: i64,
    out: &mut Vec<Sample>,
) -> Result<(), DecodeError> {
    let len = out.len();
    let done = each(chunk, mint, maxt, |reader| {
        let (st, t) = (reader.state.st(), reader.state.t.value);
        out.push(Sample { st, t, value: reader.value() });
    });
    if done.is_err() {
        out.truncate(len);
    }
    done
}

fn each(
    chunk: ChunkData<'_>,
    mint: i64,
    maxt: i64,
    mut take: impl FnMut(&Reader<'_>),
) -> Result<(), DecodeError> {
    let padded = xor::pad(chunk.data);
    let mut reader = Reader::new(chunk, &padded)?;
    while reader.step()? {
        let t = reader.state.t.value;
        if maxt < t {
            break;
        }
        if mint <= t {
            take(&reader);
        }
    }
    Ok(())
}

/// Reads the samples of a chunk one by one.
struct Reader<'a> {
    bits: BitReader<'a>,
    kind: Kind,
    header: CounterResetHint,
    layout: Layout,
    state: State,
    /// Samples read.
    n: usize,
    /// Samples there are.
    n_all: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first sample; `padded` is the data followed by zeros.
    fn new(chunk: ChunkData<'_>, padded: &'a [u8]) -> Result<Self, DecodeError> {
        let head: &[u8; 3] = chunk.data.first_chunk().ok_or(DecodeError::Truncated)?;
        let (kind, n_all) = (Kind::of(chunk.encoding), chunk.n_samples());
        let has_starts = chunk.encoding.has_starts();
        let mut bits = BitReader::new(padded, START_BIT);
        let layout = match n_all {
            0 => Layout::default(),
            // The first sample has a bit or more for each bucket, or is stale and has none.
            n => Layout::take(&mut bits, (ENTRIES_MAX / n).min(chunk.data.len() * 8))?,
        };
        Ok(Self {
            bits,
            kind,
            header: header_of(if has_starts { head[0] } else { head[2] } >> 6),
            state: State::new(kind, &layout, has_starts.then_some(head[2])),
            layout,
            n: 0,
            n_all,
        })
    }

    /// Takes the next sample. Returns false after the last.
    fn step(&mut self) -> Result<bool, DecodeError> {
        if self.n == self.n_all {
            return Ok(false);
        }
        self.state.take(&mut self.bits, self.n);
        self.n += 1;
        if self.bits.overran() { Err(DecodeError::Truncated) } else { Ok(true) }
    }

    /// What is known about a reset before the sample just read. The header of the chunk is no answer: by the
    /// time it is read, the chunk before may be another.
    fn hint(&self) -> CounterResetHint {
        match self.n {
            _ if self.header == CounterResetHint::Gauge => CounterResetHint::Gauge,
            1 => CounterResetHint::Unknown,
            _ => CounterResetHint::NotReset,
        }
    }

    /// The sample just read, with float counts.
    fn float(&self) -> FloatHistogram {
        let mut it = self.state.float(&self.layout);
        it.hint = self.hint();
        it.reduce_to_known();
        it
    }

    /// The sample just read.
    fn value(&self) -> Value {
        if self.kind == Kind::Float {
            return Value::FloatHistogram(self.float());
        }
        let mut it = self.state.integer(&self.layout);
        it.hint = self.hint();
        it.reduce_to_known();
        Value::Histogram(it)
    }
}

/// The two bits that say what is known about a counter reset.
fn header_bits(header: CounterResetHint) -> u8 {
    match header {
        CounterResetHint::Unknown => 0b00,
        CounterResetHint::NotReset => 0b01,
        CounterResetHint::Reset => 0b10,
        CounterResetHint::Gauge => 0b11,
    }
}

fn header_of(bits: u8) -> CounterResetHint {
    match bits {
        0b00 => CounterResetHint::Unknown,
        0b01 => CounterResetHint::NotReset,
        0b10 => CounterResetHint::Reset,
        _ => CounterResetHint::Gauge,
    }
}

#[cfg(test)]
mod tests;
