//! `docker_sd_configs`: the containers of a Docker engine.
//!
//! A container has a target for each of its TCP ports in each of its networks, or one for the network itself where it
//! declares none. A container in another one's network has that one's addresses; one in the host's is named by the
//! configuration.

mod api;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use http::StatusCode;
use http::header::{HeaderMap, HeaderValue, USER_AGENT};
use httpclient::{Client, Connection, Request};
use model::{Labels, TargetGroup};
use serde::de::DeserializeOwned;
use tokio::task::spawn_blocking;

use self::api::{Container, Endpoint, Message, Network, Port};
use crate::address::host_and_port;
use crate::discoverer::{Discoverer, Failure};
use crate::mechanism::Setup;
use crate::meta;
use crate::query::query;
use crate::refresh::Lookup;

const PREFIX: &str = "__meta_docker_";

/// The one group that there is.
const SOURCE: &str = "Docker";

/// The longest answer that is read; a label's value ends at 16 MiB.
const BODY_BYTES_MAX: usize = 15 << 20;

/// All labels of all targets: some 100 MB.
const LABELS_MAX: usize = 2_000_000;

struct DockerLookup {
    connection: Connection,
    containers: Request,
    networks: Request,
    rules: Rules,
}

/// How containers become targets.
struct Rules {
    /// Of targets whose container declares none.
    port: i64,
    /// The address of containers in the host's network.
    host: String,
    first_network_only: bool,
}

pub(crate) fn build(setup: &Setup<'_>) -> Result<Box<dyn Discoverer>, Failure> {
    let section = setup.section;
    let (client, base) = client(setup)?;
    let user_agent = HeaderValue::try_from(&setup.options.user_agent);
    let user_agent = user_agent.map_err(|it| Failure(it.to_string()))?;
    let timeout = match setup.duration("refresh_interval") {
        Duration::ZERO => Duration::from_secs(60),
        interval => interval,
    };
    let request = |path: &str, filters: &str| Request {
        headers: HeaderMap::from_iter([(USER_AGENT, user_agent.clone())]),
        ..Request::get(format!("{base}{path}{filters}"), timeout)
    };
    Ok(setup.refreshed(DockerLookup {
        connection: client.connection(),
        containers: request("/containers/json", &filters(section)?),
        networks: request("/networks", ""),
        rules: Rules {
            port: section.int("port"),
            host: section.text("host_networking_host").to_owned(),
            first_network_only: section.flag("match_first_network"),
        },
    }))
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

/// The filters as the engine's API takes them: lists of values by name, in JSON.
fn filters(section: &config::Section) -> Result<String, Failure> {
    let mut filters: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for filter in section.sections("filters") {
        filters.entry(filter.text("name")).or_default().extend(filter.texts("values"));
    }
    if filters.is_empty() {
        return Ok(String::new());
    }
    let json = serde_json::to_string(&filters).map_err(|it| Failure(it.to_string()))?;
    Ok(query([("filters", json.as_str())]))
}

impl Lookup for DockerLookup {
    async fn look_up(&mut self) -> Result<Vec<TargetGroup>, Failure> {
        let during = |what: &str, why: &Failure| Failure(format!("error while {what}: {why}"));
        let containers = fetch(&mut self.connection, &self.containers).await;
        let containers = containers.map_err(|why| during("listing containers", &why))?;
        let networks = fetch(&mut self.connection, &self.networks).await;
        let networks = networks.map_err(|why| during("computing network labels", &why))?;
        let targets = self.rules.targets(&containers, &networks)?;
        Ok(vec![TargetGroup { source: SOURCE.to_owned(), targets, labels: Labels::empty() }])
    }
}

/// Asks for a list.
async fn fetch<T: DeserializeOwned + Send + 'static>(
    connection: &mut Connection,
    request: &Request,
) -> Result<Vec<T>, Failure> {
    let (status, _, body) = connection.fetch(request, BODY_BYTES_MAX).await?;
    if status != StatusCode::OK {
        let message =
            serde_json::from_slice(&body).map_or_else(|_| String::new(), |it: Message| it.message);
        return Err(Failure(format!("Error response from daemon: {status}: {message}")));
    }
    let parsed = spawn_blocking(move || serde_json::from_slice(&body)).await;
    let items = parsed.map_err(|it| Failure(it.to_string()))?;
    items.map(Option::unwrap_or_default).map_err(|it| Failure(it.to_string()))
}

/// Names without their prefix, and values.
type Pairs = BTreeMap<String, String>;

