//! Numbers of varying width inside bit streams: a prefix of ones says how many bits follow.

use stdx::bits::{BitReader, BitWriter};

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

/// Writes a signed number in the narrowest bin that holds it.
pub(crate) fn put_signed(bits: &mut BitWriter<'_>, v: i64) {
    let prefix = match v {
        0 => 0,
        -3..=4 => 1,
        -31..=32 => 2,
        -255..=256 => 3,
        -2047..=2048 => 4,
        -0x1_FFFF..=0x2_0000 => 5,
        -0xFF_FFFF..=0x100_0000 => 6,
        -0x7F_FFFF_FFFF_FFFF..=0x80_0000_0000_0000 => 7,
        _ => 8,
    };
    put(bits, prefix, v.cast_unsigned());
}

/// Writes an unsigned number in the narrowest bin that holds it.
pub(crate) fn put_unsigned(bits: &mut BitWriter<'_>, v: u64) {
    let used = 64 - v.leading_zeros();
    let prefix = WIDTHS.iter().position(|width| used <= *width).expect("64 bits hold any number");
    put(bits, prefix, v);
}

fn put(bits: &mut BitWriter<'_>, prefix: usize, v: u64) {
    let ones = (1 << prefix) - 1;
    match WIDTHS[prefix] {
        0 => bits.put(0, 1),
        64 => {
            bits.put(ones, 8);
            bits.put(v, 64);
        }
        width => {
            bits.put(ones << 1, u32::try_from(prefix).expect("small") + 1);
            bits.put(v & ((1 << width) - 1), width);
        }
    }
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
        let mut written = vec![0; bytes.len()];
        let mut writer = BitWriter::new(&mut written, 0);
        put_signed(&mut writer, signed);
        assert_eq!((writer.finish(), &written), (end, &bytes), "{bits}");
        let mut written = vec![0; bytes.len()];
        let mut writer = BitWriter::new(&mut written, 0);
        put_unsigned(&mut writer, unsigned);
        assert_eq!((writer.finish(), &written), (end, &bytes), "{bits}");
    }

    #[test]
    fn reads_and_writes_every_width() {
        check("0", 0, 0);
        check("10 001", 1, 1);
        check("10 100", 4, 4);
        check("10 101", -3, 5);
        check("110 100000", 32, 32);
        check("110 100001", -31, 33);
        check("1110 001100100", 100, 100);
        check("11110 100000000001", -2047, 2049);
        check("111110 000011101010011000", 15_000, 15_000);
        check(&format!("1111110 {:025b}", 1 << 20), 1 << 20, 1 << 20);
        check(
            &format!("11111110 {:056b}", 1_700_000_000_000u64),
            1_700_000_000_000,
            1_700_000_000_000,
        );
        check(&format!("11111111 {:064b}", 1u64 << 63), i64::MIN, 1 << 63);
    }
}
