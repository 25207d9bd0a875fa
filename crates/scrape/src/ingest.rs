//! From a page to samples.
//!
//! The steady path of [`Ingest::page`]: the entry of the cache at this place has the hash of the next line, so
//! its number is read and appended by reference. Any other line is parsed, looked up among all
//! entries (it may have moved), and only if it is new are its labels read, relabelled and stored. From the
//! first such line on a new list of entries is built, which replaces the old one at the end.

mod append;
mod rebuild;
mod sample;

use std::collections::{HashMap, HashSet};
use std::mem::take;

use exposition::{AnyParser, Entry as Statement, Format, Line, PageSample, Parser, Reading};
use model::{LabelsBuilder, SeriesRef};
use storage::Appender;

use crate::beside::Current;
use crate::cache::{Cache, Entry, Kind, end, hash};
use crate::job::Job;
use crate::metadata::Interner;
use crate::target::Target;
use rebuild::Rebuild;
pub(crate) use sample::Sample;

/// What a scrape did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Samples of the page.
    pub(crate) scraped: usize,
    /// Those that relabelling kept.
    pub(crate) kept: usize,
    /// Those of series that the cache did not know.
    pub(crate) added: usize,
    pub(crate) out_of_order: usize,
    pub(crate) duplicate: usize,
    pub(crate) out_of_bounds: usize,
    /// Refused by a limit of the database.
    pub(crate) limited: usize,
    pub(crate) exemplars_out_of_order: usize,
}

/// Why a page is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    SampleLimit,
    BucketLimit,
    LabelLimit(String),
    /// Not in its format, or a series that cannot be.
    Page(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SampleLimit => f.write_str("sample limit exceeded"),
            Self::BucketLimit => f.write_str("histogram bucket limit exceeded"),
            Self::LabelLimit(text) | Self::Page(text) => f.write_str(text),
        }
    }
}

/// A page ahead of the scrape's time by more than this is not believed.
const AHEAD_MS_MAX: i64 = 10 * 60 * 1000;

/// Entries behind the expected one that are looked at before all are.
const LOOK_AHEAD: usize = 16;

/// Reads one page.
pub(crate) struct Ingest<'a> {
    pub(crate) job: &'a Job,
    target: &'a Target,
    pub(crate) cache: &'a mut Cache,
    interner: &'a Interner,
    pub(crate) appender: &'a mut dyn Appender,
    /// The scrape's time.
    t: i64,
    pub(crate) counts: Counts,
    /// Why a limit refused a sample, if one did.
    pub(crate) refusal: Option<String>,
    /// Whether entries of the cache tell anything about this page.
    comparable: bool,
    over_limit: bool,
    /// A histogram has too many buckets.
    over_buckets: bool,
    rebuild: Option<Rebuild>,
    /// Series that ended although their line is still there.
    ended: Vec<SeriesRef>,
    /// Entries of the cache whose `live` this page has turned: to be turned back if it fails.
    turned: Vec<usize>,
    /// An old entry without a series has got one.
    named: bool,
    pub(crate) exposed: LabelsBuilder,
    pub(crate) family: Current,
}

impl<'a> Ingest<'a> {
    pub(crate) fn new(
        job: &'a Job,
        target: &'a Target,
        cache: &'a mut Cache,
        interner: &'a Interner,
        appender: &'a mut dyn Appender,
        t: i64,
    ) -> Self {
        Self {
            job,
            target,
            cache,
            interner,
            appender,
            t,
            counts: Counts::default(),
            refusal: None,
            comparable: false,
            over_limit: false,
            over_buckets: false,
            rebuild: None,
            ended: Vec::new(),
            turned: Vec::new(),
            named: false,
            exposed: LabelsBuilder::default(),
            family: Current::default(),
        }
    }

    /// Appends the samples of a page, and markers for series that ended.
    ///
    /// # Errors
    /// Nothing that was appended may be committed. The cache is as before; the caller ends all series.
    pub(crate) fn page(&mut self, page: &[u8], format: Format) -> Result<(), Failure> {
        self.comparable = self.cache.format == Some(format);
        let reading = self.reading();
        let read = match format {
            Format::Text(format) if self.is_plain(reading) => {
                self.lines(page, &mut Parser::new(page, format))
            }
            _ => self.any_lines(&mut AnyParser::new(page, format, reading)),
        };
        let read = read.and_then(|at| match (self.over_limit, self.over_buckets) {
            (true, _) => Err(Failure::SampleLimit),
            (_, true) => Err(Failure::BucketLimit),
            _ => Ok(at),
        });
        match read {
            Err(failure) => {
                self.cache.clear_seen();
                for at in take(&mut self.turned) {
                    self.cache.entries[at].live ^= true;
                }
                Err(failure)
            }
            Ok(_) if self.counts.scraped == 0 => {
                self.cache.clear_seen();
                self.cache.end_all(self.appender, self.t);
                Ok(())
            }
            Ok(at) => {
                self.cache.format = Some(format);
                self.finish(at);
                Ok(())
            }
        }
    }

    fn reading(&self) -> Reading {
        let crate::job::Histograms { native, classic, convert } = self.target.histograms;
        Reading {
            native,
            classic,
            convert,
            start_times: self.job.starts.is_any(),
            type_and_unit: self.job.type_and_unit_labels,
        }
    }

    /// True if the lines of a text page are all that is wanted of it.
    fn is_plain(&self, reading: Reading) -> bool {
        let Reading { convert, start_times, type_and_unit, .. } = reading;
        !(convert || start_times || type_and_unit || self.job.starts.synthesised)
    }

