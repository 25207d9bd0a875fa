//! `/status/active_queries`, ours: what runs, and how to end it.

use std::sync::Arc;

use axum::extract::{Path, State};

use crate::Api;
use crate::envelope::{ApiError, ErrorKind, Success};
use crate::json;
use crate::query::When;
use crate::query::running::Query;

/// Lists the queries that wait, run, or are being answered, the oldest first.
pub(crate) async fn list(State(api): State<Arc<Api>>) -> Success {
    let all = api.queries.list();
    Success::new(|out| {
        let mut object = json::Object::new(out);
        let pool = api.engine.pool();
        // As elsewhere, 0 is no limit.
        let max = Some(pool.max()).filter(|it| *it != u64::MAX).unwrap_or(0);
        object.raw("bytes", pool.held()).raw("bytesMax", max);
        json::array(object.key("queries"), &all, |out, it| query(out, it));
        object.end();
    })
}

fn query(out: &mut Vec<u8>, query: &Query) {
    let (start, end, step_ms) = match query.when {
        When::At(t) => (t, t, 0),
        When::Range { start, end, step } => (start, end, step),
    };
    let mut object = json::Object::new(out);
    object
        .string("id", &query.id.to_string())
        .string("query", &query.text)
        .string("phase", query.phase().name())
        .string("startedAt", &json::rfc3339(query.start_t))
        .raw("age", query.age().as_secs_f64())
        .raw("bytes", query.usage.bytes())
        .string("client", &query.origin.client)
        .string("path", &query.origin.path);
    json::timestamp(object.key("start"), start);
    json::timestamp(object.key("end"), end);
    json::timestamp(object.key("step"), step_ms);
    object.end();
}

/// Gives a query up.
pub(crate) async fn cancel(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
) -> Result<Success, ApiError> {
    let found = id.parse().is_ok_and(|it| api.queries.give_up(it));
    if found {
        return Ok(Success::new(|out| json::Object::new(out).string("id", &id).end()));
    }
    Err(ApiError::new(ErrorKind::NotFound, format!("no query {} runs", json::quoted(&id))))
}
