//! `promtool check config` and `check rules`: what `config::check` finds, printed.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::ArgMatches;
use config::check::{CheckOptions, Line, Report, config_files, rule_files, rules_text};
use httpserver::Guard;
use stdx::SystemDirectory;

use super::http_api::{HttpApi, block_on};
use super::{LINT, files, text};

/// Checks configurations, and the rule files that they name.
pub(super) fn config(matches: &ArgMatches) -> ExitCode {
    let (syntax_only, agent) = (matches.get_flag("syntax-only"), matches.get_flag("agent"));
    check(matches, |options| {
        let load = config::Options { agent, ..options.load };
        let options = &CheckOptions { syntax_only, load, ..*options };
        let files = files(matches);
        let paths: Vec<&Path> = files.iter().map(Path::new).collect();
        config_files(&paths, &SystemDirectory::new(""), options)
    })
}

/// Checks rule files; without any, standard input.
pub(super) fn rules(matches: &ArgMatches) -> ExitCode {
    check(matches, |options| {
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

/// Checks files for `--web.config.file`, and the certificates that they name.
pub(super) fn web_configs(matches: &ArgMatches) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for file in files(matches) {
        match Guard::new(&file) {
            Ok(_) => eprintln!("{file} SUCCESS"),
            Err(why) => {
                eprintln!("{file} FAILED: {why}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

/// How long a server may take to say how it is.
const STATUS_TIMEOUT: Duration = Duration::from_secs(10);

/// Asks a server how it is: `path` is `/-/healthy` or `/-/ready`.
pub(super) fn status(matches: &ArgMatches, path: &str) -> ExitCode {
    let (server, config_file) = (text(matches, "url"), text(matches, "http.config.file"));
    let api = HttpApi::new(server, config_file);
    match api.and_then(|api| block_on(api.page(path, STATUS_TIMEOUT))) {
        Ok(page) => {
            eprintln!("  SUCCESS:  {page}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn check(matches: &ArgMatches, run: impl FnOnce(&CheckOptions<'_>) -> Report) -> ExitCode {
    let env = |name: &str| std::env::var(name).ok();
    let ignore_unknown_fields = matches.get_flag("ignore-unknown-fields");
    // A job scraped more rarely than this has gaps in graphs.
    let lookback_ms = match model::duration::parse(text(matches, "query.lookback-delta")) {
        Ok(it) => it,
        Err(why) => {
            eprintln!("--query.lookback-delta: {why}");
            return ExitCode::from(2);
        }
    };
    let mut options = CheckOptions {
        load: config::Options { ignore_unknown_fields, env: &env, ..config::Options::default() },
        rules: config::rules::Options { ignore_unknown_fields, ..Default::default() },
        syntax_only: false,
        lint_duplicate_rules: false,
        lint_scrape_interval_ms: None,
    };
    for name in text(matches, "lint").split(',') {
        match name {
            "all" => {
                (options.lint_duplicate_rules, options.lint_scrape_interval_ms) =
                    (true, Some(lookback_ms))
            }
            "duplicate-rules" => options.lint_duplicate_rules = true,
            "too-long-scrape-interval" => options.lint_scrape_interval_ms = Some(lookback_ms),
            "none" => {}
            _ => println!("WARNING: unknown lint option {name}"),
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
