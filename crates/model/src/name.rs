//! Metric and label names, and quoting as Go's `strconv.Quote` does it.

use stdx::undecodable::byte_of;

/// True for `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_legacy_label_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// True for `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub fn is_legacy_metric_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b == b':')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
}

/// Quotes `s` with `"` as Go does: `\a \b \f \n \r \t \v \\ \"`, other controls as `\x01`, unprintable
/// characters as `\u200b` or `\U000e0001`, bytes that are no UTF-8 (`stdx::undecodable`) as `\xff`.
pub fn quote(s: &str) -> String {
    let mut out = String::with_capacity(s.len() + 2);
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            c if c < ' ' || c == '\x7f' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if let Some(byte) = byte_of(c) => out.push_str(&format!("\\x{byte:02x}")),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

/// Rust's `Debug` escapes almost the same characters that Go holds unprintable; grapheme extenders
/// (combining marks), which Rust escapes too, Go prints.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return true;
    }
    if c.is_whitespace() || c.is_control() {
        return false;
    }
    let combining = matches!(u32::from(c), 0x300..=0x36F | 0x483..=0x489 | 0x591..=0x5BD | 0x64B..=0x65F | 0x900..=0x903 | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF | 0xFE00..=0xFE0F | 0xFE20..=0xFE2F);
    combining || !c.escape_debug().to_string().starts_with("\\u")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go_does() {
        assert_eq!(quote("a\"\\\n\x01é\u{200b}\u{7f}"), r#""a\"\\\n\x01é\u200b\x7f""#);
        assert_eq!(quote("\u{a0}e\u{301}"), "\"\\u00a0e\u{301}\"");
    }
}
