//! Series that come out with equal labels.

use std::collections::HashMap;

use crate::context::Worker;
use crate::exec::{Operator, Series};
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
/// labels as their columns are asked for.
pub(crate) fn unique(op: Box<dyn Operator>, overlap: Overlap) -> Box<dyn Operator> {
    match duplicates(op.as_ref()) {
        Some(parts) => Box::new(Joined { op, parts, overlap }),
        None => op,
    }
}

/// The error of two elements with equal labels at one step.
pub(crate) fn same_labelset() -> QueryError {
    QueryError::Exec("vector cannot contain metrics with the same labelset".into())
}

/// For each distinct label set its series, in order of the first; `None` if all are distinct.
fn duplicates(op: &dyn Operator) -> Option<Vec<Vec<usize>>> {
    if op.len() < 2 {
        return None;
    }
    // Nearly always all are distinct, which their hashes prove.
    let mut hashes: Vec<u64> = (0..op.len()).map(|at| op.series(at).labels.hash64()).collect();
    hashes.sort_unstable();
    if hashes.windows(2).all(|pair| pair[0] != pair[1]) {
        return None;
    }
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut by_labels = HashMap::new();
    for at in 0..op.len() {
        let new = parts.len();
        match *by_labels.entry(op.series(at).labels).or_insert(new) {
            known if known < new => parts[known].push(at),
            _ => parts.push(vec![at]),
        }
    }
    (parts.len() < op.len()).then_some(parts)
}

/// Joins series with equal labels.
struct Joined {
    op: Box<dyn Operator>,
    parts: Vec<Vec<usize>>,
    overlap: Overlap,
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
                    return Err(same_labelset());
                }
            }
            Ok(())
        })
    }

    fn weight(&self) -> usize {
        self.op.weight()
    }
}
