//! `rate`, `increase`, `delta`, `irate`, `idelta`.

use std::sync::Arc;

use storage::Samples;

use super::RangeFunction;
use super::even::Even;
use super::found::{Finding, Found};
use super::window::{BLOCK, Bounds, Slide, Window, Windows};
use super::{histogram_rate, starts};
use crate::context::Worker;
use crate::{Column, QueryError};

/// Fills a column with `rate`, `increase` or `delta`, extrapolated to the whole window.
pub(crate) fn fill_extrapolated(
    function: RangeFunction,
    slide: &Slide,
    samples: &Samples,
    worker: &mut Worker<'_>,
    out: &mut Column,
) -> Result<Found, QueryError> {
    let counter = function != RangeFunction::Delta;
    let seconds = (function == RangeFunction::Rate).then_some(slide.range_ms as f64 / 1000.0);
    let mut found = Found::default();
    if !samples.st.is_empty() && counter {
        fill_with_starts(seconds, slide, samples, worker, out, &mut found)?;
    } else if slide.grid.len == 1 {
        fill_one((counter, seconds), slide, samples, worker, out)?;
    } else {
        let resets = if counter { resets(&samples.v) } else { Vec::new() };
        let mut block = Block::new(counter, seconds);
        let mut next_reset = 0;
        slide.each_block(&samples.t, worker, |windows| match windows {
            Windows::Any(windows) => {
                block.load(windows, samples);
                if next_reset < resets.len() {
                    let spans = windows.iter().map(|it| (it.from as usize, it.to as usize));
                    block.add_resets(spans, &samples.v, &resets, &mut next_reset);
                }
                block.finish(windows, out);
            }
            Windows::Even(windows) => {
                block.load_even(windows, samples);
                if next_reset < resets.len() {
                    block.add_resets(windows.spans(), &samples.v, &resets, &mut next_reset);
                }
                block.finish_even(windows, samples, out);
            }
        })?;
    }
    if !samples.histogram_t.is_empty() {
        let mut mixed: Vec<usize> = Vec::new();
        slide.each(samples, worker, |window| {
            mixed.extend(window.is_mixed().then_some(window.step));
        })?;
        found.add_if(!mixed.is_empty(), Finding::Mixed);
        out.retain(|step| mixed.binary_search(&step).is_err());
        histogram_rate::fill_extrapolated(function, slide, samples, worker, out, &mut found)?;
    }
    Ok(found)
}

/// Fills a column with one step; given whether it is of a counter, and seconds to divide by.
fn fill_one(
    (counter, seconds): (bool, Option<f64>),
    slide: &Slide,
    samples: &Samples,
    worker: &mut Worker<'_>,
    out: &mut Column,
) -> Result<(), QueryError> {
    slide.each(samples, worker, |window| {
        let (Window { t, v, end, .. }, [first_v, .., last_v]) = (window, window.v) else { return };
        let mut rise = last_v - first_v;
        if counter {
            resets(v).into_iter().for_each(|at| rise += v[at - 1]);
        }
        let stretch = Stretch {
            counter,
            seconds,
            range: (end.saturating_sub(slide.range_ms), end),
            t: (t[0], t[t.len() - 1]),
            n: t.len(),
            start: 0,
        };
        out.set(window.step, rise * stretch.factor(rise, *first_v));
    })
}

/// Fills a column with `rate` or `increase` of floats that have start times.
fn fill_with_starts(
    seconds: Option<f64>,
    slide: &Slide,
    samples: &Samples,
    worker: &mut Worker<'_>,
    out: &mut Column,
    found: &mut Found,
) -> Result<(), QueryError> {
    slide.each(samples, worker, |window| {
        if window.is_mixed() {
            return;
        }
        let Window { t, v, first, end, step, .. } = window;
        let (Some(first_v), Some(last_v)) = (v.first(), v.last()) else { return };
        let times = |at: usize| (samples.start(first + at), t[at]);
        let stretch = Stretch {
            counter: true,
            seconds,
            range: (end.saturating_sub(slide.range_ms), end),
            t: (t[0], t[t.len() - 1]),
            n: t.len(),
            start: samples.start(first),
        };
        let starts_inside = stretch.starts_inside();
        if t.len() < 2 && !starts_inside {
            return;
        }
        let mut rise = last_v - first_v;
        for at in 1..t.len() {
            if v[at] < v[at - 1] || starts::is_reset(times(at - 1), times(at)) {
                rise += v[at - 1];
            }
        }
        found.overlaps +=
            u64::from((1..t.len()).any(|at| starts::overlaps(times(at - 1), times(at))));
        if starts_inside {
            rise += first_v;
        }
        out.set(step, rise * stretch.factor(rise, *first_v));
    })
}

