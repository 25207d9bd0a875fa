//! What a user should know about an answer.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Warnings and infos of a query, each with its position in the query: `PromQL info: … (1:5)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    /// The answer may be wrong.
    pub warnings: Vec<String>,
    /// The query may not mean what its author thinks.
    pub infos: Vec<String>,
}

/// How grave a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Warning,
    Info,
}

/// Where in the query a note belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// First byte in the query text.
    pub(crate) start: usize,
    /// Position of the node in the order of evaluation: operands before operators, left before right.
    pub(crate) order: u32,
}

/// Always true: parts of a query are the same wherever they stand.
impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Notes of a running query. Notes with the same text are one; the place of the one evaluated last
/// stays.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    plain: BTreeMap<(Level, String), Place>,
    monotonicity: BTreeMap<String, (Place, Monotonicity)>,
    overlaps: BTreeMap<String, (Place, u64)>,
    /// Of each operator and step only the last note counts: that of this series.
    last: BTreeMap<(u32, usize), Last>,
}

/// The last note of an operator at a step.
#[derive(Debug)]
struct Last {
    series: usize,
    level: Level,
    text: String,
    place: Place,
}

/// How far classic buckets were from being cumulative, over steps and series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Monotonicity {
    /// Smallest and largest bucket bound that was raised.
    pub(crate) buckets: (f64, f64),
    /// Largest amount by which one was raised.
    pub(crate) diff_max: f64,
    /// How many samples were touched.
    pub(crate) samples: u64,
    /// First and last time.
    pub(crate) t: (i64, i64),
}

impl Notes {
    pub(crate) fn warn(&mut self, place: Place, text: impl Into<String>) {
        self.add(Level::Warning, place, text.into());
    }

    pub(crate) fn info(&mut self, place: Place, text: impl Into<String>) {
        self.add(Level::Info, place, text.into());
    }

    fn add(&mut self, level: Level, place: Place, text: String) {
        let known = self.plain.entry((level, text)).or_insert(place);
        if known.order <= place.order {
            *known = place;
        }
    }

    /// Notes forced monotonicity. `name` is the metric's name where it is still known.
    pub(crate) fn monotonicity(&mut self, place: Place, name: &str, found: Monotonicity) {
        match self.monotonicity.get_mut(name) {
            Some((first, known)) => {
                if place.order < first.order {
                    *first = place;
                }
                known.join(&found);
            }
            None => drop(self.monotonicity.insert(name.to_owned(), (place, found))),
        }
    }

    /// Notes that `n` windows of a metric have a sample that started before the one before it.
    pub(crate) fn overlaps(&mut self, place: Place, name: &str, n: u64) {
        let (first, count) = self.overlaps.entry(name.to_owned()).or_insert((place, 0));
        if place.order < first.order {
            *first = place;
        }
        *count += n;
    }

    /// Adds a note of the operator at `place` about `series` at `step`, unless it has one about a later
    /// series there.
    pub(crate) fn last(
        &mut self,
        place: Place,
        (step, series): (usize, usize),
        level: Level,
        text: String,
    ) {
        let note = Last { series, level, text, place };
        match self.last.entry((place.order, step)) {
            Entry::Occupied(known) if series < known.get().series => {}
            Entry::Occupied(mut known) => drop(known.insert(note)),
            Entry::Vacant(entry) => drop(entry.insert(note)),
        }
    }

    /// The notes as text; `query` is what the places point into.
    pub(crate) fn finish(mut self, query: &str) -> Annotations {
        for (_, it) in std::mem::take(&mut self.last) {
            self.add(it.level, it.place, it.text);
        }
        let mut out = Annotations::default();
        for (name, (place, n)) in &self.overlaps {
            let times = if *n < 2 { String::new() } else { format!(" ({n} occurrences)") };
            out.warnings.push(format!(
                "PromQL warning: sample has start time that overlaps with previous sample timestamp for metric {}{times} ({})",
                model::quote(name),
                position(query, place.start)
            ));
        }
        for ((level, text), place) in &self.plain {
            let position = position(query, place.start);
            match level {
                Level::Warning => out.warnings.push(format!("PromQL warning: {text} ({position})")),
                Level::Info => out.infos.push(format!("PromQL info: {text} ({position})")),
            }
        }
        for (name, (place, found)) in &self.monotonicity {
            out.infos.push(format!(
                "PromQL info: {} ({})",
                found.text(name),
                position(query, place.start)
            ));
        }
        out
    }
}

