//! The API server: one question, and what became of it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use http::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, USER_AGENT};
use httpclient::{Client, Connection, Request, Response};
use serde::Deserialize;

use super::access::Access;
use super::exec::Tokens;
use super::metrics::KubernetesMetrics;
use crate::discoverer::Failure;
use crate::metrics::Metrics;
use crate::query::query;

/// An API server, and how it is asked.
pub(crate) struct Api {
    /// Its URL, without a slash at the end.
    server: String,
    client: Client,
    user_agent: HeaderValue,
    /// The job that asks.
    job: String,
    metrics: Arc<Metrics>,
    /// Where tokens come from, if not from the client's options.
    tokens: Option<Tokens>,
}

/// Why objects could not be listed or watched.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The version that was asked for is too old: list again.
    Expired,
    /// The answer makes no sense: list again.
    Garbage(String),
    /// No answer, or a refusal: try the same again.
    Failed(String),
}

impl Problem {
    /// Whether a watch cannot go on where it was.
    pub(crate) fn needs_list(&self) -> bool {
        matches!(self, Problem::Expired | Problem::Garbage(_))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Expired => f.write_str("the version is too old"),
            Problem::Garbage(text) | Problem::Failed(text) => f.write_str(text),
        }
    }
}

impl From<httpclient::Error> for Problem {
    fn from(problem: httpclient::Error) -> Self {
        Problem::Failed(problem.to_string())
    }
}

/// What an answer is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// Whole objects, listed or watched.
    Whole,
    /// A list of metadata, or of whole objects where the server knows no better.
    BareList,
    /// A watch of metadata, or of whole objects.
    BareWatch,
}

impl Form {
    fn accept(self) -> &'static str {
        match self {
            Form::Whole => "application/json",
            Form::BareList => {
                "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
            }
            Form::BareWatch => {
                "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
            }
        }
    }
}

/// The longest text of a refusal that is read.
const REFUSAL_BYTES_MAX: usize = 64 << 10;

impl Api {
    pub(crate) fn new(
        access: Access,
        user_agent: &str,
        job: &str,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, Failure> {
        let user_agent = HeaderValue::try_from(user_agent).map_err(|it| Failure(it.to_string()))?;
        Ok(Api {
            server: access.server.trim_end_matches('/').to_owned(),
            client: Client::new(access.http)?,
            user_agent,
            job: job.to_owned(),
            metrics: Arc::clone(metrics),
            tokens: access.exec.map(Tokens::new),
        })
    }

    pub(crate) fn connection(&self) -> Connection {
        self.client.connection()
    }

    pub(crate) fn job(&self) -> &str {
        &self.job
    }

    pub(crate) fn metrics(&self) -> &KubernetesMetrics {
        &self.metrics.kubernetes
    }

    /// Asks, and returns the head of an answer that is none of an error.
    pub(crate) async fn ask<'a, 'q>(
        &self,
        connection: &'a mut Connection,
        form: Form,
        path: &str,
        pairs: impl Iterator<Item = (&'q str, &'q str)>,
        timeout: Duration,
    ) -> Result<Response<'a>, Problem> {
        let mut headers = HeaderMap::from_iter([
            (ACCEPT, HeaderValue::from_static(form.accept())),
            (USER_AGENT, self.user_agent.clone()),
        ]);
        let token = match &self.tokens {
            Some(tokens) => Some(tokens.header().await?),
            None => None,
        };
        headers.extend(token.clone().map(|it| (AUTHORIZATION, it)));
        let url = format!("{}{path}{}", self.server, query(pairs));
        let request = Request { headers, ..Request::get(url, timeout) };
        let start = Instant::now();
        let answer = connection.send(&request).await;
        self.count(path, start, answer.as_ref().ok().map(|it| it.status));
        let mut response = answer?;
        if let (StatusCode::UNAUTHORIZED, Some(tokens), Some(token)) =
            (response.status, &self.tokens, &token)
        {
            tokens.refused(token).await;
        }
        match response.status {
            StatusCode::OK => Ok(response),
            StatusCode::GONE => Err(Problem::Expired),
            status => Err(Problem::Failed(refusal(status, &mut response).await)),
        }
    }

    fn count(&self, path: &str, start: Instant, status: Option<StatusCode>) {
        let status = status.map_or_else(|| "<error>".to_owned(), |it| it.as_u16().to_string());
        let metrics = self.metrics();
        metrics.http_requests.get(&[&status]).inc();
        metrics.http_request_duration.get(&[path]).observe(start.elapsed().as_secs_f64());
    }
}

/// What the server says about its refusal, or else the status alone.
async fn refusal(status: StatusCode, response: &mut Response<'_>) -> String {
    #[derive(Deserialize)]
    struct Status {
        message: String,
    }
    let mut text = Vec::new();
    let read = response.read_into(&mut text, REFUSAL_BYTES_MAX).await;
    match read.ok().and_then(|()| serde_json::from_slice::<Status>(&text).ok()) {
        Some(it) if !it.message.is_empty() => format!("{status}: {}", it.message),
        _ => format!("server returned HTTP status {status}"),
    }
}
