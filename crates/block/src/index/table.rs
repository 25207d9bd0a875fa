//! The postings offset table: for each label pair where its list of series is.

use std::path::Path;
use std::str;

use stdx::varint;

use super::{Format, section};
use crate::Error;
use crate::take::{take_string, take_u32};

/// One value in so many has its place kept, in a sorted table.
const SAMPLING: usize = 32;

/// Finds entries in the bytes of an index. Costs 4 bytes of memory for every 32nd value (for every
/// value in version 1, whose table is not sorted) and about 50 for a name.
pub(super) struct Table {
    /// Sorted.
    names: Vec<Name>,
    /// Places of entries in the section's content, name by name, value by value.
    sampled: Vec<u32>,
    /// Entries from one place to the next.
    step: usize,
    /// Where the content begins in the file.
    start: usize,
}

struct Name {
    name: Box<str>,
    /// Where the name's places begin in `sampled`.
    first: usize,
    n_values: usize,
}

/// One entry.
struct Entry<'a> {
    name: &'a [u8],
    value: &'a [u8],
    /// Where the list is in the file.
    offset: u64,
}

impl Table {
    /// Reads the section at `offset` once through: its checksum, and that all is text.
    pub(super) fn open(
        path: &Path,
        bytes: &[u8],
        offset: u64,
        format: Format,
    ) -> Result<Self, Error> {
        let content = section(path, bytes, offset)?;
        let invalid = |reason: &str| {
            Error::corrupt_at(path, offset, format!("read postings table: {reason}"))
        };
        let places = read_places(content).map_err(invalid)?;
        let mut it = Self { names: Vec::new(), sampled: Vec::new(), step: SAMPLING, start: 0 };
        it.start = usize::try_from(offset).unwrap_or(0) + 4;
        match format {
            Format::V2 => it.sample(content, &places),
            Format::V1 => it.keep_all(content, places),
        }
        // Looking up halves sorted lists: what is not sorted would be missed silently.
        if !it.names.is_sorted_by(|a, b| a.name < b.name) {
            return Err(invalid("label names are not sorted"));
        }
        Ok(it)
    }

    /// Walks the label names, sorted; the empty name of the list of all series is left out.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|it| &*it.name).filter(|it| !it.is_empty())
    }

    pub(super) fn n_values(&self, name: &str) -> usize {
        self.name(name).map_or(0, |it| it.n_values)
    }

    /// Returns where the list of a label pair is in the file.
    pub(super) fn find(&self, bytes: &[u8], name: &str, value: &str) -> Option<u64> {
        let found = self.values_from(bytes, name, value).next()?;
        (found.0 == value).then_some(found.1)
    }

    /// Walks the values of a name, sorted, from `from` on, with where their lists are.
    pub(super) fn values_from<'a>(
        &'a self,
        bytes: &'a [u8],
        name: &str,
        from: &'a str,
    ) -> impl Iterator<Item = (&'a str, u64)> {
        let content = bytes.get(self.start..).unwrap_or_default();
        let (places, n_values) = self.name(name).map_or((&[][..], 0), |it| {
            (&self.sampled[it.first..][..it.n_values.div_ceil(self.step)], it.n_values)
        });
        let group =
            places.partition_point(|place| entry_at(content, *place).value <= from.as_bytes());
        let group = group.saturating_sub(1);
        let walked = places[group..].iter().zip(group..).flat_map(move |(place, group)| {
            let n = self.step.min(n_values - group * self.step);
            let mut rest = content.get(*place as usize..).unwrap_or_default();
            (0..n).map_while(move |_| Entry::take(&mut rest))
        });
        let entries = walked.map(|it| (str::from_utf8(it.value).unwrap_or_default(), it.offset));
        entries.skip_while(move |(value, _)| *value < from)
    }

    fn name(&self, name: &str) -> Option<&Name> {
        let at = self.names.binary_search_by(|it| (*it.name).cmp(name)).ok()?;
        Some(&self.names[at])
    }

    /// Keeps every 32nd place of each name; entries are sorted.
    fn sample(&mut self, content: &[u8], places: &[u32]) {
        for place in places {
            let n = self.count(entry_at(content, *place).name);
            if (n - 1).is_multiple_of(SAMPLING) {
                self.sampled.push(*place);
            }
        }
    }

    /// Keeps all places, sorted by what they hold.
    fn keep_all(&mut self, content: &[u8], mut places: Vec<u32>) {
        self.step = 1;
        let key = |place: &u32| {
            let entry = entry_at(content, *place);
            (entry.name, entry.value)
        };
        places.sort_by(|a, b| key(a).cmp(&key(b)));
        for place in places {
            self.count(entry_at(content, place).name);
            self.sampled.push(place);
        }
    }

    /// Counts one more value of `name`, which is the last one or new; returns how many it has.
    fn count(&mut self, name: &[u8]) -> usize {
        let name = str::from_utf8(name).unwrap_or_default();
        if self.names.last().is_none_or(|it| &*it.name != name) {
            self.names.push(Name { name: name.into(), first: self.sampled.len(), n_values: 0 });
        }
        let last = self.names.last_mut().expect("just pushed");
        last.n_values += 1;
        last.n_values
    }
}

impl<'a> Entry<'a> {
    const NONE: Entry<'static> = Entry { name: &[], value: &[], offset: 0 };

    fn take(rest: &mut &'a [u8]) -> Option<Self> {
        if varint::take_u64(rest)? != 2 {
            return None;
        }
        let (name, value) = (take_string(rest)?, take_string(rest)?);
        Some(Self { name, value, offset: varint::take_u64(rest)? })
    }
}

/// Reads an entry that was read before.
fn entry_at(content: &[u8], place: u32) -> Entry<'_> {
    content.get(place as usize..).and_then(|mut rest| Entry::take(&mut rest)).unwrap_or(Entry::NONE)
}

/// Returns where each entry is in the content.
fn read_places(content: &[u8]) -> Result<Vec<u32>, &'static str> {
    let mut rest = content;
    let n = take_u32(&mut rest).ok_or("invalid size")?;
    let mut places = Vec::with_capacity((n as usize).min(rest.len()));
    for _ in 0..n {
        places.push(u32::try_from(content.len() - rest.len()).map_err(|_| "invalid size")?);
        let entry = Entry::take(&mut rest).ok_or("invalid size")?;
        if str::from_utf8(entry.name).is_err() || str::from_utf8(entry.value).is_err() {
            return Err("label pair is not valid UTF-8");
        }
    }
    Ok(places)
}
