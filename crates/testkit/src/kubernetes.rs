//! A Kubernetes API server that keeps what a test puts in: lists in pages, watches with versions, bookmarks, and all
//! the ways in which they fail.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::stub::{Asked, Peer, serve};

/// How long a test waits.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// The stub. All its copies are one.
#[derive(Clone)]
pub struct Kubernetes {
    /// The port on loopback.
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Counts the changes of all objects.
    version: u64,
    /// By path of the kind (`/api/v1/pods`), namespace and name.
    objects: BTreeMap<(String, String, String), Value>,
    log: Vec<Logged>,
    /// Versions below it are forgotten.
    oldest: u64,
    /// Counts the times that watches were ended.
    n_dropped: u64,
    /// Most objects on a page, whatever is asked for; 0: as asked.
    page_max: usize,
    /// Raw answers for the next questions, whatever they are.
    answers: VecDeque<String>,
    asked: Vec<Asked>,
}

/// A change, as a watch tells it.
#[derive(Clone)]
struct Logged {
    version: u64,
    path: String,
    namespace: String,
    line: String,
}

impl Kubernetes {
    /// Starts a server without objects.
    pub fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let server = Arc::clone(&shared);
        let port = serve(move |asked, peer| server.answer(asked, peer).unwrap_or(false));
        Self { port, shared }
    }

    /// Puts an object in, or in the place of the one of its name.
    ///
    /// # Panics
    /// If it has no kind that is known.
    pub fn set(&self, object: &Value) {
        let mut state = self.shared.state();
        let key = key(object);
        let kind = if state.objects.contains_key(&key) { "MODIFIED" } else { "ADDED" };
        let object = state.log(kind, &key, object);
        state.objects.insert(key, object);
        self.shared.changed.notify_all();
    }

    /// Takes an object out: the one of this kind, namespace and name.
    pub fn remove(&self, object: &Value) {
        let mut state = self.shared.state();
        let key = key(object);
        if let Some(object) = state.objects.remove(&key) {
            state.log("DELETED", &key, &object);
        }
        self.shared.changed.notify_all();
    }

    /// Sends the newest version to all watches of a path, and nothing else.
    pub fn bookmark(&self, path: &str) {
        let mut state = self.shared.state();
        let key = (path.to_owned(), String::new(), String::new());
        state.log("BOOKMARK", &key, &json!({"metadata": {}}));
        self.shared.changed.notify_all();
    }

    /// Forgets how the objects came to be: who watches from an older version must list again.
    pub fn expire(&self) {
        let mut state = self.shared.state();
        state.version += 1;
        state.oldest = state.version;
        state.log.clear();
        self.shared.changed.notify_all();
    }

    /// Cuts the connections of all watches.
    pub fn drop_watches(&self) {
        self.shared.state().n_dropped += 1;
        self.shared.changed.notify_all();
    }

    /// Lets pages have no more objects than this.
    pub fn set_page_max(&self, n: usize) {
        self.shared.state().page_max = n;
    }

    /// Answers the next question with these bytes, and closes the connection.
    pub fn answer_next(&self, raw: &str) {
        self.shared.state().answers.push_back(raw.to_owned());
    }

    /// Waits until it was asked so often for a path, with a name in the query.
    ///
    /// # Panics
    /// If it is not within 20 s.
    pub fn wait_asked(&self, path: &str, name: &str, n: usize) {
        let is_it = |it: &&Asked| it.path == path && it.query.iter().any(|it| it.0 == name);
        let lacks = |it: &mut State| it.asked.iter().filter(is_it).count() < n;
        let waited = self.shared.changed.wait_timeout_while(self.shared.state(), WAIT_MAX, lacks);
        let timed_out = waited.unwrap_or_else(PoisonError::into_inner).1.timed_out();
        assert!(!timed_out, "waited for {n} × {name} of {path}");
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.state().asked.clone()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, asked: &Asked, peer: &mut Peer) -> Option<bool> {
        let mut state = self.state();
        state.asked.push(asked.clone());
        self.changed.notify_all();
        if let Some(raw) = state.answers.pop_front() {
            drop(state);
            peer.raw(&raw);
            return None;
        }
        let (path, namespace) = place(&asked.path);
        if asked.value("watch").is_empty() {
            let (status, body) = state.list(asked, &path, &namespace);
            drop(state);
            return Some(peer.json(status, "", &body));
        }
        drop(state);
        self.watch(asked, &path, &namespace, peer)
    }

    /// Sends changes as they come, until watches are dropped or the peer is gone.
    fn watch(&self, asked: &Asked, path: &str, namespace: &str, peer: &mut Peer) -> Option<bool> {
        let mut seen: u64 = asked.value("resourceVersion").parse().ok()?;
        if !peer.begin() {
            return None;
        }
        let mut state = self.state();
        let n_dropped = state.n_dropped;
        loop {
            if state.n_dropped != n_dropped {
                return None;
            }
            if seen < state.oldest {
                drop(state);
                let status =
                    json!({"kind": "Status", "code": 410, "message": "too old resource version"});
                peer.piece(&format!("{}\n", json!({"type": "ERROR", "object": status})));
                return Some(peer.end());
            }
            let news = |it: &&Logged| {
                let is_there = namespace.is_empty() || it.namespace == namespace;
                seen < it.version && it.path == path && is_there
            };
            let lines: String = state.log.iter().filter(news).map(|it| it.line.as_str()).collect();
            seen = state.version;
            if !lines.is_empty() {
                drop(state);
                // Cut anywhere: lines do not end where pieces do.
                let (a, b) = lines.split_at(lines.floor_char_boundary(lines.len() / 2));
                if !(a.is_empty() || peer.piece(a)) || !peer.piece(b) {
                    return None;
                }
                state = self.state();
                continue;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl State {
    /// Notes a change. Returns the object with its version.
    fn log(&mut self, kind: &str, key: &(String, String, String), object: &Value) -> Value {
        self.version += 1;
        let mut object = object.clone();
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let line = format!("{}\n", json!({"type": kind, "object": object}));
        let (path, namespace) = (key.0.clone(), key.1.clone());
        self.log.push(Logged { version: self.version, path, namespace, line });
        object
    }

    fn list(&self, asked: &Asked, path: &str, namespace: &str) -> (u16, String) {
        let (start, version) = match asked.value("continue").split_once('@') {
            None => (0, self.version),
            Some((start, version)) => (start.parse().unwrap_or(0), version.parse().unwrap_or(0)),
        };
        if version < self.oldest {
            return (410, json!({"kind": "Status", "code": 410}).to_string());
        }
        let is_there = |key: &(String, String, String)| {
            key.0 == path && (namespace.is_empty() || key.1 == namespace)
        };
        let all: Vec<&Value> =
            self.objects.iter().filter(|it| is_there(it.0)).map(|it| it.1).collect();
        let limit = asked.value("limit").parse().unwrap_or(usize::MAX);
        let limit = if self.page_max == 0 { limit } else { self.page_max.min(limit) };
        let end = all.len().min(start + limit);
        let next = if end < all.len() { format!("{end}@{version}") } else { String::new() };
        let items = if all.is_empty() { Value::Null } else { json!(all[start..end]) };
        let meta = json!({"resourceVersion": version.to_string(), "continue": next});
        (200, json!({"kind": "List", "metadata": meta, "items": items}).to_string())
    }
}

/// Path of the kind, namespace, name.
fn key(object: &Value) -> (String, String, String) {
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let path = match object["kind"].as_str().unwrap_or_default() {
        "Node" => "/api/v1/nodes",
        "Namespace" => "/api/v1/namespaces",
        "Service" => "/api/v1/services",
        "Pod" => "/api/v1/pods",
        "Endpoints" => "/api/v1/endpoints",
        "EndpointSlice" => "/apis/discovery.k8s.io/v1/endpointslices",
        "Ingress" => "/apis/networking.k8s.io/v1/ingresses",
        "ReplicaSet" => "/apis/apps/v1/replicasets",
        "Job" => "/apis/batch/v1/jobs",
        other => panic!("unknown kind {other:?} of {object}"),
    };
    let meta = &object["metadata"];
    (path.to_owned(), text(&meta["namespace"]), text(&meta["name"]))
}

/// The path of a kind without its namespace, and the namespace; empty: all.
fn place(path: &str) -> (String, String) {
    let mut parts: Vec<&str> = path.split('/').collect();
    let at = parts.iter().position(|it| *it == "namespaces").filter(|at| at + 2 < parts.len());
    let Some(at) = at else { return (path.to_owned(), String::new()) };
    let namespace = parts[at + 1].to_owned();
    parts.drain(at..at + 2);
    (parts.join("/"), namespace)
}
