//! Numbers of varying width inside bit streams: a prefix of ones says how many bits follow.

use stdx::bits::BitReader;

/// Bits that follow a prefix of so many ones and a zero; eight ones have no zero.
const WIDTHS: [u32; 9] = [0, 3, 6, 9, 12, 18, 25, 56, 64];

/// Takes a signed number. A bin of n bits holds -(2^(n-1)-1) to 2^(n-1).
pub(crate) fn take_signed(bits: &mut BitReader<'_>) -> i64 {
    let width = take_prefix(bits);
    let raw = bits.take(width);
    if width == 0 || width == 64 {
        return raw.cast_signed();
    }
    // The range is one above that of two's complement: one less, sign extended, and one more.
    let less = raw.wrapping_sub(1) << (64 - width);
    (less.cast_signed() >> (64 - width)).wrapping_add(1)
}

/// Takes an unsigned number.
pub(crate) fn take_unsigned(bits: &mut BitReader<'_>) -> u64 {
    let width = take_prefix(bits);
    bits.take(width)
}

fn take_prefix(bits: &mut BitReader<'_>) -> u32 {
    let ones = (!bits.peek()).leading_zeros().min(8);
    bits.skip((ones + 1).min(8));
    WIDTHS[ones as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bits: &str, signed: i64, unsigned: u64) {
        let mut bytes: Vec<u8> = bits
            .replace(' ', "")
            .as_bytes()
            .chunks(8)
            .map(|it| {
                it.iter().enumerate().fold(0, |byte, (at, bit)| byte | (bit - b'0') << (7 - at))
            })
            .collect();
        bytes.extend([0; stdx::bits::PADDING]);
        let end = bits.replace(' ', "").len();
        let mut reader = BitReader::new(&bytes, 0);
        assert_eq!((take_signed(&mut reader), reader.position()), (signed, end), "{bits}");
        let mut reader = BitReader::new(&bytes, 0);
        assert_eq!((take_unsigned(&mut reader), reader.position()), (unsigned, end), "{bits}");
    }

    #[test]
    fn reads_every_width() {
        check("0", 0, 0);
        check("10 001", 1, 1);
        check("10 100", 4, 4);
        check("10 101", -3, 5);
        check("110 100000", 32, 32);
        check("110 100001", -31, 33);
        check("1110 000000111", 7, 7);
        check("11110 100000000001", -2047, 2049);
        check("111110 000011101010011000", 15_000, 15_000);
        check(&format!("1111110 {:025b}", 1 << 20), 1 << 20, 1 << 20);
        check(
            &format!("11111110 {:056b}", 1_700_000_000_000u64),
            1_700_000_000_000,
            1_700_000_000_000,
        );
        check(&format!("11111111 {:064b}", u64::MAX), -1, u64::MAX);
    }
}
