//! The kinds of objects, where the API has them, and how what it answers is read.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::object::{Bare, EndpointSlice, Endpoints, Ingress, Node, Object, Pod, Service};
use crate::json::parse;

/// A kind of objects that can be listed and watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Resource {
    Node,
    Namespace,
    Service,
    Pod,
    Endpoints,
    EndpointSlice,
    Ingress,
    ReplicaSet,
    Job,
}

impl Resource {
    /// Its name in the configuration, in metrics and in label names.
    pub(crate) fn role(self) -> &'static str {
        match self {
            Resource::Node => "node",
            Resource::Namespace => "namespace",
            Resource::Service => "service",
            Resource::Pod => "pod",
            Resource::Endpoints => "endpoints",
            Resource::EndpointSlice => "endpointslice",
            Resource::Ingress => "ingress",
            Resource::ReplicaSet => "replicaset",
            Resource::Job => "job",
        }
    }

    /// Whether its objects are in namespaces.
    pub(crate) fn is_namespaced(self) -> bool {
        !matches!(self, Resource::Node | Resource::Namespace)
    }

    /// The path of all its objects, or of those in one namespace.
    pub(crate) fn path(self, namespace: Option<&str>) -> String {
        let (group, plural) = match self {
            Resource::Node => ("api/v1", "nodes"),
            Resource::Namespace => ("api/v1", "namespaces"),
            Resource::Service => ("api/v1", "services"),
            Resource::Pod => ("api/v1", "pods"),
            Resource::Endpoints => ("api/v1", "endpoints"),
            Resource::EndpointSlice => ("apis/discovery.k8s.io/v1", "endpointslices"),
            Resource::Ingress => ("apis/networking.k8s.io/v1", "ingresses"),
            Resource::ReplicaSet => ("apis/apps/v1", "replicasets"),
            Resource::Job => ("apis/batch/v1", "jobs"),
        };
        match namespace {
            Some(namespace) => format!("/{group}/namespaces/{namespace}/{plural}"),
            None => format!("/{group}/{plural}"),
        }
    }

    /// Reads one page of a list.
    pub(crate) fn parse_list(self, text: &[u8]) -> Result<Page, String> {
        match self {
            Resource::Node => page(text, Object::Node),
            Resource::Service => page(text, Object::Service),
            Resource::Pod => page(text, Object::Pod),
            Resource::Endpoints => page(text, Object::Endpoints),
            Resource::EndpointSlice => page(text, Object::EndpointSlice),
            Resource::Ingress => page(text, Object::Ingress),
            Resource::Namespace | Resource::ReplicaSet | Resource::Job => page(text, Object::Bare),
        }
    }

    /// Reads the object of a line of a watch.
    pub(crate) fn parse_object(self, line: &[u8]) -> Result<Object, String> {
        match self {
            Resource::Node => carried::<Node>(line).map(Object::Node),
            Resource::Service => carried::<Service>(line).map(Object::Service),
            Resource::Pod => carried::<Pod>(line).map(Object::Pod),
            Resource::Endpoints => carried::<Endpoints>(line).map(Object::Endpoints),
            Resource::EndpointSlice => carried::<EndpointSlice>(line).map(Object::EndpointSlice),
            Resource::Ingress => carried::<Ingress>(line).map(Object::Ingress),
            Resource::Namespace | Resource::ReplicaSet | Resource::Job => {
                carried::<Bare>(line).map(Object::Bare)
            }
        }
    }
}

/// A part of a list.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) objects: Vec<Object>,
    /// Where a watch goes on from the list.
    pub(crate) version: String,
    /// Asks for the next part; empty: there is none.
    pub(crate) next: String,
}

fn page<T: DeserializeOwned>(text: &[u8], wrap: fn(Box<T>) -> Object) -> Result<Page, String> {
    #[derive(Deserialize)]
    struct List<T> {
        metadata: ListMeta,
        items: Option<Vec<T>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ListMeta {
        resource_version: String,
        #[serde(default, rename = "continue")]
        next: String,
    }
    let List { metadata, items } = parse(text)?;
    let items = items.unwrap_or_default();
    let objects = items.into_iter().map(|it| wrap(Box::new(it))).collect();
    Ok(Page { objects, version: metadata.resource_version, next: metadata.next })
}

fn carried<T: DeserializeOwned>(line: &[u8]) -> Result<Box<T>, String> {
    #[derive(Deserialize)]
    struct Carrier<T> {
        object: T,
    }
    parse::<Carrier<T>>(line).map(|it| Box::new(it.object))
}

/// What a line of a watch says, but for the object itself.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) object: LineObject,
}

/// The version of an object, or the status that is the object of an error.
#[derive(Debug, Deserialize)]
pub(crate) struct LineObject {
    #[serde(default)]
    pub(crate) metadata: LineMeta,
    #[serde(default)]
    pub(crate) code: u16,
    #[serde(default)]
    pub(crate) message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct LineMeta {
    pub(crate) resource_version: String,
}
