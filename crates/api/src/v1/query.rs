//! `/query` and `/query_range`: their parameters.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;

use crate::Api;
use crate::envelope::ApiError;
use crate::param::{self, Params};
use crate::query::answer::Answer;
use crate::query::{Origin, Request, StatsWanted, When, run};

/// Most steps a range query may have.
const STEPS_MAX: i64 = 11_000;

pub(crate) async fn instant(
    State(api): State<Arc<Api>>,
    origin: Origin,
    params: Params,
) -> Result<Answer, ApiError> {
    let limit = super::limit(&params)?;
    let t = match params.get("time") {
        "" => api.clock.now_ms(),
        text => param::time_ms(text).map_err(|error| {
            ApiError::param("time", format!("invalid time value for 'time': {error}"))
        })?,
    };
    let request = request(&api, &params, When::At(t), (limit, origin))?;
    run(&api, request).await
}

pub(crate) async fn range(
    State(api): State<Arc<Api>>,
    origin: Origin,
    params: Params,
) -> Result<Answer, ApiError> {
    let limit = super::limit(&params)?;
    let time = |name: &'static str| {
        param::time_ms(params.get(name)).map_err(|error| ApiError::param(name, error))
    };
    let (start, end) = (time("start")?, time("end")?);
    if end < start {
        return Err(ApiError::param("end", "end timestamp must not be before start time"));
    }
    let step =
        param::duration_ms(params.get("step")).map_err(|error| ApiError::param("step", error))?;
    if step <= 0 {
        let text = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(ApiError::param("step", text));
    }
    if STEPS_MAX < end.saturating_sub(start) / step {
        return Err(ApiError::bad(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    let when = When::Range { start, end, step };
    let request = request(&api, &params, when, (limit, origin))?;
    run(&api, request).await
}

fn request(
    api: &Api,
    params: &Params,
    when: When,
    (limit, origin): (usize, Origin),
) -> Result<Request, ApiError> {
    let timeout = match params.get("timeout") {
        "" => api.options.query_timeout,
        text => {
            let ms = param::duration_ms(text).map_err(|error| ApiError::param("timeout", error))?;
            Duration::from_millis(u64::try_from(ms).unwrap_or(0)).min(api.options.query_timeout)
        }
    };
    let lookback_ms = match params.get("lookback_delta") {
        "" => None,
        text => Some(param::duration_ms(text).map_err(|error| {
            ApiError::bad(format!("error parsing lookback delta duration: {error}"))
        })?)
        .filter(|it| 0 < *it),
    };
    Ok(Request {
        query: params.get("query").to_owned(),
        when,
        lookback_ms,
        timeout,
        limit,
        stats: StatsWanted::read(params.get("stats")),
        origin,
    })
}
