//! Durations in brackets and behind `offset`.

use super::{BinaryOp, Builtin, Kind, Parser, PosRange, Result};
use crate::ast::{DurationExpr, DurationOp, NumberLiteral, SECONDS_MAX, UnaryOp};
use crate::error::ParseError;
use crate::parse::Token;

/// Why no duration was read.
pub(super) enum Failure {
    /// The current token is wrong; whoever asked knows what to say.
    Syntax,
    /// Something else is wrong.
    Error(ParseError),
}

impl From<ParseError> for Failure {
    fn from(error: ParseError) -> Self {
        Self::Error(error)
    }
}

type Read<T> = std::result::Result<T, Failure>;

impl Parser<'_> {
    /// Reads the rest of a duration expression behind its first operand: operators that bind at
    /// least as tightly as `precedence_min`.
    pub(super) fn duration_rest(
        &mut self,
        mut lhs: DurationExpr,
        precedence_min: u8,
    ) -> Read<DurationExpr> {
        let mut height = self.height;
        while let Kind::Op(op) = self.token.kind {
            let Some(duration_op) = duration_op(op) else { break };
            if op.precedence() < precedence_min {
                break;
            }
            let op_token = self.advance();
            let rhs = self.duration_expr(op.precedence() + u8::from(op != BinaryOp::Pow))?;
            self.check_divisor(duration_op, op_token, &rhs)?;
            self.grow(height.max(self.height))?;
            height = self.height;
            let pos = lhs.pos().to(rhs.pos());
            lhs = DurationExpr::Binary {
                op: duration_op,
                lhs: Box::new(lhs),
                rhs: Box::new(rhs),
                pos,
            };
        }
        self.height = height;
        Ok(lhs)
    }

    /// Reads the first operand of a duration expression, sign included.
    pub(super) fn duration_operand(&mut self) -> Read<DurationExpr> {
        self.descend()?;
        let operand = match self.sign() {
            Some(op) => {
                let start = self.advance().start;
                let expr = self.duration_expr(UnaryOp::PRECEDENCE + 1)?;
                self.signed_duration(op, start, expr)?
            }
            None => self.duration_primary()?,
        };
        self.depth -= 1;
        Ok(operand)
    }

    /// Reads an operand without sign: a literal, a word with parentheses, or a parenthesis.
    pub(super) fn duration_primary(&mut self) -> Read<DurationExpr> {
        self.height = 1;
        match self.token.kind {
            Kind::Number | Kind::Duration => {
                let number = self.number()?;
                self.check_range(&number)?;
                Ok(DurationExpr::Number(number))
            }
            Kind::LeftParen => {
                let open = self.advance();
                let expr = self.duration_expr(0)?;
                let close = self.close()?;
                self.grow(self.height)?;
                Ok(DurationExpr::Paren { expr: Box::new(expr), pos: open.pos().to(close) })
            }
            Kind::Builtin(word @ (Builtin::Step | Builtin::Range)) => {
                let start = self.advance().pos();
                let end = self.empty_parenthesis().ok_or(Failure::Syntax)?;
                let pos = start.to(end.pos());
                Ok(if word == Builtin::Step {
                    DurationExpr::Step(pos)
                } else {
                    DurationExpr::Range(pos)
                })
            }
            Kind::Builtin(Builtin::MinOf) => self.duration_pair(DurationOp::MinOf),
            Kind::Builtin(Builtin::MaxOf) => self.duration_pair(DurationOp::MaxOf),
            _ => Err(Failure::Syntax),
        }
    }

    /// Puts a sign in front of a duration. On a literal it becomes part of it.
    pub(super) fn signed_duration(
        &mut self,
        op: UnaryOp,
        start: usize,
        expr: DurationExpr,
    ) -> Read<DurationExpr> {
        match (op, expr) {
            (UnaryOp::Minus, DurationExpr::Number(it)) => {
                let pos = PosRange::new(start, it.pos.end);
                Ok(DurationExpr::Number(NumberLiteral { value: -it.value, pos, ..it }))
            }
            (UnaryOp::Plus, DurationExpr::Number(it)) => {
                let pos = PosRange::new(start, it.pos.end);
                Ok(DurationExpr::Number(NumberLiteral { pos, ..it }))
            }
            (UnaryOp::Minus, expr) => {
                self.grow(self.height)?;
                Ok(DurationExpr::Negative { expr: Box::new(expr), start })
            }
            (UnaryOp::Plus, expr) => Ok(expr),
        }
    }

    /// Returns a literal in milliseconds (cut), which must be above zero.
    pub(super) fn positive_ms(&self, number: &NumberLiteral) -> Result<i64> {
        if number.value <= 0.0 {
            return Err(self.error(number.pos, "duration must be greater than 0"));
        }
        Ok(literal_ms(number))
    }

    fn duration_expr(&mut self, precedence_min: u8) -> Read<DurationExpr> {
        let operand = self.duration_operand()?;
        self.duration_rest(operand, precedence_min)
    }

    /// Reads `min_of(a, b)`.
    fn duration_pair(&mut self, op: DurationOp) -> Read<DurationExpr> {
        let name = self.advance();
        if !self.accept(Kind::LeftParen) {
            return Err(Failure::Syntax);
        }
        let lhs = self.duration_expr(0)?;
        let height = self.height;
        if !self.accept(Kind::Comma) {
            return Err(Failure::Syntax);
        }
        let rhs = self.duration_expr(0)?;
        let close = self.close()?;
        self.grow(height.max(self.height))?;
        Ok(DurationExpr::Binary {
            op,
            lhs: Box::new(lhs),
            rhs: Box::new(rhs),
            pos: name.pos().to(close),
        })
    }

    fn close(&mut self) -> Read<PosRange> {
        if self.token.kind == Kind::RightParen {
            Ok(self.advance().pos())
        } else {
            Err(Failure::Syntax)
        }
    }

    fn check_range(&self, number: &NumberLiteral) -> Result<()> {
        // NaN passes here and fails when it is evaluated.
        if SECONDS_MAX < number.value.abs() {
            return Err(self.error(number.pos, "duration out of range"));
        }
        Ok(())
    }

    fn check_divisor(&self, op: DurationOp, token: Token, rhs: &DurationExpr) -> Result<()> {
        let text = match op {
            DurationOp::Div => "division by zero",
            DurationOp::Mod => "modulo by zero",
            _ => return Ok(()),
        };
        match rhs {
            DurationExpr::Number(it) if it.value == 0.0 => Err(self.error(token.pos(), text)),
            _ => Ok(()),
        }
    }
}

/// A literal in milliseconds: rounded to nanoseconds, then cut.
pub(super) fn literal_ms(number: &NumberLiteral) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "cut on purpose; saturates beyond the range"
    )]
    let ns = (number.value * 1e9).round() as i64;
    ns / 1_000_000
}

fn duration_op(op: BinaryOp) -> Option<DurationOp> {
    Some(match op {
        BinaryOp::Add => DurationOp::Add,
        BinaryOp::Sub => DurationOp::Sub,
        BinaryOp::Mul => DurationOp::Mul,
        BinaryOp::Div => DurationOp::Div,
        BinaryOp::Mod => DurationOp::Mod,
        BinaryOp::Pow => DurationOp::Pow,
        _ => return None,
    })
}
