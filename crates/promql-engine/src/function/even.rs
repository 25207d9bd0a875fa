//! Windows over samples that come as regularly as the steps do, which is how most targets are scraped.

use super::window::Bounds;

/// Neighbouring windows that differ in their steps and values only: what is between their borders and their
/// samples is the same in all of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Even {
    /// Not empty.
    pub(crate) first: Bounds,
    /// How many windows there are.
    pub(crate) len: usize,
    /// How many samples a window lies behind the one before.
    pub(crate) stride: usize,
}

impl Even {
    /// The first sample of each window, and the one after its last.
    pub(crate) fn spans(self) -> impl Iterator<Item = (usize, usize)> {
        let (from, to) = (self.first.from as usize, self.first.to as usize);
        (0..self.len).map(move |at| (from + at * self.stride, to + at * self.stride))
    }
}

/// Finds where the samples of a series come as regularly as the steps. Looks at each pair of samples once.
pub(super) struct Rhythm {
    step_ms: i64,
    /// How many samples later a step has passed: exactly, for the samples before `until`, as far back as
    /// was looked.
    stride: usize,
    until: usize,
}

/// Samples that are looked at together.
const RUN: usize = 64;

impl Rhythm {
    pub(super) fn new(step_ms: i64) -> Self {
        Self { step_ms, stride: 0, until: 0 }
    }

    /// The `len` windows that begin with `first` and are a step apart, if they are even. No later call names
    /// an earlier one.
    pub(super) fn even(&mut self, times: &[i64], first: Bounds, len: usize) -> Option<Even> {
        let (from, to) = (first.from as usize, first.to as usize);
        if len < 2 || from == to {
            return None;
        }
        let is_within = |t: &&i64| t.abs_diff(times[from]) < self.step_ms.unsigned_abs();
        let stride = 1 + times[from + 1..].iter().take_while(is_within).count();
        // Behind the sample that follows the last window and tells where it ends.
        let end = to + stride * (len - 1) + 1;
        // The samples before the second window are not all found in the first one.
        let left_behind = times[from + stride - 1].abs_diff(first.start);
        if times.len() < end || self.step_ms.unsigned_abs() < left_behind {
            return None;
        }
        let known = if stride == self.stride { from.max(self.until) } else { from };
        let repeated = repeats(&times[known.min(end)..end], stride, self.step_ms);
        (self.stride, self.until) = (stride, known + repeated);
        (end - stride <= self.until).then_some(Even { first, len, stride })
    }
}

/// Counts the times, from the first on, after which `step_ms` has passed `stride` samples later; whole runs
/// only where it ends early.
fn repeats(times: &[i64], stride: usize, step_ms: i64) -> usize {
    let Some(later) = times.get(stride..) else { return 0 };
    let runs = times.chunks(RUN).zip(later.chunks(RUN));
    let is_even = |(times, later): &(&[i64], &[i64])| {
        // Times ascend: a difference that wraps around is still told apart.
        let off = |(t, later): (&i64, &i64)| later.wrapping_sub(*t) ^ step_ms;
        times.iter().zip(*later).map(off).fold(0, |any, off| any | off) == 0
    };
    runs.take_while(is_even).map(|(_, later)| later.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Windows of a range that end at `end` and then every `step_ms`, found one by one.
    fn windows(times: &[i64], end: i64, (step_ms, range_ms): (i64, i64), n: usize) -> Vec<Bounds> {
        let window = |step: usize| {
            let end = end + step_ms * step as i64;
            let start = end - range_ms;
            let first_after = |t: i64| times.partition_point(|it| *it <= t) as u32;
            Bounds { from: first_after(start), to: first_after(end), step, start, end }
        };
        (0..n).map(window).collect()
    }

    /// How many blocks of `windows` are found to be even; those that are must be.
    fn check(times: &[i64], step_ms: i64, windows: &[Bounds], block: usize) -> usize {
        let mut rhythm = Rhythm::new(step_ms);
        let mut n_even = 0;
        for block in windows.chunks(block) {
            let Some(even) = rhythm.even(times, block[0], block.len()) else { continue };
            n_even += 1;
            assert_eq!((even.first, even.len), (block[0], block.len()));
            let gaps = |it: &Bounds| {
                let inside = &times[it.from as usize..it.to as usize];
                inside.iter().map(|t| t - it.start).collect::<Vec<_>>()
            };
            for (window, span) in block.iter().zip(even.spans()) {
                assert_eq!((window.from as usize, window.to as usize), span, "{block:?}");
                assert_eq!(gaps(window), gaps(&block[0]));
            }
        }
        n_even
    }

    #[test]
    fn finds_a_rhythm() {
        let regular: Vec<i64> = (0..400).map(|at| at * 15).collect();
        let n_even = |times: &[i64], step_ms| {
            check(times, step_ms, &windows(times, 303, (step_ms, 300), 300), 20)
        };
        assert_eq!(n_even(&regular, 15), 15);
        assert_eq!(n_even(&regular, 45), 6, "until they end, a third of the way");
        assert_eq!(n_even(&regular, 20), 0);
        let mut late = regular;
        late[200] += 1;
        assert_eq!(n_even(&late, 15), 13, "all but two that see it");
    }

    proptest! {
        #[test]
        fn what_is_even_is_so(
            gaps in prop::collection::vec(
                prop_oneof![40 => Just(10i64), 1 => 1i64..20, 1 => Just(20), 1 => Just(100)], 1..400),
            step_ms in prop_oneof![3 => (1i64..5).prop_map(|n| 10 * n), 1 => 1i64..50],
            range_ms in 1i64..120,
            end in -50i64..300,
            block in 1usize..40,
        ) {
            let mut t = 0;
            let times: Vec<i64> = gaps.into_iter().map(|gap| { t += gap; t }).collect();
            check(&times, step_ms, &windows(&times, end, (step_ms, range_ms), 300), block);
        }
    }
}
