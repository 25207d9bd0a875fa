//! HTTP in: listeners with limits, response compression, request metrics.
//!
//! [`Listeners::bind`] opens the addresses, [`serve`] answers on them until told to stop, then lets
//! requests under way finish for [`Options::drain`]. All listeners share one limit of connections: past
//! it, new connections wait in the system's backlog. A connection costs a task and hyper's buffers (about
//! 20 KiB while it is busy).
//!
//! A [`Guard`] holds connections and requests to the file of `--web.config.file`: TLS, users, headers.
//!
//! [`layers`] wraps a router with what every server of ours does: `gzip` and `deflate` as upstream
//! negotiates them ([`compress`]) and request metrics ([`Metrics`]).

pub mod compress;
mod listen;
mod metrics;
mod web;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};

pub use listen::{BindError, Listeners, Options, serve};
pub use metrics::Metrics;
pub use web::Guard;

/// Wraps `router` with compression and request metrics.
pub fn layers(router: Router, metrics: &Metrics) -> Router {
    router
        .layer(from_fn(compress::middleware))
        .layer(from_fn_with_state(metrics.clone(), metrics::middleware))
}
