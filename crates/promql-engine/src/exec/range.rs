//! Range vectors and the functions over them.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use model::{CounterResetHint, FloatHistogram, is_stale_nan};
use storage::{Samples, SeriesSet};

use crate::annotation::Place;
use crate::context::{Context, WORK_BETWEEN_CHECKS, Worker};
use crate::counts::Counting;
use crate::exec::drive::after;
use crate::exec::scalar::Scalars;
use crate::exec::select::pinned_name;
use crate::exec::series::TYPE;
use crate::exec::{EachSeries, Operator, Series, SeriesRef};
use crate::function::extended::{self, Wide};
use crate::function::extended_histogram;
use crate::function::found::{Finding, Found};
use crate::function::over_time::{self, Counts};
use crate::function::window::Slide;
use crate::function::{RangeFunction, quantile, rate, regression};
use crate::native::{self, Operation};
use crate::plan::{Select, Shift};
use crate::{Column, Grid, QueryError};

/// An open range vector: all samples that any of its windows can hold, series by series.
pub(crate) enum RangeSource {
    Select(SelectSource),
    Subquery(SubquerySource),
}

/// Samples of selected series.
pub(crate) struct SelectSource {
    set: Arc<dyn SeriesSet>,
    mint: i64,
    maxt: i64,
    name: Option<String>,
    counts_only: bool,
}

impl SelectSource {
    pub(crate) fn new(set: Arc<dyn SeriesSet>, select: &Select) -> Self {
        let name = pinned_name(&select.matchers).map(str::to_owned);
        Self { set, mint: select.mint, maxt: select.maxt, name, counts_only: select.counts_only }
    }
}

/// The steps of another evaluation.
pub(crate) struct SubquerySource {
    pub(crate) op: Box<dyn Operator>,
    pub(crate) grid: Grid,
}

impl RangeSource {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Select(it) => it.set.len(),
            Self::Subquery(it) => it.op.len(),
        }
    }

    pub(crate) fn series(&self, at: usize) -> Series {
        match self {
            Self::Select(it) => Series::new(it.set.labels(at)),
            Self::Subquery(it) => it.op.series(at),
        }
    }

    fn is_quiet(&self) -> bool {
        match self {
            Self::Select(_) => true,
            Self::Subquery(it) => it.op.is_quiet(),
        }
    }

    /// What comes after the range vector: a subquery is evaluated before the function and its parameters, so what
    /// fails there comes first.
    pub(crate) fn after<T>(
        &self,
        result: Result<T, QueryError>,
        context: &Context,
    ) -> Result<T, QueryError> {
        match self {
            Self::Select(_) => result,
            Self::Subquery(it) => after(context, it.op.as_ref(), result),
        }
    }

    fn each_series(&self, each: &mut EachSeries<'_>) {
        match self {
            Self::Select(it) => {
                it.set.each_labels(&mut |at, labels| each(at, SeriesRef::new(labels)));
            }
            Self::Subquery(it) => it.op.each_series(each),
        }
    }

    /// True if all series have the same metric name.
    fn has_one_name(&self) -> bool {
        matches!(self, Self::Select(SelectSource { name: Some(_), .. }))
    }

    /// The metric name of series `at`, or `""`.
    fn metric_name(&self, at: usize) -> String {
        match self {
            Self::Select(SelectSource { name: Some(name), .. }) => name.clone(),
            _ => self.series(at).labels.metric_name().to_owned(),
        }
    }

    /// Roughly the samples of a series.
    fn weight(&self) -> usize {
        match self {
            // Most series have a sample every 15 to 60 s.
            Self::Select(it) => {
                usize::try_from(it.maxt.saturating_sub(it.mint) / 30_000).unwrap_or(0)
            }
            Self::Subquery(it) => it.op.weight() + it.grid.len,
        }
    }

    /// Fills an empty buffer with the samples of series `at`, without stale markers, and charges it.
    pub(crate) fn read(
        &self,
        at: usize,
        worker: &mut Worker<'_>,
        out: &mut Samples,
    ) -> Result<(), QueryError> {
        match self {
            Self::Select(it) => {
                worker.read(it.set.as_ref(), at, (it.mint, it.maxt), out)?;
                worker.spend(out.len())?;
                drop_stale(out);
                if it.counts_only {
                    keep_counts(&mut out.histogram);
                }
                Ok(())
            }
            Self::Subquery(it) => it.read(at, worker, out),
        }
    }
}

