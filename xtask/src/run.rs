//! Running programs.

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// Runs a program in the workspace's root with its output shown.
///
/// # Errors
/// If it cannot start or exits other than 0.
pub(crate) fn run<S: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = S>) -> Result<()> {
    let mut command = Command::new(program);
    command.args(args);
    run_command(command)
}

/// Runs a prepared program with its output shown.
///
/// # Errors
/// If it cannot start or exits other than 0.
pub(crate) fn run_command(mut command: Command) -> Result<()> {
    let line = format!("{command:?}").replace('"', "");
    eprintln!("$ {line}");
    let start = Instant::now();
    let status = command.status().with_context(|| format!("{line} did not start"))?;
    eprintln!("  {:.1} s", start.elapsed().as_secs_f64());
    if !status.success() {
        bail!("{line}: {status}");
    }
    Ok(())
}

/// True if the program starts and exits 0 with these arguments.
pub(crate) fn works(program: &str, args: &[&str]) -> bool {
    let status =
        Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|it| it.success())
}

/// The standard output of a program.
///
/// # Errors
/// If it cannot start or exits other than 0.
pub(crate) fn output(program: &str, args: &[&str]) -> Result<String> {
    let out = Command::new(program)
        .args(args)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{program} did not start"))?;
    if !out.status.success() {
        bail!("{program} {}: {}", args.join(" "), out.status);
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}
