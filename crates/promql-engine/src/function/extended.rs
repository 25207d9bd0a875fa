//! `anchored` and `smoothed`: windows whose borders have values of their own.
//!
//! An anchored window takes the newest sample at or before its left border as the value there. A smoothed
//! one interpolates at both borders between the samples around them. Nothing is extrapolated.

use std::sync::Arc;

use storage::Samples;

use super::found::{Finding, Found};
use super::over_time::{self, Counts};
use super::window::{Slide, Window};
use super::{RangeFunction, extended_histogram};
use crate::context::Worker;
use crate::native;
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

    /// The part of a widened window that its borders need: from the newest sample at or before the left one to
    /// the first sample at or behind the right one. `None` if nothing lies in the window.
    pub(super) fn used<'s>(&self, window: &Window<'s>) -> Option<Window<'s>> {
        let end = window.end.saturating_sub(self.after_ms);
        let start = end.saturating_sub(self.range_ms);
        if window.last_t() <= start || end < window.first_t() {
            return None;
        }
        Some(narrowed(window, start, end))
    }

    /// Where the samples at `t` lie to a window's borders. `None` if nothing lies in the window.
    pub(super) fn cuts(&self, window: &Window<'_>, t: &[i64]) -> Option<Cuts> {
        let end = window.end.saturating_sub(self.after_ms);
        let start = end.saturating_sub(self.range_ms);
        let (first, last) = (*t.first()?, *t.last()?);
        if last <= start || end < first {
            return None;
        }
        let beyond = |border: i64| t.partition_point(|it| *it <= border);
        let (left, right) = (beyond(start), beyond(end));
        let between = |at: usize, border: i64| {
            let inside = self.smoothed && 0 < at && at < t.len() && t[at - 1] != border;
            inside.then(|| (border - t[at - 1]) as f64 / (t[at] - t[at - 1]) as f64)
        };
        Some(Cuts {
            start,
            end,
            inner: left,
            outer: right,
            left_share: between(left, start),
            right_share: between(right, end),
        })
    }

    /// The floats of a window and the values on its borders. `None` if nothing lies in it.
    pub(crate) fn borders<'s>(&self, window: &Window<'s>, counter: bool) -> Option<Borders<'s>> {
        let (t, v) = (window.t, window.v);
        let Cuts { start, end, inner, outer, left_share, right_share } = self.cuts(window, t)?;
        let between = |at: usize, share: f64| {
            let (before, after) = (v[at - 1], v[at]);
            let before = if counter && after < before { 0.0 } else { before };
            before + (after - before) * share
        };
        let left = left_share.map(|share| between(inner, share));
        let right = right_share.map(|share| between(outer, share));
        let inside = inner..outer.max(inner);
        Some(Borders {
            start,
            end,
            left: left.unwrap_or(v[inner.saturating_sub(1)]),
            right: right.unwrap_or(v[outer.checked_sub(1)?]),
            t: &t[inside.clone()],
            v: &v[inside],
        })
    }
}

/// Where the borders of a window cut through its samples.
pub(super) struct Cuts {
    start: i64,
    end: i64,
    /// The first sample later than the left border.
    pub(super) inner: usize,
    /// The first sample later than the right border.
    pub(super) outer: usize,
    /// How far the left border is on the way from the sample before it to the one behind, where that
    /// counts.
    pub(super) left_share: Option<f64>,
    pub(super) right_share: Option<f64>,
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

/// Fills a column with `rate`, `increase` or `delta`.
pub(crate) fn fill(
    function: RangeFunction,
    wide: &Wide,
    samples: &Samples,
    worker: &mut Worker<'_>,
    out: &mut Column,
) -> Result<Found, QueryError> {
    let counter = function != RangeFunction::Delta;
    let seconds = wide.range_ms as f64 / 1000.0;
    let rate = function == RangeFunction::Rate;
    let mut found = Found::default();
    wide.slide.each(samples, worker, |window| {
        let Some(window) = wide.used(&window) else { return };
        if window.is_mixed() {
            found.add(Finding::Mixed);
        } else if !window.histogram_t.is_empty() {
            if let Some(rise) = extended_histogram::rise(wide, &window, counter, &mut found) {
                let value = if rate { native::over(&rise, seconds) } else { rise };
                out.push_histogram(window.step, Arc::new(value));
            }
        } else if let Some(borders) = wide.borders(&window, counter && wide.smoothed) {
            let rise = borders.rise(counter);
            out.set(window.step, if rate { rise / seconds } else { rise });
        }
    })?;
    Ok(found)
}

/// Fills a column with `changes` or `resets`: counted from the newest sample before each window on.
pub(crate) fn fill_counts(
    counts: Counts,
    wide: &Wide,
    samples: &Samples,
    worker: &mut Worker<'_>,
    out: &mut Column,
) -> Result<Found, QueryError> {
    let until = over_time::all_counts(counts, samples);
    let times: Vec<i64> = over_time::in_order(samples).map(|it| it.times.1).collect();
    wide.slide.each(samples, worker, |window| {
        let first = window.first + window.first_histogram;
        let last = first + window.len() - 1;
        let start = window.end.saturating_sub(wide.range_ms);
        if start < times[last] {
            let before = times[first..=last].partition_point(|t| *t <= start);
            out.set(window.step, until[last] - until[first + before.saturating_sub(1)]);
        }
    })?;
    Ok(Found::default())
}

/// The samples of one window, with its borders as samples of their own.
pub(crate) fn clip(wide: &Wide, window: &Window<'_>, out: &mut Samples) {
    let used = wide.used(window);
    let Some(borders) = used.and_then(|it| wide.borders(&it, false)) else { return };
    out.push(borders.start, borders.left);
    for (t, v) in borders.t.iter().zip(borders.v).filter(|(t, _)| **t < borders.end) {
        out.push(*t, *v);
    }
    out.push(borders.end, borders.right);
}

/// The newest sample of a window up to `middle` and the first one behind it, unless one lies there. `None` if
/// there is none up to it.
pub(crate) fn around<'s>(window: &Window<'s>, middle: i64) -> Option<Window<'s>> {
    if middle < window.first_t() {
        return None;
    }
    Some(narrowed(window, middle, middle))
}

/// The part of a window from the newest sample up to `start` to the first one from `end` on, as far as there
/// are such.
fn narrowed<'s>(window: &Window<'s>, start: i64, end: i64) -> Window<'s> {
    let both = [window.t, window.histogram_t];
    let upto = |t: &[i64], border: i64| t.partition_point(|it| *it <= border);
    let first = both.iter().filter_map(|t| t[..upto(t, start)].last()).max();
    let last = both.iter().filter_map(|t| t.get(t.partition_point(|it| *it < end))).min();
    let part = |t: &[i64]| {
        let from = first.map_or(0, |first| t.partition_point(|it| it < first));
        from..last.map_or(t.len(), |last| upto(t, *last))
    };
    let (floats, histograms) = (part(window.t), part(window.histogram_t));
    Window {
        t: &window.t[floats.clone()],
        v: &window.v[floats.clone()],
        histogram_t: &window.histogram_t[histograms.clone()],
        histograms: &window.histograms[histograms.clone()],
        first: window.first + floats.start,
        first_histogram: window.first_histogram + histograms.start,
        ..*window
    }
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
