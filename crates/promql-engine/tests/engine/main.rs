//! Table tests of the engine: a storage in memory, queries and answers as text.
//!
//! Steps are a minute apart; an instant query is evaluated at the last minute that has samples,
//! unless it says otherwise. Answers are one line for each series, `labels value value …`, with `_` for
//! a step without point, in the order of the result; then a line for each note.

mod aggregations;
mod consistency;
mod functions;
mod limits;
mod memory;
mod model_check;
mod names;
mod operators;
mod over_time;
mod selectors;
mod subqueries;
mod unneeded;

use std::fmt::Write as _;
use std::sync::Arc;

use memory::Memory;
use promql_engine::{
    Engine, Options, Point, PointRef, QueryError, QueryOptions, QueryResult, Value,
};

const MINUTE: i64 = 60_000;

/// A storage and an engine.
struct Bench {
    memory: Memory,
    engine: Engine,
    /// Time of instant queries.
    t: i64,
}

impl Bench {
    /// Loads series, a sample a minute; instant queries look at the minute `at`.
    fn new(at: i64, series: &str) -> Self {
        Self::with(Options::default(), at, series)
    }

    fn with(options: Options, at: i64, series: &str) -> Self {
        let memory = Memory::default();
        memory.load(MINUTE, series);
        let options = Options { parser: promql::Options::ALL, ..options };
        let engine = Engine::new(options, Arc::new(stdx::SystemClock::default()));
        Self { memory, engine, t: at * MINUTE }
    }

    /// Checks an instant query.
    #[track_caller]
    fn check(&self, query: &str, expected: &str) {
        let result = self.engine.instant(&self.memory, query, self.t, &QueryOptions::default());
        compare(query, &result, expected);
    }

    /// Checks a range query over the minutes `from..=to`.
    #[track_caller]
    fn check_range(&self, query: &str, (from, to): (i64, i64), expected: &str) {
        let range = (from * MINUTE, to * MINUTE, MINUTE);
        let result = self.engine.range(&self.memory, query, range, &QueryOptions::default());
        compare(query, &result, expected);
    }
}

#[track_caller]
fn compare(query: &str, result: &Result<QueryResult, QueryError>, expected: &str) {
    let got = match result {
        Ok(result) => print(result),
        Err(error) => format!("error: {error}\n"),
    };
    let expected: String =
        expected.trim().lines().fold(String::new(), |all, line| all + line.trim() + "\n");
    assert_eq!(got, if expected == "\n" { "" } else { &expected }, "{query}");
}

fn print(result: &QueryResult) -> String {
    let mut out = String::new();
    match &result.value {
        Value::Scalar(sample) => writeln!(out, "{}", float(sample.v)).expect("a string takes all"),
        Value::String { text, .. } => writeln!(out, "{text:?}").expect("a string takes all"),
        Value::Vector { elements, .. } => {
            for element in elements {
                let point = match &element.point {
                    Point::Float(v) => float(*v),
                    Point::Histogram(it) => format!("histogram({})", it.count),
                };
                writeln!(out, "{} {point}", element.labels).expect("a string takes all");
            }
        }
        Value::Matrix(matrix) => {
            for series in &matrix.series {
                write!(out, "{}", series.labels).expect("a string takes all");
                for step in 0..matrix.grid.len {
                    let point = match series.column.point(step) {
                        Some(PointRef::Float(v)) => float(v),
                        Some(PointRef::Histogram(it)) => format!("histogram({})", it.count),
                        None => "_".to_owned(),
                    };
                    write!(out, " {point}").expect("a string takes all");
                }
                out.push('\n');
            }
        }
        Value::Samples(all) => {
            for series in all {
                write!(out, "{}", series.labels).expect("a string takes all");
                for (t, v) in series.samples.t.iter().zip(&series.samples.v) {
                    write!(out, " {}@{}", float(*v), t / 1000).expect("a string takes all");
                }
                out.push('\n');
            }
        }
    }
    let notes = result.annotations.warnings.iter().chain(&result.annotations.infos);
    notes.for_each(|note| writeln!(out, "{note}").expect("a string takes all"));
    out
}

/// Nine digits are enough to see what is meant.
fn float(v: f64) -> String {
    let rounded: f64 = format!("{v:.8e}").parse().unwrap_or(v);
    stdx::gofloat::format_f(rounded)
}
