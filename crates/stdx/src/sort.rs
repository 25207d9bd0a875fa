//! Sorting that can be given up.

use std::cmp::Ordering;

/// Items that are sorted without a look at whether to go on: well below a millisecond, unless comparing is
/// very slow.
const RUN: usize = 2048;

/// Sorts as [`slice::sort_by`] does, and asks `check` about every two thousand comparisons whether to go on.
///
/// Takes room for the items once more if there are many.
///
/// # Errors
/// What `check` says; the items are dropped then.
///
/// ```
/// let sorted = stdx::sort::try_sort_by(vec![3, 1, 2], Ord::cmp, || Ok::<(), ()>(()));
/// assert_eq!(sorted, Ok(vec![1, 2, 3]));
/// ```
pub fn try_sort_by<T, E>(
    mut items: Vec<T>,
    mut compare: impl FnMut(&T, &T) -> Ordering,
    mut check: impl FnMut() -> Result<(), E>,
) -> Result<Vec<T>, E> {
    if items.len() <= RUN {
        items.sort_by(compare);
        return Ok(items);
    }
    for run in items.chunks_mut(RUN) {
        check()?;
        run.sort_by(&mut compare);
    }
    if items.is_sorted_by(|a, b| compare(a, b).is_le()) {
        return Ok(items);
    }
    let mut rest = items.into_iter();
    let mut runs: Vec<Vec<T>> = Vec::new();
    while 0 < rest.len() {
        runs.push(rest.by_ref().take(RUN).collect());
    }
    while 1 < runs.len() {
        let mut longer = Vec::with_capacity(runs.len().div_ceil(2));
        let mut pairs = runs.into_iter();
        while let Some(first) = pairs.next() {
            longer.push(match pairs.next() {
                Some(second) => merge(first, second, &mut compare, &mut check)?,
                None => first,
            });
        }
        runs = longer;
    }
    Ok(runs.pop().unwrap_or_default())
}

/// Joins two sorted runs; of equal items those of the first go first.
fn merge<T, E>(
    first: Vec<T>,
    second: Vec<T>,
    compare: &mut impl FnMut(&T, &T) -> Ordering,
    check: &mut impl FnMut() -> Result<(), E>,
) -> Result<Vec<T>, E> {
    let mut out = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter().peekable(), second.into_iter().peekable());
    while let (Some(a), Some(b)) = (first.peek(), second.peek()) {
        let next = if compare(a, b).is_le() { first.next() } else { second.next() };
        out.extend(next);
        if out.len() % RUN == 0 {
            check()?;
        }
    }
    out.extend(first);
    out.extend(second);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize) -> Vec<(u64, usize)> {
        let mut seed = 7u64;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed >> 50
        };
        (0..n).map(|at| (next(), at)).collect()
    }

    #[test]
    fn sorts_as_std_does() {
        for n in [0, 1, RUN, RUN + 1, 5 * RUN + 17] {
            let mut expected = numbers(n);
            expected.sort_by_key(|(key, _)| *key);
            let sorted =
                try_sort_by(numbers(n), |a, b| a.0.cmp(&b.0), || Ok::<(), ()>(())).unwrap();
            assert_eq!(sorted, expected, "{n}");
        }
    }

    #[test]
    fn stops_when_told() {
        let mut left = 10;
        let mut compared = 0;
        let result = try_sort_by(
            numbers(100 * RUN),
            |a, b| {
                compared += 1;
                a.cmp(b)
            },
            || {
                left -= 1;
                if left == 0 { Err("enough") } else { Ok(()) }
            },
        );
        assert_eq!(result, Err("enough"));
        assert!(compared < 10 * RUN * 12, "{compared}");
    }
}
