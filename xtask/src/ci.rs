//! `cargo xtask ci`: the gate.

use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::run::{run, run_command};
use crate::{fuzz, test, tidy};

/// Runs every check in order; the first failure ends it.
///
/// # Errors
/// The check that failed.
pub(crate) fn ci() -> Result<()> {
    let start = Instant::now();
    run("cargo", ["fmt", "--all", "--check"])?;
    tidy::tidy()?;
    run(
        "cargo",
        ["clippy", "--locked", "--workspace", "--all-targets", "--", "--deny", "warnings"],
    )?;
    let mut doc = Command::new("cargo");
    doc.args(["doc", "--locked", "--workspace", "--no-deps", "--quiet"])
        .env("RUSTDOCFLAGS", "--deny warnings");
    run_command(doc)?;
    fuzz::fuzz(5)?;
    test::test()?;
    println!("ci took {:.1} min", start.elapsed().as_secs_f64() / 60.0);
    Ok(())
}
