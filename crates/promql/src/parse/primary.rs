//! Operands: literals, selectors, calls, parentheses, signs.

use super::{BinaryOp, Builtin, Expr, Keyword, Kind, Parser, PosRange, Result, Token};
use crate::ast::{
    Call, NumberLiteral, Paren, StringLiteral, TimeShift, Unary, UnaryOp, VectorSelector,
};
use crate::{function, lex};

impl Parser<'_> {
    /// Reads an operand with its modifiers.
    pub(super) fn operand(&mut self) -> Result<Expr> {
        if let Some(op) = self.sign() {
            return self.signed(op);
        }
        let mut expr = self.primary()?;
        loop {
            expr = match self.token.kind {
                Kind::LeftBracket => self.brackets(expr)?,
                Kind::At => self.at(expr)?,
                Kind::Keyword(Keyword::Offset) => self.offset(expr)?,
                Kind::Keyword(Keyword::Anchored) => self.extended(expr, true)?,
                Kind::Keyword(Keyword::Smoothed) => self.extended(expr, false)?,
                _ => return Ok(expr),
            };
        }
    }

    /// Returns the sign at the current position, without skipping it.
    pub(super) fn sign(&self) -> Option<UnaryOp> {
        match self.token.kind {
            Kind::Op(BinaryOp::Add) => Some(UnaryOp::Plus),
            Kind::Op(BinaryOp::Sub) => Some(UnaryOp::Minus),
            _ => None,
        }
    }

    fn signed(&mut self, op: UnaryOp) -> Result<Expr> {
        let start = self.advance().start;
        let expr = self.expr(UnaryOp::PRECEDENCE + 1)?;
        if let Expr::Number(number) = expr {
            return Ok(Expr::Number(signed_number(op, start, number)));
        }
        self.grow(self.height)?;
        Ok(Expr::Unary(Box::new(Unary { op, expr, start })))
    }

    fn primary(&mut self) -> Result<Expr> {
        self.height = 1;
        match self.token.kind {
            Kind::Number | Kind::Duration => Ok(Expr::Number(self.number()?)),
            Kind::String => {
                let token = self.advance();
                Ok(Expr::String(StringLiteral {
                    value: lex::unquote(self.text_of(token)),
                    pos: token.pos(),
                }))
            }
            Kind::LeftParen => self.parenthesis(),
            Kind::LeftBrace => Ok(Expr::Vector(Box::new(self.vector_selector()?))),
            Kind::Identifier | Kind::Builtin(_) => self.call_or_selector(),
            Kind::Aggregate(op) => self.aggregate_or_selector(op),
            kind if kind.is_metric_name() => Ok(Expr::Vector(Box::new(self.vector_selector()?))),
            _ => Err(self.unexpected_here()),
        }
    }

    /// Reads a number or a duration without sign.
    pub(super) fn number(&mut self) -> Result<NumberLiteral> {
        let token = self.advance();
        let (text, pos) = (self.text_of(token), token.pos());
        let is_duration = token.kind == Kind::Duration;
        let value = if is_duration {
            #[expect(
                clippy::cast_precision_loss,
                reason = "below 2^53: at most 2^63 nanoseconds in milliseconds"
            )]
            model::duration::parse(text).map(|ms| ms as f64 / 1000.0)
        } else {
            parse_number(text)
        };
        let value = value.map_err(|why| self.error(pos, why))?;
        Ok(NumberLiteral { value, is_duration, pos })
    }

    /// Reads a number or a duration with any sign; `None` if there is none.
    pub(super) fn signed_literal(&mut self) -> Result<Option<NumberLiteral>> {
        let start = self.token.start;
        let sign = self.sign();
        if sign.is_some() {
            self.advance();
        }
        if !matches!(self.token.kind, Kind::Number | Kind::Duration) {
            return Ok(None);
        }
        let number = self.number()?;
        Ok(Some(match sign {
            Some(op) => signed_number(op, start, number),
            None => number,
        }))
    }

    fn parenthesis(&mut self) -> Result<Expr> {
        let open = self.advance();
        let expr = self.expr(0)?;
        let close = self.expect(Kind::RightParen)?;
        self.grow(self.height)?;
        Ok(Expr::Paren(Box::new(Paren { expr, pos: open.pos().to(close.pos()) })))
    }

    fn call_or_selector(&mut self) -> Result<Expr> {
        let name = self.token;
        let selector = self.vector_selector_name()?;
        if self.token.kind == Kind::LeftParen {
            return self.call(name);
        }
        Ok(Expr::Vector(Box::new(self.vector_selector_rest(selector)?)))
    }

    fn call(&mut self, name: Token) -> Result<Expr> {
        let (args, close) = self.arguments()?;
        let text = self.text_of(name);
        let Some(function) = function::get(text) else {
            return Err(self
                .error(name.pos(), format!("unknown function with name {}", model::quote(text))));
        };
        if function.experimental && !self.options.experimental_functions {
            return Err(
                self.error(name.pos(), format!("function {} is not enabled", model::quote(text)))
            );
        }
        Ok(Expr::Call(Box::new(Call { function, args, pos: name.pos().to(close) })))
    }

    /// Reads `(a, b)`; returns the arguments and where the closing parenthesis stands.
    pub(super) fn arguments(&mut self) -> Result<(Vec<Expr>, PosRange)> {
        self.expect(Kind::LeftParen)?;
        let (mut args, mut height) = (Vec::new(), 0);
        if self.token.kind != Kind::RightParen {
            loop {
                args.push(self.expr(0)?);
                height = height.max(self.height);
                if self.token.kind != Kind::Comma {
                    break;
                }
                let comma = self.advance();
                if !self.starts_expr() {
                    return Err(self
                        .error(comma.pos(), "trailing commas not allowed in function call args"));
                }
            }
        }
        let close = self.expect(Kind::RightParen)?;
        self.grow(height)?;
        Ok((args, close.pos()))
    }

    fn starts_expr(&self) -> bool {
        let kind = self.token.kind;
        kind.is_metric_name()
            || self.sign().is_some()
            || matches!(
                kind,
                Kind::Number | Kind::Duration | Kind::String | Kind::LeftParen | Kind::LeftBrace
            )
    }

    /// Reads a selector without modifiers.
    pub(super) fn vector_selector(&mut self) -> Result<VectorSelector> {
        let selector = self.vector_selector_name()?;
        self.vector_selector_rest(selector)
    }

    /// Reads the name, if there is one.
    fn vector_selector_name(&mut self) -> Result<VectorSelector> {
        let mut selector = VectorSelector {
            name: String::new(),
            matchers: Vec::new(),
            shift: TimeShift::default(),
            anchored: false,
            smoothed: false,
            pos: self.token_pos(),
        };
        if self.token.kind.is_metric_name() {
            let name = self.advance();
            self.text_of(name).clone_into(&mut selector.name);
        }
        Ok(selector)
    }

    /// Reads the braces, if there are any, and appends the matcher of the name.
    pub(super) fn vector_selector_rest(
        &mut self,
        mut selector: VectorSelector,
    ) -> Result<VectorSelector> {
        if self.token.kind == Kind::LeftBrace {
            selector.matchers = self.label_matchers()?;
            selector.pos.end = self.advance().end;
        }
        if !selector.name.is_empty() {
            selector
                .matchers
                .push(model::Matcher::equal(model::METRIC_NAME, selector.name.as_str()));
        }
        Ok(selector)
    }

    fn aggregate_or_selector(&mut self, op: crate::ast::AggregateOp) -> Result<Expr> {
        let name = self.token;
        let selector = self.vector_selector_name()?;
        match self.token.kind {
            Kind::LeftParen | Kind::Keyword(Keyword::By | Keyword::Without) => {
                self.aggregate(op, name)
            }
            _ => Ok(Expr::Vector(Box::new(self.vector_selector_rest(selector)?))),
        }
    }

    /// Reads `()` behind `start`, `step` and their like.
    pub(super) fn empty_parenthesis(&mut self) -> Option<Token> {
        if !self.accept(Kind::LeftParen) || self.token.kind != Kind::RightParen {
            return None;
        }
        Some(self.advance())
    }

    /// Returns the built-in word at the current position, without skipping it.
    pub(super) fn builtin(&self) -> Option<Builtin> {
        match self.token.kind {
            Kind::Builtin(it) => Some(it),
            _ => None,
        }
    }
}

