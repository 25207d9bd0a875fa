//! What queries cost over a database as a server has it, without HTTP and JSON:
//! `cargo bench -p pyrrha-tsdb --bench query`.
//!
//! 12 targets of 500 series every 15 s for 26 hours: blocks, and the last hours in a head. Prints
//! nanoseconds of CPU for each series and step, microseconds for each series of an instant query.
//! `-- NAME` asks only the queries whose name begins so, again and again for a few seconds: for `perf`.
//! `THREADS` says how many work on a query (1); with several the time that passes is of interest.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Labels, SeriesRef};
use promql_engine::{Engine, QueryOptions, Value};
use stdx::{SystemClock, SystemDirectory};
use storage::Appendable;
use tsdb::{Db, Options};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const TARGETS: usize = 12;
const PER_TARGET: usize = 500;
/// A multiple of two hours.
const START: i64 = 1_699_999_200_000;
const TICK_MS: i64 = 15_000;
const TICKS: i64 = 26 * 240;

/// When a query looks from.
#[derive(Clone, Copy)]
enum End {
    /// The newest sample, in the head.
    Head,
    /// Two minutes after the last block ends.
    Seam,
    /// An hour before the last block ends.
    Block,
}

struct Ask {
    name: &'static str,
    query: &'static str,
    end: End,
    /// Hours back and seconds between steps; 0 steps are an instant query.
    range: (i64, i64),
    /// How many series are read.
    n_series: usize,
}

const REQUESTS: usize = 48 * TARGETS;
const MEMORY: usize = 70 * TARGETS;

