//! Service discovery end to end: targets appear, change and vanish.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Program, free_port, http, peer, wait_for};

use crate::server::{Server, pyrrha, serve_pages, serve_typed, write_config};

/// How long news may take: a refresh interval of half a second and a pause of at most 5 s. The rest is for a slow
/// machine.
const LIMIT: Duration = Duration::from_secs(10);

/// Waits until the targets of a job have these addresses.
fn wait_for_targets(server: &Server, job: &str, expected: &[&str]) -> Vec<Value> {
    wait_for(&format!("targets {expected:?} of {job}"), LIMIT, || {
        let found = http::api(server.port, &format!("targets?scrapePool={job}"));
        let targets = found["activeTargets"].as_array().cloned().unwrap_or_default();
        let mut addresses: Vec<&str> = targets
            .iter()
            .filter_map(|it| it["discoveredLabels"]["__address__"].as_str())
            .collect();
        addresses.sort_unstable();
        (addresses == expected).then_some(targets)
    })
}

/// The metadata labels of a target.
fn meta(target: &Value) -> Value {
    let labels = target["discoveredLabels"].as_object().expect("labels");
    labels
        .iter()
        .filter(|it| it.0.starts_with("__meta_"))
        .map(|it| (it.0.clone(), it.1.clone()))
        .collect()
}

fn page_has(server: &Server, line: &str) -> bool {
    http::get(server.port, "/metrics").is_some_and(|it| it.body.lines().any(|it| it == line))
}

#[test]
fn follows_http() {
    let metrics = serve_pages(|_| "page 1\n".into());
    let list: Arc<Mutex<(&str, String)>> = Arc::default();
    let set = |kind: &'static str, text: String| *list.lock().expect("a list") = (kind, text);
    let address = format!("127.0.0.1:{metrics}");
    let groups =
        |targets: &[&str]| json!([{"targets": targets, "labels": {"team": "a"}}]).to_string();
    set("application/json", groups(&[&address]));
    let shared = Arc::clone(&list);
    let port = serve_typed(move |_| {
        let (kind, text) = shared.lock().expect("a list").clone();
        (kind, text.into_bytes())
    });

    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("http://127.0.0.1:{port}/list?of=targets");
    write_config(
        folder.path(),
        &format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n\
             - job_name: found\n  http_sd_configs: [{{url: '{url}', refresh_interval: 500ms}}]\n  \
               relabel_configs: [{{source_labels: [__meta_url], target_label: from}}]\n\
             - job_name: fixed\n  static_configs: [{{targets: ['{address}']}}]\n  \
               eureka_sd_configs: [{{server: 'http://127.0.0.1:1'}}]\n"
        ),
    );
    let server = Server::ours(folder.path(), &[]);
    let found = wait_for_targets(&server, "found", &[&address]);
    assert_eq!(meta(&found[0]), json!({"__meta_url": url}));
    let labels = json!({"from": url, "instance": address, "job": "found", "team": "a"});
    assert_eq!(found[0]["labels"], labels);
    wait_for("samples", LIMIT, || {
        let up = http::query(server.port, r#"page{job="found"}"#, "");
        (up.as_array()?.len() == 1).then_some(())
    });

    // What the rules make of it can be asked, and what the job was told.
    let labels = http::escape(r#"{"__meta_url":"u"}"#);
    let steps =
        http::api(server.port, &format!("targets/relabel_steps?scrapePool=found&labels={labels}"));
    let rule = json!({
        "source_labels": ["__meta_url"], "separator": ";", "regex": "(.*)", "target_label": "from",
        "replacement": "$1", "action": "replace",
    });
    let step = json!({"rule": rule, "output": {"__meta_url": "u", "from": "u"}, "keep": true});
    assert_eq!(steps, json!({"steps": [step]}));
    let yaml = http::api(server.port, "scrape_pools/config?scrapePool=found");
    let yaml = yaml["yaml"].as_str().expect("text");
    assert!(yaml.starts_with("job_name: found\n") && yaml.contains(&url), "{yaml}");
    for refused in ["scrape_pools/config", "targets/relabel_steps?scrapePool=found&labels=x"] {
        let answer = http::get(server.port, &format!("/api/v1/{refused}")).expect("an answer");
        assert_eq!(answer.status, 400, "{}", answer.body);
    }

    // Another job's mechanism that is not there is counted, and leaves the job its other targets.
    wait_for_targets(&server, "fixed", &[&address]);
    assert!(page_has(&server, r#"prometheus_sd_failed_configs{name="scrape"} 1"#));

    set("application/json", groups(&[&address, "127.0.0.1:1"]));
    wait_for_targets(&server, "found", &["127.0.0.1:1", &address]);

    // An answer that is no list changes nothing.
    set("text/html", "<html>".into());
    let failed = r#"prometheus_sd_refresh_failures_total{mechanism="http",config="found"} 0"#;
    wait_for("a failure", LIMIT, || (!page_has(&server, failed)).then_some(()));
    assert!(!page_has(&server, "prometheus_sd_http_failures_total 0"));
    wait_for_targets(&server, "found", &["127.0.0.1:1", &address]);

    set("application/json", "[]".into());
    wait_for_targets(&server, "found", &[]);
    assert_eq!(server.program.stop().code(), Some(0));
}

/// An engine behind a socket that has one container, with these addresses in two networks.
fn serve_engine(socket: &Path, ip: &Arc<Mutex<String>>) {
    let listener = UnixListener::bind(socket).expect("a socket");
    let ip = Arc::clone(ip);
    thread::spawn(move || {
        for stream in listener.incoming().filter_map(Result::ok) {
            let ip = Arc::clone(&ip);
            thread::spawn(move || answer_engine(stream, &ip));
        }
    });
}

fn answer_engine(mut stream: UnixStream, ip: &Mutex<String>) -> Option<()> {
    let mut input = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if input.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let body = match head.split(' ').nth(1)? {
            "/networks" => {
                json!([{"Id": "n1", "Name": "front", "Scope": "local", "Labels": {"tier.no": "1"}}])
            }
            "/containers/json?filters=%7B%22status%22%3A%5B%22running%22%5D%7D" => json!([{
                "Id": "c1", "Names": ["/web"], "Image": "web:1", "ImageID": "sha256:1",
                "Labels": {"com.example/team": "a"},
                "Ports": [{"IP": "0.0.0.0", "PrivatePort": 90, "PublicPort": 8090, "Type": "tcp"}],
                "HostConfig": {"NetworkMode": "front"},
                "NetworkSettings": {"Networks": {
                    "front": {"NetworkID": "n1", "IPAddress": *ip.lock().ok()?},
                }},
            }]),
            _ => Value::Null,
        };
        let body = body.to_string();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).ok()?;
    }
}

#[test]
fn follows_docker_over_a_unix_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("docker.sock");
    let ip = Arc::new(Mutex::new("127.0.0.2".to_owned()));
    serve_engine(&socket, &ip);
    write_config(
        folder.path(),
        &format!(
            "scrape_configs:\n- job_name: containers\n  docker_sd_configs:\n  - host: 'unix://{}'\n    \
               refresh_interval: 500ms\n    filters: [{{name: status, values: [running]}}]\n",
            socket.display()
        ),
    );
    let server = Server::ours(folder.path(), &[]);
    let found = wait_for_targets(&server, "containers", &["127.0.0.2:90"]);
    let expected = json!({
        "__meta_docker_container_id": "c1",
        "__meta_docker_container_image": "web:1",
        "__meta_docker_container_image_id": "sha256:1",
        "__meta_docker_container_label_com_example_team": "a",
        "__meta_docker_container_name": "/web",
        "__meta_docker_container_network_mode": "front",
        "__meta_docker_network_id": "n1",
        "__meta_docker_network_ingress": "false",
        "__meta_docker_network_internal": "false",
        "__meta_docker_network_ip": "127.0.0.2",
        "__meta_docker_network_label_tier_no": "1",
        "__meta_docker_network_name": "front",
        "__meta_docker_network_scope": "local",
        "__meta_docker_port_private": "90",
        "__meta_docker_port_public": "8090",
        "__meta_docker_port_public_ip": "0.0.0.0",
    });
    assert_eq!(meta(&found[0]), expected);
    *ip.lock().expect("an address") = "127.0.0.3".into();
    wait_for_targets(&server, "containers", &["127.0.0.3:90"]);
}

