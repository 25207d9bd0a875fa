//! What guards a server: the file of `--web.config.file`, looked at anew for each connection and request.
//!
//! So certificates and users change without a reload; a file that is broken for a while refuses all requests for
//! that while. Whether there is TLS at all is settled at the start.

mod names;
mod rules;
mod tls;
mod users;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{Request, StatusCode};
use rustls::ServerConfig;

use rules::{RateLimit, Rules, Stamp};
use users::Users;

/// Guards a server as a file says.
#[derive(Debug)]
pub struct Guard {
    path: PathBuf,
    is_tls: bool,
    /// What the files said last. Held for a look at them, and to read them again.
    current: Mutex<Current>,
    users: Users,
    /// Requests that may be answered at once, and since when. Held to count one.
    allowance: Mutex<Option<(f64, Instant)>>,
}

#[derive(Debug)]
struct Current {
    stamps: Vec<Stamp>,
    rules: Result<Arc<Rules>, String>,
}

impl Guard {
    /// Reads the file, and the certificates that it names.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, String> {
        let path = path.into();
        let rules = Rules::load(&path)?;
        let current = Current { stamps: rules.stamps(&path), rules: Ok(Arc::new(rules)) };
        let is_tls = current.rules.as_ref().is_ok_and(|it| it.tls.is_some());
        Ok(Self {
            path,
            is_tls,
            current: Mutex::new(current),
            users: Users::default(),
            allowance: Mutex::default(),
        })
    }

    /// True if clients have to speak TLS.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// The rules as the files are now.
    fn rules(&self) -> Result<Arc<Rules>, String> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = current.stamps.iter().all(Stamp::holds);
        if !is_same {
            // Files that change while they are read have new stamps by then.
            let rules = Rules::load(&self.path).map(Arc::new);
            current.stamps = match &rules {
                Ok(rules) => rules.stamps(&self.path),
                // Whatever is wrong may be in a file that nobody knows of yet.
                Err(_) => vec![Stamp::never()],
            };
            current.rules = rules;
        }
        current.rules.clone()
    }

    /// What a connection's handshake goes by; `None` without TLS.
    pub(crate) fn tls(&self) -> Result<Option<Arc<ServerConfig>>, String> {
        if !self.is_tls {
            return Ok(None);
        }
        let tls = self.rules()?.tls.clone();
        tls.map(Some).ok_or_else(|| "TLS config is not present".into())
    }

    /// Lets a request in, and returns the headers of its answer; or answers in its place.
    pub(crate) async fn admit<B>(&self, request: &Request<B>) -> Result<HeaderMap, Response> {
        let rules = self.rules().map_err(|why| {
            tracing::error!(err = %why, "Unable to parse configuration");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, HeaderMap::new())
        })?;
        if let Some(limit) = &rules.rate_limit
            && !self.is_within(limit)
        {
            return Err(refuse(StatusCode::TOO_MANY_REQUESTS, HeaderMap::new()));
        }
        let headers = rules.headers.clone();
        if rules.users.is_empty() || self.users.knows(&rules.users, request.headers()).await {
            return Ok(headers);
        }
        let mut refusal = refuse(StatusCode::UNAUTHORIZED, headers);
        refusal.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
        Err(refusal)
    }

    /// Counts a request; false if there are too many.
    fn is_within(&self, limit: &RateLimit) -> bool {
        let mut allowance = self.allowance.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (left, since) = allowance.unwrap_or((limit.burst, now));
        let gained = now.duration_since(since).as_secs_f64() / limit.interval.as_secs_f64();
        let left = (left + gained).min(limit.burst);
        let is_within = 1.0 <= left;
        *allowance = Some((if is_within { left - 1.0 } else { left }, now));
        is_within
    }
}

/// An answer of a status and its name.
fn refuse(status: StatusCode, headers: HeaderMap) -> Response {
    let text = format!("{}\n", status.canonical_reason().unwrap_or_default());
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    let sniff = HeaderName::from_static("x-content-type-options");
    response.headers_mut().insert(sniff, HeaderValue::from_static("nosniff"));
    response
}