impl SubquerySource {
    fn read(
        &self,
        at: usize,
        worker: &mut Worker<'_>,
        out: &mut Samples,
    ) -> Result<(), QueryError> {
        worker.with_column(self.grid.len, |worker, column| {
            worker.with_counting(Counting::Read, |worker| self.op.eval(at, worker, column))?;
            worker.charge_points(column)?;
            for (n, (step, v)) in column.floats().enumerate() {
                if n % WORK_BETWEEN_CHECKS == WORK_BETWEEN_CHECKS - 1 {
                    worker.context.check()?;
                }
                out.push(self.grid.t(step), v);
            }
            for (step, histogram) in column.histograms() {
                let mut histogram = histogram.as_ref().clone();
                // Steps may lie further apart than the samples that the hints are about.
                if histogram.hint != CounterResetHint::Gauge {
                    histogram.hint = CounterResetHint::Unknown;
                }
                out.histogram_t.push(self.grid.t(*step as usize));
                out.histogram.push(histogram);
            }
            Ok(())
        })
    }
}

/// Removes the buckets of histograms, and says instead in their hints what the buckets say about resets.
pub(crate) fn keep_counts(histograms: &mut [FloatHistogram]) {
    let mut before: Option<FloatHistogram> = None;
    for it in histograms.iter_mut().filter(|it| !it.is_stale()) {
        let hint = match (it.hint, &before) {
            (CounterResetHint::Unknown, Some(before)) if native::is_reset(before, it) => {
                CounterResetHint::Reset
            }
            (CounterResetHint::Unknown, Some(_)) => CounterResetHint::NotReset,
            (hint, _) => hint,
        };
        let counts = FloatHistogram { hint, ..native::without_buckets(it) };
        before = Some(std::mem::replace(it, counts));
    }
}

/// Removes stale markers.
fn drop_stale(samples: &mut Samples) {
    // Runs of values are looked at without a branch for each; hardly ever is one no number.
    let has_nan = |run: &[f64]| run.iter().fold(false, |any, v| any | v.is_nan());
    if samples.v.chunks(64).any(has_nan) {
        samples.retain_floats(0, |_, v| !is_stale_nan(v));
    }
    if samples.histogram.iter().any(|it| is_stale_nan(it.sum)) {
        samples.retain_histograms(0, |_, it| !is_stale_nan(it.sum));
    }
}

/// A function of a range vector.
pub(crate) struct OverOp {
    pub(crate) function: RangeFunction,
    pub(crate) source: RangeSource,
    pub(crate) slide: Slide,
    /// Present if the windows are anchored or smoothed.
    pub(crate) wide: Option<Wide>,
    pub(crate) params: Vec<Scalars>,
    /// Of the range argument.
    pub(crate) place: Place,
    pub(crate) args_place: Place,
    pub(crate) delayed_names: bool,
    /// Start times of samples count.
    pub(crate) starts: bool,
    /// Metric names whose kind of metric was looked at already.
    pub(crate) checked: Mutex<HashSet<String>>,
    /// The one metric name that all series have was.
    pub(crate) is_checked: AtomicBool,
}

impl OverOp {
    fn fill(
        &self,
        samples: &Samples,
        worker: &mut Worker<'_>,
        out: &mut Column,
    ) -> Result<Found, QueryError> {
        use RangeFunction as F;
        let (function, slide) = (self.function, &self.slide);
        if let Some(wide) = &self.wide {
            return match function {
                F::Changes => extended::fill_counts(Counts::Changes, wide, samples, worker, out),
                F::Resets => extended::fill_counts(Counts::Resets, wide, samples, worker, out),
                _ => extended::fill(function, wide, samples, worker, out),
            };
        }
        match function {
            F::Rate | F::Increase | F::Delta => {
                rate::fill_extrapolated(function, slide, samples, worker, out)
            }
            F::Irate | F::Idelta => rate::fill_instant(function, slide, samples, worker, out),
            F::Deriv | F::PredictLinear => {
                regression::fill_linear(function, self.params.first(), slide, samples, worker, out)
            }
            F::DoubleExponentialSmoothing => {
                let factors = (&self.params[0], &self.params[1]);
                regression::fill_smoothing(factors, slide, samples, worker, out)
            }
            _ => over_time::fill(function, self.params.first(), slide, samples, worker, out),
        }
    }