/// What extrapolation needs to know of a window.
pub(super) struct Stretch {
    pub(super) counter: bool,
    /// Divides the result: length of the window, for a rate.
    pub(super) seconds: Option<f64>,
    /// The window's borders.
    pub(super) range: (i64, i64),
    /// Times of the first and the last sample.
    pub(super) t: (i64, i64),
    /// How many samples there are.
    pub(super) n: usize,
    /// Start time of the first sample; 0 if it has none.
    pub(super) start: i64,
}

impl Stretch {
    /// True if the counter is known to have begun within the window.
    pub(super) fn starts_inside(&self) -> bool {
        self.counter && self.start != 0 && self.range.0 < self.start && self.start < self.t.0
    }

    /// By how much `rise`, from the first value `first` on, is to be stretched to cover the window.
    pub(super) fn factor(&self, rise: f64, first: f64) -> f64 {
        let ms = |from: i64, to: i64| (to - from) as f64;
        let gaps = (self.n.max(2) - 1) as f64;
        let borders = (ms(self.range.0, self.t.0), ms(self.t.1, self.range.1));
        let mut reach = Reach::new(ms(self.t.0, self.t.1), gaps, borders);
        if self.starts_inside() {
            reach.sampled = ms(self.start, self.t.1) / 1000.0;
            return reach.factor(0.0, self.seconds);
        }
        reach.factor(reach.begin(self.counter, first, rise), self.seconds)
    }
}

/// Positions of values below the one before.
fn resets(values: &[f64]) -> Vec<usize> {
    const RUN: usize = 32;
    let mut found = Vec::new();
    let (before, after) = (values, values.get(1..).unwrap_or_default());
    for (i, (before, after)) in before.chunks(RUN).zip(after.chunks(RUN)).enumerate() {
        // Most runs have none, which is seen several values at a time.
        if before.iter().zip(after).fold(false, |any, (a, b)| any | (b < a)) {
            let falls = before.iter().zip(after).enumerate().filter(|(_, (a, b))| b < a);
            found.extend(falls.map(|(at, _)| i * RUN + at + 1));
        }
    }
    found
}

/// Windows of one block of steps, in columns: what extrapolation needs to know of them. Arithmetic
/// runs over them without a branch, so that its divisions are done several at a time.
struct Block {
    counter: bool,
    /// Divides the result: length of the window, for a rate.
    seconds: Option<f64>,
    /// Milliseconds from the left border to the first sample.
    to_start: [f64; BLOCK],
    /// Milliseconds from the last sample to the right border.
    to_end: [f64; BLOCK],
    /// Milliseconds from the first sample to the last.
    sampled: [f64; BLOCK],
    /// How many samples follow the first.
    gaps: [f64; BLOCK],
    first: [f64; BLOCK],
    rise: [f64; BLOCK],
}

impl Block {
    fn new(counter: bool, seconds: Option<f64>) -> Self {
        let zeros = [0.0; BLOCK];
        Self {
            counter,
            seconds,
            to_start: zeros,
            to_end: zeros,
            sampled: zeros,
            gaps: zeros,
            first: zeros,
            rise: zeros,
        }
    }

    /// Looks up first and last samples. Of windows with less than two samples nothing is used.
    #[inline]
    fn load(&mut self, windows: &[Bounds], samples: &Samples) {
        let (t, v) = (&samples.t[..], &samples.v[..samples.t.len()]);
        for (at, window) in windows.iter().enumerate() {
            let (from, to) = (window.from as usize, window.to as usize);
            if to < from + 2 {
                continue;
            }
            let (first_t, last_t) = (t[from], t[to - 1]);
            self.to_start[at] = (first_t - window.start) as f64;
            self.to_end[at] = (window.end - last_t) as f64;
            self.sampled[at] = (last_t - first_t) as f64;
            self.gaps[at] = (window.to - window.from - 1).into();
            self.first[at] = v[from];
            self.rise[at] = v[to - 1] - v[from];
        }
    }

