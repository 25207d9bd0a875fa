//! Metrics about requests.

use std::sync::Arc;
use std::time::Instant;

use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use client::{Counter, Family, Histogram, Registry};

/// Requests, durations and sizes by handler.
#[derive(Clone)]
pub struct Metrics {
    requests: Arc<Family<Counter>>,
    duration: Arc<Family<Histogram>>,
    size: Arc<Family<Histogram>>,
}

impl Metrics {
    /// Registers the families under upstream's names.
    pub fn new(registry: &Registry) -> Self {
        Self {
            requests: registry.counters(
                "prometheus_http_requests_total",
                "Counter of HTTP requests.",
                &["handler", "code"],
            ),
            duration: registry.histograms(
                "prometheus_http_request_duration_seconds",
                "Histogram of latencies for HTTP requests.",
                &["handler"],
                &[0.1, 0.2, 0.4, 1.0, 3.0, 8.0, 20.0, 60.0, 120.0],
            ),
            size: registry.histograms(
                "prometheus_http_response_size_bytes",
                "Histogram of response size for HTTP requests.",
                &["handler"],
                &[100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9],
            ),
        }
    }
}

pub(crate) async fn middleware(
    State(metrics): State<Metrics>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let start = Instant::now();
    let response = next.run(request).await;
    // Paths that no route matches are not a label: anybody could make them up.
    let handler = path.as_ref().map_or("unknown", MatchedPath::as_str);
    metrics.requests.get(&[handler, response.status().as_str()]).inc();
    metrics.duration.get(&[handler]).observe(start.elapsed().as_secs_f64());
    if let Some(bytes) = response.body().size_hint().exact() {
        #[expect(clippy::cast_precision_loss, reason = "a size past 2^53 is not met")]
        metrics.size.get(&[handler]).observe(bytes as f64);
    }
    response
}
