//! Selectors.

use model::{CounterResetHint, Labels};
use promql::ast::{TimeShift, VectorSelector};

use super::histogram::{self, Hist};
use super::value::{Point, Sample, Series, Stored};
use super::{Decode, Grid, Naive};

/// The time that a selector or subquery looks at when the step is at `t`.
pub(super) fn shifted(shift: &TimeShift, t: i64) -> i64 {
    shift.timestamp_ms.unwrap_or(t) - shift.original_offset_ms
}

impl Naive<'_> {
    /// The series that fulfil all matchers, with their samples in `(from, to]`.
    pub(super) fn matching(
        &self,
        selector: &VectorSelector,
        (from, to): (i64, i64),
        decode: Decode,
    ) -> Vec<Stored> {
        let fits = |labels: &Labels| {
            selector.matchers.iter().all(|it| it.matches(labels.value(it.name())))
        };
        let within = |it: &Stored| {
            let samples = it.samples.iter().filter(|it| from < it.t && it.t <= to).cloned();
            let mut samples: Vec<Sample> = samples.collect();
            if decode == Decode::Counts {
                keep_counts(&mut samples);
            }
            Stored { labels: it.labels.clone(), samples }
        };
        self.data.iter().filter(|it| fits(&it.labels)).map(within).collect()
    }

    pub(super) fn select(
        &self,
        selector: &VectorSelector,
        grid: Grid,
        decode: Decode,
    ) -> Result<Vec<Series>, String> {
        if selector.smoothed {
            return Ok(self.select_smoothed(selector, grid, decode));
        }
        self.newest(selector, grid, decode, |it| it.point.clone())
    }

    /// The newest sample at each step, or what `of` says about it.
    pub(super) fn newest(
        &self,
        selector: &VectorSelector,
        grid: Grid,
        decode: Decode,
        of: impl Fn(&Sample) -> Point,
    ) -> Result<Vec<Series>, String> {
        let lookback = self.settings.lookback_ms;
        let times = grid.times();
        let (Some(first), Some(last)) = (times.first(), times.last()) else { return Ok(vec![]) };
        let first = shifted(&selector.shift, *first) - lookback;
        let last = shifted(&selector.shift, *last);
        let newest = |it: Stored| {
            let at = |t: i64| {
                let looked_at = shifted(&selector.shift, t);
                let in_sight = |it: &&Sample| looked_at - lookback < it.t && it.t <= looked_at;
                let newest = it.samples.iter().rfind(in_sight);
                let newest = newest.filter(|it| !it.point.is_stale())?;
                Some((t, of(newest)))
            };
            Series {
                labels: it.labels.clone(),
                drops: false,
                points: times.iter().filter_map(|t| at(*t)).collect(),
            }
        };
        let all = self.matching(selector, (first, last), decode).into_iter().map(newest);
        Ok(all.filter(|it| !it.points.is_empty()).collect())
    }
}

/// Leaves counts and sums of histograms, and says in their hints what their buckets say about resets.
fn keep_counts(samples: &mut [Sample]) {
    let mut before: Option<Hist> = None;
    for it in samples {
        let Point::Hist(it) = &mut it.point else { continue };
        if it.is_stale() {
            continue;
        }
        let whole = it.clone();
        it.hint = match (it.hint, &before) {
            (CounterResetHint::Unknown, Some(before)) => {
                if histogram::is_reset(before, &whole) {
                    CounterResetHint::Reset
                } else {
                    CounterResetHint::NotReset
                }
            }
            (hint, _) => hint,
        };
        *it = it.without_buckets();
        before = Some(whole);
    }
}