    /// Adds what was lost in resets, in their order.
    fn add_resets(
        &mut self,
        windows: impl Iterator<Item = (usize, usize)>,
        values: &[f64],
        resets: &[usize],
        next: &mut usize,
    ) {
        for ((from, to), rise) in windows.zip(&mut self.rise) {
            while *next < resets.len() && resets[*next] <= from {
                *next += 1;
            }
            for reset in resets[*next..].iter().take_while(|reset| **reset < to) {
                *rise += values[reset - 1];
            }
        }
    }

    /// Stretches the rises and puts them into the column.
    fn finish(&mut self, windows: &[Bounds], out: &mut Column) {
        for at in 0..windows.len() {
            self.rise[at] *= self.extrapolation(at);
        }
        for (at, window) in windows.iter().enumerate() {
            if window.from + 1 < window.to {
                out.set(window.step, self.rise[at]);
            }
        }
    }

    /// By how much the rise is to be stretched to cover the window.
    #[inline]
    fn extrapolation(&self, at: usize) -> f64 {
        let reach =
            Reach::new(self.sampled[at], self.gaps[at], (self.to_start[at], self.to_end[at]));
        reach.factor(self.begin(&reach, at), self.seconds)
    }

    #[inline]
    fn begin(&self, reach: &Reach, at: usize) -> f64 {
        reach.begin(self.counter, self.first[at], self.rise[at])
    }

    /// [`Block::load`] for windows that are alike.
    #[inline]
    fn load_even(&mut self, windows: Even, samples: &Samples) {
        let (from, to) = (windows.first.from as usize, windows.first.to as usize);
        let (firsts, lasts) = (&samples.v[from..], &samples.v[to - 1..]);
        let (first, rise) = (&mut self.first[..windows.len], &mut self.rise[..windows.len]);
        if windows.stride == 1 {
            // Neighbours are loaded several at a time.
            first.copy_from_slice(&firsts[..windows.len]);
            let lasts = &lasts[..windows.len];
            rise.iter_mut().zip(lasts).zip(first).for_each(|((rise, last), it)| *rise = last - *it);
            return;
        }
        let firsts = firsts.iter().step_by(windows.stride);
        let lasts = lasts.iter().step_by(windows.stride);
        for ((first_to, rise), (first, last)) in first.iter_mut().zip(rise).zip(firsts.zip(lasts)) {
            (*first_to, *rise) = (*first, last - first);
        }
    }

    /// [`Block::finish`] for windows that are alike: all are stretched as much, but those that would start
    /// below zero.
    #[inline]
    fn finish_even(&mut self, windows: Even, samples: &Samples, out: &mut Column) {
        let Bounds { from, to, step, start, end } = windows.first;
        if to < from + 2 {
            return;
        }
        let (first_t, last_t) = (samples.t[from as usize], samples.t[to as usize - 1]);
        let borders = ((first_t - start) as f64, (end - last_t) as f64);
        let reach = Reach::new((last_t - first_t) as f64, (to - from - 1).into(), borders);
        let usual = reach.factor(reach.to_start, self.seconds);
        if self.counter && self.may_begin_later(windows.len, &reach) {
            for at in 0..windows.len {
                self.rise[at] *= reach.factor(self.begin(&reach, at), self.seconds);
            }
            out.set_run(step, &self.rise[..windows.len]);
        } else {
            let stretched = out.run_mut(step, windows.len).iter_mut().zip(&self.rise);
            stretched.for_each(|(out, rise)| *out = rise * usual);
        }
    }

    /// False if no counter of the first `n` windows was zero before it is taken to have begun. Divides nothing:
    /// that is for [`Reach::begin`], of which this rounds the threshold up.
    #[inline]
    fn may_begin_later(&self, n: usize, reach: &Reach) -> bool {
        let most = reach.to_start / reach.sampled * (1.0 + 1e-9);
        let windows = self.first[..n].iter().zip(&self.rise[..n]);
        windows.fold(false, |any, (first, rise)| any | (*first <= rise * most))
    }
}

/// How far the samples of a window reach, and how far they are taken to reach beyond; in seconds.
struct Reach {
    sampled: f64,
    to_start: f64,
    to_end: f64,
}

