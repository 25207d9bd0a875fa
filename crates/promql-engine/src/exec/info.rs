//! `info(v, {…})`: labels of info metrics, such as `target_info`, joined to the series of `v`.

use std::collections::{BTreeSet, HashMap};

use model::{Labels, METRIC_NAME, MatchType, Matcher};

use crate::QueryError;
use crate::account::Charge;
use crate::context::Context;
use crate::exec::drive::Materialized;
use crate::exec::group::{index, series_bytes};
use crate::exec::{Operator, Series};
use crate::{Column, PointRef};

/// The labels that say which target a series belongs to.
const IDENTITY: [&str; 2] = ["instance", "job"];

/// The info metric that is meant unless a name is written.
const DEFAULT_NAME: &str = "target_info";

/// Conditions on info series: on their names, and on the labels they bring.
pub(crate) struct Conditions {
    names: Vec<Matcher>,
    data: Vec<Matcher>,
}

impl Conditions {
    pub(crate) fn new(written: &[Matcher]) -> Self {
        let (mut names, data): (Vec<Matcher>, Vec<Matcher>) =
            written.iter().cloned().partition(|it| it.name() == METRIC_NAME);
        let positive = |it: &Matcher| matches!(it.kind(), MatchType::Equal | MatchType::Regexp);
        if names.is_empty() {
            names.push(Matcher::equal(METRIC_NAME, DEFAULT_NAME));
        } else if !names.iter().any(positive) {
            names.extend(Matcher::new(MatchType::Regexp, METRIC_NAME, ".+_info"));
        }
        Self { names, data }
    }

    /// True if the series is itself one of the info series.
    fn is_info(&self, series: &Series) -> bool {
        self.names.iter().all(|it| it.matches(series.labels.metric_name()))
    }

    /// What to select so that the info series of all targets in `base` are found; `None` if there are none.
    pub(crate) fn matchers(&self, base: &Materialized) -> Option<Vec<Matcher>> {
        let mut values = [BTreeSet::new(), BTreeSet::new()];
        for at in 0..base.len() {
            let series = base.series(at);
            if !base.columns[at].is_empty() && !self.is_info(&series) {
                for (values, name) in values.iter_mut().zip(IDENTITY) {
                    values.extend(series.labels.get(name).map(str::to_owned));
                }
            }
        }
        if values.iter().all(BTreeSet::is_empty) {
            return None;
        }
        let mut matchers: Vec<Matcher> = self.names.iter().chain(&self.data).cloned().collect();
        for (values, name) in values.iter().zip(IDENTITY).filter(|(values, _)| !values.is_empty()) {
            let pattern: Vec<String> = values.iter().map(|it| escape(it)).collect();
            matchers.extend(Matcher::new(MatchType::Regexp, name, pattern.join("|")));
        }
        Some(matchers)
    }

    /// True if a series may stay as it is where no info series belongs to it.
    fn may_be_missing(&self) -> bool {
        self.data.iter().all(Matcher::matches_empty)
    }

    /// True if the label `name` of an info series is wanted.
    fn wants(&self, name: &str) -> bool {
        name != METRIC_NAME
            && (self.data.is_empty() || self.data.iter().any(|it| it.name() == name))
    }
}

/// Writes a text so that a regular expression matches just it.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Info series with the values and the times of their samples.
pub(crate) struct InfoSeries {
    pub(crate) values: Materialized,
    pub(crate) times: Materialized,
}

/// Joins the labels of `info` to the series of `base`.
pub(crate) fn join(
    context: &Context,
    base: &Materialized,
    info: &InfoSeries,
    conditions: &Conditions,
) -> Result<Materialized, QueryError> {
    let mut join = Join {
        base,
        info,
        conditions,
        sources: vec![],
        several: vec![],
        output: Output::new(context),
    };
    join.find_sources();
    let steps = base.steps();
    for step in 0..steps {
        context.check()?;
        join.step(step)?;
    }
    Ok(Materialized::new(steps, join.output.series, join.output.columns, join.output.charge))
}

struct Join<'a> {
    base: &'a Materialized,
    info: &'a InfoSeries,
    conditions: &'a Conditions,
    /// For each base series, for each info metric of its target, the info series; `None` for series that
    /// are left alone.
    sources: Vec<Option<Vec<Vec<u32>>>>,
    /// Info metrics of which a target has several series: they may not meet, whoever looks for them.
    several: Vec<Vec<u32>>,
    output: Output,
}

struct Output {
    /// Where a base series goes when these info series belong to it.
    known: HashMap<(u32, Vec<u32>), Option<usize>>,
    by_labels: HashMap<Labels, usize>,
    series: Vec<Series>,
    columns: Vec<Column>,
    charge: Charge,
}

impl Output {
    fn new(context: &Context) -> Self {
        Self {
            known: HashMap::new(),
            by_labels: HashMap::new(),
            series: Vec::new(),
            columns: Vec::new(),
            charge: context.charge(),
        }
    }

