//! The data of a growing chunk.

use stdx::bits::{BitWriter, PADDING};

/// Data that is complete after each sample, followed by zeros up to a step of the allocator.
#[derive(Clone, Debug)]
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    n_bits: usize,
}

/// Samples up to this size, which is nearly all, are written on the stack first.
const SHORT: usize = 128;

impl Buffer {
    /// Starts with whole bytes.
    pub(crate) fn new(head: &[u8]) -> Self {
        Self::resume(head, head.len() * 8)
    }

    /// Continues data after its first `n_bits`.
    pub(crate) fn resume(data: &[u8], n_bits: usize) -> Self {
        let mut bytes = data[..n_bits.div_ceil(8)].to_vec();
        if let Some(last) = bytes.last_mut().filter(|_| !n_bits.is_multiple_of(8)) {
            // Writing needs zeros after the last bit, whatever was there.
            *last &= 0xFF << (8 - n_bits % 8);
        }
        bytes.resize(capacity_for(bytes.len()), 0);
        Self { bytes: bytes.into_boxed_slice(), n_bits }
    }

    /// Appends what `write` writes: at most `n_bits_max` bits.
    pub(crate) fn extend(&mut self, n_bits_max: usize, write: impl FnOnce(&mut BitWriter<'_>)) {
        // The last byte may be begun: new bits are written behind its own, then copied over.
        let (whole, begun) = (self.n_bits / 8, self.n_bits % 8);
        let len = (begun + n_bits_max).div_ceil(8) + PADDING;
        let (mut short, mut long);
        let out = if len <= SHORT {
            short = [0; SHORT];
            &mut short[..]
        } else {
            long = vec![0; len];
            &mut long[..]
        };
        out[0] = self.bytes.get(whole).copied().unwrap_or(0);
        let mut bits = BitWriter::new(out, begun);
        write(&mut bits);
        self.n_bits = whole * 8 + bits.finish();
        let end = self.n_bits.div_ceil(8);
        self.make_room(end);
        self.bytes[whole..end].copy_from_slice(&out[..end - whole]);
    }

    /// The bytes at the start.
    pub(crate) fn head_mut(&mut self) -> &mut [u8; 3] {
        self.bytes.first_chunk_mut().expect("a chunk has a head")
    }

    pub(crate) fn data(&self) -> &[u8] {
        &self.bytes[..self.n_bits.div_ceil(8)]
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Ends with bytes as many as are used.
    pub(crate) fn finish(self) -> Box<[u8]> {
        let len = self.n_bits.div_ceil(8);
        let mut data = self.bytes.into_vec();
        data.truncate(len);
        data.into_boxed_slice()
    }

    fn make_room(&mut self, len: usize) {
        if self.bytes.len() < len {
            let mut grown = vec![0; capacity_for(len)].into_boxed_slice();
            grown[..self.bytes.len()].copy_from_slice(&self.bytes);
            self.bytes = grown;
        }
    }
}

/// Rounds up to a size the allocator has: four steps for each doubling, none below 16 bytes.
pub(crate) fn capacity_for(len: usize) -> usize {
    let step = (len.next_power_of_two() / 8).max(16);
    len.next_multiple_of(step)
}
