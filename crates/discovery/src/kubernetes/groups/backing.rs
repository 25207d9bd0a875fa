//! Targets of endpoints, and the pods behind them.

use std::collections::HashMap;

use model::{Labels, LabelsBuilder};

use super::pod::{add_container, add_pod, add_port};
use super::{ADDRESS, add_node};
use crate::address::host_and_port;
use crate::kubernetes::cluster::Lookup;
use crate::kubernetes::object::{Pod, Reference};

/// The targets of endpoints. Every other port of a pod behind them is a target too.
#[derive(Default)]
pub(super) struct Targets<'a> {
    targets: Vec<Labels>,
    pods: Vec<Backing<'a>>,
    /// Where a pod is in the list, by namespace and name.
    places: HashMap<(&'a str, &'a str), usize>,
}

/// A pod behind endpoints.
struct Backing<'a> {
    pod: &'a Pod,
    labels: LabelsBuilder,
    /// Ports that are targets already.
    ports: Vec<i32>,
}

/// An address at one port.
pub(super) struct Endpoint<'a> {
    pub(super) host: &'a str,
    /// `None`: all ports.
    pub(super) port: Option<i32>,
    pub(super) protocol: &'a str,
    pub(super) node_name: &'a str,
    /// What the address belongs to.
    pub(super) target: Option<&'a Reference>,
}

impl<'a> Targets<'a> {
    /// Adds a target, with what is known about the node and the pod behind it.
    pub(super) fn add(
        &mut self,
        endpoint: &Endpoint<'_>,
        mut out: LabelsBuilder,
        lookup: &mut Lookup<'a>,
    ) {
        match endpoint.port {
            Some(port) => out.set(ADDRESS, &host_and_port(endpoint.host, port)),
            None => out.set(ADDRESS, endpoint.host),
        };
        let target = |kind: &str| endpoint.target.filter(|it| it.kind.as_ref() == kind);
        let node = match target("Node") {
            Some(it) if endpoint.node_name.is_empty() => &it.name,
            _ => endpoint.node_name,
        };
        add_node(&mut out, node, lookup);
        if let Some(reference) = target("Pod")
            && let Some(backing) = self.backing(reference, lookup)
        {
            copy(&backing.labels, &mut out);
            if let Some(port) = endpoint.port {
                add_ports_owner(&mut out, backing.pod, port, endpoint.protocol);
                backing.ports.push(port);
            }
        }
        self.targets.push(out.labels());
    }

    fn backing(
        &mut self,
        reference: &Reference,
        lookup: &mut Lookup<'a>,
    ) -> Option<&mut Backing<'a>> {
        let pod = lookup.pod(&reference.namespace, &reference.name)?;
        let place = (pod.metadata.namespace.as_ref(), pod.metadata.name.as_ref());
        let at = *self.places.entry(place).or_insert_with(|| {
            let mut labels = LabelsBuilder::default();
            add_pod(&mut labels, pod, lookup);
            self.pods.push(Backing { pod, labels, ports: Vec::new() });
            self.pods.len() - 1
        });
        self.pods.get_mut(at)
    }

    /// Returns all targets.
    pub(super) fn finish(mut self) -> Vec<Labels> {
        for backing in &self.pods {
            add_other_ports(backing, &mut self.targets);
        }
        self.targets
    }
}

/// Adds the container that the port belongs to.
fn add_ports_owner(out: &mut LabelsBuilder, pod: &Pod, port: i32, protocol: &str) {
    for (container, is_init) in pod.containers() {
        if let Some(it) = container.ports.iter().find(|it| it.container_port == port) {
            add_container(out, container, is_init);
            add_port(out, it, protocol);
        }
    }
}

fn add_other_ports(backing: &Backing<'_>, targets: &mut Vec<Labels>) {
    let ip = &backing.pod.status.pod_ip;
    if ip.is_empty() {
        return;
    }
    for (container, is_init) in backing.pod.containers() {
        for port in &container.ports {
            if backing.ports.contains(&port.container_port) {
                continue;
            }
            let mut out = backing.labels.clone();
            out.set(ADDRESS, &host_and_port(ip, port.container_port));
            add_container(&mut out, container, is_init);
            add_port(&mut out, port, &port.protocol);
            targets.push(out.labels());
        }
    }
}

fn copy(from: &LabelsBuilder, to: &mut LabelsBuilder) {
    for (name, value) in from.iter() {
        to.set(name, value);
    }
}
