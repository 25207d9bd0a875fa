//! Aggregations that choose elements and leave them as they are: `topk`, `bottomk`, `limitk`,
//! `limit_ratio`.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use promql::ast::AggregateOp;

use crate::account::Charge;
use crate::annotation::{Place, g};
use crate::context::Context;
use crate::exec::drive::{Materialized, for_each, hear, materialize};
use crate::exec::group::{Groups, index, series_bytes};
use crate::exec::scalar::Scalars;
use crate::exec::{Operator, Series, check_at};
use crate::{Column, QueryError};

/// Chooses the `k` largest or smallest elements of each group at each step.
///
/// In an instant evaluation they come out best first, group by group. Otherwise series keep their order.
/// `place` is that of the aggregation.
pub(crate) fn top(
    context: &Context,
    aggregate: AggregateOp,
    op: &dyn Operator,
    groups: &Groups,
    k: &Scalars,
    place: Place,
) -> Result<Materialized, QueryError> {
    let steps = op.steps();
    let Some(limits) = judged(context, op, limits(k, steps))? else { return none(context, steps) };
    let mut charge = context.charge();
    let n = groups.series.len().saturating_mul(steps);
    charge.add((n as u64).saturating_mul(size_of::<BinaryHeap<Entry>>() as u64), 0)?;
    let mut heaps: Vec<BinaryHeap<Entry>> = vec![BinaryHeap::new(); n];
    charge.add_room::<u32>(2 * groups.series.len())?;
    let mut order = Order::new(groups.series.len());
    let mut ignored = false;
    for_each(context, op, &mut |at, column| {
        if !column.is_empty() {
            order.see(groups.of[at]);
        }
        ignored |= !column.histograms().is_empty();
        let heaps = &mut heaps[groups.of[at] as usize * steps..][..steps];
        let (mut grown, mut room) = (0, 0);
        for (step, v) in column.floats() {
            let key = if aggregate == AggregateOp::Topk { v } else { -v };
            let entry = Entry { key, series: index(at) };
            let heap = &mut heaps[step];
            if heap.len() < limits.at(step) {
                let capacity = heap.capacity();
                heap.push(entry);
                grown += 1;
                room += heap.capacity() - capacity;
            } else if let Some(mut worst) = heap.peek_mut().filter(|worst| entry < **worst) {
                *worst = entry;
            }
        }
        charge.add((room * size_of::<Entry>()) as u64, grown)
    })?;
    if ignored {
        let text = format!("ignored histogram in {} aggregation", aggregate.as_str());
        context.note(|notes| notes.info(place, text));
    }
    let sign = if aggregate == AggregateOp::Topk { 1.0 } else { -1.0 };
    collect(context, op, heaps, &order.seen, sign)
}

/// One element of a heap, worst first out.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Larger is better; NaN is worst.
    key: f64,
    series: u32,
}

/// Better entries are less, so that a max-heap has its worst entry on top.
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_key = match (self.key.is_nan(), other.key.is_nan()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => other.key.partial_cmp(&self.key).expect("neither is NaN"),
        };
        by_key.then(self.series.cmp(&other.series))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

/// Groups in the order in which a point of them was seen first.
struct Order {
    is_seen: Vec<bool>,
    seen: Vec<u32>,
}

impl Order {
    fn new(groups: usize) -> Self {
        Self { is_seen: vec![false; groups], seen: Vec::with_capacity(groups) }
    }

    fn see(&mut self, group: u32) {
        if !std::mem::replace(&mut self.is_seen[group as usize], true) {
            self.seen.push(group);
        }
    }
}

