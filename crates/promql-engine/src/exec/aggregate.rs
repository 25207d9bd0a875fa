//! Aggregations that fold each series into its group: `sum`, `avg`, `min`, `max`, `count`, `group`,
//! `stddev`, `stdvar`; and `quantile`, which needs all values of a group at once.

mod histograms;

use promql::ast::AggregateOp;

use crate::account::Charge;
use crate::annotation::Place;
use crate::bitmap::Bitmap;
use crate::context::{Context, WORK_BETWEEN_CHECKS};
use crate::exec::drive::{Materialized, for_each, materialize};
use crate::exec::group::{Groups, series_bytes};
use crate::exec::range::note_histograms;
use crate::exec::scalar::Scalars;
use crate::exec::{Operator, Series};
use crate::function::found::Found;
use crate::function::quantile::{quantile, warning};
use crate::function::sum::{self, Mean};
use crate::{Column, QueryError};
use histograms::Histograms;

/// Folds all series of `op` into `groups`.
///
/// `place` is where notes about the operand belong.
pub(crate) fn fold(
    context: &Context,
    aggregate: AggregateOp,
    op: &dyn Operator,
    groups: Groups,
    place: Place,
) -> Result<Materialized, QueryError> {
    let steps = op.steps();
    let mut charge = context.charge();
    let mut states: Vec<Option<State>> = Vec::new();
    states.resize_with(groups.series.len(), || None);
    charge.add_room::<u32>(groups.series.len())?;
    let mut seen = Vec::with_capacity(groups.series.len());
    let mut ignored = false;
    for_each(context, op, &mut |at, column| {
        if column.is_empty() {
            return Ok(());
        }
        let state = &mut states[groups.of[at] as usize];
        if state.is_none() {
            seen.push(groups.of[at]);
            *state = Some(State::new(aggregate, steps, &mut charge)?);
        }
        let state = state.as_mut().expect("just made");
        state.add(column);
        if groups.drops(at) {
            column.mark(state.dropping.get_or_insert_with(|| Bitmap::new(steps)));
        }
        if column.histograms().is_empty() {
            return Ok(());
        }
        ignored = true;
        let found = state.add_histograms(aggregate, column, &mut charge)?;
        if !found.is_empty() {
            note_histograms(found, op.series(at).labels.metric_name(), place, context);
        }
        Ok(())
    })?;
    let mixed = states.iter().flatten().any(State::is_mixed);
    note(context, aggregate, place, ignored, mixed);
    let (series, columns) = finish(&groups, states, &seen, aggregate, steps);
    drop(charge);
    let mut charge = context.charge();
    for (series, column) in series.iter().zip(&columns) {
        charge.add(series_bytes(series), 0)?;
        charge.add_column(column)?;
    }
    Ok(Materialized::new(steps, series, columns, charge))
}

/// The columns of all groups that have any point, in the order in which the first one was seen.
fn finish(
    groups: &Groups,
    mut states: Vec<Option<State>>,
    seen: &[u32],
    aggregate: AggregateOp,
    steps: usize,
) -> (Vec<Series>, Vec<Column>) {
    let mut kept = (Vec::new(), Vec::new());
    for at in seen.iter().map(|at| *at as usize) {
        let Some(mut state) = states[at].take() else { continue };
        let dropping = state.dropping.take();
        let column = state.finish(aggregate, steps);
        let drop_name = dropping.zip(column.last_step()).is_some_and(|(bits, at)| bits.get(at));
        kept.0.push(Series { drop_name, ..groups.series[at].clone() });
        kept.1.push(column);
    }
    kept
}

fn note(context: &Context, aggregate: AggregateOp, place: Place, ignored: bool, mixed: bool) {
    match aggregate {
        AggregateOp::Sum | AggregateOp::Avg if mixed => context.note(|notes| {
            notes.warn(place, "encountered a mix of histograms and floats for aggregation");
        }),
        AggregateOp::Sum | AggregateOp::Avg | AggregateOp::Count | AggregateOp::Group => {}
        _ if ignored => context.note(|notes| {
            notes.info(place, format!("ignored histogram in {} aggregation", aggregate.as_str()));
        }),
        _ => {}
    }
}

/// One group, at all steps.
struct State {
    fold: Fold,
    /// Where there was a float.
    floats: Bitmap,
    /// Where there was a histogram.
    histograms: Option<Bitmap>,
    /// The histograms themselves, for sums and means.
    sums: Option<Histograms>,
    /// Where there was a point of a series whose name is to disappear: the last step decides for the group.
    dropping: Option<Bitmap>,
}

