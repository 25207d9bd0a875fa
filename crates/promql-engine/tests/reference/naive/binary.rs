//! Binary operators.

mod matching;

use promql::ast::{Binary, BinaryOp, ValueType};

use super::histogram::{Hist, add};
use super::notes::Notes;
use super::scalar::{arithmetic, compare};
use super::value::{Element, Point, Value, at, collect};
use super::{Decode, Grid, Naive};

/// What an operator makes of two operands.
enum Outcome {
    /// A value, and for a comparison whether it held.
    Value(Point, bool),
    /// Nothing: the operands do not fit.
    Nothing,
}

impl Naive<'_> {
    pub(super) fn binary(&self, it: &Binary, grid: Grid, decode: Decode) -> Result<Value, String> {
        let decode = if it.op.is_trim() { Decode::Buckets } else { decode };
        match (it.lhs.value_type(), it.rhs.value_type()) {
            (ValueType::Scalar, ValueType::Scalar) => {
                let (lhs, rhs) =
                    (self.scalar(&it.lhs, grid, decode)?, self.scalar(&it.rhs, grid, decode)?);
                let points =
                    lhs.into_iter().map(|(t, lhs)| Ok((t, of_scalars(it.op, lhs, rhs[&t])?)));
                Ok(Value::Scalar(points.collect::<Result<_, String>>()?))
            }
            (ValueType::Vector, ValueType::Vector) => self.vectors(it, grid, decode),
            (ValueType::Vector, _) => {
                let vector = self.vector(&it.lhs, grid, decode)?;
                let scalar = self.scalar(&it.rhs, grid, decode)?;
                self.with_scalar(it, grid, (&vector, &scalar), false)
            }
            _ => {
                let scalar = self.scalar(&it.lhs, grid, decode)?;
                let vector = self.vector(&it.rhs, grid, decode)?;
                self.with_scalar(it, grid, (&vector, &scalar), true)
            }
        }
    }

    fn with_scalar(
        &self,
        it: &Binary,
        grid: Grid,
        (vector, scalar): (&[super::value::Series], &std::collections::BTreeMap<i64, f64>),
        scalar_left: bool,
    ) -> Result<Value, String> {
        let mut steps = Vec::new();
        for t in grid.times() {
            let scalar = Point::Float(scalar[&t]);
            let mut notes = Notes::default();
            let mut out = Vec::new();
            for element in at(vector, t) {
                let (lhs, rhs) =
                    if scalar_left { (&scalar, &element.point) } else { (&element.point, &scalar) };
                let Outcome::Value(value, holds) = of_points(it, lhs, rhs, &mut notes) else {
                    continue;
                };
                if it.return_bool {
                    let one = Point::Float(f64::from(u8::from(holds)));
                    out.push(self.nameless(&element, one));
                } else if it.op.is_comparison() {
                    out.extend(Some(element).filter(|_| holds));
                } else if it.op.is_trim() {
                    out.push(Element { point: value, ..element });
                } else {
                    out.push(self.nameless(&element, value));
                }
            }
            self.notes.borrow_mut().append(notes.last());
            steps.push((t, out));
        }
        Ok(Value::Vector(collect(steps)?))
    }
}

fn of_scalars(op: BinaryOp, lhs: f64, rhs: f64) -> Result<f64, String> {
    if op.is_trim() {
        return Err(format!("operator \"{}\" not allowed for Scalar operations", op.as_str()));
    }
    Ok(if op.is_comparison() {
        f64::from(u8::from(compare(op, lhs, rhs)))
    } else {
        arithmetic(op, lhs, rhs)
    })
}

fn kind(point: &Point) -> &'static str {
    if matches!(point, Point::Float(_)) { "float" } else { "histogram" }
}

fn of_points(it: &Binary, lhs: &Point, rhs: &Point, notes: &mut Notes) -> Outcome {
    use BinaryOp as Op;
    let done = |hist: Hist| Outcome::Value(Point::Hist(hist.compact()), true);
    match (lhs, it.op, rhs) {
        (Point::Float(_), op, Point::Float(_)) if op.is_trim() => {}
        (Point::Float(a), op, Point::Float(b)) if op.is_comparison() => {
            return Outcome::Value(lhs.clone(), compare(op, *a, *b));
        }
        (Point::Float(a), op, Point::Float(b)) => {
            return Outcome::Value(Point::Float(arithmetic(op, *a, *b)), true);
        }
        (Point::Float(v), Op::Mul, Point::Hist(h)) | (Point::Hist(h), Op::Mul, Point::Float(v)) => {
            return done(h.clone().times(*v));
        }
        (Point::Hist(h), Op::Div, Point::Float(v)) => return done(h.clone().over(*v)),
        (Point::Hist(h), Op::TrimUpper | Op::TrimLower, Point::Float(v)) => {
            return Outcome::Value(Point::Hist(h.trim(*v, it.op == Op::TrimUpper)), true);
        }
        (Point::Hist(a), Op::Eq | Op::Ne, Point::Hist(b)) => {
            return Outcome::Value(lhs.clone(), a.equals(b) == (it.op == Op::Eq));
        }
        (Point::Hist(a), Op::Add | Op::Sub, Point::Hist(b)) => return added(it, a, b, notes),
        _ => {}
    }
    notes.info(
        it.pos().start,
        format!(
            "incompatible sample types encountered for binary operator {}: {} {} {}",
            model::quote(it.op.as_str()),
            kind(lhs),
            it.op.as_str(),
            kind(rhs)
        ),
    );
    Outcome::Nothing
}

fn added(it: &Binary, a: &Hist, b: &Hist, notes: &mut Notes) -> Outcome {
    let pos = it.pos().start;
    let (sign, operation) = match it.op {
        BinaryOp::Add => (1.0, "addition"),
        _ => (-1.0, "subtraction"),
    };
    let Ok(mut sum) = add(a, b, sign) else {
        let op = it.op.as_str();
        notes.warn(pos, format!("incompatible bucket layout encountered for binary operator {op}"));
        return Outcome::Nothing;
    };
    if sum.collided {
        notes.warn(pos, format!("conflicting counter resets during histogram {operation}"));
        return Outcome::Nothing;
    }
    if sum.reconciled {
        notes.info(pos, format!("mismatched custom buckets were reconciled during {operation}"));
    }
    if it.op == BinaryOp::Sub {
        sum.hist.hint = model::CounterResetHint::Gauge;
    }
    Outcome::Value(Point::Hist(sum.hist.compact()), true)
}
