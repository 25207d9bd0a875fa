//! Clusters that change at random, and objects that are damaged.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ALL: Attach =
    Attach { node: true, namespace: true, deployment: true, job: true, cronjob: true };

const RESOURCES: [Resource; 7] = [
    Resource::Node,
    Resource::Namespace,
    Resource::Service,
    Resource::Pod,
    Resource::Endpoints,
    Resource::EndpointSlice,
    Resource::ReplicaSet,
];

fn object(resource: Resource, value: &Value) -> Object {
    let line = json!({"type": "ADDED", "object": value}).to_string();
    resource.parse_object(line.as_bytes()).unwrap_or_else(|it| panic!("{it}: {value}"))
}

/// An object of one of three names in one of two namespaces, which names others.
fn made_up(resource: Resource, name: u8, other: u8) -> Object {
    let namespace = if name.is_multiple_of(2) { "even" } else { "odd" };
    let (name, other) = (format!("n{}", name / 2), format!("n{}", other % 3));
    let mut meta = json!({"name": name, "namespace": namespace, "labels": {"l": other}});
    let reference = json!({"kind": "Pod", "namespace": namespace, "name": other});
    let owner = |kind| json!([{"kind": kind, "name": other, "controller": true}]);
    let value = match resource {
        Resource::Node => json!({"metadata": {"name": name, "labels": {"l": other}}}),
        Resource::Namespace => json!({"metadata": {"name": namespace, "labels": {"l": other}}}),
        Resource::Pod => {
            meta["ownerReferences"] = owner("ReplicaSet");
            let container = json!({"name": "c", "ports": [{"containerPort": 81}]});
            let spec = json!({"nodeName": other, "containers": [container]});
            json!({"metadata": meta, "spec": spec, "status": {"podIP": "10.0.0.1"}})
        }
        Resource::Endpoints => {
            let address = json!({"ip": "10.0.0.1", "nodeName": other, "targetRef": reference});
            json!({"metadata": meta, "subsets": [{"addresses": [address], "ports": [{"port": 80}]}]})
        }
        Resource::EndpointSlice => {
            meta["labels"]["kubernetes.io/service-name"] = json!(other);
            let endpoint = json!({"addresses": ["10.0.0.1"], "targetRef": reference});
            json!({"metadata": meta, "addressType": "IPv4", "endpoints": [endpoint], "ports": [{"port": 80}]})
        }
        Resource::Service if other == "n0" => {
            json!({"metadata": meta, "spec": {"ipFamilies": ["IPv6", "IPv4"]}})
        }
        _ => {
            meta["ownerReferences"] = owner("Deployment");
            json!({"metadata": meta})
        }
    };
    object(resource, &value)
}

/// The groups with targets, by source.
type Groups = BTreeMap<String, TargetGroup>;

fn publish(cluster: &mut Cluster, groups: &mut Groups) {
    for group in cluster.changed_groups(usize::MAX) {
        if group.targets.is_empty() {
            groups.remove(&group.source);
        } else {
            groups.insert(group.source.clone(), group);
        }
    }
}

fn change() -> impl Strategy<Value = (Resource, Vec<(u8, u8)>, u8)> {
    let objects = prop::collection::vec((0..6_u8, 0..3_u8), 0..4);
    (prop::sample::select(&RESOURCES[..]), objects, 0..8_u8)
}

/// Takes a change in, as an informer of this namespace sends it.
fn take(cluster: &mut Cluster, resource: Resource, namespace: Option<&str>, change: Change) {
    cluster.take(Event { resource, namespace: namespace.map(Into::into), change }, |_| ());
}

/// Takes a list in, as an informer of this namespace sends it.
fn list(
    cluster: &mut Cluster,
    resource: Resource,
    namespace: Option<&str>,
    objects: impl IntoIterator<Item = Object>,
) {
    let mut keys = HashSet::new();
    for object in objects {
        keys.insert(object.key());
        take(cluster, resource, namespace, Change::Set(object));
    }
    take(cluster, resource, namespace, Change::Listed(keys));
}

