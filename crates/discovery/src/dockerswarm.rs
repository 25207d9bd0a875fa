//! `dockerswarm_sd_configs`: the services, tasks or nodes of a Docker swarm.
//!
//! A service has a target for each of its published TCP ports at each of its virtual addresses; a task for each port
//! published on its node, and for each of its service's ports in each of its networks; where there is no port, there
//! is one for the address. A node is one target.

mod api;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use model::{Labels, TargetGroup, quote};

use self::api::{Node, Port, Service, ServiceSpec, Task};
use crate::address::host_and_port;
use crate::discoverer::{Discoverer, Failure};
use crate::docker::engine::{Engine, filtered};
use crate::docker::labels::{Pairs, Targets, of_networks, pairs, prefixed};
use crate::mechanism::Setup;
use crate::refresh::Lookup;

const PREFIX: &str = "__meta_dockerswarm_";

/// The one group that there is.
const SOURCE: &str = "DockerSwarm";

/// What are targets.
#[derive(Clone, Copy, Debug)]
enum Role {
    Services,
    Tasks,
    Nodes,
}

struct SwarmLookup {
    engine: Engine,
    role: Role,
    /// Where what the role names is listed, with the filters.
    path: String,
    /// Of targets without one.
    port: i64,
}

/// Sets of labels, by the ids of what they belong to.
type ById = HashMap<String, Pairs>;

pub(crate) fn build(setup: &Setup<'_>) -> Result<Box<dyn Discoverer>, Failure> {
    let (role, path) = match setup.section.text("role") {
        "services" => (Role::Services, "/services"),
        "tasks" => (Role::Tasks, "/tasks"),
        _ => (Role::Nodes, "/nodes"),
    };
    Ok(setup.refreshed(SwarmLookup {
        engine: Engine::new(setup)?,
        role,
        path: filtered(path, setup.section)?,
        port: setup.section.int("port"),
    }))
}

impl Lookup for SwarmLookup {
    async fn look_up(&mut self) -> Result<Vec<TargetGroup>, Failure> {
        let targets = match self.role {
            Role::Services => self.services().await?,
            Role::Tasks => self.tasks().await?,
            Role::Nodes => self.nodes().await?,
        };
        Ok(vec![TargetGroup { source: SOURCE.to_owned(), targets, labels: Labels::empty() }])
    }
}

impl SwarmLookup {
    async fn networks(&mut self) -> Result<ById, Failure> {
        Ok(of_networks(self.engine.list("/networks", "computing swarm network labels").await?))
    }

    async fn services(&mut self) -> Result<Vec<Labels>, Failure> {
        let services: Vec<Service> = self.engine.list(&self.path, "listing swarm services").await?;
        let (networks, unknown) = (self.networks().await?, Pairs::new());
        let mut targets = Targets::new(PREFIX);
        for service in &services {
            let own = service_labels(service);
            let ports: Vec<&Port> = tcp(service.endpoint.ports.as_deref()).collect();
            for vip in service.endpoint.virtual_ips.iter().flatten() {
                let ip = without_prefix(&vip.address)?;
                let network = networks.get(&vip.network_id).unwrap_or(&unknown);
                for port in &ports {
                    let labels = pairs([
                        ("service_endpoint_port_name", port.name.clone()),
                        ("service_endpoint_port_publish_mode", port.publish_mode.clone()),
                    ]);
                    let address = host_and_port(ip, port.published_port);
                    targets.push(&address, &[&own, network, &labels])?;
                }
                if ports.is_empty() {
                    targets.push(&host_and_port(ip, self.port), &[&own, network])?;
                }
            }
        }
        Ok(targets.finish())
    }

    async fn tasks(&mut self) -> Result<Vec<Labels>, Failure> {
        let tasks: Vec<Task> = self.engine.list(&self.path, "listing tasks").await?;
        let services = self.engine.list("/services", "computing services labels and ports").await?;
        let services: HashMap<String, (Pairs, Service)> = services
            .into_iter()
            .map(|it: Service| (it.id.clone(), (task_service_labels(&it), it)))
            .collect();
        let nodes: Vec<Node> = self.engine.list("/nodes", "computing nodes labels").await?;
        let nodes: ById = nodes.iter().map(|it| (it.id.clone(), node_labels(it))).collect();
        let networks = self.networks().await?;
        let mut targets = Targets::new(PREFIX);
        for task in &tasks {
            let service = services.get(&task.service_id);
            let shared = [
                Some(task_labels(task)),
                service.map(|it| it.0.clone()),
                nodes.get(&task.node_id).cloned(),
            ];
            let shared: Pairs = shared.into_iter().flatten().flatten().collect();
            let ports = service.and_then(|it| it.1.endpoint.ports.as_deref());
            self.task(task, &shared, ports, &networks, &mut targets)?;
        }
        Ok(targets.finish())
    }

