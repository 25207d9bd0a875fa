//! `/format_query` and `/parse_query`.

use std::sync::Arc;

use axum::extract::State;

use crate::envelope::{ApiError, Success};
use crate::param::Params;
use crate::{Api, json};

pub(crate) async fn format(
    State(api): State<Arc<Api>>,
    params: Params,
) -> Result<Success, ApiError> {
    let expr = parsed(&api, &params)?;
    let text = expr.pretty();
    Ok(Success::new(|out| json::string(out, &text)))
}

pub(crate) async fn parse(
    State(api): State<Arc<Api>>,
    params: Params,
) -> Result<Success, ApiError> {
    let expr = parsed(&api, &params)?;
    let tree = expr.to_json().to_string();
    Ok(Success::new(|out| out.extend_from_slice(tree.as_bytes())))
}

fn parsed(api: &Api, params: &Params) -> Result<promql::Expr, ApiError> {
    promql::parse(params.get("query"), &api.engine.options().parser)
        .map_err(|error| ApiError::param("query", error))
}
