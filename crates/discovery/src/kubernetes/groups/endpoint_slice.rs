//! Slices of endpoints: as endpoints, in parts, and with more said about each.

use model::LabelsBuilder;

use super::backing::{Endpoint, Targets};
use super::{Made, add_meta, add_namespace, add_service, label, truth};
use crate::kubernetes::cluster::Lookup;
use crate::kubernetes::object::{EndpointSlice, Service, SliceEndpoint, SlicePort};
use crate::meta::label_name;

/// The label that names the service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

pub(super) fn group(slice: &EndpointSlice, lookup: &mut Lookup<'_>) -> Made {
    let meta = &slice.metadata;
    let mut shared = LabelsBuilder::default();
    add_namespace(&mut shared, &meta.namespace, lookup);
    if let Some(name) = meta.labels.get(SERVICE_NAME) {
        let service = add_service(&mut shared, &meta.namespace, name, lookup);
        if service.is_some_and(|it| is_secondary(slice, it)) {
            return None;
        }
    }
    add_meta(&mut shared, "endpointslice", meta);
    shared.set(&label("endpointslice", "address_type"), &slice.address_type);
    let mut targets = Targets::default();
    for port in &slice.ports {
        for endpoint in &slice.endpoints {
            let labels = labels(port, endpoint);
            for address in &endpoint.addresses {
                let endpoint = Endpoint {
                    host: address,
                    port: port.port,
                    protocol: port.protocol.as_deref().unwrap_or_default(),
                    node_name: endpoint.node_name.as_deref().unwrap_or_default(),
                    target: endpoint.target_ref.as_ref(),
                };
                targets.add(&endpoint, labels.clone(), lookup);
            }
        }
    }
    Some((targets.finish(), shared))
}

/// True if another slice has the same endpoints in the family of addresses that the service prefers.
fn is_secondary(slice: &EndpointSlice, service: &Service) -> bool {
    let secondary = service.spec.ip_families.iter().skip(1);
    secondary.into_iter().any(|it| *it == slice.address_type)
}

fn labels(port: &SlicePort, endpoint: &SliceEndpoint) -> LabelsBuilder {
    let mut out = LabelsBuilder::default();
    let mut set = |name: &str, value: &str| {
        out.set(&label("endpointslice", name), value);
    };
    if let Some(port) = port.port {
        set("port", &port.to_string());
    }
    let conditions = &endpoint.conditions;
    let truth = |it: Option<bool>| it.map(truth).unwrap_or_default();
    set("endpoint_conditions_ready", truth(conditions.ready));
    set("endpoint_conditions_serving", truth(conditions.serving));
    set("endpoint_conditions_terminating", truth(conditions.terminating));
    for (name, value) in [
        ("port_name", &port.name),
        ("port_protocol", &port.protocol),
        ("port_app_protocol", &port.app_protocol),
        ("endpoint_hostname", &endpoint.hostname),
        ("endpoint_node_name", &endpoint.node_name),
        ("endpoint_zone", &endpoint.zone),
    ] {
        set(name, value.as_deref().unwrap_or_default());
    }
    if let Some(it) = &endpoint.target_ref {
        set("address_target_kind", &it.kind);
        set("address_target_name", &it.name);
    }
    for (name, value) in endpoint.deprecated_topology.iter() {
        let name = label_name(name);
        set(&format!("endpoint_topology_{name}"), value);
        set(&format!("endpoint_topology_present_{name}"), "true");
    }
    out
}
