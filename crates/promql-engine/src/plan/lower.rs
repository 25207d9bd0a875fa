//! From the syntax tree to the plan.

use promql::ast::{
    self, DurationContext, DurationExpr, Expr, StartOrEnd, TimeShift, UnaryOp, ValueType,
};

use super::invariant::{Invariants, is_query_constant};
use super::node::{
    Aggregate, Binary, Call, Extended, Grouping, Info, Op, Over, Plan, RangeArg, Select, Shift,
    Source,
};
use crate::annotation::Place;
use crate::function::RangeFunction;
use crate::{Grid, QueryError};

/// The times a query is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// Zero for an instant query.
    pub(crate) step_ms: i64,
    pub(crate) lookback_ms: i64,
    /// For subqueries that name no step.
    pub(crate) subquery_step_ms: i64,
}

/// Plans `expr`.
///
/// # Errors
/// If a computed duration has no meaning, or a modifier does not fit its function.
pub(crate) fn lower(expr: &Expr, times: Times) -> Result<Plan, QueryError> {
    let mut lowering = Lowering { times, invariants: Invariants::of(expr), order: 0 };
    let grid = Grid::range(times.start, times.end, times.step_ms);
    let instant = times.start == times.end;
    let end = times.end;
    let scope = Scope { grid, end, instant, param: false, histograms: Histograms::Maybe };
    lowering.lower(expr, scope)
}

struct Lowering<'e> {
    times: Times,
    invariants: Invariants<'e>,
    /// How many nodes are done.
    order: u32,
}

/// Where in the tree we are.
#[derive(Clone, Copy)]
struct Scope {
    grid: Grid,
    /// Until when the grid reaches. A subquery in the place of a grid without steps is evaluated all the same, but
    /// no further than that.
    end: i64,
    /// The evaluation around has one time by definition.
    instant: bool,
    /// Inside the parameter of an aggregation, where `@ start()` has no effect.
    param: bool,
    histograms: Histograms,
}

/// Which part of native histograms the expression around asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Histograms {
    /// All, as far as is known.
    Maybe,
    /// Counts and sums only.
    Counts,
    /// The buckets, whatever is asked of them further down.
    Buckets,
}

impl Histograms {
    /// Inside the arguments of a function.
    fn within(self, function: &str) -> Self {
        match (self, function) {
            (Self::Buckets, _) => Self::Buckets,
            (_, "histogram_quantile" | "histogram_quantiles" | "histogram_fraction") => {
                Self::Buckets
            }
            (_, "histogram_count" | "histogram_sum" | "histogram_avg") => Self::Counts,
            (around, _) => around,
        }
    }
}

