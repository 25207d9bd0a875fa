//! What the database tells about itself, under the names that dashboards know.

mod blocks;
mod head_checkpoint;

use std::sync::Arc;

use client::{Counter, Gauge, Histogram, Registry, Summary};

use crate::db::Inner;
pub(crate) use blocks::BlockMetrics;
pub(crate) use head_checkpoint::HeadCheckpointMetrics;

/// Counters that the head and the database add to. Numbers that can be looked up are registered beside
/// these, in [`crate::Db::open`].
#[derive(Clone, Default)]
pub(crate) struct Metrics {
    /// Of floats, then of histograms; so are those that follow.
    pub(crate) samples_appended: [Arc<Counter>; 2],
    pub(crate) out_of_order: [Arc<Counter>; 2],
    pub(crate) out_of_bound: [Arc<Counter>; 2],
    pub(crate) too_old: [Arc<Counter>; 2],
    pub(crate) late_appended: [Arc<Counter>; 2],
    pub(crate) seconds_late: Option<Arc<Histogram>>,
    /// Of the log of out-of-order samples.
    pub(crate) wbl: wal::Metrics,
    pub(crate) series_created: Arc<Counter>,
    pub(crate) series_removed: Arc<Counter>,
    pub(crate) chunks_created: Arc<Counter>,
    pub(crate) chunks_removed: Arc<Counter>,
    pub(crate) active_appenders: Arc<Gauge>,
    pub(crate) appenders_created: Arc<Counter>,
    pub(crate) mmap_chunks: Arc<Counter>,
    pub(crate) mmap_corruptions: Arc<Counter>,
    pub(crate) truncations: Arc<Counter>,
    pub(crate) truncations_failed: Arc<Counter>,
    pub(crate) wal_corruptions: Arc<Counter>,
    pub(crate) wal_truncations: Arc<Counter>,
    pub(crate) wal_truncations_failed: Arc<Counter>,
    pub(crate) checkpoints: Arc<Counter>,
    pub(crate) checkpoints_failed: Arc<Counter>,
    pub(crate) checkpoint_deletions: Arc<Counter>,
    pub(crate) checkpoint_deletions_failed: Arc<Counter>,
    pub(crate) unknown_series: Arc<Counter>,
    pub(crate) unknown_samples: [Arc<Counter>; 2],
    pub(crate) unknown_tombstones: Arc<Counter>,
    pub(crate) unknown_late_samples: Arc<Counter>,
    pub(crate) replay_seconds: Arc<Gauge>,
    pub(crate) snapshot_replay_errors: Arc<Counter>,
    pub(crate) head_checkpoint: HeadCheckpointMetrics,
    pub(crate) blocks: BlockMetrics,
    pub(crate) clean_start: Arc<Gauge>,
    pub(crate) gc_seconds: Option<Arc<Summary>>,
    pub(crate) wal_truncate_seconds: Option<Arc<Summary>>,
}

/// Ten minutes to twelve hours.
const SECONDS_LATE: &[f64] = &[600.0, 1800.0, 3600.0, 7200.0, 10800.0, 21600.0, 43200.0];

