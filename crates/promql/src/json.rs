//! The syntax tree as JSON, as `/api/v1/parse_query` shows it. Keys are sorted.

use serde_json::{Value, json};
use stdx::gofloat;

use crate::ast::{
    Binary, Call, DurationExpr, DurationOp, Expr, MatrixSelector, NumberLiteral, Subquery,
    TimeShift, VectorMatching, VectorSelector,
};

impl Expr {
    /// Returns the tree as JSON.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Number(it) => number(it),
            Self::String(it) => json!({"type": "stringLiteral", "val": it.value}),
            Self::Vector(it) => selector(it),
            Self::Matrix(it) => matrix(it),
            Self::Subquery(it) => subquery(it),
            Self::Call(it) => call(it),
            Self::Aggregate(it) => json!({
                "expr": it.expr.to_json(),
                "grouping": it.grouping,
                "op": it.op.as_str(),
                "param": it.param.as_ref().map(Self::to_json),
                "type": "aggregation",
                "without": it.without,
            }),
            Self::Binary(it) => binary(it),
            Self::Unary(it) => {
                json!({"expr": it.expr.to_json(), "op": it.op.as_str(), "type": "unaryExpr"})
            }
            Self::Paren(it) => json!({"expr": it.expr.to_json(), "type": "parenExpr"}),
        }
    }
}

fn number(it: &NumberLiteral) -> Value {
    json!({"type": "numberLiteral", "val": gofloat::format_f(it.value)})
}

fn binary(it: &Binary) -> Value {
    json!({
        "bool": it.return_bool,
        "lhs": it.lhs.to_json(),
        "matching": it.matching.as_ref().map(matching),
        "op": it.op.as_str(),
        "rhs": it.rhs.to_json(),
        "type": "binaryExpr",
    })
}

fn matching(it: &VectorMatching) -> Value {
    json!({
        "card": it.card.as_str(),
        "fillValues": {"lhs": it.fill.lhs, "rhs": it.fill.rhs},
        "include": it.include,
        "labels": it.labels,
        "on": it.on,
    })
}

fn call(it: &Call) -> Value {
    let function = it.function;
    json!({
        "args": it.args.iter().map(Expr::to_json).collect::<Vec<_>>(),
        "func": {
            "argTypes": function.args.iter().map(|it| it.as_str()).collect::<Vec<_>>(),
            "name": function.name,
            "returnType": function.returns.as_str(),
            "variadic": function.variadic,
        },
        "type": "call",
    })
}

fn matrix(it: &MatrixSelector) -> Value {
    let mut value = selector(&it.selector);
    value["type"] = "matrixSelector".into();
    value["range"] = it.range_ms.into();
    value["rangeExpr"] = optional_duration(it.range_expr.as_ref());
    value.sort_all_objects();
    value
}

fn selector(it: &VectorSelector) -> Value {
    let matchers: Vec<Value> = it
        .matchers
        .iter()
        .map(|it| json!({"name": it.name(), "type": it.kind().as_str(), "value": it.value()}))
        .collect();
    json!({
        "anchored": it.anchored,
        "matchers": matchers,
        "name": it.name,
        "offset": it.shift.original_offset_ms,
        "offsetExpr": optional_duration(it.shift.offset_expr.as_ref()),
        "smoothed": it.smoothed,
        "startOrEnd": start_or_end(&it.shift),
        "timestamp": it.shift.timestamp_ms,
        "type": "vectorSelector",
    })
}

fn subquery(it: &Subquery) -> Value {
    json!({
        "expr": it.expr.to_json(),
        "offset": it.shift.original_offset_ms,
        "offsetExpr": optional_duration(it.shift.offset_expr.as_ref()),
        "range": it.range_ms,
        "rangeExpr": optional_duration(it.range_expr.as_ref()),
        "startOrEnd": start_or_end(&it.shift),
        "step": it.step_ms,
        "stepExpr": optional_duration(it.step_expr.as_ref()),
        "timestamp": it.shift.timestamp_ms,
        "type": "subquery",
    })
}

fn start_or_end(shift: &TimeShift) -> Option<&'static str> {
    shift.start_or_end.map(|it| it.as_str())
}

fn optional_duration(it: Option<&DurationExpr>) -> Value {
    it.map_or(Value::Null, |it| duration(it, false))
}

/// `wrapped` tells of parentheses around the expression.
fn duration(it: &DurationExpr, wrapped: bool) -> Value {
    let (op, lhs, rhs) = match it {
        DurationExpr::Number(it) if !wrapped => return number(it),
        DurationExpr::Number(it) => (DurationOp::Add.as_str(), Value::Null, number(it)),
        DurationExpr::Paren { expr, .. } => return duration(expr, true),
        DurationExpr::Step(_) => ("step", Value::Null, Value::Null),
        DurationExpr::Range(_) => ("range", Value::Null, Value::Null),
        DurationExpr::Negative { expr, .. } => ("-", Value::Null, duration(expr, false)),
        DurationExpr::Binary { op, lhs, rhs, .. } => {
            (op.as_str(), duration(lhs, false), duration(rhs, false))
        }
    };
    json!({"lhs": lhs, "op": op, "rhs": rhs, "type": "durationExpr", "wrapped": wrapped})
}
