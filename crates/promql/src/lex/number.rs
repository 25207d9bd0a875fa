//! Numbers and durations.

use super::Lexer;
use crate::token::Kind;

impl Lexer<'_> {
    /// Reads a number, or a duration: whole numbers with units.
    pub(super) fn number_or_duration(&mut self) -> Kind {
        if self.number() {
            return Kind::Number;
        }
        if self.rest_of_duration() {
            return Kind::Duration;
        }
        let text = model::quote(&self.input[self.start..self.pos]);
        self.fail(format!("bad number or duration syntax: {text}"))
    }

    /// Reads a number. If what follows shows that it is none, stops there and returns false.
    fn number(&mut self) -> bool {
        let hex = self.hex_prefix();
        let digit = |it: u8| it.is_ascii_digit() || hex && it.is_ascii_hexdigit();
        self.accept(|it| it == b'.');
        self.accept(digit);
        let (mut dot, mut exponent) = (false, false);
        while let Some(byte) = self.peek() {
            match byte {
                b'.' => {
                    self.pos += 1;
                    if dot || hex || self.accept(|it| matches!(it, b'_' | b'.')) {
                        return false;
                    }
                    dot = true;
                }
                b'e' | b'E' => {
                    self.pos += 1;
                    if exponent {
                        return false;
                    }
                    exponent = true;
                    self.accept(|it| matches!(it, b'+' | b'-'));
                    if self.accept(is_mark) || self.peek().is_none() {
                        return false;
                    }
                }
                b'_' => {
                    self.pos += 1;
                    if self.accept(is_mark) || self.peek().is_none() {
                        return false;
                    }
                }
                _ if digit(byte) => self.skip_while(digit),
                _ => break,
            }
        }
        match self.peek() {
            Some(b'x') if self.series => true,
            Some(byte) => !is_word(byte),
            None => true,
        }
    }

    /// Skips `0x` and an underscore behind it; a lone `0` is skipped, too.
    fn hex_prefix(&mut self) -> bool {
        if self.series
            || !self.accept(|it| it == b'0')
            || !self.accept(|it| matches!(it, b'x' | b'X'))
        {
            return false;
        }
        self.accept(|it| it == b'_');
        true
    }

    /// Reads what follows the first number of a duration. Whether the units make sense is seen when
    /// the duration is parsed.
    fn rest_of_duration(&mut self) -> bool {
        if !self.accept(|it| matches!(it, b's' | b'm' | b'h' | b'd' | b'w' | b'y')) {
            return false;
        }
        self.accept(|it| it == b's');
        while self.accept(|it| it.is_ascii_digit()) {
            self.skip_while(|it| it.is_ascii_digit());
            if !self.accept(|it| matches!(it, b's' | b'm' | b'h' | b'd' | b'w')) {
                return false;
            }
            self.accept(|it| it == b's');
        }
        !self.accept(is_word)
    }

    fn accept(&mut self, wanted: impl Fn(u8) -> bool) -> bool {
        let found = self.peek().is_some_and(wanted);
        self.pos += usize::from(found);
        found
    }
}

/// What may not follow an underscore or an exponent mark.
fn is_mark(byte: u8) -> bool {
    matches!(byte, b'.' | b'_' | b'e' | b'E')
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
