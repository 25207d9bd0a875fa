//! Which blocks to merge next. Pure: it sees what the blocks say of themselves.

use block::Meta;
use block::meta::{HINT_SELECTED_SERIES, HINT_STALE_SERIES};

/// Each range is so many times the one before.
const RANGE_FACTOR: i64 = 3;
const RANGES_MAX: usize = 10;
/// A large block is rewritten when so many of its series, in percent, have something deleted.
const TOMBSTONES_PERCENT: u64 = 5;

/// Returns the ranges that blocks grow through, ascending: `min_ms` and its multiples by powers of three
/// that are not above `max_ms`.
pub fn ranges(min_ms: i64, max_ms: i64) -> Vec<i64> {
    let all = std::iter::successors(Some(min_ms), |it| it.checked_mul(RANGE_FACTOR));
    all.take(RANGES_MAX).take_while(|it| *it == min_ms || *it <= max_ms).collect()
}

/// Picks the blocks to merge into one, or the one to rewrite without what is deleted. Empty if there is
/// nothing to do. Ask again after each merge.
///
/// - `blocks`: all blocks, in any order.
/// - `ranges`: ascending, as [`ranges`] gives them.
///
/// Blocks written early from chosen series are only merged with their like.
pub fn plan<'a>(blocks: &'a [Meta], ranges: &[i64]) -> Vec<&'a Meta> {
    let class = |it: &Meta| match () {
        () if it.has_hint(HINT_STALE_SERIES) => 1,
        () if it.has_hint(HINT_SELECTED_SERIES) => 2,
        () => 0,
    };
    let of_class = |wanted| {
        let mut blocks: Vec<&Meta> = blocks.iter().filter(|it| class(it) == wanted).collect();
        blocks.sort_by_key(|it| (it.mint, it.ulid));
        plan_sorted(&blocks, ranges)
    };
    (0..3).map(of_class).find(|it| !it.is_empty()).unwrap_or_default()
}

fn plan_sorted<'a>(blocks: &[&'a Meta], ranges: &[i64]) -> Vec<&'a Meta> {
    let overlapping = first_overlap(blocks);
    if !overlapping.is_empty() {
        return overlapping;
    }
    // The newest block may still get a neighbour to be merged with.
    let Some((_, older)) = blocks.split_last() else { return Vec::new() };
    let group = first_group(older, ranges);
    if group.is_empty() { first_with_deletions(older, ranges) } else { group }
}

/// True if the ranges of some of the blocks overlap.
pub fn is_overlapping(blocks: &[&Meta]) -> bool {
    let mut ranges: Vec<(i64, i64)> = blocks.iter().map(|it| (it.mint, it.maxt)).collect();
    ranges.sort_unstable();
    ranges.windows(2).any(|it| it[1].0 < it[0].1)
}

/// Returns the first run of blocks in which each begins before those before it end.
fn first_overlap<'a>(blocks: &[&'a Meta]) -> Vec<&'a Meta> {
    let mut run: Vec<&Meta> = Vec::new();
    let mut maxt = i64::MIN;
    for it in blocks {
        if it.mint >= maxt {
            if 1 < run.len() {
                break;
            }
            run.clear();
        }
        run.push(it);
        maxt = maxt.max(it.maxt);
    }
    if 1 < run.len() { run } else { Vec::new() }
}

/// Returns the first blocks that together fill, or can no longer better fill, an aligned window.
fn first_group<'a>(blocks: &[&'a Meta], ranges: &[i64]) -> Vec<&'a Meta> {
    let Some(newest) = blocks.last() else { return Vec::new() };
    for range in ranges.iter().skip(1).copied() {
        for group in windows(blocks, range) {
            let (first, last) = (group[0], group[group.len() - 1]);
            let is_full = last.maxt - first.mint == range;
            let is_past = last.maxt <= newest.mint;
            if 1 < group.len()
                && (is_full || is_past)
                && !group.iter().any(|it| it.compaction.failed)
            {
                return group.to_vec();
            }
        }
    }
    Vec::new()
}

/// Groups neighbours that lie in the same window `[k·range, (k+1)·range)`; a block that fits in none is
/// left out.
fn windows<'s, 'a>(blocks: &'s [&'a Meta], range: i64) -> Vec<&'s [&'a Meta]> {
    let end = |it: &Meta| it.mint.div_euclid(range) * range + range;
    let same = |a: &&Meta, b: &&Meta| b.maxt <= end(a) && a.maxt <= end(a);
    blocks.chunk_by(same).filter(|it| it[0].maxt <= end(it[0])).collect()
}

/// Returns the newest block of which so much is deleted that it is worth rewriting. Small blocks will
/// be merged anyway: of them only the newest is looked at.
fn first_with_deletions<'a>(blocks: &[&'a Meta], ranges: &[i64]) -> Vec<&'a Meta> {
    let Some(large) = ranges.get(ranges.len() / 2) else { return Vec::new() };
    for it in blocks.iter().rev() {
        let (n, n_series) = (it.stats.n_tombstones, it.stats.n_series);
        if it.maxt - it.mint < *large {
            return if 0 < n && n_series <= n { vec![it] } else { Vec::new() };
        }
        if TOMBSTONES_PERCENT * (n_series + 1) < n * 100 {
            return vec![it];
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests;
