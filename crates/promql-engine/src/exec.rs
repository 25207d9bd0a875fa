//! Opens plans as operators and runs them.
//!
//! An [`Operator`] has a fixed list of series from the moment it is open, and fills the column of any
//! one of them on demand, from several threads at once. Its consumer asks for each series at most
//! once; an operator whose columns are needed more often is kept whole ([`drive::Materialized`]).
//!
//! [`Opener`] opens bottom up, operands in upstream's order of evaluation. Operators that must see all
//! their input at once (aggregations, `topk`, sorting, matchings that are not one to one) run it while
//! they are opened.

pub(crate) mod aggregate;
pub(crate) mod binary;
pub(crate) mod call;
pub(crate) mod classic;
pub(crate) mod drive;
pub(crate) mod group;
pub(crate) mod info;
pub(crate) mod merge;
pub(crate) mod open;
pub(crate) mod range;
pub(crate) mod root;
pub(crate) mod scalar;
pub(crate) mod select;
pub(crate) mod series;
pub(crate) mod topk;

pub(crate) use open::Opener;
use std::ops::ControlFlow;

pub(crate) use series::{Series, SeriesRef};

use crate::context::{Context, Worker};
use crate::{Column, QueryError};

/// Sorts, stably, unless the query has to end.
pub(crate) fn sort_checked<T>(
    context: &Context,
    items: Vec<T>,
    compare: impl FnMut(&T, &T) -> std::cmp::Ordering,
) -> Result<Vec<T>, QueryError> {
    stdx::sort::try_sort_by(items, compare, || context.check())
}

/// Series whose labels are made without a look at whether the query has to end.
const LABELS_BETWEEN_CHECKS: usize = 1024;

/// Looks, now and then in a walk over series, whether the query has to end.
#[inline]
pub(crate) fn check_at(context: &Context, at: usize) -> Result<(), QueryError> {
    if at % LABELS_BETWEEN_CHECKS == LABELS_BETWEEN_CHECKS - 1 { context.check() } else { Ok(()) }
}

/// Walks the series of an operator, unless `each` fails or the query has to end.
pub(crate) fn try_each_series(
    context: &Context,
    op: &dyn Operator,
    mut each: impl FnMut(SeriesRef<'_>) -> Result<(), QueryError>,
) -> Result<(), QueryError> {
    let mut ended = Ok(());
    op.each_series(&mut |at, series| {
        ended = check_at(context, at).and_then(|()| each(series));
        if ended.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    ended
}

/// What is done with each series; it may break off.
pub(crate) type EachSeries<'e> = dyn FnMut(usize, SeriesRef<'_>) -> ControlFlow<()> + 'e;

/// An open operator: a list of series, each a column on demand.
pub(crate) trait Operator: Send + Sync {
    /// How many series there are. Some of them may turn out to have no point.
    fn len(&self) -> usize;

    /// How many steps each column has.
    fn steps(&self) -> usize;

    /// The labels of series `at`. Made anew at each call.
    fn series(&self, at: usize) -> Series;

    /// Shows all series, in the order of their positions, until `each` breaks. Cheaper than asking for one
    /// after the other.
    fn each_series(&self, each: &mut EachSeries<'_>) {
        let _ = (0..self.len()).try_for_each(|at| each(at, self.series(at).borrowed()));
    }

    /// Fills `out`, whatever it held, with series `at`.
    fn eval(&self, at: usize, worker: &mut Worker<'_>, out: &mut Column) -> Result<(), QueryError>;

    /// True if filling a column adds no note and fails for nothing but want of time or memory, so that a
    /// consumer may leave series out. The others are asked for even if their points are not needed.
    fn is_quiet(&self) -> bool {
        false
    }

    /// Roughly the work to fill one column, in steps or samples.
    fn weight(&self) -> usize {
        self.steps() + 64
    }
}
