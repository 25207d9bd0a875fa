//! The notation of series in test files: `metric{label="a"} 0+10x3 _ 7 stale {{sum:1 count:2}}`.
//!
//! A metric, then items separated by blanks, each one value or several:
//!
//! | Item | Values |
//! |---|---|
//! | `_`, `_xN` | one, N times nothing |
//! | `v`, `vxN` | the number once, N+1 times |
//! | `v+dxN`, `v-dxN` | N+1 numbers, each from the one before by adding or subtracting |
//! | `stale` | the stale marker |
//! | `{{…}}`, `{{…}}xN`, `{{…}}+{{…}}xN`, `{{…}}-{{…}}xN` | the same with native histograms |

mod histogram;

use std::sync::Arc;

use model::{FloatHistogram, Labels};

use crate::ast::PosRange;
use crate::error::ParseError;
use crate::lex::{Lexer, quote_char};
use crate::parse::{Parser, parse_number};
use crate::{Options, token};

/// How many values a description may stand for.
pub const VALUES_MAX: usize = 1_000_000;

/// A series and its values, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Name and labels.
    pub labels: Labels,
    /// The values.
    pub values: Vec<Value>,
}

/// One value of a described series.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No sample.
    Omitted,
    /// A float; the stale marker for `stale`.
    Float(f64),
    /// A native histogram.
    Histogram(HistogramValue),
}

/// A native histogram, as one of a row: the first one, to which another is added `times` times.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramValue {
    /// The first of the row.
    pub first: Arc<FloatHistogram>,
    /// What is added from one to the next, or subtracted if `negative`.
    pub delta: Option<Arc<FloatHistogram>>,
    /// Subtract instead of add.
    pub negative: bool,
    /// How many times.
    pub times: usize,
    /// A counter reset hint was written: in `delta` if there is one, else in `first`.
    pub has_hint: bool,
}

/// Reads a description of a series.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse(input: &str) -> Result<Series, ParseError> {
    let (labels, pos) = Parser::new(input, &Options::default()).metric_prefix()?;
    let mut reader = Reader { input, pos, values: Vec::new() };
    reader.values()?;
    Ok(Series { labels, values: reader.values })
}

/// Reads the values behind the metric.
struct Reader<'a> {
    input: &'a str,
    pos: usize,
    values: Vec<Value>,
}

