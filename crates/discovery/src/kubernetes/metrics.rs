//! What discovery in Kubernetes tells about itself.

use std::sync::Arc;

use client::{Counter, Family, Gauge, Registry, Summary};

use super::resource::Resource;

pub(crate) struct KubernetesMetrics {
    pub(crate) events: Arc<Family<Counter>>,
    pub(crate) failures: Arc<Counter>,
    pub(crate) http_requests: Arc<Family<Counter>>,
    pub(crate) http_request_duration: Arc<Family<Summary>>,
    pub(crate) queue_depth: Arc<Family<Gauge>>,
    pub(crate) queue_items: Arc<Family<Counter>>,
    pub(crate) queue_latency: Arc<Family<Summary>>,
    pub(crate) queue_work_duration: Arc<Family<Summary>>,
}

/// What can happen to an object.
pub(crate) const EVENTS: [&str; 3] = ["add", "delete", "update"];

/// Kinds whose events are counted from the start.
const ROLES: [Resource; 6] = [
    Resource::Endpoints,
    Resource::EndpointSlice,
    Resource::Ingress,
    Resource::Node,
    Resource::Pod,
    Resource::Service,
];

impl KubernetesMetrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        let metrics = KubernetesMetrics {
            events: registry.counters(
                "prometheus_sd_kubernetes_events_total",
                "The number of Kubernetes events handled.",
                &["role", "event"],
            ),
            failures: registry.counter(
                "prometheus_sd_kubernetes_failures_total",
                "The number of failed WATCH/LIST requests.",
            ),
            http_requests: registry.counters(
                "prometheus_sd_kubernetes_http_request_total",
                "Total number of HTTP requests to the Kubernetes API by status code.",
                &["status_code"],
            ),
            http_request_duration: registry.summaries(
                "prometheus_sd_kubernetes_http_request_duration_seconds",
                "Summary of latencies for HTTP requests to the Kubernetes API by endpoint.",
                &["endpoint"],
                &[],
            ),
            queue_depth: registry.gauges(
                "prometheus_sd_kubernetes_workqueue_depth",
                "Current depth of the work queue.",
                &["queue_name"],
            ),
            queue_items: registry.counters(
                "prometheus_sd_kubernetes_workqueue_items_total",
                "Total number of items added to the work queue.",
                &["queue_name"],
            ),
            queue_latency: registry.summaries(
                "prometheus_sd_kubernetes_workqueue_latency_seconds",
                "How long an item stays in the work queue.",
                &["queue_name"],
                &[],
            ),
            queue_work_duration: registry.summaries(
                "prometheus_sd_kubernetes_workqueue_work_duration_seconds",
                "How long processing an item from the work queue takes.",
                &["queue_name"],
                &[],
            ),
        };
        for role in ROLES {
            for event in EVENTS {
                metrics.events.get(&[role.role(), event]).add(0);
            }
        }
        metrics
    }
}
