//! Real exporters: Debian's node exporter and a Node program with npm's `prom-client`, scraped as the
//! tutorial's configuration does; the queries of the tutorial's dashboard answer as they should.

use std::path::Path;
use std::time::Duration;

use crate::server::{Server, write_config};
use serde_json::Value;
use testkit::{Program, free_port, http, peer, wait_for};

/// Where the programs of other languages are.
pub(crate) const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/peers");

/// Global interval 1m, the application's job at 15 s; the host's job at 1 s keeps the test short.
fn configuration(app: u16, node: u16) -> String {
    format!(
        "\
global:
  scrape_interval: 1m
scrape_configs:
- job_name: sample-app
  scrape_interval: 15s
  static_configs:
  - targets: ['127.0.0.1:{app}']
- job_name: node
  scrape_interval: 1s
  scrape_timeout: 1s
  static_configs:
  - targets: ['127.0.0.1:{node}']
"
    )
}

/// Starts the sample program; returns it and its port. `None`, said in plain words, without npm's modules.
pub(crate) fn sample_app(folder: &Path) -> Option<(Program, u16)> {
    let node = peer("node")?;
    if !Path::new(PEERS).join("node_modules/prom-client").exists() {
        let text = "npm's prom-client is not installed: this test did NOT run (cargo xtask test installs it)";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
        eprintln!("{text}");
        return None;
    }
    let script = Path::new(PEERS).join("sample-app.mjs");
    let mut program = Program::start(
        &node,
        &[&script.to_string_lossy()],
        Path::new(PEERS),
        &folder.join("app.log"),
    );
    let port = program.line().expect("it prints its port").parse().expect("a port");
    Some((program, port))
}

#[test]
fn answers_the_dashboard() {
    let folder = tempfile::tempdir().unwrap();
    let Some((_app, app_port)) = sample_app(folder.path()) else { return };
    let Some(exporter) = peer("prometheus-node-exporter") else { return };
    let node_port = free_port();
    let listen = format!("--web.listen-address=127.0.0.1:{node_port}");
    let _exporter =
        Program::start(&exporter, &[&listen], folder.path(), &folder.path().join("node.log"));
    wait_for("the node exporter", Duration::from_secs(20), || http::get(node_port, "/metrics"));
    write_config(folder.path(), &configuration(app_port, node_port));
    let server = Server::ours(folder.path(), &[]);
    let port = server.port;

    // One tick between two scrapes: rates see exactly one.
    wait_scrapes(port, 1);
    assert_eq!(http::post(app_port, "/tick", "").unwrap().body, "2");
    wait_scrapes(port, 2);

    assert_eq!(numbers(port, "prom_sample_counter", ""), [("".into(), 2.0)]);
    assert_eq!(numbers(port, "prom_sample_gauge", ""), [("".into(), 2.0)]);
    assert_eq!(
        numbers(port, "prom_sample_labeled_gauge", "id"),
        [("a".into(), 2.0), ("b".into(), 4.0), ("c".into(), 6.0)]
    );
    // Of the four observations a tick makes, the buckets 20 40 60 80 100 +Inf count 1 2 2 3 4 4: 16 for 4.
    let ratio = "sum(rate(prom_sample_histogram_bucket[5m])) by (status_code) / sum(rate(prom_sample_histogram_count[5m])) by (status_code)";
    let codes = ["200", "400", "403", "404", "500"];
    assert_eq!(numbers(port, ratio, "status_code"), codes.map(|it| (it.to_owned(), 4.0)));
    let quantiles = numbers(port, "prom_sample_summary{quantile=\"0.5\"}", "status_code");
    assert_eq!(quantiles.len(), codes.len());
    assert!(quantiles.iter().all(|(_, it)| (10.0..=100.0).contains(it)), "{quantiles:?}");
    for code in codes {
        let count = numbers(
            port,
            &format!("prom_sample_histogram_count{{status_code=\"{code}\"}}"),
            "status_code",
        );
        assert_eq!(count, [(code.to_owned(), 8.0)]);
    }
    let mean =
        numbers(port, "prom_sample_histogram_sum / prom_sample_histogram_count", "status_code");
    assert_eq!(mean, codes.map(|it| (it.to_owned(), 55.0)));

    let up = numbers(port, "up", "job");
    assert_eq!(up, [("node".into(), 1.0), ("sample-app".into(), 1.0)]);
    assert_eq!(numbers(port, "count(node_cpu_seconds_total{mode=\"idle\"}) > 0", "").len(), 1);
    let rates = numbers(port, "sum by (mode) (rate(node_cpu_seconds_total[30s]))", "mode");
    assert!(
        0.5 < rates.iter().map(|it| it.1).sum::<f64>(),
        "a processor spends its time somewhere: {rates:?}"
    );
    corpus_queries(port);
    assert!(server.program.stop().success());
}

/// Every expression of the tutorial's dashboard, if the corpus is there, has an answer.
fn corpus_queries(port: u16) {
    let corpus = std::env::var("PYRRHA_CORPUS").unwrap_or_else(|_| "../../../shared/corpus".into());
    let Ok(text) = std::fs::read_to_string(Path::new(&corpus).join("dashboards/sample-app.json"))
    else {
        eprintln!("no corpus at {corpus}: the dashboard's own queries were not asked");
        return;
    };
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let mut asked = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expr = target["expr"].as_str().unwrap();
            let found = http::query(port, expr, "");
            assert!(!found.as_array().unwrap().is_empty(), "nothing for {expr}");
            asked += 1;
        }
    }
    println!("{asked} queries of the dashboard answered");
    assert!(11 <= asked, "the dashboard has eleven queries or more, {asked} were asked");
}

/// Waits until the application's job was scraped `n` times.
fn wait_scrapes(port: u16, n: usize) {
    let expr = "count_over_time(prom_sample_counter[5m])";
    wait_for("scrapes of the sample program", Duration::from_secs(40), || {
        let found = numbers(port, expr, "");
        found.first().filter(|(_, it)| n as f64 <= *it).map(|_| ())
    });
}

/// The values of an instant query by the value of `label`, sorted.
fn numbers(port: u16, expr: &str, label: &str) -> Vec<(String, f64)> {
    let found = http::query(port, expr, "");
    let read = |it: &Value| {
        let name = it["metric"][label].as_str().unwrap_or_default().to_owned();
        (name, it["value"][1].as_str().unwrap().parse().unwrap())
    };
    let mut all: Vec<(String, f64)> = found.as_array().unwrap().iter().map(read).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}
