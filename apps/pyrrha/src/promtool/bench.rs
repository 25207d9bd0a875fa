//! `promtool tsdb bench write`: how fast a new database takes samples.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Arg, ArgMatches, Command, value_parser};
use model::Labels;
use stdx::{SystemClock, SystemDirectory};
use storage::Appendable;
use tsdb::{Db, Options};

use super::text;

/// Between two scrapes.
const INTERVAL_MS: i64 = 30_000;
/// Series that one thread scrapes, at most.
const SERIES_MAX: usize = 1000;
/// Scrapes after which the threads wait for each other.
const SCRAPES_TOGETHER: u32 = 100;
/// Values begin here, and grow by a step from scrape to scrape.
const VALUE: f64 = 123_456_789.0;
const VALUE_STEP: f64 = 1000.0;

pub(super) fn command() -> Command {
    let count = |name: &'static str, default: &'static str, help: &'static str| {
        Arg::new(name).long(name).default_value(default).value_parser(value_parser!(u32)).help(help)
    };
    let file = "Input file with samples data: a JSON object of labels a line.";
    Command::new("bench").about("Run benchmarks.").subcommand_required(true).subcommand(
        Command::new("write")
            .about("Run a write performance benchmark.")
            .arg(
                Arg::new("out")
                    .long("out")
                    .default_value("benchout")
                    .help("Set the output path. What is there is removed."),
            )
            .arg(count("metrics", "10000", "Number of metrics to read."))
            .arg(count("scrapes", "3000", "Number of scrapes to simulate."))
            .arg(Arg::new("file").default_value("../../tsdb/testdata/20kseries.json").help(file)),
    )
}

pub(super) fn main(matches: &ArgMatches) -> Result<(), String> {
    let (_, matches) = matches.subcommand().expect("clap asks for a subcommand");
    let count = |name: &str| *matches.get_one::<u32>(name).expect("it has a default");
    let out = Path::new(text(matches, "out"));
    let in_out = |error: std::io::Error| format!("{}: {error}", out.display());
    if out.exists() {
        std::fs::remove_dir_all(out).map_err(in_out)?;
    }
    std::fs::create_dir_all(out).map_err(in_out)?;
    let directory = Arc::new(SystemDirectory::new(out.join("storage")));
    let clock = Arc::new(SystemClock::default());
    let db = Db::open(Options::default(), directory, clock, &client::Registry::default())
        .map_err(|error| error.to_string())?;
    let (series, _) =
        timed("readData", || read_labels(Path::new(text(matches, "file")), count("metrics")))?;
    let (n_samples, duration) = timed("ingestScrapes", || ingest(&db, &series, count("scrapes")))?;
    println!(" > total samples: {n_samples}");
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = n_samples as f64 / duration.as_secs_f64();
    println!(" > samples/sec: {rate}");
    timed("stopStorage", || db.close().map_err(|error| error.to_string()))?;
    Ok(())
}

fn timed<T>(stage: &str, run: impl FnOnce() -> Result<T, String>) -> Result<(T, Duration), String> {
    println!(">> start stage={stage}");
    let start = Instant::now();
    let done = run()?;
    let duration = start.elapsed();
    println!(">> completed stage={stage} duration={duration:?}");
    Ok((done, duration))
}

/// The first so many sets of labels; one that comes again is passed over.
fn read_labels(path: &Path, n_max: u32) -> Result<Vec<Labels>, String> {
    let fail = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = std::fs::File::open(path).map_err(fail)?;
    let (mut all, mut seen) = (Vec::new(), HashSet::new());
    for line in BufReader::new(file).lines() {
        if usize::try_from(n_max).is_ok_and(|max| max <= all.len()) {
            break;
        }
        let pairs: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&line.map_err(fail)?)
                .map_err(|error| format!("{}: {error}", path.display()))?;
        let pairs = pairs.iter().map(|(name, it)| (name.as_str(), it.as_str().unwrap_or("")));
        let labels = Labels::from_pairs(pairs);
        if seen.insert(labels.clone()) {
            all.push(labels);
        }
    }
    Ok(all)
}

/// Returns how many samples the database took.
fn ingest(db: &Db, series: &[Labels], n_scrapes: u32) -> Result<u64, String> {
    let mut n_samples = 0;
    for first in (0..n_scrapes).step_by(SCRAPES_TOGETHER as usize) {
        let scrapes = first..n_scrapes.min(first + SCRAPES_TOGETHER);
        let results: Vec<Result<u64, String>> = std::thread::scope(|scope| {
            let start = |shard| {
                let scrapes = scrapes.clone();
                scope.spawn(move || ingest_shard(db, shard, scrapes))
            };
            let threads: Vec<_> = series.chunks(SERIES_MAX).map(start).collect();
            let join = |it: std::thread::ScopedJoinHandle<'_, _>| {
                it.join().unwrap_or_else(|_| Err("a thread panicked".to_owned()))
            };
            threads.into_iter().map(join).collect()
        });
        for result in results {
            n_samples += result?;
        }
    }
    println!("ingestion completed");
    Ok(n_samples)
}

fn ingest_shard(db: &Db, series: &[Labels], scrapes: std::ops::Range<u32>) -> Result<u64, String> {
    let mut references = vec![None; series.len()];
    let mut n_samples = 0;
    for scrape in scrapes {
        let (t, v) =
            (INTERVAL_MS * (i64::from(scrape) + 1), VALUE + VALUE_STEP * f64::from(scrape));
        let mut appender = db.appender();
        for (labels, reference) in series.iter().zip(&mut references) {
            match *reference {
                Some(known) => appender.append_ref(known, t, v),
                None => appender.append(labels, t, v).map(|it| *reference = Some(it)),
            }
            .map_err(|error| format!("{labels}: {error}"))?;
            n_samples += 1;
        }
        appender.commit().map_err(|error| error.to_string())?;
    }
    Ok(n_samples)
}
