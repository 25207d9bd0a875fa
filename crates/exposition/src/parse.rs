//! Reading pages.

use memchr::memchr;
use model::{MetricType, quote};
use stdx::gofloat;

use crate::TextFormat;
use crate::entry::{Entry, ParseError, RawExemplar, Series};
use crate::labels::{self, LabelsError};
use crate::lex::{Lexer, State, Token};
use crate::plain;

/// Walks a page statement by statement.
///
/// Two ways to go on: [`Parser::next`] reads whatever comes; [`Parser::peek`] with [`Parser::known`]
/// steps over a series whose name and labels the caller has recognised by their bytes, and looks at
/// the value only.
#[derive(Clone, Debug)]
pub struct Parser<'a> {
    lexer: Lexer<'a>,
    /// Where the current statement starts.
    start: usize,
    /// Of the last `# TYPE`, whatever its name: decides how `le` and `quantile` are read.
    kind: MetricType,
    done: bool,
}

impl<'a> Parser<'a> {
    /// Starts at the beginning of `page`.
    pub fn new(page: &'a [u8], format: TextFormat) -> Self {
        Self { lexer: Lexer::new(page, format), start: 0, kind: MetricType::Unknown, done: false }
    }

    /// The format of the page.
    pub fn format(&self) -> TextFormat {
        self.lexer.format
    }

    /// Where the next statement starts, in bytes from the start of the page.
    pub fn offset(&self) -> usize {
        // A last line without a line feed is read as if it had one.
        self.lexer.at.min(self.lexer.page.len())
    }

    /// Steps over empty lines, which mean nothing in Prometheus text.
    #[inline]
    pub fn skip_empty_lines(&mut self) {
        while self.lexer.format == TextFormat::Prometheus
            && self.lexer.page.get(self.lexer.at) == Some(&b'\n')
        {
            self.lexer.at += 1;
        }
    }

