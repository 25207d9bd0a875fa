//! `bench ingest`: the same targets scraped by us and the peers at the same time. Three loads, unless one is given:
//! 200 targets of 1,000 series every 5 s, the same with a fifth of the series replaced each minute, and 500 of 2,000
//! every 15 s.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::loadgen::{Served, Shape, serve, templates};
use super::peer::{Peer, Usage, free_port};
use crate::run::run;

/// What to run, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    shape: Shape,
    /// Before the window: registration of all series.
    warm_s: u64,
    window_s: u64,
    /// One program alone, to look into it.
    only: Option<String>,
}

impl Load {
    /// The three loads.
    fn all() -> [Self; 3] {
        let load = |targets, series, interval_s, churn_percent, warm_s| Self {
            shape: Shape { targets, series, interval_s, churn_percent },
            warm_s,
            window_s: 120,
            only: None,
        };
        [load(200, 1000, 5, 0, 60), load(200, 1000, 5, 20, 60), load(500, 2000, 15, 0, 120)]
    }

    /// Reads `--targets N --series N --interval S --churn PERCENT --warm S --window S --only NAME`.
    pub(crate) fn parse(args: &[&str]) -> Result<Self> {
        let shape = Shape { targets: 200, series: 1000, interval_s: 5, churn_percent: 0 };
        let mut load = Self { shape, warm_s: 60, window_s: 180, only: None };
        for pair in args.chunks(2) {
            let [name, value] = pair else { bail!("{} lacks a value", pair[0]) };
            if *name == "--only" {
                load.only = Some((*value).to_owned());
                continue;
            }
            let number: usize = value.parse().with_context(|| format!("{name} {value}"))?;
            match *name {
                "--targets" => load.shape.targets = number,
                "--series" => load.shape.series = number,
                "--interval" => load.shape.interval_s = number as u64,
                "--churn" => load.shape.churn_percent = number,
                "--warm" => load.warm_s = number as u64,
                "--window" => load.window_s = number as u64,
                _ => bail!("unknown option {name}"),
            }
        }
        Ok(load)
    }
}

struct Entrant {
    peer: Peer,
    served: Served,
}

struct Reading {
    usage: Usage,
    samples: u64,
}

/// Runs the load that the options describe, or all three without any, and prints the tables.
///
/// # Errors
/// If an option is not known, or a program is missing or fails.
pub(crate) fn ingest(args: &[&str]) -> Result<()> {
    run("cargo", ["build", "--release", "--locked", "--package", "pyrrha"])?;
    if !args.is_empty() {
        return one(&Load::parse(args)?);
    }
    Load::all().iter().try_for_each(one)
}

fn one(load: &Load) -> Result<()> {
    let folder = super::work_folder()?;
    let entrants = start_all(load, &folder)?;
    println!("{load:?}; data and logs in {}", folder.display());
    thread::sleep(Duration::from_secs(load.warm_s));
    let before = read_all(&entrants)?;
    thread::sleep(Duration::from_secs(load.window_s));
    let after = read_all(&entrants)?;
    report(load.shape, &entrants, &before, &after);
    drop(entrants);
    fs::remove_dir_all(&folder)?;
    Ok(())
}

fn start_all(load: &Load, folder: &Path) -> Result<Vec<Entrant>> {
    let shape = load.shape;
    let templates = templates(shape);
    let entrants: [(&'static str, PathBuf); 3] = [
        ("pyrrha", super::pyrrha()),
        ("prometheus", "prometheus".into()),
        ("victoria-metrics", "victoria-metrics".into()),
    ];
    let mut started = Vec::new();
    for (name, program) in entrants {
        if load.only.as_ref().is_some_and(|it| it != name) {
            continue;
        }
        let served = serve(shape, &templates)?;
        let config = folder.join(format!("{name}.yml"));
        fs::write(&config, scrape_config(shape, served.port))?;
        let port = free_port()?;
        let args = arguments(name, &config, &folder.join(name), port);
        started.push(Entrant { peer: Peer::start(name, &program, &args, folder, port)?, served });
    }
    Ok(started)
}

/// The command line of a program that scrapes as `config` says.
pub(super) fn arguments(name: &str, config: &Path, data: &Path, port: u16) -> Vec<String> {
    let (config, data) = (config.display(), data.display());
    let args = match name {
        "victoria-metrics" => vec![
            format!("-promscrape.config={config}"),
            format!("-storageDataPath={data}"),
            format!("-httpListenAddr=127.0.0.1:{port}"),
            "-retentionPeriod=1".into(),
        ],
        _ => vec![
            format!("--config.file={config}"),
            format!("--storage.tsdb.path={data}"),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ],
    };
    if name == "pyrrha" { [vec!["server".into()], args].concat() } else { args }
}

/// Ten jobs, each with a tenth of the targets.
pub(super) fn scrape_config(shape: Shape, port: u16) -> String {
    let mut out = format!(
        "global:\n  scrape_interval: {0}s\n  scrape_timeout: {0}s\nscrape_configs:\n",
        shape.interval_s
    );
    for job in 0..10 {
        let _ = writeln!(out, "- job_name: app-{job}\n  static_configs:");
        for target in (job..shape.targets).step_by(10) {
            let _ = writeln!(
                out,
                "  - targets: ['127.0.0.1:{port}']\n    labels:\n      __metrics_path__: /t/{target}\n      \
                 instance: 10.16.{}.{}:9100",
                target / 250,
                target % 250
            );
        }
    }
    out
}

fn read_all(entrants: &[Entrant]) -> Result<Vec<Reading>> {
    let read = |it: &Entrant| Ok(Reading { usage: it.peer.usage()?, samples: it.served.samples() });
    entrants.iter().map(read).collect()
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn report(shape: Shape, entrants: &[Entrant], before: &[Reading], after: &[Reading]) {
    let series = (shape.targets * shape.series) as f64;
    let rows: Vec<[f64; 5]> = entrants
        .iter()
        .zip(before.iter().zip(after))
        .map(|(entrant, (start, end))| {
            let samples = (end.samples - start.samples) as f64;
            [
                samples / 1e6,
                (end.usage.cpu_s - start.usage.cpu_s) / (samples / 1e6),
                end.usage.resident as f64 / series,
                end.usage.resident_max as f64 / series,
                entrant.peer.disk() as f64 / end.samples as f64,
            ]
        })
        .collect();
    println!(
        "{:18}{:>12}{:>16}{:>16}{:>16}{:>16}",
        "", "M samples", "CPU-s/M", "RSS B/series", "peak B/series", "disk B/sample"
    );
    for (entrant, row) in entrants.iter().zip(&rows) {
        print_row(entrant.peer.name, row);
    }
    for (entrant, row) in entrants.iter().zip(&rows).skip(1) {
        let ratio: Vec<f64> = rows[0].iter().zip(row).map(|(ours, theirs)| ours / theirs).collect();
        print_row(&format!("/ {}", entrant.peer.name), &ratio);
    }
}

fn print_row(name: &str, row: &[f64]) {
    print!("{name:18}{:>12.2}", row[0]);
    for figure in &row[1..] {
        print!("{figure:>16.3}");
    }
    println!();
}
