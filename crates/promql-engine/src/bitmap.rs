//! One bit for each step.

/// One bit for each step. Bits past the length are zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bitmap {
    words: Vec<u64>,
    len: usize,
}

impl Bitmap {
    pub(crate) fn new(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], len }
    }

    /// Sets the length and clears all bits.
    pub(crate) fn reset(&mut self, len: usize) {
        self.words.clear();
        self.words.resize(len.div_ceil(64), 0);
        self.len = len;
    }

    /// Becomes equal to `other`, keeping its memory.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.words.clone_from(&other.words);
        self.len = other.len;
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn get(&self, at: usize) -> bool {
        self.words[at / 64] >> (at % 64) & 1 == 1
    }

    #[inline]
    pub(crate) fn set(&mut self, at: usize) {
        debug_assert!(at < self.len, "bit {at} of {}", self.len);
        self.words[at / 64] |= 1 << (at % 64);
    }

    /// Sets `n` bits, from `from` on.
    pub(crate) fn set_run(&mut self, from: usize, n: usize) {
        debug_assert!(from + n <= self.len, "bits {from}..{} of {}", from + n, self.len);
        let (mut at, end) = (from, from + n);
        while at < end {
            let n = (64 - at % 64).min(end - at);
            self.words[at / 64] |= u64::MAX >> (64 - n) << (at % 64);
            at += n;
        }
    }

    #[inline]
    pub(crate) fn clear(&mut self, at: usize) {
        self.words[at / 64] &= !(1 << (at % 64));
    }

    /// Sets all bits.
    pub(crate) fn fill(&mut self) {
        self.words.fill(u64::MAX);
        let rest = self.len % 64;
        if let Some(last) = self.words.last_mut().filter(|_| rest != 0) {
            *last = (1 << rest) - 1;
        }
    }

    pub(crate) fn any(&self) -> bool {
        self.words.iter().any(|it| *it != 0)
    }

    pub(crate) fn count(&self) -> usize {
        self.words.iter().map(|it| it.count_ones() as usize).sum()
    }

    /// True if all bits are set.
    pub(crate) fn all(&self) -> bool {
        self.count() == self.len
    }

    pub(crate) fn or(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a |= b);
    }

    pub(crate) fn and(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a &= b);
    }

    pub(crate) fn and_not(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a &= !b);
    }

    /// True if a bit is set in both.
    pub(crate) fn intersects(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).any(|(a, b)| a & b != 0)
    }

    /// Positions of the set bits, ascending.
    pub(crate) fn ones(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().flat_map(|(at, word)| Ones { word: *word, base: at * 64 })
    }
}

struct Ones {
    word: u64,
    base: usize,
}

impl Iterator for Ones {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.word == 0 {
            return None;
        }
        let at = self.word.trailing_zeros() as usize;
        self.word &= self.word - 1;
        Some(self.base + at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_bits() {
        let mut a = Bitmap::new(130);
        [0, 63, 64, 129].into_iter().for_each(|at| a.set(at));
        assert_eq!(a.ones().collect::<Vec<_>>(), [0, 63, 64, 129]);
        a.clear(63);
        assert!(a.get(64) && !a.get(63) && a.any() && !a.all());
        let mut full = Bitmap::new(130);
        full.fill();
        assert!(full.all() && full.intersects(&a));
        full.and_not(&a);
        assert_eq!((full.count(), full.intersects(&a)), (127, false));
        full.or(&a);
        assert!(full.all());
        full.and(&a);
        assert_eq!(full, a);
        full.reset(130);
        full.set_run(3, 0);
        full.set_run(62, 67);
        assert_eq!(full.ones().collect::<Vec<_>>(), (62..129).collect::<Vec<_>>());
        a.reset(3);
        assert_eq!((a.count(), a.len()), (0, 3));
    }
}
