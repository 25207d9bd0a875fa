//! `/series`.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use model::{Labels, Matcher};
use storage::{Querier, ReadError, SelectHints};

use super::{limit, look_up, selectors, time_range};
use crate::envelope::{ApiError, Success, TRUNCATED};
use crate::param::Params;
use crate::{Api, json};

pub(crate) async fn series(
    State(api): State<Arc<Api>>,
    params: Params,
) -> Result<Success, ApiError> {
    let sets = selectors(&params)?;
    if sets.is_empty() {
        return Err(ApiError::bad("no match[] parameter provided"));
    }
    if sets.iter().any(|set| set.iter().all(Matcher::matches_empty)) {
        return Err(ApiError::param(
            "match[]",
            "match[] must contain at least one non-empty matcher",
        ));
    }
    let limit = limit(&params)?;
    let range = time_range(&params)?;
    let found =
        look_up(&api, range, |_| false, move |querier| find(querier, &sets, range, limit)).await?;
    let cut = 0 < limit && limit < found.len();
    let shown = if cut { &found[..limit] } else { &found[..] };
    let success = Success::new(|out| json::array(out, shown, json::labels));
    Ok(if cut { success.warn(TRUNCATED) } else { success })
}

/// The label sets any of the selectors finds: in the storage's order for one, sorted for several. One more
/// than `limit` may be returned, so that a cut shows.
fn find(
    querier: &dyn Querier,
    sets: &[Vec<Matcher>],
    (mint, maxt): (i64, i64),
    limit: usize,
) -> Result<Vec<Labels>, ReadError> {
    let limit = if limit == 0 { 0 } else { limit + 1 };
    let hints = SelectHints {
        mint,
        maxt,
        sorted: 1 < sets.len(),
        labels_only: true,
        limit,
        ..SelectHints::default()
    };
    if let [matchers] = sets {
        let found = querier.select(&hints, matchers)?;
        let len = if limit == 0 { found.len() } else { found.len().min(limit) };
        return Ok((0..len).map(|at| found.labels(at)).collect());
    }
    let mut all = BTreeSet::new();
    for matchers in sets {
        let found = querier.select(&hints, matchers)?;
        all.extend((0..found.len()).map(|at| found.labels(at)));
    }
    Ok(all.into_iter().collect())
}
