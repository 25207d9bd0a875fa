//! A catalog that changes, and an agent that fails.

use serde_json::{Value, json};
use testkit::Consul;

use super::Fixture;

fn instance(address: &str, tags: &[&str]) -> Value {
    json!({"Node": {"Node": "n", "Address": address}, "Service": {"ID": "i", "Tags": tags, "Port": 80}})
}

async fn discover(agent: &Consul, entry: &str) -> Fixture {
    let entry = format!("{{server: '127.0.0.1:{}', refresh_interval: 100ms, {entry}}}", agent.port);
    Fixture::start("consul_sd_configs", &entry).await
}

#[tokio::test]
async fn follows_the_catalog() {
    let agent = Consul::start();
    agent.set("web", &[instance("10.0.0.1", &["a"]), instance("10.0.0.2", &[])]);
    agent.set("db", &[instance("10.0.1.1", &[])]);
    let mut it = discover(&agent, "").await;
    it.expect("10.0.0.1:80 10.0.0.2:80 10.0.1.1:80").await;
    assert_eq!(it.groups()[0].source, "db");
    assert_eq!(it.groups()[0].labels.value("__meta_consul_dc"), "dc1");
    agent.set("web", &[instance("10.0.0.3", &["a"])]);
    it.expect("10.0.0.3:80 10.0.1.1:80").await;
    agent.set("new", &[instance("10.0.2.1", &[])]);
    it.expect("10.0.0.3:80 10.0.1.1:80 10.0.2.1:80").await;
    agent.remove("db");
    it.expect("10.0.0.3:80 10.0.2.1:80").await;
    agent.reset_index();
    agent.set("web", &[instance("10.0.0.4", &["a"])]);
    it.expect("10.0.0.4:80 10.0.2.1:80").await;
    assert_eq!(it.metric("prometheus_sd_consul_rpc_failures_total"), 0.0);
    let calls =
        r#"prometheus_sd_consul_rpc_duration_seconds_count{endpoint="catalog",call="services"}"#;
    assert!(2.0 <= it.metric(calls));
    it.manager.shutdown().await;
}

#[tokio::test]
async fn watches_only_what_is_wanted() {
    let agent = Consul::start();
    agent.set("web", &[instance("10.0.0.1", &["a", "b"])]);
    agent.set("db", &[instance("10.0.1.1", &["a"])]);
    let mut it = discover(&agent, "services: [web, later]").await;
    it.expect("10.0.0.1:80").await;
    agent.set("later", &[instance("10.0.2.1", &[])]);
    it.expect("10.0.0.1:80 10.0.2.1:80").await;
    assert!(agent.asked().iter().all(|it| it.path != "/v1/catalog/services"));
    it.manager.shutdown().await;

    let mut it = discover(&agent, "tags: [a, b]").await;
    it.expect("10.0.0.1:80").await;
    agent.set("db", &[instance("10.0.1.1", &["b", "a"])]);
    it.expect("10.0.0.1:80 10.0.1.1:80").await;
    agent.set("web", &[instance("10.0.0.1", &["a"])]);
    it.expect("10.0.1.1:80").await;
    it.manager.shutdown().await;
}

#[tokio::test]
async fn asks_as_it_is_told() {
    let agent = Consul::start();
    agent.set("a/b c", &[instance("10.0.0.1", &["t"])]);
    let entry = "token: secret, datacenter: d, namespace: n, partition: p, tags: [t], node_meta: {rack: r}, \
                 filter: 'x == y', health_filter: 'z', allow_stale: true";
    let mut it = discover(&agent, entry).await;
    it.expect("10.0.0.1:80").await;
    let asked = agent.asked();
    let query = |path: &str| {
        let asked = asked.iter().find(|it| it.path == path).unwrap_or_else(|| panic!("no {path}"));
        assert!(asked.head.contains("X-Consul-Token: secret\r\n"), "{}", asked.head);
        let pairs = asked.query.iter().map(|it| format!("{}={}", it.0, it.1));
        pairs.collect::<Vec<_>>().join("&")
    };
    let own = "dc=d&ns=n&partition=p&stale=&node-meta=rack:r";
    let blocking = "index=0&wait=120000ms";
    assert_eq!(query("/v1/catalog/services"), format!("{own}&filter=x == y&{blocking}"));
    assert_eq!(query("/v1/health/service/a/b c"), format!("{own}&tag=t&filter=z&{blocking}"));
    assert!(asked.iter().any(|it| it.head.contains("/v1/health/service/a%2Fb%20c?")));
    it.manager.shutdown().await;
}
