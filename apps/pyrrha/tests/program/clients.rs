//! Pages of client libraries: npm's `prom-client`, PyPI's `prometheus-client` in both text formats, and our own in
//! protobuf. We and Debian's Prometheus store the same series, values and exemplars of them.

use std::collections::BTreeMap;
use std::path::Path;

use client::{Registry, protobuf_page};
use testkit::{Program, peer};

use crate::pages::{exemplars, start, stored};
use crate::sample_app::{PEERS, sample_app};
use crate::server::{Server, pyrrha, serve_typed};

/// Starts the Python program; returns it and its port. `None`, said in plain words, without PyPI's modules.
fn python_app(folder: &Path) -> Option<(Program, u16)> {
    let python = peer("python3")?;
    if !Path::new(PEERS).join("python_modules/prometheus_client").exists() {
        let text = "PyPI's prometheus-client is not installed: this test did NOT run (cargo xtask test installs it)";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
        eprintln!("{text}");
        return None;
    }
    let script = Path::new(PEERS).join("sample-app.py");
    let mut program =
        Program::start(&python, &[&script.to_string_lossy()], folder, &folder.join("python.log"));
    let port = program.line().expect("it prints its port").parse().expect("a port");
    Some((program, port))
}

fn config(jobs: &[(&str, u16, &str)], extra: &str) -> String {
    let job = |(name, port, path): &(&str, u16, &str)| {
        format!(
            "- job_name: {name}\n  metrics_path: {path}\n{extra}  static_configs:\n  - targets: ['127.0.0.1:{port}']\n"
        )
    };
    let jobs: String = jobs.iter().map(job).collect();
    format!("global:\n  scrape_interval: 500ms\n  scrape_timeout: 500ms\nscrape_configs:\n{jobs}")
}

/// Has both scrape these jobs: name, port, path. Returns ours, once nothing was found to differ.
fn scrape_alike(
    jobs: &[(&str, u16, &str)],
    n_series: usize,
    n_exemplars: usize,
) -> Option<(tempfile::TempDir, Server)> {
    let prometheus = peer("prometheus")?;
    let native = "  scrape_native_histograms: true\n";
    let (folder, ours) = start(pyrrha(), &["server"], &config(jobs, native));
    let (_theirs, theirs) = start(&prometheus, &[], &config(jobs, ""));
    let found = stored(&ours, jobs.len());
    let theirs_found = stored(&theirs, jobs.len()).into_iter();
    let expected: BTreeMap<_, _> =
        theirs_found.map(|(it, v)| (with_float_bounds(&it), v)).collect();
    assert_eq!(found, expected);
    assert_eq!(found.len(), n_series, "{found:?}");
    let found = exemplars(&ours);
    assert_eq!(found, exemplars(&theirs));
    assert_eq!(found.len(), n_exemplars, "{found:?}");
    Some((folder, ours))
}

/// The labels of a series, with a whole `le` as the float that Prometheus writes since 3.0: Debian's is older.
fn with_float_bounds(labels: &str) -> String {
    const LE: &str = "\"le\":\"";
    let Some((before, (le, rest))) =
        labels.split_once(LE).and_then(|(before, it)| Some((before, it.split_once('"')?)))
    else {
        return labels.to_owned();
    };
    let point = if le.bytes().all(|it| it.is_ascii_digit()) { ".0" } else { "" };
    format!("{before}{LE}{le}{point}\"{rest}")
}

#[test]
fn python_pages_are_stored_as_upstream_stores_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some((_app, port)) = python_app(folder.path()) else { return };
    // Exemplars are in OpenMetrics only: of a counter and of four buckets.
    scrape_alike(&[("text", port, "/text"), ("open", port, "/metrics")], 2 * 18, 5);
}

#[test]
fn node_pages_are_stored_as_upstream_stores_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some((_app, port)) = sample_app(folder.path()) else { return };
    // A counter, a gauge, three labelled ones; for five codes six buckets and seven quantiles, sums and counts.
    scrape_alike(&[("node", port, "/metrics")], 1 + 1 + 3 + 5 * (6 + 7 + 4), 0);
}

#[test]
fn our_own_pages_are_stored_as_upstream_stores_them() {
    let registry = Registry::default();
    registry.counters("own_total", "Counts.", &["path"]).get(&["a \"b\""]).add_float(17.5);
    registry.gauge("own_gauge", "Falls.").set(-1e-9);
    let classic = registry.histogram("own_classic_seconds", "Classic.", &[0.25, 2.5]);
    let summary = registry.summary("own_summary", "Quantiles.", &[0.5, 0.999]);
    let native = registry.native_histogram("own_native_seconds", "Native.");
    for v in [-3.0, 0.0, 0.001, 0.5, 0.5, 1.0, 7.25, 1e6] {
        classic.observe(v);
        summary.observe(v);
        native.observe(v);
    }
    let page = protobuf_page(&registry);
    let port = serve_typed(move |_| (exposition::PROTOBUF_CONTENT_TYPE, page.clone()));
    // Three buckets, four quantiles and sums and counts, and of the native histogram one series.
    let Some((_folder, ours)) = scrape_alike(&[("own", port, "/metrics")], 2 + 5 + 4 + 1, 0) else {
        return;
    };
    let count = testkit::http::query(ours.port, "histogram_count(own_native_seconds)", "");
    assert_eq!(count[0]["value"][1], "8");
}
