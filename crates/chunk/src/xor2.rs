//! Decodes XOR2 chunks (encoding 4): floats that may carry start timestamps, which are skipped.
//!
//! As XOR, but one prefix joins the change of the time and the kind of value, and stale markers have a
//! code of their own: they do not disturb the value that the next one is relative to.

use model::STALE_NAN_BITS;
use stdx::bits::BitReader;

use crate::DecodeError;
use crate::varbit::take_signed;
use crate::xor::{self, Value, take_signed_varint, take_varint};

/// The count and the byte about start timestamps come before the bits.
const START_BIT: usize = 24;

/// Appends the samples of `data` within `mint..=maxt` to the columns.
///
/// # Errors
/// If the data ends early; nothing is appended then.
pub(crate) fn decode_range(
    data: &[u8],
    mint: i64,
    maxt: i64,
    t: &mut Vec<i64>,
    v: &mut Vec<f64>,
) -> Result<(), DecodeError> {
    let head: &[u8; 3] = data.first_chunk().ok_or(DecodeError::Truncated)?;
    let n = u16::from_be_bytes([head[0], head[1]]);
    let padded = xor::pad(data);
    let mut reader = Reader {
        bits: BitReader::new(&padded, START_BIT),
        starts_known: 0x80 <= head[2],
        changed_at: u16::from(head[2] & 0x7F),
        t: 0,
        t_delta: 0,
        baseline: Value::default(),
    };
    let start = t.len();
    for at in 0..n {
        let bits = reader.next(at);
        if reader.bits.overran() {
            t.truncate(start);
            v.truncate(start);
            return Err(DecodeError::Truncated);
        }
        if maxt < reader.t {
            break;
        }
        if mint <= reader.t {
            t.push(reader.t);
            v.push(f64::from_bits(bits));
        }
    }
    Ok(())
}

struct Reader<'a> {
    bits: BitReader<'a>,
    /// The first sample has a start timestamp.
    starts_known: bool,
    /// From this sample on each has one; 0 if none does.
    changed_at: u16,
    t: i64,
    t_delta: i64,
    /// The last value that was not stale.
    baseline: Value,
}

impl Reader<'_> {
    /// Takes sample `at` and returns the bits of its value.
    fn next(&mut self, at: u16) -> u64 {
        let bits = match at {
            0 => self.first(),
            1 => {
                self.t_delta = take_varint(&mut self.bits).cast_signed();
                self.value()
            }
            _ => self.later(),
        };
        if 0 < at {
            self.t = self.t.wrapping_add(self.t_delta);
        }
        if 0 < self.changed_at && self.changed_at <= at {
            take_signed(&mut self.bits);
        }
        bits
    }

    fn first(&mut self) -> u64 {
        self.t = take_signed_varint(&mut self.bits);
        let bits = self.bits.take(64);
        if bits != STALE_NAN_BITS {
            self.baseline.bits = bits;
        }
        if self.starts_known {
            take_signed_varint(&mut self.bits);
        }
        bits
    }

    fn later(&mut self) -> u64 {
        let width = match self.prefix(5) {
            0 => return self.baseline.bits,
            1 => return self.differing(),
            2 => 13,
            3 => 20,
            4 => 64,
            _ => return STALE_NAN_BITS,
        };
        let change = self.bits.take(width) << (64 - width);
        self.t_delta = self.t_delta.wrapping_add(change.cast_signed() >> (64 - width));
        self.value()
    }

    fn value(&mut self) -> u64 {
        match self.prefix(3) {
            0 => self.baseline.bits,
            1 => self.differing_in(true),
            2 => self.differing_in(false),
            _ => STALE_NAN_BITS,
        }
    }

    fn differing(&mut self) -> u64 {
        let is_known = self.bits.take(1) == 0;
        self.differing_in(is_known)
    }

    fn differing_in(&mut self, is_known: bool) -> u64 {
        let next = self.bits.peek();
        self.baseline.take_differing(&mut self.bits, next, 57, is_known);
        self.baseline.bits
    }

    /// Counts ones up to a zero, which is taken too, or up to `max`.
    fn prefix(&mut self, max: u32) -> u32 {
        let ones = (!self.bits.peek()).leading_zeros().min(max);
        self.bits.skip((ones + 1).min(max));
        ones
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xor::tests::hex;
    use proptest::prelude::*;

    const T: i64 = 1_700_000_000_000;

    fn check(data: &str, expected: &[(i64, f64)]) {
        let (mut t, mut v) = (Vec::new(), Vec::new());
        decode_range(&hex(data), i64::MIN, i64::MAX, &mut t, &mut v).unwrap();
        let (want_t, want_v): (Vec<_>, Vec<_>) = expected.iter().copied().unzip();
        assert_eq!((t, v), (want_t, want_v));
    }

    #[test]
    fn reads_the_known_bytes() {
        check(
            "0003 00 80a0abfef962 3ff0000000000000 9875 c12fffd683",
            &[(T, 1.0), (T + 15_000, 2.0), (T + 30_000, 2.5)],
        );
        check(
            "0003 82 80a0abfef962 3ff0000000000000 a09c01 9875 c12fffe000e683fbec78",
            &[(T, 1.0), (T + 15_000, 2.0), (T + 30_001, 2.5)],
        );
    }

    proptest! {
        #[test]
        fn survives_any_bytes(data in prop::collection::vec(any::<u8>(), 0..100)) {
            let (mut t, mut v) = (Vec::new(), Vec::new());
            let read = decode_range(&data, i64::MIN, i64::MAX, &mut t, &mut v);
            prop_assert!(t.len() == v.len() && t.len() <= data.len() * 8 && (read.is_ok() || t.is_empty()));
        }
    }
}