    fn task(
        &self,
        task: &Task,
        shared: &Pairs,
        service_ports: Option<&[Port]>,
        networks: &ById,
        targets: &mut Targets,
    ) -> Result<(), Failure> {
        let mode = |it: &Port| pairs([("task_port_publish_mode", it.publish_mode.clone())]);
        let published = task.status.port_status.as_ref().and_then(|it| it.ports.as_deref());
        let node = shared.get("node_address").map_or("", String::as_str);
        for port in tcp(published) {
            targets.push(&host_and_port(node, port.published_port), &[shared, &mode(port)])?;
        }
        let unknown = Pairs::new();
        for attachment in task.networks.iter().flatten() {
            let network = networks.get(&attachment.network.id).unwrap_or(&unknown);
            for address in attachment.addresses.iter().flatten() {
                let ip = without_prefix(address)?;
                for port in tcp(service_ports) {
                    let address = host_and_port(ip, port.published_port);
                    targets.push(&address, &[shared, network, &mode(port)])?;
                }
                if tcp(service_ports).next().is_none() {
                    targets.push(&host_and_port(ip, self.port), &[shared, network])?;
                }
            }
        }
        Ok(())
    }

    async fn nodes(&mut self) -> Result<Vec<Labels>, Failure> {
        let nodes: Vec<Node> = self.engine.list(&self.path, "listing swarm nodes").await?;
        let mut targets = Targets::new(PREFIX);
        for node in &nodes {
            let address = host_and_port(&node.status.addr, self.port);
            targets.push(&address, &[&node_labels(node)])?;
        }
        Ok(targets.finish())
    }
}

fn tcp(ports: Option<&[Port]>) -> impl Iterator<Item = &Port> {
    ports.into_iter().flatten().filter(|it| it.protocol == "tcp")
}

/// An address without the length of its network's prefix.
fn without_prefix(address: &str) -> Result<&str, Failure> {
    let ip = address.split_once('/').map(|(ip, _)| ip);
    ip.filter(|it| it.parse::<std::net::IpAddr>().is_ok()).ok_or_else(|| {
        Failure(format!("error while parsing address {}: invalid CIDR address", quote(address)))
    })
}

fn service_labels(it: &Service) -> Pairs {
    let container = it.spec.task_template.container_spec.as_ref();
    let mut labels = task_service_labels(it);
    labels.extend(pairs([
        (
            "service_task_container_hostname",
            container.map_or_else(String::new, |it| it.hostname.clone()),
        ),
        ("service_task_container_image", container.map_or_else(String::new, |it| it.image.clone())),
        (
            "service_updating_status",
            it.update.as_ref().map_or_else(String::new, |it| it.state.clone()),
        ),
    ]));
    labels
}

/// Those labels of a service that its tasks have too.
fn task_service_labels(it: &Service) -> Pairs {
    let mut labels = pairs([
        ("service_id", it.id.clone()),
        ("service_name", it.spec.name.clone()),
        ("service_mode", mode(&it.spec).to_owned()),
    ]);
    labels.extend(prefixed("service_label_", it.spec.labels.iter().flatten()));
    labels
}

fn mode(it: &ServiceSpec) -> &'static str {
    match (&it.mode.global, &it.mode.replicated) {
        (Some(_), _) => "global",
        (None, Some(_)) => "replicated",
        (None, None) => "",
    }
}

fn task_labels(it: &Task) -> Pairs {
    let mut labels = pairs([
        ("task_id", it.id.clone()),
        ("task_desired_state", it.desired_state.clone()),
        ("task_state", it.status.state.clone()),
        ("task_slot", it.slot.to_string()),
    ]);
    labels.extend(
        it.status.container_status.iter().map(|it| ("task_container_id".into(), it.id.clone())),
    );
    let container = it.spec.container_spec.iter().flat_map(|it| &it.labels).flatten();
    labels.extend(prefixed("container_label_", container));
    labels
}

fn node_labels(it: &Node) -> Pairs {
    let mut labels = pairs([
        ("node_id", it.id.clone()),
        ("node_hostname", it.description.hostname.clone()),
        ("node_address", it.status.addr.clone()),
        ("node_availability", it.spec.availability.clone()),
        ("node_role", it.spec.role.clone()),
        ("node_status", it.status.state.clone()),
        ("node_platform_architecture", it.description.platform.architecture.clone()),
        ("node_platform_os", it.description.platform.os.clone()),
        ("node_engine_version", it.description.engine.engine_version.clone()),
    ]);
    if let Some(manager) = &it.manager {
        labels.extend(pairs([
            ("node_manager_address", manager.addr.clone()),
            ("node_manager_leader", manager.leader.to_string()),
            ("node_manager_reachability", manager.reachability.clone()),
        ]));
    }
    labels.extend(prefixed("node_label_", it.spec.labels.iter().flatten()));
    labels
}

#[cfg(any(fuzzing, test))]
pub(crate) fn fuzz(body: &[u8]) {
    use crate::docker::engine::parse;
    let _ = (parse::<Task>(body), parse::<Node>(body));
    let services: Vec<Service> = parse(body).unwrap_or_default();
    services.iter().for_each(|it| drop((service_labels(it), task_service_labels(it))));
    drop(of_networks(parse(body).unwrap_or_default()));
}
