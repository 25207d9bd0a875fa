//! What the log tells about itself.

use std::sync::Arc;

use client::{Counter, Gauge, Registry, Summary};

/// Counters of one log. [`Metrics::default`] counts for nobody.
#[derive(Clone)]
pub struct Metrics {
    pub(crate) fsync_duration: Arc<Summary>,
    pub(crate) page_flushes: Arc<Counter>,
    pub(crate) completed_pages: Arc<Counter>,
    pub(crate) segment_current: Arc<Gauge>,
    pub(crate) writes_failed: Arc<Counter>,
}

const QUANTILES: &[f64] = &[0.5, 0.9, 0.99];

impl Metrics {
    /// Registers under the names of the server's log, `prometheus_tsdb_wal_…`.
    pub fn register(registry: &Registry) -> Self {
        Self {
            fsync_duration: registry.summary(
                "prometheus_tsdb_wal_fsync_duration_seconds",
                "Duration of write log fsync.",
                QUANTILES,
            ),
            page_flushes: registry
                .counter("prometheus_tsdb_wal_page_flushes_total", "Total number of page flushes."),
            completed_pages: registry.counter(
                "prometheus_tsdb_wal_completed_pages_total",
                "Total number of completed pages.",
            ),
            segment_current: registry.gauge(
                "prometheus_tsdb_wal_segment_current",
                "Write log segment index that TSDB is currently writing to.",
            ),
            writes_failed: registry.counter(
                "prometheus_tsdb_wal_writes_failed_total",
                "Total number of write log writes that failed.",
            ),
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
        }
    }
}
