//! XOR2 chunks (encoding 4): floats that may carry start times.
//!
//! As XOR, but one prefix joins the change of the time and the kind of value, and stale markers have a
//! code of their own: they do not disturb the value that the next one is relative to.

use model::{STALE_NAN_BITS, is_stale_nan, stale_nan};
use stdx::bits::{BitReader, BitWriter};
use stdx::varint;

use crate::buffer::Buffer;
use crate::starts::{self, Starts, put_varint};
use crate::xor::{self, Prefix, Value, take_signed_varint, take_varint};
use crate::{Chunk, ChunkData, DecodeError, Encoding};

/// The count and the byte about start times come before the bits.
const START_BIT: usize = 24;
/// A sample has 69 bits of time, 78 of value and 80 of start time at most; the first one a little more.
const SAMPLE_BITS_MAX: usize = 80 + 78 + 80;

/// Appends the samples of `data` within `mint..=maxt` to the columns.
///
/// # Errors
/// If the data ends early; nothing is appended then.
pub(crate) fn decode_range(
    data: &[u8],
    mint: i64,
    maxt: i64,
    st: &mut Vec<i64>,
    t: &mut Vec<i64>,
    v: &mut Vec<f64>,
) -> Result<(), DecodeError> {
    let padded = xor::pad(data);
    let mut reader = Reader::new(data, &padded)?;
    let (start, starts_len) = (t.len(), st.len());
    while reader.n < reader.n_all {
        reader.step();
        if reader.bits.overran() {
            st.truncate(starts_len);
            t.truncate(start);
            v.truncate(start);
            return Err(DecodeError::Truncated);
        }
        let State { t: time, .. } = reader.state;
        if maxt < time {
            break;
        }
        if mint <= time {
            starts::push(st, t.len(), reader.state.starts.last);
            t.push(time);
            v.push(reader.state.v());
        }
    }
    Ok(())
}

/// What the next sample is relative to.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    t: i64,
    t_delta: i64,
    /// The last value that was not stale.
    baseline: Value,
    is_stale: bool,
    starts: Starts,
}

impl State {
    /// The last value.
    fn v(&self) -> f64 {
        if self.is_stale { stale_nan() } else { f64::from_bits(self.baseline.bits) }
    }
}

/// Reads the samples of a chunk one by one.
struct Reader<'a> {
    bits: BitReader<'a>,
    /// Samples read.
    n: usize,
    /// Samples there are.
    n_all: usize,
    state: State,
}

impl<'a> Reader<'a> {
    /// Starts at the first sample; `padded` is the data followed by zeros.
    fn new(data: &[u8], padded: &'a [u8]) -> Result<Self, DecodeError> {
        let head: &[u8; 3] = data.first_chunk().ok_or(DecodeError::Truncated)?;
        Ok(Self {
            bits: BitReader::new(padded, START_BIT),
            n: 0,
            n_all: usize::from(u16::from_be_bytes([head[0], head[1]])),
            state: State { starts: Starts::new(head[2]), ..State::default() },
        })
    }

    /// Takes the next sample.
    fn step(&mut self) {
        let t_before = self.state.t;
        match self.n {
            0 => self.first(),
            1 => {
                self.state.t_delta = take_varint(&mut self.bits).cast_signed();
                self.value();
            }
            _ => self.later(),
        }
        if 0 < self.n {
            self.state.t = t_before.wrapping_add(self.state.t_delta);
            self.state.starts.take(&mut self.bits, self.n, t_before);
        }
        self.n += 1;
    }

    fn first(&mut self) {
        self.state.t = take_signed_varint(&mut self.bits);
        let bits = self.bits.take(64);
        self.state.is_stale = bits == STALE_NAN_BITS;
        if !self.state.is_stale {
            self.state.baseline.bits = bits;
        }
        self.state.starts.take_first(&mut self.bits, self.state.t);
    }

    fn later(&mut self) {
        let width = match self.prefix(5) {
            0 => return self.state.is_stale = false,
            1 => {
                let is_known = self.bits.take(1) == 0;
                return self.differing(is_known);
            }
            2 => 13,
            3 => 20,
            4 => 64,
            _ => return self.state.is_stale = true,
        };
        let change = self.bits.take(width) << (64 - width);
        let change = change.cast_signed() >> (64 - width);
        self.state.t_delta = self.state.t_delta.wrapping_add(change);
        self.value();
    }

    fn value(&mut self) {
        match self.prefix(3) {
            0 => self.state.is_stale = false,
            1 => self.differing(true),
            2 => self.differing(false),
            _ => self.state.is_stale = true,
        }
    }

    fn differing(&mut self, is_known: bool) {
        let next = self.bits.peek();
        self.state.baseline.take_differing(&mut self.bits, next, 57, is_known);
        self.state.is_stale = false;
    }

    /// Counts ones up to a zero, which is taken too, or up to `max`.
    fn prefix(&mut self, max: u32) -> u32 {
        let ones = (!self.bits.peek()).leading_zeros().min(max);
        self.bits.skip((ones + 1).min(max));
        ones
    }
}

/// A growing XOR2 chunk. It holds one sample at least; the data is complete after each.
#[derive(Clone, Debug)]
pub struct OpenXor2 {
    buffer: Buffer,
    state: State,
}

