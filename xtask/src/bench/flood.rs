//! `bench flood`: ten million new series come down on a server with a limit of 2 GB. The limit holds, the old series
//! lose nothing, and the server says whose they were.

use std::fmt::Write as _;
use std::fs;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use testkit::http;

use super::ingest::{arguments, scrape_config};
use super::loadgen::{Shape, serve, templates};
use super::peer::{Peer, free_port};
use crate::run::run;

/// Targets that are flooded.
const FLOODED: usize = 200;

/// Runs it: `--limit` in MB, `--series` of the flood, `--run` in seconds.
///
/// # Errors
/// If a program is missing or fails, or the server did not hold.
pub(crate) fn flood(args: &[&str]) -> Result<()> {
    let [limit_mb, series, run_s] =
        super::numbers(args, ["--limit", "--series", "--run"], [2048, 10_000_000, 180])?;
    run("cargo", ["build", "--release", "--locked", "--package", "pyrrha"])?;
    let shape = Shape { targets: 100, series: 1000, interval_s: 5, churn_percent: 0 };
    let folder = super::work_folder()?;
    let served = serve(shape, &templates(shape))?;
    let mut config = scrape_config(shape, served.port);
    config +=
        "- job_name: flood\n  scrape_interval: 30s\n  scrape_timeout: 30s\n  static_configs:\n";
    for target in 0..FLOODED {
        let _ = writeln!(
            config,
            "  - targets: ['127.0.0.1:{}']\n    labels:\n      __metrics_path__: /flood/{target}\n      instance: flooded-{target}",
            served.port
        );
    }
    let file = folder.join("pyrrha.yml");
    fs::write(&file, config)?;
    let port = free_port()?;
    let mut args = arguments("pyrrha", &file, &folder.join("pyrrha"), port);
    args.push(format!("--memory.limit={limit_mb}MB"));
    let peer = Peer::start("pyrrha", &super::pyrrha(), &args, &folder, port)?;
    println!("100,000 series, limit {limit_mb} MB; data and logs in {}", folder.display());
    thread::sleep(Duration::from_secs(45));
    let before = peer.usage()?;
    println!("before: {:.0} MB resident", before.resident as f64 / 1e6);
    served.flood(series / FLOODED);
    let start = Instant::now();
    let mut anonymous_max = 0;
    while start.elapsed() < Duration::from_secs(run_s as u64) {
        anonymous_max = anonymous_max.max(peer.anonymous()?);
        thread::sleep(Duration::from_millis(50));
    }
    let after = peer.usage()?;
    // One moment for all questions, before what is under way now; the windows reach back beyond the start.
    let time = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() - 10;
    let number = |expr: &str| -> Result<f64> {
        let path = format!("/api/v1/query?query={}&time={time}", http::escape(expr));
        let answer = http::get(port, &path).context("nobody answers")?;
        let json: serde_json::Value = serde_json::from_str(&answer.body)?;
        let value = json["data"]["result"][0]["value"][1].as_str();
        Ok(value.with_context(|| format!("{expr}: {}", answer.body))?.parse()?)
    };
    let window = run_s + 120;
    let scraped = number(&format!(
        "sum(sum_over_time(scrape_samples_scraped{{job=~\"app-.*\"}}[{window}s]))"
    ))?;
    let stored =
        number(&format!("sum(count_over_time({{job=~\"app-.*\",cluster!=\"\"}}[{window}s]))"))?;
    let down = number("count(min_over_time(up{job=~\"app-.*\"}[3m]) == 0) or vector(0)")?;
    let rounds = number("min(count_over_time(up{job=~\"app-.*\"}[2m]))")?;
    // A query over millions of series would want more than there is left.
    let tsdb = http::api(port, "status/tsdb");
    let pairs = tsdb["seriesCountByLabelValuePair"].as_array().context("pairs of labels")?;
    let flood = pairs.iter().find(|it| it["name"] == "job=flood").context("the job flood")?;
    let new = flood["value"].as_u64().context("a number of series")?;
    let memory = http::api(port, "status/memory");
    let used = anonymous_max as f64 / (limit_mb as f64 * f64::from(1 << 20));
    println!("flood: {series} series offered, {new} taken");
    println!(
        "memory: at most {:.0} MB ({:.1} % of the limit), {:.0} MB at the end; CPU {:.0} s",
        anonymous_max as f64 / 1e6,
        100.0 * used,
        after.resident as f64 / 1e6,
        after.cpu_s
    );
    println!(
        "old series: {scraped} samples scraped, {stored} stored, {down} targets down at some time, at least {rounds} of 24 scrapes of each in the last 2 min"
    );
    println!("the server says: {memory}");
    ensure!(used < 1.05, "the limit did not hold");
    ensure!(scraped == stored && down == 0.0, "old series lost samples");
    ensure!(memory["refused"][0]["job"] == "flood", "nobody is named");
    fs::remove_dir_all(&folder)?;
    Ok(())
}
