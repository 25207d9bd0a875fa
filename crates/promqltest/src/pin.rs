//! The same query, independent of when it is evaluated.

use promql::Expr;
use promql::ast::TimeShift;

/// Functions whose result depends on the time of evaluation, whatever their arguments are.
const UNSAFE_FUNCTIONS: [&str; 15] = [
    "days_in_month",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "end",
    "hour",
    "minute",
    "month",
    "predict_linear",
    "range",
    "start",
    "step",
    "time",
    "timestamp",
    "year",
];

/// Puts `@ t` behind every selector and subquery that has none, but not below a subquery. `None` if
/// the query would still depend on when it is evaluated.
pub(crate) fn pinned(mut expr: Expr, t: i64) -> Option<String> {
    pin(&mut expr, t).then(|| expr.to_string())
}

fn pin(expr: &mut Expr, t: i64) -> bool {
    match expr {
        Expr::Vector(it) => set(&mut it.shift, t),
        Expr::Matrix(it) => set(&mut it.selector.shift, t),
        Expr::Subquery(it) => {
            set(&mut it.shift, t);
            return true;
        }
        Expr::Call(it) if UNSAFE_FUNCTIONS.contains(&it.function.name) => return false,
        _ => {}
    }
    expr.children_mut().all(|it| pin(it, t))
}

fn set(shift: &mut TimeShift, t: i64) {
    if shift.timestamp_ms.is_none() {
        shift.timestamp_ms = Some(t);
        shift.start_or_end = None;
    }
}
