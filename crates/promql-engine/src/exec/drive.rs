//! Evaluates all series of an operator, on several threads, and folds the columns in series order.
//!
//! A worker takes the next run of series, fills a column for each, waits until all runs before its
//! own are folded, then folds its own. Filling (decoding, sliding windows) is the costly part and runs
//! in parallel; folding is a few additions a step and runs in series order, so a result does not
//! depend on the number of threads. A worker holds one run of columns, about 256 KiB.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

use crate::account::Charge;
use crate::context::{Context, Worker};
use crate::engine::STACK_BYTES;
use crate::exec::group::series_bytes;
use crate::exec::{EachSeries, Operator, Series, check_at};
use crate::{Column, QueryError};

/// What a fold gets: the series' position and its column, which it may take.
pub(crate) type Sink<'s> = dyn FnMut(usize, &mut Column) -> Result<(), QueryError> + Send + 's;

/// Steps in the columns of one run.
const RUN_STEPS: usize = 1 << 15;

/// Steps and samples of work below which helpers cost more than they bring: about half a
/// millisecond.
const WORK_ALONE_MAX: usize = 1 << 17;

/// Evaluates every series of `op` and hands the columns to `sink` in series order.
///
/// # Errors
/// The first in series order, of evaluation or of `sink`.
pub(crate) fn for_each(
    context: &Context,
    op: &dyn Operator,
    sink: &mut Sink<'_>,
) -> Result<(), QueryError> {
    let run_len = (RUN_STEPS / (op.steps() + 16)).clamp(1, 512);
    let work = op.len().saturating_mul(op.weight());
    let threads =
        if work < WORK_ALONE_MAX { 1 } else { context.threads.min(op.len().div_ceil(run_len)) };
    if threads <= 1 {
        return run_alone(context, op, sink);
    }
    let runs = Runs {
        context,
        op,
        run_len,
        next: AtomicUsize::new(0),
        fold: Mutex::new(Fold { turn: 0, ended: None, sink }),
        turned: Condvar::new(),
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            let helper = std::thread::Builder::new().stack_size(STACK_BYTES);
            // Without a helper the work takes longer.
            let _ = helper.spawn_scoped(scope, || runs.work());
        }
        runs.work();
    });
    let fold = runs.fold.into_inner().expect("no worker panicked");
    fold.ended.unwrap_or(Ok(()))
}

/// Evaluates every series of `op` and keeps the columns.
pub(crate) fn materialize(
    context: &Context,
    op: Box<dyn Operator>,
) -> Result<Materialized, QueryError> {
    let mut charge = context.charge();
    let mut columns = Vec::new();
    for_each(context, op.as_ref(), &mut |_, column| {
        charge.add_column(column)?;
        columns.push(std::mem::take(column));
        Ok(())
    })?;
    Ok(Materialized { steps: op.steps(), series: Rows::Of(op), columns, charge })
}

/// Evaluates series of `op` that nobody needs, for what there is to say about them.
///
/// # Errors
/// What their evaluation fails with.
pub(crate) fn hear(
    context: &Context,
    op: &dyn Operator,
    is_unneeded: impl Fn(usize) -> bool,
) -> Result<(), QueryError> {
    if op.is_quiet() {
        return Ok(());
    }
    let series: Vec<usize> = (0..op.len()).filter(|at| is_unneeded(*at)).collect();
    let mut charge = context.charge();
    charge.add_room::<usize>(series.len())?;
    for_each(context, &Part { op, series }, &mut |_, _| Ok(()))
}

/// Some series of an operator.
struct Part<'o> {
    op: &'o dyn Operator,
    series: Vec<usize>,
}

impl Operator for Part<'_> {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn steps(&self) -> usize {
        self.op.steps()
    }

    fn series(&self, at: usize) -> Series {
        self.op.series(self.series[at])
    }

    fn eval(&self, at: usize, worker: &mut Worker<'_>, out: &mut Column) -> Result<(), QueryError> {
        self.op.eval(self.series[at], worker, out)
    }

    fn weight(&self) -> usize {
        self.op.weight()
    }
}

fn run_alone(context: &Context, op: &dyn Operator, sink: &mut Sink<'_>) -> Result<(), QueryError> {
    let mut worker = Worker::new(context);
    worker.with_column(op.steps(), |worker, column| {
        for at in 0..op.len() {
            worker.with_charges(|worker| {
                op.eval(at, worker, column)?;
                sink(at, column)
            })?;
        }
        Ok(())
    })
}

/// The runs of one [`for_each`], shared by its workers.
struct Runs<'r, 's> {
    context: &'r Context,
    op: &'r dyn Operator,
    run_len: usize,
    /// The next run to be taken.
    next: AtomicUsize,
    fold: Mutex<Fold<'r, 's>>,
    turned: Condvar,
}

struct Fold<'r, 's> {
    /// The run to be folded next.
    turn: usize,
    /// Set when nothing more is to be folded because of an error, or a panic.
    ended: Option<Result<(), QueryError>>,
    sink: &'r mut Sink<'s>,
}

