//! Slides a window over the samples of one series.

use model::FloatHistogram;
use storage::Samples;

use super::even::{Even, Rhythm};
use crate::context::Worker;
use crate::counts::Counting;
use crate::plan::Shift;
use crate::{Grid, QueryError};

/// The samples in `(start, end]` of one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'a> {
    /// Times of the floats.
    pub(crate) t: &'a [i64],
    /// The floats.
    pub(crate) v: &'a [f64],
    /// Times of the histograms.
    pub(crate) histogram_t: &'a [i64],
    /// The histograms.
    pub(crate) histograms: &'a [FloatHistogram],
    /// Position of the first float among all floats of the series.
    pub(crate) first: usize,
    /// Position of the first histogram among all of the series.
    pub(crate) first_histogram: usize,
    /// Which step it belongs to.
    pub(crate) step: usize,
    pub(crate) end: i64,
}

impl Window<'_> {
    /// Counts floats and histograms.
    pub(crate) fn len(&self) -> usize {
        self.t.len() + self.histogram_t.len()
    }

    /// True if there are floats and histograms.
    pub(crate) fn is_mixed(&self) -> bool {
        !self.t.is_empty() && !self.histogram_t.is_empty()
    }

    /// Time of the oldest sample. The window is not empty.
    pub(crate) fn first_t(&self) -> i64 {
        self.t
            .first()
            .copied()
            .unwrap_or(i64::MAX)
            .min(self.histogram_t.first().copied().unwrap_or(i64::MAX))
    }

    /// Time of the newest sample. The window is not empty.
    pub(crate) fn last_t(&self) -> i64 {
        self.t
            .last()
            .copied()
            .unwrap_or(i64::MIN)
            .max(self.histogram_t.last().copied().unwrap_or(i64::MIN))
    }
}

/// Where the windows of all steps lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slide {
    pub(crate) grid: Grid,
    pub(crate) shift: Shift,
    pub(crate) range_ms: i64,
}

impl Slide {
    /// Calls `visit` with each window that holds a sample. `samples` holds no stale marker.
    ///
    /// # Errors
    /// If the query has to end.
    #[inline]
    pub(crate) fn each<'s>(
        &self,
        samples: &'s Samples,
        worker: &mut Worker<'_>,
        mut visit: impl FnMut(Window<'s>),
    ) -> Result<(), QueryError> {
        let mut floats = Span::default();
        let mut histograms = Span::default();
        let (mut queryable, mut first) = (0, 0);
        for step in 0..self.grid.len {
            let end = self.shift.apply(self.grid.t(step));
            let start = end.saturating_sub(self.range_ms);
            floats.slide(&samples.t, start, end);
            histograms.slide(&samples.histogram_t, start, end);
            if step == 0 {
                first = floats.start + histograms.start;
            }
            let n = floats.len() + histograms.len();
            worker.spend(n + 1)?;
            if n == 0 {
                continue;
            }
            queryable += n;
            visit(Window {
                t: &samples.t[floats.start..floats.end],
                v: &samples.v[floats.start..floats.end],
                histogram_t: &samples.histogram_t[histograms.start..histograms.end],
                histograms: &samples.histogram[histograms.start..histograms.end],
                first: floats.start,
                first_histogram: histograms.start,
                step,
                end,
            });
        }
        worker.count(0, queryable, self.n_read(first, floats.end + histograms.end, queryable));
        Ok(())
    }

    /// Counts the samples of all windows step by step, if it `is_wanted`, and says what they count for when the
    /// windows are visited.
    ///
    /// # Errors
    /// If the query has to end.
    pub(crate) fn count(
        &self,
        samples: &Samples,
        worker: &mut Worker<'_>,
        is_wanted: bool,
    ) -> Result<Counting, QueryError> {
        if !is_wanted {
            return Ok(Counting::Steps);
        }
        let (mut floats, mut histograms) = (Span::default(), Span::default());
        for step in 0..self.grid.len {
            worker.spend(1)?;
            let end = self.shift.apply(self.grid.t(step));
            let start = end.saturating_sub(self.range_ms);
            let before = [floats.end, histograms.end];
            floats.slide(&samples.t, start, end);
            histograms.slide(&samples.histogram_t, start, end);
            let n_new = |span: &Span, before: usize| span.end - span.start.max(before);
            let read = n_new(&floats, before[0]) + n_new(&histograms, before[1]);
            worker.count(step, floats.len() + histograms.len(), read);
        }
        Ok(Counting::Not)
    }

