//! A block as the rest of the house reads it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use chunk::Columns;
use model::{Labels, LabelsRef, Matcher, Speller};
use storage::{Guard, ListHints, Querier, ReadError, Samples, SelectHints, SeriesSet};

use crate::index::{ChunkMeta, SeriesEntry};
use crate::select::select;
use crate::tombstones::Intervals;
use crate::{Block, Error};

/// Series looked at before it is asked whether to go on.
const SERIES_PER_CHECK: usize = 4096;

/// Values of a label looked at before it is asked whether to go on.
const VALUES_PER_CHECK: usize = 1024;

/// Roughly what a symbol's number takes in a set, and its text where it is collected.
const SYMBOL_BYTES: usize = 32;

/// Chunks read before it is asked whether to go on: some hundred thousand samples.
const CHUNKS_PER_CHECK: usize = 512;

/// A view of a time range of a block.
pub struct BlockQuerier {
    block: Arc<Block>,
    mint: i64,
    maxt: i64,
}

impl BlockQuerier {
    pub(crate) fn new(block: Arc<Block>, mint: i64, maxt: i64) -> Self {
        Self { block, mint, maxt }
    }

    /// Returns the label values among selected series: by reading each series, or by trying each
    /// value, whichever is less.
    fn values_among(
        &self,
        name: &str,
        matchers: &[Matcher],
        hints: &ListHints,
    ) -> Result<Vec<String>, ReadError> {
        let index = self.block.index();
        let numbers = select(index, matchers, &hints.guard)?;
        if numbers.len() < index.n_values(name) {
            let Some(symbol) = index.find_symbol(name) else { return Ok(Vec::new()) };
            let value_of = |(it, value)| (it == symbol).then_some(value);
            return self.symbols_among(&numbers, hints, value_of);
        }
        let mut values = Vec::new();
        for (n, (value, offset)) in index.values_with_lists(name, "").enumerate() {
            if n % VALUES_PER_CHECK == VALUES_PER_CHECK - 1 {
                hints.guard.check(size_of_val(&values[..]))?;
            }
            // Trying a value again and again would be slow for matchers on the label itself.
            let refuses = |it: &Matcher| it.name() == name && !it.matches(value);
            if matchers.iter().any(refuses) {
                continue;
            }
            let list = index.postings_at(offset)?;
            let mut finder = list.cursor();
            let is_there = if list.len() < numbers.len() {
                list.iter().any(|it| numbers.binary_search(&it).is_ok())
            } else {
                numbers.iter().any(|it| finder.contains(*it))
            };
            if is_there {
                values.push(value);
            }
        }
        hints.collect(values.into_iter())
    }

    /// Reads the labels of series and collects what `pick` finds in them, sorted.
    fn symbols_among(
        &self,
        numbers: &[u32],
        hints: &ListHints,
        pick: impl Fn((u32, u32)) -> Option<u32>,
    ) -> Result<Vec<String>, ReadError> {
        let index = self.block.index();
        let (mut entry, mut found) = (SeriesEntry::default(), BTreeSet::new());
        for (n, number) in numbers.iter().enumerate() {
            if n % SERIES_PER_CHECK == SERIES_PER_CHECK - 1 {
                hints.guard.check(SYMBOL_BYTES * found.len())?;
            }
            index.read_labels(*number, &mut entry)?;
            found.extend(entry.labels.iter().copied().filter_map(&pick));
        }
        // Symbols are numbered in their order.
        let texts: Result<Vec<&str>, Error> =
            found.into_iter().map(|it| index.symbol(it)).collect();
        hints.collect(texts?.into_iter())
    }

    /// Reads each selected series once: one that is broken ends the query here, and one without a chunk
    /// in the range is left out.
    fn with_chunks(
        &self,
        numbers: Vec<u32>,
        (mint, maxt): (i64, i64),
        hints: &SelectHints,
    ) -> Result<Vec<Selected>, ReadError> {
        let limit = hints.limit;
        let index = self.block.index();
        let (mut entry, mut kept) = (SeriesEntry::default(), Vec::with_capacity(numbers.len()));
        for (n, number) in numbers.into_iter().enumerate() {
            if n % SERIES_PER_CHECK == SERIES_PER_CHECK - 1 {
                hints.guard.check(0)?;
            }
            if 0 < limit && kept.len() == limit {
                break;
            }
            index.read_series(number, &mut entry)?;
            index.check_labels(&entry)?;
            let deleted = self.block.tombstones().get(u64::from(number));
            let mut wanted = entry.chunks.iter().filter(|it| is_wanted(it, mint, maxt, deleted));
            if let Some(first) = wanted.next() {
                let only = wanted.next().is_none().then_some(*first);
                kept.push(Selected { number, only });
            }
        }
        Ok(kept)
    }
}

