//! What follows a backslash.

use regex_syntax::hir::{ClassUnicode, Hir, Look};

use super::Parser;
use super::bracket;
use crate::error::{Error, ErrorKind};

/// A character by its number. May be a surrogate, which can be written but matches nothing.
pub(super) type CodePoint = u32;

impl Parser<'_> {
    /// Reads an escape outside brackets; the rest begins with the backslash.
    pub(super) fn escape(&mut self) -> Result<(), Error> {
        let look = match self.rest[1..].chars().next() {
            Some('A') => Look::Start,
            Some('z') => Look::End,
            Some('b') => Look::WordAscii,
            Some('B') => Look::WordAsciiNegate,
            Some('Q') => {
                self.quoted();
                return Ok(());
            }
            _ => return self.escaped_class_or_char(),
        };
        self.rest = &self.rest[2..];
        self.push_look(look);
        Ok(())
    }

    /// Reads `\Q…\E`; without the `\E` it goes to the end.
    fn quoted(&mut self) {
        let body = &self.rest[2..];
        let (text, after) = body.split_once("\\E").unwrap_or((body, ""));
        self.rest = after;
        text.chars().for_each(|c| self.push_char(c));
    }

    fn escaped_class_or_char(&mut self) -> Result<(), Error> {
        if let Some((class, after)) = class(self.rest, self.flags.fold)? {
            self.rest = after;
            self.push_class(class);
            return Ok(());
        }
        let (point, after) = char(self.rest)?;
        self.rest = after;
        match char::from_u32(point) {
            Some(c) => self.push_char(c),
            None => self.push_leaf(Hir::fail()),
        }
        Ok(())
    }
}

/// Reads `\d`, `\pL`, `\p{Greek}` and the like. Returns `None` where the text begins with no class.
pub(super) fn class(text: &str, fold: bool) -> Result<Option<(ClassUnicode, &str)>, Error> {
    let mut chars = text.chars();
    chars.next();
    let letter = match chars.next() {
        Some(c @ ('p' | 'P')) => return unicode_class(text, c == 'P', fold).map(Some),
        Some(c) => c,
        None => return Ok(None),
    };
    let mut class = match letter.to_ascii_lowercase() {
        'd' => bracket::ascii_class(&['0'..='9']),
        's' => bracket::ascii_class(&['\t'..='\n', '\x0C'..='\r', ' '..=' ']),
        'w' => bracket::ascii_class(&['0'..='9', 'A'..='Z', '_'..='_', 'a'..='z']),
        _ => return Ok(None),
    };
    if fold {
        class.case_fold_simple();
    }
    if letter.is_ascii_uppercase() {
        class.negate();
    }
    Ok(Some((class, chars.as_str())))
}

/// Reads `\pL`, `\p{Name}`, `\p{^Name}`, and the same negated with `\P`.
fn unicode_class(text: &str, negated: bool, fold: bool) -> Result<(ClassUnicode, &str), Error> {
    let (name, after) = match text[2..].strip_prefix('{') {
        Some(body) => body.split_once('}').ok_or_else(|| Error::new(ErrorKind::CharRange, text))?,
        None => text[2..].split_at(text[2..].chars().next().map_or(0, char::len_utf8)),
    };
    let (negated, name) = name.strip_prefix('^').map_or((negated, name), |name| (!negated, name));
    let Some(mut class) = named_class(name) else {
        return Err(Error::new(ErrorKind::CharRange, &text[..text.len() - after.len()]));
    };
    if fold {
        class.case_fold_simple();
    }
    if negated {
        class.negate();
    }
    Ok((class, after))
}

/// Looks up a general category or a script, loosely: case, blanks, `-` and `_` do not count.
fn named_class(name: &str) -> Option<ClassUnicode> {
    let loose: String = name
        .chars()
        .filter(|c| !matches!(c, ' ' | '_' | '-'))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    if loose.is_empty() || !loose.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    if matches!(loose.as_str(), "cs" | "surrogate") {
        // No text contains one.
        return Some(ClassUnicode::empty());
    }
    lookup(&format!("\\p{{gc={loose}}}")).or_else(|| {
        let script = !is_script_code(&loose);
        script.then(|| lookup(&format!("\\p{{sc={loose}}}"))).flatten()
    })
}

/// Go knows scripts by their long names only, the tables also by their codes of four letters.
fn is_script_code(loose: &str) -> bool {
    let names = ["ahom", "cham", "kawi", "lisu", "thai", "toto"];
    loose.len() == 4 && !names.contains(&loose)
}

fn lookup(class: &str) -> Option<ClassUnicode> {
    match regex_syntax::parse(class).ok()?.into_kind() {
        regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(class)) => Some(class),
        _ => None,
    }
}

/// Reads an escaped character; the text begins with the backslash.
pub(super) fn char(text: &str) -> Result<(CodePoint, &str), Error> {
    let mut chars = text[1..].chars();
    let Some(c) = chars.next() else {
        return Err(Error::new(ErrorKind::TrailingBackslash, ""));
    };
    let after = chars.as_str();
    let simple = |c: char| Ok((u32::from(c), after));
    let read = match c {
        '0'..='7' => return octal(text),
        'x' => return hex(text),
        'a' => simple('\x07'),
        'f' => simple('\x0C'),
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'v' => simple('\x0B'),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => simple(c),
        _ => Err(after),
    };
    read.map_err(|after| invalid(text, after))
}

/// Reads up to three octal digits. A single digit other than zero would be a reference to a group: refused.
fn octal(text: &str) -> Result<(CodePoint, &str), Error> {
    let digits = text[1..].bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
    let (number, after) = text[1..].split_at(digits);
    if digits == 1 && number != "0" {
        return Err(invalid(text, after));
    }
    let point = number.bytes().fold(0, |sum, b| sum * 8 + u32::from(b - b'0'));
    Ok((point, after))
}

/// Reads `\x41` or `\x{10FFFF}`.
fn hex(text: &str) -> Result<(CodePoint, &str), Error> {
    let Some(body) = text.strip_prefix("\\x{") else {
        let mut chars = text[2..].chars();
        let first = chars.next();
        // An error shows as many characters as had to be read to find it.
        let digits = [first, first.and_then(|_| chars.next())];
        return match digits.map(|it| it.and_then(|c| c.to_digit(16))) {
            [Some(high), Some(low)] => Ok((high * 16 + low, chars.as_str())),
            _ => Err(invalid(text, chars.as_str())),
        };
    };
    let (mut point, mut chars) = (0, body.chars());
    let mut empty = true;
    while let Some(c) = chars.next() {
        match c.to_digit(16) {
            Some(digit) if point * 16 + digit <= u32::from(char::MAX) => point = point * 16 + digit,
            None if c == '}' && !empty => return Ok((point, chars.as_str())),
            _ => break,
        }
        empty = false;
    }
    Err(invalid(text, chars.as_str()))
}

fn invalid(text: &str, after: &str) -> Error {
    Error::new(ErrorKind::Escape, &text[..text.len() - after.len()])
}
