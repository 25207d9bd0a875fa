//! `histogram_quantile`, `histogram_quantiles` and `histogram_fraction`, over series of classic buckets and
//! over native histograms.

use std::collections::HashMap;

use model::{FloatHistogram, Labels, quote};

use crate::account::Charge;
use crate::annotation::{Monotonicity, Place, for_name};
use crate::context::{Context, Worker};
use crate::exec::drive::after;
use crate::exec::group::{index, series_bytes};
use crate::exec::merge::same_labelset;
use crate::exec::scalar::Scalars;
use crate::exec::{Operator, Series, check_at};
use crate::function::histogram::{self, Bucket};
use crate::function::quantile::{is_unusual, warning};
use crate::native::share;
use crate::{Column, Grid, QueryError};

/// The label that holds a bucket's upper bound.
const LE: &str = "le";

/// What to compute from the buckets of a histogram.
pub(crate) enum Ask {
    Quantile {
        phi: Scalars,
        place: Place,
    },
    /// One output series for each quantile, told apart by a label.
    Quantiles {
        label: String,
        phis: Vec<(Scalars, Place)>,
    },
    Fraction {
        lower: Scalars,
        upper: Scalars,
    },
}

/// A function of histograms. The series of a classic one are found by their labels without `le`.
pub(crate) struct Classic {
    op: Box<dyn Operator>,
    ask: Ask,
    histograms: Vec<Histogram>,
    /// Where the vector stands.
    place: Place,
    grid: Grid,
    delayed_names: bool,
    _charge: Charge,
}

/// The series of one histogram.
struct Histogram {
    /// Labels without `le`.
    series: Series,
    /// Series, and upper bound or what the label says instead.
    buckets: Vec<(u32, Result<f64, String>)>,
}

impl Classic {
    pub(crate) fn new(
        op: Box<dyn Operator>,
        ask: Ask,
        grid: Grid,
        place: Place,
        context: &Context,
    ) -> Result<Self, QueryError> {
        let mut charge = context.charge();
        let mut histograms: Vec<Histogram> = Vec::new();
        let mut known: HashMap<Labels, usize> = HashMap::new();
        for at in 0..op.len() {
            check_at(context, at)?;
            let mut series = op.series(at);
            let bound = stdx::gofloat::parse(series.labels.value(LE))
                .map_err(|_| series.labels.value(LE).to_owned());
            series.labels = series.labels.filter_bytes(|name| name != LE.as_bytes());
            let new = histograms.len();
            let found = *known.entry(series.labels.clone()).or_insert(new);
            charge.add_room::<(u32, Result<f64, String>)>(2)?;
            if found == new {
                charge.add(3 * series_bytes(&series), 0)?;
                histograms.push(Histogram { series, buckets: Vec::new() });
            }
            histograms[found].buckets.push((index(at), bound));
        }
        let delayed_names = context.delayed_names;
        let classic = Self { op, ask, histograms, place, grid, delayed_names, _charge: charge };
        classic.check_quantiles(context);
        Ok(classic)
    }

    /// Warns about quantiles that are none, whatever there is to apply them to.
    fn check_quantiles(&self, context: &Context) {
        let asked: Vec<(&Scalars, Place)> = match &self.ask {
            Ask::Quantile { phi, place } => vec![(phi, *place)],
            Ask::Quantiles { phis, .. } => phis.iter().map(|(phi, place)| (phi, *place)).collect(),
            Ask::Fraction { .. } => Vec::new(),
        };
        for (phi, place) in asked {
            for phi in phi.values(self.steps()).filter(|it| is_unusual(*it)) {
                context.note(|notes| notes.warn(place, warning(phi)));
            }
        }
    }

    /// How many output series a histogram has.
    fn answers(&self) -> usize {
        match &self.ask {
            Ask::Quantiles { phis, .. } => phis.len(),
            Ask::Quantile { .. } | Ask::Fraction { .. } => 1,
        }
    }

