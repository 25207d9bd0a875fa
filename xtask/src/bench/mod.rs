//! `cargo xtask bench`: the load against the peers, in one run, as ratios.
//!
//! CPU is what the kernel charged to the process (user and system, `/proc/PID/stat`), memory its resident
//! set. Peers are Debian's packages with their default settings.

mod ingest;
mod loadgen;
mod peer;

use anyhow::{Result, bail};

/// Runs the benchmark of this name.
///
/// # Errors
/// If it is unknown, a peer is missing, or a program fails.
pub(crate) fn bench(name: &str, args: &[&str]) -> Result<()> {
    match name {
        "ingest" => ingest::ingest(&ingest::Load::parse(args)?),
        _ => bail!("unknown benchmark {name}; there is: ingest"),
    }
}
