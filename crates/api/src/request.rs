//! What handlers take from a request, and the checks before them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::RequestExt;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, ORIGIN, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::Api;
use crate::envelope::ApiError;
use crate::param::Params;
use crate::query::Origin;

/// Reads parameters of the URL and of a form-encoded body (2 MiB at most).
impl FromRequest<Arc<Api>> for Params {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &Arc<Api>) -> Result<Self, ApiError> {
        let query = request.uri().query().unwrap_or("").to_owned();
        let is_form = request.method() == Method::POST
            && request
                .headers()
                .get(CONTENT_TYPE)
                .and_then(|it| it.to_str().ok())
                .is_some_and(|it| it.starts_with("application/x-www-form-urlencoded"));
        if !is_form {
            return Ok(Self::new(&query, b""));
        }
        let body: Bytes = request
            .extract()
            .await
            .map_err(|error| ApiError::bad(format!("error parsing form values: {error}")))?;
        Ok(Self::new(&query, &body))
    }
}

/// Who asks: the other end of the connection.
impl FromRequestParts<Arc<Api>> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Infallible> {
        let client = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self {
            client: client.map_or_else(String::new, |it| it.0.ip().to_string()),
            method: parts.method.to_string(),
            path: format!("{}/api/v1{}", api.options.route_prefix, parts.uri.path()),
        })
    }
}

/// Answers 503 until the server is ready, and again once it stops.
pub(crate) async fn require_ready(
    State(api): State<Arc<Api>>,
    request: Request,
    next: Next,
) -> Response {
    if api.is_ready() { next.run(request).await } else { unavailable(&api, String::new()) }
}

/// Answers for an agent that it has no database.
pub(crate) async fn require_storage(
    State(api): State<Arc<Api>>,
    request: Request,
    next: Next,
) -> Response {
    if api.options.agent { ApiError::of_agent().into_response() } else { next.run(request).await }
}

/// The answer before the server is ready and after; `more` follows the words of upstream.
pub(crate) fn unavailable(api: &Api, more: String) -> Response {
    let stopping = if api.is_stopping() { "true" } else { "false" };
    let text = format!("Service Unavailable{more}");
    (StatusCode::SERVICE_UNAVAILABLE, [("X-Prometheus-Stopping", stopping)], text).into_response()
}

/// Lets browsers on allowed origins read the answers; `OPTIONS` is answered here.
pub(crate) async fn cors(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(ORIGIN).cloned();
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        allow(headers, origin, &api);
    }
    response
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue, api: &Api) {
    for (name, value) in [
        ("access-control-allow-headers", "Accept, Authorization, Content-Type, Origin"),
        ("access-control-allow-methods", "GET, POST, OPTIONS"),
        ("access-control-expose-headers", "Date"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if origin.to_str().is_ok_and(|it| api.options.cors_origin.is_match(it)) {
        headers.insert(HeaderName::from_static("access-control-allow-origin"), origin);
    }
}
