//! Calls of functions.

use std::collections::BTreeMap;

use model::Labels;
use promql::Expr;
use promql::ast::{Call, ValueType, VectorSelector};

use super::date::Date;
use super::over_time::seconds;
use super::range::Wide;
use super::rate::Kind;
use super::scalar::{self, max_of, min_of, round};
use super::value::{Element, Point, Series, Value, at, collect};
use super::{Decode, Grid, Naive};

impl Naive<'_> {
    pub(super) fn call(&self, it: &Call, grid: Grid, decode: Decode) -> Result<Value, String> {
        let name = it.function.name;
        if let Some(at) = it.args.iter().position(|it| it.value_type() == ValueType::Matrix) {
            return self.of_range(it, at, grid, decode);
        }
        if it.function.returns == ValueType::Scalar {
            return self.of_nothing_or_scalars(it, grid, decode).map(Value::Scalar);
        }
        match name {
            "vector" => self.vector_of(&it.args[0], grid, decode),
            "timestamp" | "start_timestamp" => self.time_of(name, &it.args[0], grid, decode),
            "absent" => self.absent(&it.args[0], grid, decode),
            "label_replace" | "label_join" => self.relabel(it, grid, decode),
            "info" => self.info_join(it, grid, decode),
            "sort" | "sort_desc" | "sort_by_label" | "sort_by_label_desc" => {
                self.sort(it, grid, decode)
            }
            "histogram_quantile" | "histogram_quantiles" | "histogram_fraction" => {
                self.of_buckets(it, grid)
            }
            "histogram_count" | "histogram_sum" | "histogram_avg" | "histogram_stddev"
            | "histogram_stdvar" => self.of_hists(it, grid, decode),
            "clamp" | "clamp_min" | "clamp_max" | "round" => self.with_scalars(it, grid, decode),
            _ if it.args.is_empty() => self.date_of_step(name, grid),
            _ => self.of_floats(name, &it.args[0], grid, decode),
        }
    }

    fn of_nothing_or_scalars(
        &self,
        it: &Call,
        grid: Grid,
        decode: Decode,
    ) -> Result<BTreeMap<i64, f64>, String> {
        let times = self.times;
        let constant = |v: f64| Ok(grid.times().into_iter().map(|t| (t, v)).collect());
        match it.function.name {
            "pi" => constant(std::f64::consts::PI),
            "start" => constant(seconds(times.start)),
            "end" => constant(seconds(times.end)),
            "range" => constant(seconds(times.end - times.start)),
            "step" if times.start == times.end => constant(0.0),
            "step" => constant(seconds(times.step)),
            "time" => Ok(grid.times().into_iter().map(|t| (t, seconds(t))).collect()),
            "scalar" => {
                let all = self.vector(&it.args[0], grid, decode)?;
                Ok(grid.times().into_iter().map(|t| (t, only_float(&at(&all, t)))).collect())
            }
            "max_of" | "min_of" => {
                let f = if it.function.name == "max_of" { max_of } else { min_of };
                let (a, b) = (
                    self.scalar(&it.args[0], grid, decode)?,
                    self.scalar(&it.args[1], grid, decode)?,
                );
                Ok(a.into_iter().map(|(t, a)| (t, f(a, b[&t]))).collect())
            }
            other => unreachable!("{other} is no scalar"),
        }
    }

    fn vector_of(&self, arg: &Expr, grid: Grid, decode: Decode) -> Result<Value, String> {
        let points: BTreeMap<i64, Point> = self
            .scalar(arg, grid, decode)?
            .into_iter()
            .map(|(t, v)| (t, Point::Float(v)))
            .collect();
        let series = Series { labels: Labels::empty(), drops: false, points };
        Ok(Value::Vector(if series.points.is_empty() { vec![] } else { vec![series] }))
    }

    fn time_of(&self, name: &str, arg: &Expr, grid: Grid, decode: Decode) -> Result<Value, String> {
        let starts = name == "start_timestamp";
        if let Expr::Vector(selector) = arg.unwrap_parens() {
            if starts && !self.settings.start_timestamps {
                return Ok(Value::Vector(Vec::new()));
            }
            let all = self.newest(selector, grid, decode, |it| {
                Point::Float(seconds(if starts { it.start } else { it.t }))
            })?;
            return self.nameless_series(all);
        }
        self.stepwise(arg, (grid, decode), |t, all| {
            let all = if starts { Vec::new() } else { all };
            Ok(all.iter().map(|it| self.nameless(it, Point::Float(seconds(t)))).collect())
        })
    }

    fn nameless_series(&self, all: Vec<Series>) -> Result<Value, String> {
        let mut steps: BTreeMap<i64, Vec<Element>> = BTreeMap::new();
        for (rank, it) in all.iter().enumerate() {
            for (t, point) in &it.points {
                let element = Element {
                    labels: it.labels.clone(),
                    drops: it.drops,
                    point: point.clone(),
                    rank,
                };
                steps.entry(*t).or_default().push(self.nameless(&element, point.clone()));
            }
        }
        Ok(Value::Vector(collect(steps.into_iter().collect())?))
    }

    fn absent(&self, arg: &Expr, grid: Grid, decode: Decode) -> Result<Value, String> {
        let labels = match arg.unwrap_parens() {
            Expr::Vector(selector) => absent_labels(selector),
            _ => Labels::empty(),
        };
        self.stepwise(arg, (grid, decode), |_, all| Ok(one_if_empty(all.is_empty(), &labels)))
    }

    fn of_floats(
        &self,
        name: &str,
        arg: &Expr,
        grid: Grid,
        decode: Decode,
    ) -> Result<Value, String> {
        let date = |v: f64| Date::new(v as i64).part(name) as f64;
        let function = scalar::function(name);
        self.stepwise(arg, (grid, decode), |_, all| {
            let of = |it: &Element| {
                let v = it.point.float()?;
                let v = function.map_or_else(|| date(v), |f| f(v));
                Some(self.nameless(it, Point::Float(v)))
            };
            Ok(all.iter().filter_map(of).collect())
        })
    }

    fn date_of_step(&self, name: &str, grid: Grid) -> Result<Value, String> {
        let part = |t: i64| Point::Float(Date::new(t / 1000).part(name) as f64);
        let points: BTreeMap<i64, Point> = grid.times().into_iter().map(|t| (t, part(t))).collect();
        let series = Series { labels: Labels::empty(), drops: false, points };
        Ok(Value::Vector(if series.points.is_empty() { vec![] } else { vec![series] }))
    }

    fn with_scalars(&self, it: &Call, grid: Grid, decode: Decode) -> Result<Value, String> {
        let series = self.vector(&it.args[0], grid, decode)?;
        let mut params = Vec::new();
        for arg in &it.args[1..] {
            params.push(self.scalar(arg, grid, decode)?);
        }
        let mut steps = Vec::new();
        for t in grid.times() {
            let params: Vec<f64> = params.iter().map(|it| it[&t]).collect();
            let of = |element: &Element| {
                let v = element.point.float()?;
                let v = match (it.function.name, &params[..]) {
                    ("round", []) => round(v, 1.0),
                    ("round", [to]) => round(v, *to),
                    ("clamp_min", [min]) => max_of(*min, v),
                    ("clamp_max", [max]) => min_of(*max, v),
                    ("clamp", [min, max]) if max < min => return None,
                    ("clamp", [min, max]) => max_of(*min, min_of(*max, v)),
                    other => unreachable!("{other:?}"),
                };
                Some(self.nameless(element, Point::Float(v)))
            };
            steps.push((t, at(&series, t).iter().filter_map(of).collect()));
        }
        Ok(Value::Vector(collect(steps)?))
    }

    /// A function of a range vector, which is argument `matrix`.
    fn of_range(
        &self,
        it: &Call,
        matrix: usize,
        grid: Grid,
        decode: Decode,
    ) -> Result<Value, String> {
        let name = it.function.name;
        let range = self.range(&it.args[matrix], grid, decode)?;
        if let Some(wide) = range.wide {
            wide.check(name)?;
        }
        let mut params = Vec::new();
        for (_, arg) in it.args.iter().enumerate().filter(|(at, _)| *at != matrix) {
            params.push(self.scalar(arg, grid, decode)?);
        }
        if name == "absent_over_time" {
            let labels = match it.args[0].unwrap_parens() {
                Expr::Matrix(matrix) => absent_labels(&matrix.selector),
                _ => Labels::empty(),
            };
            let mut steps = Vec::new();
            for t in grid.times() {
                let lookback = self.settings.lookback_ms;
                let empty =
                    range.series.iter().all(|it| range.window(it, t, lookback).samples.is_empty());
                steps.push((t, one_if_empty(empty, &labels)));
            }
            return Ok(Value::Vector(collect(steps)?));
        }
        let first = if matrix == 0 { range.pos } else { it.args[0].pos().start };
        let keeps_name = ["first_over_time", "last_over_time"].contains(&name);
        self.over(&range, grid, keeps_name, |window| {
            let params: Vec<f64> = params.iter().map(|it| it[&window.t]).collect();
            let point = match (range.wide, Kind::of(name), name) {
                (Some(wide), Some(kind), _) => self.extended_rate(wide, kind, window),
                (None, Some(kind), _) => self.rate(kind, window),
                (_, _, "irate" | "idelta") => self.instant_rate(name == "irate", window),
                (Some(Wide::Anchored), ..) => {
                    let Some(samples) = super::extended::from_baseline(window) else {
                        return Ok(None);
                    };
                    let window = super::range::Window { samples, ..*window };
                    self.over_time(name, &window, &params, first)?
                }
                _ => self.over_time(name, window, &params, first)?,
            };
            if let (Some(Point::Float(_)), "rate" | "increase") = (&point, name) {
                self.check_counter(window.labels, window.pos);
            }
            Ok(point)
        })
    }
}

fn only_float(all: &[Element]) -> f64 {
    let floats: Vec<f64> = all.iter().filter_map(|it| it.point.float()).collect();
    if let [v] = floats[..] { v } else { f64::NAN }
}

fn one_if_empty(empty: bool, labels: &Labels) -> Vec<Element> {
    let one = Element { labels: labels.clone(), drops: false, point: Point::Float(1.0), rank: 0 };
    if empty { vec![one] } else { Vec::new() }
}

/// What the matchers say about labels of series that are not there.
fn absent_labels(selector: &VectorSelector) -> Labels {
    let mut labels: BTreeMap<&str, &str> = BTreeMap::new();
    let mut seen = Vec::new();
    for it in selector.matchers.iter().filter(|it| it.name() != model::METRIC_NAME) {
        if it.kind() == model::MatchType::Equal && !seen.contains(&it.name()) {
            labels.insert(it.name(), it.value());
            seen.push(it.name());
        } else {
            labels.remove(it.name());
        }
    }
    Labels::from_pairs(labels)
}
