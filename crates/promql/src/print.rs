//! Syntax tree to text: one line, and split over several lines.

use std::fmt::{self, Display as _, Write as _};

use model::{duration, is_legacy_label_name, quote};
use stdx::gofloat;

use crate::ast::{
    Aggregate, Binary, Cardinality, DurationExpr, DurationOp, Expr, MatrixSelector, NumberLiteral,
    Subquery, TimeShift, VectorMatching, VectorSelector,
};

mod pretty;

/// Writes the expression on one line; parsing it again gives the same tree (but for positions).
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(it) => it.fmt(f),
            Self::String(it) => f.write_str(&readable(quote(&it.value))),
            Self::Vector(it) => it.fmt(f),
            Self::Matrix(it) => it.fmt(f),
            Self::Subquery(it) => {
                it.expr.fmt(f)?;
                write_subquery_suffix(f, it)
            }
            Self::Call(it) => {
                f.write_str(it.function.name)?;
                write_list(f, &it.args)
            }
            Self::Aggregate(it) => {
                write_aggregate_head(f, it)?;
                f.write_str("(")?;
                if let Some(param) = &it.param {
                    write!(f, "{param}, ")?;
                }
                write!(f, "{})", it.expr)
            }
            Self::Binary(it) => {
                write!(f, "{} ", it.lhs)?;
                write_operator(f, it)?;
                write!(f, " {}", it.rhs)
            }
            Self::Unary(it) => write!(f, "{}{}", it.op.as_str(), it.expr),
            Self::Paren(it) => write!(f, "({})", it.expr),
        }
    }
}

/// Writes the fewest digits without exponent, or a duration if it was written as one.
impl fmt::Display for NumberLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_duration {
            return f.write_str(&gofloat::format_f(self.value));
        }
        #[expect(clippy::cast_possible_truncation, reason = "read from whole milliseconds")]
        let ms = (self.value * 1000.0).round() as i64;
        f.write_str(&duration::format(ms))
    }
}

/// Writes name, matchers (sorted), `@`, `anchored` or `smoothed`, `offset`.
impl fmt::Display for VectorSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_series(f, self)?;
        write_at(f, &self.shift)?;
        write_extended(f, self)?;
        write_offset(f, &self.shift)
    }
}

/// Writes name, matchers (sorted), range, `anchored` or `smoothed`, `@`, `offset`.
impl fmt::Display for MatrixSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_series(f, &self.selector)?;
        f.write_str("[")?;
        write_duration(f, self.range_ms, self.range_expr.as_ref())?;
        f.write_str("]")?;
        write_extended(f, &self.selector)?;
        write_at(f, &self.selector.shift)?;
        write_offset(f, &self.selector.shift)
    }
}

/// Writes blanks around operators; parentheses stay, a plus sign does not.
impl fmt::Display for DurationExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(it) => it.fmt(f),
            Self::Step(_) => f.write_str("step()"),
            Self::Range(_) => f.write_str("range()"),
            Self::Negative { expr, .. } => write!(f, "-{expr}"),
            Self::Paren { expr, .. } => write!(f, "({expr})"),
            Self::Binary { op: op @ (DurationOp::MinOf | DurationOp::MaxOf), lhs, rhs, .. } => {
                write!(f, "{}({lhs}, {rhs})", op.as_str())
            }
            Self::Binary { op, lhs, rhs, .. } => write!(f, "{lhs} {} {rhs}", op.as_str()),
        }
    }
}

/// Escapes U+FFFD, which stands for bytes that are no text: the lexer refuses it unescaped.
fn readable(quoted: String) -> String {
    if quoted.contains(char::REPLACEMENT_CHARACTER) {
        quoted.replace(char::REPLACEMENT_CHARACTER, "\\ufffd")
    } else {
        quoted
    }
}

fn write_series(f: &mut fmt::Formatter<'_>, it: &VectorSelector) -> fmt::Result {
    f.write_str(&it.name)?;
    let is_name = |m: &&model::Matcher| {
        !it.name.is_empty() && m.name() == model::METRIC_NAME && m.value() == it.name
    };
    let mut matchers: Vec<String> =
        it.matchers.iter().filter(|m| !is_name(m)).map(ToString::to_string).collect();
    if matchers.is_empty() && !it.name.is_empty() {
        return Ok(());
    }
    matchers.sort_unstable();
    write!(f, "{{{}}}", readable(matchers.join(",")))
}

fn write_at(f: &mut fmt::Formatter<'_>, shift: &TimeShift) -> fmt::Result {
    match (shift.start_or_end, shift.timestamp_ms) {
        (Some(it), _) => write!(f, " @ {}()", it.as_str()),
        (None, Some(ms)) => {
            let sign = if ms < 0 { "-" } else { "" };
            let ms = ms.unsigned_abs();
            write!(f, " @ {sign}{}.{:03}", ms / 1000, ms % 1000)
        }
        (None, None) => Ok(()),
    }
}

