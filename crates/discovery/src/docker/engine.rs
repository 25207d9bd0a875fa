//! A Docker engine, asked over its API.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::time::Duration;

use http::StatusCode;
use http::header::{HeaderMap, HeaderValue, USER_AGENT};
use httpclient::{Client, Connection, Request};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, SeqAccess, Visitor};
use tokio::task::spawn_blocking;

use crate::discoverer::Failure;
use crate::mechanism::Setup;
use crate::query::query;

/// The longest answer that is read; a label's value ends at 16 MiB.
const BODY_BYTES_MAX: usize = 15 << 20;

/// The most containers, networks and the like. One that says nothing of itself takes three bytes of text and hundreds
/// in memory.
const ITEMS_MAX: usize = 100_000;

/// How long an answer is waited for where nothing is refreshed.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An engine at the other end of a connection.
pub(crate) struct Engine {
    pub(crate) connection: Connection,
    /// What its URLs begin with.
    pub(crate) base: String,
    pub(crate) headers: HeaderMap,
    pub(crate) timeout: Duration,
}

/// A list that ends; a null is an empty one.
struct List<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E>(self) -> Result<List<T>, E> {
        Ok(List(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            if items.len() == ITEMS_MAX {
                return Err(A::Error::custom(format!("more than {ITEMS_MAX} items")));
            }
            items.push(item);
        }
        Ok(List(items))
    }
}

/// Why there is no answer.
#[derive(Deserialize)]
struct Message {
    message: String,
}

impl Engine {
    /// The engine that an entry names under `host`.
    pub(crate) fn new(setup: &Setup<'_>) -> Result<Self, Failure> {
        let (client, base) = client(setup)?;
        let user_agent = HeaderValue::try_from(&setup.options.user_agent);
        let user_agent = user_agent.map_err(|it| Failure(it.to_string()))?;
        let interval = setup.duration("refresh_interval");
        Ok(Self {
            connection: client.connection(),
            base,
            headers: HeaderMap::from_iter([(USER_AGENT, user_agent)]),
            timeout: if interval.is_zero() { TIMEOUT } else { interval },
        })
    }

    /// Asks for a list; `doing` says in an error what for.
    pub(crate) async fn list<T: DeserializeOwned + Send + 'static>(
        &mut self,
        path: &str,
        doing: &str,
    ) -> Result<Vec<T>, Failure> {
        let items = self.fetch(path).await;
        items.map_err(|why| Failure(format!("error while {doing}: {why}")))
    }

    async fn fetch<T: DeserializeOwned + Send + 'static>(
        &mut self,
        path: &str,
    ) -> Result<Vec<T>, Failure> {
        let request = Request {
            headers: self.headers.clone(),
            ..Request::get(format!("{}{path}", self.base), self.timeout)
        };
        let (status, _, body) = self.connection.fetch(&request, BODY_BYTES_MAX).await?;
        if status != StatusCode::OK {
            let message = serde_json::from_slice(&body);
            let message = message.map_or_else(|_| String::new(), |it: Message| it.message);
            return Err(Failure(format!("Error response from daemon: {status}: {message}")));
        }
        let parsed = spawn_blocking(move || parse(&body)).await;
        parsed.map_err(|it| Failure(it.to_string()))?.map_err(|it| Failure(it.to_string()))
    }
}

/// Reads a list.
pub(crate) fn parse<T: DeserializeOwned>(text: &[u8]) -> serde_json::Result<Vec<T>> {
    serde_json::from_slice::<List<T>>(text).map(|it| it.0)
}

/// The client for the engine's address, and what its URLs begin with.
fn client(setup: &Setup<'_>) -> Result<(Client, String), Failure> {
    let host = setup.section.text("host").trim_end_matches('/');
    let plain = || Client::new(httpclient::Options::default());
    match host.split_once("://") {
        Some(("unix", path)) => {
            Ok((plain()?.over_unix_socket(Path::new(path)), "http://localhost".to_owned()))
        }
        Some(("tcp", address)) => Ok((plain()?, format!("http://{address}"))),
        Some(("http" | "https", _)) => Ok((setup.client()?, host.to_owned())),
        _ => Err(Failure(format!("unable to parse docker host {}", model::quote(host)))),
    }
}

/// A path with the filters of an entry, which the API takes as lists of values by name, in JSON.
pub(crate) fn filtered(path: &str, section: &config::Section) -> Result<String, Failure> {
    let mut filters: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for filter in section.sections("filters") {
        filters.entry(filter.text("name")).or_default().extend(filter.texts("values"));
    }
    if filters.is_empty() {
        return Ok(path.to_owned());
    }
    let json = serde_json::to_string(&filters).map_err(|it| Failure(it.to_string()))?;
    Ok(format!("{path}{}", query([("filters", json.as_str())])))
}
