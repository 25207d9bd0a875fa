//! Runs the fuzz targets of `fuzz/` with libFuzzer, and the tests of what is `unsafe` under
//! AddressSanitizer, on the nightly toolchain.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::run::{run_command, works};

/// What makes rustc count coverage for libFuzzer.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1 -Cdebug-assertions";

const HOST: &str = "x86_64-unknown-linux-gnu";

/// The packages with `unsafe` in them (tidy has the list of files).
const UNSAFE_PACKAGES: [&str; 2] = ["pyrrha-stdx", "pyrrha-yaml"];

/// Runs each target for `seconds`.
///
/// # Errors
/// If a target does not build or finds something. A machine without the nightly toolchain is told so.
pub(crate) fn fuzz(seconds: u32) -> Result<()> {
    if !Path::new("fuzz/Cargo.toml").exists() {
        return Ok(());
    }
    if !works("cargo", &["+nightly", "--version"]) {
        println!("no nightly toolchain: the fuzz targets were not run");
        return Ok(());
    }
    let target = target().join("fuzz");
    let mut build = Command::new("cargo");
    build
        .args([
            "+nightly",
            "build",
            "--release",
            "--manifest-path",
            "fuzz/Cargo.toml",
            "--bins",
            "--target",
            HOST,
        ])
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTFLAGS", FLAGS);
    run_command(build)?;
    for name in targets()? {
        let corpus = PathBuf::from("fuzz/corpus").join(&name);
        std::fs::create_dir_all(&corpus)?;
        std::fs::create_dir_all("fuzz/artifacts")?;
        let mut command = Command::new(target.join(HOST).join("release").join(&name));
        command.arg(corpus).args([
            format!("-max_total_time={seconds}"),
            "-rss_limit_mb=2048".into(),
            "-timeout=10".into(),
            "-artifact_prefix=fuzz/artifacts/".into(),
            "-verbosity=0".into(),
            "-print_final_stats=1".into(),
        ]);
        run_command(command).with_context(|| format!("fuzz target {name}"))?;
    }
    Ok(())
}

/// Runs the tests of the crates that hold `unsafe` under AddressSanitizer.
///
/// # Errors
/// If one fails, or an access is wrong. A machine without the nightly toolchain is told so.
pub(crate) fn asan() -> Result<()> {
    if !works("cargo", &["+nightly", "--version"]) {
        println!("no nightly toolchain: nothing was run under AddressSanitizer");
        return Ok(());
    }
    let mut command = Command::new("cargo");
    command
        .args(["+nightly", "test", "--locked", "--quiet", "--target", HOST])
        .args(UNSAFE_PACKAGES.iter().flat_map(|it| ["--package", *it]))
        .args(["--lib", "--tests"])
        .env("CARGO_TARGET_DIR", target().join("asan"))
        .env("RUSTFLAGS", "-Zsanitizer=address");
    run_command(command)
}

fn target() -> PathBuf {
    env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "fuzz/target".into()).into()
}

/// One target for each file in `fuzz/src/bin`.
fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir("fuzz/src/bin")? {
        let path = entry?.path();
        if let Some(name) = path.file_stem().and_then(|it| it.to_str()) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}
