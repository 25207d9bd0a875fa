//! Functions of instant vectors.

use model::{FloatHistogram, LabelsBuilder, METRIC_NAME, MatchType, Matcher};

use crate::account::Charge;
use crate::bitmap::Bitmap;
use crate::context::{Context, Worker};
use crate::exec::drive::{Materialized, for_each, materialize};
use crate::exec::scalar::Scalars;
use crate::exec::{EachSeries, Operator, Series, sort_checked};
use crate::function::label;
use crate::function::math::{max, min, round};
use crate::{Column, Grid, QueryError, native};

/// What a function does to each point of a column.
pub(crate) enum Map {
    Plain(fn(f64) -> f64),
    Negate,
    Round(Scalars),
    Clamp {
        min: Scalars,
        max: Scalars,
    },
    ClampMin(Scalars),
    ClampMax(Scalars),
    /// Replaces all points by the time of evaluation.
    Time(Grid),
    /// Maps histograms, and drops all floats.
    Histograms(fn(&FloatHistogram) -> f64),
}

/// Applies a function to each point; drops the name, and histograms if they have no place in it.
pub(crate) struct MapOp {
    pub(crate) op: Box<dyn Operator>,
    pub(crate) map: Map,
    pub(crate) delayed_names: bool,
}

impl Operator for MapOp {
    fn len(&self) -> usize {
        self.op.len()
    }

    fn steps(&self) -> usize {
        self.op.steps()
    }

    fn series(&self, at: usize) -> Series {
        self.op.series(at).without_name(self.delayed_names)
    }

    fn each_series(&self, each: &mut EachSeries<'_>) {
        let mut scratch = Vec::new();
        self.op.each_series(&mut |at, series| {
            each(at, series.without_name(self.delayed_names, &mut scratch))
        });
    }

    fn eval(&self, at: usize, worker: &mut Worker<'_>, out: &mut Column) -> Result<(), QueryError> {
        self.op.eval(at, worker, out)?;
        worker.spend(self.steps())?;
        if let Map::Time(grid) = self.map {
            let steps: Vec<usize> = out.histograms().iter().map(|(at, _)| *at as usize).collect();
            steps.into_iter().for_each(|at| out.set(at, 0.0));
            map(out, |step, _| grid.t(step) as f64 / 1000.0);
        }
        worker.charge_histograms(out)?;
        match &self.map {
            Map::Negate => out.map_histograms(|it| native::times(it, -1.0)),
            Map::Histograms(f) => {
                let histograms = out.take_histograms();
                out.reset(self.steps());
                histograms.iter().for_each(|(at, it)| out.set(*at as usize, f(it)));
            }
            _ => out.drop_histograms(),
        }
        match &self.map {
            Map::Plain(f) => map(out, |_, v| f(v)),
            Map::Negate => map(out, |_, v| -v),
            Map::Round(to) => map(out, |step, v| round(v, 1.0 / to.at(step))),
            Map::ClampMin(low) => map(out, |step, v| max(low.at(step), v)),
            Map::ClampMax(high) => map(out, |step, v| min(high.at(step), v)),
            Map::Clamp { min: low, max: high } => {
                // Borders that are NaN exclude nothing.
                let empty = |step| high.at(step) < low.at(step);
                out.retain(|step| !empty(step));
                map(out, |step, v| max(low.at(step), min(high.at(step), v)));
            }
            Map::Time(_) | Map::Histograms(_) => {}
        }
        Ok(())
    }

    fn weight(&self) -> usize {
        self.op.weight() + self.steps()
    }

    fn is_quiet(&self) -> bool {
        self.op.is_quiet()
    }
}

#[inline]
fn map(column: &mut Column, f: impl Fn(usize, f64) -> f64) {
    column.values_mut().iter_mut().enumerate().for_each(|(step, v)| *v = f(step, *v));
}

/// `scalar(…)`: the value of the only element, NaN if there is none or several.
pub(crate) fn scalar(context: &Context, op: &dyn Operator) -> Result<Scalars, QueryError> {
    let steps = op.steps();
    let mut charge = context.charge();
    charge.add_columns(1, steps)?;
    let mut values = vec![f64::NAN; steps];
    let mut seen = Bitmap::new(steps);
    for_each(context, op, &mut |_, column| {
        for (step, v) in column.floats() {
            values[step] = if seen.get(step) { f64::NAN } else { v };
            seen.set(step);
        }
        Ok(())
    })?;
    Ok(Scalars::each(values, charge))
}

