//! Decodes XOR chunks (encoding 1).
//!
//! The data is a 16-bit count, then bits. The first sample is a varint and a whole float, the second
//! an unsigned varint of the time passed. From then on the time is the change of that difference in
//! 1, 16, 20, 24 or 68 bits; the value is what differs from the one before: one bit if nothing does,
//! else the bits between the leading and the trailing zeros, in the window of the sample before if
//! they fit, in a new window if not.
//!
//! The decoder copies the data to where zeros follow it, and then loads eight bytes at a bit position
//! twice a sample: no branch is needed for its end. The other branches mostly go one way for one
//! series, and then the position of a sample never waits for the one before it to be loaded. Past its
//! end the data reads as zeros, which decode, so the end is checked once, after the loop; the announced
//! count is held against the length before anything is allocated.

use stdx::bits::{BitReader, BitWriter, PADDING};

use crate::DecodeError;

/// Appends all samples of `data` to the columns.
///
/// # Errors
/// If the data ends early; nothing is appended then.
pub fn decode_into(data: &[u8], t: &mut Vec<i64>, v: &mut Vec<f64>) -> Result<(), DecodeError> {
    decode_range(data, i64::MIN, i64::MAX, t, v)
}

/// Appends the samples of `data` within `mint..=maxt` to the columns. Stops at `maxt`; what comes before
/// `mint` must be decoded all the same.
///
/// # Errors
/// If the data ends early; nothing is appended then.
pub fn decode_range(
    data: &[u8],
    mint: i64,
    maxt: i64,
    t: &mut Vec<i64>,
    v: &mut Vec<f64>,
) -> Result<(), DecodeError> {
    let n = count(data)?;
    let start = t.len();
    debug_assert_eq!(start, v.len(), "columns are equally long");
    t.resize(start + n, 0);
    v.resize(start + n, 0.0);
    let mut short = [0; SHORT + PADDING];
    let long;
    let padded = if data.len() <= SHORT {
        short[..data.len()].copy_from_slice(data);
        &short[..data.len() + PADDING]
    } else {
        long = pad(data);
        &long[..]
    };
    let (kept, overran) = fill(padded, maxt, &mut t[start..], &mut v[start..]);
    let kept = if overran { 0 } else { kept };
    t.truncate(start + kept);
    v.truncate(start + kept);
    let early = t[start..].iter().take_while(|it| **it < mint).count();
    if 0 < early {
        t.drain(start..start + early);
        v.drain(start..start + early);
    }
    if overran { Err(DecodeError::Truncated) } else { Ok(()) }
}

/// Reads the samples of a chunk one by one.
#[derive(Clone, Debug)]
pub struct Reader {
    padded: Vec<u8>,
    at: usize,
    /// Samples read.
    n: usize,
    /// Samples there are.
    n_all: usize,
    pub(crate) state: State,
}

/// What the next sample is relative to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct State {
    pub(crate) t: i64,
    pub(crate) t_delta: i64,
    pub(crate) value: Value,
}

/// A value, and how the next one will be written relative to it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Value {
    pub(crate) bits: u64,
    /// Leading zeros of the window.
    pub(crate) leading: u32,
    /// Bits in the window; 0 before the first one.
    pub(crate) width: u32,
    /// The window: its bits are 1.
    window: u64,
}

/// The count comes before the bits.
const START_BIT: usize = 16;
/// Chunks up to this length, which is nearly all, are padded on the stack.
const SHORT: usize = 1024;

impl Reader {
    /// Starts at the first sample, on a copy of the data.
    ///
    /// # Errors
    /// If the data cannot hold as many samples as it announces.
    pub fn new(data: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self {
            n_all: count(data)?,
            padded: pad(data),
            at: START_BIT,
            n: 0,
            state: State::default(),
        })
    }

    /// Returns the next sample, `None` after the last.
    ///
    /// # Errors
    /// If the data ends early.
    pub fn next_sample(&mut self) -> Result<Option<(i64, f64)>, DecodeError> {
        if self.n == self.n_all {
            return Ok(None);
        }
        let mut bits = BitReader::new(&self.padded, self.at);
        match self.n {
            0 => take_first(&mut bits, &mut self.state),
            1 => take_second(&mut bits, &mut self.state),
            _ => take(&mut bits, &mut self.state),
        }
        self.n += 1;
        self.at = bits.position();
        if bits.overran() {
            return Err(DecodeError::Truncated);
        }
        Ok(Some((self.state.t, f64::from_bits(self.state.value.bits))))
    }

    /// The position of the next sample, in bits from the start of the data.
    pub(crate) fn position(&self) -> usize {
        self.at
    }
}

