//! Replay of what is beside the samples: exemplars and metadata.

use std::collections::HashMap;

use model::{Labels, Metadata, SeriesRef};
use wal::record::RefExemplar;

use super::Replay;

/// What replay of exemplars keeps until its end.
#[derive(Default)]
pub(super) struct Extras {
    /// Labels of series with exemplars, for the many of each.
    labels: HashMap<u64, Labels>,
}

impl Replay<'_> {
    pub(super) fn exemplar(&mut self, it: RefExemplar) {
        self.take_note_of(it.series.0);
        if it.t < self.min_valid || !self.head.exemplars.is_on() {
            return;
        }
        let series = self.aliases.get(&it.series.0).copied().unwrap_or(it.series.0);
        if !self.extras.labels.contains_key(&series) {
            let Some(found) = self.head.labels(series) else { return };
            self.extras.labels.insert(series, found);
        }
        self.head.exemplars.add(&self.extras.labels[&series], &it.labels, (it.t, it.v));
    }

    pub(super) fn metadata(&mut self, series: SeriesRef, metadata: Metadata) {
        let series = self.aliases.get(&series.0).copied().unwrap_or(series.0);
        self.head.metadata.learn(&[(SeriesRef(series), metadata)]);
    }
}
