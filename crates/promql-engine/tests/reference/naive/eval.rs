//! Expressions.

use std::collections::BTreeMap;

use promql::Expr;
use promql::ast::{Unary, UnaryOp};

use super::prepare::is_invariant;
use super::value::{Element, Point, Series, Value, at, collect, merge, without_metadata};
use super::{Decode, Grid, Naive};

impl Naive<'_> {
    /// Evaluates an expression at all steps. `decode`: what of histograms.
    pub(super) fn eval(&self, expr: &Expr, grid: Grid, decode: Decode) -> Result<Value, String> {
        let literal = matches!(expr, Expr::Number(_) | Expr::String(_));
        let times = grid.times();
        let once = !self.in_param.get() && is_invariant(expr);
        if literal || grid.start == grid.end || !once {
            return self.eval_here(expr, grid, decode);
        }
        let mut once = self.eval_here(expr, Grid::once(grid.start), decode)?;
        match &mut once {
            Value::Scalar(points) => spread(points, grid.start, &times),
            Value::Vector(all) => {
                all.iter_mut().for_each(|it| spread(&mut it.points, grid.start, &times));
            }
            Value::Text(_) | Value::Samples(_) => {}
        }
        Ok(once)
    }

    fn eval_here(&self, expr: &Expr, grid: Grid, decode: Decode) -> Result<Value, String> {
        match expr {
            Expr::Number(it) => {
                Ok(Value::Scalar(grid.times().into_iter().map(|t| (t, it.value)).collect()))
            }
            Expr::String(it) => Ok(Value::Text(it.value.clone())),
            Expr::Vector(it) => Ok(Value::Vector(self.select(it, grid, decode)?)),
            Expr::Matrix(_) | Expr::Subquery(_) => unreachable!("windows are read by functions"),
            Expr::Call(it) => self.call(it, grid, decode),
            Expr::Aggregate(it) => self.aggregate(it, grid, decode),
            Expr::Binary(it) => self.binary(it, grid, decode),
            Expr::Unary(it) => self.unary(it, grid, decode),
            Expr::Paren(it) => self.eval(&it.expr, grid, decode),
        }
    }

    pub(super) fn vector(
        &self,
        expr: &Expr,
        grid: Grid,
        decode: Decode,
    ) -> Result<Vec<Series>, String> {
        match self.eval(expr, grid, decode)? {
            Value::Vector(all) => Ok(all),
            other => unreachable!("{expr} is a vector, not {other:?}"),
        }
    }

    pub(super) fn scalar(
        &self,
        expr: &Expr,
        grid: Grid,
        decode: Decode,
    ) -> Result<BTreeMap<i64, f64>, String> {
        match self.eval(expr, grid, decode)? {
            Value::Scalar(all) => Ok(all),
            other => unreachable!("{expr} is a scalar, not {other:?}"),
        }
    }

    fn unary(&self, it: &Unary, grid: Grid, decode: Decode) -> Result<Value, String> {
        let value = self.eval(&it.expr, grid, decode)?;
        match (it.op, value) {
            (UnaryOp::Plus, value) => Ok(value),
            (UnaryOp::Minus, Value::Scalar(points)) => {
                Ok(Value::Scalar(points.into_iter().map(|(t, v)| (t, -v)).collect()))
            }
            (UnaryOp::Minus, Value::Vector(all)) => {
                let negated = all.into_iter().map(|series| {
                    let points = series.points.iter().map(|(t, it)| (*t, negate(it))).collect();
                    if self.settings.delayed_names {
                        return Series { points, drops: true, ..series };
                    }
                    Series { labels: without_metadata(&series.labels), points, ..series }
                });
                Ok(Value::Vector(merge(negated.collect())?))
            }
            (UnaryOp::Minus, other) => unreachable!("{other:?} has no sign"),
        }
    }

    /// Evaluates a function step by step: from the instant vector of `expr` to another one.
    pub(super) fn stepwise(
        &self,
        expr: &Expr,
        (grid, decode): (Grid, Decode),
        mut f: impl FnMut(i64, Vec<Element>) -> Result<Vec<Element>, String>,
    ) -> Result<Value, String> {
        let series = self.vector(expr, grid, decode)?;
        let mut steps = Vec::new();
        for t in grid.times() {
            steps.push((t, f(t, at(&series, t))?));
        }
        Ok(Value::Vector(collect(steps)?))
    }

    /// The element with a new value, and without its name, now or at the end.
    pub(super) fn nameless(&self, it: &Element, point: Point) -> Element {
        if self.settings.delayed_names {
            return Element { point, drops: true, ..it.clone() };
        }
        Element { labels: without_metadata(&it.labels), point, ..it.clone() }
    }
}

fn negate(point: &Point) -> Point {
    match point {
        Point::Float(v) => Point::Float(-v),
        Point::Hist(it) => Point::Hist(it.clone().times(-1.0)),
    }
}

/// Repeats what is at `start` at all times.
fn spread<T: Clone>(points: &mut BTreeMap<i64, T>, start: i64, times: &[i64]) {
    let once = points.remove(&start);
    points.extend(times.iter().filter_map(|t| Some((*t, once.clone()?))));
}
