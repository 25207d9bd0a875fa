//! The chunks of one series on their way into a block.

use block::{ChunkToWrite, Error, Intervals};
use chunk::{Chunk, ChunkData, Columns, Encoding, Purpose, Rebuilder, Rebuilt, Sample};
use storage::Samples;

use crate::source::SourceSeries;

/// Collects the chunks of one series from all sources and makes them fit the block.
pub(super) struct Pieces {
    mint: i64,
    /// Last millisecond of the block.
    maxt: i64,
    pieces: Vec<Rebuilt>,
    floats: Samples,
}

/// A chunk of the block as the writer takes it.
pub(super) fn to_write(piece: &Rebuilt) -> ChunkToWrite<'_> {
    ChunkToWrite { mint: piece.mint, maxt: piece.maxt, chunk: piece.chunk.as_data() }
}

impl Pieces {
    /// Starts for a block of `mint..maxt`.
    pub(super) fn new(mint: i64, maxt: i64) -> Self {
        let maxt = maxt.saturating_sub(1);
        Self { mint, maxt, pieces: Vec::new(), floats: Samples::default() }
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
                self.pieces.push(Rebuilt { mint: it.mint, maxt: it.maxt, chunk });
            } else {
                self.add_trimmed(chunk, deleted)?;
            }
        }
        Ok(())
    }

    /// Merges what overlaps. The result ascends in time.
    pub(super) fn join(&mut self) -> Result<&[Rebuilt], Error> {
        self.pieces.sort_by_key(|it| (it.mint, it.maxt));
        let overlaps = |it: &[Rebuilt]| it[1].mint <= it[0].maxt;
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
        let mut rebuilder = Rebuilder::new(Purpose::Trim(chunk.encoding));
        if chunk.encoding.is_float() {
            self.floats.clear();
            self.decode_floats(chunk)?;
            for at in (0..self.floats.t.len()).filter(|at| !deleted.contains(self.floats.t[*at])) {
                self.push_float(&mut rebuilder, at);
            }
        } else {
            let mut samples = Vec::new();
            self.decode(chunk, &mut samples)?;
            samples.iter().filter(|it| !deleted.contains(it.t)).for_each(|it| rebuilder.push(it));
        }
        self.pieces.extend(rebuilder.finish());
        Ok(())
    }

    /// Merges chunks that overlap. Of equal times the one of the first chunk stays.
    fn add_merged(&mut self, run: &[Rebuilt]) -> Result<(), Error> {
        // What was written as XOR2 somewhere is written so again.
        let xor2 = run.iter().any(|it| it.chunk.encoding == Encoding::Xor2);
        let mut rebuilder = Rebuilder::new(Purpose::Merge { xor2 });
        if run.iter().all(|it| it.chunk.encoding.is_float()) {
            self.floats.clear();
            for it in run {
                self.decode_floats(it.chunk.as_data())?;
            }
            let t = &self.floats.t;
            let mut order: Vec<usize> = (0..t.len()).collect();
            order.sort_by_key(|at| t[*at]);
            order.dedup_by_key(|at| t[*at]);
            order.into_iter().for_each(|at| self.push_float(&mut rebuilder, at));
        } else {
            let mut samples = Vec::new();
            for it in run {
                self.decode(it.chunk.as_data(), &mut samples)?;
            }
            samples.sort_by_key(|it| it.t);
            samples.dedup_by_key(|it| it.t);
            samples.iter().for_each(|it| rebuilder.push(it));
        }
        self.pieces.extend(rebuilder.finish());
        Ok(())
    }

    fn push_float(&self, rebuilder: &mut Rebuilder, at: usize) {
        rebuilder.push_float(self.floats.start(at), self.floats.t[at], self.floats.v[at]);
    }

    /// Appends the samples of a chunk of floats in the block's range to the columns.
    fn decode_floats(&mut self, chunk: ChunkData<'_>) -> Result<(), Error> {
        let Samples { st, t, v, histogram_st, histogram_t, histogram } = &mut self.floats;
        let mut columns = Columns { st, t, v, histogram_st, histogram_t, histogram };
        chunk::decode(chunk, self.mint, self.maxt, &mut columns)
            .map_err(|it| Error::Refused(it.to_string()))
    }

    /// Appends the samples of a chunk in the block's range.
    fn decode(&self, chunk: ChunkData<'_>, out: &mut Vec<Sample>) -> Result<(), Error> {
        chunk::decode_samples(chunk, self.mint, self.maxt, out)
            .map_err(|it| Error::Refused(it.to_string()))
    }
}
