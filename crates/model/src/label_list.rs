//! Many label sets, without an allocation for each.

use std::cmp::Ordering;

use crate::Labels;
use crate::labels::LabelBytes;

/// A label set that is borrowed: the bytes of [`Labels`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelsRef<'a>(&'a [u8]);

impl<'a> LabelsRef<'a> {
    /// The set without labels.
    pub const EMPTY: LabelsRef<'static> = LabelsRef(&[]);

    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The encoding described at [`Labels`]'s module.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// True if there is no label.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Walks `(name, value)` in order, as bytes.
    #[inline]
    pub fn iter_bytes(self) -> LabelBytes<'a> {
        LabelBytes::new(self.0)
    }

    /// The name of the first label, and the labels behind it.
    #[inline]
    pub fn split_first(self) -> Option<(&'a [u8], Self)> {
        let mut walk = self.iter_bytes();
        let (name, _) = walk.next()?;
        Some((name, Self(walk.rest())))
    }

    /// Copies the set.
    pub fn to_labels(self) -> Labels {
        Labels::from_encoded(self.0)
    }

    /// Keeps the labels whose name `keep` accepts; `scratch` is where they lie then, if others lay between them.
    pub fn filter<'b>(
        self,
        mut keep: impl FnMut(&[u8]) -> bool,
        scratch: &'b mut Vec<u8>,
    ) -> LabelsRef<'b>
    where
        'a: 'b,
    {
        scratch.clear();
        let mut walk = self.iter_bytes();
        // What is kept and not copied; mostly only the metric name goes, which is the first.
        let (mut kept, mut before) = (0..0, 0);
        while let Some((name, _)) = walk.next() {
            let after = self.0.len() - walk.rest().len();
            if keep(name) {
                if kept.end < before {
                    scratch.extend_from_slice(&self.0[kept]);
                    kept = before..before;
                }
                kept.end = after;
            }
            before = after;
        }
        let kept = &self.0[kept];
        if scratch.is_empty() {
            return LabelsRef(kept);
        }
        scratch.extend_from_slice(kept);
        LabelsRef(scratch)
    }
}

/// As that of [`Labels`].
impl Ord for LabelsRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter_bytes().cmp(other.iter_bytes())
    }
}

impl PartialOrd for LabelsRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Label sets one after the other in one buffer.
#[derive(Clone, Debug, Default)]
pub struct LabelList {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl LabelList {
    /// Appends a set.
    pub fn push(&mut self, labels: LabelsRef<'_>) {
        self.bytes.extend_from_slice(labels.0);
        self.ends.push(self.bytes.len());
    }

    /// The set at a place.
    ///
    /// # Panics
    /// If there is none.
    #[inline]
    pub fn get(&self, at: usize) -> LabelsRef<'_> {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        LabelsRef(&self.bytes[start..self.ends[at]])
    }

    /// Counts the sets.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>()
    }

    /// Forgets all sets and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// Spells label sets that come as numbers, one for each label. Neighbours share most labels: what the set before
/// had at the same place is copied from there.
#[derive(Debug)]
pub struct Speller<N> {
    numbers: Vec<N>,
    /// Where the labels of the last set end in `bytes`.
    ends: Vec<usize>,
    bytes: Vec<u8>,
    /// The set before, while one is being spelled.
    before: Vec<u8>,
}

impl<N> Default for Speller<N> {
    fn default() -> Self {
        Self { numbers: Vec::new(), ends: Vec::new(), bytes: Vec::new(), before: Vec::new() }
    }
}

