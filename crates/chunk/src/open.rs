//! The float chunk that samples are appended to.

mod saved;

use stdx::bits::{BitWriter, PADDING};
use stdx::varint;

use crate::buffer::capacity_for;
use crate::starts::put_varint;
use crate::xor::{Reader, State};
use crate::{Chunk, ChunkData, DecodeError, Encoding};

/// A growing XOR chunk. It holds one sample at least.
///
/// 48 bytes, and a buffer of the data rounded up to the steps of the allocator (16 bytes while small,
/// an eighth to a quarter of the size later). The data is complete after each sample, so a reader may copy it at
/// any time. [`OpenChunk::resume`] continues from data alone.
#[derive(Clone, Debug)]
pub struct OpenChunk {
    /// The data, then zeros.
    buf: Box<[u8]>,
    t: i64,
    t_delta: i64,
    v: u64,
    n_bits: u32,
    window: Window,
}

/// The bits that differing values were last written in.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    leading: u8,
    width: u8,
    /// False before the first. Of its 256 values 254 are spare: an enum of this chunk and smaller things is
    /// no larger than the chunk.
    is_set: bool,
}

/// The largest count the format can hold.
const SAMPLES_MAX: u16 = u16::MAX;
/// Bytes that are copied at once where there is room.
const COPIED: usize = 8;
/// A sample has 80 bits of time (the second one; later ones 68) and 13 + 64 bits of value at most.
const SAMPLE_BYTES_MAX: usize = 20;

impl OpenChunk {
    /// Starts a chunk with its first sample.
    pub fn start(t: i64, v: f64) -> Self {
        let mut head = vec![0, 1];
        varint::put_i64(&mut head, t);
        head.extend_from_slice(&v.to_bits().to_be_bytes());
        let n_bits = u32::try_from(head.len() * 8).expect("short");
        head.resize(capacity_for(head.len()), 0);
        let buf = head.into_boxed_slice();
        Self { buf, t, t_delta: 0, v: v.to_bits(), n_bits, window: Window::default() }
    }

    /// Continues a finished XOR chunk by decoding it to its end.
    ///
    /// # Errors
    /// If the data ends early, or holds no sample.
    pub fn resume(data: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(data)?;
        let mut n = 0;
        while reader.next_sample()?.is_some() {
            n += 1;
        }
        if n == 0 {
            return Err(DecodeError::Truncated);
        }
        let n_bits = reader.position();
        let State { t, t_delta, value } = reader.state;
        // Damaged data may have a window that is wider than it says: then the next value has its own.
        let width = if value.leading + value.width <= 64 { value.width } else { 0 };
        let (v, leading, width) =
            (value.bits, value.leading.to_le_bytes()[0], width.to_le_bytes()[0]);
        let mut buf = data[..n_bits.div_ceil(8)].to_vec();
        if !n_bits.is_multiple_of(8) {
            // Writing needs zeros after the last bit, whatever was there.
            *buf.last_mut().expect("not empty") &= 0xFF << (8 - n_bits % 8);
        }
        buf.resize(capacity_for(buf.len()), 0);
        let n_bits = u32::try_from(n_bits).map_err(|_| DecodeError::Truncated)?;
        let window = Window { leading, width, is_set: width != 0 };
        Ok(Self { buf: buf.into_boxed_slice(), t, t_delta, v, n_bits, window })
    }

    /// Appends a sample.
    ///
    /// # Panics
    /// If the chunk holds 65535 samples: it must be cut long before, see [`crate::cut`].
    pub fn append(&mut self, t: i64, v: f64) {
        let n = self.n_samples();
        assert!(n < SAMPLES_MAX, "a chunk is cut before its count overflows");
        // The last byte may be begun: the sample is written behind its bits, then copied over.
        let (whole, begun) = (self.n_bits as usize / 8, self.n_bits as usize % 8);
        let mut sample = [0; 1 + SAMPLE_BYTES_MAX + PADDING];
        sample[0] = self.buf.get(whole).copied().unwrap_or(0);
        let mut bits = BitWriter::new(&mut sample, begun);
        let t_delta = t.wrapping_sub(self.t);
        if n == 1 {
            put_varint(&mut bits, t_delta.cast_unsigned());
        } else {
            put_change(&mut bits, t_delta.wrapping_sub(self.t_delta));
        }
        put_value(&mut bits, v.to_bits() ^ self.v, &mut self.window);
        let n_bits = whole * 8 + bits.finish();
        let end = n_bits.div_ceil(8);
        self.make_room(end);
        match self.buf[whole..].first_chunk_mut::<COPIED>() {
            // What follows the sample is zero on both sides, and a copy of a known size is cheap.
            Some(to) if end - whole <= COPIED => to.copy_from_slice(&sample[..COPIED]),
            _ => self.buf[whole..end].copy_from_slice(&sample[..end - whole]),
        }
        self.buf[..2].copy_from_slice(&(n + 1).to_be_bytes());
        self.n_bits = u32::try_from(n_bits).expect("65535 samples are far below 2^32 bits");
        (self.t, self.t_delta, self.v) = (t, t_delta, v.to_bits());
    }

