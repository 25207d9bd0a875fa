//! Syntax tree to text over several lines.

use std::fmt::Write as _;

use super::{write_aggregate_head, write_operator, write_subquery_suffix};
use crate::ast::Expr;

/// A node whose one-line form is longer is split.
const LINE_MAX: usize = 100;

impl Expr {
    /// Writes the expression with its long parts split over lines, indented by two blanks a level.
    pub fn pretty(&self) -> String {
        let mut out = String::new();
        self.pretty_at(0, &mut out);
        out
    }

    fn pretty_at(&self, level: usize, out: &mut String) {
        let line = self.to_string();
        if let Self::Subquery(it) = self {
            // The inner expression brings its own indent; on one line there is none.
            if line.len() <= LINE_MAX {
                out.push_str(&line);
            } else {
                it.expr.pretty_at(level, out);
                written(write_subquery_suffix(out, it));
            }
            return;
        }
        if let Self::Binary(it) = self
            && LINE_MAX < line.len()
        {
            it.lhs.pretty_at(level + 1, out);
            out.push('\n');
            indent(level, out);
            written(write_operator(out, it));
            out.push('\n');
            it.rhs.pretty_at(level + 1, out);
            return;
        }
        indent(level, out);
        if let Self::Unary(it) = self {
            out.push_str(it.op.as_str());
            let mut inner = String::new();
            it.expr.pretty_at(level, &mut inner);
            out.push_str(inner.trim());
            return;
        }
        let is_leaf =
            matches!(self, Self::Number(_) | Self::String(_) | Self::Vector(_) | Self::Matrix(_));
        if is_leaf || line.len() <= LINE_MAX {
            out.push_str(&line);
            return;
        }
        match self {
            Self::Call(it) => out.push_str(it.function.name),
            Self::Aggregate(it) => written(write_aggregate_head(out, it)),
            _ => {}
        }
        self.pretty_children(level, out);
    }

    /// Writes the children in parentheses, each on lines of its own.
    fn pretty_children(&self, level: usize, out: &mut String) {
        let children: Vec<&Self> = match self {
            Self::Aggregate(it) => it.param.iter().chain([&it.expr]).collect(),
            _ => self.children().collect(),
        };
        out.push_str("(\n");
        for (at, child) in children.iter().enumerate() {
            if 0 < at {
                out.push_str(",\n");
            }
            child.pretty_at(level + 1, out);
        }
        out.push('\n');
        indent(level, out);
        out.push(')');
    }
}

fn indent(level: usize, out: &mut String) {
    written(write!(out, "{:1$}", "", 2 * level));
}

fn written(result: std::fmt::Result) {
    result.expect("a string takes everything");
}
