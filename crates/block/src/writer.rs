//! Writes a block.

use std::path::{Path, PathBuf};

use chunk::ChunkData;
use stdx::Directory;

use crate::chunk_files::ChunkWriter;
use crate::index::{ChunkMeta, EachSymbol, IndexWriter};
use crate::meta::BlockStats;
use crate::{Error, Meta, Tombstones, Ulid};

/// What the name of a block's folder ends in while it is being written.
pub const CREATION_SUFFIX: &str = ".tmp-for-creation";
/// What it ends in while it is being removed.
pub const DELETION_SUFFIX: &str = ".tmp-for-deletion";

/// A chunk to be written, with the times of its first and last sample.
#[derive(Clone, Copy, Debug)]
pub struct ChunkToWrite<'a> {
    /// Time of the first sample.
    pub mint: i64,
    /// Time of the last sample.
    pub maxt: i64,
    /// The chunk.
    pub chunk: ChunkData<'a>,
}

/// Writes a block beside its place: series by series in label order, then [`BlockWriter::finish`]
/// makes all durable and renames it into place. Memory: that of [`IndexWriter`] and two buffers.
pub struct BlockWriter<'a> {
    dir: &'a dyn Directory,
    tmp: PathBuf,
    ulid: Ulid,
    chunks: ChunkWriter<'a>,
    index: IndexWriter<'a>,
    stats: BlockStats,
    metas: Vec<ChunkMeta>,
}

impl<'a> BlockWriter<'a> {
    /// Creates the folder `<ulid>.tmp-for-creation` and writes the symbols.
    ///
    /// # Errors
    /// As [`IndexWriter::create`].
    pub fn create(
        dir: &'a dyn Directory,
        ulid: Ulid,
        segment_bytes_max: u64,
        symbols: &EachSymbol<'_>,
    ) -> Result<Self, Error> {
        let tmp = PathBuf::from(format!("{ulid}{CREATION_SUFFIX}"));
        if dir.exists(&tmp).map_err(Error::io(&tmp))? {
            dir.remove_dir_all(&tmp).map_err(Error::io(&tmp))?;
        }
        let chunks = ChunkWriter::create(dir, &tmp, segment_bytes_max)?;
        let index = IndexWriter::create(dir, &tmp, symbols)?;
        Ok(Self { dir, tmp, ulid, chunks, index, stats: BlockStats::default(), metas: Vec::new() })
    }

    /// Adds a series with its chunks, which ascend in time. Labels are positions in the symbols. A
    /// series without chunks is left out.
    ///
    /// # Errors
    /// As [`IndexWriter::add_series`].
    pub fn add_series<'c>(
        &mut self,
        labels: &[(u32, u32)],
        chunks: impl IntoIterator<Item = ChunkToWrite<'c>>,
    ) -> Result<(), Error> {
        let mut metas = std::mem::take(&mut self.metas);
        metas.clear();
        for it in chunks {
            let reference = self.chunks.put(it.chunk)?;
            metas.push(ChunkMeta { mint: it.mint, maxt: it.maxt, reference });
            self.count(it.chunk);
        }
        if !metas.is_empty() {
            self.index.add_series(labels, &metas)?;
            self.stats.n_series += 1;
        }
        self.metas = metas;
        Ok(())
    }

    /// Makes the block durable and gives it its name; `describe` completes what is known about it.
    /// Without any sample there is no block: all is removed again.
    ///
    /// # Errors
    /// If the disk refuses; what was written is removed.
    pub fn finish(self, meta: Meta) -> Result<Option<Meta>, Error> {
        let (dir, tmp) = (self.dir, self.tmp.clone());
        let finished = self.complete(meta);
        if !matches!(finished, Ok(Some(_))) {
            remove(dir, &tmp);
        }
        finished
    }

    /// Gives the block up and removes what was written.
    pub fn discard(self) {
        let Self { dir, tmp, chunks, index, .. } = self;
        drop((chunks, index));
        remove(dir, &tmp);
    }

    fn complete(self, mut meta: Meta) -> Result<Option<Meta>, Error> {
        let Self { dir, tmp, ulid, chunks, index, stats, .. } = self;
        chunks.finish()?;
        index.finish()?;
        if stats.n_samples == 0 {
            return Ok(None);
        }
        meta.ulid = ulid;
        meta.stats = stats;
        meta.write(dir, &tmp)?;
        Tombstones::default().write(dir, &tmp)?;
        dir.sync_dir(&tmp).map_err(Error::io(&tmp))?;
        let path = PathBuf::from(ulid.to_string());
        dir.rename(&tmp, &path).map_err(Error::io(&path))?;
        dir.sync_dir(Path::new("")).map_err(Error::io(&path))?;
        Ok(Some(meta))
    }

    fn count(&mut self, chunk: ChunkData<'_>) {
        let n = chunk.n_samples() as u64;
        self.stats.n_chunks += 1;
        self.stats.n_samples += n;
        if chunk.encoding.is_float() {
            self.stats.n_float_samples += n;
        } else {
            self.stats.n_histogram_samples += n;
        }
    }
}

/// Removes an unfinished block as far as the disk allows: the start-up of the database does it again.
fn remove(dir: &dyn Directory, tmp: &Path) {
    let _ = dir.remove_dir_all(tmp);
}