impl Reader<'_> {
    fn values(&mut self) -> Result<(), ParseError> {
        loop {
            let blank = self.skip_blank();
            match self.peek() {
                None => return Ok(()),
                Some(_) if !blank => return Err(self.unexpected("")),
                Some(b'_') => self.omitted()?,
                Some(b'{') => self.histograms()?,
                Some(_) => self.floats()?,
            }
        }
    }

    fn omitted(&mut self) -> Result<(), ParseError> {
        self.pos += 1;
        let times = self.times()?.unwrap_or(1);
        self.add(times, |_| Value::Omitted)
    }

    fn floats(&mut self) -> Result<(), ParseError> {
        let first = self.float()?;
        let step = match self.peek() {
            Some(b'+' | b'-') => Some(self.float()?),
            _ => None,
        };
        let times = match (self.times()?, step) {
            (Some(times), _) => times,
            (None, None) => 0,
            (None, Some(_)) => return Err(self.unexpected("")),
        };
        let mut v = first;
        self.add(times.saturating_add(1), |at| {
            if let Some(step) = step
                && 0 < at
            {
                v += step;
            }
            Value::Float(v)
        })
    }

    fn histograms(&mut self) -> Result<(), ParseError> {
        let start = self.pos;
        let (first, mut has_hint) = histogram::read(self)?;
        let (mut delta, mut negative) = (None, false);
        if let Some(sign @ (b'+' | b'-')) = self.peek() {
            self.pos += 1;
            negative = sign == b'-';
            let (histogram, hint) = histogram::read(self)?;
            if histogram.schema < first.schema {
                let text = format!(
                    "error combining histograms: cannot merge from schema {} to {}",
                    histogram.schema, first.schema
                );
                return Err(self.error(start, text));
            }
            has_hint = hint;
            delta = Some(Arc::new(histogram));
        }
        let times = match self.times()? {
            Some(times) => times,
            None if delta.is_none() => 0,
            None => return Err(self.unexpected("")),
        };
        let first = Arc::new(first);
        self.add(times.saturating_add(1), |times| {
            Value::Histogram(HistogramValue {
                first: Arc::clone(&first),
                delta: delta.clone(),
                negative,
                times,
                has_hint,
            })
        })
    }

    fn add(&mut self, n: usize, mut value: impl FnMut(usize) -> Value) -> Result<(), ParseError> {
        if VALUES_MAX - self.values.len() < n {
            return Err(self.error(self.pos, format!("a series may have {VALUES_MAX} values")));
        }
        self.values.extend((0..n).map(&mut value));
        Ok(())
    }

    /// Reads a number with any sign, or `stale`.
    fn float(&mut self) -> Result<f64, ParseError> {
        let start = self.pos;
        let negative = self.peek() == Some(b'-');
        let signed = negative || self.peek() == Some(b'+');
        self.pos += usize::from(signed);
        let v = match self.peek() {
            Some(b'0'..=b'9' | b'.') => self.number()?,
            Some(byte) if byte.is_ascii_alphabetic() => {
                let word = self.word();
                if token::word_kind(word) == token::Kind::Number {
                    if word.eq_ignore_ascii_case("nan") { f64::NAN } else { f64::INFINITY }
                } else if word == "stale" && !signed {
                    model::stale_nan()
                } else {
                    let text = format!(
                        "unexpected identifier {} in series values, expected number or \"stale\"",
                        model::quote(word)
                    );
                    return Err(self.error(start, text));
                }
            }
            _ => return Err(self.unexpected("")),
        };
        Ok(if negative { -v } else { v })
    }

    fn number(&mut self) -> Result<f64, ParseError> {
        let start = self.pos;
        let end =
            Lexer::series_number(self.input, start).map_err(|text| self.error(start, text))?;
        self.pos = end;
        parse_number(&self.input[start..end]).map_err(|text| self.error(start, text))
    }

    /// Reads `xN`, if it is there.
    fn times(&mut self) -> Result<Option<usize>, ParseError> {
        if self.peek() != Some(b'x') {
            return Ok(None);
        }
        self.pos += 1;
        let start = self.pos;
        let word = self.word();
        match word.parse() {
            Ok(times) => Ok(Some(times)),
            Err(_) if word.is_empty() => Err(self.unexpected("")),
            Err(why) => {
                Err(self.error(start, format!("invalid repetition in series values: {why}")))
            }
        }
    }

    /// Reads letters, digits and underscores.
    fn word(&mut self) -> &str {
        let rest = &self.input[self.pos..];
        let len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.pos += len;
        &rest[..len]
    }

    fn skip_blank(&mut self) -> bool {
        let rest = &self.input[self.pos..];
        let len = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
        self.pos += len;
        0 < len
    }

    fn peek(&self) -> Option<u8> {
        self.input.as_bytes().get(self.pos).copied()
    }

    /// The character at the current position is wrong.
    fn unexpected(&self, expected: &str) -> ParseError {
        let text = match self.input[self.pos..].chars().next() {
            None => "unexpected end of input in series values".to_owned(),
            Some(c @ ('+' | '-')) => format!("unexpected <op:{c}> in series values"),
            Some(c) => format!("unexpected character in series sequence: {}", quote_char(c)),
        };
        self.error(self.pos, text + expected)
    }

    fn error(&self, start: usize, text: impl Into<String>) -> ParseError {
        ParseError::new(self.input, PosRange::new(start, self.pos.max(start)), text)
    }
}

#[cfg(test)]
mod tests;