impl Rules {
    fn targets(
        &self,
        containers: &[Container],
        networks: &[Network],
    ) -> Result<Vec<Labels>, Failure> {
        let by_id: HashMap<&str, &Container> =
            containers.iter().map(|it| (it.id.as_str(), it)).collect();
        let networks: HashMap<&str, Pairs> =
            networks.iter().map(|it| (it.id.as_str(), network_labels(it))).collect();
        let mut targets = Vec::new();
        let mut n_labels = 0;
        for container in containers {
            let Some(common) = container_labels(container) else { continue };
            for endpoint in self.endpoints(container, &by_id) {
                let mut pairs = common.clone();
                pairs.extend(
                    networks.get(endpoint.network_id.as_str()).cloned().unwrap_or_default(),
                );
                pairs.insert("network_ip".into(), endpoint.address().to_owned());
                for (address, own) in self.addresses(container, endpoint) {
                    n_labels += pairs.len() + own.len();
                    if LABELS_MAX < n_labels {
                        return Err(Failure(format!("more than {LABELS_MAX} labels")));
                    }
                    targets.push(labels(&address, &pairs, own));
                }
            }
        }
        Ok(targets)
    }

    /// The networks of a container, sorted by name, or those of the one whose network it shares.
    fn endpoints<'a>(
        &self,
        container: &'a Container,
        by_id: &HashMap<&str, &'a Container>,
    ) -> Vec<&'a Endpoint> {
        let mut seen = HashSet::new();
        let mut owner = Some(container);
        while let Some(it) =
            owner.filter(|it| it.endpoints().next().is_none() && seen.insert(&it.id))
        {
            let other = it.host_config.network_mode.strip_prefix("container:");
            owner = other.and_then(|id| by_id.get(id).copied());
        }
        let n_max = if self.first_network_only { 1 } else { usize::MAX };
        owner.into_iter().flat_map(Container::endpoints).take(n_max).collect()
    }

    /// The addresses of a container in a network, each with its labels.
    fn addresses(&self, container: &Container, endpoint: &Endpoint) -> Vec<(String, Pairs)> {
        let ip = endpoint.address();
        let ports = container.ports.iter().flatten().filter(|it| it.kind == "tcp");
        let addresses: Vec<_> =
            ports.map(|it| (host_and_port(ip, it.private), port_labels(it))).collect();
        if !addresses.is_empty() {
            return addresses;
        }
        let is_host = container.host_config.network_mode == "host";
        let address = if is_host { self.host.clone() } else { host_and_port(ip, self.port) };
        vec![(address, Pairs::new())]
    }
}

fn labels(address: &str, shared: &Pairs, own: Pairs) -> Labels {
    let mut pairs = shared.clone();
    pairs.extend(own);
    let prefixed: Vec<(String, &String)> =
        pairs.iter().map(|(name, value)| (format!("{PREFIX}{name}"), value)).collect();
    let address = [("__address__", address)].into_iter();
    Labels::from_sorted(
        address.chain(prefixed.iter().map(|(name, value)| (name.as_str(), value.as_str()))),
    )
}

/// `None` for a container without a name: it is about to go.
fn container_labels(it: &Container) -> Option<Pairs> {
    let name = it.names.iter().flatten().next()?;
    let mut pairs = Pairs::from([
        ("container_id".into(), it.id.clone()),
        ("container_name".into(), name.clone()),
        ("container_image".into(), it.image.clone()),
        ("container_image_id".into(), it.image_id.clone()),
        ("container_network_mode".into(), it.host_config.network_mode.clone()),
    ]);
    pairs.extend(prefixed("container_label_", it.labels.iter().flatten()));
    Some(pairs)
}

fn network_labels(it: &Network) -> Pairs {
    let mut pairs = Pairs::from([
        ("network_id".into(), it.id.clone()),
        ("network_name".into(), it.name.clone()),
        ("network_scope".into(), it.scope.clone()),
        ("network_internal".into(), it.internal.to_string()),
        ("network_ingress".into(), it.ingress.to_string()),
    ]);
    pairs.extend(prefixed("network_label_", it.labels.iter().flatten()));
    pairs
}

fn port_labels(it: &Port) -> Pairs {
    let mut pairs = Pairs::from([("port_private".into(), it.private.to_string())]);
    if it.public != 0 {
        pairs.insert("port_public".into(), it.public.to_string());
        pairs.insert("port_public_ip".into(), it.ip.clone());
    }
    pairs
}

fn prefixed<'a>(
    prefix: &'static str,
    labels: impl Iterator<Item = (&'a String, &'a String)>,
) -> impl Iterator<Item = (String, String)> {
    labels.map(move |(name, value)| (format!("{prefix}{}", meta::label_name(name)), value.clone()))
}