    /// The next `len` bytes, if a blank follows them: perhaps a series that the caller knows.
    #[inline]
    pub fn peek(&self, len: usize) -> Option<&'a [u8]> {
        let rest = self.lexer.page.get(self.lexer.at..)?;
        let blank = *rest.get(len)?;
        (blank == b' ' || blank == b'\t').then(|| &rest[..len])
    }

    /// The rest of the current line with its line feed, if it has `len` bytes: perhaps a comment that
    /// the caller knows.
    pub fn peek_line(&self, len: usize) -> Option<&'a [u8]> {
        let line = self.lexer.page.get(self.lexer.at..)?.get(..len)?;
        (line.last() == Some(&b'\n')).then_some(line)
    }

    /// Steps over a line that [`Parser::next`] read before, byte for byte, as help, type, unit or
    /// comment. `kind` is what it said if it was a `# TYPE`.
    ///
    /// # Panics
    /// If the page has fewer than `len` bytes left.
    pub fn skip_line(&mut self, len: usize, kind: Option<MetricType>) {
        assert!(self.lexer.at + len <= self.lexer.page.len(), "a line of the page");
        self.lexer.at += len;
        self.kind = kind.unwrap_or(self.kind);
    }

    /// Reads what follows a series that fills the next `len` bytes. The caller has seen the same
    /// bytes in [`Series::raw`] of a page of this format. `None` if it is not a sample of that series
    /// after all, or if it is wrong: [`Parser::next`] at the same place tells.
    #[inline]
    pub fn known(&mut self, len: usize) -> Option<Series<'a>> {
        let before = self.lexer.at;
        let raw = self.lexer.page.get(before..before + len)?;
        self.known_short(raw).or_else(|| self.known_long(raw))
    }

    fn known_long(&mut self, raw: &'a [u8]) -> Option<Series<'a>> {
        let before = self.lexer.at;
        self.start = before;
        self.lexer.at += raw.len();
        self.lexer.state = State::Value;
        let token = self.lexer.next();
        let read = self.sample(raw, token).ok();
        if read.is_none() {
            self.lexer.at = before;
            self.lexer.state = State::Init;
        }
        read
    }

    /// The common case of [`Parser::known`]: a blank, a plain decimal, a line feed.
    #[inline]
    fn known_short(&mut self, raw: &'a [u8]) -> Option<Series<'a>> {
        let behind = self.lexer.at + raw.len();
        let rest = self.lexer.page.get(behind..)?.strip_prefix(b" ")?;
        let short = gofloat::take_short(rest).filter(|(_, len)| rest.get(*len) == Some(&b'\n'));
        let (value, len) = match short {
            Some(it) => it,
            None => {
                let len = memchr(b'\n', &rest[..rest.len().min(LONG_BYTES_MAX)])?;
                (gofloat::parse_long(&rest[..len])?, len)
            }
        };
        self.lexer.at = behind + 1 + len + 1;
        Some(Series { raw, value, t: None, exemplar: None })
    }

    /// Reads the next statement; `None` at the end of the page, and after an error.
    ///
    /// # Errors
    /// Where and why the page is wrong.
    #[expect(clippy::should_implement_trait, reason = "peek and known stand beside it")]
    pub fn next(&mut self) -> Option<Result<Entry<'a>, ParseError>> {
        if self.done {
            return None;
        }
        let entry = self.entry().map_err(|message| ParseError { offset: self.start, message });
        if !matches!(entry, Ok(Some(_))) {
            self.done = true;
        }
        entry.transpose()
    }

    /// Reads the labels of a series of this page into `out`, which it clears first. The name goes to
    /// `__name__`; escapes are resolved; in Prometheus text `le` of a histogram and `quantile` of a
    /// summary get the form that OpenMetrics has for numbers.
    ///
    /// # Errors
    /// If a name stands twice, or is not UTF-8.
    pub fn labels_into(
        &self,
        raw: &[u8],
        out: &mut model::LabelsBuilder,
    ) -> Result<(), LabelsError> {
        labels::read(raw, labels::Rules { kind: self.kind_of_labels(), described: false }, out)
    }

    /// Whose `le` or `quantile` is to be normalised.
    pub(crate) fn kind_of_labels(&self) -> MetricType {
        match self.lexer.format {
            TextFormat::Prometheus => self.kind,
            TextFormat::OpenMetrics => MetricType::Unknown,
        }
    }

    /// Names the labels of a series of this page that stand there with an empty value: no label comes
    /// of them, but the exporter has said something.
    pub fn empty_labels(&self, raw: &[u8]) -> Vec<String> {
        labels::empty(raw)
    }

    fn entry(&mut self) -> Result<Option<Entry<'a>>, String> {
        loop {
            if let Some(series) = self.plain_series() {
                return Ok(Some(Entry::Series(series)));
            }
            self.start = self.lexer.at;
            return match self.lexer.next() {
                Token::Linebreak if self.lexer.format == TextFormat::Prometheus => continue,
                Token::Eof if self.lexer.format == TextFormat::Prometheus => Ok(None),
                Token::Eof => Err("data does not end with # EOF".into()),
                Token::EofWord if self.lexer.next() == Token::Eof => Ok(None),
                Token::EofWord => Err("unexpected data after # EOF".into()),
                token @ (Token::Help | Token::Type | Token::Unit) => self.metadata(token).map(Some),
                Token::Comment => {
                    let text = self.lexer.text();
                    self.expect_linebreak("linebreak expected after comment")?;
                    Ok(Some(Entry::Comment(text)))
                }
                token @ (Token::MetricName | Token::BraceOpen) => {
                    self.series(token).map(|it| Some(Entry::Series(it)))
                }
                token => Err(self.wrong("expected a valid start token", token)),
            };
        }
    }

    /// The common case of [`Parser::entry`].
    fn plain_series(&mut self) -> Option<Series<'a>> {
        let rest = self.lexer.page.get(self.lexer.at..)?;
        self.known(plain::series_len(rest)?)
    }

    fn metadata(&mut self, what: Token) -> Result<Entry<'a>, String> {
        let name = match self.lexer.next() {
            Token::MetricName => strip_quotes(self.lexer.text()),
            token => {
                return Err(
                    self.wrong(&format!("expected metric name after {}", what.name()), token)
                );
            }
        };
        let open_metrics = self.lexer.format == TextFormat::OpenMetrics;
        let text = match self.lexer.next() {
            Token::Text => self.lexer.text().get(1..).unwrap_or_default(),
            _ if open_metrics => return Err(format!("expected text in {}", what.name())),
            token => return Err(format!("expected text in {}, got {}", what.name(), token.name())),
        };
        let text = if open_metrics { text.strip_suffix(b"\n").unwrap_or(text) } else { text };
        let entry = match what {
            Token::Type => {
                let kind = type_of(text, open_metrics);
                let kind =
                    kind.ok_or_else(|| format!("invalid metric type {}", quote_bytes(text)))?;
                self.kind = kind;
                Entry::Type(name, kind)
            }
            Token::Unit => Entry::Unit(name, check_unit(name, text)?),
            _ if std::str::from_utf8(text).is_err() => {
                return Err(format!("help text {} is not a valid utf8 string", quote_bytes(text)));
            }
            _ => Entry::Help(name, text),
        };
        if !open_metrics {
            self.expect_linebreak("linebreak expected after metadata")?;
        }
        Ok(entry)
    }

    fn series(&mut self, first: Token) -> Result<Series<'a>, String> {
        let mut named = first == Token::MetricName;
        let mut end = self.lexer.at;
        let mut token = if named { self.lexer.next() } else { first };
        if token == Token::BraceOpen {
            self.label_pairs(&mut named, false)?;
            end = self.lexer.at;
            token = self.lexer.next();
        }
        if !named {
            return Err(format!("metric name not set while parsing: {}", self.so_far(0)));
        }
        self.sample(&self.lexer.page[self.start..end], token)
    }

    /// Reads labels up to the closing brace. `named`: whether the metric has a name yet.
    fn label_pairs(&mut self, named: &mut bool, exemplar: bool) -> Result<(), String> {
        let mut token = self.lexer.next();
        loop {
            match token {
                Token::BraceClose => return Ok(()),
                Token::LabelName | Token::Quoted => {}
                _ => return Err(self.wrong("expected label name", token)),
            }
            let quoted = token == Token::Quoted;
            token = self.lexer.next();
            if quoted && !exemplar && matches!(token, Token::Comma | Token::BraceClose) {
                if *named {
                    return Err(format!(
                        "metric name already set while parsing: {}",
                        self.so_far(0)
                    ));
                }
                *named = true;
                if token == Token::Comma {
                    token = self.lexer.next();
                }
                continue;
            }
            if token != Token::Equal {
                return Err(self.wrong("expected equal", token));
            }
            token = self.lexer.next();
            if token != Token::LabelValue {
                return Err(self.wrong("expected label value", token));
            }
            let value = self.lexer.text();
            if std::str::from_utf8(value).is_err() {
                return Err(format!("invalid UTF-8 label value: {}", quote_bytes(value)));
            }
            token = self.lexer.next();
            if token == Token::Comma {
                token = self.lexer.next();
            } else if self.lexer.format == TextFormat::OpenMetrics && token != Token::BraceClose {
                return Err(self.wrong("expected comma or brace close", token));
            }
        }
    }

    /// Reads value, timestamp, exemplar and line feed; `token` is the first token behind the series.
    fn sample(&mut self, raw: &'a [u8], token: Token) -> Result<Series<'a>, String> {
        if token != Token::Value {
            return Err(self.wrong("expected value after metric", token));
        }
        let value = self.float()?;
        let mut series = Series { raw, value, t: None, exemplar: None };
        match self.lexer.format {
            TextFormat::Prometheus => series.t = self.millis()?,
            TextFormat::OpenMetrics => self.seconds_and_exemplar(&mut series)?,
        }
        Ok(series)
    }

    fn millis(&mut self) -> Result<Option<i64>, String> {
        match self.lexer.next() {
            Token::Linebreak => Ok(None),
            Token::Timestamp => {
                let text = ascii(self.lexer.text());
                let t = text.parse().map_err(|_| {
                    let reason = "value out of range";
                    format!(
                        "strconv.ParseInt: parsing {}: {reason} while parsing: {}",
                        quote(text),
                        self.so_far(0)
                    )
                })?;
                self.expect_linebreak("expected next entry after timestamp")?;
                Ok(Some(t))
            }
            token => Err(self.wrong("expected timestamp or new record", token)),
        }
    }

    fn seconds_and_exemplar(&mut self, series: &mut Series<'a>) -> Result<(), String> {
        let mut token = self.lexer.next();
        if token == Token::Timestamp {
            series.t = Some(self.seconds("invalid timestamp")?);
            token = self.lexer.next();
            if !matches!(token, Token::Eof | Token::Linebreak | Token::Comment) {
                return Err(self.wrong("expected next entry after timestamp", token));
            }
        }
        match token {
            Token::Linebreak => Ok(()),
            Token::Eof => Err("data does not end with # EOF".into()),
            Token::Comment => {
                series.exemplar = Some(self.exemplar()?);
                Ok(())
            }
            _ => Err(self.wrong("expected timestamp or comment", token)),
        }
    }

    fn exemplar(&mut self) -> Result<RawExemplar<'a>, String> {
        let open = self.lexer.at - 1;
        self.label_pairs(&mut true, true)?;
        let raw = &self.lexer.page[open..self.lexer.at];
        let token = self.lexer.next();
        if token != Token::Value {
            return Err(self.wrong("expected value after exemplar labels", token));
        }
        let mut exemplar = RawExemplar { raw, value: self.float()?, t: None };
        match self.lexer.next() {
            Token::Linebreak => {}
            Token::Eof => return Err("data does not end with # EOF".into()),
            Token::Timestamp => {
                exemplar.t = Some(self.seconds("invalid exemplar timestamp")?);
                self.expect_linebreak("expected next entry after exemplar timestamp")?;
            }
            token => return Err(self.wrong("expected timestamp or comment", token)),
        }
        Ok(exemplar)
    }

    /// Reads the last token as a timestamp in seconds.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a time outside 64 bits is cut to their end"
    )]
    fn seconds(&self, invalid: &str) -> Result<i64, String> {
        let seconds = self.float()?;
        if !seconds.is_finite() {
            return Err(format!("{invalid} {}", gofloat::format_g(seconds)));
        }
        Ok((seconds * 1000.0) as i64)
    }

    /// Reads the last token as a float.
    fn float(&self) -> Result<f64, String> {
        let text = self.lexer.text();
        let text = if self.lexer.format == TextFormat::OpenMetrics { &text[1..] } else { text };
        if let Some(v) = gofloat::parse_short(text) {
            return Ok(v);
        }
        if text.iter().any(|it| matches!(it, b'p' | b'P' | b'_')) {
            return Err(format!(
                "unsupported character in float while parsing: {}",
                self.so_far(0)
            ));
        }
        let parsed = std::str::from_utf8(text)
            .map_err(|_| gofloat::ParseError::Syntax)
            .and_then(gofloat::parse);
        match parsed {
            // Rust's NaN may have other bits than the one that is stored for "not a number".
            Ok(v) if v.is_nan() => Ok(f64::from_bits(NORMAL_NAN_BITS)),
            Ok(v) => Ok(v),
            Err(error) => Err(format!(
                "strconv.ParseFloat: parsing {}: {error} while parsing: {}",
                quote_bytes(text),
                self.so_far(0)
            )),
        }
    }

    fn expect_linebreak(&mut self, expectation: &str) -> Result<(), String> {
        match self.lexer.next() {
            Token::Linebreak => Ok(()),
            token => Err(self.wrong(expectation, token)),
        }
    }

    fn wrong(&self, expectation: &str, got: Token) -> String {
        let token = self.slice(self.lexer.start, 1);
        format!(
            "{expectation}, got {token} ({}) while parsing: {}",
            quote(got.name()),
            self.so_far(1)
        )
    }

    /// The statement up to the lexer's place, and `more` bytes, quoted.
    fn so_far(&self, more: usize) -> String {
        self.slice(self.start, more)
    }

    fn slice(&self, from: usize, more: usize) -> String {
        let to = (self.lexer.at + more).min(self.lexer.end());
        let page = self.lexer.page;
        let mut bytes = page[from.min(page.len())..to.min(page.len())].to_vec();
        if page.len() < to {
            bytes.push(b'\n');
        }
        quote_bytes(&bytes)
    }
}

