//! Exemplars: the newest of all series, in one ring in memory.
//!
//! Each is 48 bytes and the text of its labels; a series with exemplars has its labels and the places of
//! its exemplars, in the order of time, four bytes each. When the ring is full the one that came first
//! is overwritten, whatever its series. The log has them too, so a restart finds them again.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use client::{Counter, Gauge, Registry};
use model::{Exemplar, Labels, Matcher};
use storage::ExemplarError;

use crate::sync::lock;

/// Characters that the names and values of an exemplar's labels may have together.
const LABEL_CHARS_MAX: usize = 128;

/// The exemplars of one series, ascending in time.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesExemplars {
    /// The labels of the series.
    pub series: Labels,
    /// Each with a time.
    pub exemplars: Vec<Exemplar>,
}

/// All exemplars. One lock guards them; it is held to add one, or to read a selection.
#[derive(Default)]
pub(crate) struct Exemplars {
    ring: Mutex<Ring>,
    metrics: Metrics,
}

#[derive(Default)]
struct Ring {
    /// Up to `n_max`, in the order in which they came, beginning at `next` once it is full.
    slots: Vec<Stored>,
    /// The slot to be filled next.
    next: usize,
    n_max: usize,
    /// For each series its slots, ascending in time. None is empty.
    series: HashMap<Labels, VecDeque<u32>, foldhash::fast::RandomState>,
    /// One older than the newest of its series by this much is refused.
    window_ms: i64,
}

/// An exemplar with the labels of its series.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) series: Labels,
    pub(crate) labels: Labels,
    pub(crate) t: i64,
    pub(crate) v: f64,
}

/// What the ring tells about itself.
#[derive(Clone, Default)]
struct Metrics {
    appended: Arc<Counter>,
    out_of_order: Arc<Counter>,
    held: Arc<Gauge>,
    series: Arc<Gauge>,
    oldest_seconds: Arc<Gauge>,
    max: Arc<Gauge>,
}

impl Exemplars {
    /// Holds `n_max` at most; none with 0.
    pub(crate) fn new(n_max: usize, window_ms: i64, registry: &Registry) -> Self {
        let metrics = Metrics::register(registry);
        let it = Self { ring: Mutex::new(Ring { window_ms, ..Ring::default() }), metrics };
        it.resize(n_max);
        it
    }

    /// True if exemplars are kept.
    pub(crate) fn is_on(&self) -> bool {
        0 < lock(&self.ring).n_max
    }

    /// Changes how many are held; the newest stay.
    pub(crate) fn resize(&self, n_max: usize) {
        let mut ring = lock(&self.ring);
        ring.resize(n_max);
        self.metrics.show(&ring);
    }

    /// Says whether one may be added; false if it is there, or none are kept.
    ///
    /// # Errors
    /// Why it is refused.
    pub(crate) fn check(
        &self,
        series: &Labels,
        labels: &Labels,
        (t, v): (i64, f64),
    ) -> Result<bool, ExemplarError> {
        let is_fine = lock(&self.ring).check(series, labels, t, v);
        if is_fine == Err(ExemplarError::OutOfOrder) {
            self.metrics.out_of_order.inc();
        }
        is_fine
    }

    /// Adds one, unless [`Exemplars::check`] would not take it.
    pub(crate) fn add(&self, series: &Labels, labels: &Labels, (t, v): (i64, f64)) {
        let mut ring = lock(&self.ring);
        match ring.check(series, labels, t, v) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                if error == ExemplarError::OutOfOrder {
                    self.metrics.out_of_order.inc();
                }
                return;
            }
        }
        ring.push(Stored { series: series.clone(), labels: labels.clone(), t, v });
        self.metrics.appended.inc();
        self.metrics.show(&ring);
    }

    /// As [`Exemplars::add`], for one that was kept before; no refusal is counted.
    pub(crate) fn restore(&self, it: &Stored) {
        let mut ring = lock(&self.ring);
        if ring.check(&it.series, &it.labels, it.t, it.v) == Ok(true) {
            ring.push(it.clone());
            self.metrics.show(&ring);
        }
    }

    /// All exemplars, in the order in which they came.
    pub(crate) fn all(&self) -> Vec<Stored> {
        let ring = lock(&self.ring);
        // While it is not full, the first is the oldest.
        let oldest = if ring.slots.len() == ring.n_max { ring.next } else { 0 };
        let (newer, older) = ring.slots.split_at(oldest);
        older.iter().chain(newer).cloned().collect()
    }

    /// Finds the exemplars within `mint..=maxt` of series that one of the selectors takes, sorted by the
    /// labels of the series.
    pub(crate) fn select(
        &self,
        mint: i64,
        maxt: i64,
        selectors: &[Vec<Matcher>],
    ) -> Vec<SeriesExemplars> {
        let takes = |series: &Labels| {
            let fits = |it: &Matcher| it.matches(series.value(it.name()));
            selectors.iter().any(|matchers| matchers.iter().all(fits))
        };
        let mut found = Vec::new();
        let ring = lock(&self.ring);
        for (series, slots) in ring.series.iter().filter(|(series, _)| takes(series)) {
            let from = slots.partition_point(|it| ring.slots[*it as usize].t < mint);
            let to = slots.partition_point(|it| ring.slots[*it as usize].t <= maxt);
            if to <= from {
                continue;
            }
            let exemplar = |at: &u32| {
                let Stored { labels, t, v, .. } = &ring.slots[*at as usize];
                Exemplar { labels: labels.clone(), value: *v, t: Some(*t) }
            };
            let exemplars = slots.range(from..to).map(exemplar).collect();
            found.push(SeriesExemplars { series: series.clone(), exemplars });
        }
        drop(ring);
        found.sort_unstable_by(|a, b| a.series.cmp(&b.series));
        found
    }
}

