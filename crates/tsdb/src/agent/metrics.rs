//! What an agent's storage tells about itself, under upstream's names.

use std::sync::Arc;

use client::{Counter, Gauge, Registry, Summary};

pub(super) struct Metrics {
    pub(super) active_series: Arc<Gauge>,
    pub(super) deleted_series: Arc<Gauge>,
    pub(super) floats: Arc<Counter>,
    pub(super) histograms: Arc<Counter>,
    pub(super) exemplars: Arc<Counter>,
    pub(super) out_of_order: Arc<Counter>,
    pub(super) corruptions: Arc<Counter>,
    pub(super) replay_seconds: Arc<Gauge>,
    pub(super) clean_start: Arc<Gauge>,
    pub(super) checkpoints: Arc<Counter>,
    pub(super) checkpoints_failed: Arc<Counter>,
    pub(super) checkpoint_deletions: Arc<Counter>,
    pub(super) checkpoint_deletions_failed: Arc<Counter>,
    pub(super) truncate_seconds: Option<Arc<Summary>>,
}

impl Metrics {
    pub(super) fn register(registry: &Registry) -> Self {
        let counter = |name, help| registry.counter(name, help);
        let gauge = |name, help| registry.gauge(name, help);
        let appended = registry.counters(
            "prometheus_agent_samples_appended_total",
            "Total number of samples appended to the storage",
            &["type"],
        );
        Self {
            active_series: gauge(
                "prometheus_agent_active_series",
                "Number of active series being tracked by the WAL storage",
            ),
            deleted_series: gauge(
                "prometheus_agent_deleted_series",
                "Number of series pending deletion from the WAL",
            ),
            floats: appended.get(&["float"]),
            histograms: appended.get(&["histogram"]),
            exemplars: counter(
                "prometheus_agent_exemplars_appended_total",
                "Total number of exemplars appended to the storage",
            ),
            out_of_order: counter(
                "prometheus_agent_out_of_order_samples_total",
                "Total number of out of order samples ingestion failed attempts.",
            ),
            corruptions: counter(
                "prometheus_agent_corruptions_total",
                "Total number of WAL corruptions.",
            ),
            replay_seconds: gauge(
                "prometheus_agent_data_replay_duration_seconds",
                "Time taken to replay the data on disk.",
            ),
            clean_start: gauge(
                "prometheus_agent_clean_start",
                "-1: lockfile is disabled. 0: a lockfile from a previous execution was replaced. 1: lockfile creation was clean",
            ),
            checkpoints: counter(
                "prometheus_agent_checkpoint_creations_total",
                "Total number of checkpoint creations attempted.",
            ),
            checkpoints_failed: counter(
                "prometheus_agent_checkpoint_creations_failed_total",
                "Total number of checkpoint creations that failed.",
            ),
            checkpoint_deletions: counter(
                "prometheus_agent_checkpoint_deletions_total",
                "Total number of checkpoint deletions attempted.",
            ),
            checkpoint_deletions_failed: counter(
                "prometheus_agent_checkpoint_deletions_failed_total",
                "Total number of checkpoint deletions that failed.",
            ),
            truncate_seconds: Some(registry.summary(
                "prometheus_agent_truncate_duration_seconds",
                "Duration of WAL truncation.",
                &[],
            )),
        }
    }
}
