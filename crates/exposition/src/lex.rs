//! Tokens of the two text formats.
//!
//! The grammar is small but its errors are quoted to users, so the lexer keeps what the message needs:
//! where the token starts and where it stopped. Text 0.0.4 ends with a line feed whether it is there
//! or not: the lexer sees one at the end of the page.

use memchr::{memchr, memchr2};

use crate::TextFormat;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Invalid,
    Eof,
    Linebreak,
    Help,
    Type,
    Unit,
    EofWord,
    Text,
    Comment,
    MetricName,
    Quoted,
    BraceOpen,
    BraceClose,
    LabelName,
    LabelValue,
    Equal,
    Comma,
    Timestamp,
    Value,
}

impl Token {
    /// The name that error messages use.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Invalid => "INVALID",
            Self::Eof => "EOF",
            Self::Linebreak => "LINEBREAK",
            Self::Help => "HELP",
            Self::Type => "TYPE",
            Self::Unit => "UNIT",
            Self::EofWord => "EOFWORD",
            Self::Text => "TEXT",
            Self::Comment => "COMMENT",
            Self::MetricName => "MNAME",
            Self::Quoted => "QSTRING",
            Self::BraceOpen => "BOPEN",
            Self::BraceClose => "BCLOSE",
            Self::LabelName => "LNAME",
            Self::LabelValue => "LVALUE",
            Self::Equal => "EQUAL",
            Self::Comma => "COMMA",
            Self::Timestamp => "TIMESTAMP",
            Self::Value => "VALUE",
        }
    }
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Init,
    MetaName,
    MetaText,
    Labels,
    LabelValue,
    Value,
    Timestamp,
    ExemplarLabels,
    ExemplarLabelValue,
    ExemplarTimestamp,
}

