//! Range vectors: windows of stored samples, or of a subquery's steps.

use model::{CounterResetHint, Labels};
use promql::Expr;
use promql::ast::Subquery;

use super::select::shifted;
use super::value::{Point, SAME_LABELSET, Sample, Series, Stored, Value, unique, without_metadata};
use super::{Decode, Grid, Naive};

/// A range vector before it is cut into windows.
pub(super) struct Range {
    pub(super) series: Vec<RangeSeries>,
    pub(super) range_ms: i64,
    shift: promql::ast::TimeShift,
    pub(super) wide: Option<Wide>,
    /// Where notes about it stand.
    pub(super) pos: usize,
}

/// One series of a range vector, with all samples that any window needs.
pub(super) struct RangeSeries {
    pub(super) labels: Labels,
    pub(super) drops: bool,
    pub(super) samples: Vec<Sample>,
}

/// How far windows look beyond their ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wide {
    Anchored,
    Smoothed,
}

/// The samples of a series in the window `(start, end]`.
pub(super) struct Window<'a> {
    pub(super) samples: Vec<Sample>,
    pub(super) start: i64,
    pub(super) end: i64,
    /// The step's time.
    pub(super) t: i64,
    pub(super) labels: &'a Labels,
    /// The metric's name.
    pub(super) name: &'a str,
    pub(super) pos: usize,
}

impl Range {
    /// The ends of the window at the step `t`.
    pub(super) fn ends(&self, t: i64) -> (i64, i64) {
        let end = shifted(&self.shift, t);
        (end - self.range_ms, end)
    }

    pub(super) fn window<'a>(&self, series: &'a RangeSeries, t: i64, lookback: i64) -> Window<'a> {
        let (start, end) = self.ends(t);
        let from = if self.wide.is_some() { start - lookback } else { start };
        let to = if self.wide == Some(Wide::Smoothed) { end + lookback } else { end };
        let samples = series.samples.iter().filter(|it| from < it.t && it.t <= to).cloned();
        Window {
            samples: samples.collect(),
            start,
            end,
            t,
            labels: &series.labels,
            name: series.labels.metric_name(),
            pos: self.pos,
        }
    }
}

impl Naive<'_> {
    /// Reads a range vector for all steps. Stale markers are no samples.
    pub(super) fn range(&self, expr: &Expr, grid: Grid, decode: Decode) -> Result<Range, String> {
        match expr.unwrap_parens() {
            Expr::Matrix(it) => {
                let wide = match (it.selector.anchored, it.selector.smoothed) {
                    (true, _) => Some(Wide::Anchored),
                    (_, true) => Some(Wide::Smoothed),
                    _ => None,
                };
                let lookback = self.settings.lookback_ms;
                let times = grid.times();
                let ends = times.first().zip(times.last()).map_or((0, 0), |(first, last)| {
                    let first = shifted(&it.selector.shift, *first) - it.range_ms;
                    let last = shifted(&it.selector.shift, *last);
                    let before = if wide.is_some() { lookback } else { 0 };
                    let after = if wide == Some(Wide::Smoothed) { lookback } else { 0 };
                    (first - before, last + after)
                });
                let series = self.matching(&it.selector, ends, decode).into_iter().map(|it| {
                    let samples = it.samples.into_iter().filter(|it| !it.point.is_stale());
                    RangeSeries { labels: it.labels, drops: false, samples: samples.collect() }
                });
                Ok(Range {
                    series: series.collect(),
                    range_ms: it.range_ms,
                    shift: it.selector.shift.clone(),
                    wide,
                    pos: it.pos.start,
                })
            }
            Expr::Subquery(it) => self.subquery(it, grid),
            other => unreachable!("{other} is no range vector"),
        }
    }

    fn subquery(&self, it: &Subquery, grid: Grid) -> Result<Range, String> {
        let step = if it.step_ms == 0 { self.settings.subquery_step_ms } else { it.step_ms };
        let times = grid.times();
        let first = shifted(&it.shift, grid.start) - it.range_ms;
        let last = shifted(&it.shift, times.last().copied().unwrap_or(grid.end));
        // The first multiple of the step behind `first`.
        let mut start = step * (first / step);
        if start <= first {
            start += step;
        }
        let inner = self.vector(&it.expr, Grid { start, end: last, step }, Decode::Buckets)?;
        let series = inner.into_iter().map(|it| RangeSeries {
            labels: it.labels,
            drops: it.drops,
            samples: it.points.into_iter().map(|(t, point)| of_subquery(t, point)).collect(),
        });
        Ok(Range {
            series: series.collect(),
            range_ms: it.range_ms,
            shift: it.shift.clone(),
            wide: None,
            pos: 0,
        })
    }

    /// Applies a function of windows to each series at each step. `keeps_name`: as few functions do.
    pub(super) fn over(
        &self,
        range: &Range,
        grid: Grid,
        keeps_name: bool,
        mut f: impl FnMut(&Window<'_>) -> Result<Option<Point>, String>,
    ) -> Result<Value, String> {
        let mut all = Vec::new();
        for series in &range.series {
            let mut points = std::collections::BTreeMap::new();
            for t in grid.times() {
                let window = range.window(series, t, self.settings.lookback_ms);
                if window.samples.is_empty() {
                    continue;
                }
                if let Some(point) = f(&window)? {
                    points.insert(t, point);
                }
            }
            if points.is_empty() {
                continue;
            }
            let labels = series.labels.clone();
            all.push(match (keeps_name, self.settings.delayed_names) {
                (true, _) => Series { labels, drops: series.drops, points },
                (false, true) => Series { labels, drops: true, points },
                (false, false) => {
                    Series { labels: without_metadata(&labels), drops: series.drops, points }
                }
            });
        }
        Ok(Value::Vector(unique(all)?))
    }

    /// The window of a range selector that is the whole query.
    pub(super) fn top_window(&self, expr: &Expr, t: i64) -> Result<Value, String> {
        let range = self.range(expr, Grid::once(t), Decode::Whole)?;
        let mut all: Vec<Stored> = Vec::new();
        for series in &range.series {
            let window = range.window(series, t, self.settings.lookback_ms);
            let mut samples = match range.wide {
                None => window.samples,
                Some(wide) => self.clipped(wide, &window)?,
            };
            let labels =
                if series.drops { without_metadata(&series.labels) } else { series.labels.clone() };
            match all.iter_mut().find(|it| it.labels == labels) {
                Some(it) if self.settings.delayed_names => {
                    let met = |new: &Sample| it.samples.iter().any(|known| known.t == new.t);
                    if samples.iter().any(met) {
                        return Err(SAME_LABELSET.into());
                    }
                    it.samples.append(&mut samples);
                    it.samples.sort_by_key(|it| it.t);
                }
                _ if samples.is_empty() => {}
                _ => all.push(Stored { labels, samples }),
            }
        }
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(Value::Samples(all))
    }
}

/// A step of a subquery as a sample.
fn of_subquery(t: i64, mut point: Point) -> Sample {
    if let Point::Hist(it) = &mut point
        && it.hint != CounterResetHint::Gauge
    {
        it.hint = CounterResetHint::Unknown;
    }
    Sample { t, start: 0, point }
}
