//! Counters about blocks: compaction, reloads, retention.

use std::sync::Arc;

use block::ChunkToWrite;
use client::{Counter, Gauge, Histogram, Registry};

use crate::db::Inner;
use crate::sync::lock;

/// What the Go library takes that is not told otherwise.
const SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Doubling from a second.
const COMPACTION_SECONDS: &[f64] =
    &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0];

/// 32, and half as much again eleven times.
const CHUNK_BYTES: &[f64] = &[
    32.0,
    48.0,
    72.0,
    108.0,
    162.0,
    243.0,
    364.5,
    546.75,
    820.125,
    1230.1875,
    1_845.281_25,
    2_767.921_875,
];

/// 4, and half as much again eleven times.
const CHUNK_SAMPLES: &[f64] = &[
    4.0,
    6.0,
    9.0,
    13.5,
    20.25,
    30.375,
    45.5625,
    68.343_75,
    102.515_625,
    153.773_437_5,
    230.660_156_25,
    345.990_234_375,
];

/// Four times as much each, from 100.
const CHUNK_SECONDS: &[f64] = &[
    100.0,
    400.0,
    1600.0,
    6400.0,
    25_600.0,
    102_400.0,
    409_600.0,
    1_638_400.0,
    6_553_600.0,
    26_214_400.0,
];

/// Counters about blocks.
#[derive(Clone, Default)]
pub(crate) struct BlockMetrics {
    pub(crate) compactions: Arc<Counter>,
    pub(crate) compactions_triggered: Arc<Counter>,
    pub(crate) compactions_failed: Arc<Counter>,
    pub(crate) compactions_skipped: Arc<Counter>,
    pub(crate) stale_triggered: Arc<Counter>,
    pub(crate) stale_failed: Arc<Counter>,
    pub(crate) floor_deletions: Arc<Counter>,
    pub(crate) vertical_compactions: Arc<Counter>,
    pub(crate) populating: Arc<Gauge>,
    pub(crate) reloads: Arc<Counter>,
    pub(crate) reloads_failed: Arc<Counter>,
    pub(crate) time_retentions: Arc<Counter>,
    pub(crate) size_retentions: Arc<Counter>,
    pub(crate) corrupt: Arc<Gauge>,
    pub(crate) histograms: Option<BlockHistograms>,
}

/// Distributions about blocks.
#[derive(Clone)]
pub(crate) struct BlockHistograms {
    pub(crate) compaction_seconds: Arc<Histogram>,
    pub(crate) tombstone_cleanup_seconds: Arc<Histogram>,
    pub(crate) stale_seconds: Arc<Histogram>,
    chunk_bytes: Arc<Histogram>,
    chunk_samples: Arc<Histogram>,
    chunk_seconds: Arc<Histogram>,
}

impl BlockMetrics {
    /// Registers all of them.
    pub(crate) fn register(registry: &Registry) -> Self {
        let counter = |name, help| registry.counter(name, help);
        Self {
            compactions: counter(
                "prometheus_tsdb_compactions_total",
                "Total number of compactions that were executed for the partition.",
            ),
            compactions_triggered: counter(
                "prometheus_tsdb_compactions_triggered_total",
                "Total number of triggered compactions for the partition.",
            ),
            compactions_failed: counter(
                "prometheus_tsdb_compactions_failed_total",
                "Total number of compactions that failed for the partition.",
            ),
            stale_triggered: counter(
                "prometheus_tsdb_stale_series_compactions_triggered_total",
                "Total number of triggered stale series compactions.",
            ),
            stale_failed: counter(
                "prometheus_tsdb_stale_series_compactions_failed_total",
                "Total number of stale series compactions that failed.",
            ),
            compactions_skipped: counter(
                "prometheus_tsdb_compactions_skipped_total",
                "Total number of compactions that were put off because disk room is short.",
            ),
            floor_deletions: counter(
                "pyrrha_tsdb_disk_floor_deletions_total",
                "Total number of blocks that were removed because disk room is short.",
            ),
            vertical_compactions: counter(
                "prometheus_tsdb_vertical_compactions_total",
                "Total number of compactions done on overlapping blocks.",
            ),
            populating: registry.gauge(
                "prometheus_tsdb_compaction_populating_block",
                "Set to 1 when a block is currently being written to the disk.",
            ),
            reloads: counter(
                "prometheus_tsdb_reloads_total",
                "Number of times the database reloaded block data from disk.",
            ),
            reloads_failed: counter(
                "prometheus_tsdb_reloads_failures_total",
                "Number of times the database failed to reloadBlocks block data from disk.",
            ),
            time_retentions: counter(
                "prometheus_tsdb_time_retentions_total",
                "The number of times that blocks were deleted because the maximum time limit was exceeded.",
            ),
            size_retentions: counter(
                "prometheus_tsdb_size_retentions_total",
                "The number of times that blocks were deleted because the maximum number of bytes was exceeded.",
            ),
            corrupt: registry.gauge(
                "pyrrha_tsdb_blocks_skipped",
                "Number of blocks on disk that are left out because they cannot be read.",
            ),
            histograms: Some(BlockHistograms::register(registry)),
        }
    }

