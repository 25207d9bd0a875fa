//! Nodes: a target for each, its kubelet.

use model::LabelsBuilder;

use super::{ADDRESS, Made, add_meta, label};
use crate::address::host_and_port;
use crate::kubernetes::object::Node;
use crate::meta::label_name;

/// Kinds of addresses, the best first.
const ADDRESS_KINDS: [&str; 6] =
    ["InternalIP", "InternalDNS", "ExternalIP", "ExternalDNS", "LegacyHostIP", "Hostname"];

pub(super) fn group(node: &Node) -> Made {
    let of_kind = |kind| node.status.addresses.iter().find(|it| it.kind.as_ref() == kind);
    let best = ADDRESS_KINDS.into_iter().find_map(of_kind)?;
    let mut target = LabelsBuilder::default();
    let port = node.status.daemon_endpoints.kubelet_endpoint.port;
    target.set(ADDRESS, &host_and_port(&best.address, port));
    target.set("instance", &node.metadata.name);
    // The first of each kind counts.
    for it in node.status.addresses.iter().rev() {
        target.set(&label("node_address", &label_name(&it.kind)), &it.address);
    }
    let mut shared = LabelsBuilder::default();
    add_meta(&mut shared, "node", &node.metadata);
    shared.set(&label("node", "provider_id"), &node.spec.provider_id);
    for it in &node.status.conditions {
        let name = label("node_condition", &label_name(&it.kind.to_lowercase()));
        shared.set(&name, &it.status.to_lowercase());
    }
    Some((vec![target.labels()], shared))
}
