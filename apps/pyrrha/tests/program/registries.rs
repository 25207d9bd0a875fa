//! Targets that a Kubernetes API server and a Consul agent know: they appear, change and vanish soon after these do.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Consul, Kubernetes, http, wait_for};

use crate::server::{Server, serve_pages, write_config};

/// A change is seen at once or, in Consul, after a refresh interval (1 s here), and applied within 5 s.
const DELAY_MAX: Duration = Duration::from_secs(6);

/// The active targets of a job.
fn targets(server: &Server, job: &str) -> Vec<Value> {
    let all = http::api(server.port, &format!("targets?state=active&scrapePool={job}"));
    all["activeTargets"].as_array().cloned().unwrap_or_default()
}

/// Waits until a job has one target, which is up and has a discovered label of this value.
fn wait_target(server: &Server, job: &str, label: &str, value: &str) {
    wait_for(&format!("{label}={value} in {job}"), DELAY_MAX, || {
        let targets = targets(server, job);
        let [target] = targets.as_slice() else { return None };
        let is_it = target["discoveredLabels"][label] == value && target["health"] == "up";
        is_it.then_some(())
    });
}

fn wait_no_target(server: &Server, job: &str) {
    wait_for(&format!("no target in {job}"), DELAY_MAX, || {
        targets(server, job).is_empty().then_some(())
    });
}

#[test]
fn targets_follow_kubernetes() {
    let (cluster, port) = (Kubernetes::start(), serve_pages(|_| "a 1\n".into()));
    let pod = |version: &str| {
        let container = json!({"name": "c", "image": "i", "ports": [{"containerPort": port, "protocol": "TCP"}]});
        json!({
            "kind": "Pod", "metadata": {"name": "web", "namespace": "ns", "labels": {"version": version}},
            "spec": {"containers": [container]}, "status": {"podIP": "127.0.0.1"}
        })
    };
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\nscrape_configs:\n- job_name: pods\n  \
         kubernetes_sd_configs:\n  - {{role: pod, api_server: 'http://127.0.0.1:{}'}}\n",
        cluster.port
    );
    write_config(folder.path(), &text);
    let server = Server::ours(folder.path(), &[]);
    let label = "__meta_kubernetes_pod_label_version";
    cluster.set(&pod("1"));
    wait_target(&server, "pods", label, "1");
    cluster.drop_watches();
    cluster.set(&pod("2"));
    wait_target(&server, "pods", label, "2");
    cluster.remove(&pod(""));
    wait_no_target(&server, "pods");
    assert!(server.program.stop().success());
}

#[test]
fn targets_follow_consul() {
    let (agent, port) = (Consul::start(), serve_pages(|_| "a 1\n".into()));
    let instance = |version: &str| {
        json!({
            "Node": {"Node": "n", "Address": "127.0.0.1"},
            "Service": {"ID": "web", "Tags": [], "Port": port, "Meta": {"version": version}}
        })
    };
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\nscrape_configs:\n- job_name: services\n  \
         consul_sd_configs:\n  - {{server: '127.0.0.1:{}', refresh_interval: 1s}}\n",
        agent.port
    );
    write_config(folder.path(), &text);
    let server = Server::ours(folder.path(), &[]);
    let label = "__meta_consul_service_metadata_version";
    agent.set("web", &[instance("1")]);
    wait_target(&server, "services", label, "1");
    agent.set("web", &[instance("2")]);
    wait_target(&server, "services", label, "2");
    agent.remove("web");
    wait_no_target(&server, "services");
    assert!(server.program.stop().success());
}
