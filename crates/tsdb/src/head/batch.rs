//! What a batch holds until it is committed.

use model::{Labels, Metadata, SeriesRef};
use wal::record::{self, Kind, RefExemplar, RefSample};

use super::index::Key;

/// The memory of a batch, reused.
#[derive(Default)]
pub(crate) struct Batch {
    pub(super) samples: Vec<RefSample>,
    /// The series' labels, and the exemplar.
    pub(super) exemplars: Vec<(Labels, RefExemplar)>,
    pub(super) metadata: Vec<(SeriesRef, Metadata)>,
    /// One record of each kind, in the order of the log; some empty.
    records: [Vec<u8>; 3],
    pub(super) key: Key,
}

impl Batch {
    pub(super) fn clear(&mut self) {
        self.samples.clear();
        self.exemplars.clear();
        self.metadata.clear();
    }

    /// Writes the records.
    pub(super) fn encode(&mut self) -> [&[u8]; 3] {
        let [metadata, samples, exemplars] = &mut self.records;
        metadata.clear();
        if !self.metadata.is_empty() {
            record::start(Kind::Metadata, metadata);
            self.metadata.iter().for_each(|(it, what)| record::put_metadata(metadata, *it, what));
        }
        samples.clear();
        if !self.samples.is_empty() {
            record::put_samples(samples, self.samples.iter().copied());
        }
        exemplars.clear();
        if !self.exemplars.is_empty() {
            record::put_exemplars(exemplars, self.exemplars.iter().map(|(_, it)| it));
        }
        [metadata, samples, exemplars]
    }
}
