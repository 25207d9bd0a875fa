//! Types: which operand may stand where.

use crate::ast::{
    Aggregate, AggregateOp, Binary, BinaryOp, Call, Cardinality, Expr, Fill, PosRange, ValueType,
    VectorMatching, VectorSelector,
};
use crate::error::ParseError;

type Result<T> = std::result::Result<T, ParseError>;

/// Checks the types of `expr`, read from `input`, and returns its own. Matchings of operators that
/// do not join two vectors are removed.
pub(crate) fn check(input: &str, expr: &mut Expr) -> Result<ValueType> {
    Checker { input }.expr(expr)
}

struct Checker<'a> {
    input: &'a str,
}

impl Checker<'_> {
    fn expr(&self, expr: &mut Expr) -> Result<ValueType> {
        let got = match expr {
            Expr::Number(_) => return Ok(ValueType::Scalar),
            Expr::String(_) => return Ok(ValueType::String),
            Expr::Vector(it) => return self.selector(it, false).map(|()| ValueType::Vector),
            Expr::Matrix(it) => {
                return self.selector(&it.selector, false).map(|()| ValueType::Matrix);
            }
            Expr::Paren(it) => return self.expr(&mut it.expr),
            Expr::Call(it) => return self.call(it),
            Expr::Aggregate(it) => return self.aggregate(it),
            Expr::Binary(it) => return self.binary(it),
            Expr::Subquery(it) => self.expr(&mut it.expr)?,
            Expr::Unary(it) => self.expr(&mut it.expr)?,
        };
        let is_subquery = matches!(expr, Expr::Subquery(_));
        if is_subquery && got == ValueType::Vector {
            return Ok(ValueType::Matrix);
        }
        if !is_subquery && is_numeric(got) {
            return Ok(got);
        }
        let text = if is_subquery {
            format!("subquery is only allowed on instant vector, got {} instead", got.as_str())
        } else {
            format!(
                "unary expression only allowed on expressions of type scalar or instant vector, got \"{}\"",
                got.documented()
            )
        };
        Err(self.error(expr.pos(), text))
    }

    fn selector(&self, it: &VectorSelector, may_be_empty: bool) -> Result<()> {
        if let Some((_, others)) = it.matchers.split_last()
            && !it.name.is_empty()
        {
            let twice = others.iter().find(|it| it.name() == model::METRIC_NAME);
            return twice.map_or(Ok(()), |other| {
                let (one, two) = (model::quote(&it.name), model::quote(other.value()));
                Err(self
                    .error(it.pos, format!("metric name must not be set twice: {one} or {two}")))
            });
        }
        if !may_be_empty && it.matchers.iter().all(model::Matcher::matches_empty) {
            return Err(
                self.error(it.pos, "vector selector must contain at least one non-empty matcher")
            );
        }
        Ok(())
    }

    fn expect(
        &self,
        expr: &mut Expr,
        expected: ValueType,
        context: impl Fn() -> String,
    ) -> Result<()> {
        let got = self.expr(expr)?;
        if got == expected {
            return Ok(());
        }
        let text = format!(
            "expected type {} in {}, got {}",
            expected.documented(),
            context(),
            got.documented()
        );
        Err(self.error(expr.pos(), text))
    }

    fn aggregate(&self, it: &mut Aggregate) -> Result<ValueType> {
        self.expect(&mut it.expr, ValueType::Vector, || "aggregation expression".into())?;
        let Some(param) = &mut it.param else { return Ok(ValueType::Vector) };
        let expected =
            if it.op == AggregateOp::CountValues { ValueType::String } else { ValueType::Scalar };
        self.expect(param, expected, || "aggregation parameter".into())?;
        Ok(ValueType::Vector)
    }

    fn call(&self, it: &mut Call) -> Result<ValueType> {
        let function = it.function;
        if let Some(text) = arity_error(it) {
            return Err(self.error(it.pos, text));
        }
        let is_info = function.name == "info";
        for (at, arg) in it.args.iter_mut().enumerate() {
            if is_info && at == 1 {
                self.info_selector(arg, it.pos)?;
                continue;
            }
            let Some(expected) = function.args.get(at).or(function.args.last()) else { continue };
            self.expect(arg, *expected, || format!("call to function \"{}\"", function.name))?;
        }
        Ok(function.returns)
    }

    /// Checks the second argument of `info`: a selector of labels, possibly empty.
    fn info_selector(&self, arg: &mut Expr, call: PosRange) -> Result<()> {
        let got = arg.value_type();
        match arg {
            Expr::Vector(it) if it.name.is_empty() => self.selector(it, true),
            Expr::Vector(it) => {
                Err(self
                    .error(it.pos, "expected label selectors only, got vector selector instead"))
            }
            _ if got == ValueType::Vector => {
                Err(self.error(arg.pos(), "expected label selectors only"))
            }
            _ => {
                let text = format!(
                    "expected type instant vector in call to function \"info\", got {}",
                    got.documented()
                );
                Err(self.error(call, text))
            }
        }
    }

    fn binary(&self, it: &mut Binary) -> Result<ValueType> {
        let (left, right) = (self.expr(&mut it.lhs)?, self.expr(&mut it.rhs)?);
        let scalars = left == ValueType::Scalar && right == ValueType::Scalar;
        if it.return_bool && !it.op.is_comparison() {
            return Err(self.error(
                self.operator(it),
                "bool modifier can only be used on comparison operators",
            ));
        }
        if it.op.is_comparison() && !it.return_bool && scalars {
            return Err(
                self.error(self.operator(it), "comparisons between scalars must use BOOL modifier")
            );
        }
        let repeated = it.matching.as_ref().and_then(repeated_label);
        if let Some(label) = repeated {
            let text = format!(
                "label {} must not occur in ON and GROUP clause at once",
                model::quote(label)
            );
            return Err(self.error(self.operator(it), text));
        }
        for (side, got) in [(&it.lhs, left), (&it.rhs, right)] {
            if !is_numeric(got) {
                let text = "binary expression must contain only scalar and instant vector types";
                return Err(self.error(side.pos(), text));
            }
        }
        let vectors = left == ValueType::Vector && right == ValueType::Vector;
        if let Some(text) = matching_error(it, vectors) {
            return Err(self.error(it.pos(), text));
        }
        if !vectors {
            it.matching = None;
        }
        Ok(if scalars { ValueType::Scalar } else { ValueType::Vector })
    }

    /// Where the operator stands.
    fn operator(&self, it: &Binary) -> PosRange {
        let bytes = self.input.as_bytes();
        let blank =
            |at: usize| bytes.get(at).is_some_and(|it| matches!(it, b' ' | b'\t' | b'\n' | b'\r'));
        let (mut start, mut end) = (it.lhs.pos().end, it.rhs.pos().start);
        while start < end && blank(start) {
            start += 1;
        }
        while start < end && blank(end - 1) {
            end -= 1;
        }
        PosRange::new(start, end)
    }

    fn error(&self, pos: PosRange, text: impl Into<String>) -> ParseError {
        ParseError::new(self.input, pos, text)
    }
}