    /// How many samples it holds.
    pub fn n_samples(&self) -> u16 {
        u16::from_be_bytes([self.buf[0], self.buf[1]])
    }

    /// The time of the first sample; decoded from the data.
    pub fn first_t(&self) -> i64 {
        varint::take_i64(&mut &self.buf[2..]).expect("a chunk starts with a time")
    }

    /// The time of the last sample.
    pub fn last_t(&self) -> i64 {
        self.t
    }

    /// The value of the last sample.
    pub fn last_v(&self) -> f64 {
        f64::from_bits(self.v)
    }

    /// The data so far.
    pub fn data(&self) -> &[u8] {
        &self.buf[..self.n_bytes()]
    }

    /// The data so far, with its encoding.
    pub fn as_data(&self) -> ChunkData<'_> {
        ChunkData { encoding: Encoding::Xor, data: self.data() }
    }

    /// How long the data is.
    pub fn n_bytes(&self) -> usize {
        self.n_bits.div_ceil(8) as usize
    }

    /// What [`crate::cut`] asks about.
    pub fn filling(&self) -> crate::cut::Filling {
        crate::cut::Filling {
            n_bytes: self.n_bytes(),
            n_samples: usize::from(self.n_samples()),
            first_t: self.first_t(),
            last_t: self.t,
        }
    }

    /// Bytes of memory beside `size_of::<OpenChunk>()`.
    pub fn heap_bytes(&self) -> usize {
        self.buf.len()
    }

    /// Ends the chunk, with a buffer as long as its data.
    pub fn finish(self) -> Chunk {
        let len = self.n_bytes();
        let mut data = self.buf.into_vec();
        data.truncate(len);
        Chunk { encoding: Encoding::Xor, data: data.into_boxed_slice() }
    }

    fn make_room(&mut self, len: usize) {
        if self.buf.len() < len {
            let mut grown = vec![0; capacity_for(len)].into_boxed_slice();
            grown[..self.buf.len()].copy_from_slice(&self.buf);
            self.buf = grown;
        }
    }
}

/// Writes a change of the time difference. An n-bit bin holds -(2^(n-1)-1) to 2^(n-1).
fn put_change(bits: &mut BitWriter<'_>, change: i64) {
    let low = |n: u32| change.cast_unsigned() & ((1 << n) - 1);
    match change {
        0 => bits.put(0, 1),
        -0x1FFF..=0x2000 => bits.put(0b10 << 14 | low(14), 16),
        -0xFFFF..=0x1_0000 => bits.put(0b110 << 17 | low(17), 20),
        -0x7_FFFF..=0x8_0000 => bits.put(0b1110 << 20 | low(20), 24),
        _ => {
            bits.put(0b1111, 4);
            bits.put(change.cast_unsigned(), 64);
        }
    }
}

/// Writes the bits by which a value differs from the one before.
fn put_value(bits: &mut BitWriter<'_>, differing: u64, window: &mut Window) {
    if differing == 0 {
        bits.put(0, 1);
        return;
    }
    // The format has 5 bits for leading zeros.
    let zeros_before = differing.leading_zeros().min(31);
    let zeros_after = differing.trailing_zeros();
    if window.is_set {
        let (leading, width) = (u32::from(window.leading), u32::from(window.width));
        let window_after = 64 - leading - width;
        if leading <= zeros_before && window_after <= zeros_after {
            bits.put(0b10, 2);
            bits.put(differing >> window_after, width);
            return;
        }
    }
    let n = 64 - zeros_before - zeros_after;
    // A width of 64 is written as 0.
    bits.put(0b11 << 11 | u64::from(zeros_before) << 6 | u64::from(n & 63), 13);
    bits.put(differing >> zeros_after, n);
    let (leading, width) = (zeros_before.to_le_bytes()[0], n.to_le_bytes()[0]);
    *window = Window { leading, width, is_set: true };
}