impl OpenXor2 {
    /// Starts a chunk with its first sample. `st`: its start time; 0 is none.
    pub fn start(st: i64, t: i64, v: f64) -> Self {
        let mut open = Self { buffer: Buffer::new(&[0, 0, 0]), state: State::default() };
        open.append(st, t, v);
        open
    }

    /// Continues a finished chunk by decoding it to its end.
    ///
    /// # Errors
    /// If the data ends early, or holds no sample.
    pub fn resume(data: &[u8]) -> Result<Self, DecodeError> {
        let padded = xor::pad(data);
        let mut reader = Reader::new(data, &padded)?;
        while reader.n < reader.n_all && !reader.bits.overran() {
            reader.step();
        }
        if reader.n == 0 || reader.bits.overran() {
            return Err(DecodeError::Truncated);
        }
        let buffer = Buffer::resume(data, reader.bits.position());
        Ok(Self { buffer, state: reader.state })
    }

    /// Appends a sample. `st`: its start time; 0 is none.
    ///
    /// # Panics
    /// If the chunk holds 65535 samples: it must be cut long before, see [`crate::cut`].
    pub fn append(&mut self, st: i64, t: i64, v: f64) {
        let n = usize::from(self.n_samples());
        let count = u16::try_from(n + 1).expect("a chunk is cut before its count overflows");
        let state = &mut self.state;
        self.buffer.extend(SAMPLE_BITS_MAX, |bits| put_sample(bits, state, n, st, t, v));
        let [high, low] = count.to_be_bytes();
        *self.buffer.head_mut() = [high, low, self.state.starts.header];
    }

    /// How many samples it holds.
    pub fn n_samples(&self) -> u16 {
        let head = self.data();
        u16::from_be_bytes([head[0], head[1]])
    }

    /// The time of the first sample; decoded from the data.
    pub fn first_t(&self) -> i64 {
        varint::take_i64(&mut &self.data()[3..]).expect("a chunk starts with a time")
    }

    /// The time of the last sample.
    pub fn last_t(&self) -> i64 {
        self.state.t
    }

    /// The value of the last sample.
    pub fn last_v(&self) -> f64 {
        self.state.v()
    }

    /// The data so far.
    pub fn data(&self) -> &[u8] {
        self.buffer.data()
    }

    /// The data so far, with its encoding.
    pub fn as_data(&self) -> ChunkData<'_> {
        ChunkData { encoding: Encoding::Xor2, data: self.data() }
    }

    /// What [`crate::cut`] asks about.
    pub fn filling(&self) -> crate::cut::Filling {
        crate::cut::Filling {
            n_bytes: self.data().len(),
            n_samples: usize::from(self.n_samples()),
            first_t: self.first_t(),
            last_t: self.last_t(),
        }
    }

    /// Bytes of memory beside `size_of::<OpenXor2>()`.
    pub fn heap_bytes(&self) -> usize {
        self.buffer.heap_bytes()
    }

    /// Ends the chunk, with a buffer as long as its data.
    pub fn finish(self) -> Chunk {
        Chunk { encoding: Encoding::Xor2, data: self.buffer.finish() }
    }
}

/// Writes sample `n`, counted from 0.
fn put_sample(bits: &mut BitWriter<'_>, state: &mut State, n: usize, st: i64, t: i64, v: f64) {
    let (t_before, delta_before) = (state.t, state.t_delta);
    if n == 0 {
        put_varint(bits, (t << 1 ^ t >> 63).cast_unsigned());
        bits.put(v.to_bits(), 64);
        if !is_stale_nan(v) {
            state.baseline.bits = v.to_bits();
        }
        state.starts.put_first(bits, t, st);
    } else {
        state.t_delta = t.wrapping_sub(t_before);
        if n == 1 {
            put_varint(bits, state.t_delta.cast_unsigned());
            put_value(bits, &mut state.baseline, v);
        } else {
            put_later(bits, &mut state.baseline, state.t_delta.wrapping_sub(delta_before), v);
        }
        state.starts.put(bits, n, t_before, st);
    }
    state.t = t;
    state.is_stale = is_stale_nan(v);
}

/// Writes a sample that has two before it; `change` is that of the time difference.
fn put_later(bits: &mut BitWriter<'_>, baseline: &mut Value, change: i64, v: f64) {
    let low = |n: u32| change.cast_unsigned() & ((1 << n) - 1);
    match change {
        0 if is_stale_nan(v) => return bits.put(0b11111, 5),
        0 if v.to_bits() == baseline.bits => return bits.put(0, 1),
        0 => return baseline.put_differing(bits, v.to_bits(), (0b100, 3), (0b101, 3)),
        -0x1000..=0xFFF => bits.put(0b110 << 13 | low(13), 16),
        -0x8_0000..=0x7_FFFF => bits.put(0b1110 << 20 | low(20), 24),
        _ => {
            bits.put(0b11110, 5);
            bits.put(change.cast_unsigned(), 64);
        }
    }
    put_value(bits, baseline, v);
}

fn put_value(bits: &mut BitWriter<'_>, baseline: &mut Value, v: f64) {
    const KNOWN: Prefix = (0b10, 2);
    const OWN: Prefix = (0b110, 3);
    if is_stale_nan(v) {
        bits.put(0b111, 3);
    } else if v.to_bits() == baseline.bits {
        bits.put(0, 1);
    } else {
        baseline.put_differing(bits, v.to_bits(), KNOWN, OWN);
    }
}

#[cfg(test)]
mod tests;