impl Ring {
    fn check(
        &self,
        series: &Labels,
        labels: &Labels,
        t: i64,
        v: f64,
    ) -> Result<bool, ExemplarError> {
        if self.n_max == 0 {
            return Ok(false);
        }
        let n_chars = |(name, value): (&str, &str)| name.chars().count() + value.chars().count();
        if LABEL_CHARS_MAX < labels.iter().map(n_chars).sum() {
            return Err(ExemplarError::LabelsTooLong);
        }
        let Some(slots) = self.series.get(series) else { return Ok(true) };
        let newest = slots.back().map(|it| &self.slots[*it as usize]);
        let newest = newest.expect("no series is empty");
        match t.cmp(&newest.t) {
            Ordering::Greater => Ok(true),
            // Several of one time come in the order of value and hash, as one scrape sorts them.
            Ordering::Equal if v.to_bits() == newest.v.to_bits() && *labels == newest.labels => {
                Ok(false)
            }
            #[expect(clippy::float_cmp, reason = "the same value, not one nearby")]
            Ordering::Equal
                if v < newest.v || v == newest.v && labels.hash64() < newest.labels.hash64() =>
            {
                Err(ExemplarError::OutOfOrder)
            }
            Ordering::Equal => Ok(true),
            Ordering::Less if t <= newest.t.saturating_sub(self.window_ms) => {
                Err(ExemplarError::OutOfOrder)
            }
            Ordering::Less => {
                let is_there = slots.binary_search_by_key(&t, |it| self.slots[*it as usize].t);
                Ok(is_there.is_err())
            }
        }
    }

    fn push(&mut self, slot: Stored) {
        let at = self.next;
        self.next = if at + 1 == self.n_max { 0 } else { at + 1 };
        let number = u32::try_from(at).expect("the ring is shorter");
        let (series, t) = (slot.series.clone(), slot.t);
        if at == self.slots.len() {
            self.slots.push(slot);
        } else {
            let old = std::mem::replace(&mut self.slots[at], slot);
            self.forget(&old.series, number);
        }
        let slots = self.series.entry(series).or_default();
        let place = slots.partition_point(|it| self.slots[*it as usize].t <= t);
        slots.insert(place, number);
    }

    /// Takes a slot off its series.
    fn forget(&mut self, series: &Labels, number: u32) {
        let Some(slots) = self.series.get_mut(series) else { return };
        if let Some(at) = slots.iter().position(|it| *it == number) {
            slots.remove(at);
        }
        if slots.is_empty() {
            self.series.remove(series);
        }
    }

    fn resize(&mut self, n_max: usize) {
        let n_max = n_max.min(u32::MAX as usize);
        if n_max == self.n_max {
            return;
        }
        let mut slots = std::mem::take(&mut self.slots);
        // While it is not full, the first is the oldest.
        let oldest = if slots.len() == self.n_max { self.next } else { 0 };
        slots.rotate_left(oldest);
        (self.n_max, self.next) = (n_max, 0);
        self.series = HashMap::default();
        let n_gone = slots.len().saturating_sub(n_max);
        slots.into_iter().skip(n_gone).for_each(|it| self.push(it));
    }

    /// The one to be overwritten next.
    fn oldest(&self) -> Option<&Stored> {
        self.slots.get(if self.slots.len() == self.n_max { self.next } else { 0 })
    }
}

impl Metrics {
    fn register(registry: &Registry) -> Self {
        Self {
            appended: registry.counter(
                "prometheus_tsdb_exemplar_exemplars_appended_total",
                "Total number of appended exemplars.",
            ),
            out_of_order: registry.counter(
                "prometheus_tsdb_exemplar_out_of_order_exemplars_total",
                "Exemplars refused because they were out of order.",
            ),
            held: registry.gauge(
                "prometheus_tsdb_exemplar_exemplars_in_storage",
                "Number of exemplars held in memory.",
            ),
            series: registry.gauge(
                "prometheus_tsdb_exemplar_series_with_exemplars_in_storage",
                "Number of series that have exemplars in memory.",
            ),
            oldest_seconds: registry.gauge(
                "prometheus_tsdb_exemplar_last_exemplars_timestamp_seconds",
                "Timestamp of the exemplar that is overwritten next: how far back the memory for exemplars reaches.",
            ),
            max: registry.gauge(
                "prometheus_tsdb_exemplar_max_exemplars",
                "Number of exemplars that can be held in memory.",
            ),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "counts are below 2^32; seconds are shown rounded"
    )]
    fn show(&self, ring: &Ring) {
        self.held.set(ring.slots.len() as f64);
        self.series.set(ring.series.len() as f64);
        self.max.set(ring.n_max as f64);
        self.oldest_seconds.set(ring.oldest().map_or(0.0, |it| it.t as f64 / 1000.0));
    }
}
