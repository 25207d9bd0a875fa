//! `kill -9` in a loop, under load: what was committed is still there, and nothing but the downtime is
//! missing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::server::{Server, config, serve_pages, write_config};
use testkit::{http, wait_for};

const ROUNDS: usize = 20;
const TARGETS: usize = 10;
const SERIES: usize = 500;
const INTERVAL_MS: i64 = 200;
/// A longer time without a sample is a gap; a machine under load may miss a few scrapes.
const GAP_MS: i64 = 15 * INTERVAL_MS;

/// All samples of `seq`, by target: time to value.
type Samples = BTreeMap<String, BTreeMap<i64, f64>>;

#[test]
fn loses_nothing_that_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    let counter = AtomicU64::new(0);
    let port = serve_pages(move |path| page(path, counter.fetch_add(1, Relaxed)));
    let target =
        |it| format!("  - targets: ['127.0.0.1:{port}']\n    labels: {{instance: 't{it}'}}\n");
    let targets: String = (0..TARGETS).map(target).collect();
    write_config(
        folder.path(),
        &config("200ms", "load", &[]).replace("  - targets: []\n", &targets),
    );

    let mut before = Samples::new();
    let mut downtimes = Vec::new();
    for round in 0..ROUNDS {
        let server = Server::ours(folder.path(), &[]);
        let started = newest(&before);
        let after = wait_for("samples of this run", Duration::from_secs(20), || {
            let now = samples(server.port);
            (now.len() == TARGETS && started < newest(&now)).then_some(now)
        });
        check_kept(&before, &after, round);
        if round + 1 < ROUNDS {
            wait_for("some more scrapes", Duration::from_secs(20), || {
                let now = samples(server.port);
                let grown = newest(&after) + 5 * INTERVAL_MS < newest(&now);
                before = now;
                grown.then_some(())
            });
            downtimes.push(newest(&before));
        } else {
            check_gaps(&after, &downtimes);
        }
        server.program.kill();
    }
}

fn page(_: &str, seq: u64) -> String {
    let mut page = format!("seq {seq}\n");
    for at in 0..SERIES {
        let _ = writeln!(page, "filler{{at=\"{at}\"}} {}", seq * at as u64);
    }
    page
}

fn samples(port: u16) -> Samples {
    let mut all = Samples::new();
    for series in http::query(port, "seq[1h]", "").as_array().unwrap() {
        let values = series["values"].as_array().unwrap().iter().map(|pair| {
            #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970")]
            let t = (pair[0].as_f64().unwrap() * 1000.0).round() as i64;
            (t, pair[1].as_str().unwrap().parse().unwrap())
        });
        all.insert(series["metric"]["instance"].as_str().unwrap().to_owned(), values.collect());
    }
    all
}

fn newest(samples: &Samples) -> i64 {
    samples.values().filter_map(|it| it.keys().next_back()).copied().max().unwrap_or(0)
}

/// What could be queried before the kill was committed: all of it must be there.
fn check_kept(before: &Samples, after: &Samples, round: usize) {
    for (target, samples) in before {
        for (t, v) in samples {
            let found = after.get(target).and_then(|it| it.get(t));
            assert_eq!(found, Some(v), "round {round}: {target} lost its sample at {t}");
        }
    }
}

/// Two neighbouring samples are at most a few intervals apart, but where the server was down.
fn check_gaps(samples: &Samples, downtimes: &[i64]) {
    for (target, samples) in samples {
        let times: Vec<i64> = samples.keys().copied().collect();
        for pair in times.windows(2) {
            let is_downtime = downtimes.iter().any(|it| pair[0] <= it + GAP_MS && *it <= pair[1]);
            assert!(
                is_downtime || pair[1] - pair[0] <= GAP_MS,
                "{target}: nothing between {} and {}",
                pair[0],
                pair[1]
            );
        }
    }
}
