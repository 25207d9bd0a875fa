//! From labels to series.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use model::Labels;
use stdx::varint::{put_u64, take_u64};

use super::pairs::{PairId, Pairs};
use super::postings::{Counted, Postings};

/// Tables of references, split so that growing one moves few entries.
const N_TABLES: usize = 64;
/// References are below 2^40, so an entry has room for 24 bits of hash.
const REF_BITS: u32 = 40;

/// Label pairs, the postings of each, and series by their labels. One lock guards it all: it is taken
/// to write only for a series that is new or gone.
pub(crate) struct Index {
    pub(crate) pairs: Pairs,
    /// By pair number.
    postings: Vec<Postings>,
    tables: Vec<HashTable<u64>>,
    hasher: FixedState,
    /// Counts the times that pairs were forgotten: their numbers may mean others since.
    generation: u64,
}

/// A series' label pairs as it stores them: how many, then each pair's number, as varints.
///
/// Kept by a batch and filled again and again: neighbours in a scrape share most labels, and a label that
/// the one before had too is not looked up again.
#[derive(Default)]
pub(crate) struct Key {
    bytes: Vec<u8>,
    /// The labels that `ids` are of, as far as they were known.
    labels: Labels,
    ids: Vec<PairId>,
    generation: u64,
}

impl Key {
    /// The key found last.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Fills it; false if `find` does not know a pair.
    fn build(
        &mut self,
        labels: &Labels,
        generation: u64,
        mut find: impl FnMut(&[u8], &[u8]) -> Option<PairId>,
    ) -> bool {
        if self.generation != generation {
            self.ids.clear();
            self.generation = generation;
        }
        let before = std::mem::replace(&mut self.labels, labels.clone());
        let known = std::mem::take(&mut self.ids);
        let mut before = before.iter_bytes().zip(known).peekable();
        self.bytes.clear();
        put_u64(&mut self.bytes, labels.len() as u64);
        for label in labels.iter_bytes() {
            while before.next_if(|(it, _)| it.0 < label.0).is_some() {}
            let same = before.peek().filter(|(it, _)| *it == label).map(|(_, id)| *id);
            let Some(id) = same.or_else(|| find(label.0, label.1)) else { return false };
            self.ids.push(id);
            put_u64(&mut self.bytes, u64::from(id));
        }
        true
    }
}

impl Default for Index {
    fn default() -> Self {
        let tables = (0..N_TABLES).map(|_| HashTable::new()).collect();
        let (pairs, postings, hasher) = (Pairs::default(), Vec::new(), FixedState::default());
        Self { pairs, postings, tables, hasher, generation: 0 }
    }
}

impl Index {
    /// Makes room for so many series.
    pub(crate) fn reserve(&mut self, n_series: u64) {
        // Hashes do not fill all tables alike.
        let n = usize::try_from(n_series).unwrap_or(0) / N_TABLES;
        self.tables.iter_mut().for_each(|it| it.reserve(n + n / 16, |it| spread(it >> REF_BITS)));
    }

    /// Takes the pairs that the keys of series name, before any other is there.
    pub(crate) fn set_pairs(&mut self, pairs: Pairs) {
        self.postings.resize_with(pairs.end(), Postings::default);
        self.pairs = pairs;
    }

    /// Finds the key of a label set. False if a pair is not known; no series has these labels then.
    pub(crate) fn find_key(&self, labels: &Labels, key: &mut Key) -> bool {
        key.build(labels, self.generation, |name, value| self.pairs.find(name, value))
    }

    /// As [`Index::find_key`], adding pairs that are not known.
    pub(crate) fn make_key(&mut self, labels: &Labels, key: &mut Key) {
        let pairs = &mut self.pairs;
        let intern = |name: &[u8], value: &[u8]| {
            Some(pairs.find(name, value).unwrap_or_else(|| pairs.intern(text(name), text(value))))
        };
        key.build(labels, self.generation, intern);
        self.postings.resize_with(self.pairs.end(), Postings::default);
    }

