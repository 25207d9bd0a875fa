//! Metrics about queries, under upstream's names.

use std::sync::Arc;
use std::time::Duration;

use client::{Counter, Family, Gauge, Histogram, Registry, Summary};
use promql_engine::Stats;

use super::Times;

/// Counts queries and what they cost.
pub(crate) struct Metrics {
    running: Arc<Gauge>,
    duration: Arc<Family<Summary>>,
    duration_histogram: Arc<Family<Histogram>>,
    samples: Arc<Counter>,
    samples_read: Arc<Counter>,
    pub(super) log_enabled: Arc<Gauge>,
    pub(super) log_failures: Arc<Counter>,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry, queries_max: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        registry
            .gauge(
                "prometheus_engine_queries_concurrent_max",
                "The max number of concurrent queries.",
            )
            .set(queries_max as f64);
        Self {
            running: registry.gauge(
                "prometheus_engine_queries",
                "The current number of queries being executed or waiting.",
            ),
            duration: registry.summaries(
                "prometheus_engine_query_duration_seconds",
                "Query timings.",
                &["slice"],
                &[0.5, 0.9, 0.99],
            ),
            duration_histogram: registry.histograms(
                "prometheus_engine_query_duration_histogram_seconds",
                "The duration of various parts of PromQL query execution.",
                &["slice"],
                &[0.01, 0.1, 1.0, 10.0],
            ),
            samples: registry.counter(
                "prometheus_engine_query_samples_total",
                "The total number of samples loaded by all queries.",
            ),
            samples_read: registry.counter(
                "prometheus_engine_query_samples_read_total",
                "The total number of samples read from storage by all queries.",
            ),
            log_enabled: registry
                .gauge("prometheus_engine_query_log_enabled", "State of the query log."),
            log_failures: registry.counter(
                "prometheus_engine_query_log_failures_total",
                "The number of query log failures.",
            ),
        }
    }

    /// Counts a query as waiting or running while what is returned lives.
    pub(super) fn count(&self) -> Counted {
        self.running.add(1.0);
        Counted(Arc::clone(&self.running))
    }

    pub(super) fn record(&self, stats: &Stats, times: Times) {
        let seconds = |ns| Duration::from_nanos(ns).as_secs_f64();
        for (slice, value) in [
            ("queue_time", times.queued.as_secs_f64()),
            ("prepare_time", seconds(stats.prepare_ns)),
            ("inner_eval", seconds(stats.eval_ns)),
            ("result_sort", seconds(stats.sort_ns)),
        ] {
            self.duration.get(&[slice]).observe(value);
            self.duration_histogram.get(&[slice]).observe(value);
        }
        self.samples.add(stats.samples.queryable);
        self.samples_read.add(stats.samples.read);
    }
}

/// One query among those that wait or run.
pub(super) struct Counted(Arc<Gauge>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.add(-1.0);
    }
}
