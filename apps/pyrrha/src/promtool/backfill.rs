//! `promtool tsdb create-blocks-from`: blocks of history from what is no database.

mod openmetrics;
mod rules;

use std::path::Path;

use block::Block;
use clap::{Arg, ArgMatches, Command};
use stdx::{Clock, Directory, SystemClock, SystemDirectory};
use tsdb::backfill::Backfill;

use super::{switch, text};

/// Blocks are this long, unless longer ones are allowed.
const RANGE_MS: i64 = tsdb::BLOCK_RANGE_MS_DEFAULT;
/// Longer ones are so many times as long, and so on.
const RANGE_FACTOR: i64 = 10;

pub(super) fn command() -> Command {
    Command::new("create-blocks-from")
        .about("Import samples from input and produce TSDB blocks.")
        .subcommand_required(true)
        .arg(
            switch("human")
                .short('r')
                .long("human-readable")
                .global(true)
                .help("Print human readable values."),
        )
        .arg(switch("quiet").short('q').global(true).help("Do not print created blocks."))
        .arg(
            Arg::new("max-block-duration")
                .long("max-block-duration")
                .hide(true)
                .global(true)
                .default_value("2h"),
        )
        .subcommand(openmetrics::command())
        .subcommand(rules::command())
}

pub(super) fn main(matches: &ArgMatches) -> Result<(), String> {
    match matches.subcommand() {
        Some(("openmetrics", matches)) => openmetrics::main(matches),
        Some(("rules", matches)) => rules::main(matches),
        _ => unreachable!("clap asks for a subcommand"),
    }
}

/// Where blocks go.
struct Target {
    directory: SystemDirectory,
    /// Blocks start at multiples of it.
    range_ms: i64,
    is_quiet: bool,
    has_header: bool,
}

impl Target {
    fn new(matches: &ArgMatches, folder: &str) -> Result<Self, String> {
        let max_ms = model::duration::parse(text(matches, "max-block-duration"))?;
        Ok(Self {
            directory: SystemDirectory::new(folder),
            range_ms: range_ms(max_ms),
            is_quiet: matches.get_flag("quiet"),
            has_header: false,
        })
    }

    fn create(&self) -> Result<(), String> {
        let created = self.directory.create_dir_all(Path::new(""));
        created.map_err(|error| format!("create output dir: {error}"))
    }

    /// `None` if there are no samples.
    fn write(&self, samples: Backfill) -> Result<Option<Block>, String> {
        let now = SystemClock::default().now_ms();
        let written = samples.write(&self.directory, now, self.range_ms);
        let written = written.map_err(|error| format!("block creation: {error}"))?;
        let open = |it: block::Meta| Block::open(&self.directory, Path::new(&it.ulid.to_string()));
        written.map(open).transpose().map_err(|error| error.to_string())
    }

    /// Prints a block, unless nothing is to be printed.
    fn show(&mut self, block: &Block, human: bool) {
        if self.is_quiet {
            return;
        }
        let table = tsdb::list::list([block], human);
        table.lines().skip(usize::from(self.has_header)).for_each(|line| println!("{line}"));
        self.has_header = true;
    }
}

/// The longest range that is allowed.
fn range_ms(max_ms: i64) -> i64 {
    let all = std::iter::successors(Some(RANGE_MS), |it| it.checked_mul(RANGE_FACTOR));
    all.take_while(|it| *it <= max_ms).last().unwrap_or(RANGE_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_grow_by_tens() {
        let hour = 3_600_000;
        for (max, range) in [(0, 2), (2, 2), (19, 2), (20, 20), (199, 20), (200, 200)] {
            assert_eq!(range_ms(max * hour), range * hour);
        }
    }
}
