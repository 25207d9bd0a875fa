//! What the log tells about itself.

use std::sync::Arc;

use client::{Counter, Gauge, Registry, Summary};

use crate::Compression;

/// Counters of one log. [`Metrics::default`] counts for nobody.
#[derive(Clone)]
pub struct Metrics {
    pub(crate) fsync_duration: Arc<Summary>,
    pub(crate) page_flushes: Arc<Counter>,
    pub(crate) completed_pages: Arc<Counter>,
    pub(crate) segment_current: Arc<Gauge>,
    pub(crate) writes_failed: Arc<Counter>,
    pub(crate) parts: Arc<Counter>,
    pub(crate) part_bytes: Arc<Counter>,
    saved_snappy: Arc<Counter>,
    saved_zstd: Arc<Counter>,
}

const QUANTILES: &[f64] = &[0.5, 0.9, 0.99];

struct Names {
    fsync_duration: &'static str,
    page_flushes: &'static str,
    completed_pages: &'static str,
    segment_current: &'static str,
    writes_failed: &'static str,
    parts: &'static str,
    part_bytes: &'static str,
    bytes_saved: &'static str,
}

const WAL: Names = Names {
    fsync_duration: "prometheus_tsdb_wal_fsync_duration_seconds",
    page_flushes: "prometheus_tsdb_wal_page_flushes_total",
    completed_pages: "prometheus_tsdb_wal_completed_pages_total",
    segment_current: "prometheus_tsdb_wal_segment_current",
    writes_failed: "prometheus_tsdb_wal_writes_failed_total",
    parts: "prometheus_tsdb_wal_record_part_writes_total",
    part_bytes: "prometheus_tsdb_wal_record_parts_bytes_written_total",
    bytes_saved: "prometheus_tsdb_wal_record_bytes_saved_total",
};

const WBL: Names = Names {
    fsync_duration: "prometheus_tsdb_out_of_order_wbl_fsync_duration_seconds",
    page_flushes: "prometheus_tsdb_out_of_order_wbl_page_flushes_total",
    completed_pages: "prometheus_tsdb_out_of_order_wbl_completed_pages_total",
    segment_current: "prometheus_tsdb_out_of_order_wbl_segment_current",
    writes_failed: "prometheus_tsdb_out_of_order_wbl_writes_failed_total",
    parts: "prometheus_tsdb_out_of_order_wbl_record_part_writes_total",
    part_bytes: "prometheus_tsdb_out_of_order_wbl_record_parts_bytes_written_total",
    bytes_saved: "prometheus_tsdb_out_of_order_wbl_record_bytes_saved_total",
};

impl Metrics {
    /// Registers under the names of the server's log, `prometheus_tsdb_wal_…`.
    pub fn register(registry: &Registry) -> Self {
        Self::named(registry, &WAL)
    }

    /// Registers under the names of the log of out-of-order samples, `prometheus_tsdb_out_of_order_wbl_…`.
    pub fn register_out_of_order(registry: &Registry) -> Self {
        Self::named(registry, &WBL)
    }

    fn named(registry: &Registry, names: &Names) -> Self {
        let saved = registry.counters(
            names.bytes_saved,
            "Total number of bytes saved by the optional record compression.",
            &["compression"],
        );
        Self {
            fsync_duration: registry.summary(
                names.fsync_duration,
                "Duration of write log fsync.",
                QUANTILES,
            ),
            page_flushes: registry.counter(names.page_flushes, "Total number of page flushes."),
            completed_pages: registry
                .counter(names.completed_pages, "Total number of completed pages."),
            segment_current: registry.gauge(
                names.segment_current,
                "Write log segment index that TSDB is currently writing to.",
            ),
            writes_failed: registry
                .counter(names.writes_failed, "Total number of write log writes that failed."),
            parts: registry
                .counter(names.parts, "Total number of record parts written before flushing."),
            part_bytes: registry.counter(
                names.part_bytes,
                "Total number of record part bytes written before flushing, headers included.",
            ),
            saved_snappy: saved.get(&["snappy"]),
            saved_zstd: saved.get(&["zstd"]),
        }
    }

    /// Counts what compressing a record saved.
    pub(crate) fn saved(&self, compression: Compression, n_bytes: usize) {
        match compression {
            Compression::None => {}
            Compression::Snappy => self.saved_snappy.add(n_bytes as u64),
            Compression::Zstd => self.saved_zstd.add(n_bytes as u64),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            fsync_duration: Arc::new(Summary::new(QUANTILES)),
            page_flushes: Arc::default(),
            completed_pages: Arc::default(),
            segment_current: Arc::default(),
            writes_failed: Arc::default(),
            parts: Arc::default(),
            part_bytes: Arc::default(),
            saved_snappy: Arc::default(),
            saved_zstd: Arc::default(),
        }
    }
}