fn is_numeric(it: ValueType) -> bool {
    matches!(it, ValueType::Scalar | ValueType::Vector)
}

fn arity_error(it: &Call) -> Option<String> {
    let (function, got) = (it.function, it.args.len());
    let declared = function.args.len();
    let (word, expected) = if function.variadic == 0 {
        if got == declared {
            return None;
        }
        ("", declared)
    } else {
        let least = declared - 1;
        let most = usize::try_from(function.variadic).map_or(usize::MAX, |it| least + it);
        match got {
            _ if got < least => ("at least ", least),
            _ if most < got => ("at most ", most),
            _ => return None,
        }
    };
    Some(format!(
        "expected {word}{expected} argument(s) in call to \"{}\", got {got}",
        function.name
    ))
}

/// Finds a label that stands in `on` and in the group clause.
fn repeated_label(matching: &VectorMatching) -> Option<&String> {
    matching.labels.iter().find(|it| matching.on && matching.include.contains(it))
}

fn matching_error(it: &Binary, vectors: bool) -> Option<String> {
    let matching = it.matching.as_ref()?;
    let filled = matching.fill != Fill::default();
    if !vectors {
        if !matching.labels.is_empty() {
            return Some("vector matching only allowed between instant vectors".into());
        }
        if filled {
            return Some("filling in missing series only allowed between instant vectors".into());
        }
        if it.op.is_set() {
            return Some(format!(
                "set operator \"{}\" not allowed in binary scalar expression",
                it.op.as_str()
            ));
        }
        return None;
    }
    if !BinaryOp::is_set(it.op) {
        return None;
    }
    if matching.card != Cardinality::ManyToMany {
        return Some(format!("no grouping allowed for \"{}\" operation", it.op.as_str()));
    }
    filled.then(|| "filling in missing series not allowed for set operators".into())
}