const ASKS: [Ask; 14] = [
    ask("R1", "sum by (instance) (rate(http_requests_total[5m]))", End::Head, (6, 15), REQUESTS),
    ask("R2", "sum by (instance) (rate(http_requests_total[5m]))", End::Head, (6, 30), REQUESTS),
    ask("R5", "http_requests_total", End::Head, (6, 30), REQUESTS),
    ask("R7", "sum by (job) (rate(http_requests_total[5m]))", End::Head, (23, 60), REQUESTS),
    ask(
        "R9",
        "max by (instance) (max_over_time(container_memory_working_set_bytes[1h]))",
        End::Head,
        (6, 60),
        MEMORY,
    ),
    ask("H6", "stddev by (job) (container_memory_working_set_bytes)", End::Head, (12, 60), MEMORY),
    ask(
        "H8",
        "avg by (handler) (deriv(container_memory_working_set_bytes[15m]))",
        End::Head,
        (3, 60),
        MEMORY,
    ),
    ask(
        "H4",
        "quantile_over_time(0.9, container_memory_working_set_bytes[30m])",
        End::Head,
        (3, 60),
        MEMORY,
    ),
    ask("I1", "sum by (job) (rate(http_requests_total[5m]))", End::Head, (0, 0), REQUESTS),
    ask("S1", "sum by (job) (rate(http_requests_total[5m]))", End::Seam, (0, 0), REQUESTS),
    ask("B1", "sum by (job) (rate(http_requests_total[5m]))", End::Block, (0, 0), REQUESTS),
    ask("I2", "http_requests_total", End::Head, (0, 0), REQUESTS),
    ask("I6", r#"count({__name__=~".+"})"#, End::Head, (0, 0), TARGETS * PER_TARGET),
    ask("I7", "sum by (job) (increase(http_requests_total[24h]))", End::Head, (0, 0), REQUESTS),
];

const fn ask(
    name: &'static str,
    query: &'static str,
    end: End,
    range: (i64, i64),
    n_series: usize,
) -> Ask {
    Ask { name, query, end, range, n_series }
}

fn main() {
    let only = std::env::args().skip(1).find(|it| !it.starts_with('-'));
    let dir = tempfile::tempdir().expect("a temporary folder");
    let clock = Arc::new(SystemClock::default());
    let directory = Arc::new(SystemDirectory::new(dir.path()));
    let db = Db::open(Options::default(), directory, clock.clone(), &client::Registry::default())
        .expect("opens");
    fill(&db);
    let seam = db.blocks().last().expect("blocks were cut").meta().maxt;
    println!(
        "{} blocks, the last ends {} s before the end",
        db.blocks().len(),
        (end() - seam) / 1000
    );
    let threads = std::env::var("THREADS").map_or(1, |it| it.parse().expect("THREADS is a number"));
    let options = promql_engine::Options { threads, ..promql_engine::Options::default() };
    let engine = Engine::new(options, clock);
    for ask in &ASKS {
        match &only {
            None => report(&engine, &db, ask, seam, Duration::from_millis(400)),
            Some(only) if ask.name.starts_with(only.as_str()) => {
                report(&engine, &db, ask, seam, Duration::from_secs(5));
            }
            Some(_) => {}
        }
    }
}

/// The time of the newest samples.
fn end() -> i64 {
    START + (TICKS - 1) * TICK_MS
}

fn report(engine: &Engine, db: &Db, ask: &Ask, seam: i64, run_for: Duration) {
    let end = 7000
        + match ask.end {
            End::Head => end(),
            End::Seam => seam + 120_000,
            End::Block => seam - 3_600_000,
        };
    let (hours, step_s) = ask.range;
    let steps = if step_s == 0 { 1 } else { hours * 3600 / step_s + 1 };
    let (started, mut best, mut passed) = (Instant::now(), f64::INFINITY, Duration::MAX);
    while started.elapsed() < run_for {
        let (before, begin) = (cpu_seconds(), Instant::now());
        let options = QueryOptions::default();
        let result = if step_s == 0 {
            engine.instant(db, ask.query, end, &options)
        } else {
            let start = end - hours * 3_600_000;
            engine.range(db, ask.query, (start, end, step_s * 1000), &options)
        };
        best = best.min(cpu_seconds() - before);
        passed = passed.min(begin.elapsed());
        let answered = match result.expect("the query is well").value {
            Value::Matrix(it) => !it.series.is_empty(),
            Value::Vector { elements, .. } => !elements.is_empty(),
            _ => false,
        };
        assert!(answered, "{} finds something", ask.name);
    }
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    let (n_series, steps) = (ask.n_series as f64, steps as f64);
    let each = best / n_series / steps;
    let each = if step_s == 0 {
        format!("{:8.3} µs", each * 1e6)
    } else {
        format!("{:8.2} ns", each * 1e9)
    };
    let passed = passed.as_secs_f64() * 1e3;
    println!("{:3} {:9.3} ms {each}, in {passed:.3} ms  {}", ask.name, best * 1e3, ask.query);
}

/// Scrapes all targets at each tick, and lets the database make its blocks.
fn fill(db: &Db) {
    let mut refs: Vec<SeriesRef> = Vec::new();
    for tick in 0..TICKS {
        let t = START + tick * TICK_MS;
        for target in 0..TARGETS {
            let mut appender = db.appender();
            for at in 0..PER_TARGET {
                let value = value(target, at, tick.cast_unsigned());
                if tick == 0 {
                    refs.push(appender.append(&labels(target, at), t, value).expect("takes"));
                } else {
                    appender.append_ref(refs[target * PER_TARGET + at], t, value).expect("takes");
                }
            }
            appender.commit().expect("commits");
        }
        if tick % 480 == 0 {
            db.maintain();
        }
    }
    db.maintain();
}

/// Metrics and how many series a target has of each.
const METRICS: [(&str, usize); 6] = [
    ("http_requests_total", 48),
    ("http_request_duration_seconds_bucket", 90),
    ("container_cpu_usage_seconds_total", 52),
    ("container_memory_working_set_bytes", 70),
    ("node_hwmon_temp_celsius", 60),
    ("kube_pod_info", 180),
];

/// The metric of a target's series, and the number of the series within it.
fn metric(mut at: usize) -> (usize, usize) {
    for (metric, (_, n)) in METRICS.iter().enumerate() {
        if at < *n {
            return (metric, at);
        }
        at -= n;
    }
    unreachable!("a target has {PER_TARGET} series")
}

fn labels(target: usize, at: usize) -> Labels {
    let (metric, at) = metric(at);
    Labels::from_pairs([
        ("__name__", METRICS[metric].0.to_owned()),
        ("cluster", "prod-eu-west-1".to_owned()),
        ("namespace", "payments".to_owned()),
        ("version", "v2.0.3-5f7c9d00".to_owned()),
        ("instance", format!("10.16.0.{target}:9100")),
        ("job", format!("app-{}", target % 10)),
        ("method", ["GET", "POST", "PUT", "DELETE"][at % 4].to_owned()),
        ("handler", format!("/api/v{}/orders/{{id}}/items/search-{}", at % 3 + 1, at / 4)),
        ("code", if at % 12 == 11 { "500" } else { "200" }.to_owned()),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "as counters are")]
fn value(target: usize, at: usize, tick: u64) -> f64 {
    let seed = mix((target * PER_TARGET + at) as u64);
    let (noise, pace) = (mix(seed ^ tick), seed % 50 + 1);
    match metric(at).0 {
        // What is added at random is never more than the pace, so these never fall.
        0 | 1 => (tick * pace + noise % (pace + 1)) as f64,
        2 => (tick * pace * 1000 + noise % (pace * 1000)) as f64 / 1234.567,
        3 => (4096 * (100_000 + noise % 1000)) as f64,
        4 => (noise % 10_000) as f64 / 100.0,
        _ => (seed % 1000) as f64,
    }
}

/// Spreads the bits of a number over another one.
fn mix(n: u64) -> u64 {
    let x = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ x >> 31
}

/// CPU time of the whole process, all threads.
#[expect(clippy::cast_precision_loss, reason = "seconds and nanoseconds")]
fn cpu_seconds() -> f64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
}
