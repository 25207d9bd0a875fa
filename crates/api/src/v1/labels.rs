//! `/labels` and `/label/NAME/values`.

use std::sync::Arc;

use axum::extract::{Path, State};
use model::Matcher;
use promql_engine::Lookup;
use storage::{ListHints, Querier, ReadError, list_bytes};

use super::lookup::look_up;
use super::{limit, selectors, time_range};
use crate::envelope::{ApiError, Success, TRUNCATED};
use crate::param::Params;
use crate::{Api, json};

pub(crate) async fn names(
    State(api): State<Arc<Api>>,
    params: Params,
) -> Result<Success, ApiError> {
    let limit = limit(&params)?;
    let (range, sets) = (time_range(&params)?, matcher_sets(&params)?);
    let is_short = is_short(&sets, None);
    let find = move |querier: &dyn Querier, lookup: &mut Lookup| {
        list(lookup, &sets, limit, |matchers, hints| querier.label_names(matchers, hints))
    };
    look_up(&api, range, is_short, find).await
}

pub(crate) async fn values(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Success, ApiError> {
    let name = unescape(&name);
    if name.is_empty() {
        return Err(ApiError::bad(format!("invalid label name: {}", json::quoted(&name))));
    }
    let limit = limit(&params)?;
    let (range, sets) = (time_range(&params)?, matcher_sets(&params)?);
    let is_short = is_short(&sets, Some(name.clone()));
    let find = move |querier: &dyn Querier, lookup: &mut Lookup| {
        list(lookup, &sets, limit, |matchers, hints| querier.label_values(&name, matchers, hints))
    };
    look_up(&api, range, is_short, find).await
}

/// So many entries are looked at in some tenths of a millisecond.
const LISTED_AT_ONCE_MAX: usize = 1024;

/// Tells whether all values of a label, or all label names, are listed at once; with selectors nobody knows.
fn is_short(
    sets: &[Vec<Matcher>],
    name: Option<String>,
) -> impl FnOnce(&dyn Querier) -> bool + use<> {
    let is_all = sets.is_empty();
    move |querier| is_all && querier.n_listed(name.as_deref()) <= LISTED_AT_ONCE_MAX
}

fn matcher_sets(params: &Params) -> Result<Vec<Vec<Matcher>>, ApiError> {
    let sets = selectors(params)?;
    if sets.iter().any(|set| set.iter().all(Matcher::matches_empty)) {
        return Err(ApiError::bad("match[] must contain at least one non-empty matcher"));
    }
    Ok(sets)
}

/// Lists what any of the selectors finds, sorted; without a selector, everything.
fn list(
    lookup: &mut Lookup,
    sets: &[Vec<Matcher>],
    limit: usize,
    find: impl Fn(&[Matcher], &ListHints) -> Result<Vec<String>, ReadError>,
) -> Result<Success, ReadError> {
    // One more, so that a cut shows.
    let hints = ListHints { limit: if limit == 0 { 0 } else { limit + 1 }, guard: lookup.guard() };
    let mut found: Vec<String> = Vec::new();
    let everything = [Vec::new()];
    for matchers in if sets.is_empty() { &everything } else { sets } {
        let more = find(matchers, &hints)?;
        // They are there once more as JSON.
        lookup.keep(2 * more.iter().map(|it| list_bytes(it)).sum::<usize>())?;
        found.extend(more);
    }
    if 1 < sets.len() {
        let guard = lookup.guard();
        found = stdx::sort::try_sort_by(found, Ord::cmp, || guard.check(0))?;
        found.dedup();
    }
    let cut = 0 < limit && limit < found.len();
    if cut {
        found.truncate(limit);
    }
    let success = Success::new(|out| json::strings(out, &found));
    Ok(if cut { success.warn(TRUNCATED) } else { success })
}

/// Reads a name in the `U__` form: `_HEX_` is a character, `__` an underscore. Others stay as they are.
fn unescape(name: &str) -> String {
    let Some(escaped) = name.strip_prefix("U__") else { return name.to_owned() };
    let mut out = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some(at) = rest.find('_') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('_') {
            out.push('_');
            rest = after;
            continue;
        }
        let code = rest.split_once('_').and_then(|(hex, after)| {
            Some((char::from_u32(u32::from_str_radix(hex, 16).ok()?)?, after))
        });
        let Some((c, after)) = code else { return name.to_owned() };
        out.push(c);
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn reads_escaped_names() {
        for (name, expected) in [
            ("job", "job"),
            ("U__http_2e_status", "http.status"),
            ("U__a__b", "a_b"),
            ("U__bad_zz_", "U__bad_zz_"),
            ("U__open_2e", "U__open_2e"),
        ] {
            assert_eq!(unescape(name), expected);
        }
    }
}