fn signed_number(op: UnaryOp, start: usize, number: NumberLiteral) -> NumberLiteral {
    let value = if op == UnaryOp::Minus { -number.value } else { number.value };
    NumberLiteral { value, pos: PosRange::new(start, number.pos.end), ..number }
}

/// Reads a number as Go does: first as an integer with automatic base, then as a float.
pub(crate) fn parse_number(text: &str) -> std::result::Result<f64, String> {
    if let Some(v) = parse_integer(text) {
        return Ok(v);
    }
    stdx::gofloat::parse(text).map_err(|why| {
        format!("error parsing number: strconv.ParseFloat: parsing {}: {why}", model::quote(text))
    })
}

/// Reads `0x1f`, `0755` (octal) and plain digits, with underscores between digits. `None` if it is
/// none of these or does not fit 63 bits.
fn parse_integer(text: &str) -> Option<f64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    let value = if digits.contains('_') {
        let well_placed = !digits.ends_with('_')
            && !digits.contains("__")
            && (radix != 10 || !digits.starts_with('_'));
        if !well_placed {
            return None;
        }
        i64::from_str_radix(&digits.replace('_', ""), radix)
    } else {
        i64::from_str_radix(digits, radix)
    };
    #[expect(clippy::cast_precision_loss, reason = "a large literal is rounded to a float")]
    value.ok().filter(|_| !digits.starts_with(['+', '-'])).map(|it| it as f64)
}
