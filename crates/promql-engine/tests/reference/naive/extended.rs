//! `anchored` and `smoothed`.

use std::collections::BTreeMap;

use promql::ast::VectorSelector;

use super::histogram::{self, Hist};
use super::over_time::seconds;
use super::range::{Wide, Window};
use super::rate::{Kind, NO_COUNTER, mixed_buckets, mixed_types, not_a};
use super::select::shifted;
use super::value::{Point, Sample, Series};
use super::{Decode, Grid, Naive};

impl Wide {
    fn name(self) -> &'static str {
        match self {
            Self::Anchored => "anchored",
            Self::Smoothed => "smoothed",
        }
    }

    /// Refuses functions that have no meaning with the modifier.
    pub(super) fn check(self, function: &str) -> Result<(), String> {
        let allowed: &[&str] = match self {
            Self::Anchored => &["changes", "delta", "increase", "rate", "resets"],
            Self::Smoothed => &["delta", "increase", "rate"],
        };
        if allowed.contains(&function) {
            return Ok(());
        }
        let (name, list) = (self.name(), allowed.join(", "));
        Err(format!("{name} modifier can only be used with: {list} - not with {function}"))
    }
}

/// What a window with values on its ends is made of: its samples from the newest one at or before its start on, up to
/// the one at its end, or the first one behind it. `None` if it is all before the window, or behind it.
fn used(window: &Window<'_>) -> Option<Vec<Sample>> {
    let mut samples = from_baseline(window)?;
    if samples.first()?.t > window.end {
        return None;
    }
    if let Some(last) = samples.iter().position(|it| it.t >= window.end) {
        samples.truncate(last + 1);
    }
    samples.last().is_some_and(|it| window.start < it.t).then_some(samples)
}

/// The window's samples from the newest one at or before its start on; `None` if none lies behind its start.
pub(super) fn from_baseline(window: &Window<'_>) -> Option<Vec<Sample>> {
    if window.samples.last()?.t <= window.start {
        return None;
    }
    let at = window.samples.iter().rposition(|it| it.t <= window.start).unwrap_or(0);
    Some(window.samples[at..].to_vec())
}

