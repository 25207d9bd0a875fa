//! What a loop remembers of its target's last page.
//!
//! Pages hardly change but for their values. So the cache is a list with an entry for each line of the
//! last page, in order: a hash and the length of what identifies the line, and the series it feeds. A line
//! of the next page is first held against the entry at the same place; if they are the same, its labels are
//! not looked at. 24 bytes an entry, no text.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use exposition::Format;
use model::{MetricType, SeriesRef, stale_nan};
use storage::Appender;

use crate::metadata::Families;
use crate::synthesis::Baselines;

/// What a line was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A sample of [`Entry::series`].
    Series,
    /// A sample that relabelling drops.
    Dropped,
    /// A sample of a series that the database had no room for.
    Refused,
    /// Help, type (which one), unit or comment, about the family in the slot [`Entry::slot`].
    Line(Option<MetricType>),
}

/// A line of the last page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Of the series' text, or of the whole line.
    pub(crate) hash: u64,
    /// The series' reference (0: not stored), or the number of the family's slot.
    pub(crate) number: u64,
    /// Length of what is hashed.
    pub(crate) len: u32,
    pub(crate) kind: Kind,
    /// The last scrape stored a sample whose end wants a marker.
    pub(crate) live: bool,
    /// The same series stands further up in the page.
    pub(crate) duplicate: bool,
    /// Found again in the page being read. False between scrapes.
    pub(crate) seen: bool,
}

/// A [`Entry::number`] that names no slot.
pub(crate) const NO_SLOT: u64 = u64::MAX;

impl Entry {
    pub(crate) fn new(bytes: &[u8], kind: Kind, number: u64) -> Option<Self> {
        let len = u32::try_from(bytes.len()).ok()?;
        Some(Self {
            hash: hash(bytes),
            number,
            len,
            kind,
            live: false,
            duplicate: false,
            seen: false,
        })
    }

    pub(crate) fn series(&self) -> Option<SeriesRef> {
        (self.kind == Kind::Series && self.number != 0).then_some(SeriesRef(self.number))
    }

    pub(crate) fn slot(&self) -> Option<usize> {
        let named = matches!(self.kind, Kind::Line(_)) && self.number != NO_SLOT;
        named.then(|| usize::try_from(self.number).expect("slots are counted from 0"))
    }

    /// The length as a range wants it.
    pub(crate) fn bytes(&self) -> usize {
        usize::try_from(self.len).expect("32 bits fit")
    }
}

/// Hashes what identifies a line. Two lines with the same hash and length are held to be the same one.
#[inline]
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

/// What a loop remembers.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    /// Of the last page that could be read, in its order.
    pub(crate) entries: Vec<Entry>,
    /// The format of that page.
    pub(crate) format: Option<Format>,
    /// Shared with whoever lists metadata. Held for a few lines; no other lock is taken meanwhile.
    pub(crate) families: Arc<Mutex<Families>>,
    /// Some family is kept although the last page did not show it.
    pub(crate) families_missing: bool,
    /// Since when series count that do not say so themselves.
    pub(crate) baselines: Baselines,
    /// The report series, in their fixed order; 0: not known yet.
    pub(crate) report: [SeriesRef; 8],
}

impl Cache {
    pub(crate) fn families(&self) -> MutexGuard<'_, Families> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets marks of a page that could not be read to its end.
    pub(crate) fn clear_seen(&mut self) {
        self.entries.iter_mut().for_each(|it| it.seen = false);
    }

    /// Marks the end of each series that lives.
    pub(crate) fn end_all(&mut self, appender: &mut dyn Appender, t: i64) {
        for entry in &mut self.entries {
            if std::mem::take(&mut entry.live)
                && let Some(series) = entry.series()
            {
                end(appender, series, t);
            }
        }
    }
}

/// Marks the end of a series. A marker that storage refuses is older than what it has, or about a series
/// that is gone: nothing is lost.
pub(crate) fn end(appender: &mut dyn Appender, series: SeriesRef, t: i64) {
    let _ = appender.append_ref(series, t, stale_nan());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<Entry>(), 24);
    }
}
