//! Commands to results.

use std::sync::Arc;
use std::time::Duration;

use promql::Expr;
use promql::ast::BinaryOp;
use promql::series::Value as Expected;
use promql_engine::{Engine, QueryError, QueryOptions, QueryResult};
use stdx::Clock;

use crate::compare;
use crate::expect::Expectations;
use crate::memory::Memory;
use crate::pin::pinned;
use crate::report::{Failure, Needs, Report};
use crate::script::{Eval, Kind, When, parse};

/// What a run depends on.
#[derive(Clone)]
pub struct Options {
    /// Measures the time that queries take.
    pub clock: Arc<dyn Clock>,
}

/// Something else came than was expected.
pub(crate) struct Mismatch {
    /// What was run, if not the query as written.
    query: Option<String>,
    expected: String,
    got: String,
}

impl Mismatch {
    pub(crate) fn new(expected: impl ToString, got: impl ToString) -> Self {
        Self { query: None, expected: expected.to_string(), got: got.to_string() }
    }
}

/// Runs the script `text`, called `name` in reports, and adds what came of it to `report`. A wrong
/// command counts as a failed case; the others run all the same.
pub fn run_file(name: &str, text: &str, options: &Options, report: &mut Report) {
    let engine = Engine::new(engine_options(), Arc::clone(&options.clock));
    let mut runner = Runner { engine, memory: Memory::default() };
    for command in parse(text) {
        let failure = |query: String, expected: String, got: String, needs: Needs| {
            Some(Failure { file: name.to_owned(), line: command.line, query, expected, got, needs })
        };
        match command.kind {
            Kind::Clear => runner.memory = Memory::default(),
            Kind::Load(load) => {
                if let Err(why) = load.run(&mut runner.memory) {
                    let needs = Needs::default();
                    report
                        .add(needs, failure("load".into(), "samples are taken".into(), why, needs));
                }
            }
            Kind::Broken { text, why } => {
                let needs = Needs::default();
                report.add(needs, failure(text, "a command".into(), why, needs));
            }
            Kind::Eval(eval) => {
                let needs = runner.needs(&eval);
                let mismatch = runner.eval(&eval).err();
                report.add(
                    needs,
                    mismatch.and_then(|it| {
                        failure(it.query.unwrap_or(eval.query), it.expected, it.got, needs)
                    }),
                );
            }
        }
    }
}

/// How scripts expect the engine to be set up.
fn engine_options() -> promql_engine::Options {
    promql_engine::Options {
        parser: promql::Options::ALL,
        delayed_name_removal: true,
        start_timestamps: true,
        samples_max: 10_000,
        timeout: Duration::from_secs(100),
        ..promql_engine::Options::default()
    }
}

struct Runner {
    engine: Engine,
    memory: Memory,
}

impl Runner {
    fn eval(&self, eval: &Eval) -> Result<(), Mismatch> {
        let expr =
            self.engine.parse(&eval.query).map_err(|error| Mismatch::new("a query", error))?;
        match eval.when {
            When::Instant(t) => self.instants(eval, expr, t),
            When::Range(steps) => {
                let range = (steps.start, steps.end, steps.step);
                let result =
                    self.engine.range(&self.memory, &eval.query, range, &QueryOptions::default());
                let Some(result) = check_failure(&eval.expectations, result)? else {
                    return Ok(());
                };
                compare::annotations(&eval.expectations, &result)?;
                compare::range(&eval.expectations, steps, &result.value)
            }
        }
    }

    /// Evaluates as written, then at other times with the time pinned.
    fn instants(&self, eval: &Eval, expr: Expr, t: i64) -> Result<(), Mismatch> {
        let t = eval.expectations.range_vector.map_or(t, |it| it.end);
        self.instant(&eval.expectations, &eval.query, t)?;
        let Some(pinned) = pinned(expr, t) else { return Ok(()) };
        let times = if t == 0 { vec![-1000, 0, 1000] } else { vec![-10 * t, 0, t / 5, t, 10 * t] };
        for t in times {
            self.instant(&eval.expectations, &pinned, t).map_err(|it| {
                let query = it.query.unwrap_or_else(|| format!("{pinned} at {t} ms"));
                Mismatch { query: Some(query), ..it }
            })?;
        }
        Ok(())
    }

    /// Evaluates at a time, then as the middle step of a range.
    fn instant(&self, expected: &Expectations, query: &str, t: i64) -> Result<(), Mismatch> {
        let result = self.engine.instant(&self.memory, query, t, &QueryOptions::default());
        let Some(result) = check_failure(expected, result)? else { return Ok(()) };
        compare::annotations(expected, &result)?;
        compare::instant(expected, &result.value)?;
        let depends_on_range =
            ["start()", "end()", "range()", "step()"].iter().any(|it| query.contains(it));
        if depends_on_range || expected.range_vector.is_some() || expected.string.is_some() {
            return Ok(());
        }
        let range = (t - 60_000, t + 60_000, 60_000);
        let in_range = |it: Mismatch| Mismatch {
            query: Some(format!("{query} in a range around {t} ms")),
            ..it
        };
        let result = self.engine.range(&self.memory, query, range, &QueryOptions::default());
        let result = result.map_err(|error| in_range(Mismatch::new("a result", error)))?;
        if expected.ordered {
            return Ok(());
        }
        compare::middle_step(expected, &result.value).map_err(in_range)
    }

    fn needs(&self, eval: &Eval) -> Needs {
        let mut needs = Needs::default();
        let values = eval.expectations.series.iter().flat_map(|it| &it.values);
        needs.native_histograms = values.into_iter().any(|it| matches!(it, Expected::Histogram(_)));
        needs.feature_flags = promql::parse(&eval.query, &promql::Options::default()).is_err();
        let Ok(expr) = self.engine.parse(&eval.query) else { return needs };
        expr.walk_selectors(&mut |it| {
            needs.native_histograms |= self.memory.has_native_histograms(&it.matchers);
            needs.start_timestamps |= self.memory.has_start_timestamps(&it.matchers);
        });
        expr.walk(&mut |it| {
            let op = if let Expr::Binary(it) = it { Some(it.op) } else { None };
            needs.native_histograms |= op.is_some_and(BinaryOp::is_trim);
        });
        needs
    }
}

/// Passes a result on if one was expected; `None` if the query failed as it should.
fn check_failure(
    expected: &Expectations,
    result: Result<QueryResult, QueryError>,
) -> Result<Option<QueryResult>, Mismatch> {
    match (&expected.fail, result) {
        (None, Ok(result)) => Ok(Some(result)),
        (None, Err(error)) => Err(Mismatch::new("a result", error)),
        (Some(text), Err(error)) if text.matches(&error.to_string()) => Ok(None),
        (Some(text), Err(error)) => {
            Err(Mismatch::new(format!("the error {}", text.describe()), error))
        }
        (Some(text), Ok(_)) => {
            Err(Mismatch::new(format!("the error {}", text.describe()), "a result"))
        }
    }
}
