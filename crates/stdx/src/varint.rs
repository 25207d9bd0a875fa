//! LEB128 numbers as Go's `encoding/binary` writes them: unsigned, and signed by zig-zag.

/// Appends `v`, 1 to 10 bytes.
#[inline]
pub fn put_u64(out: &mut Vec<u8>, mut v: u64) {
    while 0x80 <= v {
        out.push(v.to_le_bytes()[0] | 0x80);
        v >>= 7;
    }
    out.push(v.to_le_bytes()[0]);
}

/// Appends `v` zig-zag encoded, 1 to 10 bytes.
#[inline]
pub fn put_i64(out: &mut Vec<u8>, v: i64) {
    put_u64(out, (v << 1 ^ v >> 63).cast_unsigned());
}

/// Takes a number off the front of `bytes`. `None` if they end early or the number passes 64 bits;
/// `bytes` is then where it was.
#[inline]
pub fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    // Most numbers are short.
    match **bytes {
        [a, ..] if a < 0x80 => {
            *bytes = &bytes[1..];
            Some(u64::from(a))
        }
        [a, b, ..] if b < 0x80 => {
            *bytes = &bytes[2..];
            Some(u64::from(a & 0x7f) | u64::from(b) << 7)
        }
        _ => take_long(bytes),
    }
}

fn take_long(bytes: &mut &[u8]) -> Option<u64> {
    let mut v = 0u64;
    for (i, &byte) in bytes.iter().enumerate().take(10) {
        if i == 9 && 1 < byte {
            return None;
        }
        v |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            *bytes = &bytes[i + 1..];
            return Some(v);
        }
    }
    None
}

/// Takes a zig-zag number off the front of `bytes`, as [`take_u64`] does.
#[inline]
pub fn take_i64(bytes: &mut &[u8]) -> Option<i64> {
    take_u64(bytes).map(|v| (v >> 1).cast_signed() ^ -(v & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_bytes() {
        let mut out = Vec::new();
        put_i64(&mut out, 1_700_000_000_000);
        assert_eq!(out, [0x80, 0xa0, 0xab, 0xfe, 0xf9, 0x62]);
        let overflow = [0xff; 10];
        assert_eq!(take_u64(&mut &overflow[..]), None);
        assert_eq!(take_u64(&mut &[0x80u8][..]), None);
    }

    proptest! {
        #[test]
        fn round_trips(u: u64, i: i64) {
            let mut out = Vec::new();
            put_u64(&mut out, u);
            put_i64(&mut out, i);
            let mut rest = &out[..];
            prop_assert_eq!((take_u64(&mut rest), take_i64(&mut rest), rest.len()), (Some(u), Some(i), 0));
        }
    }
}