impl Metrics {
    /// Registers all of them.
    pub(crate) fn register(registry: &Registry) -> Self {
        let counter = |name, help| registry.counter(name, help);
        let by_kind = |name, help| {
            let family = registry.counters(name, help, &["type"]);
            ["float", "histogram"].map(|kind| family.get(&[kind]))
        };
        let unknown = registry.counters(
            "prometheus_tsdb_wal_replay_unknown_refs_total",
            "Total number of unknown series references encountered during WAL replay.",
            &["type"],
        );
        Self {
            samples_appended: by_kind("prometheus_tsdb_head_samples_appended_total", "Total number of appended samples."),
            out_of_order: by_kind(
                "prometheus_tsdb_out_of_order_samples_total",
                "Total number of out of order samples ingestion failed attempts due to out of order being disabled.",
            ),
            out_of_bound: by_kind(
                "prometheus_tsdb_out_of_bound_samples_total",
                "Total number of out of bound samples ingestion failed attempts with out of order support disabled.",
            ),
            too_old: by_kind(
                "prometheus_tsdb_too_old_samples_total",
                "Total number of out of order samples ingestion failed attempts with out of support enabled, but sample outside of time window.",
            ),
            late_appended: by_kind(
                "prometheus_tsdb_head_out_of_order_samples_appended_total",
                "Total number of appended out of order samples.",
            ),
            seconds_late: Some(registry.histogram(
                "prometheus_tsdb_sample_ooo_delta",
                "Delta in seconds by which a sample is considered out of order (reported regardless of OOO time window and whether sample is accepted or not).",
                SECONDS_LATE,
            )),
            wbl: wal::Metrics::register_out_of_order(registry),
            series_created: counter("prometheus_tsdb_head_series_created_total", "Total number of series created in the head"),
            series_removed: counter("prometheus_tsdb_head_series_removed_total", "Total number of series removed in the head"),
            chunks_created: counter("prometheus_tsdb_head_chunks_created_total", "Total number of chunks created in the head"),
            chunks_removed: counter("prometheus_tsdb_head_chunks_removed_total", "Total number of chunks removed in the head"),
            active_appenders: registry
                .gauge("prometheus_tsdb_head_active_appenders", "Number of currently active appender transactions"),
            appenders_created: appenders_created(registry),
            mmap_chunks: counter("prometheus_tsdb_mmap_chunks_total", "Total number of chunks that were memory-mapped."),
            mmap_corruptions: counter(
                "prometheus_tsdb_mmap_chunk_corruptions_total",
                "Total number of memory-mapped chunk corruptions.",
            ),
            truncations: counter("prometheus_tsdb_head_truncations_total", "Total number of head truncations attempted."),
            truncations_failed: counter(
                "prometheus_tsdb_head_truncations_failed_total",
                "Total number of head truncations that failed.",
            ),
            wal_corruptions: counter("prometheus_tsdb_wal_corruptions_total", "Total number of WAL corruptions."),
            wal_truncations: counter("prometheus_tsdb_wal_truncations_total", "Total number of write log truncations attempted."),
            wal_truncations_failed: counter(
                "prometheus_tsdb_wal_truncations_failed_total",
                "Total number of write log truncations that failed.",
            ),
            checkpoints: counter(
                "prometheus_tsdb_checkpoint_creations_total",
                "Total number of checkpoint creations attempted.",
            ),
            checkpoints_failed: counter(
                "prometheus_tsdb_checkpoint_creations_failed_total",
                "Total number of checkpoint creations that failed.",
            ),
            checkpoint_deletions: counter(
                "prometheus_tsdb_checkpoint_deletions_total",
                "Total number of checkpoint deletions attempted.",
            ),
            checkpoint_deletions_failed: counter(
                "prometheus_tsdb_checkpoint_deletions_failed_total",
                "Total number of checkpoint deletions that failed.",
            ),
            unknown_series: unknown.get(&["series"]),
            unknown_samples: ["samples", "histograms"].map(|kind| unknown.get(&[kind])),
            unknown_tombstones: unknown.get(&["tombstones"]),
            unknown_late_samples: unknown_late_samples(registry),
            replay_seconds: registry.gauge(
                "prometheus_tsdb_data_replay_duration_seconds",
                "Time taken to replay the data on disk.",
            ),
            snapshot_replay_errors: snapshot_replay_errors(registry),
            head_checkpoint: HeadCheckpointMetrics::register(registry),
            blocks: BlockMetrics::register(registry),
            clean_start: registry.gauge(
                "prometheus_tsdb_clean_start",
                "-1: lockfile is disabled. 0: a lockfile from a previous execution was replaced. 1: lockfile creation was clean",
            ),
            gc_seconds: Some(registry.summary(
                "prometheus_tsdb_head_gc_duration_seconds",
                "Runtime of garbage collection in the head block.",
                &[],
            )),
            wal_truncate_seconds: Some(registry.summary(
                "prometheus_tsdb_wal_truncate_duration_seconds",
                "Duration of WAL truncation.",
                &[],
            )),
        }
    }
}

