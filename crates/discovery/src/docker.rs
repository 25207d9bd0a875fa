//! `docker_sd_configs`: the containers of a Docker engine.
//!
//! A container has a target for each of its TCP ports in each of its networks, or one for the network itself where it
//! declares none. A container in another one's network has that one's addresses; one in the host's is named by the
//! configuration.

pub(crate) mod api;
pub(crate) mod engine;
pub(crate) mod labels;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use model::{Labels, TargetGroup};

use self::api::{Container, Endpoint, Network, Port};
use self::engine::{Engine, filtered};
use self::labels::{Pairs, Targets, pairs, prefixed};
use crate::address::host_and_port;
use crate::discoverer::{Discoverer, Failure};
use crate::mechanism::Setup;
use crate::refresh::Lookup;

const PREFIX: &str = "__meta_docker_";

/// The one group that there is.
const SOURCE: &str = "Docker";

struct DockerLookup {
    engine: Engine,
    containers: String,
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
    Ok(setup.refreshed(DockerLookup {
        engine: Engine::new(setup)?,
        containers: filtered("/containers/json", section)?,
        rules: Rules {
            port: section.int("port"),
            host: section.text("host_networking_host").to_owned(),
            first_network_only: section.flag("match_first_network"),
        },
    }))
}

impl Lookup for DockerLookup {
    async fn look_up(&mut self) -> Result<Vec<TargetGroup>, Failure> {
        let containers: Vec<Container> =
            self.engine.list(&self.containers, "listing containers").await?;
        let networks = self.engine.list("/networks", "computing network labels").await?;
        let targets = self.rules.targets(&containers, networks)?;
        Ok(vec![TargetGroup { source: SOURCE.to_owned(), targets, labels: Labels::empty() }])
    }
}

impl Rules {
    fn targets(
        &self,
        containers: &[Container],
        networks: Vec<Network>,
    ) -> Result<Vec<Labels>, Failure> {
        let by_id: HashMap<&str, &Container> =
            containers.iter().map(|it| (it.id.as_str(), it)).collect();
        let (networks, unknown) = (labels::of_networks(networks), Pairs::new());
        let mut targets = Targets::new(PREFIX);
        for container in containers {
            let Some(own) = container_labels(container) else { continue };
            for endpoint in self.endpoints(container, &by_id) {
                let network = networks.get(&endpoint.network_id).unwrap_or(&unknown);
                let ip = pairs([("network_ip", endpoint.address().to_owned())]);
                for (address, port) in self.addresses(container, endpoint) {
                    targets.push(&address, &[&own, network, &ip, &port])?;
                }
            }
        }
        Ok(targets.finish())
    }

    /// The networks of a container, sorted by name, or those of the one whose network it shares.
    fn endpoints<'a>(
        &self,
        container: &'a Container,
        by_id: &HashMap<&str, &'a Container>,
    ) -> Vec<&'a Endpoint> {
        let mut seen = HashSet::new();
        let mut owner = Some(container);
        while let Some(it) = owner
            && it.endpoints().next().is_none()
        {
            let other = it.host_config.network_mode.strip_prefix("container:");
            // Two that share each other's network have none.
            owner = other.filter(|_| seen.insert(&it.id)).and_then(|id| by_id.get(id).copied());
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

/// `None` for a container without a name: it is about to go.
fn container_labels(it: &Container) -> Option<Pairs> {
    let name = it.names.iter().flatten().next()?;
    let mut pairs = pairs([
        ("container_id", it.id.clone()),
        ("container_name", name.clone()),
        ("container_image", it.image.clone()),
        ("container_image_id", it.image_id.clone()),
        ("container_network_mode", it.host_config.network_mode.clone()),
    ]);
    pairs.extend(prefixed("container_label_", it.labels.iter().flatten()));
    Some(pairs)
}

fn port_labels(it: &Port) -> Pairs {
    let mut labels = pairs([("port_private", it.private.to_string())]);
    if it.public != 0 {
        labels.extend(pairs([
            ("port_public", it.public.to_string()),
            ("port_public_ip", it.ip.clone()),
        ]));
    }
    labels
}

/// Reads containers, and networks of the same text.
#[cfg(any(fuzzing, test))]
pub(crate) fn fuzz(body: &[u8]) {
    let rules = Rules { port: 80, host: "localhost".to_owned(), first_network_only: false };
    let networks = engine::parse(body).unwrap_or_default();
    if let Ok(containers) = engine::parse::<Container>(body) {
        let _ = rules.targets(&containers, networks);
    }
}
