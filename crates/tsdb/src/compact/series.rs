//! The chunks of one series on their way into a block.

use block::{ChunkToWrite, Error, Intervals};
use chunk::{Chunk, ChunkData, Columns, Encoding, OpenChunk, cut};

use crate::source::SourceSeries;

/// Collects the chunks of one series from all sources and makes them fit the block.
pub(super) struct Pieces {
    mint: i64,
    /// Last millisecond of the block.
    maxt: i64,
    pieces: Vec<Piece>,
    t: Vec<i64>,
    v: Vec<f64>,
}

/// A chunk of the block.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    mint: i64,
    maxt: i64,
    chunk: Chunk,
}

impl Piece {
    pub(super) fn to_write(&self) -> ChunkToWrite<'_> {
        ChunkToWrite { mint: self.mint, maxt: self.maxt, chunk: self.chunk.as_data() }
    }
}

impl Pieces {
    /// Starts for a block of `mint..maxt`.
    pub(super) fn new(mint: i64, maxt: i64) -> Self {
        Self {
            mint,
            maxt: maxt.saturating_sub(1),
            pieces: Vec::new(),
            t: Vec::new(),
            v: Vec::new(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.pieces.clear();
    }

    /// Adds what a source has of the series: without what is deleted, and cut to the block's range.
    pub(super) fn add(&mut self, series: &SourceSeries) -> Result<(), Error> {
        let deleted = &series.deleted;
        for (it, chunk) in series.chunks() {
            if it.maxt < self.mint || self.maxt < it.mint || deleted.covers(it.mint, it.maxt) {
                continue;
            }
            let is_within = self.mint <= it.mint && it.maxt <= self.maxt;
            if is_within && !deleted.overlaps(it.mint, it.maxt) {
                let chunk = Chunk { encoding: chunk.encoding, data: chunk.data.into() };
                self.pieces.push(Piece { mint: it.mint, maxt: it.maxt, chunk });
            } else {
                self.add_trimmed(chunk, deleted)?;
            }
        }
        Ok(())
    }

    /// Merges what overlaps. The result ascends in time.
    pub(super) fn join(&mut self) -> Result<&[Piece], Error> {
        self.pieces.sort_by_key(|it| (it.mint, it.maxt));
        let overlaps = |it: &[Piece]| it[1].mint <= it[0].maxt;
        if self.pieces.windows(2).any(overlaps) {
            self.pieces.dedup();
            let mut rest = std::mem::take(&mut self.pieces).into_iter().peekable();
            while let Some(first) = rest.next() {
                let mut maxt = first.maxt;
                let mut run = vec![first];
                while let Some(next) = rest.next_if(|it| it.mint <= maxt) {
                    maxt = maxt.max(next.maxt);
                    run.push(next);
                }
                if run.len() == 1 { self.pieces.append(&mut run) } else { self.add_merged(&run)? }
            }
        }
        Ok(&self.pieces)
    }

    fn add_trimmed(&mut self, chunk: ChunkData<'_>, deleted: &Intervals) -> Result<(), Error> {
        self.t.clear();
        self.v.clear();
        self.decode(chunk)?;
        let mut open = None;
        for (t, v) in self.t.iter().zip(&self.v).filter(|it| !deleted.contains(*it.0)) {
            append(&mut open, *t, *v);
        }
        self.pieces.extend(open.map(finish));
        Ok(())
    }

    fn add_merged(&mut self, run: &[Piece]) -> Result<(), Error> {
        self.t.clear();
        self.v.clear();
        for it in run {
            self.decode(it.chunk.as_data())?;
        }
        let mut order: Vec<usize> = (0..self.t.len()).collect();
        order.sort_by_key(|at| self.t[*at]);
        order.dedup_by_key(|at| self.t[*at]);
        for samples in order.chunks(cut::SAMPLES_PER_CHUNK) {
            let mut open = None;
            for at in samples {
                append(&mut open, self.t[*at], self.v[*at]);
            }
            self.pieces.extend(open.map(finish));
        }
        Ok(())
    }

    /// Appends the samples of a chunk in the block's range to the columns.
    fn decode(&mut self, chunk: ChunkData<'_>) -> Result<(), Error> {
        // Histograms would be decoded beside the floats, and lost: their encodings are refused.
        if chunk.encoding != Encoding::Xor {
            let encoding = chunk.encoding.byte();
            return Err(Error::Refused(format!("chunk encoding {encoding} is not merged yet")));
        }
        let (histogram_t, histogram) = (&mut Vec::new(), &mut Vec::new());
        let (st, histogram_st) = (&mut Vec::new(), &mut Vec::new());
        let (t, v) = (&mut self.t, &mut self.v);
        let mut columns = Columns { st, t, v, histogram_st, histogram_t, histogram };
        chunk::decode(chunk, self.mint, self.maxt, &mut columns)
            .map_err(|it| Error::Refused(it.to_string()))
    }
}

fn append(open: &mut Option<OpenChunk>, t: i64, v: f64) {
    match open {
        Some(open) => open.append(t, v),
        None => *open = Some(OpenChunk::start(t, v)),
    }
}

fn finish(open: OpenChunk) -> Piece {
    Piece { mint: open.first_t(), maxt: open.last_t(), chunk: open.finish() }
}
