//! Selectors: the newest sample at each step.

use std::sync::Arc;

use model::{METRIC_NAME, MatchType, Matcher, is_stale_nan};
use storage::{Samples, SeriesSet};

use crate::context::Worker;
use crate::exec::range::keep_counts;
use crate::exec::{EachSeries, Operator, Series, SeriesRef};
use crate::plan::{Select, Shift};
use crate::{Column, Grid, QueryError};

/// The newest sample of each series at each step, or its time.
pub(crate) struct InstantSelect {
    pub(crate) set: Arc<dyn SeriesSet>,
    pub(crate) grid: Grid,
    pub(crate) shift: Shift,
    pub(crate) lookback_ms: i64,
    pub(crate) mint: i64,
    pub(crate) maxt: i64,
    pub(crate) answer: Answer,
    /// Of native histograms only counts and sums are asked for.
    pub(crate) counts_only: bool,
}

/// What a selector answers of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Value,
    /// Its time, in seconds.
    Time,
    /// Its start time, in seconds; 0 if it has none.
    Start,
}

impl InstantSelect {
    pub(crate) fn new(
        set: Arc<dyn SeriesSet>,
        grid: Grid,
        select: &Select,
        answer: Answer,
    ) -> Self {
        Self {
            set,
            grid,
            shift: select.shift,
            lookback_ms: select.lookback_ms,
            mint: select.mint,
            maxt: select.maxt,
            answer,
            counts_only: select.counts_only,
        }
    }

    /// True if there is one step only, at the end of what is read.
    fn asks_for_newest(&self) -> bool {
        self.grid.len == 1 && self.shift.apply(self.grid.start) == self.maxt
    }

    fn fill(&self, samples: &mut Samples, out: &mut Column) {
        let mut floats = Cursor::default();
        let mut histograms = Cursor::default();
        if self.counts_only {
            keep_counts(&mut samples.histogram);
        }
        let shared: Vec<_> = samples.histogram.drain(..).map(Arc::new).collect();
        for step in 0..self.grid.len {
            let t = self.shift.apply(self.grid.t(step));
            let oldest = t.saturating_sub(self.lookback_ms);
            let float = floats.newest(&samples.t, t, oldest);
            let histogram = histograms.newest(&samples.histogram_t, t, oldest);
            let sample_t = match (float, histogram) {
                (Some(at), Some(other)) if samples.histogram_t[other] < samples.t[at] => Ok(at),
                (Some(at), None) => Ok(at),
                (_, Some(at)) => Err(at),
                (None, None) => continue,
            };
            match sample_t {
                Ok(at) if is_stale_nan(samples.v[at]) => {}
                Ok(at) => out.set(step, self.float(samples, at)),
                Err(at) if shared[at].is_stale() => {}
                Err(at) => match self.answer {
                    Answer::Value => out.push_histogram(step, shared[at].clone()),
                    Answer::Time => out.set(step, samples.histogram_t[at] as f64 / 1000.0),
                    Answer::Start => out.set(step, samples.histogram_start(at) as f64 / 1000.0),
                },
            }
        }
    }

    /// What is answered of float `at`.
    #[inline]
    fn float(&self, samples: &Samples, at: usize) -> f64 {
        match self.answer {
            Answer::Value => samples.v[at],
            Answer::Time => samples.t[at] as f64 / 1000.0,
            Answer::Start => samples.start(at) as f64 / 1000.0,
        }
    }

    /// [`InstantSelect::fill`] for a series of floats only.
    fn fill_floats(
        &self,
        samples: &Samples,
        worker: &mut Worker<'_>,
        out: &mut Column,
    ) -> Result<(), QueryError> {
        let (values, present) = out.parts_mut();
        let mut floats = Cursor::default();
        for (n, values) in values.chunks_mut(STEPS_BETWEEN_CHECKS).enumerate() {
            worker.spend(values.len())?;
            for (i, value) in values.iter_mut().enumerate() {
                let step = n * STEPS_BETWEEN_CHECKS + i;
                let t = self.shift.apply(self.grid.t(step));
                let oldest = t.saturating_sub(self.lookback_ms);
                let Some(at) = floats.newest(&samples.t, t, oldest) else { continue };
                if !is_stale_nan(samples.v[at]) {
                    *value = self.float(samples, at);
                    present.set(step);
                }
            }
        }
        Ok(())
    }
}

impl Operator for InstantSelect {
    fn len(&self) -> usize {
        self.set.len()
    }

    fn steps(&self) -> usize {
        self.grid.len
    }

    fn series(&self, at: usize) -> Series {
        Series::new(self.set.labels(at))
    }

    fn each_series(&self, each: &mut EachSeries<'_>) {
        self.set.each_labels(&mut |at, labels| each(at, SeriesRef::new(labels)));
    }

    fn eval(&self, at: usize, worker: &mut Worker<'_>, out: &mut Column) -> Result<(), QueryError> {
        worker.with_samples(|worker, samples| {
            let (set, range) = (self.set.as_ref(), (self.mint, self.maxt));
            if self.asks_for_newest() {
                worker.read_newest(set, at, range, samples)?;
            } else {
                worker.read(set, at, range, samples)?;
            }
            worker.spend(samples.len())?;
            out.reset(self.grid.len);
            if samples.histogram_t.is_empty() {
                self.fill_floats(samples, worker, out)?;
            } else {
                worker.spend(self.grid.len)?;
                self.fill(samples, out);
            }
            if worker.counts_by_step() {
                out.points().for_each(|(step, _)| worker.count(step, 1, 1));
            } else {
                worker.count(0, out.len(), out.len());
            }
            Ok(())
        })
    }

    fn is_quiet(&self) -> bool {
        true
    }
}

/// Steps that are filled before it is looked whether the query has to end.
const STEPS_BETWEEN_CHECKS: usize = 1 << 14;

/// Walks ascending times.
#[derive(Default)]
struct Cursor {
    /// The first entry later than the last time asked for.
    next: usize,
}

impl Cursor {
    /// The newest entry in `(oldest, t]`; `t` never falls from call to call.
    #[inline]
    fn newest(&mut self, times: &[i64], t: i64, oldest: i64) -> Option<usize> {
        while self.next < times.len() && times[self.next] <= t {
            self.next += 1;
        }
        let at = self.next.checked_sub(1)?;
        (oldest < times[at]).then_some(at)
    }
}

/// The metric name that all series must have to fulfil `matchers`.
pub(crate) fn pinned_name(matchers: &[Matcher]) -> Option<&str> {
    let pins = |it: &&Matcher| {
        it.kind() == MatchType::Equal && it.name() == METRIC_NAME && !it.value().is_empty()
    };
    matchers.iter().find(pins).map(Matcher::value)
}
