//! From a page to samples.
//!
//! The steady path of [`Ingest::page`]: the entry of the cache at this place has the hash of the next line, so
//! its number is read and appended by reference. Any other line is parsed, looked up among all
//! entries (it may have moved), and only if it is new are its labels read, relabelled and stored. From the
//! first such line on a new list of entries is built, which replaces the old one at the end.

use std::collections::{HashMap, HashSet};
use std::mem::take;

use exposition::{Entry as Statement, Parser, Series, TextFormat, unescape_help};
use model::{LabelsBuilder, SeriesRef};
use storage::{AppendError, Appender};

use crate::beside::Current;
use crate::cache::{Cache, Entry, Kind, NO_SLOT, end, hash};
use crate::job::Job;
use crate::labels;
use crate::metadata::{Family, FamilyEdits, Interner};
use crate::target::Target;

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
    LabelLimit(String),
    /// Not in its format, or a series that cannot be.
    Page(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SampleLimit => f.write_str("sample limit exceeded"),
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

/// The entries of a page that is not like the one before.
#[derive(Default)]
struct Rebuild {
    entries: Vec<Entry>,
    /// The series of lines in `entries`, by hash: a line that comes twice is a duplicate.
    series: HashMap<u64, u64, foldhash::fast::FixedState>,
    /// Old entries by hash; filled when it is first needed.
    index: Option<HashMap<u64, usize, foldhash::fast::FixedState>>,
    families: Option<FamilyEdits>,
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
    pub(crate) fn page(&mut self, page: &[u8], format: TextFormat) -> Result<(), Failure> {
        self.comparable = self.cache.format == Some(format);
        let mut parser = Parser::new(page, format);
        let read = self
            .lines(page, &mut parser)
            .and_then(|at| if self.over_limit { Err(Failure::SampleLimit) } else { Ok(at) });
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
                Statement::Series(series) => self.moved_series(parser, series, &mut at)?,
                other => self.moved_line(other, &page[start..parser.offset()], parser, &mut at),
            }
        }
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
        let entry = self.known_series(parser, series, entry)?;
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

    /// Starts the new list with the old entries below `at`, all of which were found.
    fn begin_rebuild(&mut self, at: usize) {
        if self.rebuild.is_some() {
            return;
        }
        let mut rebuild = Rebuild::default();
        rebuild.entries.extend_from_slice(&self.cache.entries[..at]);
        let series = rebuild.entries.iter().filter(|it| it.series().is_some());
        rebuild.series.extend(series.map(|it| (it.hash, it.number)));
        self.cache.entries[..at].iter_mut().for_each(|it| it.seen = true);
        self.rebuild = Some(rebuild);
    }

    /// Finds the old entry of a line that is not where it was.
    fn find(&mut self, hash: u64, len: usize, from: usize) -> Option<usize> {
        if !self.comparable {
            return None;
        }
        let entries = &self.cache.entries;
        let same = |it: &Entry| it.hash == hash && it.bytes() == len;
        let near = entries.iter().skip(from).take(LOOK_AHEAD).position(same);
        if let Some(near) = near {
            return Some(from + near);
        }
        let index = self.rebuild.as_mut()?.index.get_or_insert_with(|| {
            // Of equal lines the first one counts: it is the one that is no duplicate.
            entries.iter().enumerate().rev().map(|(at, entry)| (entry.hash, at)).collect()
        });
        index.get(&hash).copied().filter(|it| same(&entries[*it]))
    }

    fn moved_series(
        &mut self,
        parser: &Parser<'_>,
        series: Series<'_>,
        at: &mut usize,
    ) -> Result<(), Failure> {
        let (hash, len) = (hash(series.raw), series.raw.len());
        let found = self
            .find(hash, len, *at)
            .filter(|it| !matches!(self.cache.entries[*it].kind, Kind::Line(_)));
        if let Some(found) = found {
            let old = self.cache.entries[found];
            *at = if old.seen { *at } else { found + 1 };
            let entry = self.known_series(parser, series, old)?;
            self.keep(entry, found);
            return Ok(());
        }
        // New, or for the second time in a page where it is new.
        let twin = self.rebuild.as_ref().and_then(|it| it.series.get(&hash)).copied();
        let twin = twin.and_then(|number| Entry::new(series.raw, Kind::Series, number));
        let entry = match twin {
            Some(twin) => Some(self.known_series(parser, series, twin)?),
            None => self.new_series(parser, series)?,
        };
        if let Some(rebuild) = &mut self.rebuild {
            rebuild.entries.extend(entry);
        }
        Ok(())
    }

    /// Appends a sample of a series that the cache knows. Returns the entry as it is now.
    fn known_series(
        &mut self,
        parser: &Parser<'_>,
        series: Series<'_>,
        mut entry: Entry,
    ) -> Result<Entry, Failure> {
        if entry.kind == Kind::Dropped {
            self.counts.scraped += 1;
            return Ok(entry);
        }
        if entry.kind == Kind::Refused && 0 < self.counts.limited {
            // There is no room for another either: its labels are not worth reading.
            self.counts.scraped += 1;
            self.counts.kept += 1;
            self.counts.limited += 1;
            self.is_over_limit();
            return Ok(entry);
        }
        let Some(reference) = entry.series() else {
            let new = self.new_series(parser, series)?.unwrap_or(entry);
            self.named |= new.series().is_some();
            return Ok(new);
        };
        let own_t = series.t.filter(|_| self.job.honor_timestamps);
        entry.live = false;
        if let Some(rebuild) = &mut self.rebuild {
            entry.duplicate = rebuild.series.insert(entry.hash, reference.0).is_some();
        }
        self.counts.scraped += 1;
        self.counts.kept += 1;
        if self.is_over_limit() {
            return Ok(entry);
        }
        if entry.duplicate && own_t.is_none() {
            self.counts.duplicate += 1;
            return Ok(entry);
        }
        let t = own_t.unwrap_or(self.t);
        let appended = if self.t + AHEAD_MS_MAX < t {
            Err(AppendError::OutOfBounds)
        } else {
            self.appender.append_ref(reference, t, series.value)
        };
        if appended == Err(AppendError::UnknownSeries) {
            // The database has dropped the series meanwhile: it starts again from its labels.
            self.counts.scraped -= 1;
            self.counts.kept -= 1;
            let added = self.counts.added;
            if let Some(rebuild) = &mut self.rebuild {
                rebuild.series.remove(&entry.hash);
            }
            let new = self.new_series(parser, series)?;
            self.counts.added = added;
            return Ok(new.unwrap_or(entry));
        }
        entry.live = self.appended(appended)? && self.wants_marker(own_t);
        self.exemplar(series, reference, t);
        self.describe_series(parser, series, reference, false);
        Ok(entry)
    }

    /// Reads the labels of a series, relabels and stores it. `None` if its line is too long to remember.
    fn new_series(
        &mut self,
        parser: &Parser<'_>,
        series: Series<'_>,
    ) -> Result<Option<Entry>, Failure> {
        self.counts.scraped += 1;
        let page = |error: exposition::LabelsError| Failure::Page(error.to_string());
        parser.labels_into(series.raw, &mut self.exposed).map_err(page)?;
        let empty = || parser.empty_labels(series.raw);
        labels::add_target(&mut self.exposed, &self.target.public, self.job.honor_labels, empty);
        if !relabel::process_in_place(&mut self.exposed, &self.job.metric_relabel) {
            return Ok(Entry::new(series.raw, Kind::Dropped, 0));
        }
        labels::check_names(&self.exposed, self.job.legacy_names).map_err(Failure::Page)?;
        labels::check_limits(&self.exposed, &self.job.limits).map_err(Failure::LabelLimit)?;
        self.counts.kept += 1;
        let Some(mut entry) = Entry::new(series.raw, Kind::Series, 0) else { return Ok(None) };
        if self.is_over_limit() {
            return Ok(Some(entry));
        }
        let own_t = series.t.filter(|_| self.job.honor_timestamps);
        let t = own_t.unwrap_or(self.t);
        let appended = if self.t + AHEAD_MS_MAX < t {
            Err(AppendError::OutOfBounds)
        } else {
            self.appender.append(&self.exposed.labels(), t, series.value)
        };
        if let Ok(reference) = appended {
            entry.number = reference.0;
            if let Some(rebuild) = &mut self.rebuild {
                rebuild.series.insert(entry.hash, reference.0);
            }
        }
        if matches!(appended, Err(AppendError::Limit(_))) {
            entry.kind = Kind::Refused;
        }
        entry.live = self.appended(appended.map(|_| ()))? && self.wants_marker(own_t);
        if let Some(reference) = entry.series() {
            self.counts.added += 1;
            self.exemplar(series, reference, t);
            self.describe_series(parser, series, reference, true);
        }
        Ok(Some(entry))
    }

    fn wants_marker(&self, own_t: Option<i64>) -> bool {
        own_t.is_none() || self.job.track_timestamps_staleness
    }

    fn is_over_limit(&mut self) -> bool {
        let limit = self.job.limits.samples;
        self.over_limit |= limit != 0 && limit < self.counts.kept;
        self.over_limit
    }

    /// Counts what storage refused. True if it took the sample.
    fn appended(&mut self, result: Result<(), AppendError>) -> Result<bool, Failure> {
        let counter = match result {
            Ok(()) => return Ok(true),
            Err(
                error @ (AppendError::InvalidLabels(_)
                | AppendError::InvalidHistogram(_)
                | AppendError::HistogramsUnsupported
                | AppendError::StartOutOfOrder
                | AppendError::StartNotBeforeSample),
            ) => return Err(Failure::Page(error.to_string())),
            Err(AppendError::OutOfOrder | AppendError::UnknownSeries) => {
                &mut self.counts.out_of_order
            }
            Err(
                AppendError::Duplicate { .. }
                | AppendError::DuplicateOfHistogram { .. }
                | AppendError::DuplicateHistogram,
            ) => &mut self.counts.duplicate,
            Err(AppendError::OutOfBounds | AppendError::TooOld) => &mut self.counts.out_of_bounds,
            Err(AppendError::Limit(why)) => {
                self.refusal = Some(why);
                &mut self.counts.limited
            }
        };
        *counter += 1;
        Ok(false)
    }

    /// Takes a line that is no sample from where it was not.
    fn moved_line(
        &mut self,
        statement: Statement<'_>,
        line: &[u8],
        parser: &Parser<'_>,
        at: &mut usize,
    ) {
        let found = self
            .find(hash(line), line.len(), *at)
            .filter(|it| matches!(self.cache.entries[*it].kind, Kind::Line(_)));
        if let Some(found) = found {
            let entry = self.cache.entries[found];
            self.enter_family(entry, false);
            *at = if entry.seen { *at } else { found + 1 };
            self.keep(entry, found);
            return;
        }
        let kind = match statement {
            Statement::Type(_, kind) => Some(kind),
            _ => None,
        };
        let slot = self.describe(statement, parser.format());
        let number = slot.map_or(NO_SLOT, |it| it as u64);
        if let (Some(rebuild), Some(entry)) =
            (&mut self.rebuild, Entry::new(line, Kind::Line(kind), number))
        {
            rebuild.entries.push(entry);
            self.enter_family(entry, true);
        }
    }

    /// The family in a slot, as the page describes it anew.
    pub(crate) fn edited_family(&self, slot: usize) -> Option<&Family> {
        self.rebuild.as_ref()?.families.as_ref()?.get(slot)
    }

    /// Notes what a line says about a family; returns the family's slot.
    fn describe(&mut self, statement: Statement<'_>, format: TextFormat) -> Option<usize> {
        let name = match statement {
            Statement::Help(name, _) | Statement::Type(name, _) | Statement::Unit(name, _) => name,
            Statement::Comment(_) | Statement::Series(_) => return None,
        };
        let name = String::from_utf8_lossy(name).into_owned();
        let families =
            self.cache.families.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let edits =
            self.rebuild.as_mut()?.families.get_or_insert_with(|| FamilyEdits::new(&families));
        let (slot, family) = edits.edit(name, &families);
        match statement {
            Statement::Help(_, help) => family.metadata.help = unescape_help(help, format),
            Statement::Type(_, kind) => family.metadata.kind = kind,
            Statement::Unit(_, unit) => {
                family.metadata.unit = String::from_utf8_lossy(unit).into_owned()
            }
            Statement::Comment(_) | Statement::Series(_) => {}
        }
        Some(slot)
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

    fn replace(&mut self, rebuild: Rebuild) {
        let mut entries = rebuild.entries;
        entries.shrink_to_fit();
        let old = std::mem::replace(&mut self.cache.entries, entries);
        let lost = old.iter().filter(|it| it.live && !it.seen).filter_map(Entry::series);
        self.ended.extend(lost);
        if !self.ended.is_empty() {
            // Another line may go on with a series whose line is gone.
            let living = self.cache.entries.iter().filter(|it| it.live).filter_map(Entry::series);
            let living: HashSet<SeriesRef> = living.collect();
            self.ended.retain(|it| !living.contains(it));
        }
        if let Some(edits) = rebuild.families {
            edits.apply(&mut self.cache.families(), self.interner);
        }
        self.cache.families_missing = true;
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