fn write_offset(f: &mut fmt::Formatter<'_>, shift: &TimeShift) -> fmt::Result {
    match &shift.offset_expr {
        Some(expr) => write!(f, " offset {expr}"),
        None if shift.original_offset_ms == 0 => Ok(()),
        None => write!(f, " offset {}", duration::format(shift.original_offset_ms)),
    }
}

fn write_extended(f: &mut fmt::Formatter<'_>, it: &VectorSelector) -> fmt::Result {
    match (it.anchored, it.smoothed) {
        (true, _) => f.write_str(" anchored"),
        (_, true) => f.write_str(" smoothed"),
        _ => Ok(()),
    }
}

fn write_duration(f: &mut fmt::Formatter<'_>, ms: i64, expr: Option<&DurationExpr>) -> fmt::Result {
    match expr {
        Some(expr) => expr.fmt(f),
        None => f.write_str(&duration::format(ms)),
    }
}

fn write_subquery_suffix(f: &mut impl fmt::Write, it: &Subquery) -> fmt::Result {
    write!(f, "{}", SubquerySuffix(it))
}

/// `[1h:5m] @ 12.000 offset 5m`
struct SubquerySuffix<'a>(&'a Subquery);

impl fmt::Display for SubquerySuffix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = self.0;
        f.write_str("[")?;
        write_duration(f, it.range_ms, it.range_expr.as_ref())?;
        f.write_str(":")?;
        if it.step_expr.is_some() || it.step_ms != 0 {
            write_duration(f, it.step_ms, it.step_expr.as_ref())?;
        }
        f.write_str("]")?;
        write_at(f, &it.shift)?;
        write_offset(f, &it.shift)
    }
}

/// Writes `sum by (a, b) `, or only `sum` if there is no grouping.
fn write_aggregate_head(f: &mut impl fmt::Write, it: &Aggregate) -> fmt::Result {
    f.write_str(it.op.as_str())?;
    if it.without || !it.grouping.is_empty() {
        write!(f, " {} ", if it.without { "without" } else { "by" })?;
        write_labels(f, &it.grouping)?;
        f.write_str(" ")?;
    }
    Ok(())
}

/// Writes an operator with all its modifiers.
fn write_operator(f: &mut impl fmt::Write, it: &Binary) -> fmt::Result {
    f.write_str(it.op.as_str())?;
    if it.return_bool {
        f.write_str(" bool")?;
    }
    it.matching.as_ref().map_or(Ok(()), |it| write_matching(f, it))
}

fn write_matching(f: &mut impl fmt::Write, it: &VectorMatching) -> fmt::Result {
    let group = match it.card {
        Cardinality::ManyToOne => Some("group_left"),
        Cardinality::OneToMany => Some("group_right"),
        Cardinality::OneToOne | Cardinality::ManyToMany => None,
    };
    if it.on || !it.labels.is_empty() || group.is_some() {
        write!(f, " {} ", if it.on { "on" } else { "ignoring" })?;
        write_labels(f, &it.labels)?;
    }
    if let Some(group) = group {
        write!(f, " {group} ")?;
        write_labels(f, &it.include)?;
    }
    let same = |a: f64, b: f64| a == b || a.is_nan() && b.is_nan();
    match (it.fill.lhs, it.fill.rhs) {
        (Some(lhs), Some(rhs)) if same(lhs, rhs) => write!(f, " fill ({})", gofloat::format_g(lhs)),
        (lhs, rhs) => {
            if let Some(lhs) = lhs {
                write!(f, " fill_left ({})", gofloat::format_g(lhs))?;
            }
            rhs.map_or(Ok(()), |rhs| write!(f, " fill_right ({})", gofloat::format_g(rhs)))
        }
    }
}

fn write_labels(f: &mut impl fmt::Write, labels: &[String]) -> fmt::Result {
    f.write_str("(")?;
    for (at, label) in labels.iter().enumerate() {
        if 0 < at {
            f.write_str(", ")?;
        }
        if is_legacy_label_name(label) {
            f.write_str(label)?
        } else {
            f.write_str(&readable(quote(label)))?
        }
    }
    f.write_str(")")
}

fn write_list(f: &mut fmt::Formatter<'_>, exprs: &[Expr]) -> fmt::Result {
    f.write_char('(')?;
    for (at, expr) in exprs.iter().enumerate() {
        if 0 < at {
            f.write_str(", ")?;
        }
        expr.fmt(f)?;
    }
    f.write_char(')')
}
