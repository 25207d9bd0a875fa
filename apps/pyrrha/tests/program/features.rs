//! What `--enable-feature` turns on in scraping, from the page to the answer of a query.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use testkit::{http, wait_for};

use crate::server::{Server, config, serve_typed, write_config};

/// An OpenMetrics page whose counter goes up by one each time, from 100.
fn serve() -> u16 {
    let n = AtomicU64::new(100);
    serve_typed(move |_| {
        let n = n.fetch_add(1, Relaxed);
        let page = format!(
            "# TYPE c_seconds counter\n# UNIT c_seconds seconds\nc_seconds_total {n}\n# EOF\n"
        );
        ("application/openmetrics-text; version=1.0.0", page.into())
    })
}

#[test]
fn counters_count_from_when_they_were_seen() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let jobs = config("100ms", "j", &[format!("127.0.0.1:{}", serve())]);
    let storage = "storage: {tsdb: {chunk_encoding: {floats: xor2}}}\n";
    write_config(folder.path(), &format!("{storage}{jobs}"));
    let features =
        "--enable-feature=st-synthesis,st-storage,type-and-unit-labels,use-start-timestamps";
    let server = Server::ours(folder.path(), &[features]);
    let selector = "c_seconds_total{__type__=\"counter\",__unit__=\"seconds\"}";
    let values = wait_for("four samples", Duration::from_secs(20), || {
        let found = http::query(server.port, &format!("{selector}[1h]"), "");
        found[0]["values"].as_array().filter(|it| 4 <= it.len()).cloned()
    });
    let values: Vec<&str> = values.iter().filter_map(|it| it[1].as_str()).take(4).collect();
    assert_eq!(values, ["1", "2", "3", "4"]);
    // When the counter began is known, so that its first value is an increase too.
    let rest = format!("scalar({selector}) - scalar(increase({selector}[1h]))");
    let rest: f64 = http::query(server.port, &rest, "")[1]
        .as_str()
        .and_then(|it| it.parse().ok())
        .expect("a number");
    assert!(rest.abs() < 0.5, "{rest}");
}

#[test]
fn says_what_has_another_place_now() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let port = serve_typed(|_| ("text/html", b"a 1\n".to_vec()));
    let jobs = config("100ms", "j", &[format!("127.0.0.1:{port}")]);
    let jobs =
        jobs.replace("job_name: j", "fallback_scrape_protocol: PrometheusText0.0.4\n  job_name: j");
    write_config(folder.path(), &jobs);
    let flags = [
        "--enable-feature=extra-scrape-metrics,xor2-encoding",
        "--enable-feature=native-histograms,promql-duration-expr",
        "--log.level=debug",
        "--no-scrape.adjust-timestamps",
        "--scrape.timestamp-tolerance=5ms",
        "--scrape.discovery-reload-interval=1s",
    ];
    let server = Server::ours(folder.path(), &flags);
    let log = wait_for("a fallback", Duration::from_secs(20), || {
        Some(server.program.log()).filter(|it| it.contains("using fallback setting"))
    });
    let has = |parts: &[&str]| log.lines().any(|line| parts.iter().all(|it| line.contains(it)));
    let option = "option for --enable-feature is";
    assert!(has(&["WARN", option, "deprecated", "extra-scrape-metrics"]), "{log}");
    assert!(has(&["WARN", option, "deprecated", "xor2-encoding"]), "{log}");
    assert!(has(&["WARN", option, "no-op", "native-histograms"]), "{log}");
    assert!(has(&["WARN", option, "no-op", "promql-duration-expr"]), "{log}");
    assert!(has(&["DEBUG", "Invalid content type on scrape", "text/html"]), "{log}");
    assert!(!log.contains("not acted upon yet"), "{log}");
}
