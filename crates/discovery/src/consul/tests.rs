//! Agents that fail, and come back. (Those that do not are in the tests of the crate.)

use client::Registry;
use config::Config;
use serde_json::{Value, json};
use testkit::Consul;
use testkit::stub::serve;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;
use crate::discoverer::{Running, Update};
use crate::manager::Options;
use crate::metrics::Metrics;

/// How long a test waits.
const LONG: Duration = Duration::from_secs(20);

struct Fixture {
    updates: mpsc::Receiver<Update>,
    metrics: Arc<Metrics>,
    _running: Running,
}

impl Fixture {
    /// Discovers with short pauses; the first report waits as long as the test.
    fn start(port: u16, keys: &str) -> Self {
        Self::start_with(port, keys, LONG)
    }

    fn start_with(port: u16, keys: &str, hold: Duration) -> Self {
        let text = format!(
            "scrape_configs: [{{job_name: j, consul_sd_configs: [{{server: '127.0.0.1:{port}', {keys}}}]}}]"
        );
        let config = Config::load(text.as_bytes(), &config::Options::default()).expect("good");
        let section = &config.scrape_configs[0].discovery.others["consul_sd_configs"][0];
        let metrics = Arc::new(Metrics::new(&Registry::default()));
        let (http, options) = (httpclient::Options::default(), Options::new("scrape", "test"));
        let setup = Setup {
            name: "consul",
            job: "j",
            section,
            http: &http,
            options: &options,
            metrics: &metrics,
        };
        let mut discoverer = discoverer(&setup).expect("options that work");
        discoverer.wanted.interval = Duration::from_millis(10);
        discoverer.wanted.retry = Duration::from_millis(10);
        discoverer.wanted.hold = hold;
        let (sender, updates) = mpsc::channel(1);
        let (running, stop) = Stop::new();
        tokio::spawn(discoverer.discover(Updates::new(1, sender), stop));
        Fixture { updates, metrics, _running: running }
    }

    /// Waits for an update: the addresses of each group.
    async fn next(&mut self) -> Vec<String> {
        let update = timeout(LONG, self.updates.recv()).await.expect("in time").expect("it runs");
        let print = |group: &TargetGroup| {
            let targets = group.targets.iter().map(|it| it.value("__address__"));
            format!("{}: {}", group.source, targets.collect::<Vec<_>>().join(" "))
        };
        update.groups.iter().map(print).collect()
    }

    fn failures(&self) -> f64 {
        self.metrics.consul.rpc_failures.value()
    }
}

fn instance(address: &str) -> Value {
    json!({"Node": {"Node": "n", "Address": address}, "Service": {"ID": "i", "Port": 80}})
}

/// Answers that are none.
const GARBAGE: [&str; 6] = [
    "",
    "nonsense\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[}",
    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[1, 2, 3]",
    "HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{\"a\":",
    "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 9\r\n\r\nno leader",
];

#[tokio::test]
async fn asks_again_for_its_datacenter() {
    for raw in GARBAGE {
        let agent = Consul::start();
        agent.set("web", &[instance("10.0.0.1")]);
        agent.answer_next(raw);
        let mut it = Fixture::start(agent.port, "");
        assert_eq!(it.next().await, [""; 0], "{raw}: nobody waits for it");
        assert_eq!(it.next().await, ["web: 10.0.0.1:80"], "{raw}");
        assert_eq!(it.failures(), 1.0, "{raw}");
    }
}

#[tokio::test]
async fn asks_again_for_the_catalog() {
    for raw in GARBAGE {
        let agent = Consul::start();
        agent.set("web", &[instance("10.0.0.1")]);
        agent.answer_next(raw);
        let mut it = Fixture::start(agent.port, "datacenter: d");
        assert_eq!(it.next().await, [""; 0], "{raw}: nobody waits for it");
        assert_eq!(it.next().await, ["web: 10.0.0.1:80"], "{raw}");
        assert_eq!(it.failures(), 1.0, "{raw}");
    }
}

#[tokio::test]
async fn keeps_what_it_found_while_the_agent_fails() {
    let agent = Consul::start();
    agent.set("web", &[instance("10.0.0.1")]);
    let mut it = Fixture::start(agent.port, "datacenter: d, services: [web]");
    assert_eq!(it.next().await, ["web: 10.0.0.1:80"]);
    for (n, raw) in GARBAGE.iter().enumerate() {
        agent.answer_next(raw);
        // The first ends the question that waits, the second is seen behind the garbage.
        agent.set("web", &[instance("10.0.0.2")]);
        assert_eq!(it.next().await, ["web: 10.0.0.2:80"], "{raw}");
        agent.set("web", &[instance(&format!("10.0.1.{n}"))]);
        assert_eq!(it.next().await, [format!("web: 10.0.1.{n}:80")], "{raw}");
    }
    // A connection that is closed without a word was closed at rest: the question goes out again at once.
    assert_eq!(it.failures(), (GARBAGE.len() - 1) as f64);
}

/// A service of which nothing is heard does not keep the others.
#[tokio::test]
async fn waits_for_nobody_for_ever() {
    let port = serve(|asked, peer| {
        if asked.path.ends_with("hangs") {
            peer.wait_closed();
        }
        asked.value("index") == "0" && peer.json(200, "X-Consul-Index: 1\r\n", "[]")
    });
    let hold = Duration::from_secs(1);
    let mut it = Fixture::start_with(port, "datacenter: d, services: [a, b, hangs]", hold);
    let mut groups = it.next().await;
    groups.sort();
    assert_eq!(groups, ["a: ", "b: "]);
}

#[test]
fn follows_indexes() {
    // Before, now: is it news, and what the next question waits for.
    for (before, now, expected) in [
        (0, 5, (true, 5)),
        (5, 5, (false, 5)),
        (5, 6, (true, 6)),
        (6, 2, (true, 0)),
        (0, 0, (true, 0)),
    ] {
        assert_eq!((is_news(before, now), next_index(before, now)), expected, "{before} {now}");
    }
}
