//! The `load` command.

use promql::series::{self, Series, Value};

use crate::memory::Memory;
use crate::script::{Lines, duration};

/// Series to add.
pub(crate) struct Load {
    step_ms: i64,
    /// Classic histograms are loaded as native ones, too.
    with_nhcb: bool,
    series: Vec<Loaded>,
}

/// A series, and whether it has start timestamps.
struct Loaded {
    series: Series,
    start_timestamps: bool,
}

impl Load {
    /// Reads the lines below a `load`.
    pub(crate) fn parse(step_ms: i64, with_nhcb: bool, lines: &Lines<'_>) -> Result<Self, String> {
        let mut it = Self { step_ms, with_nhcb, series: Vec::new() };
        let mut starts: Option<(&str, usize)> = None;
        for (number, line) in lines {
            let at = |why: String| format!("line {number}: {why}");
            if let Some((metric, items)) = start_line(line) {
                starts = Some((metric, start_values(items).map_err(at)?));
                continue;
            }
            let series = series::parse(line).map_err(|why| at(why.to_string()))?;
            if let Some((metric, n)) = starts {
                check_starts(metric, n, &series).map_err(at)?;
            }
            // Of lines with the same labels the last one counts.
            it.series.retain(|it| it.series.labels != series.labels);
            it.series.push(Loaded { series, start_timestamps: starts.take().is_some() });
        }
        if starts.is_some() {
            return Err("@st line has no following sample line".into());
        }
        Ok(it)
    }

    /// Adds the samples: value `i` at `i` times the step.
    pub(crate) fn run(&self, memory: &mut Memory) -> Result<(), String> {
        for Loaded { series: Series { labels, values }, start_timestamps } in &self.series {
            let series = memory.series_mut(labels);
            series.start_timestamps |= start_timestamps;
            for (value, t) in values.iter().zip((0i64..).map(|at| at * self.step_ms)) {
                match value {
                    Value::Omitted => {}
                    Value::Float(v) => series.append(t, *v)?,
                    Value::Histogram(it) => series.append_histogram(t, it)?,
                }
            }
            if self.with_nhcb {
                memory.note_native_histogram(labels);
            }
        }
        Ok(())
    }
}

/// Splits `metric@st items`.
fn start_line(line: &str) -> Option<(&str, &str)> {
    let (metric, items) = line.split_once(char::is_whitespace)?;
    Some((metric.strip_suffix("@st")?, items))
}

/// Counts the start timestamps of a line; each is read and dropped.
fn start_values(items: &str) -> Result<usize, String> {
    let mut n = 0usize;
    for item in items.split_whitespace() {
        let (value, times) = match item.rsplit_once('x') {
            Some((value, times)) => (
                value,
                times.parse::<usize>().map_err(|_| format!("invalid repetition in {item}"))?,
            ),
            None => (item, usize::from(item == "_")),
        };
        if value == "_" {
            n = n.saturating_add(times);
            continue;
        }
        let delta = value.get(1..).and_then(|it| it.find(['+', '-'])).map(|at| at + 1);
        let (first, delta) = value.split_at(delta.unwrap_or(value.len()));
        for part in [first, delta] {
            if !part.is_empty() {
                duration(part.strip_prefix('+').unwrap_or(part))?;
            }
        }
        n = n.saturating_add(times.saturating_add(1));
    }
    Ok(n)
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
