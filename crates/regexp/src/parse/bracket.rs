//! Classes in brackets: `[^a-z\d[:upper:]]`.

use std::ops::RangeInclusive;

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

use super::Parser;
use super::escape::{self, CodePoint};
use crate::error::{Error, ErrorKind};

impl Parser<'_> {
    /// Reads a class; the rest begins with its bracket.
    pub(super) fn bracket_class(&mut self) -> Result<(), Error> {
        let whole = self.rest;
        let body = &whole[1..];
        let (negated, body) = body.strip_prefix('^').map_or((false, body), |body| (true, body));
        let mut class = ClassUnicode::empty();
        let mut items = Vec::new();
        let mut text = body;
        // A closing bracket that comes first is a character.
        while text.len() == body.len() || !text.starts_with(']') {
            text = match named_item(text, self.flags.fold)? {
                Some((item, after)) => {
                    class.union(&item);
                    after
                }
                None => {
                    let (low, high, after) = range_item(text, whole)?;
                    items.extend(scalar_range(low, high));
                    after
                }
            };
        }
        self.rest = &text[1..];
        let mut ranges = ClassUnicode::new(items);
        if self.flags.fold {
            ranges.case_fold_simple();
        }
        class.union(&ranges);
        if negated {
            class.negate();
        }
        self.push_class(class);
        Ok(())
    }
}

/// Makes a class of ASCII ranges.
pub(super) fn ascii_class(ranges: &[RangeInclusive<char>]) -> ClassUnicode {
    ClassUnicode::new(ranges.iter().map(|it| ClassUnicodeRange::new(*it.start(), *it.end())))
}

/// Reads `[:alpha:]`, `\d`, `\pL`. Returns `None` where the text begins with none of them.
fn named_item(text: &str, fold: bool) -> Result<Option<(ClassUnicode, &str)>, Error> {
    if text.starts_with('\\') {
        return escape::class(text, fold);
    }
    // A `[:` without a `:]` is two characters.
    let Some((name, after)) = text.strip_prefix("[:").and_then(|body| body.split_once(":]")) else {
        return Ok(None);
    };
    let (negated, plain) = name.strip_prefix('^').map_or((false, name), |name| (true, name));
    let Some(mut class) = posix_class(plain) else {
        return Err(Error::new(ErrorKind::CharRange, format!("[:{name}:]")));
    };
    if fold {
        class.case_fold_simple();
    }
    if negated {
        class.negate();
    }
    Ok(Some((class, after)))
}

fn posix_class(name: &str) -> Option<ClassUnicode> {
    let ranges: &[RangeInclusive<char>] = match name {
        "alnum" => &['0'..='9', 'A'..='Z', 'a'..='z'],
        "alpha" => &['A'..='Z', 'a'..='z'],
        "ascii" => &['\0'..='\x7F'],
        "blank" => &['\t'..='\t', ' '..=' '],
        "cntrl" => &['\0'..='\x1F', '\x7F'..='\x7F'],
        "digit" => &['0'..='9'],
        "graph" => &['!'..='~'],
        "lower" => &['a'..='z'],
        "print" => &[' '..='~'],
        "punct" => &['!'..='/', ':'..='@', '['..='`', '{'..='~'],
        "space" => &['\t'..='\r', ' '..=' '],
        "upper" => &['A'..='Z'],
        "word" => &['0'..='9', 'A'..='Z', 'a'..='z', '_'..='_'],
        "xdigit" => &['0'..='9', 'A'..='F', 'a'..='f'],
        _ => return None,
    };
    Some(ascii_class(ranges))
}

/// Reads `a` or `a-z`. A `-` before the closing bracket is a character.
fn range_item<'p>(text: &'p str, whole: &str) -> Result<(CodePoint, CodePoint, &'p str), Error> {
    let (low, after) = class_char(text, whole)?;
    let end = match after.strip_prefix('-') {
        Some(end) if !end.is_empty() && !end.starts_with(']') => end,
        _ => return Ok((low, low, after)),
    };
    let (high, after) = class_char(end, whole)?;
    if high < low {
        return Err(Error::new(ErrorKind::CharRange, &text[..text.len() - after.len()]));
    }
    Ok((low, high, after))
}

fn class_char<'p>(text: &'p str, whole: &str) -> Result<(CodePoint, &'p str), Error> {
    let mut chars = text.chars();
    match chars.next() {
        Some('\\') => escape::char(text),
        Some(c) => Ok((u32::from(c), chars.as_str())),
        None => Err(Error::new(ErrorKind::MissingBracket, whole)),
    }
}

/// Makes a range without the surrogates at its ends; those in the middle do no harm, no text contains them.
fn scalar_range(low: CodePoint, high: CodePoint) -> Option<ClassUnicodeRange> {
    let low = char::from_u32(low).unwrap_or('\u{E000}');
    let high = char::from_u32(high).unwrap_or('\u{D7FF}');
    (low <= high).then(|| ClassUnicodeRange::new(low, high))
}
