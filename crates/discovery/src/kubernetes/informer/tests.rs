//! Servers that keep to no limit. (Those that do are in the tests of the crate.)

use std::sync::atomic::{AtomicUsize, Ordering};

use client::Registry;
use testkit::stub::{Asked, Peer, serve};
use tokio::time::timeout;

use super::*;
use crate::kubernetes::access::Access;
use crate::metrics::Metrics;

/// How long a test waits.
const LONG: Duration = Duration::from_secs(20);

const LIST: &str = r#"{"metadata": {"resourceVersion": "1"}, "items": []}"#;

/// Starts an informer with tight limits and a server. Returns how to see its events, and its failures.
fn start(
    answer: impl Fn(&Asked, &mut Peer) -> bool + Send + Sync + 'static,
) -> (mpsc::Receiver<Event>, Arc<Metrics>) {
    let port = serve(answer);
    let metrics = Arc::new(Metrics::new(&Registry::default()));
    let server = format!("http://127.0.0.1:{port}");
    let access = Access { server, http: httpclient::Options::default(), exec: None };
    let api = Api::new(access, "test", "j", &metrics);
    let (events, received) = mpsc::channel(1);
    let informer = Informer {
        api: Arc::new(api.unwrap_or_else(|it| panic!("{it}"))),
        resource: Resource::Pod,
        namespace: None,
        is_bare: false,
        label_selector: String::new(),
        field_selector: String::new(),
        events,
        limits: Limits {
            page_bytes: 1000,
            list_bytes: 3000,
            line_bytes: 1000,
            page_time: Duration::from_millis(100),
            silence: Duration::from_millis(100),
        },
    };
    tokio::spawn(informer.run());
    (received, metrics)
}

/// Waits for an event, and tells what it is.
async fn next(events: &mut mpsc::Receiver<Event>) -> String {
    let event = timeout(LONG, events.recv()).await.expect("in time").expect("it runs");
    match event.change {
        Change::Listed(keys) => format!("listed {}", keys.len()),
        Change::Set(object) => format!("set {}", object.key()),
        Change::Removed(object) => format!("removed {}", object.key()),
    }
}

/// Answers the first questions with `first`, and later ones as a server should.
fn only_at_first(
    n: usize,
    first: impl Fn(&Asked, &mut Peer) -> bool + Send + Sync + 'static,
) -> impl Fn(&Asked, &mut Peer) -> bool + Send + Sync + 'static {
    let n_asked = AtomicUsize::new(0);
    move |asked, peer| {
        if n_asked.fetch_add(1, Ordering::Relaxed) < n {
            return first(asked, peer);
        }
        if asked.value("watch").is_empty() {
            return peer.json(200, "", LIST);
        }
        let pod = r#"{"metadata": {"name": "a", "namespace": "ns", "resourceVersion": "2"}}"#;
        peer.begin() && peer.piece(&format!("{{\"type\": \"ADDED\", \"object\": {pod}}}\n"))
    }
}

/// Answers for ever with one letter.
fn endless(peer: &mut Peer) -> bool {
    peer.begin();
    while peer.piece(&"x".repeat(100)) {}
    false
}

/// Says nothing until the peer gives up.
fn hang(_: &Asked, peer: &mut Peer) -> bool {
    peer.wait_closed();
    false
}

#[tokio::test]
async fn gives_lists_up_that_do_not_end() {
    let (mut events, metrics) = start(only_at_first(1, |_, peer| endless(peer)));
    assert_eq!(next(&mut events).await, "listed 0");
    assert_eq!(metrics.kubernetes.failures.value(), 1.0);

    let more = r#"{"metadata": {"resourceVersion": "1", "continue": "x"}, "items": []}"#;
    let more = format!("{more}{}", " ".repeat(500));
    let (mut events, metrics) = start(only_at_first(6, move |_, peer| peer.json(200, "", &more)));
    assert_eq!(next(&mut events).await, "listed 0");
    assert_eq!(metrics.kubernetes.failures.value(), 1.0);
}

#[tokio::test]
async fn gives_lines_up_that_do_not_end() {
    let (mut events, metrics) = start(only_at_first(2, |asked, peer| {
        if asked.value("watch").is_empty() { peer.json(200, "", LIST) } else { endless(peer) }
    }));
    assert_eq!(next(&mut events).await, "listed 0");
    assert_eq!(next(&mut events).await, "listed 0");
    assert_eq!(next(&mut events).await, "set ns/a");
    assert_eq!(metrics.kubernetes.failures.value(), 1.0);
}

#[tokio::test]
async fn waits_for_nobody_for_ever() {
    let (mut events, metrics) = start(only_at_first(1, hang));
    assert_eq!(next(&mut events).await, "listed 0");
    assert_eq!(metrics.kubernetes.failures.value(), 1.0);

    // A watch without a word is no failure, but begun anew.
    let (mut events, metrics) = start(only_at_first(2, |asked, peer| {
        if asked.value("watch").is_empty() {
            return peer.json(200, "", LIST);
        }
        peer.begin();
        hang(asked, peer)
    }));
    assert_eq!(next(&mut events).await, "listed 0");
    assert_eq!(next(&mut events).await, "set ns/a");
    assert_eq!(metrics.kubernetes.failures.value(), 0.0);
}
