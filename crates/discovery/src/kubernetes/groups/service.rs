//! Services: a target for each port, under the service's name.

use model::{Labels, LabelsBuilder};

use super::{ADDRESS, Made, add_meta, add_namespace, label};
use crate::address::host_and_port;
use crate::kubernetes::cluster::Lookup;
use crate::kubernetes::object::{Service, ServicePort};

pub(super) fn group(service: &Service, lookup: &mut Lookup<'_>) -> Made {
    let mut shared = LabelsBuilder::default();
    add_namespace(&mut shared, &service.metadata.namespace, lookup);
    add_meta(&mut shared, "service", &service.metadata);
    let targets = service.spec.ports.iter().map(|port| target(service, port)).collect();
    Some((targets, shared))
}

fn target(service: &Service, port: &ServicePort) -> Labels {
    let mut out = LabelsBuilder::default();
    let host = format!("{}.{}.svc", service.metadata.name, service.metadata.namespace);
    let mut set = |name: &str, value: &str| {
        out.set(&label("service", name), value);
    };
    set("port_name", &port.name);
    set("port_number", &port.port.to_string());
    set("port_protocol", &port.protocol);
    set("type", &service.spec.kind);
    if service.spec.kind.as_ref() == "ExternalName" {
        set("external_name", &service.spec.external_name);
    } else {
        set("cluster_ip", &service.spec.cluster_ip);
    }
    if service.spec.kind.as_ref() == "LoadBalancer" {
        let balancers = service.status.load_balancer.ingress.iter().map(|it| it.ip.as_ref());
        let ips: Vec<&str> = balancers.filter(|it| !it.is_empty()).collect();
        set("loadbalancer_ip", &ips.join(","));
    }
    out.set(ADDRESS, &host_and_port(&host, port.port));
    out.labels()
}
