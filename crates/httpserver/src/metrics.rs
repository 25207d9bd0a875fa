//! Metrics about requests.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use client::{Counter, Family, Histogram, Registry};
use hyper::body::Frame;

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
    let size = metrics.size.get(&[handler]);
    match response.body().size_hint().exact() {
        Some(bytes) => {
            observe(&size, bytes);
            response
        }
        None => response.map(|body| Body::new(Counted { body, bytes: 0, size })),
    }
}

fn observe(size: &Histogram, bytes: u64) {
    #[expect(clippy::cast_precision_loss, reason = "a size past 2^53 is not met")]
    size.observe(bytes as f64);
}

/// A body whose size is known when it was sent.
struct Counted {
    body: Body,
    bytes: u64,
    size: Arc<Histogram>,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            self.bytes += frame.data_ref().map_or(0, |it| it.len() as u64);
        }
        Poll::Ready(frame)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        observe(&self.size, self.bytes);
    }
}
