//! Label sets.
//!
//! One allocation per set: for each label, sorted by name, the length and bytes of the name, then
//! of the value. A length below 255 is one byte; a longer one is `0xFF` and three bytes, little
//! endian. This is the byte layout that Prometheus hashes (xxHash64, seed 0), so [`Labels::hash64`]
//! equals its hash.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use crate::METRIC_NAME;
use crate::builder::LabelsBuilder;
use crate::label_list::LabelsRef;
use crate::name::{is_legacy_label_name, quote};

/// An immutable label set: names sorted bytewise and unique, no empty value. Cloning copies a pointer.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Labels(Arc<[u8]>);

impl Labels {
    /// The set without labels.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Builds a set from pairs in any order. Pairs with an empty value are left out; of pairs with
    /// the same name the last one wins.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name.as_ref(), value.as_ref());
        }
        builder.labels()
    }

    /// Builds a set from pairs that are already sorted by name, unique, and without empty values.
    ///
    /// # Panics
    /// In debug builds, if the order is broken.
    pub fn from_sorted<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut bytes = Vec::with_capacity(128);
        Self::encode_sorted(pairs, &mut bytes);
        Self(bytes.into())
    }

    /// Appends the encoding of sorted pairs to `out`: what [`Labels::as_bytes`] would hold.
    ///
    /// # Panics
    /// In debug builds, if the order is broken.
    pub fn encode_sorted<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
        out: &mut Vec<u8>,
    ) {
        let mut last: Option<&str> = None;
        for (name, value) in pairs {
            debug_assert!(last.is_none_or(|it| it < name), "label names ascend: {last:?} {name:?}");
            last = Some(name);
            if !value.is_empty() {
                put(out, name);
                put(out, value);
            }
        }
    }

    /// Takes what [`Labels::encode_sorted`] wrote.
    pub(crate) fn from_encoded(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The set, borrowed.
    pub fn borrowed(&self) -> LabelsRef<'_> {
        LabelsRef::new(&self.0)
    }

    /// The encoding described at the top of this module.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// True if there is no label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts the labels. Walks the set.
    pub fn len(&self) -> usize {
        self.iter_bytes().count()
    }

    /// Returns the value of `name`, if the label is there.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter_bytes().find(|(it, _)| *it == name.as_bytes()).map(|(_, value)| text(value))
    }

    /// Returns the value of `name`, or `""`.
    pub fn value(&self, name: &str) -> &str {
        self.get(name).unwrap_or("")
    }

    /// The metric name, or `""`.
    pub fn metric_name(&self) -> &str {
        self.value(METRIC_NAME)
    }

    /// Walks `(name, value)` in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter_bytes().map(|(name, value)| (text(name), text(value)))
    }

    /// Walks `(name, value)` as bytes (each valid UTF-8), without checking them again.
    #[inline]
    pub fn iter_bytes(&self) -> LabelBytes<'_> {
        LabelBytes { rest: &self.0 }
    }

    /// Keeps the labels whose name `keep` accepts.
    pub fn filter(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        Self::from_sorted(self.iter().filter(|(name, _)| keep(name)))
    }

    /// Keeps the labels whose name, as bytes, `keep` accepts. Shares the allocation if that is all of them.
    pub fn filter_bytes(&self, mut keep: impl FnMut(&[u8]) -> bool) -> Self {
        let mut bytes = Vec::new();
        let mut all = true;
        let mut walk = self.iter_bytes();
        loop {
            let before = self.0.len() - walk.rest.len();
            let Some((name, _)) = walk.next() else { break };
            let after = self.0.len() - walk.rest.len();
            match (keep(name), all) {
                (true, true) => {}
                (true, false) => bytes.extend_from_slice(&self.0[before..after]),
                (false, true) => {
                    all = false;
                    bytes.reserve_exact(self.0.len() - (after - before));
                    bytes.extend_from_slice(&self.0[..before]);
                }
                (false, false) => {}
            }
        }
        if all { self.clone() } else { Self(bytes.into()) }
    }

    /// Returns the set without the metric name.
    pub fn without_name(&self) -> Self {
        match self.get(METRIC_NAME) {
            Some(_) => self.filter(|name| name != METRIC_NAME),
            None => self.clone(),
        }
    }

    /// xxHash64 of the encoding: equal to the hash that Prometheus computes for the same set.
    pub fn hash64(&self) -> u64 {
        xxhash_rust::xxh64::xxh64(&self.0, 0)
    }

    /// Starts an edit of this set.
    pub fn to_builder(&self) -> LabelsBuilder {
        let mut builder = LabelsBuilder::default();
        for (name, value) in self.iter() {
            builder.set(name, value);
        }
        builder
    }
}

