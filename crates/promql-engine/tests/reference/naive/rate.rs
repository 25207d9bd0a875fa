//! `rate` and its relatives.

use model::CounterResetHint::{self, Gauge};
use model::{Labels, quote};

use super::Naive;
use super::histogram::{Hist, add, is_reset};
use super::over_time::seconds;
use super::range::Window;
use super::value::{Point, Sample};

/// Which of `rate`, `increase` and `delta`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Rate,
    Increase,
    Delta,
}

impl Kind {
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "rate" => Self::Rate,
            "increase" => Self::Increase,
            "delta" => Self::Delta,
            _ => return None,
        })
    }

    pub(super) fn is_counter(self) -> bool {
        self != Self::Delta
    }
}

/// True if start times say that a counter started anew.
pub(super) fn start_reset(before: &Sample, now: &Sample) -> bool {
    if now.start == 0 || now.start >= now.t || now.start < before.t {
        return false;
    }
    now.start > before.t
        || before.start <= before.t && before.start != 0 && before.start != before.t
}

fn overlaps(before: &Sample, now: &Sample) -> bool {
    now.start != 0 && now.start < before.t && now.start != before.start
}

/// A note about a window.
pub(super) fn mixed_types(name: &str) -> String {
    format!("encountered a mix of histograms and floats for metric name {}", quote(name))
}

pub(super) fn mixed_buckets(name: &str) -> String {
    format!(
        "vector contains a mix of histograms with exponential and custom buckets schemas for metric name {}",
        quote(name)
    )
}

