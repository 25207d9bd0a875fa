//! Quantiles of a set of numbers, sorted ascending with NaN first.

use std::cmp::Ordering;

/// The φ-quantile of `values`, whose order it changes. NaN if there are none.
pub(crate) fn quantile(phi: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || phi.is_nan() {
        return f64::NAN;
    }
    if phi < 0.0 {
        return f64::NEG_INFINITY;
    }
    if 1.0 < phi {
        return f64::INFINITY;
    }
    let rank = phi * (values.len() - 1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 <= rank < len")]
    let low = rank.floor() as usize;
    let (low, high) = if values.iter().any(|it| it.is_nan()) {
        neighbours(values, low, nan_first)
    } else {
        neighbours(values, low, f64::total_cmp)
    };
    let weight = rank - rank.floor();
    low * (1.0 - weight) + high * weight
}

/// What would be at `at` and behind it (at the end: there too) if the values were sorted.
fn neighbours(
    values: &mut [f64],
    at: usize,
    compare: impl Fn(&f64, &f64) -> Ordering,
) -> (f64, f64) {
    let (_, found, behind) = values.select_nth_unstable_by(at, &compare);
    (*found, behind.iter().copied().min_by(&compare).unwrap_or(*found))
}

/// Ascending, NaN before all numbers.
pub(crate) fn nan_first(a: &f64, b: &f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.partial_cmp(b).expect("neither is NaN"),
    }
}

/// True if `phi` deserves the warning of [`warning`].
pub(crate) fn is_unusual(phi: f64) -> bool {
    phi.is_nan() || !(0.0..=1.0).contains(&phi)
}

/// The warning about a quantile outside 0…1.
pub(crate) fn warning(phi: f64) -> String {
    format!("quantile value should be between 0 and 1, got {}", crate::annotation::g(phi))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolates() {
        let check = |phi: f64, values: &[f64], expected: f64| {
            let got = quantile(phi, &mut values.to_vec());
            assert!(
                got == expected || got.is_nan() && expected.is_nan(),
                "{phi} {values:?}: {got}"
            );
        };
        check(0.5, &[], f64::NAN);
        check(0.5, &[3.0], 3.0);
        check(0.5, &[2.0, 1.0], 1.5);
        check(0.75, &[4.0, 1.0, 3.0, 2.0, 5.0], 4.0);
        check(1.0, &[1.0, f64::NAN, 2.0], 2.0);
        check(0.0, &[1.0, f64::NAN, 2.0], f64::NAN);
        check(-1.0, &[1.0], f64::NEG_INFINITY);
        check(2.0, &[1.0], f64::INFINITY);
        check(f64::NAN, &[1.0], f64::NAN);
    }
}
