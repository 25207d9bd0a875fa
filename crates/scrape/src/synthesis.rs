//! Start times for what counts without saying since when.
//!
//! The first value of such a series is not stored: it is what had been counted when we came. Later ones are stored
//! without it, and with the time of the first as their start. A value that falls has started anew just before it.

use std::collections::HashMap;

use exposition::PageValue;
use model::{CounterResetHint, FloatHistogram, Histogram};
use promql_engine::{accumulate, compact, is_reset};
use storage::AppendError;

/// What is remembered of the series of a target, by the hash of their text in the page.
#[derive(Debug, Default)]
pub(crate) struct Baselines(HashMap<u64, Baseline, foldhash::fast::FixedState>);

/// Since when a series counts, and from where.
#[derive(Debug)]
struct Baseline {
    st: i64,
    /// `None`: from nothing.
    before: Option<PageValue>,
    /// Of the last sample.
    t: i64,
    last: PageValue,
}

impl Baselines {
    /// What to store of a sample: its start time, and what was counted since then. `None` for the first one.
    ///
    /// # Errors
    /// If it is not newer than the last one. One that is older forgets the series, as whatever storage refuses does.
    pub(crate) fn since(
        &mut self,
        series: u64,
        t: i64,
        value: &PageValue,
    ) -> Result<Option<(i64, PageValue)>, AppendError> {
        let Some(known) = self.0.get_mut(&series) else {
            let (before, last) = (Some(value.clone()), value.clone());
            self.0.insert(series, Baseline { st: t, before, t, last });
            return Ok(None);
        };
        if t == known.t {
            return Err(AppendError::DuplicateHistogram);
        }
        if t < known.t {
            self.0.remove(&series);
            return Err(AppendError::OutOfOrder);
        }
        if has_fallen(&known.last, value) {
            (known.st, known.before) = (t - 1, None);
        }
        (known.t, known.last) = (t, value.clone());
        let counted = known.before.as_ref().map_or_else(|| value.clone(), |it| less(value, it));
        Ok(Some((known.st, counted)))
    }

    /// Forgets a series: its next value is a first one.
    pub(crate) fn forget(&mut self, series: u64) {
        self.0.remove(&series);
    }

    /// Forgets the series that `is_kept` does not know.
    pub(crate) fn retain(&mut self, is_kept: impl Fn(u64) -> bool) {
        self.0.retain(|series, _| is_kept(*series));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// True if the exporter has started anew between two values. One of another kind has nothing to do with the other.
fn has_fallen(before: &PageValue, now: &PageValue) -> bool {
    match (before, now) {
        (PageValue::Float(before), PageValue::Float(now)) => now < before,
        (PageValue::Float(_), _) | (_, PageValue::Float(_)) => true,
        (before, now) => is_reset(&floats(before), &floats(now)),
    }
}

/// What was counted between two values, of which the later one has not fallen below the other.
fn less(now: &PageValue, before: &PageValue) -> PageValue {
    match (now, before) {
        (PageValue::Float(now), PageValue::Float(before)) => PageValue::Float(now - before),
        _ => {
            let counted = accumulate(&floats(now), &floats(before), true);
            let mut counted = counted.expect("layouts that do not agree are a reset");
            // A difference is marked as a gauge; this one counts.
            counted.hint = CounterResetHint::Unknown;
            compact(&mut counted);
            match now {
                PageValue::Histogram(_) => PageValue::Histogram(Box::new(whole(counted))),
                _ => PageValue::FloatHistogram(Box::new(counted)),
            }
        }
    }
}

fn floats(value: &PageValue) -> FloatHistogram {
    match value {
        PageValue::Histogram(it) => it.to_float(),
        PageValue::FloatHistogram(it) => (**it).clone(),
        PageValue::Float(_) => FloatHistogram::default(),
    }
}

/// The same with integer counts: all are whole, and none is below zero.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole numbers")]
fn whole(it: FloatHistogram) -> Histogram {
    let deltas = |counts: &[f64]| {
        let mut before = 0;
        let counts = counts.iter().map(|it| *it as i64);
        counts.map(|it| it - std::mem::replace(&mut before, it)).collect()
    };
    Histogram {
        hint: it.hint,
        schema: it.schema,
        zero_threshold: it.zero_threshold,
        zero_count: it.zero_count as u64,
        count: it.count as u64,
        sum: it.sum,
        positive_deltas: deltas(&it.positive_buckets),
        negative_deltas: deltas(&it.negative_buckets),
        positive_spans: it.positive_spans,
        negative_spans: it.negative_spans,
        custom_values: it.custom_values,
    }
}
