//! The groups of one match, and templates that refer to them.

use std::ops::Range;

/// The groups of one match in `text`. Group 0 is the whole match.
#[derive(Clone, Debug)]
pub struct Captures<'t> {
    text: &'t str,
    spans: Vec<Option<Range<usize>>>,
}

impl<'t> Captures<'t> {
    pub(crate) fn new(text: &'t str, spans: Vec<Option<Range<usize>>>) -> Self {
        Captures { text, spans }
    }

    /// Returns what a group matched, or `None` where it took no part or does not exist.
    pub fn get(&self, group: usize) -> Option<&'t str> {
        self.span(group).map(|span| &self.text[span])
    }

    /// Returns where a group matched, in bytes of the text.
    pub fn span(&self, group: usize) -> Option<Range<usize>> {
        self.spans.get(group)?.clone()
    }

    /// Returns the number of groups, the whole match included.
    pub fn n_groups(&self) -> usize {
        self.spans.len()
    }
}

/// Appends `template` to `output` with each reference replaced by what its group matched.
///
/// `$name` takes the longest run of letters, digits and `_`; `${name}` ends at the brace; `$$` is a
/// dollar sign. A number refers to a group by place, anything else by name. A reference to a group
/// that did not match, or does not exist, is replaced by nothing. A `$` that begins no reference
/// stays.
pub(crate) fn expand(
    template: &str,
    captures: &Captures<'_>,
    names: &[Option<String>],
    output: &mut String,
) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        output.push_str(before);
        rest = match after.strip_prefix('$') {
            Some(after) => {
                output.push('$');
                after
            }
            None => match reference(after) {
                Some((name, after)) => {
                    output.push_str(resolve(name, captures, names).unwrap_or(""));
                    after
                }
                None => {
                    output.push('$');
                    after
                }
            },
        };
    }
    output.push_str(rest);
}

/// Splits the text after a `$` into the name it refers to and what follows.
fn reference(text: &str) -> Option<(&str, &str)> {
    let braced = text.strip_prefix('{');
    let body = braced.unwrap_or(text);
    let end = body.find(|c: char| !is_name_char(c)).unwrap_or(body.len());
    if end == 0 {
        return None;
    }
    let (name, after) = body.split_at(end);
    match braced {
        Some(_) => Some((name, after.strip_prefix('}')?)),
        None => Some((name, after)),
    }
}

fn is_name_char(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn resolve<'t>(name: &str, captures: &Captures<'t>, names: &[Option<String>]) -> Option<&'t str> {
    if let Some(group) = group_number(name) {
        return captures.get(group);
    }
    // A name may be used twice: the first group of it that matched counts.
    let groups = names.iter().enumerate().filter(|(_, it)| it.as_deref() == Some(name));
    groups.filter_map(|(group, _)| captures.get(group)).next()
}

/// Reads a group's number: digits without leading zeros, below 10⁹. Anything else is a name.
fn group_number(name: &str) -> Option<usize> {
    let canonical = name == "0" || !name.starts_with('0');
    let digits = name.len() <= 9 && name.bytes().all(|b| b.is_ascii_digit());
    if canonical && digits { name.parse().ok() } else { None }
}
