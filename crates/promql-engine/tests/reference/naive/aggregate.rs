//! Aggregations.

use std::collections::BTreeMap;

use model::{CounterResetHint, Labels, METRIC_NAME, quote};
use promql::Expr;
use promql::ast::{Aggregate, AggregateOp as Op};
use stdx::gofloat::{format_f, format_g};

use super::histogram::Hist;
use super::labels::{by_value, text, with_label};
use super::rate::mixed_buckets;
use super::scalar::{Kahan, mean, quantile, quantile_note};
use super::value::{Element, Point, Value, at, collect};
use super::{Decode, Grid, Naive};

impl Naive<'_> {
    pub(super) fn aggregate(
        &self,
        it: &Aggregate,
        grid: Grid,
        decode: Decode,
    ) -> Result<Value, String> {
        if let (Op::CountValues, Some(label)) = (it.op, &it.param) {
            return self.count_values(it, text(label), grid, decode);
        }
        let params = match &it.param {
            Some(param) => {
                let outside = self.in_param.replace(true);
                let params = self.scalar(param, grid, decode)?;
                self.in_param.set(outside);
                params
            }
            None => BTreeMap::new(),
        };
        let input = self.vector(&it.expr, grid, decode)?;
        if !self.check_params(it, &params)? {
            return Ok(Value::Vector(Vec::new()));
        }
        // Groups are in the order of the series.
        let mut groups: Vec<Labels> = Vec::new();
        for series in &input {
            let group = group_of(it, &series.labels);
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        let mut steps = Vec::new();
        for t in grid.times() {
            let all = at(&input, t);
            let param = params.get(&t).copied();
            let mut out = Vec::new();
            for (rank, group) in groups.iter().enumerate() {
                let mut members: Vec<Element> =
                    all.iter().filter(|m| group_of(it, &m.labels) == *group).cloned().collect();
                if members.is_empty() {
                    continue;
                }
                // Upstream's series are in no order where there are several steps.
                if grid.start != grid.end {
                    self.settings.order.arrange(&mut members);
                }
                if let Some(chosen) = self.choose(it, &members, param, grid) {
                    out.extend(chosen);
                    continue;
                }
                let drops = members.iter().any(|it| it.drops);
                if let Some(point) = self.fold(it, &members, param) {
                    out.push(Element { labels: group.clone(), drops, point, rank });
                }
            }
            steps.push((t, out));
        }
        match it.op {
            Op::Topk | Op::Bottomk | Op::Limitk | Op::LimitRatio => {
                Ok(Value::Vector(collect(steps)?))
            }
            _ => collect_groups(steps),
        }
    }

    /// Looks at the parameter at all steps. False if nothing can come out.
    fn check_params(&self, it: &Aggregate, params: &BTreeMap<i64, f64>) -> Result<bool, String> {
        match it.op {
            Op::Topk | Op::Bottomk | Op::Limitk => {
                if params.values().all(|it| *it < 1.0) {
                    return Ok(false);
                }
                if params.values().any(|it| it.is_nan()) {
                    return Err("Parameter value is NaN".into());
                }
                for v in params.values() {
                    if *v >= 9_223_372_036_854_774_784.0 {
                        return Err(format!("Scalar value {} overflows int64", format_g(*v)));
                    }
                    if *v <= -9_223_372_036_854_774_784.0 {
                        return Err(format!("Scalar value {} underflows int64", format_g(*v)));
                    }
                }
            }
            Op::LimitRatio => {
                if params.values().all(|it| *it == 0.0) {
                    return Ok(false);
                }
                if params.values().any(|it| it.is_nan()) {
                    return Err("Ratio value is NaN".into());
                }
                for v in beyond(params, -1.0) {
                    let (got, cap) = (format_g(v), format_g(v.signum()));
                    self.warn(
                        param(it).pos().start,
                        format!(
                            "ratio value should be between -1 and 1, got {got}, capping to {cap}"
                        ),
                    );
                }
            }
            Op::Quantile => {
                for text in beyond(params, 0.0).into_iter().filter_map(quantile_note) {
                    self.warn(param(it).pos().start, text);
                }
            }
            _ => {}
        }
        Ok(true)
    }

    /// Aggregations that leave some elements as they are.
    fn choose(
        &self,
        it: &Aggregate,
        members: &[Element],
        param: Option<f64>,
        grid: Grid,
    ) -> Option<Vec<Element>> {
        let param = param?;
        let k = if param < 1.0 { 0 } else { param as usize };
        let mut members = members.to_vec();
        if it.op != Op::LimitRatio {
            self.settings.order.arrange(&mut members);
        }
        match it.op {
            Op::Limitk => Some(members.iter().take(k).cloned().collect()),
            Op::LimitRatio => {
                let keeps = |member: &&Element| {
                    let offset = member.labels.hash64() as f64 / 2f64.powi(64);
                    let r = param.clamp(-1.0, 1.0);
                    if r >= 0.0 { offset < r } else { offset >= 1.0 + r }
                };
                Some(members.iter().filter(keeps).cloned().collect())
            }
            Op::Topk | Op::Bottomk => {
                let mut floats: Vec<Element> =
                    members.iter().filter(|it| it.point.float().is_some()).cloned().collect();
                if floats.len() < members.len() && k > 0 {
                    let name = it.op.as_str();
                    self.info(it.pos.start, format!("ignored histogram in {name} aggregation"));
                }
                floats.sort_by(|a, b| by_value(a, b, it.op == Op::Topk));
                floats.truncate(k);
                if grid.start == grid.end {
                    floats.iter_mut().for_each(|it| it.rank = 0);
                }
                Some(floats)
            }
            _ => None,
        }
    }

    /// Aggregations that make one element of a group.
    fn fold(&self, it: &Aggregate, members: &[Element], param: Option<f64>) -> Option<Point> {
        let pos = it.expr.pos().start;
        let floats: Vec<f64> = members.iter().filter_map(|it| it.point.float()).collect();
        let hists: Vec<_> = members.iter().filter_map(|it| it.point.hist()).collect();
        let n = members.len() as f64;
        match it.op {
            Op::Count => return Some(Point::Float(n)),
            Op::Group => return Some(Point::Float(1.0)),
            Op::Sum | Op::Avg if !floats.is_empty() && !hists.is_empty() => {
                self.warn(pos, "encountered a mix of histograms and floats for aggregation");
                self.maybe_note_hists(members, pos);
                return None;
            }
            Op::Sum | Op::Avg if floats.is_empty() => {
                let Ok(total) = self.total_of(pos, &hists) else {
                    self.warn(pos, mixed_buckets(misfit(members)?.labels.metric_name()));
                    return None;
                };
                let hist = if it.op == Op::Sum { total.sum() } else { total.mean(n) };
                return Some(Point::Hist(hist.compact()));
            }
            Op::Sum => return Some(Point::Float(Kahan::of(floats).value())),
            Op::Avg => return Some(Point::Float(mean(&floats))),
            _ => {}
        }
        if !hists.is_empty() {
            let name = it.op.as_str();
            self.info(pos, format!("ignored histogram in {name} aggregation"));
        }
        if floats.is_empty() {
            return None;
        }
        let best = |beats: fn(f64, f64) -> bool| {
            let better = |a: f64, b: f64| if beats(b, a) || a.is_nan() { b } else { a };
            floats.iter().copied().reduce(better)
        };
        Some(Point::Float(match it.op {
            Op::Min => best(|a, b| a < b)?,
            Op::Max => best(|a, b| a > b)?,
            Op::Stdvar => variance(&floats),
            Op::Stddev => variance(&floats).sqrt(),
            Op::Quantile => quantile(param?, floats),
            _ => unreachable!("{:?} was handled", it.op),
        }))
    }

    /// Histograms beside floats are not added; whether what would be wrong with that is said is not settled.
    fn maybe_note_hists(&self, members: &[Element], pos: usize) {
        let mut notes = self.notes.borrow_mut();
        if let Some(it) = misfit(members) {
            notes.maybe_warn(pos, mixed_buckets(it.labels.metric_name()));
        }
        let has = |hint| members.iter().any(|it| it.point.hist().is_some_and(|it| it.hint == hint));
        if has(CounterResetHint::Reset) && has(CounterResetHint::NotReset) {
            notes.maybe_warn(pos, "conflicting counter resets during histogram aggregation");
        }
        let mut bounds =
            members.iter().filter_map(|it| it.point.hist()).filter(|it| it.is_custom());
        if bounds.next().is_some_and(|first| bounds.any(|it| it.custom != first.custom)) {
            notes.maybe_info(pos, "mismatched custom buckets were reconciled during aggregation");
        }
    }

    fn count_values(
        &self,
        it: &Aggregate,
        label: &str,
        grid: Grid,
        decode: Decode,
    ) -> Result<Value, String> {
        if label.is_empty() {
            return Err(format!("invalid label name {}", quote(label)));
        }
        let input = self.vector(&it.expr, grid, decode)?;
        let mut steps = Vec::new();
        for t in grid.times() {
            let mut found: Vec<Element> = Vec::new();
            for element in at(&input, t) {
                let value = match &element.point {
                    Point::Float(v) => format_f(*v),
                    Point::Hist(it) => it.text(),
                };
                let labels = with_label(&element.labels, label, &value);
                let mut by = it.grouping.clone();
                if !it.without {
                    by.push(label.to_owned());
                }
                let group = grouped(&by, it.without, &labels);
                match found.iter_mut().find(|it| it.labels == group) {
                    Some(it) => {
                        it.drops |= element.drops;
                        it.point = Point::Float(it.point.float().unwrap_or_default() + 1.0);
                    }
                    None => {
                        found.push(Element { labels: group, point: Point::Float(1.0), ..element })
                    }
                }
            }
            if self.settings.order.0 > 1 {
                self.settings.order.arrange(&mut found);
                found.iter_mut().enumerate().for_each(|(rank, it)| it.rank = rank);
            }
            steps.push((t, found));
        }
        collect_groups(steps)
    }
}

