//! A Consul agent that keeps what a test puts in, and answers blocking queries.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::stub::{Asked, Peer, serve};

/// The longest that a question waits, whatever it asks for.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// The stub. All its copies are one.
#[derive(Clone)]
pub struct Consul {
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
    index: u64,
    /// The instances of each service, in the shape of the health endpoint.
    services: BTreeMap<String, Vec<Value>>,
    /// Raw answers for the next questions, whatever they are.
    answers: VecDeque<String>,
    asked: Vec<Asked>,
}

impl Consul {
    /// Starts an agent of the datacenter `dc1` without services.
    pub fn start() -> Self {
        let shared = Arc::new(Shared::default());
        shared.state().index = 1;
        let server = Arc::clone(&shared);
        let port = serve(move |asked, peer| server.answer(asked, peer).unwrap_or(false));
        Self { port, shared }
    }

    /// Puts a service in, or in the place of the one of its name.
    pub fn set(&self, name: &str, instances: &[Value]) {
        self.change(|it| drop(it.services.insert(name.to_owned(), instances.to_vec())));
    }

    /// Takes a service out.
    pub fn remove(&self, name: &str) {
        self.change(|it| drop(it.services.remove(name)));
    }

    /// Begins to count anew, as after a loss of its data.
    pub fn reset_index(&self) {
        self.change(|it| it.index = 0);
    }

    /// Answers the next question with these bytes, and closes the connection.
    pub fn answer_next(&self, raw: &str) {
        self.shared.state().answers.push_back(raw.to_owned());
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.state().asked.clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.shared.state();
        change(&mut state);
        state.index += 1;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, asked: &Asked, peer: &mut Peer) -> Option<bool> {
        let mut state = self.state();
        state.asked.push(asked.clone());
        if let Some(raw) = state.answers.pop_front() {
            drop(state);
            peer.raw(&raw);
            return None;
        }
        if asked.path == "/v1/agent/self" {
            drop(state);
            return Some(peer.json(200, "", r#"{"Config": {"Datacenter": "dc1"}}"#));
        }
        let seen = asked.value("index").parse().unwrap_or(0);
        let wait = |it: &mut State| 0 < seen && it.index == seen;
        let waited = self.changed.wait_timeout_while(state, WAIT_MAX, wait);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let (index, body) = (state.index, state.body(asked)?);
        drop(state);
        Some(peer.json(200, &format!("X-Consul-Index: {index}\r\n"), &body))
    }
}

impl State {
    fn body(&self, asked: &Asked) -> Option<String> {
        if asked.path == "/v1/catalog/services" {
            let services = self.services.iter().map(|it| (it.0.clone(), json!(tags(it.1))));
            return Some(Value::Object(services.collect()).to_string());
        }
        let name = asked.path.strip_prefix("/v1/health/service/")?;
        let instances = self.services.get(name).cloned().unwrap_or_default();
        Some(json!(instances).to_string())
    }
}

/// The tags of all instances.
fn tags(instances: &[Value]) -> BTreeSet<String> {
    let of_one = |it: &Value| it["Service"]["Tags"].as_array().cloned().unwrap_or_default();
    let tags = instances.iter().flat_map(of_one);
    tags.filter_map(|it| it.as_str().map(str::to_owned)).collect()
}