fn appenders_created(registry: &Registry) -> Arc<Counter> {
    let name = "prometheus_tsdb_head_appenders_created_total";
    registry.counter(name, "Total number of head appenders created.")
}

fn snapshot_replay_errors(registry: &Registry) -> Arc<Counter> {
    let name = "prometheus_tsdb_snapshot_replay_error_total";
    registry.counter(name, "Total number snapshot replays that failed.")
}

fn unknown_late_samples(registry: &Registry) -> Arc<Counter> {
    let name = "prometheus_tsdb_wbl_replay_unknown_refs_total";
    let help = "Total number of unknown series references encountered during WBL replay.";
    registry.counters(name, help, &["type"]).get(&["samples"])
}

/// Registers the numbers that are looked up when asked for. They end with the database.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts, bytes and milliseconds are shown rounded past 2^53"
)]
pub(crate) fn register_gauges(registry: &Registry, inner: &Arc<Inner>) {
    let gauge = |name, help, read: fn(&Inner) -> f64| {
        let inner = Arc::downgrade(inner);
        registry.gauge_fn(name, help, move || inner.upgrade().map_or(0.0, |it| read(&it)));
    };
    gauge("prometheus_tsdb_head_series", "Total number of series in the head block.", |it| {
        it.head().n_series_and_chunks().0 as f64
    });
    gauge("prometheus_tsdb_head_chunks", "Total number of chunks in the head block.", |it| {
        it.head().n_series_and_chunks().1 as f64
    });
    gauge(
        "prometheus_tsdb_head_stale_series",
        "Total number of stale series in the head block.",
        |it| it.head().n_stale() as f64,
    );
    gauge(
        "prometheus_tsdb_head_native_histogram_series",
        "Number of series in the head whose open chunk holds native histograms.",
        |it| it.head().n_histograms().0 as f64,
    );
    gauge(
        "prometheus_tsdb_head_native_histogram_buckets",
        "Number of buckets of the native histograms in open chunks of the head.",
        |it| it.head().n_histograms().1 as f64,
    );
    gauge(
        "prometheus_tsdb_head_min_time",
        "Minimum time bound of the head block in milliseconds.",
        |it| it.head().time_range().0 as f64,
    );
    gauge(
        "prometheus_tsdb_head_max_time",
        "Maximum timestamp of the head block in milliseconds.",
        |it| it.head().time_range().1 as f64,
    );
    gauge(
        "prometheus_tsdb_head_min_time_seconds",
        "Minimum time bound of the head block in seconds.",
        |it| (it.head().time_range().0 / 1000) as f64,
    );
    gauge(
        "prometheus_tsdb_head_max_time_seconds",
        "Maximum timestamp of the head block in seconds.",
        |it| (it.head().time_range().1 / 1000) as f64,
    );
    gauge(
        "prometheus_tsdb_head_chunks_storage_size_bytes",
        "Size of the chunks_head directory.",
        |it| it.head().chunk_bytes() as f64,
    );
    gauge("prometheus_tsdb_wal_storage_size_bytes", "Size of the write log directory.", |it| {
        it.head().wal_bytes() as f64
    });
    gauge(
        "prometheus_tsdb_lowest_timestamp",
        "Lowest timestamp value stored in the database.",
        |it| it.mint() as f64,
    );
    gauge(
        "prometheus_tsdb_lowest_timestamp_seconds",
        "Lowest timestamp value stored in the database.",
        |it| (it.mint() / 1000) as f64,
    );
    gauge(
        "prometheus_tsdb_isolation_low_watermark",
        "The lowest TSDB append ID that is still referenced.",
        |it| f64::from(it.head().watermarks().0),
    );
    gauge(
        "prometheus_tsdb_isolation_high_watermark",
        "The highest TSDB append ID that has been given out.",
        |it| f64::from(it.head().watermarks().1),
    );
    blocks::register_gauges(registry, inner);
}
