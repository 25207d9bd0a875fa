//! Late samples beside the series of a page.

use std::collections::BTreeMap;

use chunk::{Purpose, Rebuilder, Rebuilt, Sample, Value};
use model::{FloatHistogram, Histogram};

use super::super::chunk_files::ChunkAt;

/// Samples held before they become a chunk.
pub(super) const OPEN_MAX: usize = 32;

/// A late sample: 32 bytes, and a histogram.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LateSample {
    st: i64,
    pub(crate) t: i64,
    value: LateValue,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
enum LateValue {
    Float(f64),
    Histogram(Box<Histogram>),
    FloatHistogram(Box<FloatHistogram>),
}

/// A chunk of late samples in `chunks_head`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LateChunk {
    pub(crate) mint: i64,
    pub(crate) maxt: i64,
    pub(crate) at: ChunkAt,
}

/// The late samples of one series.
#[derive(Clone, Debug, Default)]
pub(crate) struct LateSeries {
    /// Sorted, each time once.
    pub(super) open: Vec<LateSample>,
    /// As they were written; they may overlap.
    pub(super) mapped: Vec<LateChunk>,
}

/// The series of a page that have late samples.
#[derive(Default)]
pub(crate) struct LateTable(BTreeMap<u64, LateSeries>);

impl LateSeries {
    /// Adds a sample; false if there is one at its time, which stays.
    pub(super) fn insert(&mut self, sample: LateSample) -> bool {
        match self.open.binary_search_by_key(&sample.t, |it| it.t) {
            Ok(_) => false,
            Err(at) => {
                self.open.insert(at, sample);
                true
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.mapped.is_empty()
    }

    /// True if a sample may lie in `mint..=maxt`.
    fn overlaps(&self, mint: i64, maxt: i64) -> bool {
        let first_after = self.open.partition_point(|it| it.t < mint);
        self.open.get(first_after).is_some_and(|it| it.t <= maxt)
            || self.mapped.iter().any(|it| it.overlaps(mint, maxt))
    }
}

impl LateChunk {
    pub(super) fn overlaps(&self, mint: i64, maxt: i64) -> bool {
        self.mint <= maxt && mint <= self.maxt
    }
}

impl LateTable {
    pub(crate) fn has(&self, series: u64) -> bool {
        self.0.contains_key(&series)
    }

    /// True if a late sample of the series may lie in `mint..=maxt`.
    pub(crate) fn overlaps(&self, series: u64, mint: i64, maxt: i64) -> bool {
        self.0.get(&series).is_some_and(|it| it.overlaps(mint, maxt))
    }

    /// Times of the first and the last late sample of a series; `None` without any.
    pub(crate) fn time_range(&self, series: u64) -> Option<(i64, i64)> {
        let late = self.0.get(&series)?;
        let open = late.open.first().zip(late.open.last()).map(|(first, last)| (first.t, last.t));
        let all = late.mapped.iter().map(|it| (it.mint, it.maxt)).chain(open);
        all.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    pub(super) fn get(&self, series: u64) -> Option<&LateSeries> {
        self.0.get(&series)
    }

    pub(super) fn get_mut(&mut self, series: u64) -> Option<&mut LateSeries> {
        self.0.get_mut(&series)
    }

    /// The chunks of a series.
    pub(crate) fn mapped(&self, series: u64) -> &[LateChunk] {
        self.get(series).map_or(&[], |it| &it.mapped)
    }

    /// Times of the first and the last sample of each chunk.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (i64, i64)> {
        self.0.values().flat_map(|it| &it.mapped).map(|it| (it.mint, it.maxt))
    }

    /// Adds a chunk to a series, unless it has it.
    pub(crate) fn add_mapped(&mut self, series: u64, chunk: LateChunk) {
        let mapped = &mut self.make(series).mapped;
        if mapped.iter().all(|it| it.at != chunk.at) {
            mapped.push(chunk);
        }
    }

    /// What a series has, or room for it.
    pub(super) fn make(&mut self, series: u64) -> &mut LateSeries {
        self.0.entry(series).or_default()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u64, &mut LateSeries)> {
        self.0.iter_mut().map(|(series, it)| (*series, it))
    }

    /// Forgets a series.
    pub(crate) fn remove(&mut self, series: u64) {
        self.0.remove(&series);
    }

    /// Forgets the chunks up to `last`; returns how many there were.
    pub(super) fn drop_until(&mut self, last: ChunkAt) -> usize {
        let before = self.n_chunks();
        self.0.values_mut().for_each(|it| it.mapped.retain(|chunk| last < chunk.at));
        let dropped = before - self.n_chunks();
        self.0.retain(|_, it| !it.is_empty());
        dropped
    }

    /// The lowest chunk file that is needed.
    pub(crate) fn file_min(&self) -> Option<u32> {
        self.0.values().flat_map(|it| &it.mapped).map(|it| it.at.file).min()
    }

    /// Counts chunks, those that grow included.
    pub(crate) fn n_chunks(&self) -> usize {
        self.0.values().map(|it| it.mapped.len() + usize::from(!it.open.is_empty())).sum()
    }

    /// Bytes of memory held, nearly.
    pub(crate) fn heap_bytes(&self) -> usize {
        let of_one = |it: &LateSeries| {
            size_of::<(u64, LateSeries)>()
                + it.open.capacity() * size_of::<LateSample>()
                + it.mapped.capacity() * size_of::<LateChunk>()
        };
        self.0.values().map(of_one).sum()
    }
}

impl LateSample {
    /// A float without a start time.
    pub(crate) fn float(t: i64, v: f64) -> Self {
        Self { st: 0, t, value: LateValue::Float(v) }
    }

    pub(crate) fn is_histogram(&self) -> bool {
        !matches!(self.value, LateValue::Float(_))
    }

    /// The value of a float without a start time.
    pub(super) fn plain_float(&self) -> Option<f64> {
        match self.value {
            LateValue::Float(v) if self.st == 0 => Some(v),
            _ => None,
        }
    }

    pub(super) fn to_sample(&self) -> Sample {
        let value = match &self.value {
            LateValue::Float(v) => Value::Float(*v),
            LateValue::Histogram(it) => Value::Histogram((**it).clone()),
            LateValue::FloatHistogram(it) => Value::FloatHistogram((**it).clone()),
        };
        Sample { st: self.st, t: self.t, value }
    }
}

impl From<&Sample> for LateSample {
    fn from(it: &Sample) -> Self {
        let value = match &it.value {
            Value::Float(v) => LateValue::Float(*v),
            Value::Histogram(it) => LateValue::Histogram(Box::new(it.clone())),
            Value::FloatHistogram(it) => LateValue::FloatHistogram(Box::new(it.clone())),
        };
        Self { st: it.st, t: it.t, value }
    }
}

/// Makes chunks of sorted samples.
pub(super) fn encode(samples: &[LateSample]) -> Vec<Rebuilt> {
    let mut rebuilder = Rebuilder::new(Purpose::OutOfOrder);
    for it in samples {
        match &it.value {
            LateValue::Float(v) => rebuilder.push_float(it.st, it.t, *v),
            LateValue::Histogram(histogram) => {
                rebuilder.push_histogram(it.st, it.t, (&**histogram).into());
            }
            LateValue::FloatHistogram(histogram) => {
                rebuilder.push_histogram(it.st, it.t, (&**histogram).into());
            }
        }
    }
    rebuilder.finish()
}
