//! What a sample and a series cost: `cargo bench -p pyrrha-tsdb`.
//!
//! A million series of a thousand targets, ten labels each, scraped as in life: one batch a target,
//! every series by reference. Prints nanoseconds of CPU a sample, and bytes a series, all in.
//! `cargo bench -p pyrrha-tsdb -- N_SERIES N_ROUNDS` for other sizes; from 720 rounds on, three hours, a
//! block is cut.

use std::sync::Arc;
use std::time::Instant;

use model::{Labels, Matcher, SeriesRef};
use stdx::{SystemClock, SystemDirectory};
use storage::{Appendable, Queryable, Samples, SelectHints};
use tsdb::{Db, Options};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const PER_TARGET: usize = 1000;
const START: i64 = 1_700_000_000_000;

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|it| it.parse::<usize>().ok());
    let n_series = numbers.next().unwrap_or(1_000_000);
    let n_rounds = numbers.next().unwrap_or(40);
    let n_targets = n_series / PER_TARGET;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let open = || {
        let clock = Arc::new(SystemClock::default());
        let directory = Arc::new(SystemDirectory::new(dir.path()));
        Db::open(Options::default(), directory, clock, &client::Registry::default()).expect("opens")
    };
    let db = open();
    let before = resident();

    let (mut refs, start) = (Vec::with_capacity(n_series), Clock::start());
    let mut labels_cost = Spent::default();
    for target in 0..n_targets {
        let made = Clock::start();
        let all: Vec<Labels> = (0..PER_TARGET).map(|i| labels(target, i)).collect();
        let made = made.stop();
        labels_cost = Spent { cpu: labels_cost.cpu + made.cpu, wall: labels_cost.wall + made.wall };
        let mut appender = db.appender();
        for (i, it) in all.iter().enumerate() {
            refs.push(appender.append(it, START, value(i, 0)).expect("takes"));
        }
        appender.commit().expect("commits");
    }
    let spent = start.stop();
    report("new series", n_series, spent.cpu - labels_cost.cpu, spent.wall - labels_cost.wall);
    println!("resident after registration: {} B/series", (resident() - before) / n_series);

    let start = Clock::start();
    for round in 1..n_rounds {
        scrape_all(&db, &refs, round);
    }
    let spent = start.stop();
    report("append_ref + commit", n_series * (n_rounds - 1), spent.cpu, spent.wall);
    let own = refs.capacity() * size_of::<SeriesRef>();
    println!(
        "resident after {n_rounds} rounds: {} B/series",
        (resident() - before - own) / n_series
    );
    println!(
        "pages of series alone: {} B/series",
        usize::try_from(db.series_bytes()).expect("fits") / n_series
    );
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let n_samples = (n_series * n_rounds) as f64;
    println!("log: {:.2} B/sample", size(&dir.path().join("wal")) / n_samples);

    query(&db, "{__name__=~\".+\"}, labels untouched", "__name__", ".+", false);
    query(&db, "{__name__=~\"http_.*\"}, all samples", "__name__", "http_.*", true);
    query(
        &db,
        "{instance=\"10.0.0.7:9100\"}, all samples",
        "instance",
        "10\\.0\\.0\\.7:9100",
        true,
    );

    let start = Clock::start();
    db.maintain();
    let spent = start.stop();
    let n_blocks = db.blocks().len();
    println!(
        "maintenance: {n_blocks} blocks, {:.2} s CPU, resident {} MiB",
        spent.cpu,
        resident() >> 20
    );

    drop(db);
    let checkpoints = dir.path().join("head_checkpoint");
    std::fs::remove_dir_all(&checkpoints).expect("one was written");
    let start = Clock::start();
    let db = open();
    let spent = start.stop();
    report("replay", n_series * n_rounds, spent.cpu, spent.wall);
    println!("replay: {:.2} s wall, {:.2} s CPU", spent.wall, spent.cpu);
    println!("series after replay: {}", db.stats(1).n_series);

    let start = Clock::start();
    drop(db);
    let spent = start.stop();
    report("end with a head checkpoint, a series", n_series, spent.cpu, spent.wall);
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let n = n_series as f64;
    println!("head checkpoint: {:.0} B/series", size(&checkpoints) / n);
    let start = Clock::start();
    let db = open();
    let spent = start.stop();
    report("start with a head checkpoint, a series", n_series, spent.cpu, spent.wall);
    println!("series after that: {}, resident {} MiB", db.stats(1).n_series, resident() >> 20);
}

