//! `bench scrape`: what a scrape of a page whose lines are known costs, how fast pages are parsed, and what targets cost
//! that do hardly anything. Beside each figure stands what it may be.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testkit::http;

use super::ingest::{arguments, scrape_config};
use super::loadgen::{Shape, serve, templates};
use super::peer::{Peer, free_port};
use crate::run::run;

/// Longer than anything should take.
const PATIENCE: Duration = Duration::from_secs(120);

/// CPU of a scrape of the known page, from its socket to the committed batch.
const CPU_MS_MAX: f64 = 4.0;

/// Of a target that idles, with its connection.
const TARGET_KB_MAX: f64 = 30.0;

/// Of the whole process with its targets.
const RESIDENT_MB_MAX: f64 = 400.0;

const RELOAD_S_MAX: f64 = 1.0;

/// Runs it: `--window` in seconds for the known page, `--targets` that idle.
///
/// # Errors
/// If a program is missing or fails.
pub(crate) fn scrape(args: &[&str]) -> Result<()> {
    let [window_s, targets] = super::numbers(args, ["--window", "--targets"], [60, 10_000])?;
    run("cargo", ["build", "--release", "--locked", "--package", "pyrrha"])?;
    run("cargo", ["bench", "--locked", "--package", "pyrrha-exposition", "--bench", "page"])?;
    let folder = super::work_folder()?;
    println!("data and logs in {}", folder.display());
    known(window_s, &folder)?;
    for (name, program) in entrants() {
        idle(name, &program, targets, &folder)?;
    }
    fs::remove_dir_all(&folder)?;
    Ok(())
}

fn entrants() -> [(&'static str, PathBuf); 2] {
    [("pyrrha", super::pyrrha()), ("prometheus", "prometheus".into())]
}

/// Ten targets of 10,000 lines each, about 2 MB, every second; we and the peer at the same time.
fn known(window_s: usize, folder: &Path) -> Result<()> {
    let shape = Shape { targets: 10, series: 10_000, interval_s: 1, churn_percent: 0 };
    let templates = templates(shape);
    let mut running = Vec::new();
    for (name, program) in entrants() {
        let served = serve(shape, &templates)?;
        let config = folder.join(format!("{name}.yml"));
        fs::write(&config, scrape_config(shape, served.port))?;
        let port = free_port()?;
        let args = arguments(name, &config, &folder.join(name), port);
        let peer = Peer::start(name, &program, &args, folder, port)?;
        running.push((peer, served));
    }
    // Registration of all series, and a few rounds.
    thread::sleep(Duration::from_secs(20));
    let read = || -> Result<Vec<(f64, u64)>> {
        running.iter().map(|(peer, served)| Ok((peer.usage()?.cpu_s, served.samples()))).collect()
    };
    let before = read()?;
    thread::sleep(Duration::from_secs(window_s as u64));
    let after = read()?;
    println!("known page of {} lines, CPU of the whole process:", shape.series);
    for ((peer, _), (before, after)) in running.iter().zip(before.iter().zip(&after)) {
        let scrapes = (after.1 - before.1) as f64 / shape.series as f64;
        let cpu_ms = (after.0 - before.0) * 1e3 / scrapes;
        let bound = if peer.name == "pyrrha" { CPU_MS_MAX.to_string() } else { "-".into() };
        println!(
            "{:12}{scrapes:>8.0} scrapes{cpu_ms:>8.2} ms a scrape (at most {bound})",
            peer.name
        );
    }
    Ok(())
}

/// Targets with a line each, over a connection each: what they hold, and how long a reload takes.
fn idle(name: &'static str, program: &Path, targets: usize, folder: &Path) -> Result<()> {
    let shape = Shape { targets, series: 1, interval_s: 15, churn_percent: 0 };
    let served = serve(shape, &templates(shape))?;
    let config = folder.join(format!("{name}-idle.yml"));
    let write = |generation: &str| {
        let label = format!("labels:\n      generation: '{generation}'\n");
        fs::write(&config, scrape_config(shape, served.port).replace("labels:\n", &label))
    };
    fs::write(&config, "scrape_configs: []\n")?;
    let port = free_port()?;
    let mut args = arguments(name, &config, &folder.join(format!("{name}-idle")), port);
    args.push("--web.enable-lifecycle".into());
    let peer = Peer::start(name, program, &args, folder, port)?;
    let empty = until("to be ready", || {
        let is_ready = http::get(port, "/-/ready").is_some_and(|it| it.status == 200);
        is_ready.then(|| peer.usage().ok()).flatten()
    })?;
    write("first")?;
    reload(port)?;
    until("to have scraped all", || (targets as u64 <= served.samples()).then_some(()))?;
    // Every target twice more.
    thread::sleep(Duration::from_secs(2 * shape.interval_s));
    let full = peer.usage()?;
    let target_kb = (full.resident - empty.resident) as f64 / 1024.0 / targets as f64;
    println!("{name}, {targets} targets of one line every {} s:", shape.interval_s);
    println!("  {target_kb:.1} KB a target (at most {TARGET_KB_MAX})");
    println!("  {:.0} MB resident (at most {RESIDENT_MB_MAX})", full.resident as f64 / 1e6);
    let start = Instant::now();
    reload(port)?;
    println!("  {:.2} s to reload what is as before", start.elapsed().as_secs_f64());
    write("second")?;
    let start = Instant::now();
    reload(port)?;
    until("to show the new targets", || shows(port, "second", targets).then_some(()))?;
    let reload_s = start.elapsed().as_secs_f64();
    println!("  {reload_s:.2} s until all have a new label (at most {RELOAD_S_MAX})");
    Ok(())
}

fn reload(port: u16) -> Result<()> {
    let answer = http::post(port, "/-/reload", "").context("nobody answers")?;
    ensure!(answer.status == 200, "reload: {}", answer.body);
    Ok(())
}

/// True if the targets page has so many targets, all of this generation.
fn shows(port: u16, generation: &str, targets: usize) -> bool {
    let Some(page) = http::get(port, "/api/v1/targets?state=active") else { return false };
    let Ok(page) = serde_json::from_str::<serde_json::Value>(&page.body) else { return false };
    let Some(all) = page["data"]["activeTargets"].as_array() else { return false };
    all.len() == targets && all.iter().all(|it| it["labels"]["generation"] == generation)
}

fn until<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(it) = done() {
            return Ok(it);
        }
        ensure!(start.elapsed() < PATIENCE, "it took too long {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