    /// Reads all lines; returns the place in the old entries behind the last one that was found.
    fn lines(&mut self, page: &[u8], parser: &mut Parser<'_>) -> Result<usize, Failure> {
        let mut at = 0;
        loop {
            parser.skip_empty_lines();
            if self.comparable
                && let Some(entry) = self.cache.entries.get(at).copied()
                && self.step(parser, entry, at)?
            {
                at += 1;
                continue;
            }
            let start = parser.offset();
            let Some(statement) = parser.next() else { return Ok(at) };
            let statement = statement.map_err(|error| Failure::Page(error.message))?;
            self.begin_rebuild(at);
            match statement {
                Statement::Series(series) => {
                    self.moved_series(Sample::Text(&series, parser), &mut at)?;
                }
                other => {
                    let line = other.as_line(parser.format());
                    self.moved_line(line, &page[start..parser.offset()], &mut at);
                }
            }
        }
    }

    /// As [`Ingest::lines`], for pages of any format.
    fn any_lines(&mut self, parser: &mut AnyParser<'_>) -> Result<usize, Failure> {
        let (mut sample, mut at) = (PageSample::default(), 0);
        while let Some(line) = parser.next(&mut sample) {
            let line = line.map_err(|error| Failure::Page(error.message))?;
            let is_sample = line == Line::Sample;
            self.over_buckets |=
                is_sample && !sample::fit(&mut sample.value, self.job.histogram_limits);
            let entry = self.cache.entries.get(at).copied().filter(|entry| {
                let is_line = matches!(entry.kind, Kind::Line(_));
                self.comparable
                    && is_line != is_sample
                    && entry.bytes() == sample.raw.len()
                    && entry.hash == hash(&sample.raw)
            });
            match entry {
                Some(mut entry) => {
                    if is_sample {
                        entry = self.known_series(Sample::Any(&sample), entry)?;
                    } else {
                        self.enter_family(entry, false);
                    }
                    self.keep(entry, at);
                    at += 1;
                }
                None => {
                    self.begin_rebuild(at);
                    if is_sample {
                        self.moved_series(Sample::Any(&sample), &mut at)?;
                    } else {
                        self.moved_line(line, &sample.raw, &mut at);
                    }
                }
            }
        }
        Ok(at)
    }

    /// Takes the next line if it is the one that `entry`, at `at`, stands for.
    fn step(&mut self, parser: &mut Parser<'_>, entry: Entry, at: usize) -> Result<bool, Failure> {
        let len = entry.bytes();
        if let Kind::Line(kind) = entry.kind {
            let same = parser.peek_line(len).is_some_and(|it| hash(it) == entry.hash);
            if same {
                parser.skip_line(len, kind);
                self.enter_family(entry, false);
                self.keep(entry, at);
            }
            return Ok(same);
        }
        if parser.peek(len).is_none_or(|it| hash(it) != entry.hash) {
            return Ok(false);
        }
        let Some(series) = parser.known(len) else { return Ok(false) };
        let sample = Sample::Text(&series, parser);
        let entry = match self.steady(&series, entry) {
            Some(Ok(_)) => return Ok(true),
            Some(Err(error)) => self.settle(sample, entry, Err(error))?,
            None => self.known_series(sample, entry)?,
        };
        self.keep(entry, at);
        Ok(true)
    }

    /// Notes that the line of an old entry is in the page: in place, or in the new list.
    fn keep(&mut self, entry: Entry, at: usize) {
        let old = &mut self.cache.entries[at];
        if old.live && !entry.live {
            self.ended.extend(old.series());
        }
        match &mut self.rebuild {
            None => {
                if old.live != entry.live {
                    self.turned.push(at);
                }
                *old = entry;
            }
            Some(rebuild) => {
                old.seen = true;
                rebuild.entries.push(Entry { seen: false, ..entry });
            }
        }
    }

    /// Ends the series that are gone and puts the new list in place. `at`: behind the last old entry found.
    fn finish(&mut self, at: usize) {
        if self.rebuild.is_none() && at < self.cache.entries.len() {
            self.begin_rebuild(at);
        }
        if let Some(rebuild) = self.rebuild.take() {
            self.replace(rebuild);
            self.named = true;
        }
        if self.named {
            join_twins(&mut self.cache.entries);
        }
        for series in take(&mut self.ended) {
            end(self.appender, series, self.t);
        }
        if self.cache.families_missing {
            self.age_families();
        }
    }

    fn age_families(&mut self) {
        let shown: HashSet<usize> = self.cache.entries.iter().filter_map(Entry::slot).collect();
        let missing = self.cache.families().age(|slot| shown.contains(&slot));
        self.cache.families_missing = missing;
    }
}

/// Gives lines without a series that of an equal line further down, whose sample storage took. The first of
/// the equal lines is then the series' own and the others are duplicates, as if the first had been taken.
fn join_twins(entries: &mut [Entry]) {
    let is_series = |it: &&mut Entry| it.kind == Kind::Series;
    let mut unnamed: HashMap<u64, u64, foldhash::fast::FixedState> = HashMap::default();
    for entry in entries.iter_mut().filter(is_series).filter(|it| it.number == 0) {
        unnamed.insert(entry.hash, 0);
    }
    if unnamed.is_empty() {
        return;
    }
    for entry in entries.iter_mut().filter(is_series).filter(|it| it.number != 0) {
        unnamed.entry(entry.hash).and_modify(|number| *number = entry.number);
    }
    let mut first = HashSet::new();
    for entry in entries.iter_mut().filter(is_series) {
        if let Some(&number) = unnamed.get(&entry.hash).filter(|it| **it != 0) {
            entry.number = number;
            entry.duplicate = !first.insert(entry.hash);
        }
    }
}
