//! `pyrrha promtool`: checks, queries, and tools for the database.
//!
//! Exit codes as upstream: 0 fine, 1 failure, 3 lint findings, 2 a mistake on the command line.

mod backfill;
mod bench;
mod check;
mod discovery;
mod http_api;
mod lint;
mod query;
mod test;
mod tsdb;

use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};

/// Found something that is legal and still wrong.
const LINT: u8 = 3;

/// Runs `promtool` with its arguments, its own name first.
pub(crate) fn main(args: Vec<String>) -> ExitCode {
    let matches = command().get_matches_from(args);
    match matches.subcommand() {
        Some(("check", matches)) => check(matches),
        Some(("query", matches)) => query::main(matches),
        Some(("tsdb", matches)) => tsdb::main(matches),
        Some(("test", matches)) => match matches.subcommand() {
            Some(("promql", matches)) => test::promql(&files(matches)),
            _ => unreachable!("clap asks for a subcommand"),
        },
        _ => unreachable!("clap asks for a subcommand"),
    }
}

fn command() -> Command {
    let group = |name, about| Command::new(name).about(about).subcommand_required(true);
    Command::new("promtool")
        .about("Tooling for the Prometheus monitoring system.")
        .version(crate::VERSION)
        .subcommand_required(true)
        .subcommand(
            group("check", "Check the resources for validity.")
                .arg(
                    Arg::new("query.lookback-delta")
                        .long("query.lookback-delta")
                        .default_value("5m")
                        .global(true)
                        .help("The server's maximum query lookback duration."),
                )
                .subcommand(
                    Command::new("config")
                        .about("Check if the config files are valid or not.")
                        .arg(switch("syntax-only").help("Only check the config file syntax."))
                        .arg(lint_arg("duplicate-rules"))
                        .arg(switch("lint-fatal").help("Make lint errors exit with exit code 3."))
                        .arg(unknown_fields_arg())
                        .arg(switch("agent").help("Check config file for Prometheus in Agent mode."))
                        .arg(files_arg().required(true)),
                )
                .subcommand(
                    Command::new("web-config")
                        .about("Check if the web config files are valid or not.")
                        .arg(files_arg().required(true)),
                )
                .subcommand(
                    Command::new("rules")
                        .about("Check if the rule files are valid or not.")
                        .arg(lint_arg("duplicate-rules"))
                        .arg(switch("lint-fatal").help("Make lint errors exit with exit code 3."))
                        .arg(unknown_fields_arg())
                        .arg(files_arg()),
                )
                .subcommand(
                    Command::new("metrics")
                        .about("Pass Prometheus metrics over stdin to lint them for consistency and correctness.")
                        .arg(switch("extended").help("Print extended information related to the cardinality."))
                        .arg(lint_arg("all")),
                )
                .subcommand(discovery::command())
                .subcommand(status_command("healthy", "Check if the Prometheus server is healthy."))
                .subcommand(status_command("ready", "Check if the Prometheus server is ready.")),
        )
        .subcommand(query::command())
        .subcommand(tsdb::command())
        .subcommand(group("test", "Unit testing.").subcommand(
            Command::new("promql").about("Run PromQL test scripts.").arg(files_arg().required(true)),
        ))
}

fn check(matches: &ArgMatches) -> ExitCode {
    match matches.subcommand() {
        Some(("config", matches)) => check::config(matches),
        Some(("web-config", matches)) => check::web_configs(matches),
        Some(("rules", matches)) => check::rules(matches),
        Some(("metrics", matches)) => {
            lint::metrics(matches.get_flag("extended"), text(matches, "lint"))
        }
        Some(("service-discovery", matches)) => discovery::main(matches),
        Some(("healthy", matches)) => check::status(matches, "/-/healthy"),
        Some(("ready", matches)) => check::status(matches, "/-/ready"),
        _ => unreachable!("clap asks for a subcommand"),
    }
}

fn switch(name: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue)
}

fn status_command(name: &'static str, about: &'static str) -> Command {
    let url = Arg::new("url").long("url").default_value("http://localhost:9090");
    let url = url.help("The URL for the Prometheus server.");
    Command::new(name).about(about).arg(url).arg(http_api::config_arg())
}

fn unknown_fields_arg() -> Arg {
    switch("ignore-unknown-fields").help("Ignore unknown fields in the files.")
}

fn lint_arg(default: &'static str) -> Arg {
    Arg::new("lint")
        .long("lint")
        .default_value(default)
        .help("Linting checks to apply; none for no check.")
}

fn files_arg() -> Arg {
    Arg::new("files").value_name("FILE").num_args(0..)
}

fn files(matches: &ArgMatches) -> Vec<String> {
    matches.get_many::<String>("files").map_or_else(Vec::new, |it| it.cloned().collect())
}

fn text<'a>(matches: &'a ArgMatches, name: &str) -> &'a str {
    matches.get_one::<String>(name).map_or("", String::as_str)
}
