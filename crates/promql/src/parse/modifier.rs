//! What follows an operand: brackets, `offset`, `@`, `anchored`, `smoothed`.

use super::duration::{Failure, literal_ms};
use super::{Builtin, Expr, Kind, Parser, PosRange, Result};
use crate::ast::{DurationExpr, MatrixSelector, StartOrEnd, Subquery, TimeShift};

impl Parser<'_> {
    /// Reads `[5m]` or `[1h:5m]` behind `expr`.
    pub(super) fn brackets(&mut self, expr: Expr) -> Result<Expr> {
        let height = self.height;
        let open = self.advance().pos();
        let (range_ms, range_expr) = self.range()?;
        if self.token.kind != Kind::Colon {
            if self.token.kind != Kind::RightBracket {
                return Err(self.unexpected("subquery or range", "\":\" or \"]\""));
            }
            let close = self.advance().pos();
            self.height = height;
            return self.matrix(expr, range_ms, range_expr, open.to(close));
        }
        self.advance();
        let (step_ms, step_expr) = self.step()?;
        if self.token.kind != Kind::RightBracket {
            return Err(self.unexpected("subquery selector", "\"]\""));
        }
        let pos = expr.pos().to(self.advance().pos());
        self.grow(height)?;
        let shift = TimeShift::default();
        Ok(Expr::Subquery(Box::new(Subquery {
            expr,
            range_ms,
            range_expr,
            step_ms,
            step_expr,
            shift,
            pos,
        })))
    }

    fn range(&mut self) -> Result<(i64, Option<DurationExpr>)> {
        let first = self.duration_operand();
        let first = first.map_err(|it| {
            self.explain(it, "subquery or range selector", "number, duration, step(), or range()")
        })?;
        let expr = self.duration_rest(first, 0);
        let expr = expr.map_err(|it| self.explain(it, "subquery or range", "\":\" or \"]\""))?;
        self.positive(expr)
    }

    fn step(&mut self) -> Result<(i64, Option<DurationExpr>)> {
        const CONTEXT: &str = "subquery selector";
        if self.token.kind == Kind::RightBracket {
            return Ok((0, None));
        }
        let first = self.duration_operand();
        let first = first.map_err(|it| {
            self.explain(it, CONTEXT, "number, duration, step(), range(), or \"]\"")
        })?;
        let expr = self.duration_rest(first, 0);
        let expr = expr.map_err(|it| self.explain(it, CONTEXT, "\"]\""))?;
        self.positive(expr)
    }

    /// Splits a duration above zero into the value of a literal, or else the expression.
    fn positive(&self, expr: DurationExpr) -> Result<(i64, Option<DurationExpr>)> {
        match expr {
            DurationExpr::Number(it) if it.value.is_finite() => Ok((self.positive_ms(&it)?, None)),
            expr => Ok((0, Some(expr))),
        }
    }

    fn matrix(
        &self,
        expr: Expr,
        range_ms: i64,
        range_expr: Option<DurationExpr>,
        brackets: PosRange,
    ) -> Result<Expr> {
        let Expr::Vector(selector) = expr else {
            return Err(self.error(brackets, "ranges only allowed for vector selectors"));
        };
        if is_offset(&selector.shift) {
            return Err(self.error(brackets, "no offset modifiers allowed before range"));
        }
        if selector.shift.has_at() {
            return Err(self.error(brackets, "no @ modifiers allowed before range"));
        }
        let pos = selector.pos.to(brackets);
        Ok(Expr::Matrix(Box::new(MatrixSelector {
            selector: *selector,
            range_ms,
            range_expr,
            pos,
        })))
    }

    /// Reads `offset d` behind `expr`.
    pub(super) fn offset(&mut self, mut expr: Expr) -> Result<Expr> {
        let height = self.height;
        self.advance();
        let offset = self.offset_duration();
        let offset = offset
            .map_err(|it| self.explain(it, "offset", "number, duration, step(), or range()"))?;
        self.height = height;
        let pos = expr.pos();
        let Some((shift, end)) = modified(&mut expr) else {
            let text = "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery";
            return Err(self.error(pos, text));
        };
        if is_offset(shift) {
            return Err(self.error(pos, "offset may not be set multiple times"));
        }
        *end = offset.pos().end;
        match offset {
            DurationExpr::Number(it) if it.value.is_finite() => {
                shift.original_offset_ms = literal_ms(&it);
                shift.offset_ms = shift.original_offset_ms;
            }
            offset => shift.offset_expr = Some(offset),
        }
        Ok(expr)
    }

    /// Reads the duration behind `offset`: one operand, and only behind a parenthesis operators.
    fn offset_duration(&mut self) -> std::result::Result<DurationExpr, Failure> {
        let Some(op) = self.sign() else {
            let open = self.token.kind == Kind::LeftParen;
            let operand = self.duration_primary()?;
            return if open { self.duration_rest(operand, 0) } else { Ok(operand) };
        };
        let start = self.advance().start;
        let operand = self.duration_primary()?;
        self.signed_duration(op, start, operand)
    }

    /// Reads `@ 123` or `@ start()` behind `expr`.
    pub(super) fn at(&mut self, mut expr: Expr) -> Result<Expr> {
        self.advance();
        let at = self.at_time()?;
        let pos = expr.pos();
        if let At::Seconds(seconds, _) = at
            && !((i64::MIN as f64) < seconds && seconds < i64::MAX as f64)
        {
            let text = format!("timestamp out of bounds for @ modifier: {}", fixed(seconds));
            return Err(self.error(pos, text));
        }
        let Some((shift, end)) = modified(&mut expr) else {
            let text = "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery";
            return Err(self.error(pos, text));
        };
        if shift.has_at() {
            return Err(self.error(pos, "@ <timestamp> may not be set multiple times"));
        }
        match at {
            At::Seconds(seconds, at_end) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "rounded; saturates beyond the range"
                )]
                let ms = (seconds * 1000.0).round() as i64;
                shift.timestamp_ms = Some(ms);
                *end = at_end;
            }
            At::StartOrEnd(it, at_end) => {
                shift.start_or_end = Some(it);
                *end = at_end;
            }
        }
        Ok(expr)
    }

    fn at_time(&mut self) -> Result<At> {
        let start_or_end = match self.builtin() {
            Some(Builtin::Start) => StartOrEnd::Start,
            Some(Builtin::End) => StartOrEnd::End,
            _ => {
                let number =
                    self.signed_literal()?.ok_or_else(|| self.unexpected("@", "timestamp"))?;
                return Ok(At::Seconds(number.value, number.pos.end));
            }
        };
        self.advance();
        let close = self.empty_parenthesis().ok_or_else(|| self.unexpected("@", "timestamp"))?;
        Ok(At::StartOrEnd(start_or_end, close.end))
    }

    /// Reads `anchored` or `smoothed` behind `expr`.
    pub(super) fn extended(&mut self, mut expr: Expr, anchored: bool) -> Result<Expr> {
        let word = self.advance();
        let (name, pos) = (if anchored { "anchored" } else { "smoothed" }, expr.pos());
        if !self.options.extended_range_selectors {
            return Err(self.error(pos, format!("{name} modifier is experimental and not enabled")));
        }
        let (selector, end) = match &mut expr {
            Expr::Vector(it) => (&mut **it, None),
            Expr::Matrix(it) => (&mut it.selector, Some(&mut it.pos.end)),
            Expr::Subquery(_) => {
                return Err(
                    self.error(pos, format!("{name} modifier is not supported for subqueries"))
                );
            }
            _ => return Err(self.error(pos, format!("{name} modifier not implemented"))),
        };
        selector.anchored |= anchored;
        selector.smoothed |= !anchored;
        if selector.anchored && selector.smoothed {
            return Err(self.error(pos, "anchored and smoothed modifiers cannot be used together"));
        }
        *end.unwrap_or(&mut selector.pos.end) = word.end;
        Ok(expr)
    }

    fn explain(&self, failure: Failure, context: &str, expected: &str) -> crate::ParseError {
        match failure {
            Failure::Syntax => self.unexpected(context, expected),
            Failure::Error(error) => error,
        }
    }
}

/// What stands behind `@`, and where it ends.
enum At {
    Seconds(f64, usize),
    StartOrEnd(StartOrEnd, usize),
}

/// What a modifier behind `expr` changes: its time shift and its end.
fn modified(expr: &mut Expr) -> Option<(&mut TimeShift, &mut usize)> {
    match expr {
        Expr::Vector(it) => Some((&mut it.shift, &mut it.pos.end)),
        Expr::Matrix(it) => Some((&mut it.selector.shift, &mut it.pos.end)),
        Expr::Subquery(it) => Some((&mut it.shift, &mut it.pos.end)),
        _ => None,
    }
}

fn is_offset(shift: &TimeShift) -> bool {
    shift.original_offset_ms != 0 || shift.offset_expr.is_some()
}

/// Prints with six digits behind the point, as Go's `%f`.
fn fixed(v: f64) -> String {
    if v.is_finite() { format!("{v:.6}") } else { stdx::gofloat::format_g(v) }
}
