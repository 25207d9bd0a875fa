//! What an operator orders, beside Debian's Prometheus where both can do it; retention and the disk.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use testkit::{http, peer, wait_for};

use crate::server::{Server, config, serve_pages, write_config};

const ADMIN: &str = "/api/v1/admin/tsdb";

/// Orders that both answer alike, with the body that goes with them.
const ORDERS: [(&str, &str); 7] = [
    ("delete_series", ""),
    ("delete_series", "match[]=m{"),
    ("delete_series", "match[]=m&start=x"),
    ("delete_series", "match[]=other"),
    ("delete_series", "match[]=m{a=\"x\"}"),
    ("clean_tombstones", ""),
    ("snapshot", "skip_head=perhaps"),
];

fn json(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_default()
}

fn scraped(server: &Server) {
    wait_for("samples", Duration::from_secs(20), || {
        (http::query(server.port, "count(m)", "")[0]["value"][1] == "2").then_some(())
    });
}

#[test]
fn obeys_as_debians_prometheus() {
    let Some(prometheus) = peer("prometheus") else { return };
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let pages = serve_pages(|_| "m{a=\"x\"} 1\nm{a=\"y\"} 2\n".into());
    for folder in &folders {
        write_config(folder.path(), &config("200ms", "j", &[format!("127.0.0.1:{pages}")]));
    }
    let flags = ["--web.enable-admin-api"];
    let ours = Server::ours(folders[0].path(), &flags);
    let theirs = Server::start(&prometheus, &[], folders[1].path(), &flags);
    [&ours, &theirs].into_iter().for_each(scraped);
    for (what, body) in ORDERS {
        let [a, b] = [&ours, &theirs]
            .map(|it| http::post(it.port, &format!("{ADMIN}/{what}"), body).unwrap());
        assert_eq!(
            (a.status, &json(&a.body)["errorType"]),
            (b.status, &json(&b.body)["errorType"]),
            "{what} {body}: {} {}",
            a.body,
            b.body
        );
    }
    assert_eq!(http::get(ours.port, &format!("{ADMIN}/snapshot")).unwrap().status, 405);
    for (server, folder) in [(&ours, &folders[0]), (&theirs, &folders[1])] {
        let answer = http::post(server.port, &format!("{ADMIN}/snapshot"), "").unwrap();
        let name = json(&answer.body)["data"]["name"].take();
        let name = name.as_str().unwrap_or_else(|| panic!("{}", answer.body));
        assert_eq!(name.len(), "20231114T221320Z-0123456789abcdef".len());
        let snapshot = folder.path().join("data/snapshots").join(name);
        let n_blocks = std::fs::read_dir(snapshot).unwrap().count();
        assert_eq!(n_blocks, 1, "the head as a block");
    }
    // Each reads the other's snapshot below, as data of its own.
    let snapshot = |folder: &Path| {
        let all = std::fs::read_dir(folder.join("data/snapshots")).unwrap();
        all.map(|it| it.unwrap().path()).next().unwrap()
    };
    let mut swapped = Vec::new();
    for (program, from) in [(None, &folders[1]), (Some(&prometheus), &folders[0])] {
        let folder = tempfile::tempdir().unwrap();
        write_config(folder.path(), &config("1s", "j", &[]));
        std::fs::rename(snapshot(from.path()), folder.path().join("data")).unwrap();
        let server = match program {
            None => Server::ours(folder.path(), &[]),
            Some(it) => Server::start(it, &[], folder.path(), &[]),
        };
        let found = http::get(server.port, "/api/v1/series?match[]=m%7Ba=%22y%22%7D").unwrap();
        swapped.push(json(&found.body)["data"].as_array().map_or(0, Vec::len));
    }
    assert_eq!(swapped, [1, 1]);
}

#[test]
fn refuses_unless_asked_to_obey() {
    let folder = tempfile::tempdir().unwrap();
    write_config(
        folder.path(),
        "storage: {tsdb: {retention: {time: 3d, size: 1GB, percentage: 12.5}}}\n",
    );
    let server = Server::ours(folder.path(), &["--storage.min-free=1%"]);
    for what in ["delete_series", "clean_tombstones", "snapshot"] {
        let answer = http::post(server.port, &format!("{ADMIN}/{what}"), "match[]=m").unwrap();
        let text = r#"{"status":"error","errorType":"unavailable","error":"admin APIs disabled"}"#;
        assert_eq!((answer.status, answer.body.as_str()), (500, text));
    }
    let data = |path: &str| {
        let answer = http::get(server.port, &format!("/api/v1/status/{path}")).unwrap();
        json(&answer.body)["data"].take()
    };
    assert_eq!(data("runtimeinfo")["storageRetention"], "3d or 1GiB or 12.5%");
    assert_eq!(data("tsdb/blocks"), serde_json::json!({"blocks": []}));
    let disk = data("storage")["disk"].take();
    let number = |key: &str| disk[key].as_f64().unwrap();
    assert!((number("floor") / number("total") - 0.01).abs() < 1e-6, "{disk}");
    assert_eq!(disk["compactionPaused"], false);
    assert_eq!(data("storage")["quarantined"], serde_json::json!([]));
    let page = http::get(server.port, "/metrics").unwrap().body;
    assert!(page.contains("\nprometheus_tsdb_retention_limit_percentage 12.5\n"));
    // Without the section the flags hold again.
    write_config(folder.path(), "global: {}\n");
    std::process::Command::new("kill")
        .args(["-HUP", &server.program.id().to_string()])
        .status()
        .unwrap();
    wait_for("the reload", Duration::from_secs(20), || {
        (data("runtimeinfo")["storageRetention"] == "15d").then_some(())
    });
}
