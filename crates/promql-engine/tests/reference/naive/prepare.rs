//! What is settled before evaluation: computed durations, `@`, and which parts are the same at each step.

use promql::Expr;
use promql::ast::{DurationExpr, DurationOp, StartOrEnd, TimeShift};

use super::scalar::{max_of, min_of};

/// The times of a query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// 0 in an instant query.
    pub(crate) step: i64,
}

/// Writes durations and times of `@` into the tree.
pub(crate) fn prepare(expr: &mut Expr, times: Times) -> Result<(), String> {
    compute_durations(expr, times)?;
    pin(expr, times, false);
    strip_parens(expr);
    Ok(())
}

/// Arguments of functions and aggregations stand without parentheses.
fn strip_parens(expr: &mut Expr) {
    let args: Vec<&mut Expr> = match expr {
        Expr::Call(it) => it.args.iter_mut().collect(),
        Expr::Aggregate(it) => it.param.iter_mut().chain([&mut it.expr]).collect(),
        _ => Vec::new(),
    };
    args.into_iter().for_each(|it| *it = it.unwrap_parens().clone());
    expr.children_mut().for_each(strip_parens);
}

fn compute_durations(expr: &mut Expr, times: Times) -> Result<(), String> {
    match expr {
        Expr::Vector(it) => offset(&mut it.shift, times)?,
        Expr::Matrix(it) => {
            positive(&it.range_expr, &mut it.range_ms, times)?;
            offset(&mut it.selector.shift, times)?;
        }
        Expr::Subquery(it) => {
            positive(&it.range_expr, &mut it.range_ms, times)?;
            positive(&it.step_expr, &mut it.step_ms, times)?;
            offset(&mut it.shift, times)?;
        }
        _ => {}
    }
    expr.children_mut().try_for_each(|it| compute_durations(it, times))
}

fn positive(expr: &Option<DurationExpr>, ms: &mut i64, times: Times) -> Result<(), String> {
    let Some(expr) = expr else { return Ok(()) };
    let seconds = finite(expr, times)?;
    if seconds <= 0.0 {
        return Err(at(expr, "duration must be greater than 0"));
    }
    *ms = milliseconds(expr, seconds)?;
    Ok(())
}

fn offset(shift: &mut TimeShift, times: Times) -> Result<(), String> {
    if let Some(expr) = &shift.offset_expr {
        shift.original_offset_ms = milliseconds(expr, finite(expr, times)?)?;
    }
    Ok(())
}

fn finite(expr: &DurationExpr, times: Times) -> Result<f64, String> {
    let seconds = seconds(expr, times)?;
    if seconds.is_finite() { Ok(seconds) } else { Err(at(expr, "duration is NaN or infinite")) }
}

fn milliseconds(expr: &DurationExpr, seconds: f64) -> Result<i64, String> {
    if seconds.abs() > i64::MAX as f64 / 1e9 {
        return Err(at(expr, "duration is out of range"));
    }
    Ok((seconds * 1000.0) as i64)
}

fn seconds(expr: &DurationExpr, times: Times) -> Result<f64, String> {
    Ok(match expr {
        DurationExpr::Number(it) => it.value,
        DurationExpr::Step(_) => times.step as f64 / 1000.0,
        DurationExpr::Range(_) => (times.end - times.start) as f64 / 1000.0,
        DurationExpr::Negative { expr, .. } => -seconds(expr, times)?,
        DurationExpr::Paren { expr, .. } => seconds(expr, times)?,
        DurationExpr::Binary { op, lhs, rhs, .. } => {
            let (lhs, rhs) = (seconds(lhs, times)?, seconds(rhs, times)?);
            match op {
                DurationOp::Add => lhs + rhs,
                DurationOp::Sub => lhs - rhs,
                DurationOp::Mul => lhs * rhs,
                DurationOp::Div if rhs == 0.0 => return Err(at(expr, "division by zero")),
                DurationOp::Div => lhs / rhs,
                DurationOp::Mod if rhs == 0.0 => return Err(at(expr, "modulo by zero")),
                DurationOp::Mod => lhs % rhs,
                DurationOp::Pow => lhs.powf(rhs),
                DurationOp::MinOf => min_of(lhs, rhs),
                DurationOp::MaxOf => max_of(lhs, rhs),
            }
        }
    })
}

fn at(expr: &DurationExpr, text: &str) -> String {
    let pos = expr.pos();
    format!("{}:{}: {text}", pos.start, pos.end)
}

/// Resolves `@ start()` and `@ end()`. In the parameter of an aggregation they have no effect.
fn pin(expr: &mut Expr, times: Times, in_param: bool) {
    let shift = match expr {
        Expr::Vector(it) => Some(&mut it.shift),
        Expr::Matrix(it) => Some(&mut it.selector.shift),
        Expr::Subquery(it) => Some(&mut it.shift),
        _ => None,
    };
    if let Some(shift) = shift {
        let time = shift.start_or_end.take().map(|it| match it {
            StartOrEnd::Start => times.start,
            StartOrEnd::End => times.end,
        });
        if !in_param {
            shift.timestamp_ms = shift.timestamp_ms.or(time);
        }
    }
    if let Expr::Aggregate(it) = expr {
        pin(&mut it.expr, times, in_param);
        it.param.iter_mut().for_each(|it| pin(it, times, true));
    } else {
        expr.children_mut().for_each(|it| pin(it, times, in_param));
    }
}

/// Functions whose value depends on the time of evaluation.
const UNSAFE: [&str; 11] = [
    "days_in_month",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "hour",
    "minute",
    "month",
    "predict_linear",
    "time",
    "timestamp",
    "year",
];

/// True if the expression has the same value at each step, whatever the data.
pub(crate) fn is_invariant(expr: &Expr) -> bool {
    match expr {
        Expr::Number(_) | Expr::String(_) => true,
        Expr::Vector(it) => it.shift.timestamp_ms.is_some(),
        Expr::Matrix(it) => it.selector.shift.timestamp_ms.is_some(),
        Expr::Subquery(it) => it.shift.timestamp_ms.is_some(),
        Expr::Call(it) if it.function.name == "timestamp" => {
            matches!(it.args[0].unwrap_parens(), Expr::Vector(_)) && is_invariant(&it.args[0])
        }
        Expr::Call(it) => !UNSAFE.contains(&it.function.name) && it.args.iter().all(is_invariant),
        Expr::Aggregate(it) => is_invariant(&it.expr),
        Expr::Binary(it) => is_invariant(&it.lhs) && is_invariant(&it.rhs),
        Expr::Unary(it) => is_invariant(&it.expr),
        Expr::Paren(it) => is_invariant(&it.expr),
    }
}
