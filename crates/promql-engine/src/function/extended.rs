//! `anchored` and `smoothed`: windows whose borders have values of their own.
//!
//! An anchored window takes the newest sample at or before its left border as the value there. A smoothed
//! one interpolates at both borders between the samples around them. Nothing is extrapolated.

use storage::Samples;

use super::RangeFunction;
use super::rate::Found;
use super::window::{Slide, Window};
use crate::context::Worker;
use crate::plan::{Extended, Shift};
use crate::{Column, QueryError};

/// Windows with the samples around them that their borders need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wide {
    /// The windows widened by the look-back on the left, and on the right if smoothed.
    pub(crate) slide: Slide,
    pub(crate) smoothed: bool,
    range_ms: i64,
    after_ms: i64,
}

impl Wide {
    /// Widens `slide`, which is `extended` in some way.
    pub(crate) fn new(slide: &Slide, extended: Extended, lookback_ms: i64) -> Self {
        let smoothed = extended == Extended::Smoothed;
        let after_ms = if smoothed { lookback_ms } else { 0 };
        let shift =
            Shift { offset_ms: slide.shift.offset_ms.saturating_sub(after_ms), ..slide.shift };
        let wide_ms = slide.range_ms.saturating_add(lookback_ms).saturating_add(after_ms);
        let slide_wide = Slide { shift, range_ms: wide_ms, ..*slide };
        Self { slide: slide_wide, smoothed, range_ms: slide.range_ms, after_ms }
    }

    /// The floats of a window and the values on its borders. `None` if nothing lies in it.
    pub(crate) fn borders<'s>(&self, window: &Window<'s>, counter: bool) -> Option<Borders<'s>> {
        let end = window.end.saturating_sub(self.after_ms);
        let start = end.saturating_sub(self.range_ms);
        let (t, v) = (window.t, window.v);
        let (first, last) = (*t.first()?, *t.last()?);
        if last <= start || end < first {
            return None;
        }
        // The first sample beyond each border.
        let (inner, outer) =
            (t.partition_point(|it| *it <= start), t.partition_point(|it| *it <= end));
        let between = |at: usize, border: i64| {
            let (before, after) = (v[at - 1], v[at]);
            let before = if counter && after < before { 0.0 } else { before };
            let share = (border - t[at - 1]) as f64 / (t[at] - t[at - 1]) as f64;
            before + (after - before) * share
        };
        let interpolated = |at: usize, border: i64| {
            let inside = 0 < at && at < t.len() && t[at - 1] != border;
            (self.smoothed && inside).then(|| between(at, border))
        };
        let left = interpolated(inner, start).unwrap_or(v[inner.saturating_sub(1)]);
        let right = interpolated(outer, end).unwrap_or(v[outer.checked_sub(1)?]);
        let inside = inner..outer.max(inner);
        Some(Borders { start, end, left, right, t: &t[inside.clone()], v: &v[inside] })
    }
}

/// A window with the values on its borders.
pub(crate) struct Borders<'s> {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) left: f64,
    pub(crate) right: f64,
    /// Samples in `(start, end]`.
    pub(crate) t: &'s [i64],
    pub(crate) v: &'s [f64],
}

impl Borders<'_> {
    /// From the left border to the right one; for counters with what was lost in resets.
    fn rise(&self, counter: bool) -> f64 {
        let mut rise = self.right - self.left;
        if counter {
            let mut before = self.left;
            let inside = self.t.iter().zip(self.v).filter(|(t, _)| **t < self.end).map(|(_, v)| *v);
            for v in inside.chain([self.right]) {
                if v < before {
                    rise += before;
                }
                before = v;
            }
        }
        rise
    }
}

/// Fills a column with `rate`, `increase`, `delta`, `changes` or `resets`.
pub(crate) fn fill(
    function: RangeFunction,
    wide: &Wide,
    samples: &Samples,
    worker: &mut Worker<'_>,
    out: &mut Column,
) -> Result<Found, QueryError> {
    use RangeFunction as F;
    let counter = function != F::Delta;
    let mut found = Found::default();
    wide.slide.each(samples, worker, |window| {
        if window.is_mixed() {
            found.mixed = true;
            return;
        }
        let smooth_counter = counter && wide.smoothed;
        let Some(borders) = wide.borders(&window, smooth_counter) else { return };
        let value = match function {
            F::Changes | F::Resets => count(function, &borders),
            F::Rate => borders.rise(counter) / (wide.range_ms as f64 / 1000.0),
            _ => borders.rise(counter),
        };
        out.set(window.step, value);
    })?;
    Ok(found)
}

/// Counts changes or resets from the value on the left border on.
fn count(function: RangeFunction, borders: &Borders<'_>) -> f64 {
    let mut before = borders.left;
    let mut n = 0.0;
    for v in borders.v.iter().copied() {
        let counts = match function {
            RangeFunction::Resets => v < before,
            _ => v != before && !(v.is_nan() && before.is_nan()),
        };
        n += f64::from(u8::from(counts));
        before = v;
    }
    n
}

/// The samples of one window, with its borders as samples of their own.
pub(crate) fn clip(wide: &Wide, window: &Window<'_>, out: &mut Samples) {
    let Some(borders) = wide.borders(window, false) else { return };
    out.push(borders.start, borders.left);
    for (t, v) in borders.t.iter().zip(borders.v).filter(|(t, _)| **t < borders.end) {
        out.push(*t, *v);
    }
    out.push(borders.end, borders.right);
}

/// The value at the middle of a window: of a sample there, or between the two around it, or of the last
/// one before it.
pub(crate) fn at_middle(window: &Window<'_>, middle: i64) -> Option<f64> {
    let after = window.t.partition_point(|it| *it <= middle);
    let before = after.checked_sub(1)?;
    let (t, v) = (window.t, window.v);
    if t[before] == middle || after == t.len() {
        return Some(v[before]);
    }
    let share = (middle - t[before]) as f64 / (t[after] - t[before]) as f64;
    Some(v[before] + (v[after] - v[before]) * share)
}
