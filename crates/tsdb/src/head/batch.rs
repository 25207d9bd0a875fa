//! What a batch holds until it is committed.
//!
//! Floats come first and are by far the most, so they have a list of their own. Within a part of a batch,
//! a log has the floats before integer histograms, and those before float histograms; a series that goes the
//! other way begins a new part, so that its samples stay in the order of time.

use std::collections::HashMap;

use chunk::{Sample, Value};
use foldhash::fast::RandomState;
use model::{FloatHistogram, Histogram, Labels, Metadata, SCHEMA_CUSTOM, SeriesRef};
use wal::record::{self, Kind, RefExemplar, RefHistogram, RefSample};

use super::held::HeldPages;
use super::index::Key;

/// Batches with more samples are not kept for reuse.
const POOLED_SAMPLES_MAX: usize = 1 << 17;
const POOLED_OTHERS_MAX: usize = 1 << 12;

/// The memory of a batch, reused.
#[derive(Default)]
pub(crate) struct Batch {
    /// Parts that are finished.
    earlier: Vec<Part>,
    part: Part,
    /// The series' labels, and the exemplar.
    pub(super) exemplars: Vec<(Labels, RefExemplar)>,
    pub(super) metadata: Vec<(SeriesRef, Metadata)>,
    records: Records,
    pub(super) key: Key,
    /// The pages it appends to, until it is applied or given up.
    pub(super) held: HeldPages,
}

/// Samples that are logged in the order of their kinds.
#[derive(Default)]
pub(super) struct Part {
    /// Floats; none if start times are stored.
    pub(super) samples: Vec<RefSample>,
    /// All other samples.
    pub(super) others: Vec<Other>,
    /// For the series of histograms, the latest of its kinds in the order of the log.
    ranks: HashMap<u64, u8, RandomState>,
}

/// A sample that is no plain float.
#[derive(Clone)]
pub(super) struct Other {
    pub(super) series: u64,
    pub(super) sample: Sample,
}

/// Buffers for records, kept from batch to batch.
#[derive(Default)]
struct Records {
    all: Vec<Vec<u8>>,
    n_used: usize,
}

impl Batch {
    /// Adds a float without a start time.
    #[inline]
    pub(super) fn push_float(&mut self, series: u64, t: i64, v: f64) {
        if !self.part.ranks.is_empty() && self.part.ranks.contains_key(&series) {
            self.begin_part();
        }
        self.part.samples.push(RefSample { series: SeriesRef(series), t, v });
    }

    /// Adds any other sample.
    pub(super) fn push_other(&mut self, series: u64, sample: Sample) {
        let rank = rank(&sample.value);
        if self.part.ranks.get(&series).is_some_and(|it| rank < *it) {
            self.begin_part();
        }
        if 0 < rank {
            self.part.ranks.insert(series, rank);
        }
        self.part.others.push(Other { series, sample });
    }

    /// The parts in their order.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.earlier.iter().chain([&self.part])
    }

    pub(super) fn clear(&mut self) {
        self.earlier.clear();
        self.part.samples.clear();
        self.part.others.clear();
        self.part.ranks.clear();
        self.exemplars.clear();
        self.metadata.clear();
    }

    /// True if its memory is worth keeping.
    pub(super) fn is_small(&self) -> bool {
        self.part.samples.capacity() < POOLED_SAMPLES_MAX
            && self.part.others.capacity() < POOLED_OTHERS_MAX
            && self.held.is_small()
    }

    /// Writes the records, in the order of the log. `with_starts`: as kinds that have start times.
    pub(super) fn encode(&mut self, with_starts: bool) -> Vec<&[u8]> {
        let Self { earlier, part, exemplars, metadata, records, .. } = self;
        records.n_used = 0;
        if !metadata.is_empty() {
            let record = records.next();
            record::start(Kind::Metadata, record);
            metadata.iter().for_each(|(it, what)| record::put_metadata(record, *it, what));
        }
        for part in earlier.iter().chain([&*part]) {
            part.put(with_starts, records);
        }
        if !exemplars.is_empty() {
            record::put_exemplars(records.next(), exemplars.iter().map(|(_, it)| it));
        }
        records.all[..records.n_used].iter().map(|it| &it[..]).collect()
    }

    fn begin_part(&mut self) {
        self.earlier.push(std::mem::take(&mut self.part));
    }
}

impl Part {
    /// Its records, in the order of the log.
    pub(super) fn records(&self, with_starts: bool) -> Vec<Vec<u8>> {
        let mut records = Records::default();
        self.put(with_starts, &mut records);
        records.all.retain(|it| !it.is_empty());
        records.all
    }

    fn put(&self, with_starts: bool, records: &mut Records) {
        if !self.samples.is_empty() {
            record::put_samples(records.next(), self.samples.iter().copied());
        }
        if self.others.is_empty() {
            return;
        }
        if with_starts { self.encode_with_starts(records) } else { self.encode(records) }
    }

    fn encode(&self, records: &mut Records) {
        let (exponential, custom) = records.next_two();
        record::put_histograms(exponential, custom, self.histograms());
        let (exponential, custom) = records.next_two();
        record::put_histograms(exponential, custom, self.float_histograms());
    }

    fn encode_with_starts(&self, records: &mut Records) {
        let mut floats = self.others.iter().filter_map(|it| match it.sample.value {
            Value::Float(v) => {
                let series = SeriesRef(it.series);
                Some((RefSample { series, t: it.sample.t, v }, it.sample.st))
            }
            _ => None,
        });
        if let Some(first) = floats.next() {
            record::put_samples_v2(records.next(), std::iter::once(first).chain(floats));
        }
        if self.histograms().next().is_some() {
            record::put_histograms_v2(records.next(), self.histograms());
        }
        if self.float_histograms().next().is_some() {
            record::put_histograms_v2(records.next(), self.float_histograms());
        }
    }

    fn histograms(&self) -> impl Iterator<Item = RefHistogram<&Histogram>> {
        self.others.iter().filter_map(|it| match &it.sample.value {
            Value::Histogram(histogram) => Some(it.logged(histogram)),
            _ => None,
        })
    }

    fn float_histograms(&self) -> impl Iterator<Item = RefHistogram<&FloatHistogram>> {
        self.others.iter().filter_map(|it| match &it.sample.value {
            Value::FloatHistogram(histogram) => Some(it.logged(histogram)),
            _ => None,
        })
    }
}

impl Other {
    fn logged<'a, H>(&self, histogram: &'a H) -> RefHistogram<&'a H> {
        let Sample { st, t, .. } = self.sample;
        RefHistogram { series: SeriesRef(self.series), t, st, histogram }
    }
}

impl Records {
    fn next(&mut self) -> &mut Vec<u8> {
        self.n_used += 1;
        if self.all.len() < self.n_used {
            self.all.push(Vec::new());
        }
        let next = &mut self.all[self.n_used - 1];
        next.clear();
        next
    }

    fn next_two(&mut self) -> (&mut Vec<u8>, &mut Vec<u8>) {
        self.next();
        self.next();
        let [.., a, b] = &mut self.all[..self.n_used] else { unreachable!("two were added") };
        (a, b)
    }
}

/// The place of a kind in the order of the log.
fn rank(value: &Value) -> u8 {
    match value {
        Value::Float(_) => 0,
        Value::Histogram(it) => 1 + u8::from(it.schema == SCHEMA_CUSTOM),
        Value::FloatHistogram(it) => 3 + u8::from(it.schema == SCHEMA_CUSTOM),
    }
}
