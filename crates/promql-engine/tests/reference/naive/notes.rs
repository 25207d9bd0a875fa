//! Warnings and infos.

use std::collections::BTreeMap;

use model::quote;

/// Notes with the places they were made at, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    plain: Vec<(String, usize)>,
    /// Texts of notes that may be there or not.
    free: Vec<String>,
    /// By metric name: place, and how far buckets were from cumulative.
    monotonicity: BTreeMap<String, (usize, Forced)>,
    /// By metric name: place and number of windows with overlapping start times.
    overlaps: BTreeMap<String, (usize, usize)>,
}

/// How far classic buckets were from being cumulative.
#[derive(Clone, Debug)]
pub(crate) struct Forced {
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
    pub(crate) difference: f64,
    pub(crate) samples: usize,
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// A note as the engine prints it, with all places it could stand at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Note {
    pub(crate) text: String,
    pub(crate) positions: Vec<String>,
    /// It may be missing.
    pub(crate) free: bool,
}

impl Notes {
    pub(crate) fn warn(&mut self, start: usize, text: impl AsRef<str>) {
        self.plain.push((format!("PromQL warning: {}", text.as_ref()), start));
    }

    pub(crate) fn info(&mut self, start: usize, text: impl AsRef<str>) {
        self.plain.push((format!("PromQL info: {}", text.as_ref()), start));
    }

    /// Makes a warning of which it is not settled whether it belongs there.
    pub(crate) fn maybe_warn(&mut self, start: usize, text: impl AsRef<str>) {
        self.warn(start, text);
        self.free.extend(self.plain.last().map(|it| it.0.clone()));
    }

    /// Makes an info of which it is not settled whether it belongs there.
    pub(crate) fn maybe_info(&mut self, start: usize, text: impl AsRef<str>) {
        self.info(start, text);
        self.free.extend(self.plain.last().map(|it| it.0.clone()));
    }

    pub(crate) fn overlap(&mut self, start: usize, name: &str) {
        self.overlaps.entry(name.to_owned()).or_insert((start, 0)).1 += 1;
    }

    pub(crate) fn forced(&mut self, start: usize, name: &str, it: Forced) {
        match self.monotonicity.get_mut(name) {
            None => {
                self.monotonicity.insert(name.to_owned(), (start, it));
            }
            Some((_, known)) => {
                known.lowest = known.lowest.min(it.lowest);
                known.highest = known.highest.max(it.highest);
                known.difference = known.difference.max(it.difference);
                known.samples += it.samples;
                known.from = known.from.min(it.from);
                known.to = known.to.max(it.to);
            }
        }
    }

    /// Adds notes of a part that was evaluated later.
    pub(crate) fn append(&mut self, later: Self) {
        self.plain.extend(later.plain);
        self.free.extend(later.free);
        for (name, (start, it)) in later.monotonicity {
            self.forced(start, &name, it);
        }
        for (name, (start, n)) in later.overlaps {
            self.overlaps.entry(name).or_insert((start, 0)).1 += n;
        }
    }

    /// The last note only.
    pub(crate) fn last(mut self) -> Self {
        let from = self.plain.len().saturating_sub(1);
        Self { plain: self.plain.split_off(from), ..self }
    }

    /// All notes, sorted by text. Of the places of equal notes any may be shown: which part of a query is
    /// evaluated last is not promised.
    pub(crate) fn finish(&self, query: &str) -> Vec<Note> {
        let mut by_text: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut add = |text: String, start| {
            by_text.entry(text).or_default().push(position(query, start));
        };
        for (text, start) in &self.plain {
            add(text.clone(), *start);
        }
        for (name, (start, it)) in &self.monotonicity {
            add(forced_text(name, it), *start);
        }
        for (name, (start, n)) in &self.overlaps {
            let times = if *n < 2 { String::new() } else { format!(" ({n} occurrences)") };
            let text = format!(
                "PromQL warning: sample has start time that overlaps with previous sample timestamp for metric {}{times}",
                quote(name)
            );
            add(text, *start);
        }
        let note = |(text, positions)| Note { free: self.free.contains(&text), text, positions };
        by_text.into_iter().map(note).collect()
    }
}

/// ` for metric name "x"`, if there is a name.
pub(crate) fn for_name(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" for metric name {}", quote(name)) }
}

fn forced_text(name: &str, it: &Forced) -> String {
    format!(
        "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see \
         https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile){}, from buckets {} \
         to {}, with a max diff of {}, over {} samples from {} to {}",
        for_name(name),
        stdx::gofloat::format_g(it.lowest),
        stdx::gofloat::format_g(it.highest),
        two_digits(it.difference),
        it.samples,
        super::date::rfc3339(it.from),
        super::date::rfc3339(it.to),
    )
}

/// Go's `%.2g`.
fn two_digits(v: f64) -> String {
    let rounded: f64 = format!("{v:.1e}").parse().expect("a float");
    if (1e-4..100.0).contains(&rounded) {
        return stdx::gofloat::format_f(rounded);
    }
    let mut text = String::new();
    stdx::gofloat::write_e(&mut text, rounded);
    text
}

fn position(query: &str, start: usize) -> String {
    let before = &query[..start];
    let line = before.matches('\n').count() + 1;
    let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
    format!("{line}:{column}")
}
