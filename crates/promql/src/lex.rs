//! Text to tokens.
//!
//! The lexer is asked for one token at a time and knows three modes: outside, where words may be
//! keywords; inside braces, where they never are; inside brackets, where only durations stand. Its
//! first error ends it. Positions are bytes.

mod number;
mod string;

pub(crate) use string::unquote;

use crate::ast::BinaryOp;
use crate::token::{Keyword, Kind, Token, word_kind};

/// Reads tokens from a query.
pub(crate) struct Lexer<'a> {
    pub(crate) input: &'a str,
    pos: usize,
    /// Where the token being read begins.
    start: usize,
    paren_depth: u32,
    brace_open: bool,
    bracket_open: bool,
    /// A colon was seen within these brackets.
    got_colon: bool,
    /// A literal was seen within any brackets.
    got_duration: bool,
    /// No hexadecimal numbers; a repetition mark may follow a number.
    series: bool,
    error: String,
}

impl<'a> Lexer<'a> {
    /// Starts at the beginning of a query.
    pub(crate) fn new(input: &'a str) -> Self {
        Self {
            input,
            pos: 0,
            start: 0,
            paren_depth: 0,
            brace_open: false,
            bracket_open: false,
            got_colon: false,
            got_duration: false,
            series: false,
            error: String::new(),
        }
    }

    /// The text of the error, if the last token was one.
    pub(crate) fn error(&self) -> &str {
        &self.error
    }

    /// Reads an unsigned number of a series description at `pos`; returns its end, or the text of an
    /// error.
    pub(crate) fn series_number(input: &'a str, pos: usize) -> Result<usize, String> {
        let mut lexer = Self { pos, start: pos, series: true, ..Self::new(input) };
        match lexer.number_or_duration() {
            Kind::Number => Ok(lexer.pos),
            _ => Err(lexer.error.replace("number or duration", "number")),
        }
    }

    /// Reads the next token. The end of the input repeats.
    pub(crate) fn next_token(&mut self) -> Token {
        let kind = if self.bracket_open {
            self.skip_blank(self.peek_back() != Some(b'['));
            self.within_brackets()
        } else if self.brace_open {
            self.skip_blank(true);
            self.within_braces()
        } else {
            self.skip_blank(true);
            self.outside()
        };
        let end = if kind == Kind::Error { self.start } else { self.pos };
        Token { kind, start: self.start, end }
    }

