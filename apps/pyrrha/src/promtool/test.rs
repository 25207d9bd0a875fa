//! `promtool test promql`: runs PromQL test scripts. Ours; upstream has it in its own tests only.

use std::fs;
use std::process::ExitCode;
use std::sync::Arc;

use promqltest::{Options, Report, run_file};
use stdx::SystemClock;

/// Runs the scripts, prints what failed and the counts.
pub(super) fn promql(files: &[String]) -> ExitCode {
    let options = Options { clock: Arc::new(SystemClock::default()) };
    let mut report = Report::default();
    for file in files {
        match fs::read_to_string(file) {
            Ok(text) => run_file(file, &text, &options, &mut report),
            Err(error) => {
                eprintln!("{file}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    print!("{report}");
    if report.failures().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
