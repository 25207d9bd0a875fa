//! Binary operators and how their sides are matched.

use super::{BinaryOp, Expr, Keyword, Kind, Parser, Result};
use crate::ast::{Binary, Cardinality, Fill, VectorMatching};

impl Parser<'_> {
    /// Reads an operator and its right side; `lhs` was completed last.
    pub(super) fn binary(&mut self, op: BinaryOp, lhs: Expr) -> Result<Expr> {
        let left_height = self.height;
        self.advance();
        let return_bool = self.accept(Kind::Keyword(Keyword::Bool));
        let mut matching = self.matching()?;
        if op.is_set() {
            matching.card = match matching.card {
                Cardinality::OneToOne => Cardinality::ManyToMany,
                card => card,
            };
        }
        let rhs = self.expr(op.precedence() + u8::from(op != BinaryOp::Pow))?;
        self.grow(left_height.max(self.height))?;
        Ok(Expr::Binary(Box::new(Binary { op, lhs, rhs, matching: Some(matching), return_bool })))
    }

    fn matching(&mut self) -> Result<VectorMatching> {
        let mut matching = VectorMatching {
            card: Cardinality::OneToOne,
            labels: Vec::new(),
            on: false,
            include: Vec::new(),
            fill: Fill::default(),
        };
        if let Kind::Keyword(word @ (Keyword::On | Keyword::Ignoring)) = self.token.kind {
            self.advance();
            matching.on = word == Keyword::On;
            (matching.labels, _) = self.grouping_labels()?;
            self.group(&mut matching)?;
        }
        self.fill(&mut matching.fill)?;
        Ok(matching)
    }

    fn group(&mut self, matching: &mut VectorMatching) -> Result<()> {
        matching.card = match self.token.kind {
            Kind::Keyword(Keyword::GroupLeft) => Cardinality::ManyToOne,
            Kind::Keyword(Keyword::GroupRight) => Cardinality::OneToMany,
            _ => return Ok(()),
        };
        self.advance();
        if self.token.kind == Kind::LeftParen {
            (matching.include, _) = self.grouping_labels()?;
        }
        Ok(())
    }

    /// Reads `fill (v)`, or `fill_left (v)` and `fill_right (v)` in any order.
    fn fill(&mut self, fill: &mut Fill) -> Result<()> {
        let Kind::Keyword(word @ (Keyword::Fill | Keyword::FillLeft | Keyword::FillRight)) =
            self.token.kind
        else {
            return Ok(());
        };
        let pos = self.token_pos();
        let other = match word {
            Keyword::Fill => {
                fill.lhs = Some(self.fill_value()?);
                fill.rhs = fill.lhs;
                None
            }
            Keyword::FillLeft => {
                fill.lhs = Some(self.fill_value()?);
                Some((Keyword::FillRight, &mut fill.rhs))
            }
            _ => {
                fill.rhs = Some(self.fill_value()?);
                Some((Keyword::FillLeft, &mut fill.lhs))
            }
        };
        if let Some((word, side)) = other
            && self.token.kind == Kind::Keyword(word)
        {
            *side = Some(self.fill_value()?);
        }
        if !self.options.fill_modifiers {
            return Err(self.error(pos, "binop fill modifiers are experimental and not enabled"));
        }
        Ok(())
    }

    fn fill_value(&mut self) -> Result<f64> {
        self.advance();
        self.expect(Kind::LeftParen)?;
        let Some(number) = self.signed_literal()? else { return Err(self.unexpected_here()) };
        self.expect(Kind::RightParen)?;
        Ok(number.value)
    }
}
