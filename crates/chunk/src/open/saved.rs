//! An open chunk with the state of its encoder, as bytes: read back without decoding a sample.
//!
//! ```text
//! uvarint bits of data | i64 t | varint t delta | u64 bits of value | u8 leading | u8 width, 0 without | data
//! ```
//!
//! `t` and the value are those of the last sample, the delta is from the sample before; leading zeros and
//! width are of the window that differing values were last written in. Numbers are little endian.

use stdx::varint::{put_i64, put_u64, take_i64, take_u64};

use super::{OpenChunk, Window};
use crate::DecodeError;
use crate::buffer::capacity_for;

/// Count, a time and a value: what the first sample takes at least.
const BITS_MIN: usize = (2 + 1 + 8) * 8;

impl OpenChunk {
    /// Appends the chunk with its state.
    pub fn save(&self, out: &mut Vec<u8>) {
        put_u64(out, u64::from(self.n_bits));
        out.extend_from_slice(&self.t.to_le_bytes());
        put_i64(out, self.t_delta);
        out.extend_from_slice(&self.v.to_le_bytes());
        let Window { leading, width, is_set } = self.window;
        out.extend_from_slice(&[leading, if is_set { width } else { 0 }]);
        out.extend_from_slice(self.data());
    }

    /// Takes a chunk off the front of what [`OpenChunk::save`] wrote.
    ///
    /// # Errors
    /// If the bytes end early or can be no chunk. That the state is the one at the end of the data is not
    /// looked at: a checksum of the caller's has to vouch for it.
    pub fn restore(bytes: &mut &[u8]) -> Result<Self, DecodeError> {
        Self::take(bytes).ok_or(DecodeError::Truncated)
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let n_bits = u32::try_from(take_u64(bytes)?).ok()?;
        let t = i64::from_le_bytes(take_8(bytes)?);
        let t_delta = take_i64(bytes)?;
        let v = u64::from_le_bytes(take_8(bytes)?);
        let [leading, width] = *bytes.split_off(..2)?.first_chunk()?;
        let data = bytes.split_off(..n_bits.div_ceil(8) as usize)?;
        let is_chunk = BITS_MIN <= n_bits as usize
            && data[..2] != [0, 0]
            && take_i64(&mut &data[2..]).is_some()
            && u32::from(leading) + u32::from(width) <= 64;
        if !is_chunk {
            return None;
        }
        let mut buf = vec![0; capacity_for(data.len())].into_boxed_slice();
        buf[..data.len()].copy_from_slice(data);
        if !n_bits.is_multiple_of(8) {
            // Writing needs zeros after the last bit, whatever was there.
            buf[data.len() - 1] &= 0xFF << (8 - n_bits % 8);
        }
        let window = Window { leading, width, is_set: width != 0 };
        Some(Self { buf, t, t_delta, v, n_bits, window })
    }
}

fn take_8(bytes: &mut &[u8]) -> Option<[u8; 8]> {
    bytes.split_off(..8)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn samples() -> impl Strategy<Value = Vec<(i64, f64)>> {
        let value = prop_oneof![any::<f64>(), (0i32..9).prop_map(f64::from)];
        prop::collection::vec((1i64..100_000, value), 1..200)
    }

    proptest! {
        #[test]
        fn goes_on_as_if_nothing_had_been(samples in samples(), at in 0usize..200) {
            let mut t = 1_700_000_000_000;
            let mut samples = samples.into_iter().map(|(step, v)| { t += step; (t, v) });
            let (t, v) = samples.next().unwrap();
            let mut open = OpenChunk::start(t, v);
            samples.by_ref().take(at).for_each(|(t, v)| open.append(t, v));
            let mut bytes = Vec::new();
            open.save(&mut bytes);
            for end in 0..bytes.len() {
                prop_assert!(OpenChunk::restore(&mut &bytes[..end]).is_err());
            }
            bytes.push(7);
            let mut rest = &bytes[..];
            let mut again = OpenChunk::restore(&mut rest).unwrap();
            prop_assert_eq!(rest, [7]);
            for (t, v) in samples {
                open.append(t, v);
                again.append(t, v);
            }
            prop_assert_eq!(open.data(), again.data());
            prop_assert_eq!((open.last_t(), open.heap_bytes()), (again.last_t(), again.heap_bytes()));
        }

        #[test]
        fn anything_is_a_chunk_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(mut open) = OpenChunk::restore(&mut &bytes[..]) {
                let _ = open.first_t();
                if open.n_samples() < u16::MAX {
                    open.append(1, 1.5);
                }
            }
        }
    }
}
