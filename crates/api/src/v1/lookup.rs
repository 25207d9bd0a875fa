//! Lists of series, label names and label values: their way through the storage, under the limits of queries.

use std::time::Duration;

use promql_engine::{Cancel, Engine, Lookup, QueryError, QueryOptions};
use storage::{Querier, ReadError};

use super::storage;
use crate::Api;
use crate::envelope::{ApiError, ErrorKind, Success};
use crate::query::query_error;

/// Runs a lookup over a view of `range`: here if it is short, else on a blocking thread, where it takes two
/// threads to be woken. Dropping the future gives it up.
pub(super) async fn look_up(
    api: &Api,
    (mint, maxt): (i64, i64),
    is_short: impl FnOnce(&dyn Querier) -> bool,
    look: impl FnOnce(&dyn Querier, &mut Lookup) -> Result<Success, ReadError> + Send + 'static,
) -> Result<Success, ApiError> {
    let (given_up, lookup) = begin(&api.engine, api.options.query_timeout);
    let querier = storage(api)?.queryable.querier(mint, maxt);
    let querier = querier.map_err(|error| lookup_error(&QueryError::Storage(error)))?;
    if is_short(querier.as_ref()) {
        return finish(querier.as_ref(), lookup, look);
    }
    finish_elsewhere(given_up, querier, lookup, look).await
}

/// Gives a lookup up that nobody waits for any more.
#[derive(Default)]
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn begin(engine: &Engine, timeout: Duration) -> (CancelOnDrop, Lookup) {
    let given_up = CancelOnDrop::default();
    let (timeout, cancel) = (Some(timeout), given_up.0.clone());
    let options = QueryOptions { timeout, cancel, ..QueryOptions::default() };
    let lookup = engine.look_up(&options);
    (given_up, lookup)
}

async fn finish_elsewhere(
    given_up: CancelOnDrop,
    querier: Box<dyn Querier>,
    lookup: Lookup,
    look: impl FnOnce(&dyn Querier, &mut Lookup) -> Result<Success, ReadError> + Send + 'static,
) -> Result<Success, ApiError> {
    let found = tokio::task::spawn_blocking(move || finish(querier.as_ref(), lookup, look)).await;
    drop(given_up);
    found.map_err(|error| ApiError::new(ErrorKind::Internal, error.to_string()))?
}

fn finish(
    querier: &dyn Querier,
    mut lookup: Lookup,
    look: impl FnOnce(&dyn Querier, &mut Lookup) -> Result<Success, ReadError>,
) -> Result<Success, ApiError> {
    let found = look(querier, &mut lookup);
    let found = found.map_err(|error| lookup_error(&lookup.error(error)))?;
    Ok(found.with_hold(lookup.into_hold()))
}

fn lookup_error(error: &QueryError) -> ApiError {
    match error {
        QueryError::Storage(error) => ApiError::new(ErrorKind::Execution, error.to_string()),
        error => query_error(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use promql_engine::Options;
    use storage::merge::MergeQuerier;

    use super::*;

    #[tokio::test]
    async fn ends_when_nobody_waits() {
        let clock = Arc::new(stdx::SystemClock::default());
        let engine = Engine::new(Options::default(), clock);
        let (given_up, lookup) = begin(&engine, Duration::from_secs(3600));
        let (ended, end) = mpsc::channel();
        let endless = move |_: &dyn Querier, lookup: &mut Lookup| {
            while lookup.guard().check(0).is_ok() {
                std::thread::yield_now();
            }
            ended.send(()).expect("it is waited for");
            Err(ReadError::Interrupted)
        };
        let querier = Box::new(MergeQuerier::new(Vec::new()));
        tokio::select! {
            biased;
            _ = finish_elsewhere(given_up, querier, lookup, endless) => panic!("it is endless"),
            () = std::future::ready(()) => {}
        }
        end.recv_timeout(Duration::from_secs(20)).expect("it ends");
    }
}