    /// True if the function looks at start times of samples.
    fn uses_starts(&self) -> bool {
        use RangeFunction as F;
        match self.function {
            F::Rate | F::Increase => self.wide.is_none(),
            F::Irate | F::Resets => true,
            _ => false,
        }
    }

    /// Notes what is wrong with a series that was looked at.
    fn note(&self, at: usize, found: Found, out: &Column, context: &Context) {
        use RangeFunction as F;
        if !found.is_empty() {
            self.note_found(&self.source.metric_name(at), found, context);
        }
        if self.function == F::Quantile {
            let unusual = |step: &usize| quantile::is_unusual(self.params[0].at(*step));
            for step in out.present().ones().filter(unusual) {
                let text = quantile::warning(self.params[0].at(step));
                context.note(|notes| notes.warn(self.args_place, text));
            }
        }
        if matches!(self.function, F::Rate | F::Increase) && out.present().any() {
            self.check_counter(at, context);
        }
    }

    fn note_found(&self, name: &str, found: Found, context: &Context) {
        use RangeFunction as F;
        let place = match self.function {
            F::Quantile => self.args_place,
            _ => self.place,
        };
        if found.overlaps != 0 {
            context.note(|notes| notes.overlaps(place, name, found.overlaps));
        }
        let ignores = !matches!(
            self.function,
            F::Rate | F::Increase | F::Delta | F::Avg | F::Sum | F::Irate | F::Idelta
        );
        if ignores && found.has(Finding::Mixed) {
            let text = format!(
                "ignored histograms in a range containing both floats and histograms for metric name {}",
                model::quote(name)
            );
            return context.note(|notes| notes.info(place, text));
        }
        note_histograms(found, name, place, context);
    }

    /// Notes a rate of what does not look like a counter.
    fn check_counter(&self, at: usize, context: &Context) {
        if self.source.has_one_name() && !context.type_and_unit_labels {
            if self.is_checked.load(Ordering::Relaxed) {
                return;
            }
            self.is_checked.store(true, Ordering::Relaxed);
        }
        let name = self.source.metric_name(at);
        if name.is_empty() || !self.is_unchecked(&name, context) {
            return;
        }
        let quoted = model::quote(&name);
        if context.type_and_unit_labels {
            let labels = self.source.series(at).labels;
            let kind = labels.value(TYPE);
            if !matches!(kind, "counter" | "histogram") {
                let kind = model::quote(kind);
                context.note(|notes| notes.info(self.place, format!(
                    "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", got {kind}: {quoted}"
                )));
            }
        } else if !["_total", "_sum", "_count", "_bucket"]
            .iter()
            .any(|suffix| name.ends_with(suffix))
        {
            context.note(|notes| notes.info(self.place, format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {quoted}"
            )));
        }
    }

    /// True the first time a metric is asked about. Types may differ within a metric.
    fn is_unchecked(&self, name: &str, context: &Context) -> bool {
        if context.type_and_unit_labels {
            return true;
        }
        let mut checked = self.checked.lock().expect("no holder panics");
        !checked.contains(name) && checked.insert(name.to_owned())
    }
}

impl Operator for OverOp {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn steps(&self) -> usize {
        self.slide.grid.len
    }

    fn series(&self, at: usize) -> Series {
        let series = self.source.series(at);
        if self.function.keeps_name() { series } else { series.without_name(self.delayed_names) }
    }

    fn each_series(&self, each: &mut EachSeries<'_>) {
        if self.function.keeps_name() {
            return self.source.each_series(each);
        }
        let mut scratch = Vec::new();
        self.source.each_series(&mut |at, series| {
            each(at, series.without_name(self.delayed_names, &mut scratch))
        });
    }

