//! Operators between a vector and a scalar, and between two scalars.

use promql::ast::BinaryOp;

use super::elements::{Outcome, Side, floats, incompatible, join, zip};
use crate::annotation::{Level, Place};
use crate::context::{Context, Worker};
use crate::exec::scalar::Scalars;
use crate::exec::{Operator, Series};
use crate::{Column, Point, PointRef, QueryError};

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

    /// Joins the histograms of a column to the numbers.
    fn histograms(&self, series: usize, out: &mut Column, worker: &Worker<'_>) {
        for (at, it) in out.take_histograms() {
            let step = at as usize;
            let (histogram, scalar) =
                (PointRef::Histogram(&it), PointRef::Float(self.scalars.at(step)));
            let (left, right) = match self.side {
                Side::Left => (histogram, scalar),
                Side::Right => (scalar, histogram),
            };
            let joined = join(self.op, self.return_bool, left, right);
            self.note(step, series, joined.note, worker);
            if let Some(Point::Histogram(it)) = joined.point {
                out.push_histogram(step, it);
            }
        }
    }

    fn note(&self, step: usize, series: usize, note: Option<(Level, String)>, worker: &Worker<'_>) {
        if let Some((level, text)) = note {
            worker.context.note(|notes| notes.last(self.place, (step, series), level, text));
        }
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
        if self.op.is_trim() {
            for step in out.present().ones() {
                let text = incompatible(self.op, "float", "float");
                self.note(step, at, Some((Level::Info, text)), worker);
            }
        }
        if !out.histograms().is_empty() {
            worker.charge_histograms(out)?;
            self.histograms(at, out, worker);
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
pub(crate) fn scalars(
    context: &Context,
    op: BinaryOp,
    (left, right): (&Scalars, &Scalars),
    steps: usize,
) -> Result<Scalars, QueryError> {
    if op.is_trim() && steps != 0 {
        let text = format!("operator \"{}\" not allowed for Scalar operations", op.as_str());
        return Err(QueryError::Exec(text));
    }
    let join = |left, right| match floats(op, true, left, right) {
        Outcome::Value(v) => v,
        Outcome::Filtered | Outcome::Incompatible => f64::NAN,
    };
    left.zip(right, steps, context, join)
}
