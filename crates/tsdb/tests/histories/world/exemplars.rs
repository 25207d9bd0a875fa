//! Exemplars, as a map: each is known by its value.

use std::collections::{BTreeMap, BTreeSet};

use model::Labels;
use tsdb::Db;

use crate::naive::{Kept, Segments};
use crate::values::all_series;

/// All exemplars that were ever written, and those that must be there.
#[derive(Default)]
pub(super) struct Exemplars {
    written: BTreeMap<u32, (Labels, i64)>,
    /// Those that were acknowledged, and the newest segments then; `None`: they were durable before.
    kept: BTreeMap<u32, Option<Segments>>,
}

impl Exemplars {
    /// Notes one that is put into a batch; returns its number.
    pub(super) fn write(&mut self, n: u32, labels: Labels, t: i64) -> u32 {
        self.written.insert(n, (labels, t));
        n
    }

    /// Takes those of a batch that was acknowledged. One that is behind its series by now is left out.
    pub(super) fn acknowledge(&mut self, batch: &[u32], segments: Segments) {
        for n in batch {
            let (labels, t) = &self.written[n];
            let mut others = self.kept.keys().map(|it| &self.written[it]);
            if others.all(|(of, at)| of != labels || at < t) {
                self.kept.insert(*n, Some(segments));
            }
        }
    }

    /// Compares with what is there.
    pub(super) fn check(&self, db: &Db) {
        self.check_required(&self.found(db), |_, _| true);
    }

    /// Compares with what a start found, and goes on from there.
    pub(super) fn survive(
        &mut self,
        db: &Db,
        is_required: impl Fn(i64, Kept) -> bool,
        segments: Option<Segments>,
    ) {
        let found = self.found(db);
        self.check_required(&found, is_required);
        let before = std::mem::take(&mut self.kept);
        for n in found {
            let known = before.get(&n).copied().unwrap_or(segments);
            self.kept.insert(n, known.and(segments).and(known));
        }
    }

    fn check_required(&self, found: &BTreeSet<u32>, is_required: impl Fn(i64, Kept) -> bool) {
        for (n, segments) in &self.kept {
            let (labels, t) = &self.written[n];
            let kept = Kept { value: 0, is_late: false, segments: *segments };
            assert!(
                found.contains(n) || !is_required(*t, kept),
                "{labels} lost its exemplar at {t}, written when the logs had {segments:?}"
            );
        }
    }

    fn found(&self, db: &Db) -> BTreeSet<u32> {
        let mut all = BTreeSet::new();
        for of_series in db.exemplars(i64::MIN, i64::MAX, &[all_series().to_vec()]) {
            for it in &of_series.exemplars {
                let n = it.labels.value("trace_id").parse().expect("we wrote numbers");
                let t = it.t.expect("all have one");
                assert_eq!(self.written.get(&n), Some(&(of_series.series.clone(), t)), "{it:?}");
                assert!(all.insert(n), "{n} comes once");
            }
        }
        all
    }
}
