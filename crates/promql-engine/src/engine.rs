//! The entry points.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use promql::ast::{Expr, ValueType};
use stdx::Clock;
use storage::Queryable;

use crate::account::{Account, Charge};
use crate::context::Context;
use crate::counts::Counts;
use crate::exec::Opener;
use crate::exec::root::{self, Outcome};
use crate::exec::sort_checked;
use crate::plan::{Plan, Times, lower};
use crate::{Hold, Lookup, Pool, QueryError, QueryResult, Stats, StepSamples, Usage, Value};

/// How an engine evaluates.
#[derive(Clone, Debug)]
pub struct Options {
    /// How far a selector looks back for a sample, in milliseconds.
    pub lookback_ms: i64,
    /// Step of subqueries that name none, in milliseconds (`global.evaluation_interval`).
    pub subquery_step_ms: i64,
    /// Most samples a query holds at once.
    pub samples_max: u64,
    /// Most bytes a query holds at once.
    pub memory_max_bytes: u64,
    /// Longest time a query takes.
    pub timeout: Duration,
    /// Most threads that work on one query.
    pub threads: usize,
    /// Which parts of the language are on.
    pub parser: promql::Options,
    /// Metric names disappear at the end of the evaluation instead of at each operator.
    pub delayed_name_removal: bool,
    /// What a counter is follows from `__type__`, not from the name.
    pub type_and_unit_labels: bool,
    /// Start times of samples count: a counter that began within a window began at zero.
    pub start_timestamps: bool,
    /// Queries may ask for what each of their steps looked at.
    pub per_step_stats: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lookback_ms: 5 * 60 * 1000,
            subquery_step_ms: 60 * 1000,
            samples_max: 50_000_000,
            memory_max_bytes: 1 << 30,
            timeout: Duration::from_secs(120),
            threads: 1,
            parser: promql::Options::default(),
            delayed_name_removal: false,
            type_and_unit_labels: false,
            start_timestamps: false,
            per_step_stats: false,
        }
    }
}

/// Gives a running query up. Clones name the same query.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Ends the query soon with [`QueryError::Canceled`].
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// True once the query is given up.
    pub fn is_canceled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What may differ from query to query.
#[derive(Clone, Debug, Default)]
pub struct QueryOptions {
    /// Overrides [`Options::lookback_ms`].
    pub lookback_ms: Option<i64>,
    /// Overrides [`Options::timeout`] if shorter.
    pub timeout: Option<Duration>,
    /// Gives the query up.
    pub cancel: Cancel,
    /// Shows what the query holds; for one query at a time.
    pub usage: Option<Usage>,
    /// Asks for [`Stats::steps`], if [`Options::per_step_stats`] allows it.
    pub per_step_stats: bool,
}

/// Evaluates queries. Cheap to share; holds no state between queries but the count of their bytes.
///
/// Evaluation blocks the caller until the answer is there, the budget is used up, or the query is
/// [canceled](Cancel).
///
/// ```
/// # use model::{Labels, Matcher};
/// # use storage::{ListHints, Querier, Queryable, ReadError, Samples, SelectHints, SeriesSet};
/// # #[derive(Clone)]
/// # struct OneSeries;
/// # impl Queryable for OneSeries {
/// #     fn querier(&self, _: i64, _: i64) -> Result<Box<dyn Querier>, ReadError> { Ok(Box::new(self.clone())) }
/// # }
/// # impl Querier for OneSeries {
/// #     fn select(&self, _: &SelectHints, _: &[Matcher]) -> Result<Box<dyn SeriesSet>, ReadError> {
/// #         Ok(Box::new(self.clone()))
/// #     }
/// #     fn label_values(&self, _: &str, _: &[Matcher], _: &ListHints) -> Result<Vec<String>, ReadError> { Ok(vec![]) }
/// #     fn label_names(&self, _: &[Matcher], _: &ListHints) -> Result<Vec<String>, ReadError> { Ok(vec![]) }
/// # }
/// # impl SeriesSet for OneSeries {
/// #     fn len(&self) -> usize { 1 }
/// #     fn labels(&self, _: usize) -> Labels { Labels::from_pairs([("__name__", "up")]) }
/// #     fn read(&self, _: usize, _: i64, _: i64, out: &mut Samples) -> Result<(), ReadError> {
/// #         out.push(10_000, 1.0);
/// #         Ok(())
/// #     }
/// # }
/// # let storage = OneSeries;
/// use promql_engine::{Engine, Options, Point, QueryOptions, Value};
///
/// let engine = Engine::new(Options::default(), std::sync::Arc::new(stdx::SystemClock::default()));
/// let answer = engine.instant(&storage, "sum(up) + 1", 15_000, &QueryOptions::default())?;
/// let Value::Vector { elements, .. } = answer.value else { panic!("a sum is a vector") };
/// assert_eq!(elements[0].point, Point::Float(2.0));
/// # Ok::<(), promql_engine::QueryError>(())
/// ```
pub struct Engine {
    options: Options,
    subquery_step_ms: AtomicI64,
    clock: Arc<dyn Clock>,
    pool: Arc<Pool>,
}

