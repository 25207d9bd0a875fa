//! Cases as text: `mint..maxt` for each block, `!` failed, `o` out of order, `s` stale, `/n/m` n deleted
//! intervals over m series.

use block::{Meta, Ulid};

use super::*;

fn block(text: &str, at: usize) -> Meta {
    let (range, deleted) = text.split_once('/').unwrap_or((text, "0/0"));
    let (n, n_series) = deleted.split_once('/').unwrap();
    let (mint, rest) = range.split_once("..").unwrap();
    let maxt = rest.trim_end_matches(['!', 'o', 's']);
    let mut meta =
        Meta::new(Ulid::new(0, at as u128), mint.parse().unwrap(), maxt.parse().unwrap());
    meta.stats.n_tombstones = n.parse().unwrap();
    meta.stats.n_series = n_series.parse().unwrap();
    meta.compaction.failed = rest.contains('!');
    if rest.contains('s') {
        meta.compaction.hints.push(HINT_STALE_SERIES.to_owned());
    }
    if rest.contains('o') {
        meta.compaction.hints.push(block::meta::HINT_OUT_OF_ORDER.to_owned());
    }
    meta
}

fn check(blocks: &str, expected: &str) {
    let metas: Vec<Meta> =
        blocks.split_whitespace().enumerate().map(|(at, it)| block(it, at)).collect();
    let planned = plan(&metas, &[20, 60, 180, 540]);
    let text: Vec<String> = planned.iter().map(|it| format!("{}..{}", it.mint, it.maxt)).collect();
    assert_eq!(text.join(" "), expected, "{blocks}");
}

#[test]
fn grows_by_powers_of_three() {
    let hour = 3_600_000;
    assert_eq!(ranges(2 * hour, 36 * hour), [2 * hour, 6 * hour, 18 * hour]);
    assert_eq!(ranges(2 * hour, hour), [2 * hour]);
    assert_eq!(ranges(1, i64::MAX).len(), 10);
}

#[test]
fn merges_what_fills_a_window() {
    check("", "");
    check("0..20", "");
    check("0..20 20..40 40..60", "");
    check("0..20 20..40 40..60 60..80", "0..20 20..40 40..60");
    check("0..20 40..60 60..80", "0..20 40..60");
    check("0..20 60..80 80..100", "");
    check("20..40 60..80 80..100 120..140", "");
    check("20..40 60..80 80..100 120..140 140..160", "60..80 80..100");
    check("60..80 20..40 0..20 40..60", "0..20 20..40 40..60");
    check("0..60 60..120 120..180 180..200", "0..60 60..120 120..180");
    check(
        "0..60 60..120 120..180 180..200 200..220 220..240 240..260",
        "180..200 200..220 220..240",
    );
    // Not aligned: the first block reaches into the next window.
    check("10..70 70..90 90..110 120..140 140..160", "70..90 90..110");
    check("-60..0 0..20 20..40 40..60 60..80", "0..20 20..40 40..60");
    check("-40..-20 -20..0 0..20 20..40", "-40..-20 -20..0");
}

#[test]
fn a_gap_is_past_when_newer_blocks_follow() {
    check("0..20 20..40 60..80 80..100", "0..20 20..40");
    check("0..20 20..40 60..80", "");
}

#[test]
fn leaves_failed_blocks_alone() {
    check("0..20! 20..40 40..60 60..80", "");
    check("0..20! 20..40 40..60 60..80 80..100 100..120 120..140", "60..80 80..100 100..120");
}

#[test]
fn merges_overlaps_first() {
    check("0..20 20..40 30..50 60..80", "20..40 30..50");
    check("0..20 10..15 19..40 40..60", "0..20 10..15 19..40");
    check("0..20 20..40 40..60 60..80 60..80o", "60..80 60..80");
}

#[test]
fn stale_blocks_stay_among_themselves() {
    check("0..20 0..20s", "");
    check("0..20s 0..20s 0..20", "0..20 0..20");
    check("0..20 20..40 40..60 60..80 0..20s 0..20s", "0..20 20..40 40..60");
}

#[test]
fn rewrites_blocks_with_deletions() {
    check("0..540/10/100 540..560", "0..540");
    check("0..540/5/100 540..560", "");
    check("0..540/6/100 540..560", "0..540");
    check("0..540/10/100", "");
    // A small block only when all is deleted; the larger ones behind it are not looked at.
    check("0..540/10/100 540..560/9/10 580..600", "");
    check("0..540/10/100 540..560/10/10 580..600", "540..560");
}
