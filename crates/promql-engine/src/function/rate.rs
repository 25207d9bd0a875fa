//! `rate`, `increase`, `delta`, `irate`, `idelta`.

use storage::Samples;

use super::RangeFunction;
use super::window::{BLOCK, Bounds, Slide};
use crate::context::Worker;
use crate::{Column, QueryError};

/// What happened besides the values.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    /// A window held floats and histograms.
    pub(crate) mixed: bool,
}

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
    let mut mixed: Vec<usize> = Vec::new();
    if !samples.histogram_t.is_empty() {
        slide.each(samples, worker, |window| {
            mixed.extend(window.is_mixed().then_some(window.step))
        })?;
        found.mixed = !mixed.is_empty();
    }
    let resets = if counter { resets(&samples.v) } else { Vec::new() };
    let mut block = Block::new(counter, seconds);
    let mut next_reset = 0;
    slide.each_block(&samples.t, worker, |windows| {
        block.load(windows, samples);
        if next_reset < resets.len() {
            block.add_resets(windows, &samples.v, &resets, &mut next_reset);
        }
        block.finish(windows, out);
    })?;
    if found.mixed {
        out.retain(|step| mixed.binary_search(&step).is_err());
    }
    Ok(found)
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
        windows: &[Bounds],
        values: &[f64],
        resets: &[usize],
        next: &mut usize,
    ) {
        for (at, window) in windows.iter().enumerate() {
            while *next < resets.len() && resets[*next] <= window.from as usize {
                *next += 1;
            }
            for reset in resets[*next..].iter().take_while(|reset| **reset < window.to as usize) {
                self.rise[at] += values[reset - 1];
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

    /// By how much the rise is to be stretched to cover the window. A counter is not extrapolated below
    /// zero.
    #[inline]
    fn extrapolation(&self, at: usize) -> f64 {
        let sampled = self.sampled[at] / 1000.0;
        let (rise, first) = (self.rise[at], self.first[at]);
        let average = sampled / self.gaps[at];
        let (threshold, half) = (average * 1.1, average / 2.0);
        let to_start = self.to_start[at] / 1000.0;
        let to_start = if threshold <= to_start { half } else { to_start };
        let to_zero = sampled * (first / rise);
        let below_zero = self.counter & (0.0 < rise) & (0.0 <= first) & (to_zero < to_start);
        let to_start = if below_zero { to_zero } else { to_start };
        let to_end = self.to_end[at] / 1000.0;
        let to_end = if threshold <= to_end { half } else { to_end };
        let factor = (sampled + to_start + to_end) / sampled;
        let factor = if sampled == 0.0 { 1.0 } else { factor };
        self.seconds.map_or(factor, |seconds| factor / seconds)
    }
}

/// Fills a column with `irate` or `idelta`: the step between the last two samples.
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
        let n = window.t.len();
        // The last two samples of either type decide.
        if let Some(last_histogram) = window.histogram_t.last()
            && (n < 2 || window.t[n - 2] < *last_histogram)
        {
            let both = n != 0 && {
                let before_last =
                    window.histogram_t.len().checked_sub(2).map(|at| window.histogram_t[at]);
                before_last.is_none_or(|it| it < window.t[n - 1])
            };
            found.mixed |= both;
            return;
        }
        let (&[.., before_t, last_t], &[.., before, last]) = (window.t, window.v) else { return };
        if before_t == last_t {
            return;
        }
        let rise = if rate && last < before { last } else { last - before };
        out.set(
            window.step,
            if rate { rise / ((last_t - before_t) as f64 / 1000.0) } else { rise },
        );
    })?;
    Ok(found)
}