impl Engine {
    /// Builds an engine.
    pub fn new(options: Options, clock: Arc<dyn Clock>) -> Self {
        let subquery_step_ms = AtomicI64::new(options.subquery_step_ms);
        Self { options, subquery_step_ms, clock, pool: Arc::default() }
    }

    /// How it evaluates.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// What all queries hold together.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Changes [`Options::subquery_step_ms`] for queries that start from now on (a reload).
    pub fn set_subquery_step_ms(&self, step_ms: i64) {
        self.subquery_step_ms.store(step_ms, Ordering::Relaxed);
    }

    /// Evaluates `query` at the time `t`.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn instant(
        &self,
        queryable: &dyn Queryable,
        query: &str,
        t: i64,
        options: &QueryOptions,
    ) -> Result<QueryResult, QueryError> {
        self.instant_expr(queryable, (&self.parse(query)?, query), t, options)
    }

    /// Evaluates a parsed query at the time `t`; the text is what the notes' positions point into.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn instant_expr(
        &self,
        queryable: &dyn Queryable,
        (expr, query): (&Expr, &str),
        t: i64,
        options: &QueryOptions,
    ) -> Result<QueryResult, QueryError> {
        let times = self.times(t, t, 0, options);
        self.run(queryable, (expr, query), times, options, root::instant)
    }

    /// Evaluates `query` at `start`, `start + step`, … up to `end`.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn range(
        &self,
        queryable: &dyn Queryable,
        query: &str,
        range: (i64, i64, i64),
        options: &QueryOptions,
    ) -> Result<QueryResult, QueryError> {
        self.range_expr(queryable, (&self.parse(query)?, query), range, options)
    }

    /// Evaluates a parsed query at `start`, `start + step`, … up to `end`; the text is what the notes'
    /// positions point into.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn range_expr(
        &self,
        queryable: &dyn Queryable,
        (expr, query): (&Expr, &str),
        (start, end, step): (i64, i64, i64),
        options: &QueryOptions,
    ) -> Result<QueryResult, QueryError> {
        let kind = expr.value_type();
        if !matches!(kind, ValueType::Scalar | ValueType::Vector) {
            let kind = kind.documented();
            return Err(QueryError::Parse(format!(
                "invalid expression type \"{kind}\" for range query, must be Scalar or instant Vector"
            )));
        }
        let times = self.times(start, end, step, options);
        self.run(queryable, (expr, query), times, options, root::range)
    }

    /// Begins a read of the storage that is no query, under the same limits.
    pub fn look_up(&self, options: &QueryOptions) -> Lookup {
        Lookup::new(self.context(options))
    }

    /// Parses a query with the engine's options.
    ///
    /// # Errors
    /// [`QueryError::Parse`].
    pub fn parse(&self, query: &str) -> Result<Expr, QueryError> {
        promql::parse(query, &self.options.parser)
            .map_err(|error| QueryError::Parse(error.to_string()))
    }

    fn times(&self, start: i64, end: i64, step_ms: i64, options: &QueryOptions) -> Times {
        // Far from where differences of times overflow.
        let bounded = |t: i64| t.clamp(-TIME_MAX, TIME_MAX);
        Times {
            start: bounded(start),
            end: bounded(end),
            step_ms: bounded(step_ms),
            lookback_ms: options.lookback_ms.unwrap_or(self.options.lookback_ms),
            subquery_step_ms: self.subquery_step_ms.load(Ordering::Relaxed).max(1),
        }
    }

    fn context(&self, options: &QueryOptions) -> Context {
        let timeout =
            options.timeout.map_or(self.options.timeout, |it| it.min(self.options.timeout));
        Context {
            account: Arc::new(Account::new(
                self.pool.clone(),
                options.usage.clone().unwrap_or_default(),
                self.options.memory_max_bytes,
                self.options.samples_max,
            )),
            notes: Mutex::default(),
            threads: self.options.threads.max(1),
            delayed_names: self.options.delayed_name_removal,
            type_and_unit_labels: self.options.type_and_unit_labels,
            start_timestamps: self.options.start_timestamps,
            clock: self.clock.clone(),
            deadline: self.clock.monotonic().saturating_add(timeout),
            cancel: options.cancel.clone(),
            counts: Mutex::default(),
            counting: Mutex::default(),
        }
    }

    /// Runs a query here, or on a thread with a stack that is deep enough for it.
    fn run(
        &self,
        queryable: &dyn Queryable,
        query: (&Expr, &str),
        times: Times,
        options: &QueryOptions,
        evaluate: Evaluate,
    ) -> Result<QueryResult, QueryError> {
        if depth(query.0) <= DEPTH_HERE_MAX {
            return self.run_here(queryable, query, times, options, evaluate);
        }
        std::thread::scope(|scope| {
            let run = || self.run_here(queryable, query, times, options, evaluate);
            let thread =
                std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, run);
            let thread = thread
                .map_err(|error| QueryError::Exec(format!("no thread for the query: {error}")))?;
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn run_here(
        &self,
        queryable: &dyn Queryable,
        (expr, query): (&Expr, &str),
        times: Times,
        options: &QueryOptions,
        evaluate: Evaluate,
    ) -> Result<QueryResult, QueryError> {
        let context = self.context(options);
        let started = self.clock.monotonic();
        context.check()?;
        let plan = lower(expr, times)?;
        let _steps = self.count_steps(&context, plan.grid.len, options)?;
        let (mint, maxt) = plan.read_range().unwrap_or((0, 0));
        let querier =
            queryable.querier(mint, maxt).map_err(|error| context.storage_error(error))?;
        let prepared = self.clock.monotonic();
        let Outcome { mut value, charge } = {
            let opener = Opener::new(&context, querier.as_ref(), &plan);
            evaluate(&opener, &plan)?
        };
        let evaluated = self.clock.monotonic();
        if let Value::Matrix(matrix) = &mut value {
            let series = std::mem::take(&mut matrix.series);
            matrix.series = sort_checked(&context, series, |a, b| a.labels.cmp(&b.labels))?;
        }
        let (bytes_peak, samples_peak) = context.account.peaks();
        let counts = context.counts.into_inner().expect("no holder panics");
        let (samples, steps) = counts.finish();
        let stats = Stats {
            samples,
            steps,
            samples_peak,
            bytes_peak,
            prepare_ns: nanos(prepared.saturating_sub(started)),
            eval_ns: nanos(evaluated.saturating_sub(prepared)),
            sort_ns: nanos(self.clock.monotonic().saturating_sub(evaluated)),
        };
        let annotations = context.notes.into_inner().expect("no holder panics").finish(query);
        Ok(QueryResult { value, annotations, stats, hold: Hold::new(charge) })
    }
}

impl Engine {
    /// Counts samples by step from now on, if that is asked for; returns what the counters take.
    fn count_steps(
        &self,
        context: &Context,
        steps: usize,
        options: &QueryOptions,
    ) -> Result<Charge, QueryError> {
        let mut charge = context.charge();
        if self.options.per_step_stats && options.per_step_stats {
            // Each thread has its own.
            charge.add_room::<StepSamples>((context.threads + 1).saturating_mul(steps))?;
            *context.counts.lock().expect("no holder panics") = Counts::new(steps);
        }
        Ok(charge)
    }
}

/// How the root of a plan is evaluated.
type Evaluate = fn(&Opener<'_>, &Plan) -> Result<Outcome, QueryError>;

/// Queries at most this deep are evaluated on the caller's stack, of which they take less than 600 KiB even
/// without optimisation.
const DEPTH_HERE_MAX: usize = 32;

/// Stack of the threads that evaluate deep queries: enough for [`promql::DEPTH_MAX`]. Only what is used
/// of it takes memory.
pub(crate) const STACK_BYTES: usize = 16 << 20;

fn depth(expr: &Expr) -> usize {
    1 + expr.children().map(depth).max().unwrap_or(0)
}

/// Some 36 million years.
const TIME_MAX: i64 = i64::MAX / 8;

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