impl Monotonicity {
    /// Nothing found yet at the time `t`.
    pub(crate) fn none(t: i64) -> Self {
        Self { buckets: (f64::INFINITY, f64::NEG_INFINITY), diff_max: 0.0, samples: 0, t: (t, t) }
    }

    /// Takes the findings of another step or series in.
    pub(crate) fn join(&mut self, other: &Self) {
        self.buckets = (self.buckets.0.min(other.buckets.0), self.buckets.1.max(other.buckets.1));
        self.diff_max = self.diff_max.max(other.diff_max);
        self.samples += other.samples;
        self.t = (self.t.0.min(other.t.0), self.t.1.max(other.t.1));
    }

    fn text(&self, name: &str) -> String {
        format!(
            "input to histogram_quantile needed to be fixed for monotonicity (see \
             https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile){}, from \
             buckets {} to {}, with a max diff of {}, over {} samples from {} to {}",
            for_name(name),
            g(self.buckets.0),
            g(self.buckets.1),
            two_digits(self.diff_max),
            self.samples,
            rfc3339(self.t.0),
            rfc3339(self.t.1),
        )
    }
}

/// ` for metric name "x"`, or nothing without a name.
pub(crate) fn for_name(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" for metric name {}", model::quote(name)) }
}

/// `line:column` of a byte, both counted from 1.
fn position(query: &str, start: usize) -> String {
    let before = &query.as_bytes()[..start.min(query.len())];
    let line = before.iter().filter(|it| **it == b'\n').count() + 1;
    let line_start = before.iter().rposition(|it| *it == b'\n').map_or(0, |at| at + 1);
    format!("{line}:{}", before.len() - line_start + 1)
}

/// UTC, whole seconds; fractions are cut.
fn rfc3339(t_ms: i64) -> String {
    let date = crate::function::date::Civil::from_seconds(t_ms.div_euclid(1000));
    date.rfc3339()
}

/// A float as Go's `%g` writes it.
pub(crate) fn g(v: f64) -> String {
    stdx::gofloat::format_g(v)
}

/// A float above zero as Go's `%.2g` writes it.
fn two_digits(v: f64) -> String {
    let scientific = format!("{v:.1e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return g(v) };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..2).contains(&exponent) {
        let decimals = usize::try_from(1 - exponent).unwrap_or(0);
        let text = format!("{v:.decimals$}");
        let trimmed = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            &text
        };
        return trimmed.to_owned();
    }
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_place_of_equal_notes() {
        let mut notes = Notes::default();
        let place = |start, order| Place { start, order };
        notes.info(place(5, 2), "b");
        notes.info(place(0, 1), "b");
        notes.warn(place(3, 3), "a");
        let found = notes.finish("12\n456");
        assert_eq!(found.warnings, ["PromQL warning: a (2:1)"]);
        assert_eq!(found.infos, ["PromQL info: b (2:3)"]);
    }

    #[test]
    fn keeps_the_first_place_of_what_is_counted() {
        let mut notes = Notes::default();
        for (start, order) in [(5, 2), (3, 1), (0, 3)] {
            notes.overlaps(Place { start, order }, "m", 1);
            notes.monotonicity(Place { start, order }, "m", Monotonicity::none(0));
        }
        let found = notes.finish("12\n456");
        assert!(found.warnings[0].ends_with("(3 occurrences) (2:1)"), "{found:?}");
        assert!(found.infos[0].ends_with("(2:1)"), "{found:?}");
    }

    #[test]
    fn rounds_to_two_digits() {
        let all = [0.000012, 0.5, 1.0, 1.26, 9.96, 10.0, 99.0, 100.0, 126.0];
        let texts: Vec<String> = all.into_iter().map(two_digits).collect();
        assert_eq!(texts, ["1.2e-05", "0.5", "1", "1.3", "10", "10", "99", "1e+02", "1.3e+02"]);
    }
}