/// Makes columns of what the heaps hold; `groups` in their order.
fn collect(
    context: &Context,
    op: &dyn Operator,
    mut heaps: Vec<BinaryHeap<Entry>>,
    groups: &[u32],
    sign: f64,
) -> Result<Materialized, QueryError> {
    let steps = op.steps();
    let mut charge = context.charge();
    let mut column_of: Vec<u32> = vec![u32::MAX; op.len()];
    let (mut order, mut columns): (Vec<u32>, Vec<Column>) = (Vec::new(), Vec::new());
    let places = groups.iter().flat_map(|group| (0..steps).map(move |step| (*group, step)));
    for (group, step) in places {
        let heap = std::mem::take(&mut heaps[group as usize * steps + step]);
        for entry in heap.into_sorted_vec() {
            let column = &mut column_of[entry.series as usize];
            if *column == u32::MAX {
                charge.add_columns(1, steps)?;
                *column = index(columns.len());
                columns.push(Column::default());
                columns.last_mut().expect("just pushed").reset(steps);
                order.push(entry.series);
            }
            // Negating is exact, so this is the value that came in.
            columns[*column as usize].set(step, sign * entry.key);
        }
    }
    if steps != 1 {
        let mut both: Vec<(u32, Column)> = order.into_iter().zip(columns).collect();
        both.sort_unstable_by_key(|(series, _)| *series);
        (order, columns) = both.into_iter().unzip();
    }
    let series = order.iter().map(|at| op.series(*at as usize)).collect();
    Ok(Materialized::new(steps, series, columns, charge))
}

/// Passes on what is said about a parameter. If that ends the aggregation, then not before all that there is
/// to say about its operand.
fn judged<T>(
    context: &Context,
    op: &dyn Operator,
    param: Result<Option<T>, QueryError>,
) -> Result<Option<T>, QueryError> {
    if !matches!(param, Ok(Some(_))) {
        hear(context, op, |_| true)?;
    }
    param
}

fn none(context: &Context, steps: usize) -> Result<Materialized, QueryError> {
    Ok(Materialized::new(steps, Vec::new(), Vec::new(), context.charge()))
}

/// How many elements to keep at each step.
enum Limits {
    Constant(usize),
    Each(Vec<usize>),
}

impl Limits {
    #[inline]
    fn at(&self, step: usize) -> usize {
        match self {
            Self::Constant(k) => *k,
            Self::Each(all) => all[step],
        }
    }
}

/// Cuts `k` to whole numbers. `None` if it is below one at all steps.
fn limits(k: &Scalars, steps: usize) -> Result<Option<Limits>, QueryError> {
    if k.values(steps).all(|k| k < 1.0) {
        return Ok(None);
    }
    let cut = |k: f64| {
        if k.is_nan() {
            return Err(QueryError::Exec("Parameter value is NaN".into()));
        }
        // The largest float below 2^63, and -2^63.
        if 9_223_372_036_854_774_784.0 <= k {
            return Err(QueryError::Exec(format!("Scalar value {} overflows int64", g(k))));
        }
        if k <= -9_223_372_036_854_774_784.0 {
            return Err(QueryError::Exec(format!("Scalar value {} underflows int64", g(k))));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "cut on purpose"
        )]
        Ok(k.max(0.0) as usize)
    };
    // NaN goes before limits of size, whatever step it is at.
    if k.values(steps).any(f64::is_nan) {
        return cut(f64::NAN).map(|_| None);
    }
    Ok(Some(match k {
        Scalars::Constant(k) => Limits::Constant(cut(*k)?),
        Scalars::Each(all) => Limits::Each(all.iter().map(|k| cut(*k)).collect::<Result<_, _>>()?),
    }))
}

/// Keeps the first `k` elements of each group at each step.
pub(crate) fn limit(
    context: &Context,
    op: Box<dyn Operator>,
    groups: &Groups,
    k: &Scalars,
) -> Result<Materialized, QueryError> {
    let steps = op.steps();
    let limits = judged(context, op.as_ref(), limits(k, steps))?;
    let Some(limits) = limits else { return none(context, steps) };
    let mut charge = context.charge();
    let n = groups.series.len().saturating_mul(steps);
    charge.add((n as u64).saturating_mul(size_of::<usize>() as u64), 0)?;
    let mut taken = vec![0usize; n];
    let (mut series, mut columns) = (Vec::new(), Vec::new());
    for_each(context, op.as_ref(), &mut |at, column| {
        let taken = &mut taken[groups.of[at] as usize * steps..][..steps];
        column.retain(|step| taken[step] < limits.at(step));
        column.points().for_each(|(step, _)| taken[step] += 1);
        keep(op.as_ref(), at, column, &mut charge, &mut series, &mut columns)
    })?;
    Ok(Materialized::new(steps, series, columns, charge))
}

