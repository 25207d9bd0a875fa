//! Pods: a target for each port of each container.

use model::{Labels, LabelsBuilder};

use super::{ADDRESS, Made, add_meta, add_namespace, add_node, label, truth};
use crate::address::host_and_port;
use crate::kubernetes::cluster::Lookup;
use crate::kubernetes::object::{Container, ContainerPort, Pod};
use crate::kubernetes::resource::Resource;

pub(super) fn group(pod: &Pod, lookup: &mut Lookup<'_>) -> Made {
    if pod.status.pod_ip.is_empty() {
        return None;
    }
    // Without its node a pod was not selected.
    if lookup.attach.node && lookup.node(&pod.spec.node_name).is_none() {
        return None;
    }
    let mut shared = LabelsBuilder::default();
    add_pod(&mut shared, pod, lookup);
    add_namespace(&mut shared, &pod.metadata.namespace, lookup);
    add_node(&mut shared, &pod.spec.node_name, lookup);
    Some((targets(pod), shared))
}

/// Adds what is said about a pod as a whole.
pub(super) fn add_pod(out: &mut LabelsBuilder, pod: &Pod, lookup: &mut Lookup<'_>) {
    add_meta(out, "pod", &pod.metadata);
    let mut set = |name: &str, value: &str| {
        out.set(&label("pod", name), value);
    };
    set("ip", &pod.status.pod_ip);
    set("ready", &ready(pod));
    set("phase", &pod.status.phase);
    set("node_name", &pod.spec.node_name);
    set("host_ip", &pod.status.host_ip);
    set("uid", &pod.metadata.uid);
    if let Some(owner) = pod.metadata.controller() {
        set("controller_kind", &owner.kind);
        set("controller_name", &owner.name);
    }
    add_workload(out, pod, lookup);
}

/// Adds what the pod's controller belongs to, as far as that is wanted.
fn add_workload(out: &mut LabelsBuilder, pod: &Pod, lookup: &mut Lookup<'_>) {
    let Some(owner) = pod.metadata.controller() else { return };
    let attach = lookup.attach;
    let mut owner_of = |resource, kind: &str| {
        let it = lookup.find(resource, &pod.metadata.namespace, &owner.name)?;
        it.meta().controller().filter(|it| it.kind.as_ref() == kind).map(|it| it.name.as_ref())
    };
    match owner.kind.as_ref() {
        "ReplicaSet" if attach.deployment => {
            let name = owner_of(Resource::ReplicaSet, "Deployment");
            out.set(&label("pod", "deployment_name"), name.unwrap_or_default());
        }
        "Job" => {
            if attach.job {
                out.set(&label("pod", "job_name"), &owner.name);
            }
            if attach.cronjob {
                let name = owner_of(Resource::Job, "CronJob");
                out.set(&label("pod", "cronjob_name"), name.unwrap_or_default());
            }
        }
        _ => {}
    }
}

fn ready(pod: &Pod) -> String {
    let condition = pod.status.conditions.iter().find(|it| it.kind.as_ref() == "Ready");
    condition.map_or_else(|| "unknown".to_owned(), |it| it.status.to_lowercase())
}

fn targets(pod: &Pod) -> Vec<Labels> {
    let mut targets = Vec::new();
    for (container, is_init) in pod.containers() {
        let mut out = LabelsBuilder::default();
        add_container(&mut out, container, is_init);
        out.set(&label("pod_container", "id"), container_id(pod, container, is_init));
        if container.ports.is_empty() {
            // Nobody knows a port: relabelling may.
            out.set(ADDRESS, &pod.status.pod_ip);
            targets.push(out.labels());
        }
        for port in &container.ports {
            add_port(&mut out, port, &port.protocol);
            out.set(ADDRESS, &host_and_port(&pod.status.pod_ip, port.container_port));
            targets.push(out.labels());
        }
    }
    targets
}

fn container_id<'a>(pod: &'a Pod, container: &Container, is_init: bool) -> &'a str {
    let statuses = match is_init {
        false => &pod.status.container_statuses,
        true => &pod.status.init_container_statuses,
    };
    let status = statuses.iter().find(|it| it.name == container.name);
    status.map(|it| it.container_id.as_ref()).unwrap_or_default()
}

pub(super) fn add_container(out: &mut LabelsBuilder, container: &Container, is_init: bool) {
    out.set(&label("pod_container", "name"), &container.name);
    out.set(&label("pod_container", "image"), &container.image);
    out.set(&label("pod_container", "init"), truth(is_init));
}

/// Adds a container's port, as the one that a target is reached by.
pub(super) fn add_port(out: &mut LabelsBuilder, port: &ContainerPort, protocol: &str) {
    out.set(&label("pod_container", "port_name"), &port.name);
    out.set(&label("pod_container", "port_number"), &port.container_port.to_string());
    out.set(&label("pod_container", "port_protocol"), protocol);
}
