//! The `…_over_time` functions, `changes` and `resets`.

use std::sync::Arc;

use model::{CounterResetHint, FloatHistogram};
use storage::Samples;

use super::RangeFunction;
use super::found::{Finding, Found};
use super::quantile::{nan_first, quantile};
use super::starts;
use super::sum::{self, Kahan};
use super::window::{Slide, Window};
use crate::context::Worker;
use crate::exec::scalar::Scalars;
use crate::native::{self, Added, Incompatible, Mean, Total};
use crate::{Column, QueryError};

/// Fills a column with a function of the floats in each window, which holds one at least.
/// Histograms beside floats are ignored and found.
fn fill_floats<'s>(
    slide: &Slide,
    samples: &'s Samples,
    worker: &mut Worker<'_>,
    out: &mut Column,
    mut f: impl FnMut(&Window<'s>) -> f64,
) -> Result<Found, QueryError> {
    let mut found = Found::default();
    slide.each(samples, worker, |window| {
        if !window.v.is_empty() {
            found.add_if(!window.histogram_t.is_empty(), Finding::Mixed);
            out.set(window.step, f(&window));
        }
    })?;
    Ok(found)
}

/// Fills a column with a function of all samples in each window.
fn fill_all<'s>(
    slide: &Slide,
    samples: &'s Samples,
    worker: &mut Worker<'_>,
    out: &mut Column,
    mut f: impl FnMut(&Window<'s>) -> f64,
) -> Result<Found, QueryError> {
    slide.each(samples, worker, |window| out.set(window.step, f(&window)))?;
    Ok(Found::default())
}

/// Fills a column with `function`, one of those of this module; `phi` is the parameter of
/// `quantile_over_time`.
pub(crate) fn fill(
    function: RangeFunction,
    phi: Option<&Scalars>,
    slide: &Slide,
    samples: &Samples,
    worker: &mut Worker<'_>,
    out: &mut Column,
) -> Result<Found, QueryError> {
    use RangeFunction as F;
    match function {
        F::Avg | F::Sum => fill_sums(function, slide, samples, worker, out),
        F::First | F::Last => fill_samples(function, slide, samples, worker, out),
        F::Count => fill_all(slide, samples, worker, out, |w| w.len() as f64),
        F::Present => fill_all(slide, samples, worker, out, |_| 1.0),
        F::TsOfFirst => fill_all(slide, samples, worker, out, |w| w.first_t() as f64 / 1000.0),
        F::TsOfLast => fill_all(slide, samples, worker, out, |w| w.last_t() as f64 / 1000.0),
        F::Changes => fill_counts(Counts::Changes, slide, samples, worker, out),
        F::Resets => fill_counts(Counts::Resets, slide, samples, worker, out),
        F::Stddev => fill_floats(slide, samples, worker, out, |w| variance(w.v).sqrt()),
        F::Stdvar => fill_floats(slide, samples, worker, out, |w| variance(w.v)),
        F::Mad => {
            let mut scratch = Vec::new();
            fill_floats(slide, samples, worker, out, |w| median_deviation(w.v, &mut scratch))
        }
        F::Quantile => {
            let (phi, mut scratch) = (phi.expect("quantile_over_time has a parameter"), Vec::new());
            fill_floats(slide, samples, worker, out, |w| {
                scratch.clear();
                scratch.extend_from_slice(w.v);
                quantile(phi.at(w.step), &mut scratch)
            })
        }
        _ => fill_extremes(function, slide, samples, worker, out),
    }
}

/// `sum_over_time` and `avg_over_time`: mixed windows have no value.
fn fill_sums(
    function: RangeFunction,
    slide: &Slide,
    samples: &Samples,
    worker: &mut Worker<'_>,
    out: &mut Column,
) -> Result<Found, QueryError> {
    let mut found = Found::default();
    let mean = function == RangeFunction::Avg;
    slide.each(samples, worker, |window| {
        if window.is_mixed() {
            found.add(Finding::Mixed);
        } else if !window.v.is_empty() {
            out.set(window.step, if mean { sum::mean(window.v) } else { sum::sum(window.v) });
        } else if let Some(it) = histogram_sum(mean, window.histograms, &mut found) {
            out.push_histogram(window.step, Arc::new(it));
        }
    })?;
    Ok(found)
}