fn scrape_all(db: &Db, refs: &[SeriesRef], round: usize) {
    let t = START + i64::try_from(round).expect("small") * 15_000;
    for (target, refs) in refs.chunks(PER_TARGET).enumerate() {
        let mut appender = db.appender();
        // Targets are spread over the interval.
        let t = t + i64::try_from(target).expect("small") * 3;
        for (i, it) in refs.iter().enumerate() {
            appender.append_ref(*it, t, value(i, round)).expect("takes");
        }
        appender.commit().expect("commits");
    }
}

fn query(db: &Db, what: &str, name: &str, pattern: &str, read: bool) {
    let start = Clock::start();
    let matcher = Matcher::new(model::MatchType::Regexp, name, pattern).expect("is valid");
    let querier = db.querier(START, i64::MAX).expect("opens a view");
    let set = querier.select(&SelectHints::default(), &[matcher]).expect("selects");
    let (mut samples, mut n) = (Samples::default(), 0);
    for at in 0..if read { set.len() } else { 0 } {
        samples.clear();
        set.read(at, START, i64::MAX, &mut samples).expect("reads");
        n += samples.len();
    }
    let cpu = start.stop().cpu;
    println!(
        "query {what}: {} series, {n} samples, {:.1} ms CPU, {:.0} ns/series",
        set.len(),
        cpu * 1e3,
        cpu * 1e9 / set.len().max(1) as f64
    );
}

fn labels(target: usize, i: usize) -> Labels {
    let le = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "+Inf"];
    let metric = if i.is_multiple_of(3) {
        "node_cpu_seconds_total"
    } else {
        "http_request_duration_seconds_bucket"
    };
    Labels::from_pairs([
        ("__name__", metric.to_owned()),
        ("cluster", "prod-eu-west-1".to_owned()),
        ("namespace", ["payments", "checkout", "search"][target % 3].to_owned()),
        ("service", format!("service-{}", target % 40)),
        ("version", format!("v2.0.{}-5f7c9d00", target % 7)),
        ("method", ["GET", "POST", "PUT"][i % 3].to_owned()),
        ("handler", format!("/api/v1/orders/{}", i / 30)),
        ("le", le[i / 3 % 10].to_owned()),
        ("instance", format!("10.0.{}.{}:9100", target / 250, target % 250)),
        ("job", format!("app-{}", target % 10)),
    ])
}

/// 38 % constant, 41 % integers, 12 % with two decimals, 8 % with all digits, as measured loads are.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn value(i: usize, round: usize) -> f64 {
    let step = ((i * 7919 + round * 104_729) % 97) as f64;
    match i % 100 {
        0..38 => 0.0,
        38..80 => (round * 50) as f64 + step,
        80..92 => ((100.0 + step) * 1.01).round() / 100.0,
        _ => 1.0 / (step + 1.1),
    }
}

/// Seconds.
#[derive(Clone, Copy, Default)]
struct Spent {
    cpu: f64,
    wall: f64,
}

struct Clock {
    cpu: f64,
    wall: Instant,
}

impl Clock {
    fn start() -> Self {
        Self { cpu: cpu_seconds(), wall: Instant::now() }
    }

    fn stop(self) -> Spent {
        Spent { cpu: cpu_seconds() - self.cpu, wall: self.wall.elapsed().as_secs_f64() }
    }
}

/// CPU time of the whole process, all threads.
#[expect(clippy::cast_precision_loss, reason = "seconds and nanoseconds")]
fn cpu_seconds() -> f64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
}

fn report(what: &str, n: usize, cpu: f64, wall: f64) {
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let n = n as f64;
    println!("{what}: {:.0} ns CPU each, {:.0} ns wall", cpu * 1e9 / n, wall * 1e9 / n);
}

/// Resident bytes of the process.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|it| it.starts_with("RssAnon:")).expect("is there");
    let kib: usize =
        line.split_whitespace().nth(1).and_then(|it| it.parse().ok()).expect("a number");
    kib * 1024
}

#[expect(clippy::cast_precision_loss, reason = "bytes")]
fn size(folder: &std::path::Path) -> f64 {
    let files = std::fs::read_dir(folder).expect("lists");
    files.map(|it| it.and_then(|it| it.metadata()).map_or(0, |it| it.len()) as f64).sum()
}
