//! `info()`: labels of info metrics, copied to series of the same job and instance.

use std::collections::BTreeMap;

use model::{Labels, METRIC_NAME, MatchType, Matcher};
use promql::Expr;
use promql::ast::{Call, VectorSelector};

use super::labels::with_label;
use super::value::{Element, Sample, Series, Stored, Value, at, collect};
use super::{Decode, Grid, Naive};

const JOIN: [&str; 2] = ["instance", "job"];

impl Naive<'_> {
    pub(super) fn info_join(&self, it: &Call, grid: Grid, decode: Decode) -> Result<Value, String> {
        let base = self.vector(&it.args[0], grid, decode)?;
        let written: Vec<Matcher> = match it.args.get(1).map(Expr::unwrap_parens) {
            Some(Expr::Vector(selector)) => selector.matchers.clone(),
            _ => Vec::new(),
        };
        let (mut names, data): (Vec<Matcher>, Vec<Matcher>) =
            written.into_iter().partition(|it| it.name() == METRIC_NAME);
        if names.is_empty() {
            names.push(Matcher::equal(METRIC_NAME, "target_info"));
        }
        let positive = |it: &Matcher| matches!(it.kind(), MatchType::Equal | MatchType::Regexp);
        if !names.iter().any(positive) {
            let all = Matcher::new(MatchType::Regexp, METRIC_NAME, ".+_info");
            names.push(all.map_err(|it| it.to_string())?);
        }
        let is_info = |labels: &Labels| names.iter().all(|it| it.matches(labels.metric_name()));
        let looks_at = first_shift(&it.args[0]);
        let infos: Vec<&Stored> = self
            .data
            .iter()
            .filter(|it| is_info(&it.labels))
            .filter(|it| data.iter().all(|m| m.matches(it.labels.value(m.name()))))
            .filter(|it| joins_any(&it.labels, &base, is_info))
            .collect();
        let mut steps = Vec::new();
        for t in grid.times() {
            let elements = at(&base, t);
            if elements.is_empty() {
                continue;
            }
            let found = self.infos_at(&infos, looks_at.at(t))?;
            let mut out = Vec::new();
            for element in elements {
                out.extend(enriched(element, &found, &data, is_info)?);
            }
            steps.push((t, out));
        }
        Ok(Value::Vector(collect(steps)?))
    }

    /// The newest info series of each name, instance and job.
    fn infos_at(&self, infos: &[&Stored], t: i64) -> Result<Vec<Labels>, String> {
        let lookback = self.settings.lookback_ms;
        let mut newest: BTreeMap<Vec<String>, (i64, Labels)> = BTreeMap::new();
        for it in infos {
            let in_sight = |it: &&Sample| t - lookback < it.t && it.t <= t;
            let Some(sample) = it.samples.iter().rfind(in_sight) else { continue };
            if sample.point.is_stale() {
                continue;
            }
            if sample.point.hist().is_some() {
                return Err(format!(
                    "this should be an info metric, with float samples: {}",
                    it.labels
                ));
            }
            let key = [METRIC_NAME, "instance", "job"].map(|name| it.labels.value(name).to_owned());
            match newest.get(&key[..]) {
                Some((known, labels)) if *known == sample.t => {
                    return Err(format!(
                        "found duplicate series for info metric: existing {labels} @ {known}, new {} @ {}",
                        it.labels, sample.t
                    ));
                }
                Some((known, _)) if sample.t < *known => {}
                _ => {
                    newest.insert(key.to_vec(), (sample.t, it.labels.clone()));
                }
            }
        }
        Ok(newest.into_values().map(|it| it.1).collect())
    }
}

fn same_target(a: &Labels, b: &Labels) -> bool {
    JOIN.iter().all(|name| a.value(name) == b.value(name))
}

/// True if a series that looks for its info could find it here.
fn joins_any(info: &Labels, base: &[Series], is_info: impl Fn(&Labels) -> bool) -> bool {
    let looking: Vec<&Series> = base.iter().filter(|it| !is_info(&it.labels)).collect();
    JOIN.iter().all(|name| {
        let values: Vec<&str> =
            looking.iter().map(|it| it.labels.value(name)).filter(|it| !it.is_empty()).collect();
        values.is_empty() || values.contains(&info.value(name))
    }) && looking.iter().any(|it| JOIN.iter().any(|name| !it.labels.value(name).is_empty()))
}

fn enriched(
    element: Element,
    infos: &[Labels],
    data: &[Matcher],
    is_info: impl Fn(&Labels) -> bool,
) -> Result<Option<Element>, String> {
    if is_info(&element.labels) {
        return Ok(Some(element));
    }
    let mut added: BTreeMap<String, String> = BTreeMap::new();
    let mut found = false;
    for info in infos.iter().filter(|it| same_target(it, &element.labels)) {
        found = true;
        for (name, value) in info.iter().filter(|it| it.0 != METRIC_NAME) {
            let wanted = data.is_empty() || data.iter().any(|it| it.name() == name);
            if !wanted || element.labels.get(name).is_some() {
                continue;
            }
            if added.get(name).is_some_and(|known| known != value) {
                return Err(format!("conflicting label: {name}"));
            }
            added.insert(name.to_owned(), value.to_owned());
        }
    }
    if !found && !data.iter().all(Matcher::matches_empty) {
        return Ok(None);
    }
    let labels = added
        .iter()
        .fold(element.labels.clone(), |labels, (name, value)| with_label(&labels, name, value));
    Ok(Some(Element { labels, ..element }))
}

/// When the first selector below an expression looks, relative to the step.
#[derive(Clone, Copy, Default)]
struct LooksAt {
    timestamp: Option<i64>,
    offset: i64,
}

impl LooksAt {
    fn at(self, t: i64) -> i64 {
        self.timestamp.unwrap_or(t) - self.offset
    }
}

fn first_shift(expr: &Expr) -> LooksAt {
    found_shift(expr).unwrap_or_default()
}

fn found_shift(expr: &Expr) -> Option<LooksAt> {
    let of = |it: &VectorSelector| LooksAt {
        timestamp: it.shift.timestamp_ms,
        offset: it.shift.original_offset_ms,
    };
    match expr {
        Expr::Vector(it) => Some(of(it)),
        Expr::Matrix(it) => Some(of(&it.selector)),
        Expr::Subquery(it) => {
            let inner = found_shift(&it.expr)?;
            Some(match inner.timestamp {
                Some(_) => inner,
                None => LooksAt {
                    timestamp: it.shift.timestamp_ms,
                    offset: inner.offset + it.shift.original_offset_ms,
                },
            })
        }
        other => other.children().find_map(found_shift),
    }
}
