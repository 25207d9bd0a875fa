//! Queries, from the queue to the last byte of the answer.
//!
//! A query is [registered](running) from its arrival until its answer is sent: `/status/active_queries` lists it
//! and may give it up at any time, and so does a client that closes its connection. It waits for one of
//! [`Options::queries_max`](crate::Options::queries_max) slots, which is also its place in the
//! [file of active queries](active_file), and is evaluated on a blocking thread. The [answer] is
//! written as the client takes it, 32 KiB at a time; until then the engine keeps it charged.

pub(crate) mod active_file;
pub(crate) mod answer;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod running;

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use promql_engine::{QueryError, QueryOptions, QueryResult};

use crate::envelope::{ApiError, ErrorKind};
use crate::{Api, Storage};
use answer::Answer;
use log::Entry;
use running::{Phase, Query};

/// When to evaluate, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    At(i64),
    Range { start: i64, end: i64, step: i64 },
}

/// Who asks, and by what request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// Address without the port.
    pub(crate) client: String,
    pub(crate) method: String,
    pub(crate) path: String,
}

/// A query as it was asked.
pub(crate) struct Request {
    pub(crate) query: String,
    pub(crate) when: When,
    pub(crate) lookback_ms: Option<i64>,
    pub(crate) timeout: Duration,
    /// Most series of the answer; 0 is no limit.
    pub(crate) limit: usize,
    pub(crate) stats: StatsWanted,
    pub(crate) origin: Origin,
}

/// Which statistics were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StatsWanted {
    No,
    /// Without those of each step. Holds what was written, if that is not `true`.
    Some(Option<String>),
    All,
}

impl StatsWanted {
    /// Reads the parameter `stats`.
    pub(crate) fn read(text: &str) -> Self {
        match text {
            "" => Self::No,
            "all" => Self::All,
            "true" => Self::Some(None),
            other => Self::Some(Some(other.to_owned())),
        }
    }

    /// What is said about a value that is no longer meant to be used.
    fn deprecation(&self) -> Option<String> {
        let Self::Some(Some(text)) = self else { return None };
        let text = model::quote(text);
        Some(format!(
            "value {text} for parameter \"stats\" is deprecated and will be rejected in the next major release, use \"true\" or \"all\""
        ))
    }
}

/// Times of a query, for its statistics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// How long it waited for a slot.
    pub(crate) queued: Duration,
    /// How long all of it took.
    pub(crate) total: Duration,
}

/// Waits for a slot, evaluates, and makes the answer. Dropping the future gives the query up.
///
/// # Errors
/// Why there is no answer.
pub(crate) async fn run(api: &Arc<Api>, request: Request) -> Result<Answer, ApiError> {
    let storage = crate::v1::storage(api)?;
    let start = Instant::now();
    let running = api.queries.begin(&request, api.clock.now_ms());
    let slot = wait_for_slot(api, running.query(), request.timeout).await?;
    let queued = start.elapsed();
    running.query().enter(Phase::Evaluating);
    let _slot = slot;
    let api = Arc::clone(api);
    // Held here, so that the end of this future gives the query up.
    let query = Arc::clone(running.query());
    let task = tokio::task::spawn_blocking(move || {
        let file = api.queries.file();
        let _entry = file.and_then(|it| it.insert(&request.query, api.clock.now_ms() / 1000));
        evaluate(&api, &storage, &request, &query, (start, queued))
    });
    // A panic while evaluating ends this query only.
    let answered = task.await.unwrap_or_else(|error| Err(unexpected(error)));
    answered.map(|it| it.with_running(running))
}

async fn wait_for_slot<'a>(
    api: &'a Api,
    query: &Query,
    timeout: Duration,
) -> Result<tokio::sync::SemaphorePermit<'a>, ApiError> {
    tokio::select! {
        slot = api.queries.slots().acquire() => Ok(slot.expect("the semaphore is never closed")),
        () = query.canceled() => Err(ApiError::new(ErrorKind::Canceled, "context canceled")),
        () = tokio::time::sleep(timeout) => {
            Err(ApiError::new(ErrorKind::Execution, "context deadline exceeded"))
        }
    }
}

fn evaluate(
    api: &Api,
    storage: &Storage,
    request: &Request,
    query: &Query,
    (start, queued): (Instant, Duration),
) -> Result<Answer, ApiError> {
    let options = QueryOptions {
        lookback_ms: request.lookback_ms,
        timeout: Some(request.timeout.saturating_sub(queued)),
        cancel: query.cancel.clone(),
        usage: Some(query.usage.clone()),
        per_step_stats: request.stats == StatsWanted::All,
    };
    let queryable = storage.queryable.as_ref();
    let result = match request.when {
        When::At(t) => api.engine.instant(queryable, &request.query, t, &options),
        When::Range { start, end, step } => {
            api.engine.range(queryable, &request.query, (start, end, step), &options)
        }
    };
    let times = Times { queued, total: start.elapsed() };
    record(api, request, &result, times);
    let result = result.map_err(|error| query_error(&error))?;
    Ok(Answer::new(result, request, times))
}

fn record(api: &Api, request: &Request, result: &Result<QueryResult, QueryError>, times: Times) {
    // What is no query counts for nothing, as upstream parses before it runs.
    if matches!(result, Err(QueryError::Parse(_))) {
        return;
    }
    let stats = result.as_ref().map(|it| it.stats.clone()).unwrap_or_default();
    api.queries.metrics().record(&stats, times);
    let error = result.as_ref().err().map(ToString::to_string);
    let entry = Entry { request, stats: &stats, times, error };
    api.queries.log().write(&entry, api.clock.now_ms());
}

/// What a client is told of an error.
pub(crate) fn query_error(error: &QueryError) -> ApiError {
    let text = error.to_string();
    match error {
        QueryError::Parse(_) => ApiError::param("query", text),
        QueryError::Timeout => ApiError::new(ErrorKind::Timeout, text),
        QueryError::Canceled => ApiError::new(ErrorKind::Canceled, text),
        QueryError::Storage(_) => ApiError::new(ErrorKind::Internal, text),
        QueryError::TooManySamples
        | QueryError::TooMuchMemory { .. }
        | QueryError::ServerMemory { .. }
        | QueryError::Exec(_) => ApiError::new(ErrorKind::Execution, text),
    }
}

fn unexpected(error: tokio::task::JoinError) -> ApiError {
    let text = match error.try_into_panic() {
        Ok(panic) => format!("unexpected error: {}", panic_text(panic.as_ref())),
        Err(error) => error.to_string(),
    };
    ApiError::new(ErrorKind::Execution, text)
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a broken invariant")
}
