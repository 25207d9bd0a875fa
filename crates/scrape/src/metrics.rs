//! The metrics of scraping.

use std::sync::Arc;

use client::{Counter, Family, Gauge, Histogram, NativeHistogram, Registry, Summary};

const QUANTILES: &[f64] = &[0.01, 0.05, 0.5, 0.9, 0.99];
const BOUNDS: &[f64] = &[0.01, 0.1, 1.0, 10.0];

pub(crate) struct Metrics {
    pub(crate) pools: Arc<Counter>,
    pub(crate) pools_failed: Arc<Counter>,
    pub(crate) reloads: Arc<Counter>,
    pub(crate) reloads_failed: Arc<Counter>,
    pub(crate) reload_length: Arc<Family<Summary>>,
    pub(crate) over_target_limit: Arc<Counter>,
    pub(crate) target_limit: Arc<Family<Gauge>>,
    pub(crate) targets: Arc<Family<Gauge>>,
    pub(crate) symbols: Arc<Family<Gauge>>,
    pub(crate) syncs: Arc<Family<Counter>>,
    pub(crate) syncs_failed: Arc<Family<Counter>>,
    pub(crate) sync_length: Arc<Family<Summary>>,
    pub(crate) sync_length_histogram: Arc<Family<Histogram>>,
    pub(crate) interval_length: Arc<Family<Summary>>,
    pub(crate) interval_length_histogram: Arc<Family<Histogram>>,
    pub(crate) duration: Arc<NativeHistogram>,
    pub(crate) refused: Refused,
}

/// What of pages is not taken.
pub(crate) struct Refused {
    pub(crate) over_body_limit: Arc<Counter>,
    pub(crate) over_sample_limit: Arc<Counter>,
    pub(crate) over_bucket_limit: Arc<Counter>,
    pub(crate) over_label_limits: Arc<Counter>,
    pub(crate) duplicate: Arc<Counter>,
    pub(crate) out_of_order: Arc<Counter>,
    pub(crate) out_of_bounds: Arc<Counter>,
    pub(crate) exemplars_out_of_order: Arc<Counter>,
}

impl Metrics {
    /// Registers everything.
    pub(crate) fn new(registry: &Registry) -> Self {
        let job = &["scrape_job"];
        // What fails leaves the cache as it was, so that it never has to be emptied.
        registry.counter(
            "prometheus_target_scrapes_cache_flush_forced_total",
            "How many times a scrape cache was flushed due to getting big while scrapes are failing.",
        );
        Self {
            pools: registry
                .counter("prometheus_target_scrape_pools_total", "Total number of scrape pool creation attempts."),
            pools_failed: registry
                .counter("prometheus_target_scrape_pools_failed_total", "Total number of scrape pool creations that failed."),
            reloads: registry
                .counter("prometheus_target_scrape_pool_reloads_total", "Total number of scrape pool reloads."),
            reloads_failed: registry.counter(
                "prometheus_target_scrape_pool_reloads_failed_total",
                "Total number of failed scrape pool reloads.",
            ),
            reload_length: registry.summaries(
                "prometheus_target_reload_length_seconds",
                "Actual interval to reload the scrape pool with a given configuration.",
                &["interval"],
                QUANTILES,
            ),
            over_target_limit: registry.counter(
                "prometheus_target_scrape_pool_exceeded_target_limit_total",
                "Total number of times scrape pools hit the target limit, during sync or config reload.",
            ),
            target_limit: registry.gauges(
                "prometheus_target_scrape_pool_target_limit",
                "Maximum number of targets allowed in this scrape pool.",
                job,
            ),
            targets: registry.gauges(
                "prometheus_target_scrape_pool_targets",
                "Current number of targets in this scrape pool.",
                job,
            ),
            symbols: registry.gauges(
                "prometheus_target_scrape_pool_symboltable_items",
                "Current number of symbols in table for this scrape pool.",
                job,
            ),
            syncs: registry.counters(
                "prometheus_target_scrape_pool_sync_total",
                "Total number of syncs that were executed on a scrape pool.",
                job,
            ),
            syncs_failed: registry.counters(
                "prometheus_target_sync_failed_total",
                "Total number of target sync failures.",
                job,
            ),
            sync_length: registry.summaries(
                "prometheus_target_sync_length_seconds",
                "Actual interval to sync the scrape pool.",
                job,
                QUANTILES,
            ),
            sync_length_histogram: registry.histograms(
                "prometheus_target_sync_length_histogram_seconds",
                "Actual interval to sync the scrape pool.",
                job,
                BOUNDS,
            ),
            interval_length: registry.summaries(
                "prometheus_target_interval_length_seconds",
                "Actual intervals between scrapes.",
                &["interval"],
                QUANTILES,
            ),
            interval_length_histogram: registry.histograms(
                "prometheus_target_interval_length_histogram_seconds",
                "Actual intervals between scrapes.",
                &["interval"],
                BOUNDS,
            ),
            duration: registry.native_histogram(
                "prometheus_target_scrape_duration_seconds",
                "Total duration of the scrape from start to commit completion in seconds.",
            ),
            refused: Refused::new(registry),
        }
    }

    /// Forgets what is counted for a job.
    pub(crate) fn forget(&self, job: &str) {
        let gone = |values: &[String]| values[0] == job;
        self.target_limit.remove(gone);
        self.targets.remove(gone);
        self.syncs.remove(gone);
        self.syncs_failed.remove(gone);
        self.sync_length.remove(gone);
        self.sync_length_histogram.remove(gone);
        self.symbols.remove(gone);
    }
}

impl Refused {
    fn new(registry: &Registry) -> Self {
        Self {
            over_body_limit: registry.counter(
                "prometheus_target_scrapes_exceeded_body_size_limit_total",
                "Total number of scrapes that hit the body size limit",
            ),
            over_sample_limit: registry.counter(
                "prometheus_target_scrapes_exceeded_sample_limit_total",
                "Total number of scrapes that hit the sample limit and were rejected.",
            ),
            over_bucket_limit: registry.counter(
                "prometheus_target_scrapes_exceeded_native_histogram_bucket_limit_total",
                "Total number of scrapes that hit the native histogram bucket limit and were rejected.",
            ),
            over_label_limits: registry.counter(
                "prometheus_target_scrape_pool_exceeded_label_limits_total",
                "Total number of times scrape pools hit the label limits, during sync or config reload.",
            ),
            duplicate: registry.counter(
                "prometheus_target_scrapes_sample_duplicate_timestamp_total",
                "Total number of samples rejected due to duplicate timestamps but different values.",
            ),
            out_of_order: registry.counter(
                "prometheus_target_scrapes_sample_out_of_order_total",
                "Total number of samples rejected due to not being out of the expected order.",
            ),
            out_of_bounds: registry.counter(
                "prometheus_target_scrapes_sample_out_of_bounds_total",
                "Total number of samples rejected due to timestamp falling outside of the time bounds.",
            ),
            exemplars_out_of_order: registry.counter(
                "prometheus_target_scrapes_exemplar_out_of_order_total",
                "Total number of exemplar rejected due to not being out of the expected order.",
            ),
        }
    }
}