impl Naive<'_> {
    pub(super) fn rate(&self, kind: Kind, window: &Window<'_>) -> Option<Point> {
        let starts = self.settings.start_timestamps && kind.is_counter();
        let samples = &window.samples;
        let (floats, hists) = (window.floats(), window.hists());
        if !floats.is_empty() && !hists.is_empty() {
            self.warn(window.pos, mixed_types(window.name));
            return None;
        }
        if starts && samples.windows(2).any(|it| overlaps(&it[0], &it[1])) {
            self.notes.borrow_mut().overlap(window.pos, window.name);
        }
        let (first, last) = (samples.first()?, samples.last()?);
        let began = (starts && first.start != 0)
            .then_some(first.start)
            .filter(|it| window.start < *it && *it < first.t);
        if samples.len() == 1 && began.is_none() {
            return None;
        }
        if hists.is_empty() {
            let mut result = floats.last()?.1 - floats.first()?.1;
            for pair in samples.windows(2).filter(|_| kind.is_counter()) {
                let (before, now) = (pair[0].point.float()?, pair[1].point.float()?);
                if now < before || starts && start_reset(&pair[0], &pair[1]) {
                    result += before;
                }
            }
            let value = floats.first()?.1;
            if began.is_some() {
                result += value;
            }
            let factor = factor(kind, window, began, (first.t, last.t), (value, result));
            return Some(Point::Float(result * factor));
        }
        let result = self.hist_rate(kind, window, &hists, began.is_some())?;
        let factor = factor(kind, window, began, (first.t, last.t), (hists[0].count, result.count));
        let hint = result.hint;
        Some(Point::Hist(Hist { hint, ..result.map(|it| it * factor) }))
    }

    /// The increase of histograms from the first to the last.
    fn hist_rate(
        &self,
        kind: Kind,
        window: &Window<'_>,
        hists: &[&Hist],
        began: bool,
    ) -> Option<Hist> {
        if let [alone] = hists {
            return Some((*alone).clone());
        }
        let starts = self.settings.start_timestamps && kind.is_counter();
        let samples = &window.samples;
        let resets = |at: usize, before: &Hist| {
            is_reset(before, hists[at]) || starts && start_reset(&samples[at - 1], &samples[at])
        };
        let (mut first, last) = (hists[0].clone(), *hists.last()?);
        if kind.is_counter() && hists.iter().any(|it| it.hint == Gauge) {
            self.warn(window.pos, not_a("counter", window.name));
        }
        if kind == Kind::Delta && (first.hint != Gauge || last.hint != Gauge) {
            self.warn(window.pos, not_a("gauge", window.name));
        }
        if kind.is_counter() && resets(1, &first) {
            first = Hist {
                schema: hists[1].schema,
                custom: hists[1].custom.clone(),
                ..Hist::default()
            };
        }
        let middle = if kind.is_counter() { &hists[1..hists.len() - 1] } else { &[] };
        let mut used: Vec<&Hist> = vec![&first, last];
        used.extend(middle);
        if used.iter().any(|it| it.is_custom() != last.is_custom()) {
            self.warn(window.pos, mixed_buckets(window.name));
            return None;
        }
        let schema = used.iter().map(|it| it.schema).min()?;
        let sum = |a: &Hist, b: &Hist, sign| {
            let added = add(a, b, sign).expect("the kinds are the same");
            if added.reconciled {
                let operation = if sign < 0.0 { "subtraction" } else { "addition" };
                let text = format!("mismatched custom buckets were reconciled during {operation}");
                self.info(window.pos, text);
            }
            added.hist
        };
        let mut result = sum(&last.clone().reduce(schema), &first, -1.0);
        let mut before = first;
        for at in (1..hists.len()).filter(|_| kind.is_counter()) {
            if resets(at, &before) {
                result = sum(&result, &before, 1.0);
            }
            before = hists[at].clone();
        }
        if began {
            result = sum(&result, hists[0], 1.0);
        }
        result.hint = Gauge;
        Some(result.compact())
    }

    /// `irate` and `idelta`.
    pub(super) fn instant_rate(&self, is_rate: bool, window: &Window<'_>) -> Option<Point> {
        let [.., before, last] = &window.samples[..] else { return None };
        let interval = seconds(last.t - before.t);
        let fresh = self.settings.start_timestamps && start_reset(before, last);
        match (&before.point, &last.point) {
            (Point::Float(a), Point::Float(b)) => {
                let change = if is_rate && (b < a || fresh) { *b } else { b - a };
                Some(Point::Float(if is_rate { change / interval } else { change }))
            }
            (Point::Hist(a), Point::Hist(b)) => {
                let gauges = [a, b].into_iter().filter(|it| it.hint == Gauge).count();
                if is_rate && gauges > 0 {
                    self.warn(window.pos, not_a("counter", window.name));
                }
                if !is_rate && gauges < 2 {
                    self.warn(window.pos, not_a("gauge", window.name));
                }
                let change = if is_rate && (is_reset(a, b) || fresh) {
                    b.clone()
                } else {
                    let Ok(added) = add(b, a, -1.0) else {
                        self.warn(window.pos, mixed_buckets(window.name));
                        return None;
                    };
                    if added.reconciled {
                        let text = "mismatched custom buckets were reconciled during subtraction";
                        self.info(window.pos, text);
                    }
                    added.hist
                };
                let change = if is_rate { change.map(|it| it / interval) } else { change };
                Some(Point::Hist(Hist { hint: Gauge, ..change }.compact()))
            }
            _ => {
                self.warn(window.pos, mixed_types(window.name));
                None
            }
        }
    }

    /// Says that a rate was taken of what may be no counter.
    pub(super) fn check_counter(&self, labels: &Labels, pos: usize) {
        let name = labels.metric_name();
        if name.is_empty() {
            return;
        }
        if self.settings.type_and_unit {
            let kind = labels.value("__type__");
            if !["counter", "histogram"].contains(&kind) {
                self.info(
                    pos,
                    format!(
                        "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", got {}: {}",
                        quote(kind),
                        quote(name)
                    ),
                );
            }
        } else if !["_total", "_sum", "_count", "_bucket"].iter().any(|it| name.ends_with(it)) {
            self.info(
                pos,
                format!(
                    "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {}",
                    quote(name)
                ),
            );
        }
    }
}

pub(super) fn not_a(kind: &str, name: &str) -> String {
    format!("this native histogram metric is not a {kind}: {}", quote(name))
}

/// By what the change between first and last sample becomes that of the whole window.
fn factor(
    kind: Kind,
    window: &Window<'_>,
    began: Option<i64>,
    (first, last): (i64, i64),
    (value, result): (f64, f64),
) -> f64 {
    let n = window.samples.len() as f64;
    let mut to_start = seconds(first - window.start);
    let mut to_end = seconds(window.end - last);
    let mut sampled = seconds(last - first);
    let average = if n > 1.0 { sampled / (n - 1.0) } else { 0.0 };
    let threshold = average * 1.1;
    if let Some(began) = began {
        to_start = 0.0;
        sampled = seconds(last - began);
    } else {
        if to_start >= threshold {
            to_start = average / 2.0;
        }
        if kind.is_counter() && result > 0.0 && value >= 0.0 {
            let to_zero = sampled * (value / result);
            if to_zero < to_start {
                to_start = to_zero;
            }
        }
    }
    if to_end >= threshold {
        to_end = average / 2.0;
    }
    let factor = if sampled == 0.0 { 1.0 } else { (sampled + to_start + to_end) / sampled };
    if kind == Kind::Rate { factor / seconds(window.end - window.start) } else { factor }
}

/// The hint of what is no counter.
pub(super) const NO_COUNTER: CounterResetHint = Gauge;
