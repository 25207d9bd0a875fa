//! `/api/v1`: one file an endpoint, or a small family of them.

mod active;
mod admin;
mod disk;
mod exemplars;
mod labels;
mod lookup;
mod metadata;
pub(crate) mod query;
mod relabel_steps;
mod series;
pub(crate) mod status;
mod syntax;
mod targets;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post};
use model::Matcher;

use crate::envelope::{ApiError, ErrorKind};
use crate::param::{self, Params};
use crate::request::{cors, require_ready, require_storage};
use crate::{Api, Parts, Storage};

/// Bodies of POSTed queries may be this large.
const BODY_BYTES_MAX: usize = 10 << 20;

pub(crate) fn router(api: &Arc<Api>) -> Router {
    let ready = from_fn_with_state(Arc::clone(api), require_ready);
    let stored = from_fn_with_state(Arc::clone(api), require_storage);
    of_storage()
        .layer(stored)
        .route("/scrape_pools", get(targets::pools))
        .route("/scrape_pools/config", get(targets::pool_config))
        .route("/targets", get(targets::targets))
        .route("/targets/metadata", get(metadata::of_targets))
        .route("/targets/relabel_steps", get(relabel_steps::steps))
        .route("/metadata", get(metadata::of_metrics))
        .route("/status/config", get(status::config))
        .route("/status/flags", get(status::flags))
        .route("/status/runtimeinfo", get(status::runtime))
        .route("/status/buildinfo", get(status::build))
        .layer(ready)
        // Answered at once, whether or not the server is ready.
        .route("/status/walreplay", get(status::wal_replay))
        .layer(from_fn_with_state(Arc::clone(api), cors))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::clone(api))
}

/// What an agent has not.
fn of_storage() -> Router<Arc<Api>> {
    Router::new()
        .route("/query", get(query::instant).post(query::instant))
        .route("/query_range", get(query::range).post(query::range))
        .route("/query_exemplars", get(exemplars::query).post(exemplars::query))
        .route("/format_query", get(syntax::format).post(syntax::format))
        .route("/parse_query", get(syntax::parse).post(syntax::parse))
        .route("/labels", get(labels::names).post(labels::names))
        .route("/label/{name}/values", get(labels::values))
        .route("/series", get(series::series).post(series::series))
        .route("/status/tsdb", get(status::tsdb))
        .route("/status/tsdb/blocks", get(disk::blocks))
        .route("/status/storage", get(disk::storage))
        .route("/status/memory", get(status::memory))
        .route("/status/active_queries", get(active::list))
        .route("/status/active_queries/{id}", delete(active::cancel))
        .route("/admin/tsdb/delete_series", post(admin::delete).put(admin::delete))
        .route("/admin/tsdb/clean_tombstones", post(admin::clean).put(admin::clean))
        .route("/admin/tsdb/snapshot", post(admin::snapshot).put(admin::snapshot))
}

/// What is there once the server is ready; routes are not reached before.
fn parts(api: &Api) -> Result<Parts, ApiError> {
    api.parts.get().cloned().ok_or_else(|| ApiError::new(ErrorKind::Unavailable, "TSDB not ready"))
}

/// The database and what queries read; an agent has none, and routes that ask are not reached there.
pub(crate) fn storage(api: &Api) -> Result<Storage, ApiError> {
    parts(api)?.storage.ok_or_else(ApiError::of_agent)
}

/// Reads `match[]`: a vector selector each.
fn selectors(params: &Params) -> Result<Vec<Vec<Matcher>>, ApiError> {
    let parse =
        |text| promql::parse_selector(text).map_err(|error| ApiError::param("match[]", error));
    params.all("match[]").map(parse).collect()
}

/// Reads `start` and `end`, which may be absent: all of time then.
fn time_range(params: &Params) -> Result<(i64, i64), ApiError> {
    let read = |name: &str, absent: i64| match params.get(name) {
        "" => Ok(absent),
        text => param::time_ms(text)
            .map_err(|error| ApiError::bad(format!("invalid time value for '{name}': {error}"))),
    };
    Ok((read("start", i64::MIN)?, read("end", i64::MAX)?))
}

/// Reads `limit`; 0 is none.
fn limit(params: &Params) -> Result<usize, ApiError> {
    param::limit(params.get("limit")).map_err(|error| ApiError::param("limit", error))
}