/// Compares pair by pair, name first, then value, bytewise; a proper prefix sorts first.
impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter_bytes().cmp(other.iter_bytes())
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Writes `{a="b", c="d"}`; names outside `[a-zA-Z_][a-zA-Z0-9_]*` are quoted.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, (name, value)) in self.iter().enumerate() {
            if 0 < i {
                f.write_str(", ")?;
            }
            if is_legacy_label_name(name) {
                f.write_str(name)?
            } else {
                f.write_str(&quote(name))?
            }
            write!(f, "={}", quote(value))?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Walks the labels of a set as bytes.
#[derive(Clone)]
pub struct LabelBytes<'a> {
    rest: &'a [u8],
}

impl<'a> LabelBytes<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// What was not walked yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for LabelBytes<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let name = take(&mut self.rest);
        let value = take(&mut self.rest);
        Some((name, value))
    }
}

/// Values longer than the three-byte length are cut: no scrape or write accepts one that long.
const LEN_MAX: usize = 0xFF_FFFF;

#[inline]
fn put(out: &mut Vec<u8>, s: &str) {
    assert!(s.len() <= LEN_MAX, "a label name or value is below 16 MiB");
    match u8::try_from(s.len()) {
        Ok(len) if len < 0xFF => out.push(len),
        _ => {
            out.push(0xFF);
            out.extend_from_slice(&s.len().to_le_bytes()[..3]);
        }
    }
    out.extend_from_slice(s.as_bytes());
}

#[inline(always)]
fn take<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (len, head) = match rest[0] {
        0xFF => (usize::from(rest[1]) | usize::from(rest[2]) << 8 | usize::from(rest[3]) << 16, 4),
        len => (usize::from(len), 1),
    };
    let (piece, tail) = rest[head..].split_at(len);
    *rest = tail;
    piece
}

#[inline]
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("labels are built from str only")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prints_orders_and_hashes() {
        let m = Labels::from_pairs([("b", "2"), ("__name__", "m"), ("a", "x\"y"), ("empty", "")]);
        assert_eq!(m.to_string(), r#"{__name__="m", a="x\"y", b="2"}"#);
        assert_eq!((m.metric_name(), m.value("b"), m.get("no"), m.len()), ("m", "2", None, 3));
        assert_eq!(m.without_name().to_string(), r#"{a="x\"y", b="2"}"#);
        let prefix = Labels::from_pairs([("__name__", "m")]);
        assert!(prefix < m && Labels::empty() < prefix);
        assert_eq!(Labels::empty().hash64(), 0xef46_db37_51d8_e999);
        assert_eq!(Labels::from_pairs([("a.b", "1")]).to_string(), r#"{"a.b"="1"}"#);
    }

    proptest! {
        #[test]
        fn keeps_what_a_map_keeps(pairs in prop::collection::vec(("[a-e]{1,2}", "(.{0,3}|x{254,300})"), 0..8)) {
            let map: std::collections::BTreeMap<_, _> = pairs.iter().cloned().collect();
            let map: Vec<_> = map.into_iter().filter(|(_, v)| !v.is_empty()).collect();
            let labels = Labels::from_pairs(pairs);
            let read: Vec<_> = labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            prop_assert_eq!(&read, &map);
            prop_assert_eq!(labels.to_builder().labels(), labels.clone());
            prop_assert_eq!(labels.filter_bytes(|name| name < b"c"), labels.filter(|name| name < "c"));
        }
    }
}
