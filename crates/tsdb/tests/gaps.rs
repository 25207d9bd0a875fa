//! Long times without samples.

mod support;

use model::{Labels, Matcher};
use storage::Appendable;
use support::{everything, open};
use tsdb::{Db, Options};

/// A range of a block, far shorter than in life.
const RANGE: i64 = 100_000;
const START: i64 = 1_700_000_000_000;
/// So many ranges that nobody can go through them one by one.
const GAP: i64 = 1_000_000_000;

fn options() -> Options {
    let (block_range_min_ms, block_range_max_ms) = (RANGE, RANGE);
    Options { retention_ms: 0, block_range_min_ms, block_range_max_ms, ..Options::default() }
}

fn append(db: &Db, i: i64, t: i64) {
    let series = Labels::from_pairs([("__name__", "m"), ("i", &i.to_string())]);
    let mut appender = db.appender();
    appender.append(&series, t, 1.0).expect("takes");
    appender.commit().expect("commits");
}

#[test]
fn a_head_with_a_gap_is_cut_behind_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = open(dir.path(), options());
    append(&db, 0, START);
    // A chunk of which the beginning is deleted, and so in no block.
    [3, 5].iter().for_each(|it| append(&db, 1, START + it * RANGE / 2));
    let deleted = [Matcher::equal("i", "1")];
    db.delete(START + RANGE, START + 2 * RANGE, &deleted).expect("deletes");
    let far = START + GAP * RANGE;
    append(&db, 0, far);
    append(&db, 2, far);
    let all = everything(&db);
    db.maintain();
    assert_eq!(db.blocks().len(), 2);
    assert!(everything(&db) == all);
    // As late as in a head without a gap.
    append(&db, 3, far - RANGE / 2);
    let all = everything(&db);
    db.close().expect("closes");
    drop(db);
    assert!(everything(&open(dir.path(), options())) == all);
}

#[test]
fn a_head_without_samples_is_cut_behind_the_gap() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = open(dir.path(), options());
    append(&db, 0, START);
    append(&db, 0, START + GAP * RANGE);
    db.delete(i64::MIN, i64::MAX, &[Matcher::equal("i", "0")]).expect("deletes");
    db.maintain();
    append(&db, 0, START + GAP * RANGE + 1);
    assert_eq!(everything(&db).values().map(|it| it.len()).sum::<usize>(), 1);
}
