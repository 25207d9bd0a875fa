//! `bench restart`: how long after `kill -9` a server scrapes again, and how long until it answers as before.
//!
//! We and Prometheus scrape the same targets, are killed at the same moment, and start again one after the other,
//! with the targets still there.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use testkit::http;

use super::ingest::{arguments, scrape_config};
use super::loadgen::{Served, Shape, serve, templates};
use super::peer::{Peer, free_port};
use crate::run::run;

/// Longer than anything should take.
const PATIENCE: Duration = Duration::from_secs(300);

struct Entrant {
    name: &'static str,
    program: PathBuf,
    args: Vec<String>,
    port: u16,
    served: Served,
}

/// Runs it: `--targets`, `--series` of each, `--interval` and `--run` in seconds.
///
/// # Errors
/// If a program is missing or fails.
pub(crate) fn restart(args: &[&str]) -> Result<()> {
    let names = ["--targets", "--series", "--interval", "--run"];
    let [targets, series, interval_s, run_s] = super::numbers(args, names, [500, 2000, 5, 230])?;
    run("cargo", ["build", "--release", "--locked", "--package", "pyrrha"])?;
    let shape = Shape { targets, series, interval_s: interval_s as u64, churn_percent: 0 };
    let folder = super::work_folder()?;
    let templates = templates(shape);
    let mut entrants = Vec::new();
    for (name, program) in [("pyrrha", super::pyrrha()), ("prometheus", "prometheus".into())] {
        let served = serve(shape, &templates)?;
        let config = folder.join(format!("{name}.yml"));
        fs::write(&config, scrape_config(shape, served.port))?;
        let port = free_port()?;
        let args = arguments(name, &config, &folder.join(name), port);
        entrants.push(Entrant { name, program, args, port, served });
    }
    println!("{shape:?}, {run_s} s; data and logs in {}", folder.display());
    let start = |it: &Entrant| Peer::start(it.name, &it.program, &it.args, &folder, it.port);
    let peers = entrants.iter().map(start).collect::<Result<Vec<_>>>()?;
    thread::sleep(Duration::from_secs(run_s as u64));
    // Scrapes of the last seconds may be under way.
    let t = now_s() - 3.0 * interval_s as f64;
    let before: Vec<String> = entrants.iter().map(|it| answers(it, t)).collect::<Result<_>>()?;
    let usage: Vec<_> = peers.iter().map(Peer::usage).collect::<Result<_>>()?;
    drop(peers);
    println!(
        "{:12}{:>12}{:>16}{:>16}{:>12}{:>14}{:>14}",
        "", "M samples", "first scrape s", "all data s", "CPU-s", "RSS before MB", "RSS after MB"
    );
    for ((entrant, before), usage) in entrants.iter().zip(before).zip(usage) {
        let samples = entrant.served.samples();
        let start = Instant::now();
        let peer = Peer::spawn(entrant.name, &entrant.program, &entrant.args, &folder)?;
        let until = |what: &str, is_so: &dyn Fn() -> bool| {
            while !is_so() {
                anyhow::ensure!(start.elapsed() < PATIENCE, "{}: no {what}", entrant.name);
                thread::sleep(Duration::from_millis(5));
            }
            Ok(start.elapsed().as_secs_f64())
        };
        let scraped = thread::scope(|scope| {
            let scraped = scope.spawn(|| until("scrape", &|| samples < entrant.served.samples()));
            let ready = until("readiness", &|| {
                http::get(entrant.port, "/-/ready").is_some_and(|it| it.status == 200)
            });
            let answered = ready.and_then(|_| {
                until("old answer", &|| answers(entrant, t).is_ok_and(|it| it == before))
            });
            let scraped = scraped.join().expect("it does not panic");
            scraped.and_then(|scraped| Ok((scraped, answered?)))
        });
        let (scraped, answered) = scraped?;
        let after = peer.usage()?;
        println!(
            "{:12}{:>12.1}{scraped:>16.2}{answered:>16.2}{:>12.1}{:>14.0}{:>14.0}",
            entrant.name,
            samples as f64 / 1e6,
            after.cpu_s,
            usage.resident as f64 / 1e6,
            after.resident_max as f64 / 1e6
        );
    }
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// What is asked before and after: how many series and what they add up to, then, at `t`.
fn answers(entrant: &Entrant, t: f64) -> Result<String> {
    let mut all = String::new();
    for expr in ["count({job=~\"app-.*\"})", "sum by (job) (http_requests_total)"] {
        let path = format!("/api/v1/query?query={}&time={t:.3}", http::escape(expr));
        let answer = http::get(entrant.port, &path).context("nobody answers")?;
        anyhow::ensure!(answer.status == 200, "{}: {}", entrant.name, answer.body);
        let json: serde_json::Value = serde_json::from_str(&answer.body)?;
        all += &json["data"]["result"].to_string();
    }
    Ok(all)
}

fn now_s() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap_or_default().as_secs_f64().floor()
}
