//! The web pages, `/metrics`, `/version` and redirects.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use client::{protobuf_page, text_page};
use exposition::{PROTOBUF_CONTENT_TYPE, TextFormat};
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, LOCATION,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::Api;
use crate::v1::status::build_object;

/// Routes that the page's own script answers.
const APP_ROUTES: [&str; 3] = ["/query", "/targets", "/tsdb-status"];

pub(crate) fn router(api: &Arc<Api>) -> Router {
    let mut routes = Router::new()
        .route(
            "/",
            get(|State(api): State<Arc<Api>>| {
                let page = if api.options.agent { "agent" } else { "query" };
                redirect(format!("{}/{page}", api.options.route_prefix))
            }),
        )
        // An agent's page shows its targets.
        .route(
            "/agent",
            get(|State(api): State<Arc<Api>>| {
                redirect(format!("{}/targets", api.options.route_prefix))
            }),
        )
        .route("/graph", get(graph))
        .route("/metrics", get(metrics))
        .route("/version", get(version))
        .route("/assets/{*path}", get(asset))
        .route(
            "/favicon.svg",
            get(|headers: HeaderMap| async move { file("favicon.svg", &headers) }),
        );
    for route in APP_ROUTES {
        routes = routes
            .route(route, get(|headers: HeaderMap| async move { file("index.html", &headers) }));
    }
    routes.with_state(Arc::clone(api))
}

/// 302 to `to`.
pub(crate) async fn redirect(to: String) -> Response {
    let mut response = StatusCode::FOUND.into_response();
    if let Ok(to) = HeaderValue::from_str(&to) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

/// The address of the query page in earlier versions; keeps the query string.
async fn graph(State(api): State<Arc<Api>>, RawQuery(query): RawQuery) -> Response {
    let query = query.map_or_else(String::new, |it| format!("?{it}"));
    redirect(format!("{}/query{query}", api.options.route_prefix)).await
}

async fn metrics(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if prefers_protobuf(accept) {
        let page = protobuf_page(&api.registry);
        return ([(CONTENT_TYPE, PROTOBUF_CONTENT_TYPE)], page).into_response();
    }
    let page = text_page(&api.registry);
    ([(CONTENT_TYPE, TextFormat::Prometheus.content_type())], page).into_response()
}

/// True if of the formats there are, text and protobuf, the one that `Accept` weighs most is protobuf. Of equal
/// weights the first counts.
fn prefers_protobuf(accept: &str) -> bool {
    let mut best = (0.0, false);
    for item in accept.split(',') {
        let mut parts = item.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let (mut weight, mut proto, mut encoding, mut version) = (1.0, "", "", "");
        for (name, value) in parts.filter_map(|it| it.split_once('=')) {
            match name.trim() {
                "q" => weight = value.trim().parse().unwrap_or(0.0),
                "proto" => proto = value.trim(),
                "encoding" => encoding = value.trim(),
                "version" => version = value.trim(),
                _ => {}
            }
        }
        let is_protobuf = kind == "application/vnd.google.protobuf"
            && proto == "io.prometheus.client.MetricFamily"
            && encoding == "delimited";
        let is_text = kind == "text/plain" && matches!(version, "" | "0.0.4" | "1.0.0");
        if (is_protobuf || is_text) && best.0 < weight {
            best = (weight, is_protobuf);
        }
    }
    best.1
}

async fn version(State(api): State<Arc<Api>>) -> Response {
    let mut out = Vec::new();
    build_object(&mut out, &api);
    out.push(b'\n');
    ([(CONTENT_TYPE, "application/json")], out).into_response()
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    file(&format!("assets/{path}"), &headers)
}

/// What the pages may load: only what comes from here.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:";

/// A file of the built pages. It is stored compressed and sent so: every browser takes gzip.
fn file(path: &str, request: &HeaderMap) -> Response {
    let Some(file) = ui::file(path) else { return StatusCode::NOT_FOUND.into_response() };
    if request.get(IF_NONE_MATCH).is_some_and(|it| it.as_bytes() == file.etag.as_bytes()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let mut response = Response::new(Body::from(file.bytes));
    let headers = response.headers_mut();
    let cache = if file.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    if let Ok(etag) = HeaderValue::from_str(&file.etag) {
        headers.insert(ETAG, etag);
    }
    if file.gzipped {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negotiates_protobuf() {
        let check = |accept: &str, expected| {
            assert_eq!(prefers_protobuf(accept), expected, "{accept}");
        };
        let proto = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
        check("", false);
        check("*/*", false);
        check(proto, true);
        check(&format!("{proto};q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.4"), true);
        check(&format!("text/plain;version=0.0.4;q=0.6, {proto}; q=0.5"), false);
        check(&format!("application/openmetrics-text;version=1.0.0;q=0.9,{proto};q=0.5"), true);
        check(&format!("text/plain;q=0.5,{proto};q=0.5"), false);
        check(&format!("{proto};q=0"), false);
        check(&format!("{proto};q=x,text/plain;q=0.1"), false);
        check(&proto.replace("delimited", "text"), false);
    }
}