    /// Finds the series with this key among those that `is_it` confirms.
    pub(crate) fn find(&self, key: &[u8], mut is_it: impl FnMut(u64) -> bool) -> Option<u64> {
        let hash = self.hasher.hash_one(key);
        let tag = tag(hash);
        let found = self.tables[table(hash)]
            .find(spread(tag), |it| it >> REF_BITS == tag && is_it(unpack(*it)));
        found.map(|it| unpack(*it))
    }

    /// Adds a series under its key.
    pub(crate) fn insert(&mut self, key: &[u8], series: u64) {
        assert!(series >> REF_BITS == 0, "references are below 2^40");
        let hash = self.hasher.hash_one(key);
        let entry = tag(hash) << REF_BITS | series;
        self.tables[table(hash)]
            .insert_unique(spread(tag(hash)), entry, |it| spread(it >> REF_BITS));
    }

    /// Adds a series, greater than all before, to the postings of its pairs.
    pub(crate) fn add_postings(&mut self, key: &[u8], series: u64) {
        for id in pairs_of(key) {
            self.postings[id as usize].push(series);
        }
    }

    /// Makes room in the postings for series, ascending, whose keys `each` hands out.
    pub(crate) fn reserve_postings(&mut self, each: impl FnOnce(&mut dyn FnMut(&[u8], u64))) {
        let mut counted = vec![Counted::default(); self.postings.len()];
        each(&mut |key, series| {
            pairs_of(key).for_each(|id| counted[id as usize].count(series));
        });
        self.postings.iter_mut().zip(&counted).for_each(|(it, more)| it.reserve(more));
    }

    /// Removes a series from the table, not from the postings.
    pub(crate) fn remove(&mut self, key: &[u8], series: u64) {
        let hash = self.hasher.hash_one(key);
        if let Ok(found) =
            self.tables[table(hash)].find_entry(spread(tag(hash)), |it| unpack(*it) == series)
        {
            found.remove();
        }
    }

    /// Removes series from the postings of pairs, and forgets the pairs that have none left. Each list of
    /// series ascends.
    pub(crate) fn remove_postings(&mut self, gone: &[(PairId, Vec<u64>)]) {
        for (id, series) in gone {
            self.postings[*id as usize].remove(series);
        }
        let is_unused = |id: &PairId| {
            self.postings[*id as usize].len() == 0 && self.pairs.name_of(*id).is_some()
        };
        let unused: Vec<PairId> = gone.iter().map(|(id, _)| *id).filter(is_unused).collect();
        if !unused.is_empty() {
            self.pairs.remove(&unused);
            self.generation += 1;
        }
    }

    /// Changes whenever a pair's number may have got another meaning.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The postings of a pair.
    pub(crate) fn postings(&self, id: PairId) -> &Postings {
        &self.postings[id as usize]
    }

    /// The labels of a key.
    pub(crate) fn labels(&self, key: &[u8]) -> Labels {
        Labels::from_sorted(pairs_of(key).map(|id| self.pairs.get(id)))
    }
}

/// The pair numbers of a key, in the order of the label names. `key` may go on behind its end.
pub(crate) fn pairs_of(mut key: &[u8]) -> impl Iterator<Item = PairId> + '_ {
    let n = take_u64(&mut key).unwrap_or(0);
    (0..n).map_while(move |_| take_u64(&mut key).and_then(|id| PairId::try_from(id).ok()))
}

/// How long the key at the start of `bytes` is.
pub(crate) fn key_len(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    let n = take_u64(&mut rest).unwrap_or(0);
    for _ in 0..n {
        take_u64(&mut rest);
    }
    bytes.len() - rest.len()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("labels are text")
}

/// The bits of a hash that an entry keeps.
fn tag(hash: u64) -> u64 {
    hash >> REF_BITS
}

fn unpack(entry: u64) -> u64 {
    entry & ((1 << REF_BITS) - 1)
}

/// The table for a hash, by bits that the tag does not have.
fn table(hash: u64) -> usize {
    usize::try_from(hash % N_TABLES as u64).expect("small")
}

/// A tag as the whole hash that a table wants: its low and its high bits both vary.
fn spread(tag: u64) -> u64 {
    tag.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
