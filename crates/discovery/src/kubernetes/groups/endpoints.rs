//! Endpoints: a target for each address at each port, and for the other ports of the pods behind them.

use model::LabelsBuilder;
use tracing::warn;

use super::backing::{Endpoint, Targets};
use super::{Made, add_meta, add_namespace, add_service, label, truth};
use crate::kubernetes::cluster::Lookup;
use crate::kubernetes::object::{EndpointAddress, Endpoints, ServicePort};

/// The annotation that says that addresses were left out.
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";

pub(super) fn group(endpoints: &Endpoints, lookup: &mut Lookup<'_>) -> Made {
    let meta = &endpoints.metadata;
    if meta.annotations.get(OVER_CAPACITY) == Some("truncated") {
        let (namespace, name) = (&meta.namespace, &meta.name);
        warn!(
            %namespace, %name,
            "Number of endpoints in one Endpoints object exceeds 1000. Please use \"role: endpointslice\" instead"
        );
    }
    let mut shared = LabelsBuilder::default();
    add_namespace(&mut shared, &meta.namespace, lookup);
    add_service(&mut shared, &meta.namespace, &meta.name, lookup);
    add_meta(&mut shared, "endpoints", meta);
    let mut targets = Targets::default();
    for subset in &endpoints.subsets {
        for port in &subset.ports {
            for address in &subset.addresses {
                add(&mut targets, address, port, true, lookup);
            }
            for address in &subset.not_ready_addresses {
                add(&mut targets, address, port, false, lookup);
            }
        }
    }
    Some((targets.finish(), shared))
}

fn add<'a>(
    targets: &mut Targets<'a>,
    address: &EndpointAddress,
    port: &ServicePort,
    is_ready: bool,
    lookup: &mut Lookup<'a>,
) {
    let mut out = LabelsBuilder::default();
    let mut set = |name: &str, value: &str| {
        out.set(&label("endpoint", name), value);
    };
    set("port_name", &port.name);
    set("port_protocol", &port.protocol);
    set("ready", truth(is_ready));
    set("hostname", &address.hostname);
    set("node_name", &address.node_name);
    if let Some(it) = &address.target_ref {
        set("address_target_kind", &it.kind);
        set("address_target_name", &it.name);
    }
    let endpoint = Endpoint {
        host: &address.ip,
        port: Some(port.port),
        protocol: &port.protocol,
        node_name: &address.node_name,
        target: address.target_ref.as_ref(),
    };
    targets.add(&endpoint, out, lookup);
}
