//! Results against expectations.

use std::fmt::Write as _;

use model::{FloatHistogram, Labels, Span, is_stale_nan};
use promql::series::{HistogramValue, Series, Value as Expected};
use promql_engine::{Point, PointRef, QueryResult, Value};

use crate::expect::{Expectations, Text};
use crate::run::Mismatch;
use crate::script::Steps;

/// One series of a result: samples in order of time.
type Got = (Labels, Vec<(i64, Point)>);

/// Compares the warnings and infos.
pub(crate) fn annotations(it: &Expectations, result: &QueryResult) -> Result<(), Mismatch> {
    messages("warning", &it.warn, it.no_warn, &result.annotations.warnings)?;
    messages("info", &it.info, it.no_info, &result.annotations.infos)
}

fn messages(kind: &str, expected: &[Text], none: bool, got: &[String]) -> Result<(), Mismatch> {
    if none && !got.is_empty() {
        return Err(Mismatch::new(format!("no {kind}"), got.join("\n")));
    }
    let all_met = expected.iter().all(|it| got.iter().any(|text| it.matches(text)));
    let all_known = got.iter().all(|text| expected.iter().any(|it| it.matches(text)));
    if expected.is_empty() || all_met && all_known {
        return Ok(());
    }
    let expected: Vec<String> = expected.iter().map(Text::describe).collect();
    let got = if got.is_empty() { format!("no {kind}") } else { got.join("\n") };
    Err(Mismatch::new(expected.join("\n"), got))
}

/// Compares the result of an instant query.
pub(crate) fn instant(it: &Expectations, value: &Value) -> Result<(), Mismatch> {
    match (value, &it.string, it.scalar) {
        (Value::String { text, .. }, Some(expected), _) if text == expected => return Ok(()),
        (_, Some(expected), _) => {
            return Err(Mismatch::new(format!("the string {expected:?}"), describe(value)));
        }
        (Value::Scalar(sample), _, Some(expected)) => {
            return if equal(expected, sample.v) {
                Ok(())
            } else {
                Err(Mismatch::new(expected, sample.v))
            };
        }
        _ => {}
    }
    if let Some(steps) = it.range_vector {
        let Some(series) = all_series(value) else {
            return Err(Mismatch::new("a range vector", describe(value)));
        };
        return matrix(&it.series, steps, &series);
    }
    match value {
        Value::Vector { elements, .. } if it.scalar.is_none() => {
            let elements: Vec<_> =
                elements.iter().map(|it| (it.labels.clone(), it.point.clone())).collect();
            vector(it, &elements)
        }
        _ => Err(Mismatch::new(expected_text(it), describe(value))),
    }
}

/// Compares the middle one of three steps of a range query with what an instant query should give.
pub(crate) fn middle_step(it: &Expectations, value: &Value) -> Result<(), Mismatch> {
    let Value::Matrix(matrix) = value else {
        return Err(Mismatch::new("a matrix", describe(value)));
    };
    let points = matrix.series.iter();
    let elements: Vec<(Labels, Point)> =
        points.filter_map(|it| Some((it.labels.clone(), owned(it.column.point(1)?)))).collect();
    match (it.scalar, elements.as_slice()) {
        (None, _) => vector(it, &elements),
        (Some(expected), [(_, Point::Float(got))]) if equal(expected, *got) => Ok(()),
        (Some(expected), _) => Err(Mismatch::new(expected, describe(value))),
    }
}

/// Compares the result of a range query.
pub(crate) fn range(it: &Expectations, steps: Steps, value: &Value) -> Result<(), Mismatch> {
    match (it.scalar, all_series(value)) {
        (None, Some(series)) => matrix(&it.series, steps, &series),
        _ => Err(Mismatch::new(expected_text(it), describe(value))),
    }
}

