//! `anchored` and `smoothed` windows of native histograms.

use std::borrow::Cow;

use model::{CounterResetHint, FloatHistogram};

use super::extended::{Cuts, Wide};
use super::found::{Finding, Found};
use super::histogram_rate::{between, check_hints, difference};
use super::window::Window;
use crate::native::{Operation, compact, is_reset};

/// From the left border of a window to the right one; for counters with what was lost in resets.
pub(super) fn rise(
    wide: &Wide,
    window: &Window<'_>,
    counter: bool,
    found: &mut Found,
) -> Option<FloatHistogram> {
    let all = window.histograms;
    let Cuts { inner, outer, left_share, right_share, .. } =
        wide.cuts(window, window.histogram_t)?;
    let before = inner.saturating_sub(1);
    let last = outer.checked_sub(1)?;
    let used = &all[before..=if right_share.is_some() { outer } else { last }];
    if used.iter().any(|it| it.has_custom_buckets() != used[0].has_custom_buckets()) {
        found.add(Finding::Schemas);
        return None;
    }
    let mut border = |at: usize, share: Option<f64>, exact: usize| {
        let Some(share) = share else { return Some(Cow::Borrowed(&all[exact])) };
        between(counter, &all[at - 1], &all[at], share, found).map(Cow::Owned)
    };
    let left = border(inner, left_share, before)?;
    let right = border(outer, right_share, last)?;
    check_hints(counter, &left, &right, found);
    if counter {
        let gauge = used.iter().any(|it| it.hint == CounterResetHint::Gauge);
        found.add_if(gauge, Finding::NotCounter);
    }
    let mut rise = difference(&right, &left, found).ok()?;
    if counter {
        // What was lost on the way to the sample behind an interpolated border is not in the border's value.
        let skips = left_share.is_some() && is_reset(&all[before], &all[inner]);
        let mut earlier = if skips { &all[inner] } else { left.as_ref() };
        let first = if left_share.is_some() { inner } else { before + 1 } + usize::from(skips);
        let end = if right_share.is_some() { outer } else { last };
        let between = all.get(first..end).unwrap_or_default();
        for it in between.iter().chain([right.as_ref()]) {
            if is_reset(earlier, it) {
                found.add_sum(rise.add(earlier).ok()?, Operation::Addition);
            }
            earlier = it;
        }
    }
    rise.hint = CounterResetHint::Gauge;
    let mut rise = rise.finish();
    compact(&mut rise);
    Some(rise)
}

/// The histogram at the middle of a window: a sample there, or between the two around it, or the last one
/// before it.
pub(crate) fn at_middle(
    window: &Window<'_>,
    middle: i64,
    found: &mut Found,
) -> Option<FloatHistogram> {
    let (t, all) = (window.histogram_t, window.histograms);
    let after = t.partition_point(|it| *it <= middle);
    let before = after.checked_sub(1)?;
    if t[before] == middle || after == t.len() {
        return Some(all[before].clone());
    }
    let share = (middle - t[before]) as f64 / (t[after] - t[before]) as f64;
    let (before, after) = (&all[before], &all[after]);
    let gauges = [before, after].iter().all(|it| it.hint == CounterResetHint::Gauge);
    between(!gauges, before, after, share, found)
}
