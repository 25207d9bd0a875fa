//! The engine's answer against the naive one.
//!
//! Floats are compared bit by bit, all NaN being one. Where native histograms were read, floats may be
//! [`ULPS`] apart: in which order buckets are merged when a layout changes is free. Histograms are compared
//! without empty buckets. What depends on such differences, and on which of 0 and -0 is the smaller one, is free too.
//! Elements of an instant vector may come in any order but for those of `sort…` and `topk`.

use std::fmt::Write as _;

use promql_engine::{PointRef, QueryError, QueryResult};
use stdx::gofloat::format_g;

use crate::naive::histogram::Hist;
use crate::naive::notes::Note;
use crate::naive::value::{Point, Stored, Value};
use crate::naive::{Answer, When};

/// An answer in one form, whoever gave it: series by labels, each with its points.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Failed(String),
    Text(String),
    Series(Vec<(String, Vec<(i64, Point)>)>),
}

impl Shape {
    pub(crate) fn of_engine(result: &Result<QueryResult, QueryError>) -> Self {
        let result = match result {
            Ok(result) => result,
            Err(error) => return Self::Failed(error.to_string()),
        };
        let hist = |it: &model::FloatHistogram| Point::Hist(Hist::read(it));
        match &result.value {
            promql_engine::Value::Scalar(it) => {
                Self::Series(vec![("scalar".to_owned(), vec![(it.t, Point::Float(it.v))])])
            }
            promql_engine::Value::String { text, .. } => Self::Text(text.clone()),
            promql_engine::Value::Vector { t, elements } => {
                let element = |it: &promql_engine::Element| {
                    let point = match &it.point {
                        promql_engine::Point::Float(v) => Point::Float(*v),
                        promql_engine::Point::Histogram(it) => hist(it),
                    };
                    (it.labels.to_string(), vec![(*t, point)])
                };
                Self::Series(elements.iter().map(element).collect())
            }
            promql_engine::Value::Matrix(matrix) => {
                let series = matrix.series.iter().map(|it| {
                    let mut points: Vec<(i64, Point)> = it
                        .column
                        .points()
                        .map(|(step, point)| match point {
                            PointRef::Float(v) => (matrix.grid.t(step), Point::Float(v)),
                            PointRef::Histogram(it) => (matrix.grid.t(step), hist(it)),
                        })
                        .collect();
                    points.sort_by_key(|it| it.0);
                    (it.labels.to_string(), points)
                });
                Self::Series(series.collect())
            }
            promql_engine::Value::Samples(all) => {
                let series = all.iter().map(|it| {
                    let samples = &it.samples;
                    let floats = samples.t.iter().zip(&samples.v);
                    let hists = samples.histogram_t.iter().zip(&samples.histogram);
                    let mut points: Vec<(i64, Point)> =
                        floats.map(|(t, v)| (*t, Point::Float(*v))).collect();
                    points.extend(hists.map(|(t, it)| (*t, hist(it))));
                    points.sort_by_key(|it| it.0);
                    (it.labels.to_string(), points)
                });
                Self::Series(series.collect())
            }
        }
    }

    pub(crate) fn of_naive(answer: &Answer, when: When) -> Self {
        let value = match answer {
            Ok((value, _)) => value,
            Err(error) => return Self::Failed(error.clone()),
        };
        match value {
            Value::Text(text) => Self::Text(text.clone()),
            Value::Scalar(points) => {
                let points: Vec<_> = points.iter().map(|(t, v)| (*t, Point::Float(*v))).collect();
                let name = if matches!(when, When::Instant(_)) { "scalar" } else { "{}" };
                Self::Series(if points.is_empty() {
                    vec![]
                } else {
                    vec![(name.to_owned(), points)]
                })
            }
            Value::Vector(all) => {
                let series = all.iter().map(|it| {
                    let points = it.points.iter().map(|(t, point)| (*t, point.clone()));
                    (it.labels.to_string(), points.collect())
                });
                Self::Series(series.collect())
            }
            Value::Samples(all) => {
                let series = all.iter().map(|it: &Stored| {
                    let points = it.samples.iter().map(|it| (it.t, it.point.clone()));
                    (it.labels.to_string(), points.collect())
                });
                Self::Series(series.collect())
            }
        }
    }

    /// Lines for people.
    pub(crate) fn print(&self) -> String {
        match self {
            Self::Failed(error) => format!("  error: {error}\n"),
            Self::Text(text) => format!("  {text:?}\n"),
            Self::Series(all) => {
                let mut out = String::new();
                for (labels, points) in all {
                    write!(out, "  {labels}").expect("a string takes all");
                    for (t, point) in points {
                        let text = match point {
                            Point::Float(v) => format!("{} ({:#x})", format_g(*v), v.to_bits()),
                            Point::Hist(it) => format!("{it:?}"),
                        };
                        write!(out, "\n    @{} {text}", *t as f64 / 1000.0)
                            .expect("a string takes all");
                    }
                    out.push('\n');
                }
                out
            }
        }
    }
}

/// How many floats two results may be apart that were made of native histograms.
const ULPS: u64 = 1 << 12;

/// How exactly to compare.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    /// The order of elements means something.
    pub(crate) ordered: bool,
    /// Native histograms were read.
    pub(crate) histograms: bool,
    /// It is counted how often histograms differ that were made of others: to the last bit.
    pub(crate) counts: bool,
    /// Labels show what was made of native histograms.
    pub(crate) shown: bool,
    /// The sign of zero is free.
    pub(crate) signs: bool,
}

