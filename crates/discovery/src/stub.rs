//! For tests: a server on loopback that answers what it was told to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use testkit::stub;

/// How requests are answered.
#[derive(Clone)]
pub(crate) enum Reply {
    /// By these bytes.
    Whole(String),
    /// By these, and then by spaces without end.
    Endless(String),
    /// Not at all.
    Silence,
}

/// A server; it lives as long as its test.
pub(crate) struct Stub {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

struct State {
    reply: Reply,
    last_head: String,
}

impl Stub {
    pub(crate) fn start(reply: Reply) -> Self {
        let state = Arc::new(Mutex::new(State { reply, last_head: String::new() }));
        let shared = Arc::clone(&state);
        let port = stub::serve(move |asked, peer| {
            let reply = {
                let mut state = lock(&shared);
                state.last_head.clone_from(&asked.head);
                state.reply.clone()
            };
            match reply {
                Reply::Whole(bytes) => peer.raw(&bytes),
                Reply::Endless(bytes) => {
                    let spaces = " ".repeat(1 << 16);
                    let mut goes_on = peer.raw(&bytes);
                    while goes_on {
                        goes_on = peer.raw(&spaces);
                    }
                    false
                }
                Reply::Silence => true,
            }
        });
        Self { url: format!("http://127.0.0.1:{port}"), state }
    }

    /// Answers so from now on.
    pub(crate) fn answer(&self, reply: Reply) {
        lock(&self.state).reply = reply;
    }

    /// The head of the last request.
    pub(crate) fn last_head(&self) -> String {
        lock(&self.state).last_head.clone()
    }
}

/// An answer with this status line, content type and body.
pub(crate) fn reply(status: &str, kind: &str, body: &str) -> Reply {
    Reply::Whole(format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn lock(it: &Mutex<State>) -> MutexGuard<'_, State> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}