/// `None` if all ratios are zero.
fn any_ratio(ratio: &Scalars, steps: usize) -> Result<Option<()>, QueryError> {
    if ratio.values(steps).all(|ratio| ratio == 0.0) {
        return Ok(None);
    }
    if ratio.values(steps).any(f64::is_nan) {
        return Err(QueryError::Exec("Ratio value is NaN".into()));
    }
    Ok(Some(()))
}

/// Keeps the share of all elements that `ratio` says, chosen by the hash of their labels.
pub(crate) fn limit_ratio(
    context: &Context,
    op: Box<dyn Operator>,
    ratio: &Scalars,
    place: Place,
) -> Result<Materialized, QueryError> {
    let steps = op.steps();
    if judged(context, op.as_ref(), any_ratio(ratio, steps))?.is_none() {
        return none(context, steps);
    }
    let smallest = ratio.values(steps).fold(0.0, f64::min);
    let largest = ratio.values(steps).fold(0.0, f64::max);
    for ratio in [smallest, largest].into_iter().filter(|ratio| 1.0 < ratio.abs()) {
        let text = format!(
            "ratio value should be between -1 and 1, got {}, capping to {}",
            g(ratio),
            g(ratio.signum())
        );
        context.note(|notes| notes.warn(place, text));
    }
    let mut charge = context.charge();
    let (mut series, mut columns) = (Vec::new(), Vec::new());
    for_each(context, op.as_ref(), &mut |at, column| {
        let offset = op.series(at).labels.hash64() as f64 / 18_446_744_073_709_551_616.0;
        column.retain(|step| {
            let ratio = ratio.at(step).clamp(-1.0, 1.0);
            if 0.0 <= ratio { offset < ratio } else { 1.0 + ratio <= offset }
        });
        keep(op.as_ref(), at, column, &mut charge, &mut series, &mut columns)
    })?;
    Ok(Materialized::new(steps, series, columns, charge))
}

/// Takes a column that has points.
fn keep(
    op: &dyn Operator,
    at: usize,
    column: &mut Column,
    charge: &mut Charge,
    series: &mut Vec<Series>,
    columns: &mut Vec<Column>,
) -> Result<(), QueryError> {
    if column.is_empty() {
        return Ok(());
    }
    let labels = op.series(at);
    charge.add(series_bytes(&labels), 0)?;
    charge.add_column(column)?;
    series.push(labels);
    columns.push(std::mem::take(column));
    Ok(())
}

/// `count_values`: counts the elements of a group with the same value, which becomes a label.
pub(crate) fn count_values(
    context: &Context,
    op: Box<dyn Operator>,
    label: &str,
    groups: impl FnOnce(&dyn Operator) -> Result<Groups, QueryError>,
) -> Result<Materialized, QueryError> {
    let input = materialize(context, op)?;
    let spread = spread_values(context, &input, label)?;
    let groups = groups(&spread)?;
    crate::exec::aggregate::fold(
        context,
        AggregateOp::Count,
        &spread,
        groups,
        Place { start: 0, order: 0 },
    )
}

/// Gives each element its value as a label: a series for each value that a series has.
fn spread_values(
    context: &Context,
    input: &Materialized,
    label: &str,
) -> Result<Materialized, QueryError> {
    let steps = input.steps();
    let mut charge = context.charge();
    let (mut series, mut columns): (Vec<Series>, Vec<Column>) = (Vec::new(), Vec::new());
    for (at, column) in input.columns.iter().enumerate() {
        context.check()?;
        let labels = input.series(at);
        let mut known: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
        for (step, point) in column.points() {
            let text = match point {
                crate::PointRef::Float(v) => stdx::gofloat::format_f(v),
                crate::PointRef::Histogram(it) => it.to_string(),
            };
            let found = known.get(&text).copied();
            let target = match found {
                Some(target) => target,
                None => {
                    check_at(context, columns.len())?;
                    charge.add(2 * series_bytes(&labels) + 2 * text.len() as u64 + 64, 0)?;
                    charge.add_columns(1, steps)?;
                    let mut builder = labels.labels.to_builder();
                    builder.set(label, &text);
                    series.push(Series { labels: builder.labels(), ..labels.clone() });
                    columns.push(Column::default());
                    columns.last_mut().expect("just pushed").reset(steps);
                    known.insert(text, columns.len() - 1);
                    columns.len() - 1
                }
            };
            columns[target].set(step, 1.0);
        }
    }
    Ok(Materialized::new(steps, series, columns, charge))
}
