//! Texts in quotes.

use super::{Lexer, quote_char};
use crate::token::Kind;

impl Lexer<'_> {
    /// Reads a text; `quote` stands at the current position.
    pub(super) fn string(&mut self, quote: u8) -> Kind {
        self.pos += 1;
        if quote == b'`' {
            return self.raw_string();
        }
        loop {
            match self.peek() {
                None | Some(b'\n') => return self.fail("unterminated quoted string"),
                Some(b'\\') => {
                    self.pos += 1;
                    if let Err(text) = self.escape(quote) {
                        return self.fail(text);
                    }
                }
                Some(byte) if byte == quote => return self.take(1, Kind::String),
                Some(byte) if byte.is_ascii() => self.pos += 1,
                Some(_) => {
                    if self.bump() == Some(char::REPLACEMENT_CHARACTER) {
                        return self.fail("invalid UTF-8 rune");
                    }
                }
            }
        }
    }

    fn raw_string(&mut self) -> Kind {
        loop {
            match self.bump() {
                None => return self.fail("unterminated raw string"),
                Some(char::REPLACEMENT_CHARACTER) => return self.fail("invalid UTF-8 rune"),
                Some('`') => return Kind::String,
                Some(_) => {}
            }
        }
    }

    /// Reads what follows a backslash.
    fn escape(&mut self, quote: u8) -> Result<(), String> {
        let first = self.bump();
        let (digits, base, max) = match first {
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\') => return Ok(()),
            Some(c) if c == char::from(quote) => return Ok(()),
            Some('0'..='7') => {
                self.pos -= 1;
                (3, 8, 0xFF)
            }
            Some('x') => (2, 16, 0xFF),
            Some('u') => (4, 16, u32::from(char::MAX)),
            Some('U') => (8, 16, u32::from(char::MAX)),
            None => return Err("escape sequence not terminated".into()),
            Some(c) => return Err(format!("unknown escape sequence {}", code_point(c))),
        };
        let mut value = 0u32;
        for _ in 0..digits {
            let Some(c) = self.bump() else { return Err("escape sequence not terminated".into()) };
            let digit = c.to_digit(base);
            let digit = digit
                .ok_or_else(|| format!("illegal character {} in escape sequence", code_point(c)))?;
            value = value.wrapping_mul(base).wrapping_add(digit);
        }
        if max < value || (0xD800..0xE000).contains(&value) {
            return Err("escape sequence is an invalid Unicode code point".into());
        }
        Ok(())
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.char()?;
        self.pos += c.len_utf8();
        Some(c)
    }
}

/// Returns the text of a string token, without quotes and escapes. Bytes from `\x` or octal escapes
/// that make no UTF-8 become U+FFFD.
pub(crate) fn unquote(token: &str) -> String {
    let body = &token[1..token.len() - 1];
    if token.starts_with('`') || !body.contains('\\') {
        return body.to_owned();
    }
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        out.extend_from_slice(plain.as_bytes());
        rest = unescape(escaped, &mut out);
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8(out).unwrap_or_else(|it| String::from_utf8_lossy(it.as_bytes()).into_owned())
}

/// Writes one escape, which the lexer has found well-formed, and returns what follows it.
fn unescape<'a>(escaped: &'a str, out: &mut Vec<u8>) -> &'a str {
    let mut chars = escaped.chars();
    let digits = match chars.next().unwrap_or('\\') {
        'x' => &escaped[1..3],
        'u' => &escaped[1..5],
        'U' => &escaped[1..9],
        '0'..='7' => {
            let value = u32::from_str_radix(&escaped[..3], 8).unwrap_or_default();
            out.push(value.to_le_bytes()[0]);
            return &escaped[3..];
        }
        c => {
            let plain = match c {
                'a' => '\x07',
                'b' => '\x08',
                'f' => '\x0c',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\x0b',
                _ => c,
            };
            out.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes());
            return chars.as_str();
        }
    };
    let value = u32::from_str_radix(digits, 16).unwrap_or_default();
    if digits.len() == 2 {
        out.push(value.to_le_bytes()[0]);
    } else {
        let c = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    &escaped[1 + digits.len()..]
}

/// Names a character as Go's `%#U` does: `U+0063 'c'`, without the character if it is not printable.
fn code_point(c: char) -> String {
    let code = format!("U+{:04X}", u32::from(c));
    let plain = quote_char(c);
    if plain.starts_with("'\\") && !matches!(c, '\\' | '\'') {
        code
    } else {
        format!("{code} '{c}'")
    }
}
