//! Label sets in the making.

use std::cmp::Ordering;

use crate::Labels;

/// An editable label set. Cheap to reuse: [`LabelsBuilder::clear`] keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder {
    /// Sorted by name, unique, values not empty.
    pairs: Vec<Pair>,
    /// The names and values of `pairs`, and of labels that were replaced or removed since the last clear.
    text: String,
}

/// A label: its name and, right behind, its value stand in the builder's text.
#[derive(Clone, Copy, Debug)]
struct Pair {
    /// Most names differ here.
    key: u64,
    start: usize,
    name_len: usize,
    value_len: usize,
}

impl LabelsBuilder {
    /// Removes all labels.
    #[inline]
    pub fn clear(&mut self) {
        self.pairs.clear();
        self.text.clear();
    }

    /// Sets `name` to `value`; an empty value removes the label.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        let key = key(name);
        match self.find(key, name) {
            Ok(at) if value.is_empty() => drop(self.pairs.remove(at)),
            Ok(at) => self.pairs[at] = self.pair(key, name, value),
            Err(at) => self.insert(at, key, name, value),
        }
        self
    }

    /// Sets `name`, which must not be there, to `value`. False, and nothing is done, if it is.
    #[inline]
    pub fn add(&mut self, name: &str, value: &str) -> bool {
        let key = key(name);
        let place = self.find(key, name);
        if let Err(at) = place {
            self.insert(at, key, name, value);
        }
        place.is_err()
    }

    /// Removes `name` if it is there.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        if let Ok(at) = self.find(key(name), name) {
            self.pairs.remove(at);
        }
        self
    }

    /// Keeps the labels that `keep(name, value)` accepts.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) -> &mut Self {
        let text = &self.text;
        self.pairs.retain(|it| keep(it.name(text), it.value(text)));
        self
    }

    /// Returns the value of `name`, if the label is there.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(key(name), name).ok().map(|at| self.pairs[at].value(&self.text))
    }

    /// Walks `(name, value)` in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|it| (it.name(&self.text), it.value(&self.text)))
    }

    /// True if there is no label.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Counts the labels.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// The finished set.
    pub fn labels(&self) -> Labels {
        Labels::from_sorted(self.iter())
    }

    #[inline]
    fn find(&self, key: u64, name: &str) -> Result<usize, usize> {
        self.pairs.binary_search_by(|it| match it.key.cmp(&key) {
            Ordering::Equal => it.name(&self.text).cmp(name),
            differs => differs,
        })
    }

    #[inline]
    fn insert(&mut self, at: usize, key: u64, name: &str, value: &str) {
        if !value.is_empty() {
            let pair = self.pair(key, name, value);
            self.pairs.insert(at, pair);
        }
    }

    #[inline]
    fn pair(&mut self, key: u64, name: &str, value: &str) -> Pair {
        let start = self.text.len();
        self.text.push_str(name);
        self.text.push_str(value);
        Pair { key, start, name_len: name.len(), value_len: value.len() }
    }
}

impl PartialEq for LabelsBuilder {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for LabelsBuilder {}

impl Pair {
    #[inline]
    fn name(self, text: &str) -> &str {
        &text[self.start..][..self.name_len]
    }

    #[inline]
    fn value(self, text: &str) -> &str {
        &text[self.start + self.name_len..][..self.value_len]
    }
}

/// The first bytes of a name as a number: where two of them differ, they are in the order of the names.
#[inline]
fn key(name: &str) -> u64 {
    let name = name.as_bytes();
    if let Some(first) = name.first_chunk() {
        return u64::from_be_bytes(*first);
    }
    let key = name.iter().fold(0, |key, byte| key << 8 | u64::from(*byte));
    if name.is_empty() { 0 } else { key << (64 - 8 * name.len()) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Edit {
        Set(String, String),
        Add(String, String),
        Remove(String),
        RetainBelow(String),
    }

    fn edits() -> impl Strategy<Value = Vec<Edit>> {
        // Names that begin alike, are prefixes of each other, or have bytes on both sides of ASCII.
        let name = "(aaaaaaa){0,2}[\\x00ab\u{e9}]{0,2}";
        let edit = prop_oneof![
            (name, ".{0,3}").prop_map(|(name, value)| Edit::Set(name, value)),
            (name, ".{0,3}").prop_map(|(name, value)| Edit::Add(name, value)),
            name.prop_map(Edit::Remove),
            name.prop_map(Edit::RetainBelow),
        ];
        prop::collection::vec(edit, 0..24)
    }

    proptest! {
        #[test]
        fn is_a_map_without_empty_values(edits in edits()) {
            let (mut builder, mut map) = (LabelsBuilder::default(), BTreeMap::new());
            builder.set("before", "a clear").clear();
            for edit in edits {
                match edit {
                    Edit::Set(name, value) => {
                        builder.set(&name, &value);
                        map.insert(name, value);
                    }
                    Edit::Add(name, value) => {
                        prop_assert_eq!(builder.add(&name, &value), !map.contains_key(&name));
                        map.entry(name).or_insert(value);
                    }
                    Edit::Remove(name) => {
                        builder.remove(&name);
                        map.remove(&name);
                    }
                    Edit::RetainBelow(bound) => {
                        builder.retain(|name, _| name < bound.as_str());
                        map.retain(|name, _| *name < bound);
                    }
                }
                map.retain(|_, value| !value.is_empty());
                let expected: Vec<_> = map.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                prop_assert_eq!(builder.iter().collect::<Vec<_>>(), expected);
                prop_assert_eq!((builder.len(), builder.is_empty()), (map.len(), map.is_empty()));
                for name in ["", "a", "aaaaaaaa", "aaaaaaab", "aaaaaaaaaaaaaa", "\u{e9}"] {
                    prop_assert_eq!(builder.get(name), map.get(name).map(String::as_str));
                }
            }
            prop_assert_eq!(builder.labels(), Labels::from_pairs(map));
        }
    }
}
