//! `http_sd_configs`: somebody's list of groups, in JSON.
//!
//! The list is whole each time: groups beyond its end are gone. An answer that is not such a list changes nothing.
//! It is read up to 64 MiB, within a refresh interval.

mod list;

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use httpclient::{Connection, Request};
use model::{Labels, TargetGroup, quote};
use tokio::task::spawn_blocking;

use crate::discoverer::{Discoverer, Failure};
use crate::mechanism::Setup;
use crate::metrics::Metrics;
use crate::refresh::Lookup;

/// The label that names where a group comes from.
const URL_LABEL: &str = "__meta_url";

/// Tells how often the list is asked for, in seconds.
const REFRESH_INTERVAL: HeaderName =
    HeaderName::from_static("x-prometheus-refresh-interval-seconds");

/// The longest list that is read.
const BODY_BYTES_MAX: usize = 64 << 20;

struct HttpLookup {
    request: Request,
    connection: Connection,
    metrics: Arc<Metrics>,
    /// How many groups the last list had.
    n_groups: usize,
}

pub(crate) fn build(setup: &Setup<'_>) -> Result<Box<dyn Discoverer>, Failure> {
    let interval = setup.duration("refresh_interval");
    let request = Request {
        headers: headers(interval, &setup.options.user_agent)?,
        ..Request::get(setup.section.text("url"), interval)
    };
    Ok(setup.refreshed(HttpLookup {
        request,
        connection: setup.client()?.connection(),
        metrics: Arc::clone(setup.metrics),
        n_groups: 0,
    }))
}

fn headers(interval: Duration, user_agent: &str) -> Result<HeaderMap, Failure> {
    let seconds = stdx::gofloat::format_f(interval.as_secs_f64());
    let value = |text: &str| HeaderValue::try_from(text).map_err(|it| Failure(it.to_string()));
    Ok(HeaderMap::from_iter([
        (ACCEPT, HeaderValue::from_static("application/json")),
        (REFRESH_INTERVAL, value(&seconds)?),
        (USER_AGENT, value(user_agent)?),
    ]))
}

impl Lookup for HttpLookup {
    async fn look_up(&mut self) -> Result<Vec<TargetGroup>, Failure> {
        let found = self.fetch().await;
        if found.is_err() {
            self.metrics.http_failures.inc();
        }
        found
    }
}

impl HttpLookup {
    async fn fetch(&mut self) -> Result<Vec<TargetGroup>, Failure> {
        let (status, headers, body) = self.connection.fetch(&self.request, BODY_BYTES_MAX).await?;
        if status != StatusCode::OK {
            return Err(Failure(format!("server returned HTTP status {status}")));
        }
        let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let kind = String::from_utf8_lossy(kind);
        if !is_json(kind.trim()) {
            return Err(Failure(format!("unsupported content type {}", quote(&kind))));
        }
        let parse = move || list::parse(&String::from_utf8_lossy(&body)).map_err(Failure);
        let groups = spawn_blocking(parse).await.map_err(|it| Failure(it.to_string()))??;
        Ok(self.finish(groups))
    }

    /// Names the groups, and those that are gone.
    fn finish(&mut self, mut groups: Vec<TargetGroup>) -> Vec<TargetGroup> {
        let (n_before, url) = (self.n_groups, &self.request.url);
        self.n_groups = groups.len();
        let none =
            TargetGroup { source: String::new(), targets: Vec::new(), labels: Labels::empty() };
        groups.resize(n_before.max(groups.len()), none);
        for (at, group) in groups.iter_mut().enumerate() {
            group.source = format!("{url}:{at}");
            group.labels = group.labels.to_builder().set(URL_LABEL, url).labels();
        }
        groups
    }
}

/// True for `application/json`, in UTF-8 if it says in what.
fn is_json(content_type: &str) -> bool {
    let lower = content_type.to_ascii_lowercase();
    let Some(rest) = lower.strip_prefix("application/json") else { return false };
    let Some(parameter) = rest.strip_prefix(';') else { return rest.is_empty() };
    matches!(parameter.trim_ascii_start(), "charset=utf-8" | "charset=\"utf-8\"")
}

#[cfg(any(fuzzing, test))]
pub(crate) fn fuzz(body: &[u8]) {
    let _ = list::parse(&String::from_utf8_lossy(body));
}

#[cfg(test)]
mod tests;
