//! A service's instances, and the target group that they are.

use model::{Labels, LabelsBuilder, TargetGroup};
use serde::Deserialize;

use crate::address::host_and_port;
use crate::json::{Pairs, or_default};
use crate::meta::label_name;

/// An instance of a service.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Entry {
    node: Node,
    service: Service,
    #[serde(deserialize_with = "or_default")]
    checks: Vec<Check>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Node {
    node: Box<str>,
    address: Box<str>,
    tagged_addresses: Pairs,
    meta: Pairs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Service {
    #[serde(rename = "ID")]
    id: Box<str>,
    #[serde(deserialize_with = "or_default")]
    tags: Vec<Box<str>>,
    meta: Pairs,
    address: Box<str>,
    port: i32,
    namespace: Box<str>,
    partition: Box<str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Check {
    #[serde(rename = "CheckID")]
    id: Box<str>,
    status: Box<str>,
}

/// Returns the group of a service, named for it.
pub(crate) fn group(
    name: &str,
    datacenter: &str,
    tag_separator: &str,
    entries: &[Entry],
) -> TargetGroup {
    TargetGroup {
        source: name.to_owned(),
        targets: entries.iter().map(|it| target(it, tag_separator)).collect(),
        labels: Labels::from_pairs([
            ("__meta_consul_service", name),
            ("__meta_consul_dc", datacenter),
        ]),
    }
}

fn target(Entry { node, service, checks }: &Entry, tag_separator: &str) -> Labels {
    let host = if service.address.is_empty() { &node.address } else { &service.address };
    let mut out = LabelsBuilder::default();
    out.set("__address__", &host_and_port(host, service.port));
    // Separators at both ends let a rule look for `,tag,`.
    let tags = format!("{tag_separator}{}{tag_separator}", service.tags.join(tag_separator));
    for (name, value) in [
        ("address", node.address.as_ref()),
        ("node", &node.node),
        ("tags", &tags),
        ("namespace", &service.namespace),
        ("partition", &service.partition),
        ("service_address", &service.address),
        ("service_port", &service.port.to_string()),
        ("service_id", &service.id),
        ("health", health(checks)),
    ] {
        out.set(&format!("__meta_consul_{name}"), value);
    }
    for (family, pairs) in [
        ("metadata", &node.meta),
        ("service_metadata", &service.meta),
        ("tagged_address", &node.tagged_addresses),
    ] {
        for (name, value) in pairs.iter() {
            out.set(&format!("__meta_consul_{family}_{}", label_name(name)), value);
        }
    }
    out.labels()
}

/// The worst of the checks; under maintenance nothing else counts.
fn health(checks: &[Check]) -> &'static str {
    let is_maintained = |it: &Check| {
        it.id.as_ref() == "_node_maintenance" || it.id.starts_with("_service_maintenance:")
    };
    let has = |status: &str| checks.iter().any(|it| it.status.as_ref() == status);
    if checks.iter().any(is_maintained) {
        "maintenance"
    } else if has("critical") {
        "critical"
    } else if has("warning") {
        "warning"
    } else {
        "passing"
    }
}