fn vector(it: &Expectations, got: &[(Labels, Point)]) -> Result<(), Mismatch> {
    let mismatch = || Mismatch::new(expected_text(it), print_vector(got));
    if it.series.len() != got.len() {
        return Err(mismatch());
    }
    for (at, expected) in it.series.iter().enumerate() {
        let found =
            got.iter().position(|(labels, _)| *labels == expected.labels).ok_or_else(mismatch)?;
        let [value] = expected.values.as_slice() else {
            return Err(Mismatch::new("one value for each series", expected_text(it)));
        };
        if !same(value, Some(&got[found].1)) || it.ordered && found != at {
            return Err(mismatch());
        }
    }
    Ok(())
}

fn matrix(expected: &[Series], steps: Steps, got: &[Got]) -> Result<(), Mismatch> {
    let mismatch = || Mismatch::new(print_expected(expected), print_matrix(got));
    if !got.is_sorted_by(|(a, _), (b, _)| a < b) {
        return Err(Mismatch::new("series sorted by labels", print_matrix(got)));
    }
    if got.len() != expected.len() {
        return Err(mismatch());
    }
    for series in expected {
        let (_, points) =
            got.iter().find(|(labels, _)| *labels == series.labels).ok_or_else(mismatch)?;
        let mut points = points.iter().peekable();
        for (at, value) in (0i64..).zip(&series.values) {
            let t = steps.start + at * steps.step;
            if steps.end < t {
                return Err(Mismatch::new("no more values than steps", print_expected(expected)));
            }
            let point = points.next_if(|(it, _)| *it == t).map(|(_, point)| point);
            if !same(value, point) {
                return Err(mismatch());
            }
        }
        if points.next().is_some() {
            return Err(mismatch());
        }
    }
    Ok(())
}

fn all_series(value: &Value) -> Option<Vec<Got>> {
    match value {
        Value::Matrix(matrix) => Some(
            matrix
                .series
                .iter()
                .map(|it| {
                    let steps = 0..matrix.grid.len;
                    let points = steps
                        .filter_map(|at| Some((matrix.grid.t(at), owned(it.column.point(at)?))));
                    (it.labels.clone(), points.collect())
                })
                .collect(),
        ),
        Value::Samples(series) => Some(
            series
                .iter()
                .map(|it| {
                    let samples = &it.samples;
                    let floats =
                        samples.t.iter().zip(&samples.v).map(|(t, v)| (*t, Point::Float(*v)));
                    let histograms = samples.histogram_t.iter().zip(&samples.histogram);
                    let histograms =
                        histograms.map(|(t, it)| (*t, Point::Histogram(it.clone().into())));
                    let mut points: Vec<_> = floats.chain(histograms).collect();
                    points.sort_by_key(|(t, _)| *t);
                    (it.labels.clone(), points)
                })
                .collect(),
        ),
        _ => None,
    }
}

fn owned(point: PointRef<'_>) -> Point {
    match point {
        PointRef::Float(v) => Point::Float(v),
        PointRef::Histogram(it) => Point::Histogram(it.clone()),
    }
}

fn same(expected: &Expected, got: Option<&Point>) -> bool {
    match (expected, got) {
        (Expected::Omitted, None) => true,
        (Expected::Float(expected), Some(Point::Float(got))) => equal(*expected, *got),
        (Expected::Histogram(expected), Some(Point::Histogram(got))) => {
            let Some(value) = histogram(expected) else { return false };
            same_histogram(&value, got) && (!expected.has_hint || value.hint == got.hint)
        }
        _ => false,
    }
}

/// The histogram that a value stands for.
fn histogram(it: &HistogramValue) -> Option<FloatHistogram> {
    let first = FloatHistogram::clone(&it.first);
    match &it.delta {
        Some(delta) => (0..it.times)
            .try_fold(first, |sum, _| promql_engine::accumulate(&sum, delta, it.negative)),
        None => Some(first),
    }
}

