//! Functions and operators of floats.

use promql::ast::BinaryOp;

/// The larger one. NaN if either is, unless the other one is +Inf.
pub(crate) fn max_of(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a > b || (a == b && b.is_sign_negative()) {
        a
    } else {
        b
    }
}

/// The smaller one. NaN if either is, unless the other one is -Inf.
pub(crate) fn min_of(a: f64, b: f64) -> f64 {
    -max_of(-a, -b)
}

/// Arithmetic and `atan2`.
pub(crate) fn arithmetic(op: BinaryOp, a: f64, b: f64) -> f64 {
    match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div => a / b,
        BinaryOp::Mod => a % b,
        BinaryOp::Pow => a.powf(b),
        BinaryOp::Atan2 => a.atan2(b),
        _ => unreachable!("{op:?} is no arithmetic"),
    }
}

pub(crate) fn compare(op: BinaryOp, a: f64, b: f64) -> bool {
    match op {
        BinaryOp::Eq => a == b,
        BinaryOp::Ne => a != b,
        BinaryOp::Lt => a < b,
        BinaryOp::Le => a <= b,
        BinaryOp::Gt => a > b,
        BinaryOp::Ge => a >= b,
        _ => unreachable!("{op:?} is no comparison"),
    }
}

/// Functions of one float.
pub(crate) fn function(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "acos" => f64::acos,
        "acosh" => f64::acosh,
        "asin" => f64::asin,
        "asinh" => f64::asinh,
        "atan" => f64::atan,
        "atanh" => f64::atanh,
        "ceil" => f64::ceil,
        "cos" => f64::cos,
        "cosh" => f64::cosh,
        "deg" => |v| v * 180.0 / std::f64::consts::PI,
        "exp" => f64::exp,
        "floor" => f64::floor,
        "ln" => f64::ln,
        "log10" => f64::log10,
        "log2" => f64::log2,
        "rad" => |v| v * std::f64::consts::PI / 180.0,
        "sgn" => |v| match v {
            v if v > 0.0 => 1.0,
            v if v < 0.0 => -1.0,
            v => v,
        },
        "sin" => f64::sin,
        "sinh" => f64::sinh,
        "sqrt" => f64::sqrt,
        "tan" => f64::tan,
        "tanh" => f64::tanh,
        _ => return None,
    })
}

/// `round(v, to)`
pub(crate) fn round(v: f64, to: f64) -> f64 {
    let inverse = 1.0 / to;
    (v * inverse + 0.5).floor() / inverse
}

/// A float that carries what additions lost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kahan {
    pub(crate) sum: f64,
    pub(crate) lost: f64,
}

impl Kahan {
    pub(crate) fn new(sum: f64) -> Self {
        Self { sum, lost: 0.0 }
    }

    pub(crate) fn add(&mut self, v: f64) {
        let t = self.sum + v;
        if t.is_infinite() {
            self.lost = 0.0;
        } else if self.sum.abs() >= v.abs() {
            self.lost += (self.sum - t) + v;
        } else {
            self.lost += (v - t) + self.sum;
        }
        self.sum = t;
    }

    pub(crate) fn value(self) -> f64 {
        self.sum + self.lost
    }

    pub(crate) fn of(all: impl IntoIterator<Item = f64>) -> Self {
        let mut sum = Self::default();
        all.into_iter().for_each(|it| sum.add(it));
        sum
    }
}

/// The mean of at least one value: of the sum, or step by step if the sum overflows.
pub(crate) fn mean(all: &[f64]) -> f64 {
    let mut sum = Kahan::new(all[0]);
    for (at, v) in all.iter().enumerate().skip(1) {
        let mut next = sum;
        next.add(*v);
        if next.sum.is_infinite() {
            return incremental_mean(sum, &all[at..], at);
        }
        sum = next;
    }
    let n = all.len() as f64;
    sum.sum / n + sum.lost / n
}

/// Goes on from the sum of the first `n` values.
fn incremental_mean(sum: Kahan, rest: &[f64], n: usize) -> f64 {
    let mut mean = Kahan { sum: sum.sum / n as f64, lost: sum.lost / n as f64 };
    for (at, v) in rest.iter().enumerate() {
        let n = (n + at + 1) as f64;
        let q = (n - 1.0) / n;
        let mut next = Kahan { sum: q * mean.sum, lost: q * mean.lost };
        next.add(v / n);
        mean = next;
    }
    mean.value()
}

/// The quantile of floats, NaN lowest.
pub(crate) fn quantile(q: f64, mut all: Vec<f64>) -> f64 {
    if all.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    all.sort_by(|a, b| {
        b.is_nan().cmp(&a.is_nan()).then(a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
    });
    let n = all.len();
    let rank = q * (n as f64 - 1.0);
    let low = rank.floor() as usize;
    let high = (low + 1).min(n - 1);
    let weight = rank - rank.floor();
    all[low] * (1.0 - weight) + all[high] * weight
}

/// `quantile value should be between 0 and 1`, if it is not.
pub(crate) fn quantile_note(q: f64) -> Option<String> {
    let bad = q.is_nan() || !(0.0..=1.0).contains(&q);
    let q = stdx::gofloat::format_g(q);
    bad.then(|| format!("quantile value should be between 0 and 1, got {q}"))
}
