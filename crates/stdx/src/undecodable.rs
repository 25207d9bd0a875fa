//! Bytes that are no UTF-8, carried in text.
//!
//! Each becomes one of the last 128 characters of Unicode, which are for private use: whoever refuses the text can
//! show the byte that it is refused for.

/// The character of the byte 0.
const BASE: u32 = 0x10_ff00;

/// Reads bytes as text.
pub fn decode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        let carried = chunk.invalid().iter().filter_map(|it| char::from_u32(BASE + u32::from(*it)));
        text.extend(carried);
    }
    text
}

/// The byte that a character stands for.
pub fn byte_of(c: char) -> Option<u8> {
    let byte = u32::from(c).checked_sub(BASE)?;
    u8::try_from(byte).ok().filter(|it| 0x80 <= *it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_bytes() {
        let text = decode(b"a\xc3\xa9\xff\x80");
        let bytes: Vec<_> = text.chars().map(byte_of).collect();
        assert_eq!(bytes, [None, None, Some(0xff), Some(0x80)]);
        assert!(text.starts_with("aé"));
    }
}
