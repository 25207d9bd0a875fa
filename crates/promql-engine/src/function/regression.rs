//! `deriv`, `predict_linear`, `double_exponential_smoothing`.

use storage::Samples;

use super::RangeFunction;
use super::found::{Finding, Found};
use super::sum::{Kahan, Lanes};
use super::window::Slide;
use crate::context::Worker;
use crate::exec::scalar::Scalars;
use crate::{Column, QueryError};

/// Fills a column with `deriv` or `predict_linear`; `ahead` is the latter's parameter, in seconds.
pub(crate) fn fill_linear(
    function: RangeFunction,
    ahead: Option<&Scalars>,
    slide: &Slide,
    samples: &Samples,
    worker: &mut Worker<'_>,
    out: &mut Column,
) -> Result<Found, QueryError> {
    let mut found = Found::default();
    slide.each(samples, worker, |window| {
        found.add_if(window.is_mixed(), Finding::Mixed);
        if window.v.len() < 2 {
            return;
        }
        let value = match ahead {
            Some(ahead) if function == RangeFunction::PredictLinear => {
                let (slope, intercept) = regression(window.t, window.v, slide.grid.t(window.step));
                slope * ahead.at(window.step) + intercept
            }
            _ => regression(window.t, window.v, window.t[0]).0,
        };
        out.set(window.step, value);
    })?;
    Ok(found)
}

/// Slope (per second) and value at `origin` of the line of least squares.
fn regression(t: &[i64], v: &[f64], origin: i64) -> (f64, f64) {
    let first = v[0];
    if v.iter().fold(true, |all, y| all & (*y == first)) {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let terms = t.iter().zip(v).map(|(t, y)| {
        let x = (t - origin) as f64 / 1000.0;
        [x, *y, x * y, x * x]
    });
    let n = v.len() as f64;
    let [x_sum, y_sum, xy_sum, x2_sum] = sums(terms);
    let covariance = xy_sum - x_sum * y_sum / n;
    let variance = x2_sum - x_sum * x_sum / n;
    let slope = covariance / variance;
    (slope, y_sum / n - slope * x_sum / n)
}

/// The sums of all terms, each for itself.
fn sums(terms: impl Iterator<Item = [f64; 4]> + Clone) -> [f64; 4] {
    let mut lanes = Lanes::ZERO;
    terms.clone().for_each(|it| lanes.add(it));
    lanes.values().unwrap_or_else(|| {
        let mut sums = [Kahan::default(); 4];
        for term in terms {
            sums.iter_mut().zip(term).for_each(|(sum, x)| sum.add(x));
        }
        sums.map(Kahan::value)
    })
}

/// Fills a column with `double_exponential_smoothing`.
pub(crate) fn fill_smoothing(
    factors: (&Scalars, &Scalars),
    slide: &Slide,
    samples: &Samples,
    worker: &mut Worker<'_>,
    out: &mut Column,
) -> Result<Found, QueryError> {
    let mut found = Found::default();
    let mut wrong = None;
    slide.each(samples, worker, |window| {
        let (smoothing, trend) = (factors.0.at(window.step), factors.1.at(window.step));
        for (name, sign, factor) in [("smoothing", "sf", smoothing), ("trend", "tf", trend)] {
            if !(0.0 < factor && factor < 1.0) {
                wrong.get_or_insert_with(|| {
                    let got = six_decimals(factor);
                    format!("invalid {name} factor. Expected: 0 < {sign} < 1, got: {got}")
                });
            }
        }
        found.add_if(window.is_mixed(), Finding::Mixed);
        if window.v.len() < 2 {
            return;
        }
        out.set(window.step, smooth(window.v, smoothing, trend));
    })?;
    match wrong {
        Some(text) => Err(QueryError::Exec(text)),
        None => Ok(found),
    }
}

/// A float as Go's `%f` writes it.
fn six_decimals(v: f64) -> String {
    if v.is_finite() { format!("{v:.6}") } else { stdx::gofloat::format_g(v) }
}

fn smooth(values: &[f64], smoothing: f64, trend: f64) -> f64 {
    let (mut before, mut now) = (0.0, values[0]);
    let mut slope = values[1] - values[0];
    for (i, v) in values.iter().enumerate().skip(1) {
        if 1 < i {
            slope = trend * (now - before) + (1.0 - trend) * slope;
        }
        let next = smoothing * v + (1.0 - smoothing) * (now + slope);
        (before, now) = (now, next);
    }
    now
}
