//! What an operator does to two points.

use std::sync::Arc;

use model::{CounterResetHint, FloatHistogram};
use promql::ast::BinaryOp;

use crate::annotation::Level;
use crate::bitmap::Bitmap;
use crate::function::math::pow;
use crate::native::trim::{Keep, trim};
use crate::native::{self, Incompatible, Operation, Plain, Total};
use crate::{Column, Point, PointRef};

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

/// What an operator makes of two points of which one at least is a histogram.
#[derive(Clone, Debug)]
pub(crate) struct Joined {
    /// `None` if nothing comes of them.
    pub(crate) point: Option<Point>,
    /// The pair has a result, or a comparison that does not hold: it counts when matches are.
    pub(crate) defined: bool,
    /// What there is to say about it. The last one counts.
    pub(crate) note: Option<(Level, String)>,
}

impl Joined {
    fn point(point: Point) -> Self {
        Self { point: Some(point), defined: true, note: None }
    }

    fn histogram(it: FloatHistogram) -> Self {
        Self::point(Point::Histogram(Arc::new(it)))
    }

    fn nothing(note: Option<(Level, String)>) -> Self {
        Self { point: None, defined: false, note }
    }
}

/// Applies `op` to two points of which one at least is a histogram. A filter that holds answers the left
/// one.
pub(crate) fn join(
    op: BinaryOp,
    return_bool: bool,
    left: PointRef<'_>,
    right: PointRef<'_>,
) -> Joined {
    use PointRef::{Float, Histogram};
    let compacted = |mut it| {
        native::compact(&mut it);
        Joined::histogram(it)
    };
    match (left, right, op) {
        (Float(v), Histogram(it), BinaryOp::Mul) | (Histogram(it), Float(v), BinaryOp::Mul) => {
            compacted(native::times(it, v))
        }
        (Histogram(it), Float(v), BinaryOp::Div) => compacted(native::over(it, v)),
        (Histogram(it), Float(v), BinaryOp::TrimUpper) => {
            Joined::histogram(trim(it, Keep::Lower, v))
        }
        (Histogram(it), Float(v), BinaryOp::TrimLower) => {
            Joined::histogram(trim(it, Keep::Upper, v))
        }
        (Histogram(a), Histogram(b), BinaryOp::Add | BinaryOp::Sub) => add(op, a, b),
        (Histogram(a), Histogram(b), BinaryOp::Eq | BinaryOp::Ne) => {
            let holds = native::equal(a, b) == (op == BinaryOp::Eq);
            match (return_bool, holds) {
                (true, _) => Joined::point(Point::Float(f64::from(u8::from(holds)))),
                (false, true) => Joined::point(Point::Histogram(a.clone())),
                (false, false) => Joined { point: None, defined: true, note: None },
            }
        }
        _ => {
            let text = incompatible(op, kind(left), kind(right));
            Joined::nothing(Some((Level::Info, text)))
        }
    }
}

/// The sum or the difference of two histograms.
fn add(op: BinaryOp, a: &FloatHistogram, b: &FloatHistogram) -> Joined {
    let mut total = Total::<Plain>::of(a);
    let (added, operation) = if op == BinaryOp::Add {
        (total.add(b), Operation::Addition)
    } else {
        (total.subtract(b), Operation::Subtraction)
    };
    match added {
        Err(Incompatible) => {
            let op = op.as_str();
            let text = format!("incompatible bucket layout encountered for binary operator {op}");
            Joined::nothing(Some((Level::Warning, text)))
        }
        // Upstream's warning travels as an error, so that there is no result.
        Ok(added) if added.collision => {
            Joined::nothing(Some((Level::Warning, operation.collision())))
        }
        Ok(added) => {
            if op == BinaryOp::Sub {
                total.hint = CounterResetHint::Gauge;
            }
            let mut sum = total.finish();
            native::compact(&mut sum);
            let note = added.reconciled.then(|| (Level::Info, operation.reconciled()));
            Joined { note, ..Joined::histogram(sum) }
        }
    }
}

/// How messages call a point.
pub(crate) fn kind(point: PointRef<'_>) -> &'static str {
    match point {
        PointRef::Float(_) => "float",
        PointRef::Histogram(_) => "histogram",
    }
}

/// The text about two values that an operator cannot join.
pub(crate) fn incompatible(op: BinaryOp, left: &str, right: &str) -> String {
    let op = op.as_str();
    format!(
        "incompatible sample types encountered for binary operator \"{op}\": {left} {op} {right}"
    )
}