proptest! {
    /// Whatever has happened, the groups are those that a cluster has that sees only how it ended.
    #[test]
    fn groups_are_never_out_of_date(
        role in prop::sample::select(&RESOURCES[2..6]),
        changes in prop::collection::vec(change(), 1..40),
    ) {
        let (mut cluster, mut groups) = (Cluster::new(role, ALL), Groups::new());
        for (resource, objects, kind) in changes {
            let mut objects = objects.iter().map(|it| made_up(resource, it.0, it.1));
            match kind {
                0 => list(&mut cluster, resource, None, objects),
                1 | 2 => {
                    let removed = objects.next().map(Change::Removed);
                    removed.into_iter().for_each(|it| take(&mut cluster, resource, None, it));
                }
                _ => objects.for_each(|it| take(&mut cluster, resource, None, Change::Set(it))),
            }
            if kind.is_multiple_of(2) {
                publish(&mut cluster, &mut groups);
            }
        }
        publish(&mut cluster, &mut groups);
        let mut fresh = Cluster::new(role, ALL);
        for (resource, objects) in cluster.objects {
            list(&mut fresh, resource, None, objects.into_values());
        }
        let mut expected = Groups::new();
        publish(&mut fresh, &mut expected);
        prop_assert_eq!(groups, expected);
    }
}

/// Nothing is kept about objects that are gone.
#[test]
fn forgets() {
    let mut cluster = Cluster::new(Resource::Pod, ALL);
    for resource in [Resource::Pod, Resource::Node] {
        list(&mut cluster, resource, None, (0..6).map(|name| made_up(resource, name, name)));
    }
    assert_eq!(cluster.changed_groups(usize::MAX).len(), 6);
    assert_eq!((cluster.used.len(), cluster.users.is_empty()), (6, false));
    for resource in [Resource::Pod, Resource::Node] {
        list(&mut cluster, resource, None, []);
    }
    assert!(cluster.changed_groups(usize::MAX).iter().all(|it| it.targets.is_empty()));
    assert!(cluster.used.is_empty() && cluster.users.is_empty());
    assert!(cluster.objects.values().all(HashMap::is_empty));
}

#[test]
fn a_list_is_about_its_namespace() {
    let mut cluster = Cluster::new(Resource::Pod, Attach::default());
    list(&mut cluster, Resource::Pod, None, (0..4).map(|name| made_up(Resource::Pod, name, 0)));
    list(&mut cluster, Resource::Pod, Some("odd"), [made_up(Resource::Pod, 1, 0)]);
    let left = cluster.keys(Resource::Pod, None).len();
    let of_namespace = cluster.keys(Resource::Pod, Some("odd"));
    assert_eq!((left, of_namespace), (3, vec!["odd/n0".into()]), "the others stay");
}

/// Damaged objects are refused or taken for what they look like; none panics.
#[test]
fn survives_damaged_objects() {
    let cases = include_str!("../../../tests/registries/data/kubernetes.txt");
    let lines: Vec<&str> = cases.lines().filter(|it| it.starts_with("{\"kind\"")).collect();
    assert!(5 < lines.len());
    for line in lines {
        let line = format!("{{\"type\": \"ADDED\", \"object\": {line}}}");
        for at in (0..line.len()).step_by(3) {
            for damage in ["", "\"", "[", "null", "1", "{", "\\u0000", "é"] {
                let damaged = [&line[..at], damage, &line[at + damage.len().min(1)..]].concat();
                for resource in RESOURCES {
                    let Ok(object) = resource.parse_object(damaged.as_bytes()) else { continue };
                    let mut cluster = Cluster::new(resource, ALL);
                    take(&mut cluster, resource, None, Change::Set(object));
                    cluster.changed_groups(usize::MAX);
                }
            }
        }
    }
}