    /// Counts a compaction that took so long.
    pub(crate) fn compacted(&self, seconds: f64) {
        self.compactions.inc();
        if let Some(it) = &self.histograms {
            it.compaction_seconds.observe(seconds);
        }
    }

    /// Counts a chunk that goes into a block for the first time.
    #[expect(clippy::cast_precision_loss, reason = "sizes and times far below 2^53")]
    pub(crate) fn first_written(&self, it: &ChunkToWrite<'_>) {
        let Some(histograms) = &self.histograms else { return };
        histograms.chunk_bytes.observe(it.chunk.data.len() as f64);
        histograms.chunk_samples.observe(it.chunk.n_samples() as f64);
        histograms.chunk_seconds.observe((it.maxt.saturating_sub(it.mint) / 1000) as f64);
    }
}

impl BlockHistograms {
    fn register(registry: &Registry) -> Self {
        let histogram = |name, help, bounds| registry.histogram(name, help, bounds);
        Self {
            compaction_seconds: histogram(
                "prometheus_tsdb_compaction_duration_seconds",
                "Duration of compaction runs",
                COMPACTION_SECONDS,
            ),
            tombstone_cleanup_seconds: histogram(
                "prometheus_tsdb_tombstone_cleanup_seconds",
                "The time taken to recompact blocks to remove tombstones.",
                SECONDS,
            ),
            stale_seconds: histogram(
                "prometheus_tsdb_stale_series_compaction_duration_seconds",
                "Duration of stale series compaction runs.",
                COMPACTION_SECONDS,
            ),
            chunk_bytes: histogram(
                "prometheus_tsdb_compaction_chunk_size_bytes",
                "Final size of chunks on their first compaction",
                CHUNK_BYTES,
            ),
            chunk_samples: histogram(
                "prometheus_tsdb_compaction_chunk_samples",
                "Final number of samples on their first compaction",
                CHUNK_SAMPLES,
            ),
            chunk_seconds: histogram(
                "prometheus_tsdb_compaction_chunk_range_seconds",
                "Final time range of chunks on their first compaction",
                CHUNK_SECONDS,
            ),
        }
    }
}

/// Registers the numbers about blocks and their disk that are looked up when asked for.
#[expect(clippy::cast_precision_loss, reason = "counts and bytes are shown rounded past 2^53")]
pub(super) fn register_gauges(registry: &Registry, inner: &Arc<Inner>) {
    let gauge = |name, help, read: fn(&Inner) -> f64| {
        let inner = Arc::downgrade(inner);
        registry.gauge_fn(name, help, move || inner.upgrade().map_or(0.0, |it| read(&it)));
    };
    gauge("prometheus_tsdb_blocks_loaded", "Number of currently loaded data blocks", |it| {
        it.blocks().len() as f64
    });
    gauge(
        "prometheus_tsdb_storage_blocks_bytes",
        "The number of bytes that are currently used for local storage by all blocks.",
        |it| it.blocks().iter().map(|block| block.n_bytes()).sum::<u64>() as f64,
    );
    gauge(
        "prometheus_tsdb_retention_limit_bytes",
        "Max number of bytes to be retained in the tsdb blocks, configured 0 means disabled",
        |it| lock(&it.retention).bytes as f64,
    );
    gauge(
        "prometheus_tsdb_retention_limit_percentage",
        "Max percentage of total storage space to be retained in the tsdb blocks, configured 0 means disabled",
        |it| lock(&it.retention).percentage,
    );
    gauge(
        "prometheus_tsdb_symbol_table_size_bytes",
        "Size of symbol table in memory for loaded blocks",
        |it| it.blocks().iter().map(|block| block.index().symbol_table_bytes()).sum::<u64>() as f64,
    );
    gauge("pyrrha_tsdb_disk_free_bytes", "Free bytes of the file system of the data.", |it| {
        it.disk_status().map_or(f64::NAN, |disk| disk.free as f64)
    });
    gauge(
        "pyrrha_tsdb_disk_floor_bytes",
        "Below so many free bytes the oldest blocks are removed; 0 is never.",
        |it| it.disk_status().map_or(f64::NAN, |disk| disk.floor as f64),
    );
    gauge(
        "pyrrha_tsdb_compaction_paused",
        "1 while disk room is short, no block is left to remove, and compaction pauses.",
        |it| f64::from(u8::from(it.is_paused())),
    );
    gauge(
        "pyrrha_tsdb_quarantined",
        "Number of blocks and of cut out pieces of the log that are damaged and set aside.",
        |it| it.storage_status().quarantined.len() as f64,
    );
    gauge(
        "prometheus_tsdb_retention_limit_seconds",
        "How long to retain samples in storage.",
        |it| (lock(&it.retention).time_ms / 1000) as f64,
    );
}
