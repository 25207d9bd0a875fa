//! `cargo xtask bench`: the load against the peers, in one run, as ratios.
//!
//! CPU is what the kernel charged to the process (user and system, `/proc/PID/stat`), memory its resident
//! set. Peers are Debian's packages with their default settings.

mod flood;
mod ingest;
mod loadgen;
mod peer;
mod query;
mod restart;
mod scrape;

use std::path::PathBuf;

use anyhow::{Result, bail};

/// Runs the benchmark of this name.
///
/// # Errors
/// If it is unknown, a peer is missing, or a program fails.
pub(crate) fn bench(name: &str, args: &[&str]) -> Result<()> {
    match name {
        "ingest" => ingest::ingest(args),
        "query" => query::query(args),
        "restart" => restart::restart(args),
        "flood" => flood::flood(args),
        "scrape" => scrape::scrape(args),
        _ => bail!("unknown benchmark {name}; there are: ingest, query, restart, flood, scrape"),
    }
}

/// The program that `cargo build --release` makes.
fn pyrrha() -> PathBuf {
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".into());
    crate::root().join(target).join("release/pyrrha")
}

/// A new folder for data and logs.
fn work_folder() -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("pyrrha-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Reads `--name NUMBER` pairs into the numbers of the names.
fn numbers<const N: usize>(
    args: &[&str],
    names: [&str; N],
    mut values: [usize; N],
) -> Result<[usize; N]> {
    for pair in args.chunks(2) {
        let [name, value] = pair else { bail!("{} lacks a value", pair[0]) };
        let Some(at) = names.iter().position(|it| it == name) else {
            bail!("unknown option {name}")
        };
        values[at] = value.parse()?;
    }
    Ok(values)
}
