//! The database: takes samples, keeps them, finds them again, in Prometheus's own files.
//!
//! ```text
//! Appender ─commit▶ wal::Writer ▶ head (pages of series ▸ open chunks) ─full▶ chunks_head
//!                                 late samples: beside the series ─full▶ chunks_head; wal::Writer (wbl)
//! maintenance, each minute: head ▶ block (source ▸ compact) ▶ merged blocks (plan ▸ compact) ▶ retention
//! Querier ◀merge─ blocks, head
//! ```
//!
//! [`Db::open`] opens a directory; a [`Db`] is a [`storage::Appendable`] and a [`storage::Queryable`] and
//! owns the maintenance thread. [`Db::delete`], [`Db::clean_tombstones`] and [`Db::snapshot`] are what an
//! operator orders. [`Db::open_read_only`] is for tools. [`list`], [`analyze`] and [`dump`] look
//! into blocks without opening a database.
//!
//! # Bytes of a series in the head
//!
//! For a series of ten labels, scraped each 15 s:
//!
//! | what | bytes |
//! |---|---|
//! | record: state of the open chunk 48, when it ends 8, key, newest finished chunk, tail 13, rounding 3 | 72 |
//! | slot on its page | 2 |
//! | key: ten pair numbers of two to three bytes | 21–31 |
//! | entry in the table by labels: 8 and 1, at a load of ½ to ⅞ | 10–18 |
//! | postings: ten differences of one to two bytes, room to grow ⅛ | 11–23 |
//! | open chunk: its data, on average half of 120 samples of 1.3 to 2.4 bytes, rounded up by ⅛ | 90–170 |
//! | finished chunks: 20 each, four to six between two compactions | 80–120 |
//!
//! Label pairs are shared: 16 bytes, 40 of postings, and the text, once for each distinct pair. A series
//! whose every label value is its own pays that ten times. A test holds the sum, with what is lost between
//! allocations, to 350 bytes while no chunk is finished (`tests/budget.rs`); `cargo bench -p pyrrha-tsdb`
//! measures a million series.
//!
//! # Costs
//!
//! Appending by reference looks at what the page of the series was when the batch came to it: no lock, and not the
//! record. A commit is one encoding, one `write`, and one pass over the series. Nothing is allocated but when a chunk's
//! buffer grows. A view costs one entry in a map; it holds nothing up but truncation of what it may read.
//!
//! An open chunk of histograms, or of floats with start times, is boxed behind the same record.
//!
//! Samples that come late take nothing of the above from other series: see `head/out_of_order.rs`.

pub mod agent;
pub mod analyze;
pub mod backfill;
mod blocks;
mod checkpointing;
pub mod compact;
mod cut_delay;
mod db;
mod deletion;
pub mod dump;
mod error;
mod exemplars;
pub mod floor;
mod generations;
mod head;
pub mod list;
mod memory;
mod metrics;
mod options;
pub mod plan;
mod quarantine;
pub mod retention;
mod snapshot;
pub mod source;
mod start;
mod stats;
mod sync;

pub use blocks::UploadList;
pub use db::Db;
pub use error::{AdminError, OpenError};
pub use exemplars::SeriesExemplars;
pub use floor::DiskStatus;
pub use generations::ReplayStatus;
pub use memory::MemoryStatus;
pub use options::{BLOCK_RANGE_MS_DEFAULT, Options};
pub use quarantine::Quarantined;
pub use stats::{Stat, Stats, StorageStatus};
