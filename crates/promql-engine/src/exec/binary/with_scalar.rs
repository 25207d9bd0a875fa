//! Operators between a vector and a scalar, and between two scalars.

use promql::ast::BinaryOp;

use super::elements::{Outcome, Side, floats, incompatible, zip};
use crate::annotation::Place;
use crate::context::Worker;
use crate::exec::scalar::Scalars;
use crate::exec::{Operator, Series};
use crate::{Column, QueryError};

/// Applies an operator to each element of a vector and a number.
pub(crate) struct WithScalar {
    pub(crate) op: BinaryOp,
    pub(crate) return_bool: bool,
    pub(crate) vector: Box<dyn Operator>,
    pub(crate) scalars: Scalars,
    /// On which side the vector stands.
    pub(crate) side: Side,
    pub(crate) delayed_names: bool,
    pub(crate) place: Place,
}

impl WithScalar {
    /// True if the result is no longer the metric's value.
    pub(crate) fn drops_name(&self) -> bool {
        drops_name(self.op, self.return_bool)
    }

    fn note(&self, histogram: bool, worker: &Worker<'_>) {
        let kind = if histogram { "histogram" } else { "float" };
        let text = match self.side {
            Side::Left => incompatible(self.op, kind, "float"),
            Side::Right => incompatible(self.op, "float", kind),
        };
        worker.context.note(|notes| notes.info(self.place, text));
    }
}

impl Operator for WithScalar {
    fn len(&self) -> usize {
        self.vector.len()
    }

    fn steps(&self) -> usize {
        self.vector.steps()
    }

    fn series(&self, at: usize) -> Series {
        let series = self.vector.series(at);
        if self.drops_name() { series.without_name(self.delayed_names) } else { series }
    }

    fn eval(&self, at: usize, worker: &mut Worker<'_>, out: &mut Column) -> Result<(), QueryError> {
        self.vector.eval(at, worker, out)?;
        worker.spend(self.steps())?;
        if !out.histograms().is_empty() {
            self.note(true, worker);
            out.drop_histograms();
        }
        if self.op.is_trim() && out.present().any() {
            self.note(false, worker);
        }
        let (values, present) = out.parts_mut();
        match &self.scalars {
            Scalars::Constant(v) => {
                zip(self.op, self.return_bool, values, present, |_| *v, self.side)
            }
            Scalars::Each(all) => {
                zip(self.op, self.return_bool, values, present, |at| all[at], self.side)
            }
        }
        Ok(())
    }

    fn weight(&self) -> usize {
        self.vector.weight() + self.steps() / 4
    }
}

/// True if the result of an operator is no longer the metric's value.
pub(crate) fn drops_name(op: BinaryOp, return_bool: bool) -> bool {
    return_bool || !(op.is_comparison() || op.is_trim() || op.is_set())
}

/// Joins two scalars.
pub(crate) fn scalars(op: BinaryOp, left: &Scalars, right: &Scalars, steps: usize) -> Scalars {
    let join = |left, right| match floats(op, true, left, right) {
        Outcome::Value(v) => v,
        Outcome::Filtered | Outcome::Incompatible => f64::NAN,
    };
    left.zip(right, steps, join)
}
