//! What a database can be told.

use std::time::Duration;

/// Two hours: the range of a block that comes from the head, unless told otherwise.
pub const BLOCK_RANGE_MS_DEFAULT: i64 = 2 * 60 * 60 * 1000;

/// Settings of a database. [`Options::default`] is what the server uses without flags.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// How long samples are kept, in milliseconds; 0 keeps them whatever their age.
    pub retention_ms: i64,
    /// How many bytes the database may take on disk; 0 is no limit.
    pub retention_bytes: u64,
    /// As `retention_bytes`, as a share of the file system in percent; 0 is no limit. Where both are given
    /// and its size is known, this one holds.
    pub retention_percentage: f64,
    /// Below so much free room, in percent of the file system, the oldest blocks go and then compaction
    /// pauses; 0 is never.
    pub min_free_percent: f64,
    /// Range of the blocks written from the head, in milliseconds.
    pub block_range_min_ms: i64,
    /// Longest range that blocks are merged to, in milliseconds.
    pub block_range_max_ms: i64,
    /// A cut of the head waits for a random time of up to so many percent of `block_range_min_ms`.
    pub cut_delay_max_percent: u8,
    /// Size at which a log segment ends.
    pub wal_segment_bytes: u64,
    /// How log records are compressed.
    pub wal_compression: wal::Compression,
    /// Size at which a chunk file of a block ends.
    pub block_segment_bytes: u64,
    /// How late a sample may come, when its series has newer ones, in milliseconds behind the newest of all;
    /// 0 takes none.
    pub out_of_order_window_ms: i64,
    /// Series that have ended leave the head early once they are such a share of all, up to 1; 0 is never.
    pub stale_series_threshold: f64,
    /// Bytes that the process may take; near it new series are refused. 0 is no limit.
    pub memory_limit_bytes: u64,
    /// A head checkpoint is written when so many bytes were logged since the last one, and half as many as that
    /// has; 0 is never.
    pub head_checkpoint_bytes: u64,
    /// Write upstream's chunk snapshot at a clean end, and start from one that fits and that no head checkpoint
    /// stands for.
    pub snapshot_at_close: bool,
    /// How many exemplars are held in memory; 0 keeps none.
    pub exemplars_max: usize,
    /// Keep the start times of samples. Floats need `float_xor2` for it; earlier programs cannot read
    /// the log then.
    pub store_starts: bool,
    /// With `store_starts`: write chunks of histograms that have them.
    pub histogram_starts: bool,
    /// Write chunks of floats as XOR2.
    pub float_xor2: bool,
    /// Log the metadata of series when it changes.
    pub log_metadata: bool,
    /// Take the `lock` file, so that no second process writes the same directory.
    pub lock: bool,
}

impl Default for Options {
    fn default() -> Self {
        let day_ms = 24 * 60 * 60 * 1000;
        Self {
            retention_ms: 15 * day_ms,
            retention_bytes: 0,
            retention_percentage: 0.0,
            min_free_percent: 0.0,
            block_range_min_ms: BLOCK_RANGE_MS_DEFAULT,
            block_range_max_ms: 15 * day_ms / 10,
            cut_delay_max_percent: 0,
            wal_segment_bytes: wal::SEGMENT_BYTES_DEFAULT,
            wal_compression: wal::Compression::Snappy,
            block_segment_bytes: 512 << 20,
            out_of_order_window_ms: 0,
            stale_series_threshold: 0.0,
            memory_limit_bytes: 0,
            head_checkpoint_bytes: 16 << 20,
            snapshot_at_close: false,
            exemplars_max: 0,
            store_starts: false,
            histogram_starts: false,
            float_xor2: false,
            log_metadata: false,
            lock: true,
        }
    }
}

impl Options {
    /// The longest time that a cut of the head waits.
    pub(crate) fn cut_delay_max(&self) -> Duration {
        let range = Duration::from_millis(self.block_range_min_ms.max(0).cast_unsigned());
        range * u32::from(self.cut_delay_max_percent) / 100
    }
}
