//! Samples that wait in open batches.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// How many samples of open batches wait for each series of a page: mostly none or one.
#[derive(Default)]
pub(super) struct Pending {
    /// A bit for each series: at least one.
    some: Vec<u64>,
    /// How many there are besides, where there are some.
    more: HashMap<usize, u32, RandomState>,
}

impl Pending {
    /// Counts a sample that waits for the series at `at`.
    pub(super) fn add(&mut self, at: usize) {
        if self.has(at) {
            *self.more.entry(at).or_default() += 1;
            return;
        }
        let word = at / 64;
        if self.some.len() <= word {
            self.some.resize(word + 1, 0);
        }
        self.some[word] |= 1 << (at % 64);
    }

    /// Takes back one [`Pending::add`].
    pub(super) fn remove(&mut self, at: usize) {
        if !self.more.is_empty()
            && let Some(n) = self.more.get_mut(&at)
        {
            *n -= 1;
            if *n == 0 {
                self.more.remove(&at);
            }
        } else if let Some(word) = self.some.get_mut(at / 64) {
            *word &= !(1 << (at % 64));
        }
    }

    /// True if one waits.
    pub(super) fn has(&self, at: usize) -> bool {
        self.some.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_until_the_last_is_gone() {
        let mut pending = Pending::default();
        for at in [0, 63, 64, 1023] {
            assert!(!pending.has(at));
            (0..3).for_each(|_| pending.add(at));
            for _ in 0..3 {
                assert!(pending.has(at));
                pending.remove(at);
            }
            assert!(!pending.has(at));
        }
        assert!(pending.more.is_empty());
    }
}
