//! What a block is written from.

use std::ops::Range;
use std::path::{Path, PathBuf};

use block::index::SeriesEntry;
use block::{Error, Index, Interval, Intervals, SequentialChunks, Tombstones};
use chunk::{ChunkData, Encoding};
use stdx::Directory;

/// Series in label order with their chunks: a head, or a block that is merged with others.
pub trait SeriesSource {
    /// Walks the symbols: all label names and values, sorted bytewise, none twice. Symbols that no
    /// series uses are allowed. Asked for more than once; gives the same each time.
    fn symbols(&self) -> Box<dyn Iterator<Item = &[u8]> + '_>;

    /// Moves to the next series in label order and fills `out`, which arrives empty. Returns false
    /// after the last.
    ///
    /// # Errors
    /// If a series or chunk cannot be read.
    fn next_series(&mut self, out: &mut SourceSeries) -> Result<bool, Error>;
}

/// A series on its way into a block. Kept by the caller and filled again and again.
#[derive(Clone, Debug, Default)]
pub struct SourceSeries {
    /// `(name, value)`, sorted by name, each the position in [`SeriesSource::symbols`].
    pub labels: Vec<(u32, u32)>,
    /// What is left out of the block.
    pub deleted: Intervals,
    chunks: Vec<SourceChunk>,
    data: Vec<u8>,
}

/// A chunk of a [`SourceSeries`].
#[derive(Clone, Debug)]
pub(crate) struct SourceChunk {
    pub(crate) mint: i64,
    pub(crate) maxt: i64,
    encoding: Encoding,
    data: Range<usize>,
}

impl SourceSeries {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.labels.clear();
        self.deleted.clear();
        self.chunks.clear();
        self.data.clear();
    }

    /// Adds a chunk with the times of its first and last sample. Chunks may overlap and come in any
    /// order; the data is copied.
    pub fn push_chunk(&mut self, mint: i64, maxt: i64, chunk: ChunkData<'_>) {
        let start = self.data.len();
        self.data.extend_from_slice(chunk.data);
        self.chunks.push(SourceChunk {
            mint,
            maxt,
            encoding: chunk.encoding,
            data: start..self.data.len(),
        });
    }

    pub(crate) fn chunks(&self) -> impl Iterator<Item = (&SourceChunk, ChunkData<'_>)> {
        self.chunks
            .iter()
            .map(|it| (it, ChunkData { encoding: it.encoding, data: &self.data[it.data.clone()] }))
    }
}

/// A block as a source: its index mapped, its chunks read in order through one small window.
pub(crate) struct BlockSource {
    path: PathBuf,
    index: Index,
    chunks: SequentialChunks,
    tombstones: Tombstones,
    /// Series to come.
    numbers: std::vec::IntoIter<u32>,
    entry: SeriesEntry,
    /// What series call each symbol, where that is not its position (index version 1).
    symbol_numbers: Option<Vec<u32>>,
}

impl BlockSource {
    pub(crate) fn open(dir: &dyn Directory, block: &Path) -> Result<Self, Error> {
        let index = Index::open(dir, block)?;
        let chunks = SequentialChunks::open(dir, block)?;
        let (tombstones, _) = Tombstones::read(dir, block)?;
        let numbers: Vec<u32> = index.all_postings()?.iter().collect();
        let by_position = index.symbols().zip(0..).all(|((number, _), at)| number == at);
        let symbol_numbers = (!by_position).then(|| index.symbols().map(|it| it.0).collect());
        let (path, numbers) = (block.to_owned(), numbers.into_iter());
        Ok(Self {
            path,
            index,
            chunks,
            tombstones,
            numbers,
            entry: SeriesEntry::default(),
            symbol_numbers,
        })
    }

    fn position(&self, number: u32) -> Result<u32, Error> {
        let known = match &self.symbol_numbers {
            None => Some(number).filter(|it| (*it as usize) < self.index.n_symbols()),
            Some(all) => all.binary_search(&number).ok().and_then(|it| u32::try_from(it).ok()),
        };
        let place = || self.path.display().to_string();
        known.ok_or_else(|| Error::Corrupt {
            place: place(),
            reason: format!("unknown symbol offset {number}"),
        })
    }
}

impl SeriesSource for BlockSource {
    fn symbols(&self) -> Box<dyn Iterator<Item = &[u8]> + '_> {
        Box::new(self.index.symbols().map(|it| it.1))
    }

    fn next_series(&mut self, out: &mut SourceSeries) -> Result<bool, Error> {
        let Some(number) = self.numbers.next() else { return Ok(false) };
        self.index.read_series(number, &mut self.entry)?;
        for (name, value) in &self.entry.labels {
            out.labels.push((self.position(*name)?, self.position(*value)?));
        }
        if let Some(deleted) = self.tombstones.get(u64::from(number)) {
            deleted.as_slice().iter().for_each(|it: &Interval| out.deleted.add(*it));
        }
        for it in &self.entry.chunks {
            out.push_chunk(it.mint, it.maxt, self.chunks.get(it.reference)?);
        }
        Ok(true)
    }
}
