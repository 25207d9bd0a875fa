//! The database as a map, with what is known about each sample's fate.

use std::collections::{BTreeMap, BTreeSet};

use model::Labels;

use crate::support::Contents;

/// A sample that was put into a batch.
#[derive(Clone, Debug)]
pub(crate) struct Added {
    pub(crate) labels: Labels,
    pub(crate) t: i64,
    pub(crate) value: u64,
    /// It may be taken out of order.
    pub(crate) is_late: bool,
    /// Nobody else wrote before its batch ended: what was admitted is taken.
    pub(crate) is_admitted: bool,
}

/// The newest segments of the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segments {
    pub(crate) wal: u32,
    pub(crate) wbl: u32,
}

/// A sample that was acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) value: u64,
    pub(crate) is_late: bool,
    /// The newest segments when it was acknowledged. `None`: it was durable before.
    pub(crate) segments: Option<Segments>,
}

/// Values by time; of one time there may be several.
type Candidates = BTreeMap<Labels, BTreeMap<i64, BTreeSet<u64>>>;

/// All samples that a correct database shows, and those that it may show.
#[derive(Default)]
pub(crate) struct Naive {
    series: BTreeMap<Labels, BTreeMap<i64, Kept>>,
    /// Refused, or not answered before a crash: a start may find them, also a later one, as one that has no
    /// room to repair the log passes over what the next one finds.
    uncertain: Candidates,
    /// As those; and they may be seen at any time.
    doubtful: Candidates,
    /// Removed as too old, or lost, or perhaps deleted: the files may have them still.
    removed: Contents,
    /// Deleted, with the newest segments then: only what takes the deletion brings them back.
    gone: BTreeMap<Labels, BTreeMap<i64, Kept>>,
    /// Acknowledged, but left out as older than its series: damage to the log may bring it back.
    left_out: Contents,
    /// The newest time of each series, deleted or not. After a start, of what was found.
    newest: BTreeMap<Labels, i64>,
    /// What was ever deleted of each series.
    deleted: BTreeMap<Labels, Vec<(i64, i64)>>,
    /// The newest time of each series that was ever deleted.
    newest_deleted: BTreeMap<Labels, i64>,
    /// Times that were ever offered.
    offered: BTreeMap<Labels, BTreeSet<i64>>,
}

impl Naive {
    pub(crate) fn last(&self, labels: &Labels) -> Option<(i64, u64)> {
        let (t, kept) = self.series.get(labels)?.last_key_value()?;
        Some((*t, kept.value))
    }

