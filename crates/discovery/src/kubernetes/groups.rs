//! From objects to target groups: one module for each role.

mod backing;
mod endpoint_slice;
mod endpoints;
mod ingress;
mod node;
mod pod;
mod service;

use model::{Labels, LabelsBuilder, TargetGroup};

use super::cluster::Lookup;
use super::object::{Meta, Object, Service};
use super::resource::Resource;
use crate::json::Pairs;
use crate::meta::label_name;

const ADDRESS: &str = "__address__";
const NAMESPACE: &str = "__meta_kubernetes_namespace";

/// Makes the group of an object of the role.
pub(crate) fn group(object: &Object, key: &str, lookup: &mut Lookup<'_>) -> TargetGroup {
    let (resource, made) = match object {
        Object::Node(it) => (Resource::Node, node::group(it)),
        Object::Service(it) => (Resource::Service, service::group(it, lookup)),
        Object::Pod(it) => (Resource::Pod, pod::group(it, lookup)),
        Object::Endpoints(it) => (Resource::Endpoints, endpoints::group(it, lookup)),
        Object::EndpointSlice(it) => (Resource::EndpointSlice, endpoint_slice::group(it, lookup)),
        Object::Ingress(it) => (Resource::Ingress, ingress::group(it, lookup)),
        // No role has such objects.
        Object::Bare(_) => (Resource::Namespace, None),
    };
    let empty = none(resource, key);
    match made {
        Some((targets, labels)) => {
            TargetGroup { source: empty.source, targets, labels: labels.labels() }
        }
        None => empty,
    }
}

/// The group of an object that has no targets.
pub(crate) fn none(resource: Resource, key: &str) -> TargetGroup {
    let prefix = if resource == Resource::Service { "svc" } else { resource.role() };
    let source = format!("{prefix}/{key}");
    TargetGroup { source, targets: Vec::new(), labels: Labels::empty() }
}

/// The targets of a group and the labels that they share; `None`: there is nothing to find.
type Made = Option<(Vec<Labels>, LabelsBuilder)>;

/// Returns the label of a kind of objects: `__meta_kubernetes_pod_ip`.
fn label(kind: &str, name: &str) -> String {
    format!("__meta_kubernetes_{kind}_{name}")
}

/// Adds an object's name, labels and annotations.
fn add_meta(out: &mut LabelsBuilder, kind: &str, meta: &Meta) {
    out.set(&label(kind, "name"), &meta.name);
    add_families(out, kind, meta);
}

/// Adds an object's labels and annotations, and that they are there.
fn add_families(out: &mut LabelsBuilder, kind: &str, meta: &Meta) {
    add_pairs(out, kind, "label", &meta.labels);
    add_pairs(out, kind, "annotation", &meta.annotations);
}

fn add_pairs(out: &mut LabelsBuilder, kind: &str, family: &str, pairs: &Pairs) {
    for (name, value) in pairs.iter() {
        let name = label_name(name);
        out.set(&format!("__meta_kubernetes_{kind}_{family}_{name}"), value);
        out.set(&format!("__meta_kubernetes_{kind}_{family}present_{name}"), "true");
    }
}

/// Adds the namespace, with its own labels if they are wanted.
fn add_namespace(out: &mut LabelsBuilder, namespace: &str, lookup: &mut Lookup<'_>) {
    out.set(NAMESPACE, namespace);
    if lookup.attach.namespace
        && let Some(it) = lookup.find(Resource::Namespace, "", namespace)
    {
        add_families(out, "namespace", it.meta());
    }
}

/// Adds the node's name and labels, if they are wanted and it is known.
fn add_node(out: &mut LabelsBuilder, name: &str, lookup: &mut Lookup<'_>) {
    if lookup.attach.node
        && !name.is_empty()
        && let Some(node) = lookup.node(name)
    {
        add_meta(out, "node", &node.metadata);
    }
}

/// Adds the name and labels of the service in front of endpoints, if it is known.
fn add_service<'a>(
    out: &mut LabelsBuilder,
    namespace: &str,
    name: &str,
    lookup: &mut Lookup<'a>,
) -> Option<&'a Service> {
    let service = lookup.service(namespace, name)?;
    add_meta(out, "service", &service.metadata);
    Some(service)
}

fn truth(it: bool) -> &'static str {
    if it { "true" } else { "false" }
}
