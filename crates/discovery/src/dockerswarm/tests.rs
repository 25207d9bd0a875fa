//! A swarm as its manager lists it.

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;
use testkit::stub;

use super::*;

const SWARM: &str = include_str!("swarm.json");

fn lookup(role: Role, path: &str, swarm: &'static str) -> SwarmLookup {
    let swarm: Value = serde_json::from_str(swarm).expect("JSON");
    let port = stub::serve(move |asked, peer| peer.json(200, "", &swarm[&asked.path].to_string()));
    let client = httpclient::Client::new(httpclient::Options::default()).expect("a client");
    let engine = Engine {
        connection: client.connection(),
        base: format!("http://127.0.0.1:{port}"),
        headers: HeaderMap::new(),
        timeout: Duration::from_secs(20),
    };
    SwarmLookup { engine, role, path: path.to_owned(), port: 80 }
}

/// Prints targets: address, then their other labels without the prefix of all.
async fn check(role: Role, path: &str, expected: &[&str]) {
    let groups = lookup(role, path, SWARM).look_up().await.expect("an answer");
    let print = |it: &Labels| {
        let others = it
            .iter()
            .filter_map(|(name, value)| Some(format!(" {}={value}", name.strip_prefix(PREFIX)?)));
        format!("{}{}", it.value("__address__"), others.collect::<String>())
    };
    let found: Vec<String> = groups[0].targets.iter().map(print).collect();
    assert_eq!(found, expected);
}

const NETWORK: &str = "network_id=n1 network_ingress=true network_internal=false network_label_a_b=1 network_name=over network_scope=swarm";
const BOX: &str = "node_address=192.0.2.1 node_availability=active node_engine_version=27.0 node_hostname=box node_id=node1 node_label_zone_1=x node_manager_address=192.0.2.1:2377 node_manager_leader=true node_manager_reachability=reachable node_platform_architecture=x86_64 node_platform_os=linux node_role=manager node_status=ready";
const WORKER: &str = "node_address=192.0.2.2 node_availability=drain node_id=node2 node_role=worker node_status=down";

#[tokio::test]
async fn finds_services() {
    let port = "service_endpoint_port_name=http service_endpoint_port_publish_mode=ingress";
    let web = "service_id=s1 service_label_team=a service_mode=replicated service_name=web service_task_container_hostname=web-{{.Node.ID}} service_task_container_image=web:1 service_updating_status=completed";
    let agent = "service_id=s2 service_mode=global service_name=agent";
    check(
        Role::Services,
        "/services",
        &[
            &format!("10.0.0.2:8080 {NETWORK} {port} {web}"),
            &format!("[fd00::2]:8080 {port} {web}"),
            &format!("10.0.0.3:80 {NETWORK} {agent}"),
        ],
    )
    .await;
}

#[tokio::test]
async fn finds_tasks() {
    let service = "service_id=s1 service_label_team=a service_mode=replicated service_name=web";
    let task = "task_container_id=c1 task_desired_state=running task_id=t1";
    let state = "task_slot=2 task_state=running";
    check(
        Role::Tasks,
        "/tasks",
        &[
            &format!("192.0.2.1:9000 container_label_c_d=2 {BOX} {service} {task} task_port_publish_mode=host {state}"),
            &format!("10.0.0.7:8080 container_label_c_d=2 {NETWORK} {BOX} {service} {task} task_port_publish_mode=ingress {state}"),
            &format!("10.0.0.8:80 {WORKER} service_id=s2 service_mode=global service_name=agent task_desired_state=running task_id=t2 task_slot=0 task_state=failed"),
        ],
    )
    .await;
}

#[tokio::test]
async fn finds_nodes() {
    let expected = [format!("192.0.2.1:80 {BOX}"), format!("192.0.2.2:80 {WORKER}")];
    check(Role::Nodes, "/nodes", &expected.each_ref().map(String::as_str)).await;
}

#[tokio::test]
async fn says_why_there_is_nothing() {
    let check = async |swarm: &'static str, expected: &str| {
        let why = lookup(Role::Services, "/services", swarm).look_up().await;
        assert_eq!(why.expect_err("nothing").to_string(), expected);
    };
    check(
        r#"{"/services": [{"Endpoint": {"VirtualIPs": [{"Addr": "10.0.0.2"}]}}]}"#,
        r#"error while parsing address "10.0.0.2": invalid CIDR address"#,
    )
    .await;
    check(
        r#"{"/services": 1}"#,
        "error while listing swarm services: invalid type: integer `1`, expected a list at line 1 column 1",
    )
    .await;
}
