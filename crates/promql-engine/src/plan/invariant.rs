//! Which expressions have the same value at all steps.

use std::collections::HashMap;

use promql::ast::Expr;

/// Functions whose value depends on the time of evaluation whatever their arguments.
const UNSAFE: [&str; 14] = [
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
    "year",
];

/// Remembers, for each node of a tree, whether its value is the same at all steps.
#[derive(Default)]
pub(crate) struct Invariants<'e>(HashMap<*const Expr, (bool, &'e Expr)>);

impl<'e> Invariants<'e> {
    /// Looks through the tree once.
    pub(crate) fn of(expr: &'e Expr) -> Self {
        let mut all = Self::default();
        all.visit(expr);
        all
    }

    /// True if `expr`, a node of the tree, has the same value at all steps.
    pub(crate) fn contains(&self, expr: &Expr) -> bool {
        self.0.get(&std::ptr::from_ref(expr)).is_some_and(|(invariant, _)| *invariant)
    }

    fn visit(&mut self, expr: &'e Expr) -> bool {
        let mut below = true;
        for child in expr.children() {
            below &= self.visit(child);
        }
        let invariant = match expr {
            Expr::Number(_) | Expr::String(_) => true,
            Expr::Vector(it) => it.shift.has_at(),
            Expr::Matrix(it) => it.selector.shift.has_at(),
            Expr::Subquery(it) => it.shift.has_at(),
            Expr::Aggregate(it) => self.contains(&it.expr),
            Expr::Call(it) if it.function.name == "timestamp" => {
                matches!(it.args[0].unwrap_parens(), Expr::Vector(_)) && below
            }
            // These become numbers before anything is evaluated.
            Expr::Call(it) if is_query_constant(it.function.name) => true,
            Expr::Call(it) => below && !UNSAFE.contains(&it.function.name),
            Expr::Binary(_) | Expr::Unary(_) | Expr::Paren(_) => below,
        };
        self.0.insert(std::ptr::from_ref(expr), (invariant, expr));
        invariant
    }
}

/// True for the functions that are constants of the query.
pub(crate) fn is_query_constant(function: &str) -> bool {
    matches!(function, "start" | "end" | "range" | "step")
}