/// Nearly all decimals are shorter than this.
const LONG_BYTES_MAX: usize = 32;

/// The bits of the NaN that samples have unless they mark the end of a series.
const NORMAL_NAN_BITS: u64 = 0x7ff8_0000_0000_0001;

/// Quotes bytes as Go does; what is not UTF-8 becomes `\x..`.
pub(crate) fn quote_bytes(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        let quoted = quote(chunk.valid());
        out.push_str(&quoted[1..quoted.len() - 1]);
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('"');
    out
}

fn strip_quotes(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"\"").and_then(|it| it.strip_suffix(b"\"")).unwrap_or(name)
}

fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("digits are ASCII")
}

fn type_of(word: &[u8], open_metrics: bool) -> Option<MetricType> {
    Some(match word {
        b"counter" => MetricType::Counter,
        b"gauge" => MetricType::Gauge,
        b"histogram" => MetricType::Histogram,
        b"summary" => MetricType::Summary,
        b"untyped" if !open_metrics => MetricType::Unknown,
        b"unknown" if open_metrics => MetricType::Unknown,
        b"gaugehistogram" if open_metrics => MetricType::GaugeHistogram,
        b"info" if open_metrics => MetricType::Info,
        b"stateset" if open_metrics => MetricType::StateSet,
        _ => return None,
    })
}

fn check_unit<'a>(name: &[u8], unit: &'a [u8]) -> Result<&'a [u8], String> {
    let stem = name.strip_suffix(unit);
    if unit.is_empty() || stem.is_some_and(|it| it.last() == Some(&b'_')) {
        return Ok(unit);
    }
    Err(format!("unit {} not a suffix of metric {}", quote_bytes(unit), quote_bytes(name)))
}

/// Resolves the escapes of a help text.
pub fn unescape_help(text: &[u8], format: TextFormat) -> String {
    let text = String::from_utf8_lossy(text);
    if memchr(b'\\', text.as_bytes()).is_none() {
        return text.into_owned();
    }
    labels::unescape(&text, format == TextFormat::OpenMetrics)
}
