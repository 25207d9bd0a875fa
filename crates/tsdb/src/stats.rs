//! Numbers about the head, for `/api/v1/status/tsdb`, and what there is to say about the disk.

use crate::{DiskStatus, Quarantined};

/// A name and a number that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// A metric name, a label name, or `name=value`.
    pub name: String,
    /// How many, or how many bytes.
    pub value: u64,
}

/// What the head holds. The lists are sorted from the greatest and cut to the limit asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Series in the head.
    pub n_series: u64,
    /// Distinct `(name, value)` pairs in the head.
    pub n_label_pairs: u64,
    /// Chunks in the head, open ones included.
    pub n_chunks: u64,
    /// Time of the oldest sample in the head; `i64::MAX` if it is empty.
    pub mint: i64,
    /// Time of the newest sample in the head; `i64::MIN` if it is empty.
    pub maxt: i64,
    /// Series for each metric name.
    pub series_by_metric_name: Vec<Stat>,
    /// Distinct values for each label name.
    pub values_by_label_name: Vec<Stat>,
    /// Bytes of all values, counted once for each series, for each label name.
    pub memory_by_label_name: Vec<Stat>,
    /// Series for each `name=value`.
    pub series_by_label_pair: Vec<Stat>,
}

/// How what is on disk stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageStatus {
    /// Its room; `None` where there is no telling.
    pub disk: Option<DiskStatus>,
    /// What was damaged in the log and the head's chunks at the start, and what became of it.
    pub repairs: Vec<String>,
    /// What is damaged and was set aside, at this start or before.
    pub quarantined: Vec<Quarantined>,
    /// Blocks that cannot be read now, and are tried again.
    pub left_out: Vec<Quarantined>,
}
