//! Reading the labels of a series that the parser has accepted.

use std::borrow::Cow;
use std::fmt;

use memchr::{memchr, memchr2};
use model::{LabelsBuilder, METRIC_NAME, METRIC_TYPE, METRIC_UNIT, MetricType, quote};
use stdx::gofloat;

use crate::plain;
use crate::write::write_open_metrics_float;

/// Why the labels of a series cannot be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelsError {
    /// A name stands twice.
    Duplicate(String),
    /// A name is not UTF-8; the text replaces what is wrong in it.
    NotUtf8(String),
}

impl fmt::Display for LabelsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(name) => {
                write!(f, "label name {} is not unique: invalid sample", quote(name))
            }
            Self::NotUtf8(name) => write!(f, "invalid metric name or label names: {}", quote(name)),
        }
    }
}

impl std::error::Error for LabelsError {}

/// How the labels of a series are read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rules {
    /// Whose `le` or `quantile` is to be normalised.
    pub(crate) kind: MetricType,
    /// Type and unit may stand twice: the first one is the family's, the other one the exporter's, and wrong.
    pub(crate) described: bool,
}

/// Reads `raw`, the text of a series or of an exemplar's labels, into `out`.
pub(crate) fn read(raw: &[u8], rules: Rules, out: &mut LabelsBuilder) -> Result<(), LabelsError> {
    out.clear();
    let raw = std::str::from_utf8(raw).map_err(|_| not_utf8(raw))?;
    for (name, value) in Pairs::of(raw) {
        let value = value.text();
        let Some(name) = name else {
            set(out, METRIC_NAME, &value)?;
            continue;
        };
        let name = name.text();
        if rules.described && describes_family(&name) && out.get(&name).is_some() {
            continue;
        }
        match normalised(&name, &value, rules.kind) {
            Some(number) => set(out, &name, &number)?,
            None => set(out, &name, &value)?,
        }
    }
    Ok(())
}

/// Names the labels with an empty value.
pub(crate) fn empty(raw: &[u8]) -> Vec<String> {
    let raw = std::str::from_utf8(raw).unwrap_or_default();
    let empty = Pairs::of(raw).filter(|(_, value)| value.0.is_empty());
    empty.filter_map(|(name, _)| name).map(|it| it.text().into_owned()).collect()
}

/// Resolves `\\`, `\n`, and with `quotes` also `\"`; other escapes stay as they are.
pub(crate) fn unescape(text: &str, quotes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let (known, len) = match rest.as_bytes().get(at + 1) {
            Some(b'\\') => ("\\", 2),
            Some(b'n') => ("\n", 2),
            Some(b'"') if quotes => ("\"", 2),
            _ => ("\\", 1),
        };
        out.push_str(known);
        rest = &rest[at + len..];
    }
    out.push_str(rest);
    out
}

fn describes_family(label: &str) -> bool {
    label == METRIC_TYPE || label == METRIC_UNIT
}

fn set(out: &mut LabelsBuilder, name: &str, value: &str) -> Result<(), LabelsError> {
    if out.add(name, value) { Ok(()) } else { Err(LabelsError::Duplicate(name.to_owned())) }
}

/// Names what is not UTF-8.
fn not_utf8(raw: &[u8]) -> LabelsError {
    let raw = String::from_utf8_lossy(raw);
    let texts = Pairs::of(&raw).flat_map(|(name, value)| [name, Some(value)]).flatten();
    let broken = texts.map(Written::text).find(|it| it.contains(char::REPLACEMENT_CHARACTER));
    LabelsError::NotUtf8(broken.unwrap_or_default().into_owned())
}

/// A name or a value as the page has it.
#[derive(Clone, Copy)]
struct Written<'a>(&'a str, Escapes);

#[derive(Clone, Copy, PartialEq)]
enum Escapes {
    None,
    Some,
}

impl<'a> Written<'a> {
    #[inline]
    fn text(self) -> Cow<'a, str> {
        match self.1 {
            Escapes::Some => Cow::Owned(unescape(self.0, true)),
            Escapes::None => Cow::Borrowed(self.0),
        }
    }
}

/// The labels of a series that the parser has accepted; the metric's name is a value without a name.
struct Pairs<'a> {
    /// In front of the brace.
    name: &'a str,
    /// Behind the brace, or behind the last label that was taken.
    rest: &'a str,
}

impl<'a> Pairs<'a> {
    fn of(raw: &'a str) -> Self {
        let open = memchr(b'{', raw.as_bytes()).unwrap_or(raw.len());
        // Blanks before a name belong to it; between name and brace they do not.
        Self { name: raw[..open].trim_ascii_end(), rest: raw.get(open + 1..).unwrap_or_default() }
    }

    /// Takes a name, or a string in quotes.
    #[inline]
    fn word(&mut self) -> Option<Written<'a>> {
        if self.rest.starts_with('"') {
            return self.quoted();
        }
        let len = plain::name_len(self.rest.as_bytes(), plain::IN_LABEL_NAME)?;
        let (name, rest) = self.rest.split_at(len);
        self.rest = rest;
        Some(Written(name, Escapes::None))
    }

    /// Takes a string in quotes.
    #[inline]
    fn quoted(&mut self) -> Option<Written<'a>> {
        let rest = self.rest.strip_prefix('"')?;
        let (mut at, mut escapes) = (0, Escapes::None);
        loop {
            at += memchr2(b'"', b'\\', rest.as_bytes().get(at..)?)?;
            if rest.as_bytes()[at] == b'"' {
                break;
            }
            escapes = Escapes::Some;
            at += 2;
        }
        self.rest = &rest[at + 1..];
        Some(Written(&rest[..at], escapes))
    }

    #[inline]
    fn skip(&mut self, byte: u8) -> bool {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        let found = self.rest.as_bytes().first() == Some(&byte);
        if found {
            self.rest = self.rest[1..].trim_start_matches([' ', '\t']);
        }
        found
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Option<Written<'a>>, Written<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if !self.name.is_empty() {
            return Some((None, Written(std::mem::take(&mut self.name), Escapes::None)));
        }
        self.skip(b',');
        let name = self.word()?;
        if self.skip(b'=') { Some((Some(name), self.quoted()?)) } else { Some((None, name)) }
    }
}

fn normalised(name: &str, value: &str, kind: MetricType) -> Option<String> {
    match (kind, name) {
        (MetricType::Histogram, "le") | (MetricType::Summary, "quantile") => {}
        _ => return None,
    }
    let v = gofloat::parse(value).ok()?;
    let mut out = Vec::new();
    write_open_metrics_float(&mut out, v);
    String::from_utf8(out).ok().filter(|it| it != value)
}
