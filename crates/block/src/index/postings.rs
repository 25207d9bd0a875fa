//! Lists of series numbers.

/// Series numbers, ascending, as the file holds them: four bytes each, big endian. Nothing is copied.
#[derive(Clone, Copy, Debug, Default)]
pub struct Postings<'a>(&'a [u8]);

impl<'a> Postings<'a> {
    /// Wraps bytes whose length is a multiple of four.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        debug_assert!(bytes.len().is_multiple_of(4), "four bytes a number");
        Self(bytes)
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.0.len() / 4
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number at `at`, if there are so many.
    pub fn get(&self, at: usize) -> Option<u32> {
        let bytes = self.0.get(at * 4..at * 4 + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().expect("four bytes")))
    }

    /// Walks the numbers.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        self.0.chunks_exact(4).map(|it| u32::from_be_bytes(it.try_into().expect("four bytes")))
    }

    /// Starts to look for ascending numbers.
    pub fn cursor(self) -> Cursor<'a> {
        Cursor { list: self, at: 0 }
    }
}

/// Finds ascending numbers in a list, each from where the last one was.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    list: Postings<'a>,
    at: usize,
}

impl Cursor<'_> {
    /// True if `number` is in the list. Numbers asked for must ascend. Costs the logarithm of the
    /// distance from the one before.
    pub fn contains(&mut self, number: u32) -> bool {
        let mut step = 1;
        let mut low = self.at;
        // Double the step until the number lies within it, then halve.
        while self.list.get(low + step - 1).is_some_and(|it| it < number) {
            low += step;
            step *= 2;
        }
        let mut high = (low + step - 1).min(self.list.len());
        while low < high {
            let mid = low + (high - low) / 2;
            if self.list.get(mid).is_some_and(|it| it < number) {
                low = mid + 1
            } else {
                high = mid
            }
        }
        self.at = low;
        self.list.get(low) == Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_what_a_set_finds(
            list in prop::collection::btree_set(0u32..500, 0..200),
            asked in prop::collection::btree_set(0u32..510, 0..100),
        ) {
            let bytes: Vec<u8> = list.iter().flat_map(|it| it.to_be_bytes()).collect();
            let postings = Postings::new(&bytes);
            prop_assert!(postings.iter().eq(list.iter().copied()));
            let mut cursor = postings.cursor();
            for number in asked {
                prop_assert_eq!(cursor.contains(number), list.contains(&number));
            }
        }
    }
}