    /// Skips white space and, if asked to, comments.
    fn skip_blank(&mut self, comments: bool) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.pos += 1,
                Some(b'#') if comments => {
                    let rest = &self.input.as_bytes()[self.pos..];
                    self.pos += rest
                        .iter()
                        .position(|it| matches!(it, b'\n' | b'\r'))
                        .unwrap_or(rest.len());
                }
                _ => break,
            }
        }
        self.start = self.pos;
    }

    fn outside(&mut self) -> Kind {
        let Some(byte) = self.peek() else {
            return if self.paren_depth == 0 {
                Kind::Eof
            } else {
                self.fail("unclosed left parenthesis")
            };
        };
        match byte {
            b'0'..=b'9' => self.number_or_duration(),
            b'.' if self.byte_at(1).is_some_and(|it| it.is_ascii_digit()) => {
                self.number_or_duration()
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b':' => self.word(),
            b'"' | b'\'' | b'`' => self.string(byte),
            b'(' | b')' => self.parenthesis(byte),
            b'=' | b'!' | b'<' | b'>' => self.comparison(byte),
            b'{' => {
                self.brace_open = true;
                self.take(1, Kind::LeftBrace)
            }
            b'[' => {
                (self.bracket_open, self.got_colon) = (true, false);
                self.take(1, Kind::LeftBracket)
            }
            b']' => self.fail("unexpected right bracket ']'"),
            b',' => self.take(1, Kind::Comma),
            b'@' => self.take(1, Kind::At),
            _ => match arithmetic(byte) {
                Some(op) => self.take(1, Kind::Op(op)),
                None => self.fail_char("unexpected character: "),
            },
        }
    }

    fn within_braces(&mut self) -> Kind {
        let Some(byte) = self.peek() else {
            return self.fail("unexpected end of input inside braces");
        };
        match (byte, self.byte_at(1)) {
            (b'a'..=b'z' | b'A'..=b'Z' | b'_', _) => {
                self.skip_while(|it| it.is_ascii_alphanumeric() || it == b'_');
                Kind::Identifier
            }
            (b'"' | b'\'' | b'`', _) => self.string(byte),
            (b',', _) => self.take(1, Kind::Comma),
            (b'=', Some(b'~')) => self.take(2, Kind::EqualRegexp),
            (b'=', _) => self.take(1, Kind::Equal),
            (b'!', Some(b'~')) => self.take(2, Kind::NotRegexp),
            (b'!', Some(b'=')) => self.take(2, Kind::Op(BinaryOp::Ne)),
            (b'!', _) => {
                self.pos += 1;
                self.fail_char("unexpected character after '!' inside braces: ")
            }
            (b'{', _) => self.fail("unexpected left brace '{'"),
            (b'}', _) => {
                self.brace_open = false;
                self.take(1, Kind::RightBrace)
            }
            _ => self.fail_char("unexpected character inside braces: "),
        }
    }

    fn within_brackets(&mut self) -> Kind {
        let Some(byte) = self.peek() else {
            return self.fail("unexpected end of input in duration expression");
        };
        match byte {
            b'0'..=b'9' => {
                self.got_duration = true;
                self.number_or_duration()
            }
            b'.' if self.byte_at(1).is_some_and(|it| it.is_ascii_digit()) => {
                self.got_duration = true;
                self.number_or_duration()
            }
            b']' => {
                self.bracket_open = false;
                self.take(1, Kind::RightBracket)
            }
            b':' => self.colon(),
            b'(' | b')' => self.parenthesis(byte),
            b',' => self.take(1, Kind::Comma),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.duration_word(),
            _ => match arithmetic(byte) {
                Some(op) => self.take(1, Kind::Op(op)),
                None => self.fail_char("unexpected character in duration expression: "),
            },
        }
    }

    fn word(&mut self) -> Kind {
        self.skip_while(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b':');
        let kind = word_kind(&self.input[self.start..self.pos]);
        match kind {
            Kind::Keyword(Keyword::Fill | Keyword::FillLeft | Keyword::FillRight) => {
                let rest = self.input[self.pos..].trim_start_matches([' ', '\t', '\n', '\r']);
                if rest.starts_with('(') { kind } else { Kind::Identifier }
            }
            _ => kind,
        }
    }

    fn duration_word(&mut self) -> Kind {
        use crate::token::Builtin::{MaxOf, MinOf, Range, Step};
        self.skip_while(|it| it.is_ascii_alphanumeric() || it == b'_');
        let kind = word_kind(&self.input[self.start..self.pos]);
        match kind {
            Kind::Builtin(Step | Range | MaxOf | MinOf) => kind,
            _ => {
                self.pos = self.start;
                self.fail_char("unexpected character in duration expression: ")
            }
        }
    }

    fn colon(&mut self) -> Kind {
        self.pos += 1;
        if !self.got_duration {
            self.start = self.pos;
            return self.fail("unexpected colon before duration in duration expression");
        }
        if self.got_colon {
            self.start = self.pos;
            return self.fail("unexpected repeated colon in duration expression");
        }
        self.got_colon = true;
        Kind::Colon
    }

    fn parenthesis(&mut self, byte: u8) -> Kind {
        self.pos += 1;
        if byte == b'(' {
            self.paren_depth += 1;
            return Kind::LeftParen;
        }
        match self.paren_depth.checked_sub(1) {
            Some(depth) => {
                self.paren_depth = depth;
                Kind::RightParen
            }
            None => {
                self.start = self.pos;
                self.fail("unexpected right parenthesis ')'")
            }
        }
    }

    fn comparison(&mut self, byte: u8) -> Kind {
        let (kind, len) = match (byte, self.byte_at(1)) {
            (b'=', Some(b'=')) => (Kind::Op(BinaryOp::Eq), 2),
            (b'!', Some(b'=')) => (Kind::Op(BinaryOp::Ne), 2),
            (b'<', Some(b'=')) => (Kind::Op(BinaryOp::Le), 2),
            (b'<', Some(b'/')) => (Kind::Op(BinaryOp::TrimUpper), 2),
            (b'>', Some(b'=')) => (Kind::Op(BinaryOp::Ge), 2),
            (b'>', Some(b'/')) => (Kind::Op(BinaryOp::TrimLower), 2),
            (b'<', _) => (Kind::Op(BinaryOp::Lt), 1),
            (b'>', _) => (Kind::Op(BinaryOp::Gt), 1),
            (b'=', Some(b'~')) => {
                self.pos += 1;
                return self.fail_char("unexpected character after '=': ");
            }
            (b'=', _) => (Kind::Equal, 1),
            _ => {
                self.pos += 1;
                return self.fail_char("unexpected character after '!': ");
            }
        };
        self.take(len, kind)
    }

    fn take(&mut self, len: usize, kind: Kind) -> Kind {
        self.pos += len;
        kind
    }

    fn skip_while(&mut self, keep: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&keep) {
            self.pos += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.byte_at(0)
    }

    fn peek_back(&self) -> Option<u8> {
        self.pos.checked_sub(1).map(|at| self.input.as_bytes()[at])
    }

    fn byte_at(&self, ahead: usize) -> Option<u8> {
        self.input.as_bytes().get(self.pos + ahead).copied()
    }

    /// The character at the current position.
    fn char(&self) -> Option<char> {
        self.input[self.pos..].chars().next()
    }

    fn fail(&mut self, text: impl Into<String>) -> Kind {
        self.error = text.into();
        Kind::Error
    }

    /// Fails with the character at the current position quoted behind `text`.
    fn fail_char(&mut self, text: &str) -> Kind {
        let quoted = quote_char(self.char().unwrap_or(char::REPLACEMENT_CHARACTER));
        self.fail(format!("{text}{quoted}"))
    }
}

fn arithmetic(byte: u8) -> Option<BinaryOp> {
    Some(match byte {
        b'+' => BinaryOp::Add,
        b'-' => BinaryOp::Sub,
        b'*' => BinaryOp::Mul,
        b'/' => BinaryOp::Div,
        b'%' => BinaryOp::Mod,
        b'^' => BinaryOp::Pow,
        _ => return None,
    })
}

/// Quotes a character as Go's `%q` does.
pub(crate) fn quote_char(c: char) -> String {
    match c {
        '\'' => r"'\''".into(),
        '"' => "'\"'".into(),
        _ => {
            let quoted = model::quote(c.encode_utf8(&mut [0; 4]));
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    }
}

#[cfg(test)]
mod tests;