    /// How many samples are in any window, if the first window begins at `first`, the last one ends at `end`, and
    /// `queryable` is the sum of all windows.
    fn n_read(&self, first: usize, end: usize, queryable: usize) -> usize {
        let is_joined =
            self.grid.len <= 1 || self.grid.step <= self.range_ms || self.shift.at.is_some();
        if is_joined { end - first } else { queryable }
    }
}

/// How many windows [`Slide::each_block`] hands out together.
pub(crate) const BLOCK: usize = 64;

/// Where the floats of one step's window are among all floats of the series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Bounds {
    /// The first one.
    pub(crate) from: u32,
    /// The one after the last.
    pub(crate) to: u32,
    /// Which step it belongs to.
    pub(crate) step: usize,
    pub(crate) start: i64,
    pub(crate) end: i64,
}

/// The windows of neighbouring steps.
pub(crate) enum Windows<'w> {
    /// Each by itself; empty ones too.
    Any(&'w [Bounds]),
    /// All alike.
    Even(Even),
}

impl Slide {
    /// Calls `visit` with all windows over the floats at `times`, empty ones included, up to [`BLOCK`] at
    /// once.
    ///
    /// # Errors
    /// If the query has to end.
    #[inline]
    pub(crate) fn each_block(
        &self,
        times: &[i64],
        worker: &mut Worker<'_>,
        mut visit: impl FnMut(Windows<'_>),
    ) -> Result<(), QueryError> {
        assert!(
            u32::try_from(times.len()).is_ok(),
            "a series has less than 2^32 samples in memory"
        );
        let mut span = Span::default();
        let mut rhythm = Rhythm::new(self.grid.step);
        let mut bounds = [Bounds::default(); BLOCK];
        let (mut queryable, mut first_float) = (0, 0);
        for first in (0..self.grid.len).step_by(BLOCK) {
            let block = &mut bounds[..BLOCK.min(self.grid.len - first)];
            worker.spend(4 * BLOCK)?;
            block[0] = self.bounds(first, times, &mut span);
            if first == 0 {
                first_float = span.start;
            }
            let even = rhythm.even(times, block[0], block.len());
            if let Some(even) = even.filter(|_| self.moves_evenly(block[0], block.len())) {
                queryable += span.len() * even.len;
                span.skip(even.stride * (even.len - 1));
                visit(Windows::Even(even));
                continue;
            }
            for (i, bounds) in block.iter_mut().enumerate().skip(1) {
                *bounds = self.bounds(first + i, times, &mut span);
            }
            queryable += block.iter().map(|it| (it.to - it.from) as usize).sum::<usize>();
            visit(Windows::Any(block));
        }
        worker.count(0, queryable, self.n_read(first_float, span.end, queryable));
        Ok(())
    }

    /// True if `len` windows from `first` on are a step apart each: far out they pile up, and with `@` they
    /// stay where they are.
    fn moves_evenly(&self, first: Bounds, len: usize) -> bool {
        let passed = self.grid.step * (len - 1) as i64;
        let last = self.shift.apply(self.grid.t(first.step + len - 1));
        first.end.checked_sub(self.range_ms) == Some(first.start)
            && first.end.checked_add(passed) == Some(last)
    }

    /// Moves `span` to the window of `step`.
    #[inline]
    fn bounds(&self, step: usize, times: &[i64], span: &mut Span) -> Bounds {
        let end = self.shift.apply(self.grid.t(step));
        let start = end.saturating_sub(self.range_ms);
        span.slide(times, start, end);
        #[expect(clippy::cast_possible_truncation, reason = "the caller asserts it")]
        let (from, to) = (span.start as u32, span.end as u32);
        Bounds { from, to, step, start, end }
    }
}

/// Positions of a window's samples.
#[derive(Default)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    /// Moves to the samples in `(start, end]`; neither border ever falls from call to call.
    #[inline]
    fn slide(&mut self, times: &[i64], start: i64, end: i64) {
        while self.end < times.len() && times[self.end] <= end {
            self.end += 1;
        }
        while self.start < self.end && times[self.start] <= start {
            self.start += 1;
        }
    }

    fn skip(&mut self, n: usize) {
        self.start += n;
        self.end += n;
    }

    fn len(&self) -> usize {
        self.end - self.start
    }
}
