//! The write-ahead log: what was accepted, in the order in which it was, before it is visible.
//!
//! A log is a folder of numbered [`segment`] files of 128 MiB, each a row of 32 KiB pages. A
//! [`record`] (all new series of a commit, all its samples…) is compressed as a whole, cut into
//! fragments that never cross a page, and each fragment carries a checksum.
//!
//! - [`Writer`]: appends batches of records. One batch is one `write`; nothing is synced but a
//!   finished segment. A batch that fails is cut off again, so the log never keeps half of one.
//! - [`Reader`]: walks the records of a range of segments, mapped into memory.
//! - [`Tail`]: follows a log that is being written; the writer's [`Progress`] says when there is more.
//! - [`checkpoint`]: folds old segments into one folder that holds only what is still needed.
//! - [`snapshot`]: the newest chunks of the head in a log of their own, and where replay goes on from.
//! - [`repair()`]: takes what is damaged out of a log, keeps it aside, and keeps what is readable behind it.
//!
//! Costs: writing allocates nothing in the steady state; 11 bytes a sample before compression, about 8 after
//! (`docs/format/wal.md` has the figures).
//! Reading copies a record once if it is compressed or fragmented and never otherwise.
//!
//! Not here: what records mean to series (`tsdb`).

pub mod checkpoint;
mod framing;
mod metrics;
mod position;
mod reader;
pub mod record;
mod repair;
pub mod segment;
pub mod snapshot;
mod tail;
mod writer;

pub use metrics::Metrics;
pub use position::{Position, Progress};
pub use reader::{ReadError, Reader, Record};
pub use repair::{Lost, repair, skip};
pub use tail::{Next, Tail};
pub use writer::{Options, WriteError, Writer};

/// Size at which a segment ends, unless told otherwise.
pub const SEGMENT_BYTES_DEFAULT: u64 = 128 << 20;

/// How records are compressed before they are framed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// Snappy block format.
    #[default]
    Snappy,
    /// One zstd frame for each record.
    Zstd,
}
