//! An open block.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chunk::ChunkData;
use model::Matcher;
use stdx::Directory;
use storage::Guard;

use crate::chunk_files::ChunkFiles;
use crate::index::Index;
use crate::meta::META_FILE;
use crate::select::select;
use crate::{BlockQuerier, Error, Meta, Tombstones};

/// An open, immutable block. Its files stay mapped until the last user lets go, so it may be deleted
/// while it is read.
pub struct Block {
    path: PathBuf,
    meta: Meta,
    index: Index,
    chunks: ChunkFiles,
    tombstones: Tombstones,
    n_bytes: u64,
}

impl Block {
    /// Opens the block in folder `path` of `dir`.
    ///
    /// # Errors
    /// If a file is missing, cannot be read, or its frame is wrong. Series, postings and chunks are
    /// checked when they are read.
    pub fn open(dir: &dyn Directory, path: &Path) -> Result<Self, Error> {
        let mut meta = Meta::read(dir, path)?;
        let index = Index::open(dir, path)?;
        let chunks = ChunkFiles::open(dir, path)?;
        let (tombstones, tombstones_bytes) = Tombstones::read(dir, path)?;
        // The file says so too, but for a crash after a deletion.
        meta.stats.n_tombstones = tombstones.n_intervals();
        let meta_bytes = dir.size(&path.join(META_FILE)).unwrap_or(0);
        let n_bytes = index.n_bytes() + chunks.n_bytes() + tombstones_bytes + meta_bytes;
        Ok(Self { path: path.to_owned(), meta, index, chunks, tombstones, n_bytes })
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Its series.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// What is deleted in it.
    pub fn tombstones(&self) -> &Tombstones {
        &self.tombstones
    }

    /// Bytes of all its files.
    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// True if it may hold samples in `mint..=maxt`.
    pub fn overlaps(&self, mint: i64, maxt: i64) -> bool {
        self.meta.mint <= maxt && mint < self.meta.maxt
    }

    /// Returns the chunk at a reference of the index, after checking its checksum.
    ///
    /// # Errors
    /// If there is none, or its bytes are wrong.
    pub fn chunk(&self, reference: u64) -> Result<ChunkData<'_>, Error> {
        self.chunks.get(reference)
    }

    /// Returns the numbers of the series that fulfil all matchers, ascending, whether or not they have
    /// samples left.
    ///
    /// # Errors
    /// If the bytes of the index are wrong.
    pub fn series_matching(&self, matchers: &[Matcher]) -> Result<Vec<u32>, Error> {
        select(&self.index, matchers, &Guard::default())
    }

    /// Opens a view of `mint..=maxt`.
    pub fn querier(self: &Arc<Self>, mint: i64, maxt: i64) -> BlockQuerier {
        BlockQuerier::new(Arc::clone(self), mint, maxt)
    }
}