enum Fold {
    /// Sum and compensation.
    Sum(Vec<f64>, Vec<f64>),
    Mean(Vec<Mean>),
    Best {
        values: Vec<f64>,
        max: bool,
    },
    Count(Vec<f64>),
    Presence,
    Spread(Vec<Spread>),
}

/// Count, mean and sum of squared distances, by Welford's method.
#[derive(Clone, Copy, Default)]
struct Spread {
    count: f64,
    mean: f64,
    squares: f64,
}

/// Numbers at each step that a group takes while it is folded and finished.
fn columns_of(aggregate: AggregateOp) -> usize {
    match aggregate {
        AggregateOp::Sum => 2,
        AggregateOp::Avg => 1 + size_of::<Mean>().div_ceil(8),
        AggregateOp::Stddev | AggregateOp::Stdvar => 1 + size_of::<Spread>().div_ceil(8),
        _ => 1,
    }
}

impl State {
    fn new(aggregate: AggregateOp, steps: usize, charge: &mut Charge) -> Result<Self, QueryError> {
        charge.add_columns(columns_of(aggregate), steps)?;
        let zeros = || vec![0.0; steps];
        let fold = match aggregate {
            AggregateOp::Sum => Fold::Sum(zeros(), zeros()),
            AggregateOp::Avg => Fold::Mean(vec![Mean::default(); steps]),
            AggregateOp::Min => Fold::Best { values: zeros(), max: false },
            AggregateOp::Max => Fold::Best { values: zeros(), max: true },
            AggregateOp::Count => Fold::Count(zeros()),
            AggregateOp::Stddev | AggregateOp::Stdvar => {
                Fold::Spread(vec![Spread::default(); steps])
            }
            _ => Fold::Presence,
        };
        let floats = Bitmap::new(steps);
        Ok(Self { fold, floats, histograms: None, sums: None, dropping: None })
    }

    fn add(&mut self, column: &Column) {
        let seen = &self.floats;
        match &mut self.fold {
            Fold::Sum(sums, compensations) => add_sums(sums, compensations, seen, column),
            Fold::Mean(means) => column.floats().for_each(|(at, v)| {
                if seen.get(at) { means[at].add(v) } else { means[at] = Mean::of(v) }
            }),
            Fold::Best { values, max } => {
                for (at, v) in column.floats() {
                    let best = values[at];
                    let better = if *max { best < v } else { v < best };
                    if !seen.get(at) || better || best.is_nan() {
                        values[at] = v;
                    }
                }
            }
            Fold::Count(counts) => {
                column.floats().for_each(|(at, _)| counts[at] += 1.0);
                column.histograms().iter().for_each(|(at, _)| counts[*at as usize] += 1.0);
            }
            Fold::Presence => {}
            Fold::Spread(spreads) => column.floats().for_each(|(at, v)| spreads[at].add(v)),
        }
        self.floats.or(column.present());
        if !column.histograms().is_empty() {
            let steps = column.steps();
            let seen = self.histograms.get_or_insert_with(|| Bitmap::new(steps));
            column.histograms().iter().for_each(|(at, _)| seen.set(*at as usize));
        }
    }

    /// Takes the histograms of a column in, for sums and means.
    fn add_histograms(
        &mut self,
        aggregate: AggregateOp,
        column: &Column,
        charge: &mut Charge,
    ) -> Result<Found, QueryError> {
        let mut found = Found::default();
        let mean = match aggregate {
            AggregateOp::Sum => false,
            AggregateOp::Avg => true,
            _ => return Ok(found),
        };
        if self.sums.is_none() {
            self.sums = Some(Histograms::new(mean, column.steps(), charge)?);
        }
        if let Some(sums) = &mut self.sums {
            sums.add(column, charge, &mut found)?;
        }
        Ok(found)
    }

    /// True if there was a float and a histogram at some step.
    fn is_mixed(&self) -> bool {
        self.histograms.as_ref().is_some_and(|it| it.intersects(&self.floats))
    }

