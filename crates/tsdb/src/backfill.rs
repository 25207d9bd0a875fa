//! Blocks from samples that come from elsewhere, without a head: what `promtool tsdb
//! create-blocks-from` writes.
//!
//! The samples of one block are held in memory, 16 bytes each; the caller goes block by block.

use std::collections::BTreeMap;
use std::collections::btree_map::IntoIter;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use block::{Error, Meta, SEGMENT_BYTES_DEFAULT, Ulid};
use chunk::{OpenChunk, cut};
use model::Labels;
use stdx::Directory;
use stdx::gofloat::format_g;

use crate::compact::write_block;
use crate::source::{SeriesSource, SourceSeries};

/// Samples of one block, by series.
#[derive(Debug, Default)]
pub struct Backfill {
    series: BTreeMap<Labels, Vec<(i64, f64)>>,
}

/// Why a sample is not taken.
#[derive(Clone, Debug, PartialEq)]
pub enum Refused {
    /// The series has a later one.
    OutOfOrder,
    /// The series has another value at that time.
    Duplicate {
        /// When.
        t: i64,
        /// What it has.
        existing: f64,
        /// What it was to get.
        new: f64,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfOrder => f.write_str("out of order sample"),
            Self::Duplicate { t, existing, new } => write!(
                f,
                "duplicate sample for timestamp {t}; overrides not allowed: existing {}, new value {}",
                format_g(*existing),
                format_g(*new)
            ),
        }
    }
}

impl std::error::Error for Refused {}

impl Backfill {
    /// Adds a sample. The samples of a series come in the order of time.
    ///
    /// # Errors
    /// If they do not.
    pub fn add(&mut self, labels: &Labels, t: i64, v: f64) -> Result<(), Refused> {
        if !self.series.contains_key(labels) {
            self.series.insert(labels.clone(), Vec::new());
        }
        let samples = self.series.get_mut(labels).expect("put in above");
        match samples.last() {
            Some((last, _)) if t < *last => return Err(Refused::OutOfOrder),
            Some((last, existing)) if t == *last => {
                let (existing, new) = (*existing, v);
                return match existing.to_bits() == new.to_bits() {
                    true => Ok(()),
                    false => Err(Refused::Duplicate { t, existing, new }),
                };
            }
            _ => samples.push((t, v)),
        }
        Ok(())
    }

    /// Writes the block, from the first sample to the last. `now_ms` names it; chunks end at multiples of
    /// `range_ms`. `None` without samples.
    ///
    /// # Errors
    /// If the disk refuses; nothing is left behind then.
    pub fn write(
        self,
        dir: &dyn Directory,
        now_ms: i64,
        range_ms: i64,
    ) -> Result<Option<Meta>, Error> {
        let times = || self.series.values().flat_map(|it| [it.first(), it.last()]).flatten();
        let (Some(mint), Some(maxt)) = (times().map(|it| it.0).min(), times().map(|it| it.0).max())
        else {
            return Ok(None);
        };
        let chance = RandomState::new();
        let random = u128::from(chance.hash_one(1)) << 64 | u128::from(chance.hash_one(2));
        let ulid = Ulid::new(now_ms, random);
        let mut meta = Meta::new(ulid, mint, maxt.saturating_add(1));
        meta.compaction.level = 1;
        meta.compaction.sources = vec![ulid];
        let source = Source::new(self.series, range_ms);
        write_block(dir, meta, SEGMENT_BYTES_DEFAULT, &mut [Box::new(source)])
    }
}

/// The samples as what a block is written from.
struct Source {
    symbols: Vec<String>,
    rest: IntoIter<Labels, Vec<(i64, f64)>>,
    range_ms: i64,
}

impl Source {
    fn new(series: BTreeMap<Labels, Vec<(i64, f64)>>, range_ms: i64) -> Self {
        let all = series.keys().flat_map(|it| it.iter().flat_map(|(name, value)| [name, value]));
        let mut symbols: Vec<String> = std::iter::once("").chain(all).map(str::to_owned).collect();
        symbols.sort_unstable();
        symbols.dedup();
        Self { symbols, rest: series.into_iter(), range_ms }
    }

    fn position(&self, symbol: &str) -> u32 {
        let at = self.symbols.binary_search_by(|it| it.as_str().cmp(symbol));
        u32::try_from(at.expect("all are listed")).expect("less than 2^32 symbols")
    }
}

impl SeriesSource for Source {
    fn symbols(&self) -> Box<dyn Iterator<Item = &[u8]> + '_> {
        Box::new(self.symbols.iter().map(String::as_bytes))
    }

    fn next_series(&mut self, out: &mut SourceSeries) -> Result<bool, Error> {
        let Some((labels, samples)) = self.rest.next() else { return Ok(false) };
        let pair = |(name, value)| (self.position(name), self.position(value));
        out.labels.extend(labels.iter().map(pair));
        let mut open: Option<OpenChunk> = None;
        let mut next_at = 0;
        for (t, v) in samples {
            match &mut open {
                Some(it) if !cut::before_float(it.filling(), t, &mut next_at) => it.append(t, v),
                _ => {
                    if let Some(full) = open.replace(OpenChunk::start(t, v)) {
                        push(out, full);
                    }
                    next_at = cut::range_end(t, self.range_ms);
                }
            }
        }
        open.into_iter().for_each(|it| push(out, it));
        Ok(true)
    }
}

fn push(out: &mut SourceSeries, chunk: OpenChunk) {
    let (mint, maxt) = (chunk.first_t(), chunk.last_t());
    out.push_chunk(mint, maxt, chunk.finish().as_data());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_goes_back() {
        let mut it = Backfill::default();
        let a = Labels::from_pairs([("a", "1")]);
        assert_eq!(it.add(&a, 10, 1.0), Ok(()));
        assert_eq!(it.add(&a, 10, 1.0), Ok(()));
        assert_eq!(it.add(&a, 9, 1.0), Err(Refused::OutOfOrder));
        let error = it.add(&a, 10, 2.5).unwrap_err().to_string();
        assert_eq!(
            error,
            "duplicate sample for timestamp 10; overrides not allowed: existing 1, new value 2.5"
        );
    }
}
