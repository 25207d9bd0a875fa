//! Functions that read buckets: of classic histograms, of native ones, or counts and sums.

use std::collections::BTreeMap;

use model::{Labels, METRIC_NAME, quote};
use promql::ast::Call;

use super::histogram::Hist;
use super::labels::{text, with_label};
use super::notes::{Forced, for_name};
use super::quantile::Nans;
use super::scalar::quantile_note;
use super::value::{Element, Point, SAME_LABELSET, Value, at, collect, without_metadata};
use super::{Decode, Grid, Naive};

/// The buckets of one classic histogram, or a native one.
#[derive(Default)]
struct Group {
    classic: Vec<(f64, f64)>,
    native: Option<Hist>,
    name: String,
    rank: usize,
    labels: Labels,
}

impl Naive<'_> {
    pub(super) fn of_hists(&self, it: &Call, grid: Grid, decode: Decode) -> Result<Value, String> {
        let name = it.function.name;
        let stats = matches!(name, "histogram_count" | "histogram_sum" | "histogram_avg");
        self.stepwise(
            &it.args[0],
            (grid, if stats { decode.counts() } else { decode }),
            |_, all| {
                let of = |element: &Element| {
                    let hist = element.point.hist()?;
                    let point = Point::Float(match name {
                        "histogram_count" => hist.count,
                        "histogram_sum" => hist.sum,
                        "histogram_avg" => hist.sum / hist.count,
                        "histogram_stdvar" => hist.variance(),
                        _ => hist.variance().sqrt(),
                    });
                    if self.settings.delayed_names {
                        return Some(self.nameless(element, point));
                    }
                    let labels = element.labels.filter(|it| it != METRIC_NAME);
                    Some(Element { labels, point, ..element.clone() })
                };
                Ok(all.iter().filter_map(of).collect())
            },
        )
    }

    /// `histogram_quantile(s)` and `histogram_fraction`.
    pub(super) fn of_buckets(&self, it: &Call, grid: Grid) -> Result<Value, String> {
        let name = it.function.name;
        let (vector, label, scalars) = match name {
            "histogram_quantile" => (&it.args[1], None, &it.args[..1]),
            "histogram_fraction" => (&it.args[2], None, &it.args[..2]),
            _ => (&it.args[0], Some(text(&it.args[1])), &it.args[2..]),
        };
        let mut params = Vec::new();
        for arg in scalars {
            params.push(self.scalar(arg, grid, Decode::Buckets)?);
        }
        let series = self.vector(vector, grid, Decode::Buckets)?;
        let pos = vector.pos().start;
        let mut steps = Vec::new();
        for t in grid.times() {
            let groups = self.groups(&at(&series, t), pos)?;
            let params: Vec<f64> = params.iter().map(|it| it[&t]).collect();
            let mut out = Vec::new();
            if name != "histogram_fraction" {
                for (q, arg) in params.iter().zip(scalars) {
                    if let Some(text) = quantile_note(*q) {
                        self.warn(arg.pos().start, text);
                    }
                }
            }
            for it in &groups {
                let mut push = |labels, v| {
                    let drops = self.settings.delayed_names;
                    out.push(Element { labels, drops, point: Point::Float(v), rank: it.rank });
                };
                if name == "histogram_fraction" {
                    push(it.labels.clone(), self.fraction(it, (params[0], params[1]), pos));
                    continue;
                }
                for q in &params {
                    let v = self.quantile(it, *q, (t, pos));
                    let labels = match label {
                        Some(label) => with_label(&it.labels, label, &open_metrics(*q)),
                        None => it.labels.clone(),
                    };
                    push(labels, v);
                }
            }
            steps.push((t, out));
        }
        Ok(Value::Vector(collect(steps)?))
    }

    fn groups(&self, all: &[Element], pos: usize) -> Result<Vec<Group>, String> {
        let delayed = self.settings.delayed_names;
        let mut groups: BTreeMap<Labels, Group> = BTreeMap::new();
        for element in all {
            let name = element.labels.metric_name();
            let shown = if delayed { name } else { "" };
            let key = element.labels.filter(|it| it != "le");
            let upper = match &element.point {
                // Upstream tells these apart by `le`, too: see COMPAT.md.
                Point::Hist(_) => None,
                Point::Float(_) => {
                    let le = element.labels.value("le");
                    let Ok(upper) = stdx::gofloat::parse(le) else {
                        self.warn(
                            pos,
                            format!(
                                "bucket label \"le\" is missing or has a malformed value of {}{}",
                                quote(le),
                                for_name(shown)
                            ),
                        );
                        continue;
                    };
                    Some(upper)
                }
            };
            let group = groups.entry(key.clone()).or_insert_with(|| Group {
                name: name.to_owned(),
                rank: element.rank,
                labels: if delayed { key.clone() } else { without_metadata(&key) },
                ..Group::default()
            });
            match (upper, &element.point) {
                (Some(upper), Point::Float(v)) => group.classic.push((upper, *v)),
                (_, Point::Hist(_)) if group.native.is_some() => return Err(SAME_LABELSET.into()),
                (_, Point::Hist(it)) => group.native = Some(it.clone()),
                _ => unreachable!("floats have a bound"),
            }
        }
        let mut groups: Vec<Group> = groups.into_values().collect();
        groups.sort_by_key(|it| it.rank);
        groups.retain(|it| {
            let mixed = it.native.is_some() && !it.classic.is_empty();
            if mixed {
                let name = if delayed { for_name(&it.name) } else { String::new() };
                let text = format!("vector contains a mix of classic and native histograms{name}");
                self.warn(pos, text);
            }
            !mixed
        });
        Ok(groups)
    }

    fn quantile(&self, it: &Group, q: f64, (t, pos): (i64, usize)) -> f64 {
        let name = if self.settings.delayed_names { &it.name[..] } else { "" };
        if let Some(hist) = &it.native {
            let (v, nans) = hist.quantile(q);
            let result = match nans {
                Some(Nans::Hit) => "result is NaN",
                Some(Nans::Present) => "result is skewed higher",
                None => return v,
            };
            let name = for_name(name);
            self.info(
                pos,
                format!("input to histogram_quantile has NaN observations, {result}{name}"),
            );
            return v;
        }
        let (v, forced) = classic_quantile(q, &it.classic);
        if let Some((lowest, highest, difference)) = forced {
            let forced = Forced { lowest, highest, difference, samples: 1, from: t, to: t };
            self.notes.borrow_mut().forced(pos, name, forced);
        }
        v
    }

    fn fraction(&self, it: &Group, (lower, upper): (f64, f64), pos: usize) -> f64 {
        let Some(hist) = &it.native else { return classic_fraction(lower, upper, &it.classic) };
        let (v, nans) = hist.fraction(lower, upper);
        if nans.is_some() {
            let name = if self.settings.delayed_names { for_name(&it.name) } else { String::new() };
            self.info(pos, format!(
                "input to histogram_fraction has NaN observations, which are excluded from all fractions{name}"
            ));
        }
        v
    }
}

