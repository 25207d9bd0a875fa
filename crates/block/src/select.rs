//! Finds the series of an index that fulfil matchers.
//!
//! A matcher that refuses the empty value picks the lists of the values it accepts; one that accepts
//! it (series without the label count too) strikes out the lists of the values it refuses. The picked
//! lists are intersected, shortest first, each number looked for by doubling steps; then the struck
//! ones are taken off. Where nothing picks, all series do.
//!
//! Which values: `=` and expressions that are a set of literals are looked up; other expressions are
//! run over the values with their literal prefix.

use model::{MatchType, Matcher};
use storage::Guard;

use crate::Error;
use crate::index::{Cursor, Index, Postings};

/// Values tested before it is asked whether to go on.
const VALUES_PER_CHECK: usize = 4096;

/// Returns the numbers of the series that fulfil all matchers, ascending.
pub(crate) fn select(
    index: &Index,
    matchers: &[Matcher],
    guard: &Guard,
) -> Result<Vec<u32>, Error> {
    let (mut picked, mut struck) = (Vec::new(), Vec::new());
    for matcher in matchers {
        match Part::of(matcher) {
            Part::Everything => {}
            Part::Nothing => return Ok(Vec::new()),
            Part::Pick => picked.push(accepted(index, matcher, guard)?),
            Part::Strike => struck.push(refused(index, matcher, guard)?),
        }
    }
    if picked.is_empty() {
        picked.push(List::Stored(index.all_postings()?));
    }
    picked.sort_by_key(List::len);
    let mut lists = picked.into_iter();
    let mut numbers = lists.next().expect("one at least").into_numbers();
    for list in lists {
        go_on(guard, 0)?;
        let mut finder = list.finder();
        numbers.retain(|it| finder.contains(*it));
    }
    for list in struck.iter().filter(|it| 0 < it.len()) {
        let mut finder = list.finder();
        numbers.retain(|it| !finder.contains(*it));
    }
    Ok(numbers)
}

/// What a matcher does to the selection.
enum Part {
    Everything,
    Nothing,
    Pick,
    Strike,
}

impl Part {
    fn of(matcher: &Matcher) -> Self {
        let any = matcher.regexp().is_some_and(|it| it.matches_everything());
        match matcher.kind() {
            MatchType::Regexp if any => Self::Everything,
            MatchType::NotRegexp if any => Self::Nothing,
            _ if matcher.matches_empty() => Self::Strike,
            _ => Self::Pick,
        }
    }
}

/// Returns the series with a value that the matcher accepts; it refuses the empty one.
fn accepted<'a>(index: &'a Index, matcher: &Matcher, guard: &Guard) -> Result<List<'a>, Error> {
    let name = matcher.name();
    match (matcher.kind(), matcher.regexp()) {
        (MatchType::Equal, _) => Ok(List::Stored(index.postings(name, matcher.value())?)),
        (MatchType::Regexp, Some(it)) if !it.set_matches().is_empty() => {
            looked_up(index, name, it.set_matches())
        }
        (MatchType::Regexp, Some(it)) => {
            // Borrowed for the walk only; the lists outlive it.
            let prefix = it.prefix().unwrap_or_default();
            scanned(index, name, prefix, guard, |value| matcher.matches(value))
        }
        _ => scanned(index, name, "", guard, |value| matcher.matches(value)),
    }
}

/// Returns the series with a value that the matcher refuses; it accepts the empty one.
fn refused<'a>(index: &'a Index, matcher: &Matcher, guard: &Guard) -> Result<List<'a>, Error> {
    let name = matcher.name();
    match (matcher.kind(), matcher.regexp()) {
        (MatchType::NotEqual, _) => Ok(List::Stored(index.postings(name, matcher.value())?)),
        (MatchType::NotRegexp, Some(it)) if !it.set_matches().is_empty() => {
            looked_up(index, name, it.set_matches())
        }
        (MatchType::NotRegexp, Some(it)) => {
            let prefix = it.prefix().unwrap_or_default();
            scanned(index, name, prefix, guard, |value| !matcher.matches(value))
        }
        _ => scanned(index, name, "", guard, |value| !matcher.matches(value)),
    }
}

fn looked_up<'a>(index: &'a Index, name: &str, values: &[String]) -> Result<List<'a>, Error> {
    let mut lists = Vec::new();
    for value in values {
        lists.push(index.postings(name, value)?);
    }
    Ok(List::joined(lists))
}

fn scanned<'a>(
    index: &'a Index,
    name: &str,
    prefix: &str,
    guard: &Guard,
    mut accepts: impl FnMut(&str) -> bool,
) -> Result<List<'a>, Error> {
    let mut offsets = Vec::new();
    for (n, (value, offset)) in index.values_with_lists(name, prefix).enumerate() {
        if n % VALUES_PER_CHECK == VALUES_PER_CHECK - 1 {
            go_on(guard, size_of_val(&offsets[..]))?;
        }
        if accepts(value) {
            offsets.push(offset);
        }
    }
    let lists: Result<Vec<_>, Error> =
        offsets.into_iter().map(|it| index.postings_at(it)).collect();
    Ok(List::joined(lists?))
}

fn go_on(guard: &Guard, bytes: usize) -> Result<(), Error> {
    guard.check(bytes).map_err(|_| Error::Interrupted)
}

/// Ascending series numbers: as stored, or joined from several lists.
enum List<'a> {
    Stored(Postings<'a>),
    Joined(Vec<u32>),
}

impl<'a> List<'a> {
    /// Joins lists of different values of one label: no number is in two of them.
    fn joined(mut lists: Vec<Postings<'a>>) -> Self {
        lists.retain(|it| !it.is_empty());
        if lists.len() <= 1 {
            return Self::Stored(lists.pop().unwrap_or_default());
        }
        let mut all = Vec::with_capacity(lists.iter().map(Postings::len).sum());
        all.extend(lists.iter().flat_map(Postings::iter));
        // A stable sort finds the ascending runs and merges them.
        all.sort();
        Self::Joined(all)
    }

    fn len(&self) -> usize {
        match self {
            Self::Stored(it) => it.len(),
            Self::Joined(it) => it.len(),
        }
    }

    fn into_numbers(self) -> Vec<u32> {
        match self {
            Self::Stored(it) => it.iter().collect(),
            Self::Joined(it) => it,
        }
    }

    fn finder(&self) -> Finder<'_> {
        match self {
            Self::Stored(it) => Finder::Stored(it.cursor()),
            Self::Joined(it) => Finder::Joined(it),
        }
    }
}

/// Looks for ascending numbers.
enum Finder<'a> {
    Stored(Cursor<'a>),
    Joined(&'a [u32]),
}

impl Finder<'_> {
    fn contains(&mut self, number: u32) -> bool {
        match self {
            Self::Stored(it) => it.contains(number),
            Self::Joined(rest) => {
                // A short walk first: neighbours are mostly near.
                let near = rest.iter().take(8).position(|it| number <= *it);
                let skip = near.unwrap_or_else(|| rest.partition_point(|it| *it < number));
                *rest = &rest[skip..];
                rest.first() == Some(&number)
            }
        }
    }
}
