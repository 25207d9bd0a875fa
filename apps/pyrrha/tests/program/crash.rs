//! `kill -9` in a loop, under 40,000 samples a second and with queries running: what was committed is still
//! there, nothing but the downtime is missing, and every start scrapes again at once.
//!
//! `CRASH_ROUNDS` says how often (20), `CRASH_SEED` decides when.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::server::{Server, config, serve_pages, write_config};
use testkit::{Random, http, wait_for};

const ROUNDS: usize = 20;
const TARGETS: usize = 10;
/// With the interval, 40,000 samples a second.
const SERIES: usize = 800;
const INTERVAL_MS: i64 = 200;
/// A longer time without a sample is a gap; a machine under load may miss a few scrapes.
const GAP_MS: i64 = 15 * INTERVAL_MS;
/// Each start scrapes again within so long.
const FIRST_SCRAPE_MS_MAX: i64 = 1000;
/// The process is killed at most so long after it was seen to scrape.
const LIFE_MS_MAX: usize = 2000;

/// All samples of `seq`, by target: time to value.
type Samples = BTreeMap<String, BTreeMap<i64, f64>>;

#[test]
fn loses_nothing_that_was_committed() {
    let rounds = number("CRASH_ROUNDS", ROUNDS as u64);
    let seed = number("CRASH_SEED", 1);
    println!("{rounds} rounds with CRASH_SEED={seed}");
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
    let reader = Reader::default();
    thread::scope(|scope| {
        scope.spawn(|| reader.run());
        let _stop = Stop(&reader);
        let starts = kill_in_a_loop(rounds, &mut Random::new(seed), folder.path(), &reader);
        let n_queries = reader.n_answers.load(Relaxed);
        assert!(0 < n_queries, "queries were answered");
        let slowest = starts.iter().max().expect("a round");
        let mean = starts.iter().sum::<i64>() / i64::try_from(starts.len()).unwrap();
        println!(
            "{rounds} kills, {n_queries} queries beside: nothing lost; from a start to its first scrape \
             {slowest} ms at most, {mean} ms on average"
        );
    });
}

/// Returns for each start the milliseconds until the first scrape that was stored.
fn kill_in_a_loop(
    rounds: u64,
    random: &mut Random,
    folder: &std::path::Path,
    reader: &Reader,
) -> Vec<i64> {
    let mut before = Samples::new();
    let (mut downtimes, mut starts) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let started = now_ms();
        let server = Server::ours(folder, &[]);
        reader.port.store(server.port, Relaxed);
        let after = wait_for("samples of this run", Duration::from_secs(60), || {
            let now = samples(server.port);
            (now.len() == TARGETS && now.values().all(|it| it.range(started..).next().is_some()))
                .then_some(now)
        });
        let first = after.values().filter_map(|it| it.range(started..).next()).map(|it| *it.0);
        let first = first.min().expect("waited for") - started;
        assert!(
            first <= FIRST_SCRAPE_MS_MAX,
            "round {round}: the first scrape came after {first} ms"
        );
        starts.push(first);
        check_kept(&before, &after, round);
        check_whole(server.port, &before);
        if round + 1 < rounds {
            thread::sleep(Duration::from_millis(random.below(LIFE_MS_MAX) as u64));
            before = samples(server.port);
            downtimes.push(newest(&before));
        } else {
            check_gaps(&after, &downtimes);
        }
        server.program.kill();
    }
    starts
}

/// Asks queries, one after the other, whoever answers.
#[derive(Default)]
struct Reader {
    port: AtomicU16,
    n_answers: AtomicU64,
    is_over: AtomicBool,
}

/// Ends the reader, also if the test fails.
struct Stop<'a>(&'a Reader);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Relaxed);
    }
}

impl Reader {
    fn run(&self) {
        let queries = ["sum by (instance) (rate(filler[10s]))", "count(filler)", "topk(5, filler)"];
        for query in queries.iter().cycle() {
            if self.is_over.load(Relaxed) {
                return;
            }
            let path = format!("/api/v1/query?query={}", http::escape(query));
            match http::get(self.port.load(Relaxed), &path) {
                Some(answer) if answer.status == 200 => _ = self.n_answers.fetch_add(1, Relaxed),
                // It was killed, or does not listen yet.
                _ => thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |it| it.parse().expect("a number"))
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("before the year 292 million")
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
fn check_kept(before: &Samples, after: &Samples, round: u64) {
    for (target, samples) in before {
        for (t, v) in samples {
            let found = after.get(target).and_then(|it| it.get(t));
            assert_eq!(found, Some(v), "round {round}: {target} lost its sample at {t}");
        }
    }
}

/// Of each scrape all series are there: as many samples as of `seq` in the last seconds before the kill.
fn check_whole(port: u16, before: &Samples) {
    if before.is_empty() {
        return;
    }
    let at = newest(before);
    let time = format!("{}.{:03}", at / 1000, at % 1000);
    let each = |expr: &str| -> BTreeMap<String, String> {
        let found = http::query(port, expr, &time);
        let read = |it: &serde_json::Value| {
            let text = |it: &serde_json::Value| it.as_str().unwrap().to_owned();
            (text(&it["metric"]["instance"]), text(&it["value"][1]))
        };
        found.as_array().unwrap().iter().map(read).collect()
    };
    let expected = each("sum by (instance) (count_over_time(seq[5s]))");
    assert_eq!(each("min by (instance) (count_over_time(filler[5s]))"), expected);
    assert_eq!(each("max by (instance) (count_over_time(filler[5s]))"), expected);
    let n_series = each("count by (instance) (count_over_time(filler[5s]))");
    assert!(n_series.values().all(|it| *it == SERIES.to_string()), "{n_series:?}");
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
