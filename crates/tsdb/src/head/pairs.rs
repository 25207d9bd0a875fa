//! Label pairs, each stored once.
//!
//! A pair (name, value) has a number; a series is a list of such numbers, and the postings of a pair are
//! found by its number. A pair costs 16 bytes, its value's text, and about 7 bytes in the table. Numbers
//! stay as long as the pair is used and are given out again afterwards.

mod stored;

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

pub(crate) use stored::{PairOrder, StoredPairs};

/// Numbers a label pair within a head.
pub(crate) type PairId = u32;
/// Numbers a label name within a head.
pub(crate) type NameId = u32;

/// Texts share pages of this size; a longer one has a page of its own.
const PAGE_BYTES: usize = 64 << 10;

#[derive(Default)]
pub(crate) struct Pairs {
    names: Vec<Name>,
    entries: Vec<Entry>,
    /// Pairs by name and value.
    ids: HashTable<PairId>,
    /// Names by text.
    name_ids: HashTable<NameId>,
    free: Vec<PairId>,
    text: Vec<String>,
    /// Bytes of `text` that no pair uses any more.
    dead_bytes: usize,
    hasher: FixedState,
}

struct Name {
    text: Box<str>,
    /// Its pairs, in the order in which they came.
    pairs: Vec<PairId>,
}

#[derive(Clone, Copy)]
struct Entry {
    name: NameId,
    page: u32,
    offset: u32,
    len: u32,
}

/// The name of a pair number that is not in use.
const NO_NAME: NameId = NameId::MAX;

impl Pairs {
    /// Finds a name.
    pub(crate) fn find_name(&self, name: &[u8]) -> Option<NameId> {
        let hash = self.hasher.hash_one(name);
        self.name_ids.find(hash, |id| self.names[*id as usize].text.as_bytes() == name).copied()
    }

    /// Finds a pair.
    pub(crate) fn find(&self, name: &[u8], value: &[u8]) -> Option<PairId> {
        self.find_value(self.find_name(name)?, value)
    }

    /// Finds a pair by its name's number.
    pub(crate) fn find_value(&self, name: NameId, value: &[u8]) -> Option<PairId> {
        let hash = self.hasher.hash_one((name, value));
        let is_it = |it: Entry| it.name == name && text_of(&self.text, it).as_bytes() == value;
        self.ids.find(hash, |id| is_it(self.entries[*id as usize])).copied()
    }

    /// Finds a pair, or adds it.
    pub(crate) fn intern(&mut self, name: &str, value: &str) -> PairId {
        let name = self.intern_name(name);
        if let Some(found) = self.find_value(name, value.as_bytes()) {
            return found;
        }
        let entry = self.store(name, value);
        let id = match self.free.pop() {
            Some(id) => {
                self.entries[id as usize] = entry;
                id
            }
            None => {
                self.entries.push(entry);
                u32::try_from(self.entries.len() - 1).expect("less than 2^32 label pairs")
            }
        };
        self.names[name as usize].pairs.push(id);
        let Self { ids, entries, text, hasher, .. } = self;
        let rehash = |id: &PairId| {
            let it = entries[*id as usize];
            hasher.hash_one((it.name, text_of(text, it).as_bytes()))
        };
        ids.insert_unique(rehash(&id), id, rehash);
        id
    }

    /// The name and value of a pair in use.
    pub(crate) fn get(&self, id: PairId) -> (&str, &str) {
        let entry = self.entries[id as usize];
        (&self.names[entry.name as usize].text, text_of(&self.text, entry))
    }

    /// The number of the pair's name, or none if the pair is not in use.
    pub(crate) fn name_of(&self, id: PairId) -> Option<NameId> {
        self.entries.get(id as usize).map(|it| it.name).filter(|it| *it != NO_NAME)
    }

    /// The value of a pair in use.
    pub(crate) fn value(&self, id: PairId) -> &str {
        text_of(&self.text, self.entries[id as usize])
    }

    /// The pairs with a name, in no order.
    pub(crate) fn of_name(&self, name: NameId) -> &[PairId] {
        &self.names[name as usize].pairs
    }

