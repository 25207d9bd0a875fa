//! What discovery tells about itself.

use std::sync::Arc;
use std::time::SystemTime;

use crate::consul::ConsulMetrics;
use crate::kubernetes::KubernetesMetrics;
use client::{Counter, Family, Gauge, Histogram, Registry, Summary};

/// The metrics of all managers of a program; one set, told apart by the managers' names.
pub struct Metrics {
    pub(crate) failed_configs: Arc<Family<Gauge>>,
    pub(crate) discovered_targets: Arc<Family<Gauge>>,
    pub(crate) received_updates: Arc<Family<Counter>>,
    pub(crate) delayed_updates: Arc<Family<Counter>>,
    pub(crate) sent_updates: Arc<Family<Counter>>,
    pub(crate) last_update_timestamp: Arc<Family<Gauge>>,
    pub(crate) refresh_failures: Arc<Family<Counter>>,
    pub(crate) refresh_duration: Arc<Family<Summary>>,
    pub(crate) refresh_duration_histogram: Arc<Family<Histogram>>,
    pub(crate) dns_lookups: Arc<Counter>,
    pub(crate) dns_lookup_failures: Arc<Counter>,
    pub(crate) http_failures: Arc<Counter>,
    pub(crate) file_read_errors: Arc<Counter>,
    pub(crate) file_watcher_errors: Arc<Counter>,
    pub(crate) file_scan_duration: Arc<Summary>,
    pub(crate) file_mtime: Arc<Family<Gauge>>,
    pub(crate) consul: ConsulMetrics,
    pub(crate) kubernetes: KubernetesMetrics,
}

impl Metrics {
    /// Registers the metrics.
    ///
    /// # Panics
    ///
    /// If they are registered already.
    pub fn new(registry: &Registry) -> Self {
        Metrics {
            failed_configs: registry.gauges(
                "prometheus_sd_failed_configs",
                "Current number of service discovery configurations that failed to load.",
                &["name"],
            ),
            discovered_targets: registry.gauges(
                "prometheus_sd_discovered_targets",
                "Current number of discovered targets.",
                &["name", "config"],
            ),
            received_updates: registry.counters(
                "prometheus_sd_received_updates_total",
                "Total number of update events received from the SD providers.",
                &["name"],
            ),
            delayed_updates: registry.counters(
                "prometheus_sd_updates_delayed_total",
                "Total number of update events that couldn't be sent immediately.",
                &["name"],
            ),
            sent_updates: registry.counters(
                "prometheus_sd_updates_total",
                "Total number of update events sent to the SD consumers.",
                &["name"],
            ),
            last_update_timestamp: registry.gauges(
                "prometheus_sd_last_update_timestamp_seconds",
                "Timestamp of the last update sent to the SD consumers.",
                &["name"],
            ),
            refresh_failures: registry.counters(
                "prometheus_sd_refresh_failures_total",
                "Number of refresh failures for the given SD mechanism.",
                &["mechanism", "config"],
            ),
            refresh_duration: registry.summaries(
                "prometheus_sd_refresh_duration_seconds",
                "The duration of a refresh in seconds for the given SD mechanism.",
                &["mechanism", "config"],
                &[0.5, 0.9, 0.99],
            ),
            refresh_duration_histogram: registry.histograms(
                "prometheus_sd_refresh_duration_histogram_seconds",
                "The duration of a refresh for the given SD mechanism.",
                &["mechanism"],
                &[0.01, 0.1, 1.0, 10.0],
            ),
            dns_lookups: registry
                .counter("prometheus_sd_dns_lookups_total", "The number of DNS-SD lookups."),
            dns_lookup_failures: registry.counter(
                "prometheus_sd_dns_lookup_failures_total",
                "The number of DNS-SD lookup failures.",
            ),
            http_failures: registry.counter(
                "prometheus_sd_http_failures_total",
                "Number of HTTP service discovery refresh failures.",
            ),
            file_read_errors: registry.counter(
                "prometheus_sd_file_read_errors_total",
                "The number of File-SD read errors.",
            ),
            file_watcher_errors: registry.counter(
                "prometheus_sd_file_watcher_errors_total",
                "The number of File-SD errors caused by filesystem watch failures.",
            ),
            file_scan_duration: registry.summary(
                "prometheus_sd_file_scan_duration_seconds",
                "The duration of the File-SD scan in seconds.",
                &[0.5, 0.9, 0.99],
            ),
            file_mtime: registry.gauges(
                "prometheus_sd_file_mtime_seconds",
                "Timestamp (mtime) of files read by FileSD. Timestamp is set at read time.",
                &["filename"],
            ),
            consul: ConsulMetrics::new(registry),
            kubernetes: KubernetesMetrics::new(registry),
        }
    }

    /// Takes away what tells about jobs that are gone.
    pub(crate) fn forget(&self, manager: &str, is_gone: impl Fn(&str) -> bool) {
        self.discovered_targets
            .remove(|values| matches!(values, [it, job] if it == manager && is_gone(job)));
        self.refresh_failures.remove(|values| matches!(values, [_, job] if is_gone(job)));
        self.refresh_duration.remove(|values| matches!(values, [_, job] if is_gone(job)));
    }
}

/// Returns a wall-clock time in seconds; zero where it is before the epoch.
pub(crate) fn seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |it| it.as_secs_f64())
}
