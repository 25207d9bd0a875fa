//! Functions of the samples in a window, but for the family of `rate`.

use model::quote;

use super::Naive;
use super::histogram::{self, Hist, Incompatible, Total};
use super::range::Window;
use super::rate::{mixed_buckets, mixed_types, start_reset};
use super::scalar::{Kahan, mean, quantile, quantile_note};
use super::value::{Point, Sample};

impl Window<'_> {
    pub(super) fn floats(&self) -> Vec<(i64, f64)> {
        self.samples.iter().filter_map(|it| Some((it.t, it.point.float()?))).collect()
    }

    pub(super) fn hists(&self) -> Vec<&Hist> {
        self.samples.iter().filter_map(|it| it.point.hist()).collect()
    }
}

/// Seconds of a time in milliseconds.
pub(super) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

impl Naive<'_> {
    /// A function of a window. `params` are its scalar arguments; `pos` is where notes about histograms
    /// beside floats stand.
    pub(super) fn over_time(
        &self,
        name: &str,
        window: &Window<'_>,
        params: &[f64],
        pos: usize,
    ) -> Result<Option<Point>, String> {
        let float = |v| Ok(Some(Point::Float(v)));
        let first = window.samples.first().expect("windows with samples only");
        let last = window.samples.last().expect("windows with samples only");
        match name {
            "count_over_time" => return float(window.samples.len() as f64),
            "present_over_time" => return float(1.0),
            "first_over_time" => return Ok(Some(first.point.clone())),
            "last_over_time" => return Ok(Some(last.point.clone())),
            "ts_of_first_over_time" => return float(seconds(first.t)),
            "ts_of_last_over_time" => return float(seconds(last.t)),
            "changes" => return float(changes(&window.samples)),
            "resets" => return float(resets(&window.samples, self.settings.start_timestamps)),
            "sum_over_time" | "avg_over_time" => return Ok(self.total(name, window)),
            "double_exponential_smoothing" => check_factors(params)?,
            _ => {}
        }
        let floats = window.floats();
        if floats.is_empty() {
            return Ok(None);
        }
        if let Some(text) =
            (name == "quantile_over_time").then(|| quantile_note(params[0])).flatten()
        {
            self.warn(pos, text);
        }
        if floats.len() < window.samples.len() {
            self.info(
                pos,
                format!(
                    "ignored histograms in a range containing both floats and histograms for metric name {}",
                    quote(window.name)
                ),
            );
        }
        Ok(of_floats(name, &floats, window.t, params).map(Point::Float))
    }

    fn total(&self, name: &str, window: &Window<'_>) -> Option<Point> {
        let (floats, hists) = (window.floats(), window.hists());
        if !floats.is_empty() && !hists.is_empty() {
            self.warn(window.pos, mixed_types(window.name));
            return None;
        }
        if hists.is_empty() {
            let values: Vec<f64> = floats.iter().map(|it| it.1).collect();
            return Some(Point::Float(match name {
                "sum_over_time" => Kahan::of(values).value(),
                _ => mean(&values),
            }));
        }
        let Ok(total) = self.total_of(window.pos, &hists) else {
            self.warn(window.pos, mixed_buckets(window.name));
            return None;
        };
        Some(Point::Hist(match name {
            "sum_over_time" => total.sum(),
            _ => total.mean(hists.len() as f64),
        }))
    }

    /// The compensated sum of at least one histogram, with notes on hints and custom bounds.
    pub(super) fn total_of(&self, pos: usize, hists: &[&Hist]) -> Result<Total, Incompatible> {
        use model::CounterResetHint::{NotReset, Reset};
        let has = |hint| hists.iter().any(|it| it.hint == hint);
        let mut total = Total::new(hists[0]);
        let mut any_reconciled = false;
        let added = hists[1..].iter().try_for_each(|it| {
            any_reconciled |= total.add(it)?.1;
            Ok(())
        });
        if added.is_ok() && has(Reset) && has(NotReset) {
            self.warn(pos, "conflicting counter resets during histogram aggregation");
        }
        if any_reconciled {
            self.info(pos, "mismatched custom buckets were reconciled during aggregation");
        }
        added.map(|()| total)
    }
}

fn of_floats(name: &str, floats: &[(i64, f64)], t: i64, params: &[f64]) -> Option<f64> {
    let values: Vec<f64> = floats.iter().map(|it| it.1).collect();
    Some(match name {
        "min_over_time" => extreme(&values, |a, b| a < b).1,
        "max_over_time" => extreme(&values, |a, b| a > b).1,
        "ts_of_min_over_time" => seconds(floats[extreme(&values, |a, b| a <= b).0].0),
        "ts_of_max_over_time" => seconds(floats[extreme(&values, |a, b| a >= b).0].0),
        "stdvar_over_time" => variance(&values),
        "stddev_over_time" => variance(&values).sqrt(),
        "mad_over_time" => mad(values),
        "quantile_over_time" => quantile(params[0], values),
        "deriv" => regression(floats, floats[0].0)?.0,
        "predict_linear" => {
            let (slope, intercept) = regression(floats, t)?;
            slope * params[0] + intercept
        }
        "double_exponential_smoothing" => smooth(&values, params[0], params[1])?,
        _ => unreachable!("{name} is no function of a window"),
    })
}