impl<N: Copy + PartialEq> Speller<N> {
    /// Spells a set, given its labels in the order of their names and what they stand for.
    ///
    /// # Errors
    /// The first of `pair_of`.
    pub fn spell<'p, E>(
        &mut self,
        numbers: impl Iterator<Item = N>,
        pair_of: impl Fn(N) -> Result<(&'p str, &'p str), E>,
    ) -> Result<LabelsRef<'_>, E> {
        std::mem::swap(&mut self.bytes, &mut self.before);
        self.bytes.clear();
        // What is known and not copied yet ends where the set before has `known`; `n` labels are done.
        let (mut n, mut known) = (0, 0..0);
        for number in numbers {
            let known_end = self.ends.get(n).copied();
            if let Some(end) = known_end
                && self.numbers[n] == number
            {
                self.ends[n] = self.bytes.len() + (end - known.start);
                known.end = end;
                n += 1;
                continue;
            }
            self.bytes.extend_from_slice(&self.before[known.clone()]);
            known = known_end.map_or(known.end..known.end, |end| end..end);
            let pair = match pair_of(number) {
                Ok(pair) => pair,
                Err(error) => {
                    self.forget();
                    return Err(error);
                }
            };
            Labels::encode_sorted([pair], &mut self.bytes);
            if n < self.numbers.len() {
                (self.numbers[n], self.ends[n]) = (number, self.bytes.len());
            } else {
                self.numbers.push(number);
                self.ends.push(self.bytes.len());
            }
            n += 1;
        }
        self.bytes.extend_from_slice(&self.before[known]);
        self.numbers.truncate(n);
        self.ends.truncate(n);
        Ok(LabelsRef(&self.bytes))
    }

    /// Forgets the last set.
    fn forget(&mut self) {
        self.numbers.clear();
        self.ends.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    const PAIRS: [(&str, &str); 9] = [
        ("__name__", "m"),
        ("__name__", "metric"),
        ("a", "1"),
        ("a", "22"),
        ("b", "x"),
        ("b", ""),
        ("job", "node"),
        ("job", "j"),
        ("z", "end"),
    ];

    fn labels(numbers: &[usize]) -> Labels {
        Labels::from_sorted(numbers.iter().map(|it| PAIRS[*it]))
    }

    proptest! {
        #[test]
        fn spells_as_if_each_were_alone(sets in prop::collection::vec(prop::collection::vec(0..PAIRS.len(), 0..6), 0..20)) {
            let mut speller = Speller::default();
            let mut list = LabelList::default();
            let mut all = Vec::new();
            for mut numbers in sets {
                numbers.sort_unstable();
                numbers.dedup_by_key(|it| PAIRS[*it].0);
                let spelled = speller.spell(numbers.iter().copied(), |it| Ok::<_, Infallible>(PAIRS[it]));
                list.push(spelled.expect("it cannot fail"));
                all.push(labels(&numbers));
            }
            prop_assert_eq!(list.len(), all.len());
            for (at, it) in all.iter().enumerate() {
                prop_assert_eq!(list.get(at), it.borrowed());
                prop_assert_eq!(&list.get(at).to_labels(), it);
            }
            for pair in all.windows(2) {
                prop_assert_eq!(pair[0].borrowed().cmp(&pair[1].borrowed()), pair[0].cmp(&pair[1]));
            }
        }

        #[test]
        fn filters_as_labels_do(numbers in prop::collection::vec(0..PAIRS.len(), 0..6), dropped in "[_abjz]") {
            let mut numbers = numbers;
            numbers.sort_unstable();
            numbers.dedup_by_key(|it| PAIRS[*it].0);
            let labels = labels(&numbers);
            let keep = |name: &[u8]| !name.starts_with(dropped.as_bytes());
            let mut scratch = Vec::new();
            let kept = labels.borrowed().filter(keep, &mut scratch);
            prop_assert_eq!(kept.to_labels(), labels.filter_bytes(keep));
        }
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let mut speller = Speller::default();
        let pair = |it: usize| PAIRS.get(it).copied().ok_or(it);
        assert_eq!(
            speller.spell([0, 2].into_iter(), pair).map(LabelsRef::to_labels),
            Ok(labels(&[0, 2]))
        );
        assert_eq!(speller.spell([0, 99].into_iter(), pair), Err(99));
        assert_eq!(
            speller.spell([0, 4].into_iter(), pair).map(LabelsRef::to_labels),
            Ok(labels(&[0, 4]))
        );
    }
}