/// The series of groups. Whether their names disappear is settled at the last step.
fn collect_groups(steps: Vec<(i64, Vec<Element>)>) -> Result<Value, String> {
    let elements = steps.iter().flat_map(|it| &it.1);
    let drops: BTreeMap<Labels, bool> = elements.map(|it| (it.labels.clone(), it.drops)).collect();
    let mut all = collect(steps)?;
    all.iter_mut().for_each(|it| it.drops = drops[&it.labels]);
    Ok(Value::Vector(all))
}

/// The first histogram with buckets of another kind than those before it.
fn misfit(members: &[Element]) -> Option<&Element> {
    let custom = |it: &&Element| it.point.hist().map(Hist::is_custom);
    let first = members.iter().find_map(|it| custom(&it))?;
    members.iter().find(|it| custom(it).is_some_and(|it| it != first))
}

fn param(it: &Aggregate) -> &Expr {
    it.param.as_ref().expect("the operator has one")
}

/// Of all values of a parameter those that are warned about: a NaN, the smallest below `least`, the largest above 1.
fn beyond(params: &BTreeMap<i64, f64>, least: f64) -> Vec<f64> {
    let numbers = || params.values().copied().filter(|it| !it.is_nan());
    let nan = params.values().copied().find(|it| it.is_nan());
    let smallest = numbers().reduce(f64::min).filter(|it| *it < least);
    let largest = numbers().reduce(f64::max).filter(|it| *it > 1.0);
    nan.into_iter().chain(smallest).chain(largest).collect()
}

fn group_of(it: &Aggregate, labels: &Labels) -> Labels {
    grouped(&it.grouping, it.without, labels)
}

fn grouped(names: &[String], without: bool, labels: &Labels) -> Labels {
    let listed = |name: &str| names.iter().any(|it| it == name);
    match without {
        true => labels.filter(|it| it != METRIC_NAME && !listed(it)),
        false => labels.filter(listed),
    }
}

/// Welford's, without compensation.
fn variance(values: &[f64]) -> f64 {
    if !values[0].is_finite() {
        return f64::NAN;
    }
    let (mut mean, mut squares) = (0.0, 0.0);
    for (at, v) in values.iter().enumerate() {
        let delta = v - mean;
        mean += delta / (at + 1) as f64;
        squares += delta * (v - mean);
    }
    squares / values.len() as f64
}
