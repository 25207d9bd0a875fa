//! Health, readiness, reload and quit.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use tokio::sync::oneshot;

use crate::Api;
use crate::request::unavailable;

/// What a client orders the app to do.
#[derive(Debug)]
pub enum Command {
    /// Load the configuration again; answer with what went wrong.
    Reload(oneshot::Sender<Result<(), String>>),
    /// Shut down in order.
    Quit,
}

pub(crate) fn router(api: &Arc<Api>) -> Router {
    Router::new()
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/-/reload", post(reload).put(reload).fallback(only_post))
        .route("/-/quit", post(quit).put(quit).fallback(only_post))
        .with_state(Arc::clone(api))
}

async fn healthy(State(api): State<Arc<Api>>) -> &'static str {
    match api.options.agent {
        true => "Prometheus Agent is Healthy.\n",
        false => "Prometheus Server is Healthy.\n",
    }
}

/// Before, says how far the log has been read.
async fn ready(State(api): State<Arc<Api>>) -> Response {
    if api.is_ready() {
        return match api.options.agent {
            true => "Prometheus Agent is Ready.\n".into_response(),
            false => "Prometheus Server is Ready.\n".into_response(),
        };
    }
    let tsdb::ReplayStatus { min, max, current } = api.replay_status();
    let is_replaying = !api.is_stopping() && api.starting.get().is_some();
    let progress = format!("\nreplaying WAL segment {current} of {min} to {max}\n");
    unavailable(&api, if is_replaying { progress } else { String::new() })
}

async fn only_post() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, "Only POST or PUT requests allowed").into_response()
}

fn disabled() -> Response {
    (StatusCode::FORBIDDEN, "Lifecycle API is not enabled.").into_response()
}

async fn reload(State(api): State<Arc<Api>>) -> Response {
    if !api.options.lifecycle {
        return disabled();
    }
    let (answer, answered) = oneshot::channel();
    let sent = api.commands.send(Command::Reload(answer)).await;
    let result = match sent {
        Ok(()) => answered.await.unwrap_or_else(|_| Err("the server is shutting down".into())),
        Err(_) => Err("the server is shutting down".into()),
    };
    match result {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("failed to reload config: {error}\n"))
                .into_response()
        }
    }
}

async fn quit(State(api): State<Arc<Api>>) -> Response {
    if !api.options.lifecycle {
        return disabled();
    }
    if api.quitting.swap(true, Relaxed) {
        return "Termination already in progress.".into_response();
    }
    // A closed channel means that the server is going down anyway.
    let _ = api.commands.send(Command::Quit).await;
    "Requesting termination... Goodbye!".into_response()
}