    /// All names with their pairs, in no order. A name may have none left.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, &[PairId])> {
        self.names.iter().map(|it| (&*it.text, &it.pairs[..]))
    }

    /// Counts the pairs in use.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// One past the greatest pair number.
    pub(crate) fn end(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of label text held.
    #[cfg(test)]
    fn text_bytes(&self) -> usize {
        self.text.iter().map(String::len).sum::<usize>()
            + self.names.iter().map(|it| it.text.len()).sum::<usize>()
    }

    /// Forgets pairs that no series uses. `ids` are in use and come once each.
    pub(crate) fn remove(&mut self, ids: &[PairId]) {
        let mut names: Vec<NameId> = Vec::new();
        for id in ids {
            let entry = self.entries[*id as usize];
            let hash = self.hasher.hash_one((entry.name, text_of(&self.text, entry).as_bytes()));
            if let Ok(found) = self.ids.find_entry(hash, |it| it == id) {
                found.remove();
            }
            self.dead_bytes += entry.len as usize;
            self.entries[*id as usize].name = NO_NAME;
            self.free.push(*id);
            names.push(entry.name);
        }
        names.sort_unstable();
        names.dedup();
        for name in names {
            let entries = &self.entries;
            self.names[name as usize].pairs.retain(|id| entries[*id as usize].name == name);
        }
        if self.text.iter().map(String::len).sum::<usize>() < 2 * self.dead_bytes {
            self.compact_text();
        }
    }

    fn intern_name(&mut self, name: &str) -> NameId {
        if let Some(found) = self.find_name(name.as_bytes()) {
            return found;
        }
        let id = u32::try_from(self.names.len()).expect("less than 2^32 label names");
        self.names.push(Name { text: name.into(), pairs: Vec::new() });
        let Self { name_ids, names, hasher, .. } = self;
        let rehash = |id: &NameId| hasher.hash_one(names[*id as usize].text.as_bytes());
        name_ids.insert_unique(rehash(&id), id, rehash);
        id
    }

    fn store(&mut self, name: NameId, value: &str) -> Entry {
        let fits = self.text.last().is_some_and(|page| value.len() <= page.capacity() - page.len());
        if !fits {
            self.text.push(String::with_capacity(PAGE_BYTES.max(value.len())));
        }
        let at = self.text.len() - 1;
        let page = &mut self.text[at];
        let short = |n: usize| u32::try_from(n).expect("pages and label values are below 4 GiB");
        let entry =
            Entry { name, page: short(at), offset: short(page.len()), len: short(value.len()) };
        page.push_str(value);
        entry
    }

    fn compact_text(&mut self) {
        let old = std::mem::take(&mut self.text);
        for at in 0..self.entries.len() {
            let entry = self.entries[at];
            if entry.name != NO_NAME {
                self.entries[at] = self.store(entry.name, text_of(&old, entry));
            }
        }
        self.dead_bytes = 0;
    }
}

fn text_of(text: &[String], entry: Entry) -> &str {
    &text[entry.page as usize][entry.offset as usize..][..entry.len as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_stable_and_reused() {
        let mut pairs = Pairs::default();
        let a = pairs.intern("job", "a");
        let b = pairs.intern("job", "b");
        let other = pairs.intern("instance", "a");
        assert_eq!(
            (pairs.intern("job", "a"), pairs.find(b"job", b"b"), pairs.len()),
            (a, Some(b), 3)
        );
        assert_eq!(pairs.get(other), ("instance", "a"));
        pairs.remove(&[a]);
        assert_eq!((pairs.find(b"job", b"a"), pairs.name_of(a), pairs.len()), (None, None, 2));
        let c = pairs.intern("job", &"c".repeat(100_000));
        assert_eq!((c, pairs.value(c).len(), pairs.value(b)), (a, 100_000, "b"));
        pairs.remove(&[c]);
        assert_eq!(
            (pairs.text_bytes(), pairs.get(b), pairs.find(b"job", b"b")),
            (2 + 11, ("job", "b"), Some(b))
        );
    }
}
