//! What a scalar means: Go's reading of YAML 1.1.

use crate::{Dialect, Fatal};

/// A scalar's value. Text is kept by the node; this says what it stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// Above the signed range.
    Uint(u64),
    Float(f64),
    Str,
    Timestamp,
    /// Bytes of `!!binary`, as text; see [`stdx::undecodable`].
    Binary(String),
    Merge,
    /// Text under a tag of the user's own.
    Custom(String),
}

impl Scalar {
    /// The short tag for messages: `!!str`.
    pub(crate) fn tag(&self) -> &str {
        match self {
            Self::Null => "!!null",
            Self::Bool(_) => "!!bool",
            Self::Int(_) | Self::Uint(_) => "!!int",
            Self::Float(_) => "!!float",
            Self::Str => "!!str",
            Self::Timestamp => "!!timestamp",
            Self::Binary(_) => "!!binary",
            Self::Merge => "!!merge",
            Self::Custom(tag) => tag,
        }
    }
}

/// Shortens `tag:yaml.org,2002:str` to `!!str`.
pub(crate) fn short(tag: &str) -> String {
    match tag.strip_prefix("tag:yaml.org,2002:") {
        Some(name) => format!("!!{name}"),
        None => tag.to_owned(),
    }
}

/// Resolves a scalar.
///
/// # Errors
/// A tag that contradicts the text; broken base64 under `!!binary`.
pub(crate) fn resolve(
    tag: Option<&str>,
    value: &str,
    plain: bool,
    dialect: Dialect,
) -> Result<Scalar, Fatal> {
    let Some(tag) = tag.map(short) else {
        return Ok(if plain { implicit(value, dialect) } else { Scalar::Str });
    };
    match tag.as_str() {
        "!!str" => Ok(Scalar::Str),
        "!!binary" => binary(value),
        "!!bool" | "!!int" | "!!float" | "!!null" | "!!timestamp" => tagged(&tag, value, dialect),
        _ => Ok(Scalar::Custom(tag)),
    }
}

/// What plain text without a tag stands for.
pub(crate) fn implicit(value: &str, dialect: Dialect) -> Scalar {
    match value {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "false" | "False" | "FALSE" => return Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Scalar::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        "<<" => return Scalar::Merge,
        _ => {}
    }
    if dialect == Dialect::V2 {
        match value {
            "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Scalar::Bool(true),
            "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Scalar::Bool(false),
            _ => {}
        }
    }
    match value.as_bytes()[0] {
        b'.' => value.parse().map_or(Scalar::Str, Scalar::Float),
        b'0'..=b'9' | b'+' | b'-' => number(value),
        _ => Scalar::Str,
    }
}

fn tagged(tag: &str, value: &str, dialect: Dialect) -> Result<Scalar, Fatal> {
    match implicit(value, dialect) {
        found if found.tag() == tag => Ok(found),
        #[expect(clippy::cast_precision_loss, reason = "Go converts so, too")]
        Scalar::Int(int) if tag == "!!float" => Ok(Scalar::Float(int as f64)),
        #[expect(clippy::cast_precision_loss, reason = "Go converts so, too")]
        Scalar::Uint(int) if tag == "!!float" => Ok(Scalar::Float(int as f64)),
        found => Err(Fatal(format!("yaml: cannot decode {} `{value}` as a {tag}", found.tag()))),
    }
}

fn binary(value: &str) -> Result<Scalar, Fatal> {
    use base64::Engine as _;
    let text: String = value.chars().filter(|it| !matches!(it, '\r' | '\n')).collect();
    let bytes = base64::engine::general_purpose::STANDARD.decode(text);
    let bytes =
        bytes.map_err(|_| Fatal("yaml: !!binary value contains invalid base64 data".into()))?;
    Ok(Scalar::Binary(stdx::undecodable::decode(&bytes)))
}

/// Text that starts with a digit or a sign.
fn number(value: &str) -> Scalar {
    if is_timestamp(value) {
        return Scalar::Timestamp;
    }
    let text = value.replace('_', "");
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text.as_str()),
    };
    if let Some(magnitude) = magnitude(digits) {
        return match i64::try_from(magnitude) {
            Ok(int) => Scalar::Int(if negative { -int } else { int }),
            Err(_) if negative && magnitude == 1 << 63 => Scalar::Int(i64::MIN),
            // Go reads unsigned numbers without any sign.
            Err(_) if digits.len() == text.len() => Scalar::Uint(magnitude),
            Err(_) => float(&text),
        };
    }
    float(&text)
}

/// An unsigned integer with Go's prefixes: `0x`, `0o`, `0b`, and a bare `0` for octal.
fn magnitude(digits: &str) -> Option<u64> {
    let lower = digits.get(..2).map(str::to_ascii_lowercase);
    let (radix, digits) = match lower.as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some(_) if digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    let signed = digits.starts_with(['+', '-']);
    if signed { None } else { u64::from_str_radix(digits, radix).ok() }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, else a string.
fn float(text: &str) -> Scalar {
    let shaped =
        text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    match text.parse::<f64>() {
        Ok(float) if shaped && float.is_finite() => Scalar::Float(float),
        _ => Scalar::Str,
    }
}

/// `2001-12-14`, alone or with a time after it.
fn is_timestamp(value: &str) -> bool {
    let mut parts = value.splitn(3, '-');
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let digits = |text: &str, min, max| {
        (min..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (day, time) = rest.split_at(end);
    let time_follows = time.is_empty() || time.starts_with(['T', 't', ' ']) && time.contains(':');
    digits(year, 4, 4) && digits(month, 1, 2) && digits(day, 1, 2) && time_follows
}

/// True for `1:30` and its like, which other YAML 1.1 readers take for numbers to base 60.
pub(crate) fn is_base60(value: &str) -> bool {
    let text = value.strip_prefix(['-', '+']).unwrap_or(value);
    let mut parts = text.split(':');
    let first = parts.next().unwrap_or("");
    let first_ok = first.starts_with(|c: char| c.is_ascii_digit())
        && first.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let rest: Vec<&str> = parts.collect();
    let Some((last, middle)) = rest.split_last() else { return false };
    let (last, fraction) = last.split_once('.').unwrap_or((last, ""));
    let sixty = |part: &str| match part.as_bytes() {
        [b] => b.is_ascii_digit(),
        [a, b] => (b'0'..=b'5').contains(a) && b.is_ascii_digit(),
        _ => false,
    };
    first_ok
        && sixty(last)
        && middle.iter().all(|it| sixty(it))
        && fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}
