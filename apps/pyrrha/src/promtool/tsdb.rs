//! `promtool tsdb`: looks into a data directory without changing it, and makes blocks.

use std::io::{BufWriter, Write};
use std::process::ExitCode;
use std::sync::Arc;

use block::Block;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use model::Matcher;
use stdx::{SystemClock, SystemDirectory};
use storage::Queryable;
use tsdb::Db;
use tsdb::dump::Format;

use super::{backfill, bench, text};

/// Where data lies unless told otherwise.
const PATH: &str = "data/";

pub(super) fn command() -> Command {
    let path = || Arg::new("path").default_value(PATH).help("Database path.");
    let number = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_parser(value_parser!(i64))
            .allow_negative_numbers(true)
            .help(help)
    };
    let matchers = |default| {
        Arg::new("match")
            .long("match")
            .action(ArgAction::Append)
            .default_value(default)
            .help("Series selector.")
    };
    let dump = |name: &'static str, about: &'static str| {
        Command::new(name)
            .about(about)
            .arg(
                Arg::new("sandbox")
                    .long("sandbox-dir-root")
                    .help("No meaning here: data is read where it lies, and nothing is written."),
            )
            .arg(number("min-time", "Minimum timestamp to dump, in milliseconds."))
            .arg(number("max-time", "Maximum timestamp to dump, in milliseconds."))
            .arg(matchers("{__name__=~'(?s:.*)'}"))
            .arg(path())
    };
    Command::new("tsdb")
        .about("Run tsdb commands.")
        .subcommand_required(true)
        .subcommand(
            Command::new("list").about("List tsdb blocks.").arg(path()).arg(
                Arg::new("human")
                    .short('r')
                    .long("human-readable")
                    .action(ArgAction::SetTrue)
                    .help("Print human readable values."),
            ),
        )
        .subcommand(
            Command::new("analyze")
                .about("Analyze churn, label pair cardinality and compaction efficiency.")
                .arg(
                    Arg::new("limit")
                        .long("limit")
                        .default_value("20")
                        .value_parser(value_parser!(usize))
                        .help("How many items to show in each list."),
                )
                .arg(
                    Arg::new("extended")
                        .long("extended")
                        .action(ArgAction::SetTrue)
                        .help("Run extended analysis."),
                )
                .arg(Arg::new("match").long("match").help("Series selector to analyze."))
                .arg(path())
                .arg(Arg::new("block").help("Block to analyze (default is the last block).")),
        )
        .subcommand(
            dump("dump", "Dump data (series+samples or optionally just series) from a TSDB.").arg(
                Arg::new("format")
                    .long("format")
                    .value_parser(["prom", "seriesjson"])
                    .default_value("prom")
                    .help("Output format: samples as text, or the series as JSON."),
            ),
        )
        .subcommand(dump(
            "dump-openmetrics",
            "Dump samples from a TSDB into OpenMetrics text format, excluding native histograms.",
        ))
        .subcommand(backfill::command())
        .subcommand(bench::command())
}

pub(super) fn main(matches: &ArgMatches) -> ExitCode {
    let (name, matches) = matches.subcommand().expect("clap asks for a subcommand");
    let result = match name {
        "list" => list(matches),
        "analyze" => analyze(matches),
        "create-blocks-from" => backfill::main(matches),
        "bench" => bench::main(matches),
        "dump-openmetrics" => dump(matches, Format::OpenMetrics),
        _ if text(matches, "format") == "seriesjson" => dump(matches, Format::SeriesJson),
        _ => dump(matches, Format::Text),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn open(matches: &ArgMatches) -> Result<Db, String> {
    let directory = SystemDirectory::new(text(matches, "path"));
    Db::open_read_only(Arc::new(directory), Arc::new(SystemClock::default()))
        .map_err(|error| error.to_string())
}

fn list(matches: &ArgMatches) -> Result<(), String> {
    let blocks = open(matches)?.blocks();
    print!("{}", tsdb::list::list(blocks.iter().map(Arc::as_ref), matches.get_flag("human")));
    Ok(())
}

fn analyze(matches: &ArgMatches) -> Result<(), String> {
    let blocks = open(matches)?.blocks();
    let wanted = text(matches, "block");
    let is_wanted = |it: &&Arc<Block>| wanted.is_empty() || it.meta().ulid.to_string() == wanted;
    let block = blocks.iter().rfind(is_wanted);
    let block = block.ok_or_else(|| {
        if wanted.is_empty() {
            "no blocks found".into()
        } else {
            format!("block {wanted} not found")
        }
    })?;
    let matchers = match text(matches, "match") {
        "" => Vec::new(),
        selector => promql::parse_selector(selector).map_err(|error| error.to_string())?,
    };
    let limit = *matches.get_one::<usize>("limit").expect("it has a default");
    let extended = matches.get_flag("extended");
    print!(
        "{}",
        tsdb::analyze::analyze(block, &matchers, limit, extended)
            .map_err(|error| error.to_string())?
    );
    Ok(())
}

fn dump(matches: &ArgMatches, format: Format) -> Result<(), String> {
    let db = open(matches)?;
    let time = |name: &str, default: i64| matches.get_one::<i64>(name).copied().unwrap_or(default);
    let (mint, maxt) = (time("min-time", i64::MIN), time("max-time", i64::MAX));
    let selectors = matches.get_many::<String>("match").into_iter().flatten();
    let selectors: Result<Vec<Vec<Matcher>>, String> =
        selectors.map(|it| promql::parse_selector(it).map_err(|error| error.to_string())).collect();
    let querier = db.querier(mint, maxt).map_err(|error| error.to_string())?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    tsdb::dump::dump(querier.as_ref(), mint, maxt, &selectors?, format, &mut out)
        .map_err(|error| error.to_string())?;
    out.flush().map_err(|error| error.to_string())
}
