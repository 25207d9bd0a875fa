//! What an operator does to two floats.

use promql::ast::BinaryOp;

use crate::Column;
use crate::bitmap::Bitmap;
use crate::function::math::pow;

/// The value of an arithmetic operator.
#[inline]
pub(crate) fn arithmetic(op: BinaryOp, left: f64, right: f64) -> f64 {
    match op {
        BinaryOp::Add => left + right,
        BinaryOp::Sub => left - right,
        BinaryOp::Mul => left * right,
        BinaryOp::Div => left / right,
        BinaryOp::Mod => left % right,
        BinaryOp::Pow => pow(left, right),
        BinaryOp::Atan2 => left.atan2(right),
        _ => unreachable!("{} is no arithmetic operator", op.as_str()),
    }
}

/// True if the comparison holds.
#[inline]
pub(crate) fn compares(op: BinaryOp, left: f64, right: f64) -> bool {
    match op {
        BinaryOp::Eq => left == right,
        BinaryOp::Ne => left != right,
        BinaryOp::Lt => left < right,
        BinaryOp::Le => left <= right,
        BinaryOp::Gt => left > right,
        BinaryOp::Ge => left >= right,
        _ => unreachable!("{} is no comparison", op.as_str()),
    }
}

/// What an operator makes of two floats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    Value(f64),
    /// A comparison that does not hold.
    Filtered,
    /// The operator has no meaning for floats.
    Incompatible,
}

/// What `op` makes of two floats. A filter that holds answers the left one.
#[inline]
pub(crate) fn floats(op: BinaryOp, return_bool: bool, left: f64, right: f64) -> Outcome {
    if op.is_trim() {
        return Outcome::Incompatible;
    }
    if !op.is_comparison() {
        return Outcome::Value(arithmetic(op, left, right));
    }
    match (compares(op, left, right), return_bool) {
        (holds, true) => Outcome::Value(f64::from(u8::from(holds))),
        (true, false) => Outcome::Value(left),
        (false, false) => Outcome::Filtered,
    }
}

/// Applies `op` to two columns; the result is in `left`. Both hold floats only.
pub(crate) fn columns(op: BinaryOp, return_bool: bool, left: &mut Column, right: &Column) {
    let (values, present) = left.parts_mut();
    present.and(right.present());
    zip(op, return_bool, values, present, |at| right.values()[at], Side::Left);
}

/// Which operand the column at hand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// Applies `op` at every step to `values` and what `other` says. Filters keep what is in `values`.
pub(crate) fn zip(
    op: BinaryOp,
    return_bool: bool,
    values: &mut [f64],
    present: &mut Bitmap,
    other: impl Fn(usize) -> f64,
    side: Side,
) {
    match (op, side) {
        // The loops of common operators are compiled each on its own, without a branch inside.
        (BinaryOp::Add, Side::Left) => map(values, |at, v| v + other(at)),
        (BinaryOp::Sub, Side::Left) => map(values, |at, v| v - other(at)),
        (BinaryOp::Mul, Side::Left) => map(values, |at, v| v * other(at)),
        (BinaryOp::Div, Side::Left) => map(values, |at, v| v / other(at)),
        _ if op.is_trim() => *present = Bitmap::new(values.len()),
        (_, Side::Left) if !op.is_comparison() => map(values, |at, v| arithmetic(op, v, other(at))),
        (_, Side::Right) if !op.is_comparison() => {
            map(values, |at, v| arithmetic(op, other(at), v))
        }
        _ => {
            let holds = |at: usize, v: f64| match side {
                Side::Left => compares(op, v, other(at)),
                Side::Right => compares(op, other(at), v),
            };
            if return_bool {
                map(values, |at, v| f64::from(u8::from(holds(at, v))));
                return;
            }
            for (at, v) in values.iter().enumerate() {
                if present.get(at) && !holds(at, *v) {
                    present.clear(at);
                }
            }
        }
    }
}

#[inline]
fn map(values: &mut [f64], f: impl Fn(usize, f64) -> f64) {
    values.iter_mut().enumerate().for_each(|(at, v)| *v = f(at, *v));
}

/// The text about two values that an operator cannot join.
pub(crate) fn incompatible(op: BinaryOp, left: &str, right: &str) -> String {
    let op = op.as_str();
    format!(
        "incompatible sample types encountered for binary operator \"{op}\": {left} {op} {right}"
    )
}
