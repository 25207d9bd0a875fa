//! Which series have a label pair: ascending references, each as the difference to the one before.
//!
//! A list costs 40 bytes and one to two bytes for each series. Series of one target are made one after
//! the other, so most differences are 1.

use stdx::varint::{put_u64, take_u64};

/// The references of one pair.
#[derive(Clone, Debug, Default)]
pub(crate) struct Postings {
    bytes: Vec<u8>,
    last: u64,
    n: u32,
}

impl Postings {
    /// Adds a reference greater than all before.
    pub(crate) fn push(&mut self, series: u64) {
        assert!(self.last < series, "references ascend");
        if self.bytes.capacity() - self.bytes.len() < varint_len(series - self.last) {
            // An eighth: a list that doubles wastes more than its entries are worth.
            self.bytes.reserve_exact(10 + self.bytes.len() / 8);
        }
        put_u64(&mut self.bytes, series - self.last);
        self.last = series;
        self.n += 1;
    }

    /// Makes room for what was counted, and no more.
    pub(crate) fn reserve(&mut self, more: &Counted) {
        self.bytes.reserve_exact(more.n_bytes);
    }

    /// Counts the references.
    pub(crate) fn len(&self) -> usize {
        self.n as usize
    }

    /// Walks the references, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        let mut rest = &self.bytes[..];
        let mut last = 0;
        std::iter::from_fn(move || {
            // Nearly always one byte.
            match *rest {
                [byte, ref tail @ ..] if byte < 0x80 => {
                    rest = tail;
                    last += u64::from(byte);
                }
                _ => last += take_u64(&mut rest)?,
            }
            Some(last)
        })
    }

    /// Removes references; `gone` is ascending.
    pub(crate) fn remove(&mut self, gone: &[u64]) {
        let mut kept = Self::default();
        kept.bytes.reserve_exact(self.bytes.len());
        let mut gone = gone.iter().peekable();
        for series in self.iter() {
            while gone.next_if(|it| **it < series).is_some() {}
            if gone.peek() != Some(&&series) {
                kept.push(series);
            }
        }
        kept.bytes.shrink_to_fit();
        *self = kept;
    }
}

/// Counts the bytes of references before they are added to a list: one that grows bit by bit leaves holes behind.
#[derive(Clone, Default)]
pub(crate) struct Counted {
    n_bytes: usize,
    last: u64,
}

impl Counted {
    /// Counts a reference greater than all before.
    pub(crate) fn count(&mut self, series: u64) {
        self.n_bytes += varint_len(series - self.last);
        self.last = series;
    }
}

fn varint_len(n: u64) -> usize {
    let n_bits = u64::BITS - (n | 1).leading_zeros();
    n_bits.div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keeps_what_a_set_keeps(
            all in prop::collection::btree_set(1u64..1 << 40, 0..200),
            gone in prop::collection::btree_set(1u64..300, 0..50),
        ) {
            let all: std::collections::BTreeSet<u64> = all.iter().map(|it| it % 300 + 1).chain(all.iter().copied()).collect();
            let (mut postings, mut counted) = (Postings::default(), Counted::default());
            all.iter().for_each(|it| counted.count(*it));
            postings.reserve(&counted);
            all.iter().for_each(|it| postings.push(*it));
            prop_assert_eq!(postings.bytes.len(), counted.n_bytes);
            prop_assert!(postings.iter().eq(all.iter().copied()));
            let gone: Vec<u64> = gone.into_iter().collect();
            postings.remove(&gone);
            let left: Vec<u64> = all.into_iter().filter(|it| !gone.contains(it)).collect();
            prop_assert_eq!(postings.len(), left.len());
            prop_assert!(postings.iter().eq(left));
        }
    }
}
