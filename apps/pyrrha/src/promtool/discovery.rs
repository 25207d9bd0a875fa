//! `promtool check service-discovery`: what a job finds, and what its rules make of it.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command};
use client::Registry;
use config::{Config, ScrapeConfig};
use discovery::{Manager, Mechanism, Metrics, Options};
use model::{Labels, TargetGroup, duration};
use scrape::Examined;
use serde_json::{Map, Value};
use stdx::SystemDirectory;

use super::http_api::block_on;
use super::text;
use crate::log;
use crate::server::mechanisms::mechanisms;
use crate::server::translate;

/// How long news are held back.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) fn command() -> Command {
    let about = "Perform service discovery for the given job name and report the results, including relabeling.";
    let timeout = Arg::new("timeout").long("timeout").default_value("30s");
    Command::new("service-discovery")
        .about(about)
        .arg(timeout.help("The time to wait for discovery results."))
        .arg(Arg::new("config-file").required(true).help("The prometheus config file."))
        .arg(Arg::new("job").required(true).help("The job to run service discovery for."))
}

/// Finds for the whole timeout, and prints what was found then.
pub(super) fn main(matches: &ArgMatches) -> ExitCode {
    if let Err(problem) = log::init("info", "logfmt") {
        eprintln!("{problem}");
    }
    match check(text(matches, "config-file"), text(matches, "job"), text(matches, "timeout")) {
        Ok(json) => {
            println!("{json}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn check(file: &str, job: &str, timeout: &str) -> Result<String, String> {
    let timeout = duration::parse(timeout).map_err(|why| format!("--timeout: {why}"))?;
    let timeout = Duration::from_millis(u64::try_from(timeout).unwrap_or(0));
    let env = |name: &str| std::env::var(name).ok();
    let options = config::Options { env: &env, ..config::Options::default() };
    let config = Config::load_file(Path::new(file), &SystemDirectory::new(""), &options)
        .map_err(|why| format!("Cannot load config {why}"))?;
    let found =
        config.jobs().find(|it| it.job_name == job).ok_or_else(|| no_such_job(job, &config))?;
    let (rules, ways) = (translate::job(found)?, mechanisms(found)?);
    let groups = block_on(find(found, ways, timeout))?;
    let mut seen = HashSet::new();
    let mut all = scrape::examine(&rules, groups.iter().map(Arc::as_ref));
    all.retain(|it| seen.insert(it.clone()));
    let all = Value::Array(all.iter().map(json).collect());
    serde_json::to_string_pretty(&all).map_err(|why| why.to_string())
}

fn no_such_job(job: &str, config: &Config) -> String {
    let names = config.jobs().map(|it| format!("\n\t{}", it.job_name));
    format!("Job {job} not found. Select one of:{}", names.collect::<String>())
}

async fn find(
    job: &ScrapeConfig,
    ways: Vec<Mechanism>,
    timeout: Duration,
) -> Result<Vec<Arc<TargetGroup>>, String> {
    let user_agent = format!("Pyrrha/{}", crate::VERSION);
    let options =
        Options { pause_min: PAUSE, pause_max: PAUSE, ..Options::new("check", &user_agent) };
    let metrics = Arc::new(Metrics::new(&Registry::default()));
    let (manager, snapshots) = Manager::start(options, metrics);
    let failed = manager.apply(BTreeMap::from([(job.job_name.clone(), ways)])).await;
    if failed.is_empty() {
        tokio::time::sleep(timeout).await;
    }
    let groups = snapshots.borrow().get(&job.job_name).cloned().unwrap_or_default();
    manager.shutdown().await;
    match failed.first() {
        Some(why) => Err(format!("Could not create new discoverer: {why}")),
        None => Ok(groups),
    }
}

fn json(it: &Examined) -> Value {
    let labels = |labels: &Labels| {
        Value::Object(labels.iter().map(|(name, value)| (name.into(), value.into())).collect())
    };
    let mut object = Map::new();
    object.insert("discoveredLabels".into(), labels(&it.discovered));
    object.insert("labels".into(), labels(&it.labels));
    object.extend(it.error.iter().map(|why| ("error".into(), why.as_str().into())));
    Value::Object(object)
}
