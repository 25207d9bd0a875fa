//! `cargo xtask`: what a developer and CI run.
//!
//! - `test`: installs what the tests need, then runs them all.
//! - `ci`: format, lints, tidy, tests, documentation, fuzz smoke.
//! - `tidy`: the rules of the house that no lint knows.
//! - `fuzz [SECONDS]`: runs each fuzz target for a while.
//! - `asan`: runs the tests of what is `unsafe` under AddressSanitizer.
//! - `bench ingest | query | restart | flood | scrape`: loads, beside the peers.

mod bench;
mod ci;
mod fuzz;
mod install;
mod run;
mod test;
mod tidy;

use std::env;
use std::path::PathBuf;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    env::set_current_dir(root())?;
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["test"] => test::test(),
        ["ci"] => ci::ci(),
        ["tidy"] => tidy::tidy(),
        ["fuzz"] => fuzz::fuzz(60),
        ["fuzz", seconds] => fuzz::fuzz(seconds.parse()?),
        ["asan"] => fuzz::asan(),
        ["bench", name, ref rest @ ..] => bench::bench(name, rest),
        _ => bail!(
            "usage: cargo xtask test | ci | tidy | fuzz [SECONDS] | asan | bench NAME [OPTIONS]"
        ),
    }
}

/// The workspace's root: the parent of this crate's folder.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the workspace")
        .to_owned()
}
