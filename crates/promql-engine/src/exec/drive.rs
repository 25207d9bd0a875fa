//! Evaluates all series of an operator, on several threads, and folds the columns in series order.
//!
//! A worker takes the next run of series, fills a column for each, and hands the run in. Whoever hands in the run
//! that is to be folded next folds it, and those that follow it and are ready. Filling (decoding, sliding
//! windows) is the costly part and runs in parallel; folding is a few additions a step and runs in series order,
//! so a result does not depend on the number of threads. For each worker there are two runs of columns, about
//! 128 KiB each, so that one seldom waits for another: being woken takes as long as folding a run.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::account::Charge;
use crate::context::{Context, Worker};
use crate::engine::STACK_BYTES;
use crate::exec::group::series_bytes;
use crate::exec::{EachSeries, Operator, Series, check_at};
use crate::{Column, QueryError};

/// What a fold gets: the series' position and its column, which it may take.
pub(crate) type Sink<'s> = dyn FnMut(usize, &mut Column) -> Result<(), QueryError> + Send + 's;

/// Steps in the columns of one run.
const RUN_STEPS: usize = 1 << 14;

/// Runs of columns for each worker: one is filled while others wait for their turn.
const BUFFERS_PER_WORKER: usize = 2;

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
    let runs = Runs::new(context, op, (run_len, threads), sink);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            let helper = std::thread::Builder::new().stack_size(STACK_BYTES);
            // Without a helper the work takes longer.
            let _ = helper.spawn_scoped(scope, || runs.work());
        }
        runs.work();
    });
    let state = runs.state.into_inner().expect("no worker panicked");
    state.ended.unwrap_or(Ok(()))
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

/// A result that came after the evaluation of `op`. If it is a failure, then `op` fails first if it does: operands are
/// evaluated one after the other, each as a whole.
pub(crate) fn after<T>(
    context: &Context,
    op: &dyn Operator,
    result: Result<T, QueryError>,
) -> Result<T, QueryError> {
    if let Err(QueryError::Exec(_)) = result {
        hear(context, op, |_| true)?;
    }
    result
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
    state: Mutex<State>,
    /// A buffer is free, or all has ended.
    freed: Condvar,
    /// Locked by the worker that folds.
    sink: Mutex<&'r mut Sink<'s>>,
}

/// Who fills what, and how far all is folded. Locked for a few lines; no other lock is taken meanwhile.
struct State {
    /// Runs that are filled and not folded, by number.
    filled: BTreeMap<usize, Filled>,
    /// The run to be folded next.
    turn: usize,
    /// A worker folds.
    is_folding: bool,
    /// Buffers that nobody uses, and how many more may be made.
    free: Vec<Vec<Column>>,
    makeable: usize,
    /// Workers that wait for a buffer.
    n_waiting: usize,
    /// Of the buffers.
    charge: Charge,
    /// Set when nothing more is to be folded because of an error, or a panic.
    ended: Option<Result<(), QueryError>>,
}

/// The columns of a run, or why there are none.
struct Filled {
    columns: Vec<Column>,
    result: Result<(), QueryError>,
    /// What the columns hold besides their steps.
    charge: Charge,
}

impl<'r, 's> Runs<'r, 's> {
    fn new(
        context: &'r Context,
        op: &'r dyn Operator,
        (run_len, threads): (usize, usize),
        sink: &'r mut Sink<'s>,
    ) -> Self {
        let state = State {
            filled: BTreeMap::new(),
            turn: 0,
            is_folding: false,
            free: Vec::new(),
            makeable: threads * BUFFERS_PER_WORKER,
            n_waiting: 0,
            charge: context.charge(),
            ended: None,
        };
        Self {
            context,
            op,
            run_len,
            next: AtomicUsize::new(0),
            state: Mutex::new(state),
            freed: Condvar::new(),
            sink: Mutex::new(sink),
        }
    }

    fn work(&self) {
        let _guard = EndOnPanic(self);
        let mut worker = Worker::new(self.context);
        while let Some(columns) = self.buffer() {
            let run = self.next.fetch_add(1, Ordering::Relaxed);
            if self.op.len() <= run * self.run_len {
                return;
            }
            let filled = self.fill(run * self.run_len, &mut worker, columns);
            self.hand_in(run, filled);
        }
    }

    /// A buffer for the next run, once there is one; `None` if nothing more is to be done.
    fn buffer(&self) -> Option<Vec<Column>> {
        let mut state = self.lock();
        while state.ended.is_none() && state.free.is_empty() && state.makeable == 0 {
            state.n_waiting += 1;
            state = self.freed.wait(state).expect("no worker panicked");
            state.n_waiting -= 1;
        }
        if state.ended.is_some() {
            return None;
        }
        if let Some(columns) = state.free.pop() {
            return Some(columns);
        }
        state.makeable -= 1;
        if let Err(error) = state.charge.add_columns(self.run_len, self.op.steps()) {
            state.ended = Some(Err(error));
            self.freed.notify_all();
            return None;
        }
        drop(state);
        let mut columns = Vec::new();
        columns.resize_with(self.run_len, Column::default);
        Some(columns)
    }

    fn fill(&self, start: usize, worker: &mut Worker<'_>, mut columns: Vec<Column>) -> Filled {
        let run = start..self.op.len().min(start + self.run_len);
        let (result, charge) = worker.with_charges_taken(|worker| {
            run.zip(&mut columns).try_for_each(|(at, column)| self.op.eval(at, worker, column))
        });
        Filled { columns, result, charge }
    }

    /// Leaves a run to the worker that folds, or folds all that are ready if none does.
    fn hand_in(&self, run: usize, filled: Filled) {
        let mut state = self.lock();
        state.filled.insert(run, filled);
        if state.is_folding {
            return;
        }
        state.is_folding = true;
        loop {
            let turn = state.turn;
            let Some(ready) = state.filled.remove(&turn).filter(|_| state.ended.is_none()) else {
                break;
            };
            drop(state);
            let Filled { mut columns, result, charge } = ready;
            let folded = result.and_then(|()| self.fold(turn * self.run_len, &mut columns));
            drop(charge);
            state = self.lock();
            state.turn += 1;
            state.free.push(columns);
            if folded.is_err() {
                state.ended = Some(folded);
            }
            // Telling nobody is a call of the system, too.
            if 0 < state.n_waiting {
                self.freed.notify_all();
            }
        }
        state.is_folding = false;
    }

    fn fold(&self, start: usize, columns: &mut [Column]) -> Result<(), QueryError> {
        let mut sink = self.sink.lock().expect("no worker panicked");
        let run = start..self.op.len();
        run.zip(columns).try_for_each(|(at, column)| sink(at, column))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no worker panicked")
    }
}

/// Wakes the other workers when one panics, so that the panic reaches the caller.
struct EndOnPanic<'g, 'r, 's>(&'g Runs<'r, 's>);

impl Drop for EndOnPanic<'_, '_, '_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ended.get_or_insert(Ok(()));
        drop(state);
        self.0.freed.notify_all();
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
