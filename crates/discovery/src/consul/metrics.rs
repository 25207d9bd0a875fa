//! What discovery in Consul tells about itself.

use std::sync::Arc;

use client::{Counter, Family, Registry, Summary};

pub(crate) struct ConsulMetrics {
    pub(crate) rpc_failures: Arc<Counter>,
    pub(crate) rpc_duration: Arc<Family<Summary>>,
}

impl ConsulMetrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        let metrics = ConsulMetrics {
            rpc_failures: registry.counter(
                "prometheus_sd_consul_rpc_failures_total",
                "The number of Consul RPC call failures.",
            ),
            rpc_duration: registry.summaries(
                "prometheus_sd_consul_rpc_duration_seconds",
                "The duration of a Consul RPC call in seconds.",
                &["endpoint", "call"],
                &[0.5, 0.9, 0.99],
            ),
        };
        // They are there from the start.
        metrics.rpc_duration.get(&["catalog", "services"]);
        metrics.rpc_duration.get(&["health", "service"]);
        metrics
    }
}
