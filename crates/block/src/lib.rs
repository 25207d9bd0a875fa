//! The immutable block: index, chunk files, tombstones, meta. Byte for byte Prometheus's formats, both
//! ways; one page each in `docs/format/`.
//!
//! ```text
//! <ULID>/  meta.json       Meta         what the block is
//!          index           Index        labels ▸ postings ▸ series ▸ chunk references
//!          chunks/000001…  ChunkFiles   chunk references ▸ data
//!          tombstones      Tombstones   deleted intervals
//! ```
//!
//! Reading: [`Block::open`] maps the files and checks their frames; [`Block::querier`] gives a
//! [`storage::Querier`]. Matchers become lists of series numbers read in place from the mapped index;
//! samples are decoded from the mapped chunks straight into the caller's columns. Every checksum is
//! checked when its bytes are read, and a broken one ends the query with the file and the offset.
//!
//! Memory of an open block: half a byte a symbol, 4 bytes for every 32nd label value, some 50 a label
//! name; the rest is mapped and belongs to the page cache. A selection holds 4 bytes a series.
//!
//! Writing: [`BlockWriter`] takes symbols, then series in label order, and makes the block appear whole
//! or not at all.
//!
//! Not here: which blocks to write, merge or remove (`tsdb`).

mod block;
mod chunk_files;
mod delete;
mod error;
pub mod index;
mod link;
pub mod meta;
mod output;
mod querier;
mod repair;
mod select;
mod take;
pub mod tombstones;
mod ulid;
mod uploaded;
mod writer;

pub use block::Block;
pub use chunk_files::{CHUNKS_DIR, SEGMENT_BYTES_DEFAULT, SequentialChunks};
pub use error::Error;
pub use index::Index;
pub use meta::{BlockStats, Compaction, Meta, Parent};
pub use querier::BlockQuerier;
pub use repair::repair_version;
pub use tombstones::{Interval, Intervals, Tombstones};
pub use ulid::Ulid;
pub use uploaded::parse_uploaded;
pub use writer::{BlockWriter, CREATION_SUFFIX, ChunkToWrite, DELETION_SUFFIX};
