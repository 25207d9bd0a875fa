//! Label pairs as a head checkpoint has them: numbered anew, in the order in which series name them.

use stdx::varint::{put_u64, take_u64};

use super::super::index::pairs_of;
use super::{NameId, PairId, Pairs};

/// No new number.
const NONE: u32 = u32::MAX;

/// New numbers for the pairs that are used, without gaps.
#[derive(Default)]
pub(crate) struct PairOrder {
    /// By old number.
    new: Vec<u32>,
    /// By new number.
    old: Vec<PairId>,
    keys: Vec<u8>,
}

impl PairOrder {
    /// Series' keys with new numbers, back to back.
    pub(crate) fn keys<'a>(&mut self, keys: impl Iterator<Item = &'a [u8]>) -> &[u8] {
        let mut out = std::mem::take(&mut self.keys);
        out.clear();
        for key in keys {
            let n = take_u64(&mut &*key).unwrap_or(0);
            put_u64(&mut out, n);
            pairs_of(key).for_each(|id| put_u64(&mut out, u64::from(self.number(id))));
        }
        self.keys = out;
        &self.keys
    }

    fn number(&mut self, id: PairId) -> u32 {
        let at = id as usize;
        if self.new.len() <= at {
            self.new.resize(at + 1, NONE);
        }
        if self.new[at] == NONE {
            self.new[at] = u32::try_from(self.old.len()).expect("no more than old numbers");
            self.old.push(id);
        }
        self.new[at]
    }

    /// The old numbers, by new ones.
    pub(crate) fn old(&self) -> &[PairId] {
        &self.old
    }
}

impl Pairs {
    /// Appends all names, by their numbers.
    pub(crate) fn store_names(&self, out: &mut Vec<u8>) {
        self.names.iter().for_each(|it| store_text(&it.text, out));
    }

    /// Appends pairs in use.
    pub(crate) fn store_pairs(&self, ids: &[PairId], out: &mut Vec<u8>) {
        for id in ids {
            put_u64(out, u64::from(self.entries[*id as usize].name));
            store_text(self.value(*id), out);
        }
    }
}

/// Pairs that are read again, names first.
#[derive(Default)]
pub(crate) struct StoredPairs {
    names: Vec<String>,
    pairs: Pairs,
}

impl StoredPairs {
    /// Takes what [`Pairs::store_names`] wrote. `None` if it is malformed.
    pub(crate) fn names(&mut self, mut bytes: &[u8]) -> Option<()> {
        while !bytes.is_empty() {
            self.names.push(take_text(&mut bytes)?.to_owned());
        }
        Some(())
    }

    /// Takes what [`Pairs::store_pairs`] wrote. `None` if it is malformed, or has a pair twice.
    pub(crate) fn pairs(&mut self, mut bytes: &[u8]) -> Option<()> {
        while !bytes.is_empty() {
            let name = take_u64(&mut bytes).and_then(|it| NameId::try_from(it).ok())?;
            let name = self.names.get(name as usize)?;
            let value = take_text(&mut bytes)?;
            let next = self.pairs.end();
            let id = self.pairs.intern(name, value);
            if id as usize != next {
                return None;
            }
        }
        Some(())
    }

    pub(crate) fn finish(self) -> Pairs {
        self.pairs
    }
}

fn store_text(text: &str, out: &mut Vec<u8>) {
    put_u64(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let len = usize::try_from(take_u64(bytes)?).ok()?;
    std::str::from_utf8(bytes.split_off(..len)?).ok()
}
