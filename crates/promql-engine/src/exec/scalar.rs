//! Numbers at each step.

use crate::account::Charge;
use crate::context::{Context, Worker};
use crate::exec::{Operator, Series};
use crate::{Column, Grid, QueryError};

/// A number at each step: the value of a scalar expression.
#[derive(Debug)]
pub(crate) enum Scalars {
    /// The same at all steps.
    Constant(f64),
    Each(Charged),
}

/// A number for each step, and what they are charged with.
#[derive(Debug)]
pub(crate) struct Charged {
    all: Vec<f64>,
    _charge: Charge,
}

impl std::ops::Deref for Charged {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        &self.all
    }
}

impl Scalars {
    /// A number for each step; `charge` holds what they cost.
    pub(crate) fn each(all: Vec<f64>, charge: Charge) -> Self {
        Self::Each(Charged { all, _charge: charge })
    }

    #[inline]
    pub(crate) fn at(&self, step: usize) -> f64 {
        match self {
            Self::Constant(v) => *v,
            Self::Each(all) => all[step],
        }
    }

    /// The value at the first step; NaN if there is none.
    pub(crate) fn first(&self) -> f64 {
        match self {
            Self::Constant(v) => *v,
            Self::Each(all) => all.first().copied().unwrap_or(f64::NAN),
        }
    }

    pub(crate) fn map(self, f: impl Fn(f64) -> f64) -> Self {
        match self {
            Self::Constant(v) => Self::Constant(f(v)),
            Self::Each(mut each) => {
                each.all.iter_mut().for_each(|v| *v = f(*v));
                Self::Each(each)
            }
        }
    }

    /// Joins two numbers at each of `steps` steps.
    pub(crate) fn zip(
        &self,
        other: &Self,
        steps: usize,
        context: &Context,
        f: impl Fn(f64, f64) -> f64,
    ) -> Result<Self, QueryError> {
        if let (Self::Constant(a), Self::Constant(b)) = (self, other) {
            return Ok(Self::Constant(f(*a, *b)));
        }
        let mut charge = context.charge();
        charge.add_columns(1, steps)?;
        let all = (0..steps).map(|at| f(self.at(at), other.at(at))).collect();
        Ok(Self::each(all, charge))
    }

    /// The distinct values, roughly: one for a constant, else one a step.
    pub(crate) fn values(&self, steps: usize) -> impl Iterator<Item = f64> {
        let n = if matches!(self, Self::Constant(_)) { steps.min(1) } else { steps };
        (0..n).map(|at| self.at(at))
    }
}

/// One series without labels that is there at every step: a scalar, `vector(…)`, `time()`.
pub(crate) struct ScalarSeries {
    pub(crate) scalars: Scalars,
    pub(crate) steps: usize,
}

impl Operator for ScalarSeries {
    fn len(&self) -> usize {
        1
    }

    fn steps(&self) -> usize {
        self.steps
    }

    fn series(&self, _: usize) -> Series {
        Series::new(model::Labels::empty())
    }

    fn eval(&self, _: usize, worker: &mut Worker<'_>, out: &mut Column) -> Result<(), QueryError> {
        worker.spend(self.steps)?;
        out.reset(self.steps);
        out.fill(0.0);
        match &self.scalars {
            Scalars::Constant(v) => out.values_mut().fill(*v),
            Scalars::Each(all) => out.values_mut().copy_from_slice(all),
        }
        Ok(())
    }

    fn is_quiet(&self) -> bool {
        true
    }
}

/// Times of all steps, in seconds.
pub(crate) fn times(grid: Grid, context: &Context) -> Result<Scalars, QueryError> {
    let mut charge = context.charge();
    charge.add_columns(1, grid.len)?;
    Ok(Scalars::each(grid.times().map(|t| t as f64 / 1000.0).collect(), charge))
}