/// Makes a shell put the file `$0` in the place of `resolv.conf`, for itself alone, and run the rest.
const WITH_RESOLV_CONF: [&str; 4] =
    ["-rm", "sh", "-c", r#"mount --bind "$0" /etc/resolv.conf && exec "$@""#];

/// Starts `dnsmasq` with these services of `_web._tcp.test`: ports of the host `web.test`.
fn serve_names(dnsmasq: &Path, folder: &Path, port: u16, services: &[u16]) -> Program {
    let listen = format!("--port={port}");
    let services: Vec<String> =
        services.iter().map(|it| format!("--srv-host=_web._tcp.test,web.test,{it}")).collect();
    let mut args =
        vec!["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", &listen];
    args.extend(["--listen-address=127.0.0.1", "--bind-interfaces", "--local=/test/"]);
    args.extend(services.iter().map(String::as_str));
    Program::start(dnsmasq, &args, folder, &folder.join("dnsmasq"))
}

#[test]
fn follows_dns() {
    let Some(dnsmasq) = peer("dnsmasq") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let resolv_conf = folder.path().join("resolv.conf");
    let port = free_port();
    std::fs::write(&resolv_conf, format!("nameserver [127.0.0.1]:{port}\n")).expect("a file");
    let resolv_conf = resolv_conf.to_str().expect("text");
    let before: Vec<&str> = WITH_RESOLV_CONF.into_iter().chain([resolv_conf]).collect();
    let may = Command::new("unshare").args(&before).arg("true").status();
    if !may.is_ok_and(|it| it.success()) {
        eprintln!(
            "no mount namespaces here: this test did NOT run (the crate's own do the same without a program)"
        );
        return;
    }
    write_config(
        folder.path(),
        "scrape_configs:\n- job_name: web\n  dns_sd_configs: [{names: [_web._tcp.test], refresh_interval: 500ms}]\n",
    );
    let names = serve_names(&dnsmasq, folder.path(), port, &[90]);
    let program = pyrrha().to_str().expect("text");
    let before: Vec<&str> = before.into_iter().chain([program, "server"]).collect();
    let server = Server::start(Path::new("unshare"), &before, folder.path(), &[]);
    let found = wait_for_targets(&server, "web", &["web.test:90"]);
    let expected = json!({
        "__meta_dns_name": "_web._tcp.test",
        "__meta_dns_srv_record_port": "90",
        "__meta_dns_srv_record_target": "web.test.",
    });
    assert_eq!(meta(&found[0]), expected);

    // Without a server the targets stay; the next one knows others.
    names.kill();
    let fine = "prometheus_sd_dns_lookup_failures_total 0";
    wait_for("a failure", LIMIT, || (!page_has(&server, fine)).then_some(()));
    wait_for_targets(&server, "web", &["web.test:90"]);
    let names = serve_names(&dnsmasq, folder.path(), port, &[90, 91]);
    wait_for_targets(&server, "web", &["web.test:90", "web.test:91"]);

    names.kill();
    let _names = serve_names(&dnsmasq, folder.path(), port, &[]);
    wait_for_targets(&server, "web", &[]);
}
