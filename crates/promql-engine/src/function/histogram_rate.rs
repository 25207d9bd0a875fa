//! `rate`, `increase`, `delta`, `irate`, `idelta` of native histograms.

use std::sync::Arc;

use model::{CounterResetHint, FloatHistogram};
use storage::Samples;

use super::RangeFunction;
use super::found::{Finding, Found};
use super::rate::Stretch;
use super::starts;
use super::window::{Slide, Window};
use crate::context::Worker;
use crate::native::{Operation, Plain, Total, compact, is_reset, over, times};
use crate::{Column, QueryError};

/// Adds the histograms to a column with `rate`, `increase` or `delta`. Windows that hold floats, too, have
/// no value.
pub(crate) fn fill_extrapolated(
    function: RangeFunction,
    slide: &Slide,
    samples: &Samples,
    worker: &mut Worker<'_>,
    out: &mut Column,
    found: &mut Found,
) -> Result<(), QueryError> {
    slide.each(samples, worker, |window| {
        if window.histogram_t.is_empty() || !window.t.is_empty() {
            return;
        }
        let rate = Rate { function, window, samples };
        if let Some(it) = rate.value(slide.range_ms, found) {
            out.push_histogram(window.step, Arc::new(it));
        }
    })
}

/// The rise over one window of histograms.
struct Rate<'a> {
    function: RangeFunction,
    window: Window<'a>,
    samples: &'a Samples,
}

impl Rate<'_> {
    fn value(&self, range_ms: i64, found: &mut Found) -> Option<FloatHistogram> {
        let Window { histograms, histogram_t, .. } = self.window;
        let counter = self.function != RangeFunction::Delta;
        let seconds = (self.function == RangeFunction::Rate).then_some(range_ms as f64 / 1000.0);
        let (first, last) = (histograms.first()?, histograms.last()?);
        let stretch = Stretch {
            counter,
            seconds,
            range: (self.window.end.saturating_sub(range_ms), self.window.end),
            t: (*histogram_t.first()?, *histogram_t.last()?),
            n: histograms.len(),
            start: self.start(0),
        };
        let starts_inside = stretch.starts_inside();
        if histograms.len() < 2 && !starts_inside {
            return None;
        }
        found.overlaps += u64::from(
            (1..histograms.len()).any(|at| starts::overlaps(self.times(at - 1), self.times(at))),
        );
        let mut rise = if histograms.len() == 1 {
            check_hints(counter, first, last, found);
            Total::of(first)
        } else {
            let mut rise = self.rise(counter, found)?;
            if starts_inside {
                found.add_sum(rise.add(first).ok()?, Operation::Addition);
                rise.hint = CounterResetHint::Gauge;
            }
            rise
        };
        let factor = stretch.factor(rise.count, first.count);
        rise.scale(|v| v * factor);
        let mut rise = rise.finish();
        // A histogram alone stays as it is.
        if 1 < histograms.len() {
            compact(&mut rise);
        }
        Some(rise)
    }

    fn rise(&self, counter: bool, found: &mut Found) -> Option<Total<Plain>> {
        let histograms = self.window.histograms;
        let (last, second) = (histograms.last()?, histograms.get(1)?);
        check_hints(counter, histograms.first()?, last, found);
        let empty = FloatHistogram {
            schema: second.schema,
            custom_values: second.custom_values.clone(),
            ..FloatHistogram::default()
        };
        // What was before a reset does not count, nor does its layout.
        let replaced = counter && self.is_reset(&histograms[0], 1);
        let first = if replaced { &empty } else { &histograms[0] };
        let middle = if counter { &histograms[1..histograms.len() - 1] } else { &[] };
        if counter {
            let gauge = middle.iter().any(|it| it.hint == CounterResetHint::Gauge);
            found.add_if(gauge, Finding::NotCounter);
        }
        let used = || middle.iter().chain([first]);
        if used().any(|it| it.has_custom_buckets() != last.has_custom_buckets()) {
            found.add(Finding::Schemas);
            return None;
        }
        let mut rise = Total::<Plain>::of(last);
        rise.reduce_to(used().map(|it| it.schema).min()?);
        found.add_sum(rise.subtract(first).ok()?, Operation::Subtraction);
        if counter {
            let mut before = first;
            for (at, now) in histograms.iter().enumerate().skip(1) {
                if self.is_reset(before, at) {
                    found.add_sum(rise.add(before).ok()?, Operation::Addition);
                }
                before = now;
            }
        }
        rise.hint = CounterResetHint::Gauge;
        Some(rise)
    }

    /// True if counting began anew between `before` and histogram `at`.
    fn is_reset(&self, before: &FloatHistogram, at: usize) -> bool {
        starts::is_reset(self.times(at - 1), self.times(at))
            || is_reset(before, &self.window.histograms[at])
    }

    fn start(&self, at: usize) -> i64 {
        self.samples.histogram_start(self.window.first_histogram + at)
    }

    fn times(&self, at: usize) -> starts::Times {
        (self.start(at), self.window.histogram_t[at])
    }
}

/// Notes that a border of a window is no counter, or no gauge.
pub(super) fn check_hints(
    counter: bool,
    first: &FloatHistogram,
    last: &FloatHistogram,
    found: &mut Found,
) {
    let gauges = [first, last].map(|it| it.hint == CounterResetHint::Gauge);
    if counter {
        found.add_if(gauges.contains(&true), Finding::NotCounter);
    } else {
        found.add_if(gauges.contains(&false), Finding::NotGauge);
    }
}

/// The step between two histograms that follow each other, `ms` apart: for `irate` or `idelta`.
pub(super) fn step(
    rate: bool,
    (before, last): (&FloatHistogram, &FloatHistogram),
    reset: bool,
    ms: i64,
    found: &mut Found,
) -> Option<FloatHistogram> {
    check_hints(rate, before, last, found);
    let mut rise = Total::<Plain>::of(last);
    if !(rate && (reset || is_reset(before, last))) {
        let Ok(added) = rise.subtract(before) else {
            found.add(Finding::Schemas);
            return None;
        };
        found.add_sum(added, Operation::Subtraction);
    }
    rise.hint = CounterResetHint::Gauge;
    let mut rise = rise.finish();
    compact(&mut rise);
    Some(if rate { over(&rise, ms as f64 / 1000.0) } else { rise })
}

/// The histogram between two others, `share` of the way; for counters from zero after a reset.
pub(super) fn between(
    counter: bool,
    before: &FloatHistogram,
    after: &FloatHistogram,
    share: f64,
    found: &mut Found,
) -> Option<FloatHistogram> {
    if before.has_custom_buckets() != after.has_custom_buckets() {
        found.add(Finding::Schemas);
        return None;
    }
    if counter && is_reset(before, after) {
        return Some(times(after, share));
    }
    let mut step = difference(after, before, found).ok()?;
    step.scale(|v| v * share);
    found.add_sum(step.add(before).ok()?, Operation::Addition);
    Some(step.finish())
}

/// `a - b`
pub(super) fn difference(
    a: &FloatHistogram,
    b: &FloatHistogram,
    found: &mut Found,
) -> Result<Total<Plain>, crate::native::Incompatible> {
    let mut total = Total::<Plain>::of(a);
    found.add_sum(total.subtract(b)?, Operation::Subtraction);
    Ok(total)
}