/// The value that beats those before it, and where it is; NaN loses against anything.
fn extreme(values: &[f64], beats: fn(f64, f64) -> bool) -> (usize, f64) {
    let mut best = (0, values[0]);
    for (at, v) in values.iter().enumerate().skip(1) {
        if beats(*v, best.1) || best.1.is_nan() {
            best = (at, *v);
        }
    }
    best
}

fn variance(values: &[f64]) -> f64 {
    let (mut mean, mut squares) = (Kahan::default(), Kahan::default());
    for (at, v) in values.iter().enumerate() {
        let delta = v - mean.value();
        mean.add(delta / (at + 1) as f64);
        squares.add(delta * (v - mean.value()));
    }
    squares.value() / values.len() as f64
}

/// The median distance from the median.
fn mad(values: Vec<f64>) -> f64 {
    if values.iter().any(|it| it.is_nan()) {
        return f64::NAN;
    }
    let median = quantile(0.5, values.clone());
    quantile(0.5, values.into_iter().map(|it| (it - median).abs()).collect())
}

fn changes(samples: &[Sample]) -> f64 {
    let differs = |pair: &[Sample]| match (&pair[0].point, &pair[1].point) {
        (Point::Float(a), Point::Float(b)) => a != b && !(a.is_nan() && b.is_nan()),
        (Point::Hist(a), Point::Hist(b)) => !a.equals(b),
        _ => true,
    };
    samples.windows(2).filter(|pair| differs(pair)).count() as f64
}

fn resets(samples: &[Sample], starts: bool) -> f64 {
    let falls = |pair: &[Sample]| match (&pair[0].point, &pair[1].point) {
        (Point::Float(a), Point::Float(b)) => b < a,
        (Point::Hist(a), Point::Hist(b)) => histogram::is_reset(a, b),
        _ => true,
    };
    let is_reset = |pair: &[Sample]| falls(pair) || starts && start_reset(&pair[0], &pair[1]);
    samples.windows(2).filter(|pair| is_reset(pair)).count() as f64
}

/// Slope and the value at `origin` of the line of least squares.
fn regression(floats: &[(i64, f64)], origin: i64) -> Option<(f64, f64)> {
    if floats.len() < 2 {
        return None;
    }
    let first = floats[0].1;
    if floats.iter().all(|(_, y)| *y == first) {
        return Some(if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) });
    }
    let n = floats.len() as f64;
    let points = || floats.iter().map(|(t, y)| ((t - origin) as f64 / 1000.0, *y));
    let sum_x = Kahan::of(points().map(|(x, _)| x)).value();
    let sum_y = Kahan::of(points().map(|(_, y)| y)).value();
    let sum_xy = Kahan::of(points().map(|(x, y)| x * y)).value();
    let sum_xx = Kahan::of(points().map(|(x, _)| x * x)).value();
    let covariance = sum_xy - sum_x * sum_y / n;
    let variance = sum_xx - sum_x * sum_x / n;
    let slope = covariance / variance;
    Some((slope, sum_y / n - slope * sum_x / n))
}

fn check_factors(params: &[f64]) -> Result<(), String> {
    for (factor, word, letter) in [(params[0], "smoothing", "sf"), (params[1], "trend", "tf")] {
        if !(0.0 < factor && factor < 1.0) {
            return Err(format!(
                "invalid {word} factor. Expected: 0 < {letter} < 1, got: {}",
                six_decimals(factor)
            ));
        }
    }
    Ok(())
}

/// Go's `%f`.
fn six_decimals(v: f64) -> String {
    match v {
        v if v.is_infinite() && v > 0.0 => "+Inf".to_owned(),
        v if v.is_infinite() => "-Inf".to_owned(),
        v => format!("{v:.6}"),
    }
}

fn smooth(values: &[f64], sf: f64, tf: f64) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let (mut before, mut now) = (0.0, values[0]);
    let mut trend = values[1] - values[0];
    for (at, v) in values.iter().enumerate().skip(1) {
        if at > 1 {
            trend = tf * (now - before) + (1.0 - tf) * trend;
        }
        (before, now) = (now, sf * v + (1.0 - sf) * (now + trend));
    }
    Some(now)
}
