//! Streams of bits, most significant bit first.
//!
//! Positions are counted in bits from the start of the bytes and belong to the caller, so a stream
//! can be continued later from a number: [`BitWriter`] writes from a position on, [`BitReader`] reads
//! from one. Neither allocates.

/// Zero bytes that must follow the data a [`BitReader`] reads or a [`BitWriter`] writes.
pub const PADDING: usize = 8;

/// Writes bits. They are collected in a word and stored eight bytes at once, so the bytes must reach
/// [`PADDING`] beyond what is written; there they become zero.
pub struct BitWriter<'a> {
    out: &'a mut [u8],
    /// Where `word` goes.
    byte: usize,
    /// Bits not stored yet, from the top.
    word: u64,
    used: u32,
}

impl<'a> BitWriter<'a> {
    /// Continues at bit `at` of `out`. What follows it in its byte must be zero.
    pub fn new(out: &'a mut [u8], at: usize) -> Self {
        let (byte, used) = (at >> 3, (at & 7) as u32);
        let word = u64::from(out[byte]) << 56;
        Self { out, byte, word, used }
    }

    /// Writes the `n` low bits of `v`; those above must be zero.
    ///
    /// # Panics
    /// If the bytes end too early, or `n` is 0 or above 64.
    #[inline(always)]
    pub fn put(&mut self, v: u64, n: u32) {
        debug_assert!((1..=64).contains(&n) && (n == 64 || v >> n == 0), "{v} has {n} bits");
        self.word |= v << (64 - n) >> self.used;
        self.used += n;
        if 64 <= self.used {
            self.store();
            self.used -= 64;
            self.byte += 8;
            self.word = v.checked_shl(64 - self.used).unwrap_or(0);
        }
    }

    /// Stores what is left and returns the position after the last bit.
    ///
    /// # Panics
    /// If the bytes end too early.
    #[inline(always)]
    pub fn finish(mut self) -> usize {
        self.store();
        (self.byte << 3) + self.used as usize
    }

    #[inline(always)]
    fn store(&mut self) {
        self.out[self.byte..self.byte + 8].copy_from_slice(&self.word.to_be_bytes());
    }
}

/// Reads bits. Eight bytes are loaded at once, so the data must be followed by [`PADDING`] zeros. Past
/// the end every bit reads as 0; [`BitReader::overran`] tells.
#[derive(Clone, Copy, Debug)]
pub struct BitReader<'a> {
    padded: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    /// Starts at bit `at` of `padded`, whose last [`PADDING`] bytes are no data.
    pub fn new(padded: &'a [u8], at: usize) -> Self {
        debug_assert!(padded.ends_with(&[0; PADDING]), "data is followed by zeros");
        Self { padded, at }
    }

    /// Shows the next 57 bits or more, the next one at the top. Does not move.
    #[inline(always)]
    pub fn peek(&self) -> u64 {
        let byte = self.at >> 3;
        let bits = match self.padded.get(byte..byte + 8) {
            Some(bytes) => u64::from_be_bytes(bytes.try_into().expect("eight bytes")),
            None => 0,
        };
        bits << (self.at & 7)
    }

    /// Shows the next 64 bits. Does not move.
    #[inline(always)]
    pub fn peek_all(&self) -> u64 {
        // Up to 7 of the 64 bits loaded are shifted out at the top.
        let next = self.padded.get((self.at >> 3) + 8).copied().unwrap_or(0);
        self.peek() | u64::from(next) >> (8 - (self.at & 7))
    }

    /// Moves over `n` bits.
    #[inline(always)]
    pub fn skip(&mut self, n: u32) {
        self.at += n as usize;
    }

    /// Takes the next `n` bits, 0 to 64 of them.
    #[inline(always)]
    pub fn take(&mut self, n: u32) -> u64 {
        debug_assert!(n <= 64, "a number has 64 bits");
        let bits = if n <= 57 { self.peek() } else { self.peek_all() };
        self.at += n as usize;
        if n == 0 { 0 } else { bits >> (64 - n) }
    }

    /// The position of the next bit.
    pub fn position(&self) -> usize {
        self.at
    }

    /// True if more bits were taken than there are.
    #[inline(always)]
    pub fn overran(&self) -> bool {
        self.padded.len() < PADDING + self.at.div_ceil(8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_what_was_written(fields in prop::collection::vec((any::<u64>(), 1u32..=64), 0..40)) {
            let fields: Vec<(u64, u32)> = fields.into_iter().map(|(v, n)| (v >> (64 - n), n)).collect();
            let n_bits: usize = fields.iter().map(|(_, n)| *n as usize).sum();
            let mut bytes = vec![0; n_bits.div_ceil(8) + PADDING];
            let mut text = String::new();
            let mut at = 0;
            for &(v, n) in &fields {
                let mut writer = BitWriter::new(&mut bytes, at);
                writer.put(v, n);
                at = writer.finish();
                text.push_str(&format!("{v:0width$b}", width = n as usize));
            }
            let naive: String = bytes.iter().map(|it| format!("{it:08b}")).collect();
            prop_assert_eq!(&naive[..n_bits], &text);
            let mut reader = BitReader::new(&bytes, 0);
            for &(v, n) in &fields {
                prop_assert_eq!(reader.peek() >> 7, { reader }.take(57));
                prop_assert_eq!(reader.peek_all(), { reader }.take(64));
                prop_assert_eq!(reader.take(n), v);
            }
            prop_assert_eq!((reader.position(), reader.overran(), reader.take(0)), (n_bits, false, 0));
            reader.skip(8);
            prop_assert!(reader.overran() && reader.take(64) == 0);
        }
    }
}