    fn eval(&self, at: usize, worker: &mut Worker<'_>, out: &mut Column) -> Result<(), QueryError> {
        worker.with_samples(|worker, samples| {
            self.source.read(at, worker, samples)?;
            if !(self.starts && self.uses_starts()) {
                samples.st.clear();
                samples.histogram_st.clear();
            }
            out.reset(self.steps());
            if samples.is_empty() {
                return Ok(());
            }
            worker.charge_like(&samples.histogram, self.steps())?;
            // Some functions look at windows several times if there are histograms.
            let counts_now = worker.counts_by_step() || !samples.histogram_t.is_empty();
            let slide = self.wide.as_ref().map_or(&self.slide, |it| &it.slide);
            let counting = slide.count(samples, worker, counts_now)?;
            let found = worker.with_counting(counting, |worker| self.fill(samples, worker, out));
            let found = self.source.after(found, worker.context)?;
            self.note(at, found, out, worker.context);
            Ok(())
        })
    }

    fn weight(&self) -> usize {
        self.steps() + 64 + self.source.weight()
    }

    fn is_quiet(&self) -> bool {
        self.wide.is_none() && self.function.is_quiet() && self.source.is_quiet()
    }
}

/// Notes what was found about the histograms of a metric.
pub(super) fn note_histograms(found: Found, name: &str, place: Place, context: &Context) {
    let name = model::quote(name);
    let warnings = [
        (
            Finding::Mixed,
            format!("encountered a mix of histograms and floats for metric name {name}"),
        ),
        (
            Finding::Schemas,
            format!(
                "vector contains a mix of histograms with exponential and custom buckets schemas for metric name {name}"
            ),
        ),
        (Finding::NotCounter, format!("this native histogram metric is not a counter: {name}")),
        (Finding::NotGauge, format!("this native histogram metric is not a gauge: {name}")),
        (Finding::Collision, Operation::Aggregation.collision()),
    ];
    let infos = [
        (Finding::ReconciledAddition, Operation::Addition),
        (Finding::ReconciledSubtraction, Operation::Subtraction),
        (Finding::ReconciledAggregation, Operation::Aggregation),
    ];
    context.note(|notes| {
        for (_, text) in warnings.into_iter().filter(|(it, _)| found.has(*it)) {
            notes.warn(place, text);
        }
        for (_, operation) in infos.into_iter().filter(|(it, _)| found.has(*it)) {
            notes.info(place, operation.reconciled());
        }
    });
}

/// A smoothed instant selector: between the samples around each step.
pub(crate) struct SmoothedSelect {
    source: RangeSource,
    grid: Grid,
    shift: Shift,
    place: Place,
    /// From a look-back before each step to one after it.
    slide: Slide,
}

impl SmoothedSelect {
    pub(crate) fn new(source: RangeSource, grid: Grid, select: &Select, place: Place) -> Self {
        let offset_ms = select.shift.offset_ms.saturating_sub(select.lookback_ms);
        let slide = Slide {
            grid,
            shift: Shift { offset_ms, ..select.shift },
            range_ms: select.lookback_ms.saturating_mul(2),
        };
        Self { source, grid, shift: select.shift, place, slide }
    }
}

impl Operator for SmoothedSelect {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn steps(&self) -> usize {
        self.grid.len
    }

    fn series(&self, at: usize) -> Series {
        self.source.series(at)
    }

    fn eval(&self, at: usize, worker: &mut Worker<'_>, out: &mut Column) -> Result<(), QueryError> {
        worker.with_samples(|worker, samples| {
            self.source.read(at, worker, samples)?;
            out.reset(self.grid.len);
            let mut found = Found::default();
            let counting = self.slide.count(samples, worker, worker.counts_by_step())?;
            worker.with_counting(counting, |worker| {
                self.slide.each(samples, worker, |window| {
                    let t = self.shift.apply(self.grid.t(window.step));
                    let Some(window) = extended::around(&window, t) else { return };
                    if window.is_mixed() {
                        found.add(Finding::Mixed);
                    } else if !window.histogram_t.is_empty() {
                        if let Some(it) = extended_histogram::at_middle(&window, t, &mut found) {
                            out.push_histogram(window.step, Arc::new(it));
                        }
                    } else if let Some(v) = extended::at_middle(&window, t) {
                        out.set(window.step, v);
                    }
                })
            })?;
            if !found.is_empty() {
                let name = self.source.metric_name(at);
                note_histograms(found, &name, self.place, worker.context);
            }
            Ok(())
        })
    }
}
