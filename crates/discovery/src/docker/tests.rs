//! Containers and networks as an engine lists them.

use std::time::Duration;

use http::HeaderMap;
use httpclient::Client;

use super::*;
use crate::stub::{Reply, Stub, reply};

const CONTAINERS: &str = include_str!("containers.json");
const NETWORKS: &str = include_str!("networks.json");

/// Prints targets: address, then the labels whose names begin with `shown` (without the prefix of all).
fn targets(rules: &Rules, shown: &str) -> Vec<String> {
    let containers: Vec<Container> = serde_json::from_str(CONTAINERS).expect("a list");
    let networks: Vec<Network> = serde_json::from_str(NETWORKS).expect("a list");
    let targets = rules.targets(&containers, networks).expect("few labels");
    let print = |it: &Labels| {
        let mut out = it.value("__address__").to_owned();
        for (name, value) in it.iter() {
            let name = name.trim_start_matches(PREFIX);
            if name.starts_with(shown) {
                out.push_str(&format!(" {name}={value}"));
            }
        }
        out
    };
    targets.iter().map(print).collect()
}

fn rules(first_network_only: bool) -> Rules {
    Rules { port: 80, host: "localhost".into(), first_network_only }
}

#[test]
fn makes_targets_of_ports_and_networks() {
    assert_eq!(
        targets(&rules(true), "container_name"),
        [
            "172.19.0.2:9090 container_name=/web",
            "172.19.0.2:80 container_name=/web",
            "[fd00::3]:80 container_name=/v6",
            "localhost container_name=/host",
            "172.19.0.2:9100 container_name=/side",
        ]
    );
    assert_eq!(
        targets(&rules(false), "port"),
        [
            "172.19.0.2:9090 port_private=9090",
            "172.19.0.2:80 port_private=80 port_public=8080 port_public_ip=0.0.0.0",
            "172.18.0.2:9090 port_private=9090",
            "172.18.0.2:80 port_private=80 port_public=8080 port_public_ip=0.0.0.0",
            "[fd00::3]:80",
            "localhost",
            "172.19.0.2:9100 port_private=9100",
            "172.18.0.2:9100 port_private=9100",
        ]
    );
}

#[test]
fn labels_containers_and_networks() {
    let found = targets(&rules(false), "container");
    assert_eq!(
        found[0],
        "172.19.0.2:9090 container_id=web container_image=web:1 container_image_id=sha256:web container_label_com_example_team=a container_name=/web container_network_mode=front"
    );
    assert!(found[6].ends_with("container_network_mode=container:web"), "{}", found[6]);
    let found = targets(&rules(false), "network");
    assert_eq!(
        found[0],
        "172.19.0.2:9090 network_id=n-back network_ingress=false network_internal=true network_ip=172.19.0.2 network_name=back network_scope=local"
    );
    assert!(found[2].ends_with(
        "network_ip=172.18.0.2 network_label_tier=1 network_name=front network_scope=local"
    ));
    assert_eq!(found[4], "[fd00::3]:80 network_ip=fd00::3");
}

#[test]
fn bounds_labels() {
    let label = |it: usize| (format!("label{it}"), "x".to_owned());
    let mut containers: Vec<Container> = serde_json::from_str(CONTAINERS).expect("a list");
    containers[0].labels = Some((0..2000).map(label).collect());
    let port = || Port { kind: "tcp".into(), ..Port::default() };
    containers[0].ports = Some((0..1001).map(|_| port()).collect());
    let why = rules(true).targets(&containers, Vec::new()).expect_err("too many");
    assert_eq!(why.to_string(), "more than 2000000 labels");
}

async fn check(answer: Reply, expected: &str) {
    let stub = Stub::start(answer);
    let client = Client::new(httpclient::Options::default()).expect("a client");
    let engine = Engine {
        connection: client.connection(),
        base: stub.url,
        headers: HeaderMap::new(),
        timeout: Duration::from_secs(20),
    };
    let mut lookup =
        DockerLookup { engine, containers: "/containers/json".into(), rules: rules(true) };
    let text = match lookup.look_up().await {
        Ok(groups) => {
            groups.iter().map(|it| format!("{} {}", it.source, it.targets.len())).collect()
        }
        Err(why) => why.to_string(),
    };
    assert_eq!(text, expected);
}

fn json(status: &str, body: &str) -> Reply {
    reply(status, "application/json", body)
}

#[tokio::test]
async fn asks_the_engine() {
    check(json("200 OK", "null"), "Docker 0").await;
    check(json("200 OK", CONTAINERS), "Docker 5").await;
    check(
        json("400 Bad Request", r#"{"message":"invalid filter"}"#),
        "error while listing containers: Error response from daemon: 400 Bad Request: invalid filter",
    )
    .await;
    check(
        json("200 OK", "<html>"),
        "error while listing containers: expected value at line 1 column 1",
    )
    .await;
    check(
        json("200 OK", &format!("[{}{{}}]", "{},".repeat(100_000))),
        "error while listing containers: more than 100000 items at line 1 column 300004",
    )
    .await;
    check(
        Reply::Endless("HTTP/1.1 200 OK\r\n\r\n[".into()),
        "error while listing containers: body size limit exceeded",
    )
    .await;
}
