//! One data directory, two programs: what Debian's Prometheus wrote we answer from, and the other way round.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::server::{Server, config, serve_pages, write_config};
use serde_json::Value;
use testkit::{http, peer, wait_for};

/// Queries whose answers must be the same from the same samples.
const QUERIES: [&str; 16] = [
    "up",
    "seq",
    "count({__name__=~\".+\"})",
    "count by (__name__) ({job=\"pages\"})",
    "sum by (odd) (wave)",
    "topk(3, wave)",
    "rate(seq[1m])",
    "increase(seq[20s])",
    "irate(seq[1m])",
    "deriv(wave{at=\"3\"}[1m])",
    "avg_over_time(wave{at=~\"[0-4]\"}[30s])",
    "quantile_over_time(0.9, wave{at=\"7\"}[1m])",
    "max by (odd) (wave) / on (odd) min by (odd) (wave)",
    "histogram_quantile(0.5, sum by (le) (rate(lat_bucket[1m])))",
    "wave{at=\"5\"} offset 3s",
    "changes(wave[1m])",
];

#[test]
fn both_directions() {
    let Some(prometheus) = peer("prometheus") else { return };
    let folder = tempfile::tempdir().unwrap();
    let seq = std::sync::atomic::AtomicU64::new(0);
    let port = serve_pages(move |_| page(seq.fetch_add(1, std::sync::atomic::Ordering::Relaxed)));
    write_config(folder.path(), &config("200ms", "pages", &[format!("127.0.0.1:{port}")]));

    // The programs take turns on the directory; each answers for its own time and for that of the others.
    let mut asked: Vec<(String, &str, Value)> = Vec::new();
    for turn in 0..4 {
        let theirs = turn % 2 == 0;
        let server = if theirs {
            Server::start(&prometheus, &[], folder.path(), &[])
        } else {
            Server::ours(folder.path(), &[])
        };
        let mut differ = Vec::new();
        for (time, query, expected) in &asked {
            let found = sorted(http::query(server.port, query, time));
            if !equal(&found, expected) {
                differ.push(format!("{query} at {time}:\n  {expected}\n  {found}"));
            }
        }
        assert!(
            differ.is_empty(),
            "turn {turn}: {} of {} differ\n{}",
            differ.len(),
            asked.len(),
            differ.join("\n")
        );
        println!("turn {turn}: {} answers equal", asked.len());
        scrape_some(server.port);
        let time = number(server.port, "timestamp(max(seq))");
        for query in QUERIES {
            asked.push((time.clone(), query, sorted(http::query(server.port, query, &time))));
        }
        assert!(server.program.stop().success());
    }
    promtool_reads(folder.path());
}

/// Twenty more scrapes than there are.
fn scrape_some(port: u16) {
    let seq = || {
        http::query(port, "max(seq)", "")[0]["value"][1]
            .as_str()
            .and_then(|it| it.parse::<f64>().ok())
    };
    let first = wait_for("a scrape", Duration::from_secs(20), seq);
    wait_for("twenty scrapes", Duration::from_secs(30), || seq().filter(|it| first + 20.0 <= *it));
}

fn number(port: u16, expr: &str) -> String {
    http::query(port, expr, "")[0]["value"][1].as_str().expect("a value").to_owned()
}

fn page(seq: u64) -> String {
    let mut page = format!("# TYPE seq counter\nseq {seq}\n# TYPE lat histogram\n");
    for (at, le) in ["0.1", "1", "+Inf"].iter().enumerate() {
        page += &format!("lat_bucket{{le=\"{le}\"}} {}\n", seq * (at as u64 + 1));
    }
    page += &format!("lat_count {}\nlat_sum {}\n", seq * 3, seq as f64 * 0.7);
    for at in 0..20 {
        let value = (seq as f64 / 7.0 + f64::from(at)).sin();
        page += &format!("wave{{at=\"{at}\",odd=\"{}\"}} {value}\n", at % 2);
    }
    page
}

/// Equal, but for the last digits of sums: Debian's version adds without compensation where later ones, and we,
/// compensate.
pub(crate) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        (Value::String(text_a), Value::String(text_b)) => {
            match (text_a.parse::<f64>(), text_b.parse::<f64>()) {
                (Ok(a), Ok(b)) => text_a == text_b || (a - b).abs() <= 1e-12 * a.abs().max(1e-3),
                _ => text_a == text_b,
            }
        }
        _ => a == b,
    }
}

/// A result with its series in a fixed order.
pub(crate) fn sorted(mut result: Value) -> Value {
    if let Some(list) = result.as_array_mut() {
        list.sort_by_key(|it| it["metric"].to_string());
    }
    result
}

/// Debian's `promtool` lists and dumps what both wrote.
fn promtool_reads(folder: &Path) {
    let Some(promtool) = peer("promtool") else { return };
    let out =
        Command::new(promtool).args(["tsdb", "dump"]).arg(folder.join("data")).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let samples = text.lines().filter(|it| it.starts_with("{__name__=\"seq\"")).count();
    assert!(80 <= samples, "promtool finds {samples} samples of seq");
}
