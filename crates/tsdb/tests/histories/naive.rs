//! The database as a map, with what is known about each sample's fate.

use std::collections::{BTreeMap, BTreeSet};

use model::Labels;

use crate::support::Contents;

/// A sample that was acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) value: u64,
    /// The segment that the log wrote last when it was acknowledged. `None`: it was durable before.
    pub(crate) segment: Option<u32>,
}

/// All samples that a correct database shows, and those that it may show after a crash.
#[derive(Default)]
pub(crate) struct Naive {
    pub(crate) series: BTreeMap<Labels, BTreeMap<i64, Kept>>,
    /// Refused, or not answered before a crash: a start may find them.
    uncertain: BTreeMap<Labels, BTreeMap<i64, BTreeSet<u64>>>,
    /// Deleted, or removed as too old: a crash may bring them back.
    removed: Contents,
    /// The newest time of each series, deleted or not. After a start, of what was found.
    newest: BTreeMap<Labels, i64>,
    /// The newest time of each series that was ever deleted.
    newest_deleted: BTreeMap<Labels, i64>,
}

impl Naive {
    pub(crate) fn last(&self, labels: &Labels) -> Option<(i64, u64)> {
        let (t, kept) = self.series.get(labels)?.last_key_value()?;
        Some((*t, kept.value))
    }

    /// True if the database may know a sample of the series at `t` or later.
    pub(crate) fn may_be_behind(&self, labels: &Labels, t: i64) -> bool {
        let last = self.last(labels).map(|it| it.0);
        let deleted = self.newest_deleted.get(labels).copied();
        last.max(deleted).is_some_and(|last| t <= last)
    }

    /// True if somebody wrote that, be it deleted since.
    pub(crate) fn was_written(&self, labels: &Labels, t: i64, value: u64) -> bool {
        let kept = self.series.get(labels).and_then(|it| it.get(&t)).map(|it| it.value);
        let removed = self.removed.get(labels).and_then(|it| it.get(&t)).copied();
        kept == Some(value) || removed == Some(value)
    }

    /// Deletes what is within the times.
    pub(crate) fn delete(&mut self, is_matched: impl Fn(&Labels) -> bool, mint: i64, maxt: i64) {
        for (labels, samples) in self.series.iter_mut().filter(|it| is_matched(it.0)) {
            let gone: Vec<i64> = samples.range(mint..=maxt).map(|it| *it.0).collect();
            for t in gone {
                let kept = samples.remove(&t).expect("just found");
                self.removed.entry(labels.clone()).or_default().insert(t, kept.value);
                let newest = self.newest_deleted.entry(labels.clone()).or_insert(t);
                *newest = t.max(*newest);
            }
        }
        self.series.retain(|_, it| !it.is_empty());
    }

    /// Takes the samples of a batch that was acknowledged, in its order. One that is behind its series by
    /// now is left out, as the database says it does.
    pub(crate) fn acknowledge(&mut self, batch: &[(Labels, i64, u64)], segment: u32) {
        self.uncertain.clear();
        for (labels, t, value) in batch {
            if self.newest.get(labels).is_none_or(|newest| newest < t) {
                self.newest.insert(labels.clone(), *t);
                let kept = Kept { value: *value, segment: Some(segment) };
                self.series.entry(labels.clone()).or_default().insert(*t, kept);
            }
        }
    }

    /// Remembers a batch that was not acknowledged, but perhaps written.
    pub(crate) fn doubt(&mut self, batch: &[(Labels, i64, u64)]) {
        for (labels, t, value) in batch {
            let times = self.uncertain.entry(labels.clone()).or_default();
            times.entry(*t).or_default().insert(*value);
        }
    }

    /// What queries show.
    pub(crate) fn contents(&self) -> Contents {
        let values = |it: &BTreeMap<i64, Kept>| it.iter().map(|(t, v)| (*t, v.value)).collect();
        self.series.iter().map(|(labels, it)| (labels.clone(), values(it))).collect()
    }

    /// Compares with what a start found after a crash, and goes on from there.
    ///
    /// - `is_required`: says of an acknowledged sample whether the crash must have left it.
    /// - `segment`: the newest one of the log that was found; `None` if all that was found will survive
    ///   every later crash.
    ///
    /// # Panics
    /// If something required is missing, or something was found that never was written.
    pub(crate) fn survive(
        &mut self,
        found: &Contents,
        is_required: impl Fn(i64, Kept) -> bool,
        segment: Option<u32>,
    ) {
        for (labels, samples) in &self.series {
            let found = found.get(labels);
            for (t, kept) in samples {
                let is_found = found.and_then(|it| it.get(t)) == Some(&kept.value);
                assert!(
                    is_found || !is_required(*t, *kept),
                    "{labels} lost its sample at {t}, written when the log had segment {:?}",
                    kept.segment
                );
            }
        }
        let survivors = found.iter().map(|(labels, samples)| {
            let each = samples.iter().map(|(t, v)| (*t, self.known(labels, *t, *v, segment)));
            (labels.clone(), each.collect())
        });
        self.series = survivors.collect();
        let newest = |it: &BTreeMap<i64, Kept>| *it.last_key_value().expect("not empty").0;
        self.newest = self.series.iter().map(|(labels, it)| (labels.clone(), newest(it))).collect();
        self.uncertain.clear();
    }

    /// What is known of a sample that a start found.
    fn known(&self, labels: &Labels, t: i64, value: u64, segment: Option<u32>) -> Kept {
        let kept = self.series.get(labels).and_then(|it| it.get(&t)).copied();
        if let Some(kept) = kept.filter(|it| it.value == value) {
            return Kept { segment: kept.segment.and(segment).and(kept.segment), ..kept };
        }
        let is_uncertain = self.uncertain.get(labels).and_then(|it| it.get(&t));
        let is_uncertain = is_uncertain.is_some_and(|it| it.contains(&value));
        let is_removed = self.removed.get(labels).and_then(|it| it.get(&t)) == Some(&value);
        assert!(
            is_uncertain || is_removed,
            "{labels} has {value:x} at {t}, which nobody wrote; kept is {kept:?}"
        );
        Kept { value, segment }
    }

    /// Forgets what retention removed: samples before `bound` that are not in `found`.
    pub(crate) fn remove_old(&mut self, found: &Contents, bound: i64) {
        for (labels, samples) in &mut self.series {
            let found = found.get(labels);
            let gone: Vec<i64> = samples
                .range(..bound)
                .map(|(t, _)| *t)
                .filter(|t| found.is_none_or(|it| !it.contains_key(t)))
                .collect();
            for t in gone {
                let kept = samples.remove(&t).expect("just found");
                self.removed.entry(labels.clone()).or_default().insert(t, kept.value);
            }
        }
        self.series.retain(|_, it| !it.is_empty());
    }
}
