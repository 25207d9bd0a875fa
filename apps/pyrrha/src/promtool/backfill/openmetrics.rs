//! `create-blocks-from openmetrics`: blocks of history from a page of samples.
//!
//! The page is read once to see which blocks there will be, and once for each of them, so that memory
//! holds the samples of one block only.

use std::collections::BTreeSet;
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Command};
use exposition::{Entry, Parser, TextFormat};
use model::LabelsBuilder;
use stdx::{Directory, SystemDirectory};
use tsdb::backfill::Backfill;

use super::super::text;
use super::Target;

pub(super) fn command() -> Command {
    let labels = Arg::new("label")
        .long("label")
        .action(ArgAction::Append)
        .help("Label to attach to every series, as name=value. Can be repeated.");
    Command::new("openmetrics")
        .about("Import samples from OpenMetrics input and produce TSDB blocks.")
        .arg(labels)
        .arg(Arg::new("input").required(true).help("OpenMetrics file to read samples from."))
        .arg(Arg::new("output").default_value("data/").help("Output directory for blocks."))
}

pub(super) fn main(matches: &ArgMatches) -> Result<(), String> {
    let input = Path::new(text(matches, "input"));
    let mut target = Target::new(matches, text(matches, "output"))?;
    let added = added_labels(matches)?;
    let page = SystemDirectory::new("").map(input);
    let page = page.map_err(|error| format!("{}: {error}", input.display()))?;
    let page = Page { bytes: &page, added: &added, range_ms: target.range_ms };
    target.create()?;
    let starts =
        page.block_starts().map_err(|error| format!("getting min and max timestamp: {error}"))?;
    for start in starts {
        let block = page.block(start).map_err(|error| format!("block creation: {error}"))?;
        if let Some(block) = target.write(block)? {
            target.show(&block, matches.get_flag("human"));
        }
    }
    Ok(())
}

fn added_labels(matches: &ArgMatches) -> Result<Vec<(String, String)>, String> {
    let all = matches.get_many::<String>("label").into_iter().flatten();
    let pair = |it: &String| {
        let (name, value) = it
            .split_once('=')
            .ok_or_else(|| format!("expected name=value got {}", model::quote(it)))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    all.map(pair).collect()
}

/// The page, and how it is cut.
struct Page<'a> {
    bytes: &'a [u8],
    added: &'a [(String, String)],
    range_ms: i64,
}

impl Page<'_> {
    /// The starts of the blocks that have samples.
    fn block_starts(&self) -> Result<BTreeSet<i64>, String> {
        let mut starts = BTreeSet::new();
        self.each(|_, _, t, _| {
            starts.insert(self.start_of(t));
            Ok(())
        })?;
        Ok(starts)
    }

    /// The samples of the block that starts there.
    fn block(&self, start: i64) -> Result<Backfill, String> {
        let (mut block, mut builder) = (Backfill::default(), LabelsBuilder::default());
        self.each(|parser, raw, t, v| {
            if self.start_of(t) != start {
                return Ok(());
            }
            parser.labels_into(raw, &mut builder).map_err(|error| error.to_string())?;
            for (name, value) in self.added {
                builder.set(name, value);
            }
            block.add(&builder.labels(), t, v).map_err(|error| format!("add sample: {error}"))
        })?;
        Ok(block)
    }

    fn start_of(&self, t: i64) -> i64 {
        t.div_euclid(self.range_ms).saturating_mul(self.range_ms)
    }

    fn each(
        &self,
        mut each: impl FnMut(&Parser<'_>, &[u8], i64, f64) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut parser = Parser::new(self.bytes, TextFormat::OpenMetrics);
        while let Some(entry) = parser.next() {
            let Entry::Series(it) = entry.map_err(|error| format!("next: {error}"))? else {
                continue;
            };
            let Some(t) = it.t else {
                let series = String::from_utf8_lossy(it.raw);
                return Err(format!("expected timestamp for series {series}, got none"));
            };
            each(&parser, it.raw, t, it.value)?;
        }
        Ok(())
    }
}
