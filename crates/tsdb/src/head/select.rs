//! From matchers to series.
//!
//! A matcher is first resolved to label pairs, its expression running once for each value of its label
//! (or not at all, if the expression is a set, `.*` or `.+`). Then the postings of those pairs are
//! intersected, from the shortest. Where few series are left and the next postings are long, the labels
//! of those few are looked at instead.

use model::{MatchType, Matcher};
use storage::{Guard, ReadError};

use super::Head;
use super::index::{Index, pairs_of};
use super::pairs::PairId;
use super::series::{Pages, for_each_page};
use crate::sync::{lock, read};

/// Values tested before the index is let go for writers that wait.
const VALUES_PER_LOCK: usize = 4096;

/// Label pairs: a series must have one of them, or must have none.
struct Operand {
    pairs: Vec<PairId>,
    must_have: bool,
}

impl Head {
    /// Finds the series that fulfil all matchers, whatever their time. Ascending.
    ///
    /// # Errors
    /// [`ReadError::Interrupted`]
    pub(crate) fn find_series(
        &self,
        matchers: &[Matcher],
        guard: &Guard,
    ) -> Result<Vec<u64>, ReadError> {
        loop {
            let generation = read(&self.index).generation();
            let mut operands: Vec<Operand> = Vec::with_capacity(matchers.len());
            for matcher in matchers {
                operands.extend(self.resolve(matcher, guard)?);
            }
            guard.check(0)?;
            let index = read(&self.index);
            // Pair numbers may have been given out anew in between.
            if index.generation() == generation {
                return Ok(combine(&index, &self.pages, operands));
            }
        }
    }

    /// The pairs that decide a matcher; none if every series fulfils it.
    fn resolve(&self, matcher: &Matcher, guard: &Guard) -> Result<Option<Operand>, ReadError> {
        // A series without the label has the empty value. If that is refused, the series must have a
        // pair that is accepted; else it must not have one that is refused.
        let must_have = !matcher.matches_empty();
        let is_negative = matches!(matcher.kind(), MatchType::NotEqual | MatchType::NotRegexp);
        let is_everything = matcher.regexp().is_some_and(regexp_takes_all);
        if is_everything && must_have == is_negative {
            // `.*` takes every series, `!~ .*` none.
            let is_void = must_have;
            return Ok(is_void.then_some(Operand { pairs: Vec::new(), must_have }));
        }
        let set: Option<Vec<&str>> = match matcher.regexp() {
            None => Some(vec![matcher.value()]),
            Some(it) => Some(it.set_matches().iter().map(String::as_str).collect())
                .filter(|it: &Vec<_>| !it.is_empty()),
        };
        let pairs = match set {
            Some(values) if must_have != is_negative => {
                let index = read(&self.index);
                let mut pairs: Vec<PairId> = values
                    .iter()
                    .filter_map(|value| {
                        index.pairs.find(matcher.name().as_bytes(), value.as_bytes())
                    })
                    .collect();
                pairs.sort_unstable();
                pairs.dedup();
                pairs
            }
            _ if is_everything => self.pairs_where(matcher.name(), guard, |_| true)?,
            _ => {
                let fits = |value: &str| matcher.matches(value) == must_have;
                self.pairs_where(matcher.name(), guard, fits)?
            }
        };
        Ok(Some(Operand { pairs, must_have }))
    }

    /// Tests the values of a label.
    fn pairs_where(
        &self,
        name: &str,
        guard: &Guard,
        keep: impl Fn(&str) -> bool,
    ) -> Result<Vec<PairId>, ReadError> {
        let Some((id, all)) = ({
            let index = read(&self.index);
            index.pairs.find_name(name.as_bytes()).map(|id| (id, index.pairs.of_name(id).to_vec()))
        }) else {
            return Ok(Vec::new());
        };
        let mut kept = Vec::new();
        for some in all.chunks(VALUES_PER_LOCK) {
            guard.check(size_of_val(&all[..]))?;
            let index = read(&self.index);
            let fits = |pair: &&PairId| {
                index.pairs.name_of(**pair) == Some(id) && keep(index.pairs.value(**pair))
            };
            kept.extend(some.iter().filter(fits));
        }
        Ok(kept)
    }
}

/// True for `.*` and `.+`: what they do is told by whether they take the empty text.
fn regexp_takes_all(it: &regexp::Matcher) -> bool {
    it.matches_everything() || it.matches_all_but_empty()
}

fn combine(index: &Index, pages: &Pages, operands: Vec<Operand>) -> Vec<u64> {
    let size = |it: &Operand| it.pairs.iter().map(|id| index.postings(*id).len()).sum::<usize>();
    let mut operands: Vec<(usize, Operand)> =
        operands.into_iter().map(|it| (size(&it), it)).collect();
    operands.sort_by_key(|(size, it)| (!it.must_have, *size));
    let mut rest = operands.into_iter();
    let mut found = match rest.next() {
        Some((size, first)) if first.must_have => union(index, &first.pairs, size),
        other => {
            let mut all: Vec<u64> = Vec::new();
            for (n, page) in pages.all() {
                all.extend(lock(&page).refs(n));
            }
            if let Some((size, operand)) = other {
                narrow(index, pages, &mut all, size, &operand);
            }
            all
        }
    };
    for (size, operand) in rest {
        if found.is_empty() {
            break;
        }
        narrow(index, pages, &mut found, size, &operand);
    }
    found
}

/// Keeps the series that have one of the pairs, or those that have none.
fn narrow(index: &Index, pages: &Pages, found: &mut Vec<u64>, size: usize, operand: &Operand) {
    if size == 0 {
        if operand.must_have {
            found.clear();
        }
        return;
    }
    // Looking a series up costs as much as reading some twenty postings.
    if found.len() * 20 < size {
        let mut pairs = operand.pairs.clone();
        pairs.sort_unstable();
        let mut kept = Vec::new();
        for_each_page(
            pages,
            found,
            |it| *it,
            |page, series| {
                let Some(record) = page.get(*series) else { return };
                let has = pairs_of(page.key(record)).any(|id| pairs.binary_search(&id).is_ok());
                kept.extend((has == operand.must_have).then_some(*series));
            },
        );
        *found = kept;
        return;
    }
    let other = union(index, &operand.pairs, size);
    let mut other = other.into_iter().peekable();
    found.retain(|series| {
        while other.next_if(|it| it < series).is_some() {}
        (other.peek() == Some(series)) == operand.must_have
    });
}

/// The series of all these pairs, ascending. A series has one value for a label, so none comes twice.
fn union(index: &Index, pairs: &[PairId], size: usize) -> Vec<u64> {
    let mut all: Vec<u64> = Vec::with_capacity(size);
    for id in pairs {
        all.extend(index.postings(*id).iter());
    }
    if 1 < pairs.len() {
        // Runs that ascend: the standard sort finds and merges them.
        all.sort();
    }
    all
}