/// The sum or the mean of histograms, of which there is one at least. `None` if they cannot be added.
fn histogram_sum(
    mean: bool,
    histograms: &[FloatHistogram],
    found: &mut Found,
) -> Option<FloatHistogram> {
    use CounterResetHint::{NotReset, Reset};
    let (first, rest) = histograms.split_first()?;
    let has = |hint| histograms.iter().any(|it| it.hint == hint);
    found.add_if(has(Reset) && has(NotReset), Finding::Collision);
    let mut note = |added: Result<Added, Incompatible>| {
        match added {
            Ok(added) => found.add_if(added.reconciled, Finding::ReconciledAggregation),
            Err(Incompatible) => found.add(Finding::Schemas),
        }
        added.ok()
    };
    if mean {
        let mut total = Mean::of(first);
        rest.iter().try_for_each(|it| note(total.add(it)).map(drop))?;
        return Some(total.finish());
    }
    let mut total = Total::<Kahan>::of(first);
    rest.iter().try_for_each(|it| note(total.add(it)).map(drop))?;
    Some(total.finish())
}

/// `first_over_time` and `last_over_time`: of equal times the histogram counts.
fn fill_samples(
    function: RangeFunction,
    slide: &Slide,
    samples: &Samples,
    worker: &mut Worker<'_>,
    out: &mut Column,
) -> Result<Found, QueryError> {
    let shared: Vec<Arc<FloatHistogram>> =
        samples.histogram.iter().map(|it| Arc::new(it.clone())).collect();
    let first = function == RangeFunction::First;
    slide.each(samples, worker, |window| {
        let t = if first { window.first_t() } else { window.last_t() };
        let end = if first { 0 } else { window.histogram_t.len().saturating_sub(1) };
        if window.histogram_t.get(end) == Some(&t) {
            out.push_histogram(window.step, shared[window.first_histogram + end].clone());
        } else {
            out.set(window.step, window.v[if first { 0 } else { window.v.len() - 1 }]);
        }
    })?;
    Ok(Found::default())
}

/// `changes` and `resets`: counts neighbours that differ. A change of type counts.
fn fill_counts(
    counts: Counts,
    slide: &Slide,
    samples: &Samples,
    worker: &mut Worker<'_>,
    out: &mut Column,
) -> Result<Found, QueryError> {
    // Differences up to each sample, so that a window needs two looks.
    let until = if samples.histogram_t.is_empty() && samples.st.is_empty() {
        float_counts(counts, &samples.v)
    } else {
        all_counts(counts, samples)
    };
    slide.each(samples, worker, |window| {
        // Samples before a window are those before its first float and its first histogram.
        let first = window.first + window.first_histogram;
        out.set(window.step, until[first + window.len() - 1] - until[first]);
    })?;
    Ok(Found::default())
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    Changes,
    Resets,
}

impl Counts {
    /// True if two samples that follow each other count.
    pub(super) fn counts(self, before: Sample<'_>, now: Sample<'_>) -> bool {
        if self == Self::Resets && starts::is_reset(before.times, now.times) {
            return true;
        }
        match (before.value, now.value) {
            (Value::Float(before), Value::Float(now)) => self.counts_floats(before, now),
            (Value::Histogram(before), Value::Histogram(now)) => match self {
                Self::Changes => !native::equal(before, now),
                Self::Resets => native::is_reset(before, now),
            },
            _ => true,
        }
    }

    #[inline]
    fn counts_floats(self, before: f64, now: f64) -> bool {
        match self {
            Self::Changes => before != now && !(before.is_nan() && now.is_nan()),
            Self::Resets => now < before,
        }
    }
}

/// A sample of either type.
#[derive(Clone, Copy)]
pub(super) struct Sample<'a> {
    pub(super) times: starts::Times,
    pub(super) value: Value<'a>,
}

#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Float(f64),
    Histogram(&'a FloatHistogram),
}

/// All samples in order of time.
pub(super) fn in_order(samples: &Samples) -> impl Iterator<Item = Sample<'_>> {
    let (mut float, mut histogram) = (0, 0);
    std::iter::from_fn(move || {
        let float_is_next = match (samples.t.get(float), samples.histogram_t.get(histogram)) {
            (Some(a), Some(b)) => a < b,
            (a, _) => a.is_some(),
        };
        if float_is_next {
            let times = (samples.start(float), samples.t[float]);
            float += 1;
            return Some(Sample { times, value: Value::Float(samples.v[float - 1]) });
        }
        let times = (samples.histogram_start(histogram), *samples.histogram_t.get(histogram)?);
        histogram += 1;
        Some(Sample { times, value: Value::Histogram(&samples.histogram[histogram - 1]) })
    })
}

