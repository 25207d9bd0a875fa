//! Repetition: `*`, `+`, `?`, `{n,m}`, each lazy with a `?` behind.

use regex_syntax::hir::{Hir, Repetition};

use super::{Node, Parser, Part};
use crate::error::{Error, ErrorKind};

/// The highest count, also of all nested counts multiplied.
const COUNT_MAX: u32 = 1000;

/// `{min,max}`; a number of more than eight digits or so is `None`.
struct Counts {
    min: Option<u32>,
    max: Max,
}

enum Max {
    Unbounded,
    Bounded(Option<u32>),
}

impl<'p> Parser<'p> {
    /// Reads `{n}`, `{n,}` or `{n,m}`. A brace that begins none of them is a character.
    ///
    /// Returns whether it was a repetition.
    pub(super) fn repeat_counted(&mut self, last_repeat: Option<&'p str>) -> Result<bool, Error> {
        let Some((counts, operator_bytes)) = read_counts(self.rest) else {
            self.rest = &self.rest[1..];
            self.push_char('{');
            return Ok(false);
        };
        let limits = match counts {
            Counts { min: Some(min), max: Max::Unbounded } => Some((min, None)),
            Counts { min: Some(min), max: Max::Bounded(Some(max)) } if min <= max => {
                Some((min, Some(max)))
            }
            _ => None,
        };
        match limits.filter(|(min, max)| max.unwrap_or(*min) <= COUNT_MAX) {
            Some((min, max)) => self.repeat(min, max, last_repeat, operator_bytes),
            None => Err(Error::new(ErrorKind::RepeatCount, &self.rest[..operator_bytes])),
        }
    }

    /// Repeats the last part of the sequence; the operator takes `operator_bytes` of the rest.
    ///
    /// `last_repeat` is the text from the operator just before, if there is one. Always returns true.
    pub(super) fn repeat(
        &mut self,
        min: u32,
        max: Option<u32>,
        last_repeat: Option<&'p str>,
        operator_bytes: usize,
    ) -> Result<bool, Error> {
        let (operator, after) = self.rest.split_at(operator_bytes);
        let (lazy, after) = after.strip_prefix('?').map_or((false, after), |after| (true, after));
        if let Some(last) = last_repeat {
            let fragment = &last[..last.len() - after.len()];
            return Err(Error::new(ErrorKind::NestedRepetition, fragment));
        }
        let fragment = &self.rest[..self.rest.len() - after.len()];
        self.rest = after;
        let sub = match self.sequence.pop() {
            Some(Part::Node(node)) => node,
            Some(Part::Char(c)) => Node { hir: literal(c), height: 1, repeats: 1 },
            None => return Err(Error::new(ErrorKind::MissingRepeatArgument, fragment)),
        };
        let repeats = match max {
            _ if !operator.starts_with('{') => sub.repeats,
            Some(0) => 1,
            _ => sub.repeats.saturating_mul(max.unwrap_or(min).max(1)),
        };
        if repeats > COUNT_MAX {
            return Err(Error::new(ErrorKind::RepeatCount, fragment));
        }
        let greedy = lazy == self.flags.ungreedy;
        let hir = Hir::repetition(Repetition { min, max, greedy, sub: Box::new(sub.hir) });
        let node = self.checked(Node { hir, height: sub.height + 1, repeats })?;
        self.sequence.push(Part::Node(node));
        Ok(true)
    }
}

fn literal(c: char) -> Hir {
    Hir::literal(c.encode_utf8(&mut [0; 4]).as_bytes())
}

/// Reads `{n}`, `{n,}` or `{n,m}` at the start of a text. Returns how many bytes it takes.
fn read_counts(text: &str) -> Option<(Counts, usize)> {
    let (min, after) = read_count(text.strip_prefix('{')?)?;
    let (max, after) = match after.strip_prefix(',') {
        None => (Max::Bounded(min), after),
        Some(after) if after.starts_with('}') => (Max::Unbounded, after),
        Some(after) => {
            let (max, after) = read_count(after)?;
            (Max::Bounded(max), after)
        }
    };
    let after = after.strip_prefix('}')?;
    Some((Counts { min, max }, text.len() - after.len()))
}

/// Reads digits without leading zeros; a number that is too large is `None` inside.
fn read_count(text: &str) -> Option<(Option<u32>, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, after) = text.split_at(end);
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some((digits.parse().ok(), after))
}
