//! `bench query`: the same questions to us and the peers, about the same day of samples: in blocks, with the
//! last minutes in a live head.
//!
//! Each question is asked once for its answer, which is compared, and then until its CPU time can be told.
//! With `--live 1` the questions are about a million series that are scraped, instead.

mod client;
mod data;
mod list;
mod measure;
mod report;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::ingest::{arguments, scrape_config};
use super::loadgen::{Shape, serve, serve_pages, templates};
use super::peer::{Peer, free_port};
use crate::run::run;
use client::Client;
use data::{Day, TICK_MS};
use list::Ask;
use measure::Asked;
use report::Row;

/// How long to wait until the servers have nothing left to do but scrape.
const SETTLED_MAX: Duration = Duration::from_secs(120);

/// Runs it: `--targets` of 500 series each, `--live 1` for the million.
///
/// # Errors
/// If a program is missing or fails.
pub(crate) fn query(args: &[&str]) -> Result<()> {
    let [n_targets, live] = super::numbers(args, ["--targets", "--live"], [12, 0])?;
    run("cargo", ["build", "--release", "--locked", "--package", "pyrrha"])?;
    let folder = super::work_folder()?;
    if live == 0 {
        day(n_targets, &folder)?
    } else {
        million(&folder)?
    }
    fs::remove_dir_all(&folder)?;
    Ok(())
}

fn day(n_targets: usize, folder: &Path) -> Result<()> {
    let day = Arc::new(Day::new(n_targets));
    println!(
        "{} series, {:.1} M samples; data and logs in {}",
        day.n_series(),
        day.n_samples() as f64 / 1e6,
        folder.display()
    );
    let served = serve_pages(Arc::new(data::pages(Arc::clone(&day))))?;
    // Three scrapes a tick: one that is late misses none.
    let interval_s = TICK_MS.cast_unsigned() / 3000;
    let shape = Shape { targets: day.n_targets(), series: 0, interval_s, churn_percent: 0 };
    let config = folder.join("scrape.yml");
    fs::write(&config, scrape_config(shape, served.port))?;
    let victoria = start("victoria-metrics", &config, folder)?;
    write_day(&day, folder, &victoria)?;
    // These read the blocks when they start.
    let servers =
        [start("pyrrha", &config, folder)?, start("prometheus", &config, folder)?, victoria];
    thread::sleep(Duration::from_secs(75));
    settle(&servers)?;
    // Between two samples: whether a window holds one right at its start has changed with Prometheus 3.
    let end_s = (now_s() / 15 - 1) * 15 + 7;
    // What was scraped then has arrived everywhere.
    thread::sleep(Duration::from_secs(15));
    let rows = ask_all(&list::DAY, &servers, end_s)?;
    report::print_means(&rows);
    report::check_day(&rows, &day);
    Ok(())
}

/// Writes the blocks for those who read blocks, while VictoriaMetrics takes the same.
fn write_day(day: &Day, folder: &Path, victoria: &Asked) -> Result<()> {
    let blocks = folder.join("pyrrha");
    fs::create_dir_all(&blocks)?;
    thread::scope(|scope| {
        let (send, receive) = std::sync::mpsc::sync_channel::<Vec<u8>>(1);
        let importer = scope.spawn(move || {
            // It closes connections that get old.
            let connect = || Client::connect(victoria.port);
            for lines in receive {
                connect()?.post("/api/v1/import", &lines)?;
            }
            connect()?.get("/internal/force_flush")?;
            connect()?.get("/internal/force_merge")?;
            anyhow::Ok(())
        });
        let written = day.write(&blocks, |lines| Ok(send.send(lines)?));
        drop(send);
        importer.join().expect("it does not panic").context("import")?;
        written
    })?;
    run("cp", ["-r".as_ref(), blocks.as_os_str(), folder.join("prometheus").as_os_str()])
}

/// A million series, all in the head.
fn million(folder: &Path) -> Result<()> {
    let shape = Shape { targets: 500, series: 2000, interval_s: 30, churn_percent: 0 };
    let served = serve(shape, &templates(shape))?;
    let config = folder.join("scrape.yml");
    fs::write(&config, scrape_config(shape, served.port))?;
    let names = ["pyrrha", "prometheus", "victoria-metrics"];
    let [a, b, c] = names.map(|name| start(name, &config, folder));
    let servers = [a?, b?, c?];
    thread::sleep(Duration::from_secs(150));
    let rows = ask_all(&list::LIVE, &servers, now_s() - 5)?;
    report::print_means(&rows);
    report::check_live(&rows);
    Ok(())
}

fn start(name: &'static str, config: &Path, folder: &Path) -> Result<Asked> {
    let program = match name {
        "pyrrha" => super::pyrrha(),
        _ => name.into(),
    };
    let port = free_port()?;
    let mut args = arguments(name, config, &folder.join(name), port);
    if name == "victoria-metrics" {
        args.extend(
            [
                "-search.maxUniqueTimeseries=3000000",
                "-search.maxSeries=3000000",
                "-search.latencyOffset=0s",
            ]
            .map(str::to_owned),
        );
    }
    let peer = Peer::start(name, &program, &args, folder, port)?;
    Ok(Asked { peer, port })
}

/// Waits until merging what is there takes nobody's time any more.
fn settle(servers: &[Asked]) -> Result<()> {
    let used = || servers.iter().map(|it| Ok(it.peer.usage()?.cpu_s)).sum::<Result<f64>>();
    let start = Instant::now();
    loop {
        let before = used()?;
        thread::sleep(Duration::from_secs(3));
        if used()? - before < 0.2 || SETTLED_MAX < start.elapsed() {
            return Ok(());
        }
    }
}

fn ask_all(asks: &'static [Ask], servers: &[Asked; 3], end_s: i64) -> Result<Vec<Row>> {
    let idle = idle(servers)?;
    report::print_header();
    asks.iter()
        .map(|ask| {
            let path = ask.path(end_s);
            let measure = |at: usize| servers[at].measure(&path, idle[at]);
            let row = Row { ask, costs: [measure(0)?, measure(1)?, measure(2)?] };
            report::print_row(&row);
            Ok(row)
        })
        .collect()
}

/// Seconds of CPU a second that each takes for scraping.
fn idle(servers: &[Asked; 3]) -> Result<[f64; 3]> {
    const WHILE: Duration = Duration::from_secs(15);
    let used =
        || -> Result<Vec<f64>> { servers.iter().map(|it| Ok(it.peer.usage()?.cpu_s)).collect() };
    let before = used()?;
    thread::sleep(WHILE);
    let after = used()?;
    Ok(std::array::from_fn(|at| (after[at] - before[at]) / WHILE.as_secs_f64()))
}

fn now_s() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(0)
}