impl Querier for BlockQuerier {
    fn select(
        &self,
        hints: &SelectHints,
        matchers: &[Matcher],
    ) -> Result<Box<dyn SeriesSet>, ReadError> {
        let numbers = select(self.block.index(), matchers, &hints.guard)?;
        // Hints that name no range leave the view's own.
        let (mint, maxt) = match (hints.mint, hints.maxt) {
            (0, 0) => (self.mint, self.maxt),
            (mint, maxt) => (mint.max(self.mint), maxt.min(self.maxt)),
        };
        let series = self.with_chunks(numbers, (mint, maxt), hints)?;
        let (block, guard) = (Arc::clone(&self.block), hints.guard.clone());
        Ok(Box::new(BlockSeries { block, mint, maxt, series, guard }))
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        hints: &ListHints,
    ) -> Result<Vec<String>, ReadError> {
        if matchers.is_empty() {
            let values = self.block.index().values(name, "");
            return hints.collect(values.filter(|it| !it.is_empty()));
        }
        self.values_among(name, matchers, hints)
    }

    fn label_names(
        &self,
        matchers: &[Matcher],
        hints: &ListHints,
    ) -> Result<Vec<String>, ReadError> {
        if matchers.is_empty() {
            return hints.collect(self.block.index().label_names());
        }
        let numbers = select(self.block.index(), matchers, &hints.guard)?;
        self.symbols_among(&numbers, hints, |(name, _)| Some(name))
    }

    fn n_listed(&self, name: Option<&str>) -> usize {
        let index = self.block.index();
        name.map_or_else(|| index.label_names().count(), |name| index.n_values(name))
    }
}

/// Selected series of a block, in label order.
struct BlockSeries {
    block: Arc<Block>,
    /// What they were selected for.
    mint: i64,
    maxt: i64,
    series: Vec<Selected>,
    guard: Guard,
}

/// A selected series.
#[derive(Clone, Copy)]
struct Selected {
    number: u32,
    /// Its chunk, if it has one only in the range it was selected for: an instant query finds it here.
    only: Option<ChunkMeta>,
}

impl SeriesSet for BlockSeries {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.series[..])
    }

    fn labels(&self, at: usize) -> Labels {
        let (index, mut entry) = (self.block.index(), SeriesEntry::default());
        let number = self.series[at].number;
        let labels = index.read_labels(number, &mut entry).and_then(|()| index.labels(&entry));
        // The same bytes were read and checked when the series was selected.
        labels.unwrap_or_default()
    }

    fn each_labels(&self, each: &mut dyn FnMut(usize, LabelsRef<'_>) -> ControlFlow<()>) {
        let (index, mut entry) = (self.block.index(), SeriesEntry::default());
        let mut speller = Speller::default();
        let pair = |(name, value)| Ok::<_, Error>((index.symbol(name)?, index.symbol(value)?));
        for (at, it) in self.series.iter().enumerate() {
            let spelled = index
                .read_labels(it.number, &mut entry)
                .and_then(|()| speller.spell(entry.labels.iter().copied(), pair));
            // As in `labels`.
            if each(at, spelled.unwrap_or(LabelsRef::EMPTY)).is_break() {
                return;
            }
        }
    }

    fn read(&self, at: usize, mint: i64, maxt: i64, out: &mut Samples) -> Result<(), ReadError> {
        let Selected { number, only } = self.series[at];
        let deleted = self.block.tombstones().get(u64::from(number));
        if let Some(only) = only
            && self.mint <= mint
            && maxt <= self.maxt
        {
            return match is_wanted(&only, mint, maxt, deleted) {
                true => read_chunk(&self.block, &only, mint, maxt, deleted, out),
                false => Ok(()),
            };
        }
        let mut entry = SeriesEntry::default();
        self.block.index().read_series(number, &mut entry)?;
        let wanted = entry.chunks.iter().filter(|it| is_wanted(it, mint, maxt, deleted));
        for (n, it) in wanted.enumerate() {
            if n % CHUNKS_PER_CHECK == CHUNKS_PER_CHECK - 1 {
                self.guard.check(out.bytes())?;
            }
            read_chunk(&self.block, it, mint, maxt, deleted, out)?;
        }
        Ok(())
    }
}

/// True if the chunk may hold samples in `mint..=maxt` that are not deleted.
fn is_wanted(chunk: &ChunkMeta, mint: i64, maxt: i64, deleted: Option<&Intervals>) -> bool {
    mint <= chunk.maxt
        && chunk.mint <= maxt
        && !deleted.is_some_and(|it| it.covers(chunk.mint, chunk.maxt))
}

fn read_chunk(
    block: &Block,
    meta: &ChunkMeta,
    mint: i64,
    maxt: i64,
    deleted: Option<&Intervals>,
    out: &mut Samples,
) -> Result<(), ReadError> {
    let chunk = block.chunk(meta.reference)?;
    let mark = out.mark();
    let Samples { st, t, v, histogram_st, histogram_t, histogram } = out;
    let mut columns = Columns { st, t, v, histogram_st, histogram_t, histogram };
    chunk::decode(chunk, mint, maxt, &mut columns).map_err(|it| ReadError::Corrupt {
        place: format!("{} chunk {}", block.path().display(), meta.reference),
        reason: it.to_string(),
    })?;
    if let Some(deleted) = deleted.filter(|it| it.overlaps(meta.mint, meta.maxt)) {
        out.retain_since(mark, |t| !deleted.contains(t));
    }
    Ok(())
}
