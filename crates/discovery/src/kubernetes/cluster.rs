//! What is known of a cluster, and the target groups that follow from it.
//!
//! Each object of the role is a group. A group is made from its object and from others that it names (a pod's node, an
//! endpoint's pod): what was looked up while a group was made is noted, and when that changes the group is made anew.
//! Touches neither network nor clock.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use model::TargetGroup;

use super::Attach;
use super::groups::{self, group};
use super::informer::{Change, Event};
use super::object::{Node, Object, Pod, Service, key};
use super::resource::Resource;

/// The objects of each kind by key.
type Objects = HashMap<Resource, HashMap<Arc<str>, Object>>;

/// An object that a group was made with, or would have been.
type Used = (Resource, Arc<str>);

/// The objects seen so far, and the groups that have to be made anew.
#[derive(Debug)]
pub(crate) struct Cluster {
    role: Resource,
    attach: Attach,
    objects: Objects,
    /// What each group was made with.
    used: HashMap<Arc<str>, Vec<Used>>,
    /// The groups that were made with each object.
    users: HashMap<Used, BTreeSet<Arc<str>>>,
    /// Keys of objects of the role whose groups have to be made anew.
    changed: BTreeSet<Arc<str>>,
}

/// What an event did to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Added,
    Updated,
    Deleted,
}

impl Cluster {
    pub(crate) fn new(role: Resource, attach: Attach) -> Self {
        Cluster {
            role,
            attach,
            objects: Objects::new(),
            used: HashMap::new(),
            users: HashMap::new(),
            changed: BTreeSet::new(),
        }
    }

    /// Takes what an informer saw, and tells of each object that it changed.
    pub(crate) fn take(&mut self, event: Event, mut tell: impl FnMut(Effect)) {
        let Event { resource, namespace, change } = event;
        match change {
            Change::Set(object) => self.set(resource, object, &mut tell),
            Change::Removed(object) => self.remove(resource, &object.key(), &mut tell),
            Change::Listed(keys) => {
                for key in self.keys(resource, namespace.as_deref()) {
                    if !keys.contains(key.as_ref()) {
                        self.remove(resource, &key, &mut tell);
                    }
                }
            }
        }
    }

    /// Groups that have to be made anew.
    pub(crate) fn n_changed(&self) -> usize {
        self.changed.len()
    }

    /// Makes up to `n_max` of the groups anew. Those of objects that are gone are empty.
    pub(crate) fn changed_groups(&mut self, n_max: usize) -> Vec<TargetGroup> {
        let mut groups = Vec::with_capacity(n_max.min(self.changed.len()));
        while groups.len() < n_max
            && let Some(key) = self.changed.pop_first()
        {
            groups.push(self.make(&key));
        }
        groups
    }

    fn make(&mut self, key: &Arc<str>) -> TargetGroup {
        let mut lookup = Lookup { objects: &self.objects, attach: self.attach, used: Vec::new() };
        let made = match self.objects.get(&self.role).and_then(|it| it.get(key)) {
            Some(object) => group(object, key, &mut lookup),
            None => groups::none(self.role, key),
        };
        let used = lookup.used;
        self.note(key, used);
        made
    }

    /// Notes what a group was made with, instead of what was noted before.
    fn note(&mut self, key: &Arc<str>, mut used: Vec<Used>) {
        used.sort_unstable();
        used.dedup();
        for before in self.used.remove(key).unwrap_or_default() {
            if let Some(users) = self.users.get_mut(&before) {
                users.remove(key);
                if users.is_empty() {
                    self.users.remove(&before);
                }
            }
        }
        if used.is_empty() {
            return;
        }
        for it in &used {
            self.users.entry(it.clone()).or_default().insert(Arc::clone(key));
        }
        self.used.insert(Arc::clone(key), used);
    }

    fn set(&mut self, resource: Resource, object: Object, tell: &mut impl FnMut(Effect)) {
        let key: Arc<str> = object.key().into();
        let objects = self.objects.entry(resource).or_default();
        match objects.get_mut(&key) {
            Some(before) if *before == object => return,
            Some(before) => {
                *before = object;
                tell(Effect::Updated);
            }
            None => {
                objects.insert(Arc::clone(&key), object);
                tell(Effect::Added);
            }
        }
        self.mark(resource, key);
    }

    fn remove(&mut self, resource: Resource, key: &str, tell: &mut impl FnMut(Effect)) {
        let removed = self.objects.get_mut(&resource).and_then(|it| it.remove_entry(key));
        if let Some((key, _)) = removed {
            tell(Effect::Deleted);
            self.mark(resource, key);
        }
    }

    fn mark(&mut self, resource: Resource, key: Arc<str>) {
        let used = (resource, key);
        self.changed.extend(self.users.get(&used).into_iter().flatten().cloned());
        if resource == self.role {
            self.changed.insert(used.1);
        }
    }

    /// The keys of all objects of a kind, in one namespace or all.
    fn keys(&self, resource: Resource, namespace: Option<&str>) -> Vec<Arc<str>> {
        let all = self.objects.get(&resource).into_iter().flatten();
        let within = |object: &Object| {
            namespace.is_none_or(|namespace| object.meta().namespace.as_ref() == namespace)
        };
        all.filter(|it| within(it.1)).map(|it| Arc::clone(it.0)).collect()
    }
}

/// Finds objects for a group, and notes which.
pub(crate) struct Lookup<'a> {
    objects: &'a Objects,
    pub(crate) attach: Attach,
    used: Vec<Used>,
}

impl<'a> Lookup<'a> {
    /// Finds an object by its name. One that is not there yet is noted too.
    pub(crate) fn find(
        &mut self,
        resource: Resource,
        namespace: &str,
        name: &str,
    ) -> Option<&'a Object> {
        let key: Arc<str> = key(namespace, name).into();
        let found = self.objects.get(&resource).and_then(|it| it.get(&key));
        self.used.push((resource, key));
        found
    }

    pub(crate) fn node(&mut self, name: &str) -> Option<&'a Node> {
        match self.find(Resource::Node, "", name)? {
            Object::Node(node) => Some(node),
            _ => None,
        }
    }

    pub(crate) fn pod(&mut self, namespace: &str, name: &str) -> Option<&'a Pod> {
        match self.find(Resource::Pod, namespace, name)? {
            Object::Pod(pod) => Some(pod),
            _ => None,
        }
    }

    pub(crate) fn service(&mut self, namespace: &str, name: &str) -> Option<&'a Service> {
        match self.find(Resource::Service, namespace, name)? {
            Object::Service(service) => Some(service),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