/// `absent(…)` and `absent_over_time(…)`: 1 at steps at which no series has a point.
pub(crate) fn absent(
    context: &Context,
    op: &dyn Operator,
    matchers: &[Matcher],
) -> Result<Materialized, QueryError> {
    let steps = op.steps();
    let mut charge = context.charge();
    charge.add_columns(1, steps)?;
    let mut present = Bitmap::new(steps);
    for_each(context, op, &mut |_, column| {
        column.mark(&mut present);
        Ok(())
    })?;
    let mut missing = Bitmap::new(steps);
    missing.fill();
    missing.and_not(&present);
    let column = Column::from_parts(vec![1.0; steps], missing);
    Ok(Materialized::new(steps, vec![absent_series(matchers)], vec![column], charge))
}

/// The labels that a selector would have found: those it asks for exactly once, and only by equality.
fn absent_series(matchers: &[Matcher]) -> Series {
    let mut labels = LabelsBuilder::default();
    let mut set: Vec<&str> = Vec::new();
    for matcher in matchers.iter().filter(|it| it.name() != METRIC_NAME) {
        if matcher.kind() == MatchType::Equal && !set.contains(&matcher.name()) {
            labels.set(matcher.name(), matcher.value());
            set.push(matcher.name());
        } else {
            labels.remove(matcher.name());
        }
    }
    Series::new(labels.labels())
}

/// Drops histograms, as sorting does even where it orders nothing.
pub(crate) struct FloatsOnly(pub(crate) Box<dyn Operator>);

impl Operator for FloatsOnly {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn steps(&self) -> usize {
        self.0.steps()
    }

    fn series(&self, at: usize) -> Series {
        self.0.series(at)
    }

    fn eval(&self, at: usize, worker: &mut Worker<'_>, out: &mut Column) -> Result<(), QueryError> {
        self.0.eval(at, worker, out)?;
        out.drop_histograms();
        Ok(())
    }

    fn weight(&self) -> usize {
        self.0.weight()
    }

    fn is_quiet(&self) -> bool {
        self.0.is_quiet()
    }
}

/// `sort` and `sort_desc` of an instant evaluation: by value, NaN last in both.
pub(crate) fn sort(
    context: &Context,
    op: Box<dyn Operator>,
    descending: bool,
) -> Result<Materialized, QueryError> {
    let value = |column: &Column| column.float(0).unwrap_or(f64::NAN);
    reorder(context, Box::new(FloatsOnly(op)), |(_, a), (_, b)| {
        let (a, b) = (value(a), value(b));
        let (a, b) = if descending && !a.is_nan() && !b.is_nan() { (b, a) } else { (a, b) };
        match (a.is_nan(), b.is_nan()) {
            (false, false) => a.partial_cmp(&b).expect("neither is NaN"),
            (a, b) => a.cmp(&b),
        }
    })
}

/// `sort_by_label` and `sort_by_label_desc` of an instant evaluation.
pub(crate) fn sort_by_label(
    context: &Context,
    op: Box<dyn Operator>,
    labels: &[String],
    descending: bool,
) -> Result<Materialized, QueryError> {
    reorder(context, op, |(a, _), (b, _)| {
        let order = label::natural_order(&a.labels, &b.labels, labels);
        if descending { order.reverse() } else { order }
    })
}

fn reorder(
    context: &Context,
    op: Box<dyn Operator>,
    compare: impl FnMut(&(Series, Column), &(Series, Column)) -> std::cmp::Ordering,
) -> Result<Materialized, QueryError> {
    let steps = op.steps();
    let (series, columns, mut charge) = materialize(context, op)?.into_parts(context)?;
    charge.add_room::<(Series, Column)>(columns.len())?;
    let rows: Vec<(Series, Column)> =
        series.into_iter().zip(columns).filter(|(_, column)| !column.is_empty()).collect();
    let rows = sort_checked(context, rows, compare)?;
    let (series, columns) = rows.into_iter().unzip();
    Ok(Materialized::new(steps, series, columns, charge))
}

/// Other labels, same columns.
pub(crate) struct Relabelled {
    pub(crate) op: Box<dyn Operator>,
    pub(crate) series: Vec<Series>,
    pub(crate) _charge: Charge,
}

impl Operator for Relabelled {
    fn len(&self) -> usize {
        self.op.len()
    }

    fn steps(&self) -> usize {
        self.op.steps()
    }

    fn series(&self, at: usize) -> Series {
        self.series[at].clone()
    }

    fn eval(&self, at: usize, worker: &mut Worker<'_>, out: &mut Column) -> Result<(), QueryError> {
        self.op.eval(at, worker, out)
    }

    fn weight(&self) -> usize {
        self.op.weight()
    }

    fn is_quiet(&self) -> bool {
        self.op.is_quiet()
    }
}