/// Equal within a millionth; a stale marker equals only itself.
fn equal(expected: f64, got: f64) -> bool {
    const EPSILON: f64 = 1e-6;
    if is_stale_nan(expected) || is_stale_nan(got) {
        return is_stale_nan(expected) && is_stale_nan(got);
    }
    if expected.is_nan() && got.is_nan() || expected == got {
        return true;
    }
    let (sum, difference) = (expected.abs() + got.abs(), (expected - got).abs());
    if expected == 0.0 || got == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < EPSILON * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < EPSILON
}

fn same_histogram(a: &FloatHistogram, b: &FloatHistogram) -> bool {
    let same_buckets = |a: Vec<(i64, f64)>, b: Vec<(i64, f64)>| {
        a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.0 == b.0 && equal(a.1, b.1))
    };
    a.schema == b.schema
        && a.zero_threshold == b.zero_threshold
        && a.custom_values == b.custom_values
        && equal(a.count, b.count)
        && equal(a.sum, b.sum)
        && equal(a.zero_count, b.zero_count)
        && same_buckets(
            buckets(&a.positive_spans, &a.positive_buckets),
            buckets(&b.positive_spans, &b.positive_buckets),
        )
        && same_buckets(
            buckets(&a.negative_spans, &a.negative_buckets),
            buckets(&b.negative_spans, &b.negative_buckets),
        )
}

/// The buckets that are not empty, with their indexes.
fn buckets(spans: &[Span], counts: &[f64]) -> Vec<(i64, f64)> {
    Span::indexes(spans).zip(counts.iter().copied()).filter(|(_, count)| *count != 0.0).collect()
}

fn expected_text(it: &Expectations) -> String {
    match (it.scalar, &it.string) {
        (Some(v), _) => v.to_string(),
        (_, Some(text)) => format!("{text:?}"),
        _ => print_expected(&it.series),
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Scalar(it) => format!("the scalar {}", it.v),
        Value::String { text, .. } => format!("the string {text:?}"),
        Value::Vector { elements, .. } => {
            let elements: Vec<_> =
                elements.iter().map(|it| (it.labels.clone(), it.point.clone())).collect();
            print_vector(&elements)
        }
        Value::Matrix(_) | Value::Samples(_) => {
            print_matrix(&all_series(value).unwrap_or_default())
        }
    }
}

fn print_expected(series: &[Series]) -> String {
    let mut out = String::new();
    for it in series {
        let _ = write!(out, "{}", it.labels);
        for value in &it.values {
            let _ = match value {
                Expected::Omitted => write!(out, " _"),
                Expected::Float(v) => write!(out, " {v}"),
                Expected::Histogram(it) => {
                    write!(out, " {}", print_point(&Point::Histogram(it.first.clone())))
                }
            };
        }
        out.push('\n');
    }
    if out.is_empty() { "nothing".into() } else { out }
}

fn print_vector(elements: &[(Labels, Point)]) -> String {
    let lines: Vec<String> =
        elements.iter().map(|(labels, point)| format!("{labels} {}", print_point(point))).collect();
    if lines.is_empty() { "nothing".into() } else { lines.join("\n") }
}

fn print_matrix(series: &[Got]) -> String {
    let line = |(labels, points): &Got| {
        let points: Vec<String> =
            points.iter().map(|(t, point)| format!("{}@{t}", print_point(point))).collect();
        format!("{labels} {}", points.join(" "))
    };
    let lines: Vec<String> = series.iter().map(line).collect();
    if lines.is_empty() { "nothing".into() } else { lines.join("\n") }
}

fn print_point(point: &Point) -> String {
    match point {
        Point::Float(v) => v.to_string(),
        Point::Histogram(it) => {
            let (positive, negative) = (
                buckets(&it.positive_spans, &it.positive_buckets),
                buckets(&it.negative_spans, &it.negative_buckets),
            );
            format!(
                "{{{{schema:{} count:{} sum:{} z_bucket:{} buckets:{positive:?} n_buckets:{negative:?} hint:{:?}}}}}",
                it.schema, it.count, it.sum, it.zero_count, it.hint
            )
        }
    }
}
