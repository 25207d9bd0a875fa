//! Functions that map one number to one number.

/// Finds a function of one number by its name in PromQL.
pub(crate) fn get(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "acos" => f64::acos,
        "acosh" => f64::acosh,
        "asin" => f64::asin,
        "asinh" => asinh,
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
        "sgn" => sgn,
        "sin" => f64::sin,
        "sinh" => f64::sinh,
        "sqrt" => f64::sqrt,
        "tan" => f64::tan,
        "tanh" => f64::tanh,
        _ => return None,
    })
}

/// -1 or 1; NaN and both zeros as they are.
fn sgn(v: f64) -> f64 {
    if v < 0.0 {
        -1.0
    } else if 0.0 < v {
        1.0
    } else {
        v
    }
}

/// Keeps the sign of zero, as Go's does.
fn asinh(v: f64) -> f64 {
    if v == 0.0 { v } else { v.asinh() }
}

/// Rounds to a multiple of `1 / inverse`, halves up.
#[inline]
pub(crate) fn round(v: f64, inverse: f64) -> f64 {
    (v * inverse + 0.5).floor() / inverse
}

/// The larger one. NaN if either is, unless the other is +Inf.
#[inline]
pub(crate) fn max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if b < a || a == b && b.is_sign_negative() {
        a
    } else {
        b
    }
}

/// The smaller one. NaN if either is, unless the other is -Inf.
#[inline]
pub(crate) fn min(a: f64, b: f64) -> f64 {
    -max(-a, -b)
}

/// `a ^ b` as Go computes it: as in C, but one to the power of NaN or minus one to ±Inf is 1 in both.
#[inline]
pub(crate) fn pow(a: f64, b: f64) -> f64 {
    a.powf(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_propagate_nan() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        assert_eq!((max(nan, inf), min(-inf, nan)), (inf, -inf));
        assert!(max(nan, 1.0).is_nan() && min(1.0, nan).is_nan() && max(nan, -inf).is_nan());
        assert_eq!(
            (max(-0.0, 0.0).to_bits(), min(0.0, -0.0).to_bits()),
            (0.0f64.to_bits(), (-0.0f64).to_bits())
        );
        assert_eq!((max(1.0, 2.0), min(1.0, 2.0)), (2.0, 1.0));
    }

    #[test]
    fn rounds_halves_up() {
        assert_eq!((round(2.5, 1.0), round(-2.5, 1.0), round(0.13, 1.0 / 0.05)), (3.0, -2.0, 0.15));
    }
}