    fn add(&mut self, series: Series, steps: usize) -> Result<usize, QueryError> {
        let new = self.series.len();
        let target = *self.by_labels.entry(series.labels.clone()).or_insert(new);
        if target == new {
            self.charge.add(3 * series_bytes(&series) + 64, 0)?;
            self.charge.add_columns(1, steps)?;
            self.series.push(series);
            self.columns.push(Column::default());
            self.columns[new].reset(steps);
        }
        Ok(target)
    }
}

impl Join<'_> {
    fn find_sources(&mut self) {
        let identity = |labels: &Labels| IDENTITY.map(|name| labels.value(name).to_owned());
        let mut targets: HashMap<[String; 2], Vec<(String, Vec<u32>)>> = HashMap::new();
        for at in 0..self.info.values.len() {
            let labels = self.info.values.series(at).labels;
            let metrics = targets.entry(identity(&labels)).or_default();
            let name = labels.metric_name();
            match metrics.iter_mut().find(|(it, _)| it == name) {
                Some((_, all)) => all.push(index(at)),
                None => metrics.push((name.to_owned(), vec![index(at)])),
            }
        }
        let of = |at: usize| {
            let series = self.base.series(at);
            let metrics = || targets.get(&identity(&series.labels)).into_iter().flatten();
            (!self.conditions.is_info(&series))
                .then(|| metrics().map(|(_, all)| all.clone()).collect())
        };
        self.sources = (0..self.base.len()).map(of).collect();
        let all = targets.into_values().flatten().map(|it| it.1);
        self.several = all.filter(|it| 1 < it.len()).collect();
        self.several.sort_unstable();
    }

    fn step(&mut self, step: usize) -> Result<(), QueryError> {
        if self.base.columns.iter().any(|it| it.point(step).is_some()) {
            self.choose(&self.several, step)?;
        }
        for at in 0..self.base.len() {
            let Some(point) = self.base.columns[at].point(step) else { continue };
            let chosen = match &self.sources[at] {
                Some(metrics) => self.choose(metrics, step)?,
                None => Vec::new(),
            };
            let key = (index(at), chosen);
            let target = match self.output.known.get(&key) {
                Some(target) => *target,
                None => {
                    let target = self.target(at, &key.1)?;
                    self.output.known.insert(key, target);
                    target
                }
            };
            let Some(target) = target else { continue };
            if self.output.columns[target].point(step).is_some() {
                return Err(crate::exec::merge::same_labelset());
            }
            match point {
                PointRef::Float(v) => self.output.columns[target].set(step, v),
                PointRef::Histogram(it) => {
                    self.output.columns[target].push_histogram(step, it.clone())
                }
            }
        }
        Ok(())
    }

    /// The newest series of each info metric.
    fn choose(&self, metrics: &[Vec<u32>], step: usize) -> Result<Vec<u32>, QueryError> {
        let mut chosen = Vec::new();
        for series in metrics {
            let mut newest: Option<(u32, f64)> = None;
            for at in series {
                let column = &self.info.values.columns[*at as usize];
                let labels = || self.info.values.series(*at as usize).labels;
                if column.histogram(step).is_some() {
                    let text =
                        format!("this should be an info metric, with float samples: {}", labels());
                    return Err(QueryError::Exec(text));
                }
                let Some(t) = self.info.times.columns[*at as usize].float(step) else { continue };
                match newest {
                    Some((known, known_t)) if known_t == t => {
                        let known = self.info.values.series(known as usize).labels;
                        let ms = (t * 1000.0).round();
                        return Err(QueryError::Exec(format!(
                            "found duplicate series for info metric: existing {known} @ {ms}, new {} @ {ms}",
                            labels()
                        )));
                    }
                    Some((_, known_t)) if t < known_t => {}
                    _ => newest = Some((*at, t)),
                }
            }
            chosen.extend(newest.map(|(at, _)| at));
        }
        Ok(chosen)
    }

    /// The output series of a base series to which these info series belong; `None` if it is dropped.
    fn target(&mut self, at: usize, chosen: &[u32]) -> Result<Option<usize>, QueryError> {
        let base = self.base.series(at);
        let alone = self.sources[at].is_none();
        let mut labels = base.labels.to_builder();
        for info in chosen {
            let info = self.info.values.series(*info as usize).labels;
            for (name, value) in info.iter().filter(|(name, _)| self.conditions.wants(name)) {
                if base.labels.get(name).is_some() {
                    continue;
                }
                if labels.get(name).is_some_and(|known| known != value) {
                    return Err(QueryError::Exec(format!("conflicting label: {name}")));
                }
                labels.set(name, value);
            }
        }
        if !alone && chosen.is_empty() && !self.conditions.may_be_missing() {
            return Ok(None);
        }
        let series = Series { labels: labels.labels(), ..base };
        self.output.add(series, self.base.steps()).map(Some)
    }
}
