//! The envelope of every answer under `/api/v1`.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

use promql_engine::Hold;

use crate::json;

/// At most this many warnings, and as many infos, are listed.
const ANNOTATIONS_MAX: usize = 10;

/// What upstream says when a list was cut.
pub(crate) const TRUNCATED: &str = "results truncated due to limit";

/// Why a request failed: what the client sees, and with it the status code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    kind: ErrorKind,
    text: String,
}

/// The `errorType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    BadData,
    Execution,
    Canceled,
    Timeout,
    Internal,
    NotFound,
    Unavailable,
}

impl ErrorKind {
    fn name_and_status(self) -> (&'static str, u16) {
        match self {
            Self::BadData => ("bad_data", 400),
            Self::Execution => ("execution", 422),
            Self::Canceled => ("canceled", 499),
            Self::Timeout => ("timeout", 503),
            Self::Internal => ("internal", 500),
            Self::NotFound => ("not_found", 404),
            Self::Unavailable => ("unavailable", 500),
        }
    }
}

impl ApiError {
    /// An error of this kind.
    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// A bad request.
    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadData, text)
    }

    /// `invalid parameter "NAME": CAUSE`.
    pub(crate) fn param(name: &str, cause: impl std::fmt::Display) -> Self {
        Self::bad(format!("invalid parameter {}: {cause}", json::quoted(name)))
    }

    /// An agent has no database.
    pub(crate) fn of_agent() -> Self {
        Self::new(ErrorKind::Execution, "unavailable with Prometheus Agent")
    }

    /// Says during what it happened.
    pub(crate) fn within(mut self, what: &str) -> Self {
        self.text = format!("{what}: {}", self.text);
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (name, status) = self.kind.name_and_status();
        let mut out = Vec::with_capacity(64 + self.text.len());
        let mut object = json::Object::new(&mut out);
        object
            .string("status", "error")
            .string("errorType", name)
            .string("error", &self.text)
            .end();
        respond(StatusCode::from_u16(status).expect("a valid status"), out)
    }
}

/// A successful answer: JSON of `data`, and what there is to note.
#[derive(Debug)]
pub(crate) struct Success {
    /// The answer up to the end of the data.
    out: Vec<u8>,
    warnings: Vec<String>,
    hold: Option<Hold>,
}

impl Success {
    /// An answer whose data `write` appends.
    pub(crate) fn new(write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let Ok(success) = Self::try_new(|out| {
            write(out);
            Ok::<(), Infallible>(())
        });
        success
    }

    /// An answer whose data `write` appends, unless it fails.
    pub(crate) fn try_new<E>(write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<Self, E> {
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(SUCCESS);
        write(&mut out)?;
        Ok(Self { out, warnings: Vec::new(), hold: None })
    }

    /// Keeps the answer charged until it is sent.
    pub(crate) fn with_hold(mut self, hold: Hold) -> Self {
        self.hold = Some(hold);
        self
    }

    /// Adds a warning.
    pub(crate) fn warn(mut self, text: impl Into<String>) -> Self {
        self.warnings.push(text.into());
        self
    }
}

impl IntoResponse for Success {
    fn into_response(self) -> Response {
        let Self { mut out, warnings, hold } = self;
        notes(&mut out, &warnings, &[]);
        out.push(b'}');
        match hold {
            None => json_response(Body::from(out)),
            Some(hold) => json_response(Body::from(Bytes::from_owner(Held { out, _hold: hold }))),
        }
    }
}

/// How every success begins.
const SUCCESS: &[u8] = b"{\"status\":\"success\",\"data\":";

/// An answer that is charged while it exists.
struct Held {
    out: Vec<u8>,
    _hold: Hold,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.out
    }
}

/// Appends warnings and infos, each unless empty, as further members of an object that has some already.
pub(crate) fn notes(out: &mut Vec<u8>, warnings: &[String], infos: &[String]) {
    for (name, list, what) in [("warnings", warnings, "warning"), ("infos", infos, "info")] {
        if !list.is_empty() {
            out.push(b',');
            json::string(out, name);
            out.push(b':');
            annotations(out, list, what);
        }
    }
}

fn annotations(out: &mut Vec<u8>, list: &[String], what: &str) {
    let shown = &list[..list.len().min(ANNOTATIONS_MAX)];
    let omitted = list.len() - shown.len();
    let rest = (0 < omitted).then(|| format!("{omitted} more {what} annotations omitted"));
    json::strings(out, shown.iter().chain(rest.as_ref()));
}

fn respond(status: StatusCode, json: Vec<u8>) -> Response {
    let mut response = json_response(Body::from(json));
    *response.status_mut() = status;
    response
}

/// A response of 200 whose body is JSON.
pub(crate) fn json_response(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(response: Response, status: u16, expected: &str) {
        assert_eq!(response.status().as_u16(), status);
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&body), expected);
    }

    #[tokio::test]
    async fn wraps() {
        let ok = Success::new(|out| json::strings(out, ["a"])).warn("careful");
        check(
            ok.into_response(),
            200,
            r#"{"status":"success","data":["a"],"warnings":["careful"]}"#,
        )
        .await;
        let bad = ApiError::param("query", "no");
        let text = r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": no"}"#;
        check(bad.into_response(), 400, text).await;
        let canceled = ApiError::new(ErrorKind::Canceled, "x").into_response();
        assert_eq!(canceled.status().as_u16(), 499);
    }
}
