//! `cargo xtask test`: everything, with the peers.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::install;
use crate::run::{run, run_command};

/// Installs what the tests need and runs them all. Every part runs, even after one failed.
///
/// # Errors
/// If a part failed.
pub(crate) fn test() -> Result<()> {
    let missing = install::install();
    let mut failed = Vec::new();
    let mut part = |name: &'static str, result: Result<()>| {
        if let Err(error) = result {
            eprintln!("{name}: {error:#}");
            failed.push(name);
        }
    };
    part("build", run("cargo", ["build", "--locked", "--package", "pyrrha"]));
    part("unit and integration tests", cargo_test());
    part("PromQL corpus", promql_corpus());
    part("web", web());
    for it in &missing {
        println!("could not be installed, so tests that need it said so and did not run: {it}");
    }
    println!("{} passed, {} failed", 4 - failed.len(), failed.len());
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// What property tests start from: the same commit gives the same result everywhere. A plain `cargo test` looks further
/// each time, and so does another number here.
const SEED: (&str, &str) = ("PROPTEST_RNG_SEED", "20261121");

/// The workspace's tests. `PYRRHA_BIN` is the program that tests of whole processes start.
fn cargo_test() -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(["test", "--locked", "--workspace", "--no-fail-fast"]).env("PYRRHA_BIN", binary());
    if env::var_os(SEED.0).is_none() {
        command.env(SEED.0, SEED.1);
    }
    run_command(command)
}

/// Runs the `.test` scripts if the corpus lies beside the repository. All cases must pass.
fn promql_corpus() -> Result<()> {
    let corpus = env::var("PYRRHA_CORPUS").unwrap_or_else(|_| "../shared/corpus".into());
    let folder = Path::new(&corpus).join("promqltest");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("no PromQL corpus at {}: not run", folder.display());
        return Ok(());
    };
    let mut files: Vec<_> = entries.filter_map(Result::ok).map(|it| it.path()).collect();
    files.retain(|it| it.extension().is_some_and(|it| it == "test"));
    files.sort();
    let out = Command::new(binary()).args(["promtool", "test", "promql"]).args(files).output()?;
    let text = String::from_utf8_lossy(&out.stdout);
    let lines: Vec<&str> = text.lines().collect();
    let [.., classes, counts] = lines[..] else {
        bail!("no summary: {}", String::from_utf8_lossy(&out.stderr))
    };
    println!("{classes}\nPromQL corpus: {counts}");
    if !out.status.success() || !counts.ends_with(", 0 failed") {
        bail!("{text}");
    }
    Ok(())
}

/// Type check, unit tests, browser test, and that the built UI matches its sources.
fn web() -> Result<()> {
    let npm = |script: &str| {
        let mut command = Command::new("npm");
        let screenshots = crate::root().join("target/screenshots");
        command
            .args(["--prefix", "web", "run", script])
            .env("PYRRHA_BIN", binary())
            .env("SCREENSHOTS", screenshots);
        run_command(command)
    };
    npm("check")?;
    npm("test")?;
    npm("build")?;
    run("git", ["diff", "--exit-code", "--stat", "--", "crates/ui/dist"])?;
    npm("e2e")
}

fn binary() -> String {
    let target = env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".into());
    let path = crate::root().join(target).join("debug/pyrrha");
    path.to_string_lossy().into_owned()
}