/// Reads the announced count, if the data can hold it.
fn count(data: &[u8]) -> Result<usize, DecodeError> {
    let head = data.first_chunk().ok_or(DecodeError::Truncated)?;
    let n = usize::from(u16::from_be_bytes(*head));
    // A first sample has 9 bytes or more, a second one 9 bits, any other 2.
    let bits_min = match n {
        0 => 16,
        1 => 16 + 72,
        n => 16 + 72 + 9 + 2 * (n - 2),
    };
    if data.len() << 3 < bits_min { Err(DecodeError::Truncated) } else { Ok(n) }
}

pub(crate) fn pad(data: &[u8]) -> Vec<u8> {
    let mut padded = Vec::with_capacity(data.len() + PADDING);
    padded.extend_from_slice(data);
    padded.extend([0; PADDING]);
    padded
}

/// Fills the columns until they, or time `maxt`, end. Returns how many samples it wrote, and whether
/// the data ended before.
fn fill(padded: &[u8], maxt: i64, t: &mut [i64], v: &mut [f64]) -> (usize, bool) {
    let (mut bits, mut state) = (BitReader::new(padded, START_BIT), State::default());
    let firsts: [fn(&mut BitReader<'_>, &mut State); 2] = [take_first, take_second];
    for (at, take) in firsts.into_iter().take(t.len()).enumerate() {
        take(&mut bits, &mut state);
        if maxt < state.t {
            return (at, bits.overran());
        }
        (t[at], v[at]) = (state.t, f64::from_bits(state.value.bits));
    }
    let mut kept = t.len().min(2);
    for (t, v) in t[kept..].iter_mut().zip(&mut v[kept..]) {
        take(&mut bits, &mut state);
        if maxt < state.t {
            break;
        }
        (*t, *v) = (state.t, f64::from_bits(state.value.bits));
        kept += 1;
    }
    (kept, bits.overran())
}

fn take_first(bits: &mut BitReader<'_>, state: &mut State) {
    state.t = take_signed_varint(bits);
    state.value.bits = bits.take(64);
}

fn take_second(bits: &mut BitReader<'_>, state: &mut State) {
    state.t_delta = take_varint(bits).cast_signed();
    state.t = state.t.wrapping_add(state.t_delta);
    let next = bits.peek();
    state.value.take(bits, next);
}

/// Takes a sample that has two before it.
#[inline(always)]
fn take(bits: &mut BitReader<'_>, state: &mut State) {
    let mut next = bits.peek();
    if next >> 61 == 0b010 && state.value.width <= 54 {
        // Most often: as long after the one before as that was, and within the last window, which is shown.
        bits.skip(3 + state.value.width);
        state.t = state.t.wrapping_add(state.t_delta);
        state.value.bits ^= next << 3 >> state.value.leading & state.value.window;
        return;
    }
    if next >> 63 == 0 {
        bits.skip(1);
        next <<= 1;
    } else {
        state.t_delta = state.t_delta.wrapping_add(take_change(bits, next));
        next = bits.peek();
    }
    state.t = state.t.wrapping_add(state.t_delta);
    state.value.take(bits, next);
}

/// Takes a change of the time difference other than 0; `next` is what the bits show.
#[inline(always)]
fn take_change(bits: &mut BitReader<'_>, next: u64) -> i64 {
    // 10 and 14 bits, 110 and 17, 1110 and 20, 1111 and 64.
    let (n, change) = match next >> 60 {
        0b1111 => {
            bits.skip(4);
            return bits.take(64).cast_signed();
        }
        0b1110 => (24, bin(next << 4, 20)),
        0b1100.. => (20, bin(next << 3, 17)),
        _ => (16, bin(next << 2, 14)),
    };
    bits.skip(n);
    change
}

/// Reads the top `n` bits. The range of a bin is one above that of two's complement, half of it is
/// positive still: one less, sign extended, and one more.
#[inline(always)]
fn bin(bits: u64, n: u32) -> i64 {
    let less = (bits >> (64 - n)).wrapping_sub(1);
    (less << (64 - n)).cast_signed().wrapping_shr(64 - n).wrapping_add(1)
}

impl Value {
    /// Takes the next value: the bits by which it differs from this one. `next` is what the bits show,
    /// 56 of them at least.
    #[inline(always)]
    pub(crate) fn take(&mut self, bits: &mut BitReader<'_>, next: u64) {
        if next >> 63 == 0 {
            bits.skip(1);
            return;
        }
        let is_known = next >> 62 == 0b10;
        bits.skip(2);
        self.take_differing(bits, next << 2, 54, is_known);
    }

    /// Takes the bits that differ; `is_known`: inside the window of the last one. `next` is what the bits
    /// show, `shown` of them at least.
    #[inline(always)]
    pub(crate) fn take_differing(
        &mut self,
        bits: &mut BitReader<'_>,
        next: u64,
        shown: u32,
        is_known: bool,
    ) {
        let head = if is_known {
            0
        } else {
            // A window of its own: 5 bits of leading zeros, 6 of width, where 0 stands for 64.
            self.leading = (next >> 59 & 0x1F) as u32;
            self.width = ((next >> 53).wrapping_sub(1) & 0x3F) as u32 + 1;
            self.window = u64::MAX << (64 - self.width) >> self.leading;
            11
        };
        bits.skip(head);
        let differing = if self.width <= shown - head { next << head } else { bits.peek_all() };
        bits.skip(self.width);
        self.bits ^= differing >> self.leading & self.window;
    }
}

/// A prefix: bits, and how many.
pub(crate) type Prefix = (u64, u32);

impl Value {
    /// Writes `next`, and becomes it.
    pub(crate) fn put(&mut self, bits: &mut BitWriter<'_>, next: u64) {
        if next == self.bits {
            bits.put(0, 1);
        } else {
            self.put_differing(bits, next, (0b10, 2), (0b11, 2));
        }
    }

    /// Writes the bits by which `next` differs, after `known` if they lie inside the last window, else after
    /// `own`; then becomes it.
    pub(crate) fn put_differing(
        &mut self,
        bits: &mut BitWriter<'_>,
        next: u64,
        known: Prefix,
        own: Prefix,
    ) {
        let differing = next ^ self.bits;
        debug_assert_ne!(differing, 0, "something differs");
        // Damaged data may have had a window that is wider than it says.
        let has_window = self.width != 0 && self.leading + self.width <= 64;
        if has_window && differing & !self.window == 0 {
            bits.put(known.0, known.1);
            bits.put(differing >> (64 - self.leading - self.width), self.width);
        } else {
            // The format has 5 bits for leading zeros.
            self.leading = differing.leading_zeros().min(31);
            self.width = 64 - self.leading - differing.trailing_zeros();
            self.window = u64::MAX << (64 - self.width) >> self.leading;
            // A width of 64 is written as 0.
            let window = u64::from(self.leading) << 6 | u64::from(self.width & 63);
            bits.put(own.0 << 11 | window, own.1 + 11);
            bits.put(differing >> differing.trailing_zeros(), self.width);
        }
        self.bits = next;
    }
}

/// Takes a zig-zag LEB128 number.
pub(crate) fn take_signed_varint(bits: &mut BitReader<'_>) -> i64 {
    let v = take_varint(bits);
    (v >> 1).cast_signed() ^ -(v & 1).cast_signed()
}

/// Takes an unsigned LEB128 number; bits beyond 64 are lost.
pub(crate) fn take_varint(bits: &mut BitReader<'_>) -> u64 {
    // Times have six bytes, and seven are shown at once.
    let next = bits.peek();
    let mut v = 0u64;
    for i in 0..7 {
        let byte = next >> (56 - 8 * i) & 0xFF;
        v |= (byte & 0x7F) << (7 * i);
        if byte < 0x80 {
            bits.skip(8 * (i + 1));
            return v;
        }
    }
    bits.skip(56);
    for i in 7..10 {
        let byte = bits.take(8);
        v |= (byte & 0x7F) << (7 * i);
        if byte < 0x80 {
            break;
        }
    }
    v
}

#[cfg(test)]
pub(crate) mod tests;