    /// The metric name for messages: known only if names are removed late.
    fn name<'s>(&self, series: &'s Series) -> &'s str {
        if self.delayed_names { series.labels.metric_name() } else { "" }
    }

    /// Fills a column for each bucket, and notes series that are none.
    fn fill(
        &self,
        histogram: &Histogram,
        worker: &mut Worker<'_>,
        columns: &mut [Column],
    ) -> Result<(), QueryError> {
        for ((at, bound), column) in histogram.buckets.iter().zip(columns) {
            let filled = self.op.eval(*at as usize, worker, column);
            after(worker.context, self.op.as_ref(), filled)?;
            if let Err(le) = bound
                && column.present().any()
            {
                let name = for_name(self.name(&histogram.series));
                let text = format!(
                    "bucket label \"le\" is missing or has a malformed value of {}{name}",
                    quote(le)
                );
                worker.context.note(|notes| notes.warn(self.place, text));
            }
        }
        Ok(())
    }

    fn answer(
        &self,
        histogram: &Histogram,
        which: usize,
        columns: &[Column],
        worker: &mut Worker<'_>,
        out: &mut Column,
    ) -> Result<(), QueryError> {
        let mut buckets = Vec::with_capacity(columns.len());
        let mut raised: Option<Monotonicity> = None;
        let mut mixed = false;
        for step in 0..self.steps() {
            worker.spend(columns.len() * 4)?;
            buckets.clear();
            for ((_, bound), column) in histogram.buckets.iter().zip(columns) {
                if let (Ok(upper), Some(count)) = (bound, column.float(step)) {
                    buckets.push(Bucket { upper: *upper, count });
                }
            }
            if let Some(native) = native(columns, step)? {
                if buckets.is_empty() {
                    out.set(step, self.native_answer(histogram, which, native, step, worker));
                } else {
                    mixed = true;
                }
                continue;
            }
            if buckets.is_empty() {
                continue;
            }
            let phi = match &self.ask {
                Ask::Quantile { phi, .. } => phi.at(step),
                Ask::Quantiles { phis, .. } => phis[which].0.at(step),
                Ask::Fraction { lower, upper } => {
                    out.set(
                        step,
                        histogram::fraction(lower.at(step), upper.at(step), &mut buckets),
                    );
                    continue;
                }
            };
            let (value, found) = histogram::quantile(phi, &mut buckets, self.grid.t(step));
            out.set(step, value);
            if let Some(found) = found {
                raised.get_or_insert(Monotonicity::none(found.t.0)).join(&found);
            }
        }
        if mixed {
            let name = for_name(self.name(&histogram.series));
            let text = format!("vector contains a mix of classic and native histograms{name}");
            worker.context.note(|notes| notes.warn(self.place, text));
        }
        if let Some(raised) = raised {
            worker
                .context
                .note(|notes| notes.monotonicity(self.place, self.name(&histogram.series), raised));
        }
        Ok(())
    }
}

impl Classic {
    fn native_answer(
        &self,
        histogram: &Histogram,
        which: usize,
        native: &FloatHistogram,
        step: usize,
        worker: &Worker<'_>,
    ) -> f64 {
        let (value, note) = match &self.ask {
            Ask::Quantile { phi, .. } => share::quantile(phi.at(step), native),
            Ask::Quantiles { phis, .. } => share::quantile(phis[which].0.at(step), native),
            Ask::Fraction { lower, upper } => {
                share::fraction(lower.at(step), upper.at(step), native)
            }
        };
        if let Some(note) = note {
            let text = format!("{}{}", note.text(), for_name(self.name(&histogram.series)));
            worker.context.note(|notes| notes.info(self.place, text));
        }
        value
    }
}

/// The native histogram at a step.
fn native(columns: &[Column], step: usize) -> Result<Option<&FloatHistogram>, QueryError> {
    let mut all = columns.iter().filter_map(|it| it.histogram(step));
    let first = all.next();
    if all.next().is_some() {
        return Err(same_labelset());
    }
    Ok(first.map(AsRef::as_ref))
}

impl Operator for Classic {
    fn len(&self) -> usize {
        self.histograms.len() * self.answers()
    }

    fn steps(&self) -> usize {
        self.op.steps()
    }

    fn series(&self, at: usize) -> Series {
        let series =
            self.histograms[at / self.answers()].series.clone().without_name(self.delayed_names);
        let Ask::Quantiles { label, phis } = &self.ask else { return series };
        let mut labels = series.labels.to_builder();
        labels.set(label, &openmetrics_float(phis[at % phis.len()].0.at(0)));
        Series { labels: labels.labels(), ..series }
    }

    fn eval(&self, at: usize, worker: &mut Worker<'_>, out: &mut Column) -> Result<(), QueryError> {
        let histogram = &self.histograms[at / self.answers()];
        out.reset(self.steps());
        worker.with_columns(histogram.buckets.len(), self.steps(), |worker, columns| {
            self.fill(histogram, worker, columns)?;
            self.answer(histogram, at % self.answers(), columns, worker, out)
        })
    }

    fn weight(&self) -> usize {
        let buckets = self.op.len() / self.histograms.len().max(1);
        buckets * (self.op.weight() + self.steps() * 2)
    }
}

/// A float as OpenMetrics writes it: with a point or an exponent always.
fn openmetrics_float(v: f64) -> String {
    let text = stdx::gofloat::format_g(v);
    if v.is_finite() && !text.contains(['e', '.']) { format!("{text}.0") } else { text }
}
