//! Pages that are not like the one before: a new list of entries.

use std::collections::{HashMap, HashSet};

use exposition::Line;
use foldhash::fast::FixedState;
use model::SeriesRef;

use super::{Failure, Ingest, LOOK_AHEAD, Sample};
use crate::cache::{Entry, Kind, NO_SLOT, hash};
use crate::metadata::{Family, FamilyEdits};

/// The entries of a page that is not like the one before.
#[derive(Default)]
pub(super) struct Rebuild {
    pub(super) entries: Vec<Entry>,
    /// The series of lines in `entries`, by hash: a line that comes twice is a duplicate.
    pub(super) series: HashMap<u64, u64, FixedState>,
    /// Old entries by hash; filled when it is first needed.
    pub(super) index: Option<HashMap<u64, usize, FixedState>>,
    pub(super) families: Option<FamilyEdits>,
}

impl Ingest<'_> {
    /// Starts the new list with the old entries below `at`, all of which were found.
    pub(super) fn begin_rebuild(&mut self, at: usize) {
        if self.rebuild.is_some() {
            return;
        }
        let mut rebuild = Rebuild::default();
        rebuild.series.reserve(self.cache.entries.len());
        rebuild.entries.extend_from_slice(&self.cache.entries[..at]);
        let series = rebuild.entries.iter().filter(|it| it.series().is_some());
        rebuild.series.extend(series.map(|it| (it.hash, it.number)));
        self.cache.entries[..at].iter_mut().for_each(|it| it.seen = true);
        self.rebuild = Some(rebuild);
    }

    /// Finds the old entry of a line that is not where it was.
    pub(super) fn find(&mut self, hash: u64, len: usize, from: usize) -> Option<usize> {
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

    pub(super) fn moved_series(
        &mut self,
        sample: Sample<'_>,
        at: &mut usize,
    ) -> Result<(), Failure> {
        let (hash, len) = (hash(sample.raw()), sample.raw().len());
        let found = self
            .find(hash, len, *at)
            .filter(|it| !matches!(self.cache.entries[*it].kind, Kind::Line(_)));
        if let Some(found) = found {
            let old = self.cache.entries[found];
            *at = if old.seen { *at } else { found + 1 };
            let entry = self.known_series(sample, old)?;
            self.keep(entry, found);
            return Ok(());
        }
        // New, or for the second time in a page where it is new.
        let twin = self.rebuild.as_ref().and_then(|it| it.series.get(&hash)).copied();
        let twin = twin.and_then(|number| Entry::new(sample.raw(), Kind::Series, number));
        let entry = match twin {
            Some(twin) => Some(self.known_series(sample, twin)?),
            None => self.new_series(sample)?,
        };
        if let Some(rebuild) = &mut self.rebuild {
            rebuild.entries.extend(entry);
        }
        Ok(())
    }

    /// Takes a line that is no sample from where it was not.
    pub(super) fn moved_line(&mut self, line: Line<'_>, raw: &[u8], at: &mut usize) {
        let found = self
            .find(hash(raw), raw.len(), *at)
            .filter(|it| matches!(self.cache.entries[*it].kind, Kind::Line(_)));
        if let Some(found) = found {
            let entry = self.cache.entries[found];
            self.enter_family(entry, false);
            *at = if entry.seen { *at } else { found + 1 };
            self.keep(entry, found);
            return;
        }
        let kind = match line {
            Line::Type(_, kind) => Some(kind),
            _ => None,
        };
        let slot = self.describe(line);
        let number = slot.map_or(NO_SLOT, |it| it as u64);
        if let (Some(rebuild), Some(entry)) =
            (&mut self.rebuild, Entry::new(raw, Kind::Line(kind), number))
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
    pub(super) fn describe(&mut self, line: Line<'_>) -> Option<usize> {
        let name = match line {
            Line::Help(name, _) | Line::Type(name, _) | Line::Unit(name, _) => name,
            Line::Comment | Line::Sample => return None,
        };
        let name = String::from_utf8_lossy(name).into_owned();
        let families =
            self.cache.families.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let edits =
            self.rebuild.as_mut()?.families.get_or_insert_with(|| FamilyEdits::new(&families));
        let (slot, family) = edits.edit(name, &families);
        match line {
            Line::Help(_, help) => family.metadata.help = help.text(),
            Line::Type(_, kind) => family.metadata.kind = kind,
            Line::Unit(_, unit) => {
                family.metadata.unit = String::from_utf8_lossy(unit).into_owned();
            }
            Line::Comment | Line::Sample => {}
        }
        Some(slot)
    }

    pub(super) fn replace(&mut self, rebuild: Rebuild) {
        let mut entries = rebuild.entries;
        entries.shrink_to_fit();
        let old = std::mem::replace(&mut self.cache.entries, entries);
        let lost = old.iter().filter(|it| it.live && !it.seen).filter_map(Entry::series);
        self.ended.extend(lost);
        if !self.ended.is_empty() {
            // Another line may go on with a series whose line is gone.
            let living = self.cache.entries.iter().filter(|it| it.live).filter_map(Entry::series);
            let living: HashSet<SeriesRef, FixedState> = living.collect();
            self.ended.retain(|it| !living.contains(it));
        }
        if let Some(edits) = rebuild.families {
            edits.apply(&mut self.cache.families(), self.interner);
        }
        self.cache.families_missing = true;
        if !self.cache.baselines.is_empty() {
            let known: HashSet<u64> = self.cache.entries.iter().map(|it| it.hash).collect();
            self.cache.baselines.retain(|series| known.contains(&series));
        }
    }
}