impl Lowering<'_> {
    fn lower(&mut self, expr: &Expr, scope: Scope) -> Result<Plan, QueryError> {
        let literal = matches!(expr, Expr::Number(_) | Expr::String(_));
        if scope.instant || scope.param || literal || !self.invariants.contains(expr) {
            return self.lower_here(expr, scope);
        }
        if let Expr::Paren(it) = expr {
            return self.lower(&it.expr, scope);
        }
        if matches!(expr, Expr::Matrix(_) | Expr::Subquery(_)) {
            return self.lower_here(expr, scope);
        }
        let grid = Grid::instant(scope.grid.start);
        let once = Scope { grid, end: grid.start, instant: true, ..scope };
        let operand = self.lower_here(expr, once)?;
        if let Op::Number(_) = operand.op {
            return Ok(Plan { grid: scope.grid, ..operand });
        }
        let (place, scalar) = (operand.place, operand.scalar);
        Ok(Plan { op: Op::Once(Box::new(operand)), grid: scope.grid, place, scalar })
    }

    fn lower_here(&mut self, expr: &Expr, scope: Scope) -> Result<Plan, QueryError> {
        let op = match expr {
            Expr::Number(it) => Op::Number(it.value),
            Expr::String(it) => Op::Text(it.value.clone()),
            Expr::Vector(it) => Op::Select(self.select(it, scope)?),
            Expr::Matrix(_) | Expr::Subquery(_) => Op::Samples(self.range(expr, scope)?),
            Expr::Paren(it) => return self.lower(&it.expr, scope),
            Expr::Unary(it) => match (it.op, self.lower(&it.expr, scope)?) {
                (UnaryOp::Plus, operand) => Op::Same(Box::new(operand)),
                (UnaryOp::Minus, operand) => Op::Negate(Box::new(operand)),
            },
            Expr::Binary(it) => Op::Binary(Box::new(self.binary(it, scope)?)),
            Expr::Aggregate(it) => Op::Aggregate(Box::new(self.aggregate(it, scope)?)),
            Expr::Call(it) => self.call(it, scope)?,
        };
        let scalar = expr.value_type() == ValueType::Scalar;
        Ok(Plan { op, grid: scope.grid, place: self.place(expr), scalar })
    }

    fn binary(&mut self, it: &ast::Binary, scope: Scope) -> Result<Binary, QueryError> {
        let histograms = if it.op.is_trim() { Histograms::Buckets } else { scope.histograms };
        let scope = Scope { histograms, ..scope };
        Ok(Binary {
            op: it.op,
            left: self.lower(&it.lhs, scope)?,
            right: self.lower(&it.rhs, scope)?,
            return_bool: it.return_bool,
            matching: it.matching.clone(),
        })
    }

    fn aggregate(&mut self, it: &ast::Aggregate, scope: Scope) -> Result<Aggregate, QueryError> {
        let param_scope = Scope { param: true, ..scope };
        let mut labels = it.grouping.clone();
        labels.sort_unstable();
        labels.dedup();
        Ok(Aggregate {
            op: it.op,
            param: it.param.as_ref().map(|param| self.lower(param, param_scope)).transpose()?,
            operand: self.lower(it.expr.unwrap_parens(), scope)?,
            grouping: Grouping { without: it.without, labels },
        })
    }

    fn call(&mut self, it: &ast::Call, scope: Scope) -> Result<Op, QueryError> {
        let name = it.function.name;
        if is_query_constant(name) {
            return Ok(Op::Number(self.query_constant(name)));
        }
        let scope = Scope { histograms: scope.histograms.within(name), ..scope };
        let args: Vec<&Expr> = it.args.iter().map(Expr::unwrap_parens).collect();
        if let Some(at) = args.iter().position(|arg| arg.value_type() == ValueType::Matrix) {
            return self.over(name, &args, at, scope);
        }
        if let ("timestamp", [Expr::Vector(selector)]) = (name, &args[..]) {
            return Ok(Op::SelectTime(self.select(selector, scope)?));
        }
        if let ("start_timestamp", [Expr::Vector(selector)]) = (name, &args[..]) {
            return Ok(Op::SelectStart(self.select(selector, scope)?));
        }
        if name == "info" {
            return Ok(Op::Info(Box::new(self.info(&args, scope)?)));
        }
        let matchers = match (name, args.last()) {
            ("absent", Some(Expr::Vector(selector))) => selector.matchers.clone(),
            _ => Vec::new(),
        };
        let args = self.all(&args, scope)?;
        Ok(Op::Call(Call { function: name, args, matchers, instant: scope.instant }))
    }

    /// The second argument of `info` is no vector but a way to write matchers.
    fn info(&mut self, args: &[&Expr], scope: Scope) -> Result<Info, QueryError> {
        let matchers = match args.get(1) {
            Some(Expr::Vector(selector)) => selector.matchers.clone(),
            _ => Vec::new(),
        };
        let shift = self.first_shift(args[0], scope)?.unwrap_or_default();
        let lookback_ms = self.times.lookback_ms;
        let (first, last) = (shift.apply(scope.grid.start), shift.apply(scope.grid.last()));
        let mint = first.saturating_sub(lookback_ms).saturating_add(1);
        let select = Select {
            matchers,
            shift,
            lookback_ms,
            smoothed: false,
            counts_only: false,
            mint,
            maxt: last,
        };
        Ok(Info { operand: self.lower(args[0], scope)?, select })
    }

    /// When the first selector in `expr` looks: its offset and those of the subqueries around it, up to
    /// the first `@`.
    fn first_shift(&self, expr: &Expr, scope: Scope) -> Result<Option<Shift>, QueryError> {
        let outer = match expr {
            Expr::Vector(it) => return self.shift(&it.shift, scope).map(Some),
            Expr::Matrix(it) => return self.shift(&it.selector.shift, scope).map(Some),
            Expr::Subquery(it) => Some(self.shift(&it.shift, scope)?),
            _ => None,
        };
        for child in expr.children() {
            let Some(inner) = self.first_shift(child, scope)? else { continue };
            return Ok(Some(match outer {
                Some(outer) if inner.at.is_none() => Shift {
                    at: outer.at,
                    offset_ms: inner.offset_ms.saturating_add(outer.offset_ms),
                },
                _ => inner,
            }));
        }
        Ok(None)
    }

    /// A function whose argument `at` is a range vector.
    fn over(
        &mut self,
        name: &'static str,
        args: &[&Expr],
        at: usize,
        scope: Scope,
    ) -> Result<Op, QueryError> {
        let before = self.all(&args[..at], scope)?;
        let mut range = self.range(args[at], scope)?;
        let after = self.all(&args[at + 1..], scope)?;
        let params = before.into_iter().chain(after).collect();
        // The function comes after all its arguments.
        self.order += 1;
        range.place.order = self.order;
        let absent = name == "absent_over_time";
        let function = if absent { RangeFunction::Present } else { RangeFunction::get(name) };
        if let Err(error) = check_extended(name, range.extended) {
            return Ok(Op::Refused(error));
        }
        let args_place = Place { start: args[0].pos().start, order: self.order };
        let over = Op::Over(Box::new(Over { function, range, params, args_place }));
        if !absent {
            return Ok(over);
        }
        let matchers = match args[at] {
            Expr::Matrix(it) => it.selector.matchers.clone(),
            _ => Vec::new(),
        };
        let present =
            Plan { op: over, grid: scope.grid, place: self.place(args[at]), scalar: false };
        Ok(Op::Call(Call {
            function: "absent_over_time",
            args: vec![present],
            matchers,
            instant: scope.instant,
        }))
    }

    fn all(&mut self, args: &[&Expr], scope: Scope) -> Result<Vec<Plan>, QueryError> {
        args.iter().map(|arg| self.lower(arg, scope)).collect()
    }

    fn range(&mut self, expr: &Expr, scope: Scope) -> Result<RangeArg, QueryError> {
        match expr {
            Expr::Matrix(it) => self.matrix(it, scope),
            Expr::Subquery(it) => self.subquery(it, scope),
            _ => unreachable!("the parser admits range vectors only"),
        }
    }

    fn matrix(&mut self, it: &ast::MatrixSelector, scope: Scope) -> Result<RangeArg, QueryError> {
        let range_ms = self.positive(it.range_expr.as_ref(), it.range_ms)?;
        let mut select = self.select(&it.selector, scope)?;
        let shift = select.shift;
        let extended = extended(&it.selector);
        let (first, last) = (shift.apply(scope.grid.start), shift.apply(scope.grid.last()));
        let before = if extended == Extended::No { 0 } else { self.times.lookback_ms };
        let after = if extended == Extended::Smoothed { self.times.lookback_ms } else { 0 };
        select.mint = first.saturating_sub(range_ms).saturating_sub(before).saturating_add(1);
        select.maxt = last.saturating_add(after);
        self.order += 1;
        let place = Place { start: it.pos.start, order: self.order };
        Ok(RangeArg { source: Source::Select(select), range_ms, shift, extended, place })
    }

    fn subquery(&mut self, it: &ast::Subquery, scope: Scope) -> Result<RangeArg, QueryError> {
        let range_ms = self.positive(it.range_expr.as_ref(), it.range_ms)?;
        let step_ms = match self.positive(it.step_expr.as_ref(), it.step_ms)? {
            0 => self.times.subquery_step_ms,
            step_ms => step_ms,
        };
        let shift = self.shift(&it.shift, scope)?;
        let before = shift.apply(scope.grid.start).saturating_sub(range_ms);
        let mut start = before / step_ms * step_ms;
        if start <= before {
            start = start.saturating_add(step_ms);
        }
        let last = if scope.grid.len == 0 { scope.end } else { scope.grid.last() };
        let end = shift.apply(last);
        let inner = Scope {
            grid: Grid::range(start, end, step_ms),
            end,
            instant: start == end,
            param: scope.param,
            histograms: Histograms::Buckets,
        };
        let source = Source::Subquery(Box::new(self.lower(&it.expr, inner)?));
        self.order += 1;
        // Upstream replaces the node by its result, which stands nowhere.
        let place = Place { start: 0, order: self.order };
        Ok(RangeArg { source, range_ms, shift, extended: Extended::No, place })
    }

    fn select(&mut self, it: &ast::VectorSelector, scope: Scope) -> Result<Select, QueryError> {
        let shift = self.shift(&it.shift, scope)?;
        let lookback_ms = self.times.lookback_ms;
        let (first, last) = (shift.apply(scope.grid.start), shift.apply(scope.grid.last()));
        Ok(Select {
            matchers: it.matchers.clone(),
            shift,
            lookback_ms,
            smoothed: it.smoothed,
            counts_only: scope.histograms == Histograms::Counts,
            mint: first.saturating_sub(lookback_ms).saturating_add(1),
            maxt: if it.smoothed { last.saturating_add(lookback_ms) } else { last },
        })
    }

    fn shift(&self, it: &TimeShift, scope: Scope) -> Result<Shift, QueryError> {
        let offset_ms = match &it.offset_expr {
            Some(expr) => expr.evaluate_offset(self.durations()).map_err(duration_error)?,
            None => it.offset_ms,
        };
        let at = match it.start_or_end {
            Some(_) if scope.param => None,
            Some(StartOrEnd::Start) => Some(self.times.start),
            Some(StartOrEnd::End) => Some(self.times.end),
            None => it.timestamp_ms,
        };
        Ok(Shift { at, offset_ms })
    }

    fn positive(&self, expr: Option<&DurationExpr>, written: i64) -> Result<i64, QueryError> {
        match expr {
            Some(expr) => expr.evaluate_positive(self.durations()).map_err(duration_error),
            None => Ok(written),
        }
    }

    fn durations(&self) -> DurationContext {
        DurationContext { step_ms: self.times.step_ms, range_ms: self.times.end - self.times.start }
    }

    fn query_constant(&self, name: &str) -> f64 {
        let ms = match name {
            "start" => self.times.start,
            "end" => self.times.end,
            "range" => self.times.end - self.times.start,
            _ if self.times.start == self.times.end => 0,
            _ => self.times.step_ms,
        };
        ms as f64 / 1000.0
    }

    fn place(&mut self, expr: &Expr) -> Place {
        self.order += 1;
        Place { start: expr.pos().start, order: self.order }
    }
}

fn extended(it: &ast::VectorSelector) -> Extended {
    match (it.anchored, it.smoothed) {
        (true, _) => Extended::Anchored,
        (_, true) => Extended::Smoothed,
        _ => Extended::No,
    }
}

fn check_extended(function: &str, extended: Extended) -> Result<(), QueryError> {
    let (name, allowed): (_, &[&str]) = match extended {
        Extended::No => return Ok(()),
        Extended::Anchored => ("anchored", &["changes", "delta", "increase", "rate", "resets"]),
        Extended::Smoothed => ("smoothed", &["delta", "increase", "rate"]),
    };
    if allowed.contains(&function) {
        return Ok(());
    }
    let list = allowed.join(", ");
    Err(QueryError::Exec(format!(
        "{name} modifier can only be used with: {list} - not with {function}"
    )))
}

fn duration_error(error: ast::DurationError) -> QueryError {
    QueryError::Exec(error.to_string())
}