/// Cuts a page into tokens.
#[derive(Clone, Debug)]
pub(crate) struct Lexer<'a> {
    pub(crate) page: &'a [u8],
    pub(crate) format: TextFormat,
    pub(crate) state: State,
    /// Where the last token starts.
    pub(crate) start: usize,
    /// Behind the last token; for an invalid one, the byte that does not fit.
    pub(crate) at: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(page: &'a [u8], format: TextFormat) -> Self {
        Self { page, format, state: State::Init, start: 0, at: 0 }
    }

    /// The text of the last token, without a line feed that the page does not hold.
    pub(crate) fn text(&self) -> &'a [u8] {
        &self.page[self.start.min(self.page.len())..self.at.min(self.page.len())]
    }

    /// The length of the page with the line feed that text pages always have.
    pub(crate) fn end(&self) -> usize {
        self.page.len() + usize::from(self.format == TextFormat::Prometheus)
    }

    /// The byte at `at`; past the end, a line feed or (OpenMetrics) zero, which fits nowhere.
    fn byte(&self, at: usize) -> u8 {
        match self.page.get(at) {
            Some(byte) => *byte,
            None if self.format == TextFormat::Prometheus => b'\n',
            None => 0,
        }
    }

    /// Reads a token; skips blanks where the format has none of its own.
    pub(crate) fn next(&mut self) -> Token {
        match self.format {
            TextFormat::Prometheus => {
                while self.state != State::MetaText && matches!(self.byte(self.at), b' ' | b'\t') {
                    self.at += 1;
                }
                if self.end() <= self.at {
                    return Token::Eof;
                }
                self.start = self.at;
                self.next_text()
            }
            TextFormat::OpenMetrics => {
                if self.end() <= self.at {
                    return Token::Eof;
                }
                self.start = self.at;
                self.next_open_metrics()
            }
        }
    }

    fn next_text(&mut self) -> Token {
        match (self.state, self.byte(self.at)) {
            (State::Init, 0) => Token::Eof,
            (State::Init | State::Timestamp, b'\n') => self.one(State::Init, Token::Linebreak),
            (State::Init, b'#') => self.comment(),
            (State::Init | State::MetaName, _) | (State::Value, b'{') => self.name(),
            (State::MetaText, _) => {
                self.at = self.line_end();
                self.state = State::Init;
                Token::Text
            }
            (State::Labels | State::LabelValue, _) => self.label_part(),
            (State::Value, _) => self.word(0, State::Timestamp, Token::Value),
            (State::Timestamp, b'0'..=b'9') => {
                self.skip(|it| it.is_ascii_digit());
                Token::Timestamp
            }
            _ => Token::Invalid,
        }
    }

    fn next_open_metrics(&mut self) -> Token {
        match (self.state, self.byte(self.at)) {
            (State::Init, b'#') => self.open_metrics_comment(),
            (State::Init | State::MetaName, _) | (State::Value, b'{') => self.name(),
            (State::MetaText, b' ') => {
                let end = self.line_end();
                if end == self.page.len() {
                    self.at = end;
                    return Token::Invalid;
                }
                self.at = end + 1;
                self.state = State::Init;
                Token::Text
            }
            (State::Timestamp | State::ExemplarTimestamp, b'\n') => {
                self.one(State::Init, Token::Linebreak)
            }
            (State::Timestamp, b' ') if self.page[self.at..].starts_with(b" # {") => {
                self.at += 4;
                self.state = State::ExemplarLabels;
                Token::Comment
            }
            (State::Value, b' ') => self.word(1, State::Timestamp, Token::Value),
            (State::Timestamp, b' ') => self.word(1, State::Timestamp, Token::Timestamp),
            (State::ExemplarLabelValue, b' ') => {
                self.word(1, State::ExemplarTimestamp, Token::Value)
            }
            (State::ExemplarTimestamp, b' ') => {
                self.word(1, State::ExemplarTimestamp, Token::Timestamp)
            }
            (
                State::Labels
                | State::LabelValue
                | State::ExemplarLabels
                | State::ExemplarLabelValue,
                _,
            ) => self.label_part(),
            _ => Token::Invalid,
        }
    }

    /// A metric name, plain or (behind `HELP` and its like) quoted, or the brace that opens labels.
    fn name(&mut self) -> Token {
        let meta = self.state == State::MetaName;
        match self.byte(self.at) {
            b'{' if !meta => self.one(State::Labels, Token::BraceOpen),
            b'"' if meta => self.quoted(State::MetaText, Token::MetricName, false),
            byte if is_name_start(byte) || byte == b':' => {
                self.skip(|it| is_name_start(it) || it == b':' || it.is_ascii_digit());
                self.state = if meta { State::MetaText } else { State::Value };
                Token::MetricName
            }
            _ => Token::Invalid,
        }
    }

    fn label_part(&mut self) -> Token {
        let exemplar = matches!(self.state, State::ExemplarLabels | State::ExemplarLabelValue);
        let (labels, value, behind) = if exemplar {
            (State::ExemplarLabels, State::ExemplarLabelValue, State::ExemplarLabelValue)
        } else {
            (State::Labels, State::LabelValue, State::Value)
        };
        let one_line = self.format == TextFormat::OpenMetrics;
        if self.state == value {
            return match self.byte(self.at) {
                b'"' => self.quoted(labels, Token::LabelValue, one_line),
                _ => Token::Invalid,
            };
        }
        match self.byte(self.at) {
            b'"' => self.quoted(labels, Token::Quoted, exemplar),
            b'}' => self.one(behind, Token::BraceClose),
            b'=' => self.one(value, Token::Equal),
            b',' => self.one(labels, Token::Comma),
            byte if is_name_start(byte) => {
                self.skip(|it| is_name_start(it) || it.is_ascii_digit());
                Token::LabelName
            }
            _ => Token::Invalid,
        }
    }

    /// `# HELP `, `# TYPE `, or a comment up to the end of its line.
    fn comment(&mut self) -> Token {
        self.at += 1;
        let words = [(&b"HELP"[..], Token::Help), (b"TYPE", Token::Type)];
        if matches!(self.byte(self.at), b' ' | b'\t') {
            self.skip(|it| matches!(it, b' ' | b'\t'));
            for (word, token) in words {
                let behind = self.at + word.len();
                if self.page[self.at..].starts_with(word)
                    && matches!(self.byte(behind), b' ' | b'\t')
                {
                    self.at = behind;
                    self.skip(|it| matches!(it, b' ' | b'\t'));
                    self.state = State::MetaName;
                    return token;
                }
            }
        }
        self.at = self.line_end();
        Token::Comment
    }

    fn open_metrics_comment(&mut self) -> Token {
        self.at += 1;
        if self.byte(self.at) != b' ' {
            return Token::Invalid;
        }
        self.at += 1;
        let rest = &self.page[self.at..];
        for (word, token) in
            [(&b"HELP "[..], Token::Help), (b"TYPE ", Token::Type), (b"UNIT ", Token::Unit)]
        {
            if rest.starts_with(word) {
                self.at += word.len();
                self.state = State::MetaName;
                return token;
            }
        }
        if !rest.starts_with(b"EOF") {
            return Token::Invalid;
        }
        self.at += 3 + usize::from(rest.get(3) == Some(&b'\n'));
        Token::EofWord
    }

    /// A quoted string; `one_line` forbids a line feed in it.
    fn quoted(&mut self, state: State, token: Token, one_line: bool) -> Token {
        let mut at = self.at + 1;
        loop {
            let rest = self.page.get(at..).unwrap_or_default();
            let Some(found) = memchr2(b'"', b'\\', rest) else {
                self.at = memchr(b'\n', rest).filter(|_| one_line).map_or(self.end(), |it| at + it);
                return Token::Invalid;
            };
            if let Some(feed) = memchr(b'\n', &rest[..found]).filter(|_| one_line) {
                self.at = at + feed;
                return Token::Invalid;
            }
            at += found + 1;
            if rest[found] == b'"' {
                break;
            }
            if self.page.get(at).is_none_or(|it| *it == b'\n') {
                self.at = at;
                return Token::Invalid;
            }
            at += 1;
        }
        self.at = at;
        self.state = state;
        token
    }

    /// A word up to a blank, a line feed, or (in text) `{`, behind `lead` bytes that belong to it.
    fn word(&mut self, lead: usize, state: State, token: Token) -> Token {
        let text = self.format == TextFormat::Prometheus;
        self.at += lead;
        let from = self.at;
        self.skip(|it| !(it == b' ' || it == b'\n' || text && matches!(it, b'\t' | b'{')));
        if self.at == from {
            return Token::Invalid;
        }
        self.state = state;
        token
    }

    fn one(&mut self, state: State, token: Token) -> Token {
        self.at += 1;
        self.state = state;
        token
    }

    fn skip(&mut self, belongs: impl Fn(u8) -> bool) {
        let rest = self.page.get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|it| !belongs(*it)).unwrap_or(rest.len());
    }

    fn line_end(&self) -> usize {
        let rest = self.page.get(self.at..).unwrap_or_default();
        self.at + memchr(b'\n', rest).unwrap_or(rest.len())
    }
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}
