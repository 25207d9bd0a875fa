//! Cases as text: blocks as `maxt:bytes`, the rest in words.

use stdx::SystemDirectory;

use super::*;

fn check(blocks: &str, head_bytes: u64, (time_ms, bytes): (i64, u64), expected: &str) {
    let metas: Vec<(Meta, u64)> = blocks
        .split_whitespace()
        .map(|it| {
            let (maxt, bytes) = it.split_once(':').unwrap();
            let maxt = maxt.parse().unwrap();
            (Meta::new(Ulid::new(maxt, 0), maxt - 10, maxt), bytes.parse().unwrap())
        })
        .collect();
    let blocks: Vec<(&Meta, u64)> = metas.iter().map(|(meta, bytes)| (meta, *bytes)).collect();
    let gone = deletable(&blocks, head_bytes, time_ms, bytes);
    let text: Vec<String> =
        gone.iter().map(|(ulid, why)| format!("{} {why:?}", ulid.time_ms())).collect();
    assert_eq!(text.join(", "), expected);
}

#[test]
fn keeps_by_age_and_by_size() {
    let (all, by_time) = ((0, 0), (20, 0));
    check("10:1 20:1 30:1 40:1", 9, all, "");
    check("40:1 10:1 30:1 20:1", 9, by_time, "10 Time, 20 Time");
    check("", 9, by_time, "");
    let by_size = (0, 10);
    check("10:4 20:4 30:4", 0, by_size, "10 Size");
    check("10:1 20:5 30:4", 2, by_size, "10 Size, 20 Size");
    check("10:4 20:4 30:4", 11, by_size, "10 Size, 20 Size, 30 Size");
    check("10:4 20:4 30:4", 0, (20, 5), "10 Time, 20 Size");
}

#[test]
fn parents_and_empty_blocks_go() {
    let old = Meta::new(Ulid::new(1, 1), 0, 10);
    let mut new = Meta::new(Ulid::new(2, 2), 0, 10);
    new.compaction.parents = vec![old.as_parent(), Meta::new(Ulid::ZERO, 0, 0).as_parent()];
    let mut empty = Meta::new(Ulid::new(3, 3), 0, 10);
    empty.compaction.deletable = true;
    let gone = deletable(&[(&old, 1), (&new, 1), (&empty, 1)], 0, 0, 0);
    assert_eq!(gone, BTreeMap::from([(old.ulid, Reason::Replaced), (empty.ulid, Reason::Empty)]));
}

#[test]
fn what_is_replaced_costs_no_other_block() {
    let of = |at: i64| Meta::new(Ulid::new(at, 0), at - 10, at);
    let (oldest, a, b) = (of(10), of(20), of(30));
    let mut merged = Meta::new(Ulid::new(31, 0), 10, 30);
    merged.compaction.parents = vec![a.as_parent(), b.as_parent()];
    let blocks = [(&oldest, 4), (&a, 4), (&b, 4), (&merged, 7)];
    let gone = deletable(&blocks, 0, 0, 11);
    let replaced = [a.ulid, b.ulid].map(|it| (it, Reason::Replaced));
    assert_eq!(gone, BTreeMap::from(replaced));
}

#[test]
fn a_percentage_needs_to_know_of_what() {
    let retention = Retention { time_ms: 0, bytes: 7, percentage: 12.5 };
    assert_eq!((retention.bytes_of(Some(1000)), retention.bytes_of(None)), (125, 7));
    let fixed = Retention { percentage: 0.0, ..retention };
    assert_eq!(fixed.bytes_of(Some(1000)), 7);
}

#[test]
fn removes_folders() {
    let folder = tempfile::tempdir().unwrap();
    let dir = SystemDirectory::new(folder.path());
    let (a, b) = (Ulid::new(1, 1), Ulid::new(2, 2));
    let names = [
        a.to_string(),
        b.to_string(),
        format!("{a}.tmp-for-creation"),
        format!("{b}.tmp"),
        "wal.tmp".to_owned(),
    ];
    for name in &names {
        dir.create_dir_all(&Path::new(name).join("chunks")).unwrap();
    }
    remove_leftovers(&dir).unwrap();
    assert_eq!(block_names(&dir).unwrap(), [a, b]);
    delete_block(&dir, a).unwrap();
    let left: Vec<String> =
        dir.list(Path::new("")).unwrap().into_iter().map(|it| it.name).collect();
    assert_eq!(left, [b.to_string(), "wal.tmp".to_owned()]);
}
