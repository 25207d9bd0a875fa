//! What comes beside samples: exemplars, and what families say about series.

use exposition::is_of_family;
use model::{METRIC_NAME, SeriesRef};
use storage::ExemplarError;

use crate::cache::Entry;
use crate::ingest::{Ingest, Sample};

/// The family that the lines read last are about.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Current {
    slot: Option<usize>,
    /// The page says something new about it.
    changed: bool,
}

impl Ingest<'_> {
    /// Appends the exemplars of a sample, in order of time. None fails a scrape, and that they are out of
    /// order is counted only if all are: else some were just seen before. `t`: the sample's time.
    #[inline]
    pub(crate) fn exemplars(&mut self, sample: Sample<'_>, series: SeriesRef, t: i64) {
        if sample.has_exemplars() {
            self.append_exemplars(sample, series, t);
        }
    }

    fn append_exemplars(&mut self, sample: Sample<'_>, series: SeriesRef, t: i64) {
        let mut all = sample.exemplars(t);
        all.sort_by(|a, b| a.t.cmp(&b.t).then(a.value.total_cmp(&b.value)));
        let late = all.iter().filter(|it| {
            self.appender.append_exemplar(series, it) == Err(ExemplarError::OutOfOrder)
        });
        let n_late = late.count();
        if n_late == all.len() {
            self.counts.exemplars_out_of_order += n_late;
        }
    }

    /// Notes that the lines that follow are about the family of this line.
    pub(crate) fn enter_family(&mut self, line: Entry, changed: bool) {
        if let Some(slot) = line.slot() {
            let was_changed = self.family.slot == Some(slot) && self.family.changed;
            self.family = Current { slot: Some(slot), changed: changed || was_changed };
        }
    }

    /// Hands on what the page says about a series, if that, or the series, is new.
    #[inline]
    pub(crate) fn describe_series(&mut self, sample: Sample<'_>, series: SeriesRef, is_new: bool) {
        if self.job.log_metadata && (is_new || self.family.changed) && series.0 != 0 {
            self.set_metadata(sample, series);
        }
    }

    fn set_metadata(&mut self, sample: Sample<'_>, series: SeriesRef) {
        let Some(slot) = self.family.slot else { return };
        let edited = self.edited_family(slot).cloned();
        let family = edited.or_else(|| self.cache.families().get(slot).map(|it| (**it).clone()));
        let Some(family) = family else { return };
        if sample.labels_into(&mut self.exposed).is_err() {
            return;
        }
        let name = self.exposed.get(METRIC_NAME).unwrap_or_default();
        if is_of_family(name, &family.name, family.metadata.kind) {
            // A series that is gone by now gets it when it comes back.
            let _ = self.appender.set_metadata(series, &family.metadata);
        }
    }
}