impl Runs<'_, '_> {
    fn work(&self) {
        let _guard = EndOnPanic(self);
        let mut worker = Worker::new(self.context);
        let mut charge = self.context.charge();
        let charged = charge.add_columns(self.run_len, self.op.steps());
        let mut columns: Vec<Column> = Vec::new();
        columns.resize_with(self.run_len, Column::default);
        loop {
            let run = self.next.fetch_add(1, Ordering::Relaxed);
            let start = run * self.run_len;
            if self.op.len() <= start {
                return;
            }
            let columns = &mut columns[..self.run_len.min(self.op.len() - start)];
            let goes_on = worker.with_charges(|worker| {
                let filled = charged.clone().and_then(|()| self.fill(start, worker, columns));
                Ok(self.fold(run, start, filled, columns))
            });
            if goes_on != Ok(true) {
                return;
            }
        }
    }

    fn fill(
        &self,
        start: usize,
        worker: &mut Worker<'_>,
        columns: &mut [Column],
    ) -> Result<(), QueryError> {
        for (i, column) in columns.iter_mut().enumerate() {
            self.op.eval(start + i, worker, column)?;
        }
        Ok(())
    }

    /// Waits for the turn of `run` and folds it. Returns false if there is nothing more to do.
    fn fold(
        &self,
        run: usize,
        start: usize,
        filled: Result<(), QueryError>,
        columns: &mut [Column],
    ) -> bool {
        let mut fold = self.fold.lock().expect("no worker panicked");
        while fold.turn != run && fold.ended.is_none() {
            fold = self.turned.wait(fold).expect("no worker panicked");
        }
        if fold.ended.is_some() {
            return false;
        }
        let sink = &mut *fold.sink;
        let folded = filled.and_then(|()| {
            columns.iter_mut().enumerate().try_for_each(|(i, column)| sink(start + i, column))
        });
        let ok = folded.is_ok();
        if !ok {
            fold.ended = Some(folded);
        }
        fold.turn += 1;
        drop(fold);
        self.turned.notify_all();
        ok
    }
}

/// Wakes the other workers when one panics, so that the panic reaches the caller.
struct EndOnPanic<'g, 'r, 's>(&'g Runs<'r, 's>);

impl Drop for EndOnPanic<'_, '_, '_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let mut fold = self.0.fold.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        fold.ended.get_or_insert(Ok(()));
        drop(fold);
        self.0.turned.notify_all();
    }
}

/// An operator whose columns are all there.
pub(crate) struct Materialized {
    steps: usize,
    series: Rows,
    pub(crate) columns: Vec<Column>,
    charge: Charge,
}

enum Rows {
    Ready(Vec<Series>),
    /// The series of the operator that was evaluated.
    Of(Box<dyn Operator>),
}

impl Materialized {
    /// Takes finished columns; `charge` holds what they cost.
    pub(crate) fn new(
        steps: usize,
        series: Vec<Series>,
        columns: Vec<Column>,
        charge: Charge,
    ) -> Self {
        assert_eq!(series.len(), columns.len(), "each series has a column");
        Self { steps, series: Rows::Ready(series), columns, charge }
    }

    /// Gives series, columns and what they cost away.
    ///
    /// # Errors
    /// If there is no room for the labels, or the query has to end.
    pub(crate) fn into_parts(
        mut self,
        context: &Context,
    ) -> Result<(Vec<Series>, Vec<Column>, Charge), QueryError> {
        let series = match self.series {
            Rows::Ready(series) => series,
            Rows::Of(op) => {
                let mut all = Vec::new();
                for at in 0..op.len() {
                    check_at(context, at)?;
                    let series = op.series(at);
                    self.charge.add(series_bytes(&series), 0)?;
                    all.push(series);
                }
                all
            }
        };
        Ok((series, self.columns, self.charge))
    }
}

impl Operator for Materialized {
    fn len(&self) -> usize {
        self.columns.len()
    }

    fn steps(&self) -> usize {
        self.steps
    }

    fn series(&self, at: usize) -> Series {
        match &self.series {
            Rows::Ready(series) => series[at].clone(),
            Rows::Of(op) => op.series(at),
        }
    }

    fn each_series(&self, each: &mut EachSeries<'_>) {
        match &self.series {
            Rows::Ready(series) => {
                let _ = series.iter().enumerate().try_for_each(|(at, it)| each(at, it.borrowed()));
            }
            Rows::Of(op) => op.each_series(each),
        }
    }

    fn eval(&self, at: usize, worker: &mut Worker<'_>, out: &mut Column) -> Result<(), QueryError> {
        worker.spend(self.steps)?;
        out.copy_from(&self.columns[at]);
        Ok(())
    }

    fn is_quiet(&self) -> bool {
        true
    }
}

/// Shared by all places of a query that need the same.
impl Operator for std::sync::Arc<Materialized> {
    fn len(&self) -> usize {
        self.as_ref().len()
    }

    fn steps(&self) -> usize {
        self.as_ref().steps()
    }

    fn series(&self, at: usize) -> Series {
        self.as_ref().series(at)
    }

    fn each_series(&self, each: &mut EachSeries<'_>) {
        self.as_ref().each_series(each);
    }

    fn eval(&self, at: usize, worker: &mut Worker<'_>, out: &mut Column) -> Result<(), QueryError> {
        self.as_ref().eval(at, worker, out)
    }

    fn is_quiet(&self) -> bool {
        true
    }
}
