//! `promtool check config` and `check rules`: what `config::check` finds, printed.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use clap::ArgMatches;
use config::check::{CheckOptions, Line, Report, config_files, rule_files, rules_text};
use stdx::SystemDirectory;

use super::{LINT, files, text};

/// Lookback of a server without flags: a job scraped more rarely has gaps in graphs.
const LOOKBACK_MS: i64 = 5 * 60 * 1000;

/// Checks configurations, and the rule files that they name.
pub(super) fn config(matches: &ArgMatches) -> ExitCode {
    check(matches, matches.get_flag("syntax-only"), |options| {
        let files = files(matches);
        let paths: Vec<&Path> = files.iter().map(Path::new).collect();
        config_files(&paths, &SystemDirectory::new(""), options)
    })
}

/// Checks rule files; without any, standard input.
pub(super) fn rules(matches: &ArgMatches) -> ExitCode {
    check(matches, false, |options| {
        let files = files(matches);
        if files.is_empty() {
            let mut text = Vec::new();
            // What could not be read is missing from the text, and the check says what it makes of the rest.
            let _ = std::io::stdin().read_to_end(&mut text);
            return rules_text(&text, options);
        }
        let paths: Vec<&Path> = files.iter().map(Path::new).collect();
        rule_files(&paths, &SystemDirectory::new(""), options)
    })
}

fn check(
    matches: &ArgMatches,
    syntax_only: bool,
    run: impl FnOnce(&CheckOptions<'_>) -> Report,
) -> ExitCode {
    let env = |name: &str| std::env::var(name).ok();
    let mut options = CheckOptions {
        load: config::Options { env: &env, ..config::Options::default() },
        rules: config::rules::Options::default(),
        syntax_only,
        lint_duplicate_rules: false,
        lint_scrape_interval_ms: None,
    };
    for name in text(matches, "lint").split(',') {
        match name {
            "all" => {
                (options.lint_duplicate_rules, options.lint_scrape_interval_ms) =
                    (true, Some(LOOKBACK_MS))
            }
            "duplicate-rules" => options.lint_duplicate_rules = true,
            "too-long-scrape-interval" => options.lint_scrape_interval_ms = Some(LOOKBACK_MS),
            "none" => {}
            _ => {
                eprintln!("unknown lint check {name:?}");
                return ExitCode::from(2);
            }
        }
    }
    let report = run(&options);
    for line in &report.lines {
        match line {
            Line::Out(text) => println!("{text}"),
            Line::Err(text) => eprintln!("{text}"),
        }
    }
    match (report.has_errors, report.has_lint && matches.get_flag("lint-fatal")) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(LINT),
        (false, false) => ExitCode::SUCCESS,
    }
}
