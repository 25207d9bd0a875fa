//! `/series`.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use axum::extract::State;
use model::{Labels, LabelsRef, Matcher};
use promql_engine::Lookup;
use storage::{Querier, ReadError, SelectHints, SeriesSet};

use super::lookup::look_up;
use super::{limit, selectors, time_range};
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
    let find = move |querier: &dyn Querier, lookup: &mut Lookup| {
        let hints = SelectHints {
            mint: range.0,
            maxt: range.1,
            sorted: 1 < sets.len(),
            labels_only: true,
            // One more, so that a cut shows.
            limit: if limit == 0 { 0 } else { limit + 1 },
            guard: lookup.guard(),
        };
        let mut cut = false;
        let success = Success::try_new::<ReadError>(|out| {
            let mut list = List { out, lookup, limit, n: 0, charged: 0 };
            write_found(querier, &hints, &sets, &mut list)?;
            cut = list.is_cut();
            list.end();
            Ok(())
        })?;
        Ok(if cut { success.warn(TRUNCATED) } else { success })
    };
    look_up(&api, range, |_| false, find).await
}

/// Writes the label sets any of the selectors finds: in the storage's order for one, sorted for several.
fn write_found(
    querier: &dyn Querier,
    hints: &SelectHints,
    sets: &[Vec<Matcher>],
    list: &mut List<'_>,
) -> Result<(), ReadError> {
    if let [matchers] = sets {
        let found = querier.select(hints, matchers)?;
        list.lookup.keep(found.bytes())?;
        return try_each(found.as_ref(), |labels| list.add(labels));
    }
    let mut all = BTreeSet::new();
    for matchers in sets {
        let found = querier.select(hints, matchers)?;
        try_each(found.as_ref(), |labels| {
            list.lookup.keep(size_of::<Labels>() + labels.as_bytes().len() + 32)?;
            all.insert(labels.to_labels());
            Ok(())
        })?;
    }
    all.iter().try_for_each(|labels| list.add(labels.borrowed()))
}

/// Walks the labels of series, those left out that are gone in the meantime.
fn try_each(
    found: &dyn SeriesSet,
    mut each: impl FnMut(LabelsRef<'_>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let mut ended = Ok(());
    found.each_labels(&mut |_, labels| {
        if !labels.is_empty() {
            ended = each(labels);
        }
        if ended.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    ended
}

/// A JSON list of label sets, as far as it is written.
struct List<'l> {
    out: &'l mut Vec<u8>,
    lookup: &'l mut Lookup,
    /// 0 is none.
    limit: usize,
    /// How many came.
    n: usize,
    /// How far the text is charged.
    charged: usize,
}

/// Text is charged in steps of this.
const CHARGED_BYTES: usize = 4 << 10;

impl List<'_> {
    fn add(&mut self, labels: LabelsRef<'_>) -> Result<(), ReadError> {
        self.n += 1;
        if self.is_cut() {
            return Ok(());
        }
        if self.charged <= self.out.len() {
            // As it grows, there is room for as much again.
            self.lookup.keep(2 * CHARGED_BYTES)?;
            self.charged += CHARGED_BYTES;
        }
        self.out.push(if self.n == 1 { b'[' } else { b',' });
        json::labels(self.out, labels);
        Ok(())
    }

    fn is_cut(&self) -> bool {
        0 < self.limit && self.limit < self.n
    }

    fn end(&mut self) {
        if self.n == 0 {
            self.out.push(b'[');
        }
        self.out.push(b']');
    }
}
