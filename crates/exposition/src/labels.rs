//! Reading the labels of a series that the parser has accepted.

use std::borrow::Cow;
use std::fmt;

use memchr::{memchr, memchr2};
use model::{LabelsBuilder, METRIC_NAME, METRIC_TYPE, METRIC_UNIT, MetricType, quote};
use stdx::gofloat;

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
    let open = memchr(b'{', raw).unwrap_or(raw.len());
    // Blanks before a name belong to it; between name and brace they do not.
    let name = raw[..open].trim_ascii_end();
    if !name.is_empty() {
        set(out, METRIC_NAME, &Written::plain(name).text()?)?;
    }
    let mut rest = raw.get(open + 1..).unwrap_or_default();
    while let Some((name, behind)) = take_name(rest) {
        let name = name.text()?;
        match take_value(behind) {
            None => {
                set(out, METRIC_NAME, &name)?;
                rest = behind;
            }
            Some((value, behind)) => {
                let value = value.text()?;
                rest = behind;
                if rules.described && describes_family(&name) && out.get(&name).is_some() {
                    continue;
                }
                match normalised(&name, &value, rules.kind) {
                    Some(number) => set(out, &name, &number)?,
                    None => set(out, &name, &value)?,
                }
            }
        }
    }
    Ok(())
}

/// Names the labels with an empty value.
pub(crate) fn empty(raw: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let open = memchr(b'{', raw).unwrap_or(raw.len());
    let mut rest = raw.get(open + 1..).unwrap_or_default();
    while let Some((name, behind)) = take_name(rest) {
        let value = take_value(behind);
        if value.is_some_and(|(it, _)| it.bytes.is_empty())
            && let Ok(name) = name.text()
        {
            found.push(name.into_owned());
        }
        rest = value.map_or(behind, |(_, behind)| behind);
    }
    found
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

/// A name or a value as the page has it.
#[derive(Clone, Copy)]
struct Written<'a> {
    bytes: &'a [u8],
    has_escapes: bool,
}

impl<'a> Written<'a> {
    fn plain(bytes: &'a [u8]) -> Self {
        Self { bytes, has_escapes: false }
    }

    fn text(self) -> Result<Cow<'a, str>, LabelsError> {
        match std::str::from_utf8(self.bytes) {
            Err(_) => Err(LabelsError::NotUtf8(String::from_utf8_lossy(self.bytes).into_owned())),
            Ok(text) if self.has_escapes => Ok(Cow::Owned(unescape(text, true))),
            Ok(text) => Ok(Cow::Borrowed(text)),
        }
    }
}

/// Takes a plain or quoted name, with what may stand before it.
fn take_name(rest: &[u8]) -> Option<(Written<'_>, &[u8])> {
    let rest = skip_blanks(rest);
    let rest = rest.strip_prefix(b",").map_or(rest, skip_blanks);
    match rest.first()? {
        b'}' => None,
        b'"' => Some(take_quoted(rest)),
        _ => {
            let len = rest.iter().position(|it| !(it.is_ascii_alphanumeric() || *it == b'_'));
            let (name, rest) = rest.split_at(len.filter(|it| 0 < *it)?);
            Some((Written::plain(name), rest))
        }
    }
}

/// Takes `="value"`; `None` if there is no `=`.
fn take_value(rest: &[u8]) -> Option<(Written<'_>, &[u8])> {
    let rest = skip_blanks(rest).strip_prefix(b"=")?;
    let rest = skip_blanks(rest);
    rest.starts_with(b"\"").then(|| take_quoted(rest))
}

/// Splits a quoted string off: what is between the quotes, and what follows.
fn take_quoted(rest: &[u8]) -> (Written<'_>, &[u8]) {
    let (mut at, mut has_escapes) = (1, false);
    while let Some(found) = rest.get(at..).and_then(|it| memchr2(b'"', b'\\', it)) {
        at += found;
        if rest[at] == b'"' {
            return (Written { bytes: &rest[1..at], has_escapes }, &rest[at + 1..]);
        }
        has_escapes = true;
        at += 2;
    }
    (Written { bytes: &rest[1..], has_escapes }, &[])
}

fn skip_blanks(rest: &[u8]) -> &[u8] {
    let len = rest.iter().position(|it| !matches!(it, b' ' | b'\t')).unwrap_or(rest.len());
    &rest[len..]
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