    /// The newest sample of all.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.series.values().filter_map(|it| Some(*it.last_key_value()?.0)).max()
    }

    /// True if the database may know a sample of the series at `t` or later.
    pub(crate) fn may_be_behind(&self, labels: &Labels, t: i64) -> bool {
        let last = self.last(labels).map(|it| it.0);
        let deleted = self.newest_deleted.get(labels).copied();
        let doubtful = self.doubtful.get(labels).and_then(|it| it.last_key_value()).map(|it| *it.0);
        last.max(deleted).max(doubtful).is_some_and(|last| t <= last)
    }

    /// Notes that the series is offered a sample at `t`; false if it was before.
    pub(crate) fn offer(&mut self, labels: &Labels, t: i64) -> bool {
        self.offered.entry(labels.clone()).or_default().insert(t)
    }

    /// True if somebody wrote that, be it deleted since, left out, or never answered.
    pub(crate) fn was_written(&self, labels: &Labels, t: i64, value: u64) -> bool {
        let kept = self.series.get(labels).and_then(|it| it.get(&t)).map(|it| it.value);
        let is_in = |all: &Contents| all.get(labels).and_then(|it| it.get(&t)) == Some(&value);
        kept == Some(value)
            || is_in(&self.removed)
            || is_in(&self.left_out)
            || has(&self.uncertain, labels, t, value)
            || self.deleted(labels, t, value).is_some()
            || self.is_doubtful(labels, t, value)
    }

    /// What is known of the deletion of a sample.
    fn deleted(&self, labels: &Labels, t: i64, value: u64) -> Option<Kept> {
        let gone = self.gone.get(labels)?.get(&t)?;
        (gone.value == value).then_some(*gone)
    }

    /// True if that may be seen, but need not.
    pub(crate) fn is_doubtful(&self, labels: &Labels, t: i64, value: u64) -> bool {
        has(&self.doubtful, labels, t, value)
    }

    /// True if a view may see that, though it was opened before.
    pub(crate) fn may_see_later(
        &self,
        labels: &Labels,
        (t, value): (i64, u64),
        is_beside: bool,
    ) -> bool {
        let kept = self.series.get(labels).and_then(|it| it.get(&t));
        kept.is_some_and(|it| it.value == value && (is_beside || it.is_late))
            || self.is_doubtful(labels, t, value)
    }

    /// Deletes what is within the times; `in_part`: perhaps not all of it.
    pub(crate) fn delete(
        &mut self,
        is_matched: impl Fn(&Labels) -> bool,
        (mint, maxt): (i64, i64),
        (in_part, segments): (bool, Segments),
    ) {
        for (labels, samples) in self.series.iter_mut().filter(|it| is_matched(it.0)) {
            self.deleted.entry(labels.clone()).or_default().push((mint, maxt));
            let gone: Vec<i64> = samples.range(mint..=maxt).map(|it| *it.0).collect();
            for t in gone {
                let kept = samples.remove(&t).expect("just found");
                if in_part {
                    self.removed.entry(labels.clone()).or_default().insert(t, kept.value);
                    note(&mut self.doubtful, labels, t, kept.value);
                } else {
                    let gone = Kept { segments: Some(segments), ..kept };
                    self.gone.entry(labels.clone()).or_default().insert(t, gone);
                }
                let newest = self.newest_deleted.entry(labels.clone()).or_insert(t);
                *newest = t.max(*newest);
            }
        }
        self.series.retain(|_, it| !it.is_empty());
    }

    /// Takes the samples of a batch that was acknowledged, in its order. One that is behind its series by
    /// now is left out, as the database says it does, unless it takes samples out of order.
    pub(crate) fn acknowledge(&mut self, batch: &[Added], segments: Segments, takes_late: bool) {
        for Added { labels, t, value, is_late, is_admitted } in batch {
            let is_behind = self.newest.get(labels).is_some_and(|newest| t <= newest);
            let is_late = *is_late || is_behind && !is_admitted;
            let deleted = self.deleted.get(labels).into_iter().flatten();
            if is_late && deleted.clone().any(|it| it.0 <= *t && *t <= it.1) {
                // What is deleted in the head concerns samples out of order that come later, too.
                note(&mut self.doubtful, labels, *t, *value);
            } else if takes_late || *is_admitted || !is_behind {
                let kept = Kept { value: *value, is_late, segments: Some(segments) };
                self.series.entry(labels.clone()).or_default().insert(*t, kept);
            } else {
                self.left_out.entry(labels.clone()).or_default().insert(*t, *value);
            }
            let newest = self.newest.entry(labels.clone()).or_insert(*t);
            *newest = (*newest).max(*t);
        }
    }

    /// Remembers a batch that was not acknowledged, but perhaps written. If samples of it may be out of
    /// order, it may be seen, too: their own log comes last.
    pub(crate) fn doubt(&mut self, batch: &[Added], takes_late: bool) {
        let is_behind =
            |it: &Added| self.newest.get(&it.labels).is_some_and(|newest| it.t <= *newest);
        let may_be_seen = takes_late && batch.iter().any(|it| it.is_late || is_behind(it));
        let fate = if may_be_seen { &mut self.doubtful } else { &mut self.uncertain };
        batch.iter().for_each(|it| note(fate, &it.labels, it.t, it.value));
    }

    /// What queries show, apart from doubtful samples.
    pub(crate) fn contents(&self) -> Contents {
        let values = |it: &BTreeMap<i64, Kept>| it.iter().map(|(t, v)| (*t, v.value)).collect();
        self.series.iter().map(|(labels, it)| (labels.clone(), values(it))).collect()
    }

    /// Compares with what was found of some series within some times.
    ///
    /// # Panics
    /// If something is missing, or nobody wrote it.
    pub(crate) fn check(
        &self,
        found: &Contents,
        is_matched: impl Fn(&Labels) -> bool,
        (mint, maxt): (i64, i64),
    ) {
        for (labels, samples) in self.series.iter().filter(|it| is_matched(it.0)) {
            let found = found.get(labels);
            for (t, kept) in samples.range(mint..=maxt) {
                let value = found.and_then(|it| it.get(t)).copied();
                let is_right = value == Some(kept.value)
                    || value.is_none_or(|it| self.is_doubtful(labels, *t, it))
                        && self.is_doubtful(labels, *t, kept.value);
                assert!(is_right, "{labels} at {t} has {value:x?}, not {kept:x?}");
            }
        }
        for (labels, samples) in found {
            assert!(is_matched(labels), "{labels} was not asked for");
            let known = self.series.get(labels);
            for (t, v) in samples {
                let is_known =
                    known.is_some_and(|it| it.contains_key(t)) || self.is_doubtful(labels, *t, *v);
                assert!(is_known, "{labels} has {v:x} at {t}, which nobody wrote");
                assert!(mint <= *t && *t <= maxt, "{t} was not asked for");
            }
        }
    }

    /// Compares with what somebody finds who reads all of the files, as a start does.
    pub(crate) fn check_beside(&self, mut found: Contents) {
        for (labels, samples) in &mut found {
            let (known, removed) = (self.series.get(labels), self.removed.get(labels));
            let is_known = |t: &i64| known.is_some_and(|it| it.contains_key(t));
            let is_removed = |t: &i64, v: &u64| removed.and_then(|it| it.get(t)) == Some(v);
            let is_uncertain = |t: &i64, v: &u64| has(&self.uncertain, labels, *t, *v);
            samples.retain(|t, v| is_known(t) || !is_removed(t, v) && !is_uncertain(t, v));
        }
        self.check(&found, |_| true, (i64::MIN, i64::MAX));
    }

    /// Compares with what a start found, and goes on from there.
    ///
    /// - `is_required`: says of an acknowledged sample whether it must have been left; and of a deleted one, whether
    ///   its deletion must.
    /// - `segments`: the newest ones that were found; `None` if all that was found will survive every later
    ///   crash.
    ///
    /// # Panics
    /// If something required is missing, or something was found that never was written.
    pub(crate) fn survive(
        &mut self,
        found: &Contents,
        is_required: impl Fn(i64, Kept) -> bool,
        segments: Option<Segments>,
    ) {
        for (labels, samples) in &self.series {
            let found = found.get(labels);
            for (t, kept) in samples {
                let is_found = found.and_then(|it| it.get(t)) == Some(&kept.value);
                assert!(
                    is_found || !is_required(*t, *kept) || self.is_doubtful(labels, *t, kept.value),
                    "{labels} lost its sample at {t}, written when the logs had {:?}",
                    kept.segments
                );
            }
        }
        // A start that had no room to repair the log passes over what the next one finds.
        for (labels, samples) in &self.series {
            let found = found.get(labels);
            for (t, kept) in
                samples.iter().filter(|it| found.is_none_or(|all| !all.contains_key(it.0)))
            {
                self.removed.entry(labels.clone()).or_default().insert(*t, kept.value);
            }
        }
        let survivors = found.iter().map(|(labels, samples)| {
            let known = |(t, v): (&i64, &u64)| {
                let is_back = self.deleted(labels, *t, *v).is_some_and(|it| !is_required(*t, it));
                (*t, self.known(labels, *t, *v, (segments, is_back)))
            };
            (labels.clone(), samples.iter().map(known).collect())
        });
        self.series = survivors.collect();
        // What was deleted is back if the deletion was lost, now or at a later start that reads more of the log.
        for (labels, gone) in &self.gone {
            for (t, kept) in gone.iter().filter(|(t, kept)| !is_required(**t, **kept)) {
                self.removed.entry(labels.clone()).or_default().insert(*t, kept.value);
            }
        }
        for (labels, gone) in &mut self.gone {
            let found = found.get(labels);
            gone.retain(|t, _| found.is_none_or(|it| !it.contains_key(t)));
            gone.values_mut()
                .for_each(|it| it.segments = it.segments.and(segments).and(it.segments));
        }
        let newest = |it: &BTreeMap<i64, Kept>| *it.last_key_value().expect("not empty").0;
        self.newest = self.series.iter().map(|(labels, it)| (labels.clone(), newest(it))).collect();
    }

    /// What is known of a sample that a start found.
    fn known(
        &self,
        labels: &Labels,
        t: i64,
        value: u64,
        (segments, is_back): (Option<Segments>, bool),
    ) -> Kept {
        let kept = self.series.get(labels).and_then(|it| it.get(&t)).copied();
        if let Some(kept) = kept.filter(|it| it.value == value) {
            return Kept { segments: kept.segments.and(segments).and(kept.segments), ..kept };
        }
        let is_uncertain =
            has(&self.uncertain, labels, t, value) || self.is_doubtful(labels, t, value);
        let is_removed = self.removed.get(labels).and_then(|it| it.get(&t)) == Some(&value);
        assert!(
            is_uncertain || is_removed || is_back,
            "{labels} has {value:x} at {t}, which nobody wrote; kept is {kept:?}"
        );
        // Nobody knows whether it was taken out of order.
        Kept { value, is_late: true, segments }
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
        // With a block goes what says that some of it was deleted, while the log may have it still.
        for (labels, gone) in &self.gone {
            let old = gone.range(..bound).map(|(t, kept)| (*t, kept.value));
            self.removed.entry(labels.clone()).or_default().extend(old);
        }
    }
}

fn note(fate: &mut Candidates, labels: &Labels, t: i64, value: u64) {
    fate.entry(labels.clone()).or_default().entry(t).or_default().insert(value);
}

fn has(fate: &Candidates, labels: &Labels, t: i64, value: u64) -> bool {
    fate.get(labels).and_then(|it| it.get(&t)).is_some_and(|it| it.contains(&value))
}