fn float_counts(counts: Counts, values: &[f64]) -> Vec<f64> {
    let mut count = 0.0;
    let mut until: Vec<f64> = values.first().map(|_| 0.0).into_iter().collect();
    until.extend(values.windows(2).map(|pair| {
        count += f64::from(u8::from(counts.counts_floats(pair[0], pair[1])));
        count
    }));
    until
}

/// For each sample how many count up to it, in order of time.
pub(super) fn all_counts(counts: Counts, samples: &Samples) -> Vec<f64> {
    let (mut count, mut before) = (0.0, None);
    let count_until = |now| {
        let differs = before.is_some_and(|before| counts.counts(before, now));
        before = Some(now);
        count += f64::from(u8::from(differs));
        count
    };
    in_order(samples).map(count_until).collect()
}

/// `min_over_time`, `max_over_time` and the times of both. Of equal values the first one counts for the
/// value, the last one for the time.
fn fill_extremes(
    function: RangeFunction,
    slide: &Slide,
    samples: &Samples,
    worker: &mut Worker<'_>,
    out: &mut Column,
) -> Result<Found, QueryError> {
    use RangeFunction as F;
    match function {
        F::Max => fill_best(slide, samples, worker, out, |old, new| old < new, false),
        F::Min => fill_best(slide, samples, worker, out, |old, new| new < old, false),
        F::TsOfMax => fill_best(slide, samples, worker, out, |old, new| old <= new, true),
        _ => fill_best(slide, samples, worker, out, |old, new| new <= old, true),
    }
}

/// Fills a column with the value, or the time, that no later one of its window beats.
fn fill_best(
    slide: &Slide,
    samples: &Samples,
    worker: &mut Worker<'_>,
    out: &mut Column,
    beaten: impl Fn(f64, f64) -> bool,
    time: bool,
) -> Result<Found, QueryError> {
    let mut candidates = Candidates { queue: Vec::new(), head: 0, next: 0, beaten };
    fill_floats(slide, samples, worker, out, |window| {
        let end = window.first + window.v.len();
        match (candidates.slide(&samples.v, window.first, end), time) {
            (Some(at), false) => samples.v[at],
            // There is nothing but NaN.
            (None, false) => window.v[window.v.len() - 1],
            (at, true) => samples.t[at.unwrap_or(end - 1)] as f64 / 1000.0,
        }
    })
}

/// Positions that may yet be the best of a window, best first. NaN is never among them.
struct Candidates<F> {
    queue: Vec<usize>,
    /// The first one of `queue` that still counts.
    head: usize,
    /// The first position not looked at yet.
    next: usize,
    beaten: F,
}

impl<F: Fn(f64, f64) -> bool> Candidates<F> {
    /// Moves to the window `start..end` and returns the position of its best value.
    #[inline]
    fn slide(&mut self, values: &[f64], start: usize, end: usize) -> Option<usize> {
        for (at, v) in values.iter().enumerate().take(end).skip(self.next.max(start)) {
            if v.is_nan() {
                continue;
            }
            while self.head < self.queue.len()
                && (self.beaten)(values[self.queue[self.queue.len() - 1]], *v)
            {
                self.queue.pop();
            }
            self.queue.push(at);
        }
        self.next = self.next.max(end);
        while self.head < self.queue.len() && self.queue[self.head] < start {
            self.head += 1;
        }
        self.queue.get(self.head).copied()
    }
}

/// Population variance by Welford's method, compensated.
fn variance(values: &[f64]) -> f64 {
    let (mut mean, mut mean_c, mut aux, mut aux_c, mut n) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for v in values {
        n += 1.0;
        let delta = v - (mean + mean_c);
        (mean, mean_c) = sum::add(delta / n, mean, mean_c);
        (aux, aux_c) = sum::add(delta * (v - (mean + mean_c)), aux, aux_c);
    }
    (aux + aux_c) / n
}

/// Median of the distances from the median. NaN if any value is.
fn median_deviation(values: &[f64], scratch: &mut Vec<f64>) -> f64 {
    if values.iter().any(|v| v.is_nan()) {
        return f64::NAN;
    }
    scratch.clear();
    scratch.extend_from_slice(values);
    scratch.sort_unstable_by(nan_first);
    let median = quantile(0.5, scratch);
    scratch.iter_mut().for_each(|v| *v = (*v - median).abs());
    quantile(0.5, scratch)
}