    fn finish(mut self, aggregate: AggregateOp, steps: usize) -> Column {
        let mut histograms = Column::default();
        if let Some(sums) = self.sums {
            histograms.reset(steps);
            sums.finish(&self.floats, &mut histograms);
        }
        if let Some(histograms) = &self.histograms {
            match aggregate {
                AggregateOp::Count | AggregateOp::Group => self.floats.or(histograms),
                AggregateOp::Sum | AggregateOp::Avg => self.floats.and_not(histograms),
                _ => {}
            }
        }
        let values = match self.fold {
            Fold::Sum(mut sums, compensations) => {
                sums.iter_mut().zip(compensations).for_each(|(sum, c)| *sum += c);
                sums
            }
            Fold::Mean(means) => means.into_iter().map(Mean::value).collect(),
            Fold::Best { values, .. } | Fold::Count(values) => values,
            Fold::Presence => vec![1.0; steps],
            Fold::Spread(spreads) if aggregate == AggregateOp::Stddev => {
                spreads.into_iter().map(|it| (it.squares / it.count).sqrt()).collect()
            }
            Fold::Spread(spreads) => spreads.into_iter().map(|it| it.squares / it.count).collect(),
        };
        let mut column = Column::from_parts(values, self.floats);
        column.put_histograms(histograms.take_histograms());
        column
    }
}

/// Adds a column to sums. The first value is taken as it is: zero plus it would lose its sign.
fn add_sums(sums: &mut [f64], compensations: &mut [f64], seen: &Bitmap, column: &Column) {
    if column.present().all() && seen.all() {
        for ((sum, compensation), v) in sums.iter_mut().zip(compensations).zip(column.values()) {
            (*sum, *compensation) = sum::add(*v, *sum, *compensation);
        }
        return;
    }
    for (at, v) in column.floats() {
        if seen.get(at) {
            (sums[at], compensations[at]) = sum::add(v, sums[at], compensations[at]);
        } else {
            sums[at] = v;
        }
    }
}

impl Spread {
    #[inline]
    fn add(&mut self, v: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.mean = v;
            self.squares = if v.is_finite() { 0.0 } else { f64::NAN };
            return;
        }
        let delta = v - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (v - self.mean);
    }
}

/// `quantile`: keeps all columns, then takes the values of a group at a step together.
pub(crate) fn quantiles(
    context: &Context,
    op: Box<dyn Operator>,
    mut groups: Groups,
    phi: &Scalars,
    place: Place,
    param_place: Place,
) -> Result<Materialized, QueryError> {
    let steps = op.steps();
    let input = materialize(context, op)?;
    let mut charge = context.charge();
    charge.add_room::<usize>(2 * groups.of.len() + 6 * groups.series.len())?;
    charge.add_room::<Series>(groups.series.len())?;
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); groups.series.len()];
    let mut ignored = false;
    for (at, group) in groups.of.iter().enumerate().filter(|(at, _)| !input.columns[*at].is_empty())
    {
        ignored |= !input.columns[at].histograms().is_empty();
        members[*group as usize].push(at);
    }
    note(context, AggregateOp::Quantile, place, ignored, false);
    let (mut series, mut columns, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
    let all = std::mem::take(&mut groups.series);
    let mut rows: Vec<(Series, Vec<usize>)> =
        all.into_iter().zip(members).filter(|(_, it)| !it.is_empty()).collect();
    rows.sort_unstable_by_key(|(_, members)| members[0]);
    for (mut group, members) in rows {
        charge.add_columns(1, steps)?;
        let mut out = Column::default();
        out.reset(steps);
        // Sorting takes longer than walking.
        let steps_between_checks = (WORK_BETWEEN_CHECKS / (8 * members.len())).max(1);
        for step in 0..steps {
            if step % steps_between_checks == 0 {
                context.check()?;
            }
            scratch.clear();
            scratch.extend(members.iter().filter_map(|at| input.columns[*at].float(step)));
            if !scratch.is_empty() {
                out.set(step, quantile(phi.at(step), &mut scratch));
            }
        }
        let last = out.last_step();
        group.drop_name = last.is_some_and(|step| {
            let drops = |at: &usize| groups.drops(*at) && input.columns[*at].point(step).is_some();
            members.iter().any(drops)
        });
        series.push(group);
        columns.push(out);
    }
    check_phi(phi, steps, param_place, context);
    Ok(Materialized::new(steps, series, columns, charge))
}

/// Warns once for each way in which `phi` is no quantile.
fn check_phi(phi: &Scalars, steps: usize, place: Place, context: &Context) {
    let (mut min, mut max, mut nan) = (0.0f64, 1.0f64, None);
    for phi in phi.values(steps) {
        (min, max) = (min.min(phi), max.max(phi));
        nan = nan.or(phi.is_nan().then_some(phi));
    }
    let found = [nan, (1.0 < max).then_some(max), (min < 0.0).then_some(min)];
    found
        .into_iter()
        .flatten()
        .for_each(|phi| context.note(|notes| notes.warn(place, warning(phi))));
}