impl Naive<'_> {
    /// Adds or subtracts a histogram, and says what is wrong with that.
    fn combined(&self, a: &Hist, b: &Hist, sign: f64, (pos, name): (usize, &str)) -> Option<Hist> {
        let Ok(added) = histogram::add(a, b, sign) else {
            self.warn(pos, mixed_buckets(name));
            return None;
        };
        if added.reconciled {
            let operation = if sign < 0.0 { "subtraction" } else { "addition" };
            self.info(pos, format!("mismatched custom buckets were reconciled during {operation}"));
        }
        Some(added.hist)
    }

    /// A value between two samples. A counter that fell began at zero.
    fn between(
        &self,
        (a, b): (&Sample, &Sample),
        t: i64,
        counter: bool,
        place: (usize, &str),
    ) -> Option<Point> {
        let fraction = (t - a.t) as f64 / (b.t - a.t) as f64;
        Some(match (&a.point, &b.point) {
            (Point::Float(x), Point::Float(y)) => {
                let x = if counter && y < x { 0.0 } else { *x };
                Point::Float(x + (y - x) * fraction)
            }
            (Point::Hist(x), Point::Hist(y)) if x.is_custom() != y.is_custom() => {
                self.warn(place.0, mixed_buckets(place.1));
                return None;
            }
            (Point::Hist(x), Point::Hist(y)) if counter && histogram::is_reset(x, y) => {
                Point::Hist(y.clone().map(|it| it * fraction))
            }
            (Point::Hist(x), Point::Hist(y)) => {
                let step = self.combined(y, x, -1.0, place)?.map(|it| it * fraction);
                Point::Hist(self.combined(&step, x, 1.0, place)?)
            }
            _ => return None,
        })
    }

    pub(super) fn extended_rate(
        &self,
        wide: Wide,
        kind: Kind,
        window: &Window<'_>,
    ) -> Option<Point> {
        let samples = used(window)?;
        let hists = samples.iter().filter(|it| it.point.hist().is_some()).count();
        if hists != 0 && hists != samples.len() {
            self.warn(window.pos, mixed_types(window.name));
            return None;
        }
        let counter = kind.is_counter();
        let place = (window.pos, window.name);
        let first = &samples[0];
        let left = match wide {
            Wide::Smoothed if first.t < window.start => {
                self.between((first, &samples[1]), window.start, counter, place)?
            }
            _ => first.point.clone(),
        };
        let last = samples.last()?;
        let right = match wide {
            Wide::Smoothed if last.t > window.end => {
                self.between((&samples[samples.len() - 2], last), window.end, counter, place)?
            }
            _ => last.point.clone(),
        };
        // What lies between the samples that the ends are made of.
        let inner: Vec<&Sample> = samples.iter().take(samples.len() - 1).skip(1).collect();
        let per_second = if kind == Kind::Rate { seconds(window.end - window.start) } else { 1.0 };
        if hists != 0 {
            // What was lost on the way to the left border is not in its value.
            let spanned = (counter && first.t < window.start && wide == Wide::Smoothed)
                .then(|| samples[1].point.hist())
                .flatten()
                .filter(|it| {
                    first.point.hist().is_some_and(|first| histogram::is_reset(first, it))
                });
            let result =
                self.extended_hists(kind, window, (left.hist()?, right.hist()?), &inner, spanned)?;
            let result = if kind == Kind::Rate { result.map(|it| it / per_second) } else { result };
            return Some(Point::Hist(result));
        }
        let (left, right) = (left.float()?, right.float()?);
        let mut result = right - left;
        if counter {
            let mut before = left;
            for v in inner.iter().filter_map(|it| it.point.float()).chain([right]) {
                if v < before {
                    result += before;
                }
                before = v;
            }
        }
        Some(Point::Float(if kind == Kind::Rate { result / per_second } else { result }))
    }

    fn extended_hists(
        &self,
        kind: Kind,
        window: &Window<'_>,
        (left, right): (&Hist, &Hist),
        inner: &[&Sample],
        spanned: Option<&Hist>,
    ) -> Option<Hist> {
        if kind == Kind::Delta && (left.hint != NO_COUNTER || right.hint != NO_COUNTER) {
            self.warn(window.pos, not_a("gauge", window.name));
        }
        let place = (window.pos, window.name);
        let mut result = self.combined(right, left, -1.0, place)?;
        if kind.is_counter() {
            let hists: Vec<&Hist> = inner.iter().filter_map(|it| it.point.hist()).collect();
            if hists.iter().chain([&left, &right]).any(|it| it.hint == NO_COUNTER) {
                self.warn(window.pos, not_a("counter", window.name));
            }
            let (mut before, rest) = match spanned {
                Some(after) => (after, hists.get(1..).unwrap_or_default()),
                None => (left, &hists[..]),
            };
            for it in rest.iter().chain([&right]) {
                if histogram::is_reset(before, it) {
                    result = self.combined(&result, before, 1.0, place)?;
                }
                before = it;
            }
        }
        Some(Hist { hint: NO_COUNTER, ..result }.compact())
    }

    /// The samples of a range selector that is the whole query, with a point at each end of its window.
    pub(super) fn clipped(&self, wide: Wide, window: &Window<'_>) -> Result<Vec<Sample>, String> {
        if window.samples.iter().any(|it| it.point.hist().is_some()) {
            return Err(format!("{} modifier is not supported with histograms", wide.name()));
        }
        let Some(samples) = used(window) else { return Ok(Vec::new()) };
        let inside = |it: &&Sample| window.start < it.t && it.t < window.end;
        let mut all: Vec<Sample> = samples.iter().filter(inside).cloned().collect();
        let at = |t, point| Sample { t, start: 0, point };
        let Some(first) = samples.first() else { return Ok(Vec::new()) };
        let left = match wide {
            Wide::Smoothed if first.t < window.start => {
                self.between((first, &samples[1]), window.start, false, (window.pos, window.name))
            }
            _ => Some(first.point.clone()),
        };
        let after = samples
            .iter()
            .position(|it| it.t >= window.end)
            .filter(|at| samples[*at].t > window.end);
        let right = match after {
            Some(after) if after > 0 => self.between(
                (&samples[after - 1], &samples[after]),
                window.end,
                false,
                (window.pos, window.name),
            ),
            _ => samples.iter().rfind(|it| it.t <= window.end).map(|it| it.point.clone()),
        };
        all.splice(0..0, left.map(|it| at(window.start, it)));
        all.extend(right.map(|it| at(window.end, it)));
        Ok(all)
    }

    /// An instant selector that draws lines between samples.
    pub(super) fn select_smoothed(
        &self,
        selector: &VectorSelector,
        grid: Grid,
        decode: Decode,
    ) -> Vec<Series> {
        let lookback = self.settings.lookback_ms;
        let times = grid.times();
        let (Some(first), Some(last)) = (times.first(), times.last()) else { return Vec::new() };
        let ends = (
            shifted(&selector.shift, *first) - lookback,
            shifted(&selector.shift, *last) + lookback,
        );
        let mut all = Vec::new();
        for stored in self.matching(selector, ends, decode) {
            let mut points = BTreeMap::new();
            for t in &times {
                let at = shifted(&selector.shift, *t);
                let near = |it: &&Sample| {
                    at - lookback < it.t && it.t <= at + lookback && !it.point.is_stale()
                };
                let samples: Vec<&Sample> = stored.samples.iter().filter(near).collect();
                let Some(before) = samples.iter().rfind(|it| it.t <= at) else { continue };
                let after = samples.iter().find(|it| at < it.t);
                let name = stored.labels.metric_name();
                if let Some(point) = self.smoothed_at(before, after.copied(), at, name, selector) {
                    points.insert(*t, point);
                }
            }
            if !points.is_empty() {
                all.push(Series { labels: stored.labels, drops: false, points });
            }
        }
        all
    }

    fn smoothed_at(
        &self,
        before: &Sample,
        after: Option<&Sample>,
        at: i64,
        name: &str,
        selector: &VectorSelector,
    ) -> Option<Point> {
        let Some(after) = after.filter(|_| before.t != at) else {
            return Some(before.point.clone());
        };
        let place = (selector.pos.start, name);
        match (&before.point, &after.point) {
            (Point::Float(_), Point::Float(_)) => self.between((before, after), at, false, place),
            (Point::Hist(a), Point::Hist(b)) => {
                let counter = a.hint != NO_COUNTER || b.hint != NO_COUNTER;
                self.between((before, after), at, counter, place)
            }
            _ => {
                self.warn(selector.pos.start, mixed_types(name));
                None
            }
        }
    }
}
