//! `/query_exemplars`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use model::{Exemplar, Matcher};
use tsdb::SeriesExemplars;

use super::storage;
use crate::envelope::{ApiError, ErrorKind, Success};
use crate::param::{self, Params};
use crate::{Api, json};

pub(crate) async fn query(
    State(api): State<Arc<Api>>,
    params: Params,
) -> Result<Response, ApiError> {
    let (mint, maxt) = (time(&params, "start", i64::MIN)?, time(&params, "end", i64::MAX)?);
    if maxt < mint {
        return Err(ApiError::bad("end timestamp must not be before start timestamp"));
    }
    let selectors = selectors(&api, params.get("query"))?;
    if selectors.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let db = storage(&api)?.db;
    let found = tokio::task::spawn_blocking(move || db.exemplars(mint, maxt, &selectors)).await;
    let found = found.map_err(|error| ApiError::new(ErrorKind::Internal, error.to_string()))?;
    Ok(Success::new(|out| json::array(out, &found, series)).into_response())
}

/// The matchers of each selector of an expression.
fn selectors(api: &Api, query: &str) -> Result<Vec<Vec<Matcher>>, ApiError> {
    let expr = promql::parse(query, &api.engine.options().parser)
        .map_err(|error| ApiError::bad(error.to_string()))?;
    let mut all = Vec::new();
    expr.walk_selectors(&mut |it| all.push(it.matchers.clone()));
    Ok(all)
}

fn time(params: &Params, name: &str, absent: i64) -> Result<i64, ApiError> {
    match params.get(name) {
        "" => Ok(absent),
        text => param::time_ms(text).map_err(|error| {
            ApiError::param(name, format!("invalid time value for '{name}': {error}"))
        }),
    }
}

fn series(out: &mut Vec<u8>, it: &SeriesExemplars) {
    let mut object = json::Object::new(out);
    json::labels(object.key("seriesLabels"), it.series.borrowed());
    json::array(object.key("exemplars"), &it.exemplars, exemplar);
    object.end();
}

fn exemplar(out: &mut Vec<u8>, it: &Exemplar) {
    let mut object = json::Object::new(out);
    json::labels(object.key("labels"), it.labels.borrowed());
    json::sample_value(object.key("value"), it.value);
    json::timestamp(object.key("timestamp"), it.t.unwrap_or_default());
    object.end();
}

#[cfg(test)]
mod tests {
    use model::Labels;

    use super::*;

    #[test]
    fn writes_as_upstream() {
        let labels = |name, value| Labels::from_pairs([(name, value)]);
        let it = SeriesExemplars {
            series: labels("__name__", "m"),
            exemplars: vec![Exemplar {
                labels: labels("trace_id", "<1>"),
                value: 6.5,
                t: Some(1_600_096_945_479),
            }],
        };
        let mut out = Vec::new();
        series(&mut out, &it);
        let expected = r#"{"seriesLabels":{"__name__":"m"},"exemplars":[{"labels":{"trace_id":"<1>"},"value":"6.5","timestamp":1600096945.479}]}"#;
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}
