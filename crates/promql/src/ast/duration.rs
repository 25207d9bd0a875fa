//! Durations that are computed: `[5m + step()]`, `offset min_of(range(), 1h)`.

use std::fmt;

use super::{NumberLiteral, PosRange};

/// A duration expression; its value is in seconds.
#[derive(Clone, Debug, PartialEq)]
pub enum DurationExpr {
    /// `300` or `5m`.
    Number(NumberLiteral),
    /// `step()`: the step of the query, 0 in an instant query.
    Step(PosRange),
    /// `range()`: from the start of the query to its end.
    Range(PosRange),
    /// `-d`.
    Negative {
        /// What is negated.
        expr: Box<Self>,
        /// Where the sign stands.
        start: usize,
    },
    /// `a + b`, `min_of(a, b)`.
    Binary {
        /// The operator.
        op: DurationOp,
        /// Left side, or first argument.
        lhs: Box<Self>,
        /// Right side, or second argument.
        rhs: Box<Self>,
        /// Where it stands.
        pos: PosRange,
    },
    /// `(d)`.
    Paren {
        /// What is inside.
        expr: Box<Self>,
        /// Where it stands.
        pos: PosRange,
    },
}

/// An operator or a function of two durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DurationOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `^`
    Pow,
    /// `min_of(a, b)`
    MinOf,
    /// `max_of(a, b)`
    MaxOf,
}

impl DurationOp {
    /// Its text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::MinOf => "min_of",
            Self::MaxOf => "max_of",
        }
    }
}

/// What a duration expression may refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DurationContext {
    /// `step()` in milliseconds; 0 in an instant query.
    pub step_ms: i64,
    /// `range()` in milliseconds; 0 in an instant query.
    pub range_ms: i64,
}

/// Why a duration expression has no value. `Display` is `<start byte>:<end byte>: <text>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurationError {
    /// Which part of the expression.
    pub pos: PosRange,
    /// What is wrong.
    pub text: &'static str,
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.pos.start, self.pos.end, self.text)
    }
}

impl std::error::Error for DurationError {}

impl DurationExpr {
    /// Where it stands in the query.
    pub fn pos(&self) -> PosRange {
        match self {
            Self::Number(it) => it.pos,
            Self::Step(pos)
            | Self::Range(pos)
            | Self::Binary { pos, .. }
            | Self::Paren { pos, .. } => *pos,
            Self::Negative { expr, start } => PosRange::new(*start, expr.pos().end),
        }
    }

    /// Computes a range or a step, in milliseconds (cut, not rounded).
    ///
    /// # Errors
    /// If the value is not above zero, not finite, out of range, or divides by zero.
    pub fn evaluate_positive(&self, context: DurationContext) -> Result<i64, DurationError> {
        let seconds = self.finite(context)?;
        if seconds <= 0.0 {
            return Err(self.error("duration must be greater than 0"));
        }
        self.to_ms(seconds)
    }

    /// Computes an offset, in milliseconds (cut, not rounded).
    ///
    /// # Errors
    /// If the value is not finite, out of range, or divides by zero.
    pub fn evaluate_offset(&self, context: DurationContext) -> Result<i64, DurationError> {
        let seconds = self.finite(context)?;
        self.to_ms(seconds)
    }

    /// The value in seconds.
    fn seconds(&self, context: DurationContext) -> Result<f64, DurationError> {
        Ok(match self {
            Self::Number(it) => it.value,
            Self::Step(_) => ms_to_seconds(context.step_ms),
            Self::Range(_) => ms_to_seconds(context.range_ms),
            Self::Negative { expr, .. } => -expr.seconds(context)?,
            Self::Paren { expr, .. } => expr.seconds(context)?,
            Self::Binary { op, lhs, rhs, .. } => {
                let (lhs, rhs) = (lhs.seconds(context)?, rhs.seconds(context)?);
                match op {
                    DurationOp::Add => lhs + rhs,
                    DurationOp::Sub => lhs - rhs,
                    DurationOp::Mul => lhs * rhs,
                    DurationOp::Div if rhs == 0.0 => return Err(self.error("division by zero")),
                    DurationOp::Div => lhs / rhs,
                    DurationOp::Mod if rhs == 0.0 => return Err(self.error("modulo by zero")),
                    DurationOp::Mod => lhs % rhs,
                    DurationOp::Pow => lhs.powf(rhs),
                    DurationOp::MinOf => min_of(lhs, rhs),
                    DurationOp::MaxOf => -min_of(-lhs, -rhs),
                }
            }
        })
    }

    fn finite(&self, context: DurationContext) -> Result<f64, DurationError> {
        let seconds = self.seconds(context)?;
        if seconds.is_finite() {
            Ok(seconds)
        } else {
            Err(self.error("duration is NaN or infinite"))
        }
    }

    fn to_ms(&self, seconds: f64) -> Result<i64, DurationError> {
        if SECONDS_MAX < seconds.abs() {
            return Err(self.error("duration is out of range"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "cut on purpose; the range was checked"
        )]
        Ok((seconds * 1000.0) as i64)
    }

    fn error(&self, text: &'static str) -> DurationError {
        DurationError { pos: self.pos(), text }
    }
}

/// What 63 bits of nanoseconds hold.
pub(crate) const SECONDS_MAX: f64 = 9_223_372_036.854_776;

#[expect(clippy::cast_precision_loss, reason = "query times are far below 2^53")]
fn ms_to_seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// The smaller one. NaN if either is, unless the other is -Inf.
fn min_of(a: f64, b: f64) -> f64 {
    if a == f64::NEG_INFINITY || b == f64::NEG_INFINITY {
        f64::NEG_INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a < b || a == b && a.is_sign_negative() {
        a
    } else {
        b
    }
}
