//! What targets say about their metrics.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use model::Metadata;

/// A metric family as a target describes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Family {
    /// The name.
    pub name: String,
    /// Type, unit and help.
    pub metadata: Metadata,
}

/// What is known of families: how many there are, and the bytes of what is said about them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MetadataSize {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

impl MetadataSize {
    pub(crate) fn add(&mut self, more: Self) {
        self.entries += more.entries;
        self.bytes += more.bytes;
    }

    fn remove(&mut self, less: Self) {
        self.entries -= less.entries;
        self.bytes -= less.bytes;
    }

    fn of(family: &Family) -> Self {
        let Metadata { kind, unit, help } = &family.metadata;
        Self { entries: 1, bytes: kind.as_str().len() + unit.len() + help.len() }
    }
}

/// Keeps one copy of families that many targets describe alike.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    /// Held for a look-up. `swept` is the size after the last sweep.
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    families: HashSet<Arc<Family>>,
    swept: usize,
}

impl Interner {
    /// Returns the shared copy of `family`.
    pub(crate) fn intern(&self, family: Family) -> Arc<Family> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.families.get(&family) {
            return Arc::clone(found);
        }
        if known.swept * 2 + 1000 < known.families.len() {
            known.families.retain(|it| 1 < Arc::strong_count(it));
            known.swept = known.families.len();
        }
        let family = Arc::new(family);
        known.families.insert(Arc::clone(&family));
        family
    }
}

/// Families of one target. A slot keeps its number as long as its family is kept.
#[derive(Debug, Default)]
pub(crate) struct Families {
    slots: Vec<Option<Slot>>,
    /// Of all in `slots`.
    size: MetadataSize,
}

#[derive(Debug)]
struct Slot {
    family: Arc<Family>,
    /// Scrapes since the target showed the family last.
    missed: u8,
}

/// How many scrapes a family is kept for after the target has stopped to show it.
const KEPT_SCRAPES: u8 = 10;

impl Families {
    /// The families, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<Family>> {
        self.slots.iter().flatten().map(|it| Arc::clone(&it.family)).collect()
    }

    pub(crate) fn size(&self) -> MetadataSize {
        self.size
    }

    /// Walks slot numbers and families.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Arc<Family>)> {
        self.slots.iter().enumerate().filter_map(|(at, slot)| Some((at, &slot.as_ref()?.family)))
    }

    pub(crate) fn get(&self, at: usize) -> Option<&Arc<Family>> {
        self.slots.get(at)?.as_ref().map(|it| &it.family)
    }

    /// Fills a slot.
    pub(crate) fn set(&mut self, at: usize, family: Arc<Family>) {
        if self.slots.len() <= at {
            self.slots.resize_with(at + 1, || None);
        }
        self.size.add(MetadataSize::of(&family));
        if let Some(old) = self.slots[at].replace(Slot { family, missed: 0 }) {
            self.size.remove(MetadataSize::of(&old.family));
        }
    }

    /// The first empty slot at `from` or behind it.
    pub(crate) fn free(&self, from: usize) -> usize {
        (from..self.slots.len())
            .find(|it| self.slots[*it].is_none())
            .unwrap_or(from.max(self.slots.len()))
    }

    /// Counts a scrape that showed the families that `shown` accepts, and forgets those that are gone for
    /// long. False if every family was shown.
    pub(crate) fn age(&mut self, shown: impl Fn(usize) -> bool) -> bool {
        let mut missing = false;
        for (at, slot) in self.slots.iter_mut().enumerate() {
            let Some(found) = slot else { continue };
            if shown(at) {
                found.missed = 0;
                continue;
            }
            missing = true;
            found.missed += 1;
            if KEPT_SCRAPES < found.missed {
                self.size.remove(MetadataSize::of(&found.family));
                *slot = None;
            }
        }
        missing
    }
}

/// Families that the page describes anew.
pub(crate) struct FamilyEdits {
    slots: HashMap<String, usize>,
    changed: HashMap<usize, Family>,
    free: usize,
}

impl FamilyEdits {
    pub(crate) fn new(families: &Families) -> Self {
        let slots = families.iter().map(|(slot, family)| (family.name.clone(), slot)).collect();
        Self { slots, changed: HashMap::new(), free: 0 }
    }

    /// The family of this name, to be changed, and its slot.
    pub(crate) fn edit(&mut self, name: String, families: &Families) -> (usize, &mut Family) {
        let slot = match self.slots.get(&name) {
            Some(slot) => *slot,
            None => {
                let slot = families.free(self.free);
                self.free = slot + 1;
                self.slots.insert(name.clone(), slot);
                slot
            }
        };
        let family = self.changed.entry(slot).or_insert_with(|| match families.get(slot) {
            Some(found) => (**found).clone(),
            None => Family { name, ..Family::default() },
        });
        (slot, family)
    }

    /// The family in a slot, if it is described anew.
    pub(crate) fn get(&self, slot: usize) -> Option<&Family> {
        self.changed.get(&slot)
    }

    /// Puts what has changed into `families`.
    pub(crate) fn apply(self, families: &mut Families, interner: &Interner) {
        for (slot, family) in self.changed {
            if families.get(slot).is_none_or(|it| **it != family) {
                families.set(slot, interner.intern(family));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_of_what_is_kept() {
        let family = |help: &str| {
            let metadata = Metadata { help: help.into(), ..Metadata::default() };
            Arc::new(Family { name: "n".into(), metadata })
        };
        let mut families = Families::default();
        // Each has the type `unknown`.
        let size = |entries, bytes| MetadataSize { entries, bytes: bytes + entries * 7 };
        families.set(1, family("abc"));
        families.set(0, family(""));
        assert_eq!(families.size(), size(2, 3));
        families.set(1, family("a"));
        assert_eq!(families.size(), size(2, 1));
        for _ in 0..=KEPT_SCRAPES {
            families.age(|slot| slot == 0);
        }
        assert_eq!(families.size(), size(1, 0));
    }
}