impl Reach {
    /// Of milliseconds from the first sample to the last, with so many samples behind the first, and from the
    /// window's borders to these two. Beyond a border that is too far to belong to them, half of their average
    /// distance is theirs.
    #[inline]
    fn new(sampled: f64, gaps: f64, (to_start, to_end): (f64, f64)) -> Self {
        let sampled = sampled / 1000.0;
        let average = sampled / gaps;
        let (threshold, half) = (average * 1.1, average / 2.0);
        let near = |to_border: f64| {
            let to_border = to_border / 1000.0;
            if threshold <= to_border { half } else { to_border }
        };
        Self { sampled, to_start: near(to_start), to_end: near(to_end) }
    }

    /// How long before the first sample the rise is taken to have begun. A counter has not been below zero.
    #[inline]
    fn begin(&self, counter: bool, first: f64, rise: f64) -> f64 {
        let to_zero = self.sampled * (first / rise);
        let was_zero = counter & (0.0 < rise) & (0.0 <= first) & (to_zero < self.to_start);
        if was_zero { to_zero } else { self.to_start }
    }

    /// By how much to stretch what happened between first and last sample, if it is taken to have begun
    /// `to_start` before.
    #[inline]
    fn factor(&self, to_start: f64, seconds: Option<f64>) -> f64 {
        let factor = (self.sampled + to_start + self.to_end) / self.sampled;
        let factor = if self.sampled == 0.0 { 1.0 } else { factor };
        seconds.map_or(factor, |seconds| factor / seconds)
    }
}

/// Fills a column with `irate` or `idelta`: the step between the last two samples of either type.
pub(crate) fn fill_instant(
    function: RangeFunction,
    slide: &Slide,
    samples: &Samples,
    worker: &mut Worker<'_>,
    out: &mut Column,
) -> Result<Found, QueryError> {
    let rate = function == RangeFunction::Irate;
    let mut found = Found::default();
    slide.each(samples, worker, |window| {
        let Some((before, last)) = last_two(&window) else { return };
        let (before_t, last_t) = (before.t(&window), last.t(&window));
        if before_t == last_t {
            return;
        }
        let reset = starts::is_reset(before.times(&window, samples), last.times(&window, samples));
        let seconds = (last_t - before_t) as f64 / 1000.0;
        match (before, last) {
            (Position::Float(before), Position::Float(last)) => {
                let (before, last) = (window.v[before], window.v[last]);
                let rise = if rate && (reset || last < before) { last } else { last - before };
                out.set(window.step, if rate { rise / seconds } else { rise });
            }
            (Position::Histogram(before), Position::Histogram(last)) => {
                let pair = (&window.histograms[before], &window.histograms[last]);
                let step = histogram_rate::step(rate, pair, reset, last_t - before_t, &mut found);
                if let Some(step) = step {
                    out.push_histogram(window.step, Arc::new(step));
                }
            }
            _ => found.add(Finding::Mixed),
        }
    })?;
    Ok(found)
}

/// A sample of a window.
#[derive(Clone, Copy)]
enum Position {
    Float(usize),
    Histogram(usize),
}

impl Position {
    fn t(self, window: &Window<'_>) -> i64 {
        match self {
            Self::Float(at) => window.t[at],
            Self::Histogram(at) => window.histogram_t[at],
        }
    }

    fn times(self, window: &Window<'_>, samples: &Samples) -> starts::Times {
        let start = match self {
            Self::Float(at) => samples.start(window.first + at),
            Self::Histogram(at) => samples.histogram_start(window.first_histogram + at),
        };
        (start, self.t(window))
    }
}

/// The last two samples of a window.
fn last_two(window: &Window<'_>) -> Option<(Position, Position)> {
    let (mut floats, mut histograms) = (window.t.len(), window.histogram_t.len());
    let mut newest = || {
        let float = floats.checked_sub(1);
        let histogram = histograms.checked_sub(1);
        let histogram_is_newer = match (float, histogram) {
            (Some(float), Some(histogram)) => window.t[float] <= window.histogram_t[histogram],
            (_, histogram) => histogram.is_some(),
        };
        if histogram_is_newer {
            histograms -= 1;
            histogram.map(Position::Histogram)
        } else {
            floats = float?;
            float.map(Position::Float)
        }
    };
    let last = newest()?;
    Some((newest()?, last))
}
