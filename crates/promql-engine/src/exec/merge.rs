//! Series that come out with equal labels.

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::account::Charge;
use crate::context::{Context, Worker};
use crate::exec::drive::{after, materialize};
use crate::exec::group::series_bytes;
use crate::exec::{Operator, Series, check_at, try_each_series};
use crate::{Column, QueryError};

/// What series with equal labels may have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overlap {
    /// No step: they are joined to one series.
    NoStep,
    /// Nothing: only one of them may have points.
    Nothing,
}

/// Makes the labels of `op` unique: returns it as it is if they are, otherwise joins series with equal
/// labels as their columns are asked for. What is joined is where the first of its parts with a point was.
pub(crate) fn unique(
    context: &Context,
    op: Box<dyn Operator>,
    overlap: Overlap,
) -> Result<Box<dyn Operator>, QueryError> {
    let Some((mut parts, charge)) = duplicates(context, op.as_ref())? else { return Ok(op) };
    // Elsewhere upstream has no order either.
    if op.steps() == 1 || overlap == Overlap::Nothing {
        let all = materialize(context, op)?;
        let has_point = |part: &&usize| !all.columns[**part].is_empty();
        parts.sort_by_cached_key(|parts| parts.iter().find(has_point).copied());
        return Ok(Box::new(Joined { op: Box::new(all), parts, overlap, _charge: charge }));
    }
    Ok(Box::new(Joined { op, parts, overlap, _charge: charge }))
}

/// The error of two elements with equal labels at one step.
pub(crate) fn same_labelset() -> QueryError {
    QueryError::Exec("vector cannot contain metrics with the same labelset".into())
}

/// For each distinct label set its series, in order of the first; `None` if all are distinct.
fn duplicates(context: &Context, op: &dyn Operator) -> Result<Option<Parts>, QueryError> {
    if op.len() < 2 {
        return Ok(None);
    }
    let mut charge = context.charge();
    charge.add_room::<u64>(op.len())?;
    // Nearly always all are distinct, which their hashes prove.
    let (mut hashes, hasher) = (Vec::with_capacity(op.len()), RandomState::default());
    try_each_series(context, op, |series| {
        hashes.push(hasher.hash_one(series.labels.as_bytes()));
        Ok(())
    })?;
    hashes.sort_unstable();
    if hashes.windows(2).all(|pair| pair[0] != pair[1]) {
        return Ok(None);
    }
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut by_labels = HashMap::new();
    for at in 0..op.len() {
        check_at(context, at)?;
        let (new, series) = (parts.len(), op.series(at));
        charge.add(series_bytes(&series) + 64, 0)?;
        match *by_labels.entry(series.labels).or_insert(new) {
            known if known < new => parts[known].push(at),
            _ => parts.push(vec![at]),
        }
    }
    Ok((parts.len() < op.len()).then_some((parts, charge)))
}

/// Positions of series that are one, and what the lists are charged with.
type Parts = (Vec<Vec<usize>>, Charge);

/// Joins series with equal labels.
struct Joined {
    op: Box<dyn Operator>,
    parts: Vec<Vec<usize>>,
    overlap: Overlap,
    _charge: Charge,
}

impl Operator for Joined {
    fn len(&self) -> usize {
        self.parts.len()
    }

    fn steps(&self) -> usize {
        self.op.steps()
    }

    fn series(&self, at: usize) -> Series {
        self.op.series(self.parts[at][0])
    }

    fn eval(&self, at: usize, worker: &mut Worker<'_>, out: &mut Column) -> Result<(), QueryError> {
        let (first, rest) = self.parts[at].split_first().expect("a series has a part");
        self.op.eval(*first, worker, out)?;
        if rest.is_empty() {
            return Ok(());
        }
        worker.with_column(self.steps(), |worker, column| {
            for part in rest {
                self.op.eval(*part, worker, column)?;
                let clash =
                    self.overlap == Overlap::Nothing && !out.is_empty() && !column.is_empty();
                if clash || !out.merge(column) {
                    return after(worker.context, self.op.as_ref(), Err(same_labelset()));
                }
            }
            Ok(())
        })
    }

    fn weight(&self) -> usize {
        self.op.weight()
    }
}
