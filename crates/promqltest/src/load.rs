//! The `load` command.

use model::FloatHistogram;
use promql::series::{self, HistogramValue, Series, VALUES_MAX, Value};
use promql_engine::accumulate;

use crate::memory::Memory;
use crate::nhcb::Classics;
use crate::script::{Lines, duration};

/// Series to add.
pub(crate) struct Load {
    step_ms: i64,
    /// Classic histograms are loaded as native ones, too.
    with_nhcb: bool,
    series: Vec<Loaded>,
}

/// A series, and the distances of its samples to their start times; empty if it has none.
struct Loaded {
    series: Series,
    starts: Vec<Option<i64>>,
}

impl Load {
    /// Reads the lines below a `load`.
    pub(crate) fn parse(step_ms: i64, with_nhcb: bool, lines: &Lines<'_>) -> Result<Self, String> {
        let mut it = Self { step_ms, with_nhcb, series: Vec::new() };
        let mut starts: Option<(&str, Vec<Option<i64>>)> = None;
        for (number, line) in lines {
            let at = |why: String| format!("line {number}: {why}");
            if let Some((metric, items)) = start_line(line) {
                starts = Some((metric, start_values(items).map_err(at)?));
                continue;
            }
            let series = series::parse(line).map_err(|why| at(why.to_string()))?;
            if let Some((metric, starts)) = &starts {
                check_starts(metric, starts.len(), &series).map_err(at)?;
            }
            let starts = starts.take().map_or_else(Vec::new, |(_, starts)| starts);
            // Of lines with the same labels the last one counts.
            it.series.retain(|it| it.series.labels != series.labels);
            it.series.push(Loaded { series, starts });
        }
        if starts.is_some() {
            return Err("@st line has no following sample line".into());
        }
        Ok(it)
    }

    /// Adds the samples: value `i` at `i` times the step.
    pub(crate) fn run(&self, memory: &mut Memory) -> Result<(), String> {
        let mut classics = Classics::default();
        for it in &self.series {
            self.run_series(it, memory, &mut classics)?;
        }
        for (labels, t, histogram) in classics.convert()? {
            memory.series_mut(&labels).append_histogram(t, 0, histogram)?;
        }
        Ok(())
    }

    fn run_series(
        &self,
        Loaded { series: Series { labels, values }, starts }: &Loaded,
        memory: &mut Memory,
        classics: &mut Classics,
    ) -> Result<(), String> {
        let part = if self.with_nhcb { Classics::part(labels) } else { None };
        let series = memory.series_mut(labels);
        let mut row = Row::default();
        for (at, value) in values.iter().enumerate() {
            let t = i64::try_from(at).map_err(|_| "too many values")? * self.step_ms;
            let start = starts.get(at).copied().flatten().map_or(0, |distance| t + distance);
            match value {
                Value::Omitted => {}
                Value::Float(v) => {
                    series.append(t, start, *v)?;
                    if let Some(part) = &part {
                        classics.add(part, t, *v);
                    }
                }
                Value::Histogram(it) => series.append_histogram(t, start, row.next(it)?)?,
            }
        }
        Ok(())
    }
}

/// Computes rows of histograms.
#[derive(Default)]
struct Row(Option<FloatHistogram>);

impl Row {
    /// The histogram that a value stands for; values come in order.
    fn next(&mut self, it: &HistogramValue) -> Result<FloatHistogram, String> {
        let next = match (&it.delta, self.0.take()) {
            (Some(delta), Some(before)) if it.times != 0 => accumulate(&before, delta, it.negative)
                .ok_or("error combining histograms: the buckets are incompatible")?,
            _ => FloatHistogram::clone(&it.first),
        };
        self.0 = Some(next.clone());
        Ok(next)
    }
}

/// Splits `metric@st items`.
fn start_line(line: &str) -> Option<(&str, &str)> {
    let (metric, items) = line.split_once(char::is_whitespace)?;
    Some((metric.strip_suffix("@st")?, items))
}

/// Reads the distances of a line of start times.
fn start_values(items: &str) -> Result<Vec<Option<i64>>, String> {
    let mut all = Vec::new();
    for item in items.split_whitespace() {
        let (value, times) = match item.rsplit_once('x') {
            Some((value, times)) => {
                let times = times.parse::<usize>().ok().filter(|it| *it <= VALUES_MAX);
                (value, Some(times.ok_or_else(|| format!("invalid repetition in {item}"))?))
            }
            None => (item, None),
        };
        if value == "_" {
            all.extend(vec![None; times.unwrap_or(1)]);
            continue;
        }
        let sign = value.get(1..).and_then(|it| it.find(['+', '-'])).map(|at| at + 1);
        let (first, delta) = value.split_at(sign.unwrap_or(value.len()));
        let distance = |part: &str| duration(part.strip_prefix('+').unwrap_or(part));
        let first = distance(first)?;
        let delta = if delta.is_empty() { 0 } else { distance(delta)? };
        let at = |i: i64| Some(first.saturating_add(delta.saturating_mul(i)));
        all.extend((0..).take(times.unwrap_or(0) + 1).map(at));
        if VALUES_MAX < all.len() {
            return Err(format!("a series may have {VALUES_MAX} values"));
        }
    }
    Ok(all)
}

fn check_starts(metric: &str, n: usize, series: &Series) -> Result<(), String> {
    let labels = promql::parse_metric(metric).map_err(|why| why.to_string())?;
    if labels != series.labels {
        return Err("@st metric does not match the following sample line metric".into());
    }
    if n != series.values.len() {
        return Err(format!("@st line has {n} values but sample line has {}", series.values.len()));
    }
    Ok(())
}
