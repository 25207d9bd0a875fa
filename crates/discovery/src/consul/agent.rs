//! The Consul agent: questions, and answers that may take their time.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, StatusCode};
use httpclient::{Client, Connection, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::task::spawn_blocking;

use crate::discoverer::Failure;
use crate::json::parse;
use crate::mechanism::Setup;
use crate::metrics::Metrics;
use crate::query::query;

/// How long an answer may wait for a change, and the server may add a sixteenth to it.
const WAIT: &str = "120000ms";

/// How long a question may take: the wait and a bit more.
const TIME_MAX: Duration = Duration::from_secs(135);

/// The longest answer that is read.
const BODY_BYTES_MAX: usize = 64 << 20;

/// The longest refusal that is shown.
const REFUSAL_CHARS_MAX: usize = 200;

const TOKEN: HeaderName = HeaderName::from_static("x-consul-token");

/// The agent that is asked.
pub(crate) struct Agent {
    /// Its URL, without a slash at the end.
    server: String,
    client: Client,
    headers: HeaderMap,
    /// The one that the configuration names.
    pub(crate) datacenter: String,
    /// What is asked with every question about the catalog.
    pairs: Vec<(&'static str, String)>,
    metrics: Arc<Metrics>,
}

/// What the agent is asked.
pub(crate) struct Question<'a> {
    /// Names of metrics: the part of the API, and the question.
    pub(crate) endpoint: &'static str,
    pub(crate) call: &'static str,
    pub(crate) path: String,
    pub(crate) tags: &'a [String],
    pub(crate) filter: &'a str,
}

impl Agent {
    pub(crate) fn new(setup: &Setup<'_>) -> Result<Self, Failure> {
        let section = setup.section;
        let value = |text: &str| HeaderValue::try_from(text).map_err(|it| Failure(it.to_string()));
        let mut headers = HeaderMap::from_iter([(USER_AGENT, value(&setup.options.user_agent)?)]);
        let token = section.text("token");
        if !token.is_empty() {
            let mut token = value(token)?;
            token.set_sensitive(true);
            headers.insert(TOKEN, token);
        }
        let text = |key: &str| section.text(key).to_owned();
        let mut pairs = vec![
            ("dc", text("datacenter")),
            ("ns", text("namespace")),
            ("partition", text("partition")),
        ];
        pairs.retain(|it| !it.1.is_empty());
        if section.flag("allow_stale") {
            pairs.push(("stale", String::new()));
        }
        if let Some(config::Item::TextMap(meta)) = section.get("node_meta") {
            pairs.extend(meta.iter().map(|(name, value)| ("node-meta", format!("{name}:{value}"))));
        }
        Ok(Agent {
            server: server(&text("scheme"), &text("server"), &text("path_prefix"))?,
            client: match socket(&text("server")) {
                Some(path) => setup.client()?.over_unix_socket(path),
                None => setup.client()?,
            },
            headers,
            datacenter: text("datacenter"),
            pairs,
            metrics: Arc::clone(setup.metrics),
        })
    }

    pub(crate) fn connection(&self) -> Connection {
        self.client.connection()
    }

    /// Asks, and waits for something that is newer than `index`. Returns the answer and its index; 0: it has none.
    pub(crate) async fn ask<T: DeserializeOwned + Send + 'static>(
        &self,
        connection: &mut Connection,
        question: &Question<'_>,
        index: u64,
    ) -> Result<(T, u64), Failure> {
        let metrics = &self.metrics.consul;
        let index = index.to_string();
        let blocking = [("index", index.as_str()), ("wait", WAIT)];
        let tags = question.tags.iter().map(|it| ("tag", it.as_str()));
        let filter = [("filter", question.filter)].into_iter().filter(|it| !it.1.is_empty());
        let own = self.pairs.iter().map(|it| (it.0, it.1.as_str()));
        let pairs = own.chain(tags).chain(filter).chain(blocking);
        let start = Instant::now();
        let answer = self.get(connection, &format!("{}{}", question.path, query(pairs))).await;
        let took = start.elapsed().as_secs_f64();
        metrics.rpc_duration.get(&[question.endpoint, question.call]).observe(took);
        answer.inspect_err(|_| metrics.rpc_failures.inc())
    }

    /// Asks the agent which datacenter it is in.
    pub(crate) async fn own_datacenter(
        &self,
        connection: &mut Connection,
    ) -> Result<String, Failure> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct About {
            config: AgentConfig,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct AgentConfig {
            datacenter: String,
        }
        let answer = self.get::<About>(connection, "/v1/agent/self").await;
        let answer = answer.inspect_err(|_| self.metrics.consul.rpc_failures.inc());
        Ok(answer?.0.config.datacenter)
    }

    async fn get<T: DeserializeOwned + Send + 'static>(
        &self,
        connection: &mut Connection,
        path: &str,
    ) -> Result<(T, u64), Failure> {
        let request = Request {
            method: Method::GET,
            headers: self.headers.clone(),
            ..Request::get(format!("{}{path}", self.server), TIME_MAX)
        };
        let (status, headers, body) = connection.fetch(&request, BODY_BYTES_MAX).await?;
        if status != StatusCode::OK {
            let text = String::from_utf8_lossy(&body);
            let text: String = text.trim().chars().take(REFUSAL_CHARS_MAX).collect();
            return Err(Failure(format!("Unexpected response code: {} ({text})", status.as_u16())));
        }
        let index = headers.get("x-consul-index").and_then(|it| it.to_str().ok());
        let index = index.and_then(|it| it.parse().ok()).unwrap_or(0);
        // An answer may take longer to read than others want to wait.
        let parsed = spawn_blocking(move || parse(&body)).await;
        let parsed = parsed.unwrap_or_else(|it| Err(it.to_string()));
        Ok((parsed.map_err(|it| Failure(format!("bad answer: {it}")))?, index))
    }
}

/// The socket in the file system that an address names.
fn socket(address: &str) -> Option<&Path> {
    address.trim().strip_prefix("unix://").map(Path::new)
}

/// The URL of an agent whose address may say the scheme itself.
fn server(scheme: &str, address: &str, path_prefix: &str) -> Result<String, Failure> {
    let address = address.trim();
    let (scheme, address) = match address.split_once("://") {
        None => (scheme, address),
        Some(("http", rest)) => (scheme, rest),
        Some(("https", rest)) => ("https", rest),
        Some(("unix", _)) => (scheme, "localhost"),
        Some((other, _)) => return Err(Failure(format!("unknown protocol scheme: {other}"))),
    };
    let (address, prefix) = (address.trim_end_matches('/'), path_prefix.trim_matches('/'));
    let slash = if prefix.is_empty() { "" } else { "/" };
    Ok(format!("{scheme}://{address}{slash}{prefix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_agent() {
        let check = |scheme, address, prefix, expected: &str| {
            assert_eq!(server(scheme, address, prefix).unwrap_or_else(|it| it.0), expected);
        };
        check("http", "localhost:8500", "", "http://localhost:8500");
        check("http", "a:1/", "consul/", "http://a:1/consul");
        check("http", "https://a:1", "/x/y", "https://a:1/x/y");
        check("https", "http://a:1", "", "https://a:1");
        check("http", "unix:///run/c.sock", "", "http://localhost");
        assert_eq!(socket("unix:///run/c.sock"), Some(Path::new("/run/c.sock")));
        check("http", "ftp://a:1", "", "unknown protocol scheme: ftp");
    }
}
