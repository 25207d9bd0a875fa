//! The naive evaluator: step by step, series by series, each function as its definition reads.
//!
//! It shares the syntax tree, the model's types and the bounds of histogram buckets with the engine, and
//! nothing else. It is slow and holds everything in memory.

mod aggregate;
mod binary;
mod call;
mod classic;
mod date;
mod eval;
mod extended;
pub(crate) mod histogram;
mod info;
mod labels;
pub(crate) mod notes;
mod over_time;
mod prepare;
mod quantile;
mod range;
mod rate;
mod scalar;
mod select;
mod trim;
pub(crate) mod value;

use std::cell::{Cell, RefCell};

use notes::{Note, Notes};
use prepare::Times;
use promql::Expr;
use promql::ast::ValueType;
use value::{Series, Stored, Value};

use crate::random::Random;

/// How to evaluate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) lookback_ms: i64,
    pub(crate) subquery_step_ms: i64,
    pub(crate) delayed_names: bool,
    pub(crate) type_and_unit: bool,
    pub(crate) start_timestamps: bool,
    /// Where the order of elements decides and is free (ties in `topk`, the first of `limitk`, what `count_values`
    /// counted, sums in ranges, which of several duplicates an error names): as they come, or in one of many other orders.
    pub(crate) order: Order,
}

/// An order of elements, whatever they are: 0 is as they come; 1, too, but for results of operators between vectors,
/// which come as they were seen, step by step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Order(pub(crate) u64);

impl Order {
    pub(crate) fn arrange(self, elements: &mut [value::Element]) {
        if self.0 > 1 {
            elements.sort_by_cached_key(|it| Random::new(self.0 ^ it.labels.hash64()).next());
        }
    }
}

/// When to evaluate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum When {
    Instant(i64),
    Range { start: i64, end: i64, step: i64 },
}

/// The answer to a query: value and notes, or why there is none.
pub(crate) type Answer = Result<(Value, Vec<Note>), String>;

/// Evaluates a query.
pub(crate) fn answer(data: &[Stored], settings: &Settings, query: &str, when: When) -> Answer {
    let mut expr = promql::parse(query, &promql::Options::ALL).map_err(|it| it.to_string())?;
    let kind = expr.value_type();
    let times = match when {
        When::Instant(t) => Times { start: t, end: t, step: 0 },
        When::Range { start, end, step } => {
            if !matches!(kind, ValueType::Scalar | ValueType::Vector) {
                return Err(format!(
                    "invalid expression type \"{}\" for range query, must be Scalar or instant Vector",
                    kind.documented()
                ));
            }
            Times { start, end, step }
        }
    };
    prepare::prepare(&mut expr, times)?;
    let (notes, in_param) = (RefCell::default(), Cell::new(false));
    let naive = Naive { data, settings, times, notes, in_param };
    let value = naive.root(&expr)?;
    Ok((value, naive.notes.into_inner().finish(query)))
}

/// A running evaluation.
struct Naive<'a> {
    data: &'a [Stored],
    settings: &'a Settings,
    times: Times,
    notes: RefCell<Notes>,
    /// What is evaluated is the parameter of an aggregation: all its parts are evaluated at each step.
    in_param: Cell<bool>,
}

/// The steps at which a part of the query is evaluated.
#[derive(Clone, Copy, Debug)]
struct Grid {
    start: i64,
    end: i64,
    step: i64,
}

/// What is read of native histograms.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Decode {
    /// All, as nobody has said what is needed.
    Whole,
    /// Counts and sums.
    Counts,
    /// All, because something further out needs buckets.
    Buckets,
}

impl Decode {
    /// What a function of counts and sums needs of its argument.
    fn counts(self) -> Self {
        if self == Self::Buckets { self } else { Self::Counts }
    }
}

impl Grid {
    fn times(self) -> Vec<i64> {
        if self.step == 0 && self.start <= self.end {
            return vec![self.start];
        }
        let mut times = Vec::new();
        let mut t = self.start;
        while t <= self.end {
            times.push(t);
            t += self.step;
        }
        times
    }

    fn once(t: i64) -> Self {
        Self { start: t, end: t, step: 0 }
    }
}

impl Naive<'_> {
    fn root(&self, expr: &Expr) -> Result<Value, String> {
        let grid = Grid { start: self.times.start, end: self.times.end, step: self.times.step };
        if let Expr::Matrix(_) | Expr::Subquery(_) = expr.unwrap_parens() {
            return self.top_window(expr.unwrap_parens(), grid.start);
        }
        match self.eval(expr, grid, Decode::Whole)? {
            Value::Vector(series) => Ok(Value::Vector(self.drop_names(series)?)),
            other => Ok(other),
        }
    }

    /// What is left of names that were marked to disappear.
    fn drop_names(&self, series: Vec<Series>) -> Result<Vec<Series>, String> {
        let dropped = series.into_iter().map(|it| match it.drops {
            true => Series { labels: value::without_metadata(&it.labels), drops: false, ..it },
            false => it,
        });
        value::merge(dropped.collect())
    }

    fn warn(&self, start: usize, text: impl AsRef<str>) {
        self.notes.borrow_mut().warn(start, text);
    }

    fn info(&self, start: usize, text: impl AsRef<str>) {
        self.notes.borrow_mut().info(start, text);
    }
}