/// What is different, if anything is.
pub(crate) fn difference(engine: &Shape, naive: &Shape, rules: Rules) -> Option<String> {
    let ulps = match rules {
        Rules { counts: true, .. } => u64::MAX,
        Rules { histograms: true, .. } => ULPS,
        _ => 0,
    };
    let (mut engine, mut naive) = match (engine, naive) {
        (Shape::Series(engine), Shape::Series(naive)) => (engine.clone(), naive.clone()),
        (Shape::Failed(a), Shape::Failed(b)) if without_pair(a) == without_pair(b) => return None,
        (Shape::Text(a), Shape::Text(b)) if a == b => return None,
        _ => return Some("one fails, or they fail differently".into()),
    };
    if rules.ordered {
        let values = |all: &[(String, Vec<(i64, Point)>)]| -> Vec<String> {
            all.iter().flat_map(|it| it.1.iter().map(|it| shown(&it.1))).collect()
        };
        if values(&engine) != values(&naive) {
            return Some("the order is different".into());
        }
    }
    if rules.shown {
        engine.iter_mut().chain(&mut naive).for_each(|it| it.0 = rounded(&it.0));
    }
    for all in [&mut engine, &mut naive] {
        // Rounded labels may be there twice, at different times.
        all.sort_by_cached_key(|it| (it.0.clone(), it.1.first().map(|it| it.0)));
    }
    let labels = |all: &[(String, Vec<(i64, Point)>)]| -> Vec<String> {
        all.iter().map(|it| it.0.clone()).collect()
    };
    if labels(&engine) != labels(&naive) {
        return Some("the series are different".into());
    }
    for ((labels, a), (_, b)) in engine.iter().zip(&naive) {
        let times = |all: &[(i64, Point)]| -> Vec<i64> { all.iter().map(|it| it.0).collect() };
        if times(a) != times(b) {
            return Some(format!("{labels} has points at different times"));
        }
        let differ =
            |a: &Point, b: &Point| !(same(a, b, ulps) || rules.signs && a.is_zero() && b.is_zero());
        if let Some((a, _)) = a.iter().zip(b).find(|(a, b)| differ(&a.1, &b.1)) {
            return Some(format!("{labels} differs at {}", a.0 as f64 / 1000.0));
        }
    }
    None
}

/// An error without the two series that it names: in a range, which of several come first is free.
fn without_pair(error: &str) -> &str {
    error.split_once(" of the operation: [").map_or(error, |(before, _)| before)
}

/// Labels of which one may show a native histogram or what was made of it: with fewer digits.
fn rounded(labels: &str) -> String {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || ".+-".contains(c));
    let round = |part: &str| {
        let number = part.trim_end_matches(ends);
        match number.parse::<f64>() {
            Ok(v) => format!("{v:.11e}{}", &part[number.len()..]),
            Err(_) => part.to_owned(),
        }
    };
    labels.split_inclusive(ends).map(round).collect()
}

fn shown(point: &Point) -> String {
    match point {
        Point::Float(v) => format_g(*v),
        Point::Hist(_) => "histogram".to_owned(),
    }
}

fn same(a: &Point, b: &Point, ulps: u64) -> bool {
    match (a, b) {
        (Point::Float(a), Point::Float(b)) => same_float(*a, *b, ulps),
        (Point::Hist(a), Point::Hist(b)) => {
            same_hist(&a.clone().compact(), &b.clone().compact(), ulps)
        }
        _ => false,
    }
}

fn same_float(a: f64, b: f64, ulps: u64) -> bool {
    // Within one sign, floats in their order have bits in their order.
    let near =
        a.is_sign_negative() == b.is_sign_negative() && a.to_bits().abs_diff(b.to_bits()) <= ulps;
    near || a.is_nan() && b.is_nan()
}

fn same_hist(a: &Hist, b: &Hist, ulps: u64) -> bool {
    let buckets = |a: &std::collections::BTreeMap<i64, f64>,
                   b: &std::collections::BTreeMap<i64, f64>| {
        a.len() == b.len()
            && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && same_float(*a.1, *b.1, ulps))
    };
    a.hint == b.hint
        && a.schema == b.schema
        && a.custom == b.custom
        && a.zero_threshold == b.zero_threshold
        // Custom buckets have no zero bucket; a NaN may be there after arithmetic.
        && (a.is_custom() || a.zero_count == b.zero_count || same_float(a.zero_count, b.zero_count, ulps))
        && same_float(a.count, b.count, ulps)
        && same_float(a.sum, b.sum, ulps)
        && buckets(&a.positive, &b.positive)
        && buckets(&a.negative, &b.negative)
}

/// What is different about the notes, if anything is.
pub(crate) fn notes_differ(engine: &QueryResult, naive: &[Note]) -> Option<String> {
    let found = engine.annotations.warnings.iter().chain(&engine.annotations.infos);
    let mut rest: Vec<&Note> = naive.iter().collect();
    for text in found {
        let fits = |it: &&Note| {
            it.positions.iter().any(|position| *text == format!("{} ({position})", it.text))
        };
        let Some(at) = rest.iter().position(fits) else {
            return Some(format!("only the engine says: {text}"));
        };
        rest.remove(at);
    }
    rest.iter()
        .find(|it| !it.free)
        .map(|it| format!("only the naive evaluator says: {} {:?}", it.text, it.positions))
}