/// A float as OpenMetrics writes it.
fn open_metrics(v: f64) -> String {
    let text = stdx::gofloat::format_g(v);
    let plain = text.bytes().all(|it| it.is_ascii_digit() || it == b'-');
    if plain { text + ".0" } else { text }
}

/// Buckets by bound, those of equal bounds as one.
fn sorted(buckets: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut buckets = buckets.to_vec();
    buckets.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(std::cmp::Ordering::Equal));
    let mut merged: Vec<(f64, f64)> = Vec::new();
    for (upper, count) in buckets {
        match merged.last_mut() {
            Some(last) if last.0 == upper => last.1 += count,
            _ => merged.push((upper, count)),
        }
    }
    merged
}

/// True if two counts differ by rounding only.
fn almost_equal(a: f64, b: f64) -> bool {
    if a == b {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < 1e-12 * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < 1e-12
}

/// The quantile, and which buckets were raised, and by how much.
fn classic_quantile(q: f64, buckets: &[(f64, f64)]) -> (f64, Option<(f64, f64, f64)>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    let mut all = sorted(buckets);
    if all.last().is_none_or(|it| it.0 != f64::INFINITY) {
        return (f64::NAN, None);
    }
    let mut forced: Option<(f64, f64, f64)> = None;
    let mut before = all[0].1;
    for (upper, count) in &mut all[1..] {
        if *count == before {
            continue;
        }
        if almost_equal(before, *count) {
            *count = before;
        } else if *count < before {
            let by = before - *count;
            let (lowest, highest, most) = forced.unwrap_or((*upper, *upper, by));
            forced = Some((lowest.min(*upper), highest.max(*upper), most.max(by)));
            *count = before;
        }
        before = *count;
    }
    let total = all.last().map_or(0.0, |it| it.1);
    if all.len() < 2 || total == 0.0 {
        return (f64::NAN, forced);
    }
    let rank = q * total;
    let last = all.len() - 1;
    let b = all[..last].iter().position(|it| it.1 >= rank).unwrap_or(last);
    if b == last {
        return (all[last - 1].0, forced);
    }
    if b == 0 && all[0].0 <= 0.0 {
        return (all[0].0, forced);
    }
    let (lower, below) = if b == 0 { (0.0, 0.0) } else { all[b - 1] };
    let (upper, count) = all[b];
    (lower + (upper - lower) * ((rank - below) / (count - below)), forced)
}

/// The share of observations between two values.
fn classic_fraction(lower: f64, upper: f64, buckets: &[(f64, f64)]) -> f64 {
    let all = sorted(buckets);
    if all.last().is_none_or(|it| it.0 != f64::INFINITY) {
        return f64::NAN;
    }
    let total = all[all.len() - 1].1;
    if total == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let rank = |v: f64| {
        let (mut from, mut below) = (if all[0].0 > 0.0 { 0.0 } else { f64::NEG_INFINITY }, 0.0);
        for (to, count) in &all {
            if from >= v {
                return below;
            }
            if v < *to {
                let inside = count - below;
                if from == f64::NEG_INFINITY {
                    return *count;
                }
                return below + inside * ((v - from) / (to - from));
            }
            (from, below) = (*to, *count);
        }
        total
    };
    let (low, high) = (rank(lower), rank(upper));
    let cap = |it: f64| if it > total { total } else { it };
    (cap(high) - cap(low)) / total
}
