//! Aggregations and label lists.

use super::{Expr, Keyword, Kind, Parser, PosRange, Result, Token};
use crate::ast::{Aggregate, AggregateOp};
use crate::lex;

impl Parser<'_> {
    /// Reads an aggregation; `name`, its operator, was skipped.
    pub(super) fn aggregate(&mut self, op: AggregateOp, name: Token) -> Result<Expr> {
        self.aggregations += 1;
        let before = self.modifier()?;
        let (args, close) = self.arguments()?;
        self.aggregations -= 1;
        let after = if before.is_none() { self.modifier()? } else { None };
        let end = after.as_ref().map_or(close.end, |it| it.end);
        let modifier = before.or(after).unwrap_or_default();
        let (expr, param) = self.operand_and_param(op, args, name.pos())?;
        Ok(Expr::Aggregate(Box::new(Aggregate {
            op,
            expr,
            param,
            grouping: modifier.labels,
            without: modifier.without,
            pos: PosRange::new(name.start, end),
        })))
    }

    fn operand_and_param(
        &self,
        op: AggregateOp,
        args: Vec<Expr>,
        pos: PosRange,
    ) -> Result<(Expr, Option<Expr>)> {
        if args.is_empty() {
            return Err(self.error(pos, "no arguments for aggregate expression provided"));
        }
        if op.is_experimental() && !self.options.experimental_functions {
            let text = format!(
                "{}() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
                op.as_str()
            );
            return Err(self.error(pos, text));
        }
        let (got, expected) = (args.len(), 1 + usize::from(op.has_param()));
        let mut args = args.into_iter();
        match (args.next(), args.next(), args.next()) {
            (Some(expr), None, _) if !op.has_param() => Ok((expr, None)),
            (Some(param), Some(expr), None) if op.has_param() => Ok((expr, Some(param))),
            _ => {
                let text = format!(
                    "wrong number of arguments for aggregate expression provided, expected {expected}, got {got}"
                );
                Err(self.error(pos, text))
            }
        }
    }

    /// Reads `by (…)` or `without (…)`, if it is there.
    fn modifier(&mut self) -> Result<Option<Modifier>> {
        let without = match self.token.kind {
            Kind::Keyword(Keyword::By) => false,
            Kind::Keyword(Keyword::Without) => true,
            _ => return Ok(None),
        };
        self.advance();
        let (labels, end) = self.grouping_labels()?;
        Ok(Some(Modifier { labels, without, end }))
    }

    /// Reads `(a, "b", c,)`; returns the labels and the end of the closing parenthesis.
    pub(super) fn grouping_labels(&mut self) -> Result<(Vec<String>, usize)> {
        const CONTEXT: &str = "grouping opts";
        if !self.accept(Kind::LeftParen) {
            return Err(self.unexpected(CONTEXT, "\"(\""));
        }
        let mut labels = Vec::new();
        while self.token.kind != Kind::RightParen {
            labels.push(self.grouping_label()?.ok_or_else(|| self.unexpected(CONTEXT, "label"))?);
            if !self.accept(Kind::Comma) && self.token.kind != Kind::RightParen {
                return Err(self.unexpected(CONTEXT, "\",\" or \")\""));
            }
        }
        Ok((labels, self.advance().end))
    }

    fn grouping_label(&mut self) -> Result<Option<String>> {
        if self.token.kind == Kind::String {
            let token = self.advance();
            let label = lex::unquote(self.text_of(token));
            if label.is_empty() {
                let text = format!("invalid label name for grouping: {}", model::quote(&label));
                return Err(self.error(token.pos(), text));
            }
            return Ok(Some(label));
        }
        if !self.token.kind.is_label() {
            return Ok(None);
        }
        let token = self.advance();
        Ok(Some(self.text_of(token).to_owned()))
    }
}

/// A `by` or `without` clause.
#[derive(Default)]
struct Modifier {
    labels: Vec<String>,
    without: bool,
    end: usize,
}
