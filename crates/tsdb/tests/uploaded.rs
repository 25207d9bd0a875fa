//! Blocks are merged only after somebody copied them.

mod support;

use std::path::Path;
use std::sync::Arc;

use model::Labels;
use stdx::SystemDirectory;
use storage::Appendable;
use support::{everything, open};
use tsdb::{Db, Options, UploadList};

const RANGE: i64 = 100_000;
/// A multiple of nine ranges.
const START: i64 = 1_699_999_200_000;

/// Levels of the blocks, oldest first.
fn levels(db: &Db) -> Vec<u32> {
    db.maintain();
    db.blocks().iter().map(|it| it.meta().compaction.level).collect()
}

#[test]
fn blocks_wait_until_they_are_listed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let options = Options {
        retention_ms: 0,
        block_range_min_ms: RANGE,
        block_range_max_ms: 3 * RANGE,
        ..Options::default()
    };
    let db = open(&data, options);
    let list = dir.path().join("shipper.json");
    db.set_upload_list(Some(UploadList {
        directory: Arc::new(SystemDirectory::new(dir.path())),
        path: Path::new("shipper.json").into(),
    }));
    for t in (START..START + 8 * RANGE).step_by(5000) {
        let mut appender = db.appender();
        appender.append(&Labels::from_pairs([("a", "1")]), t, 1.0).expect("takes");
        appender.commit().expect("commits");
    }
    // There is no list yet, then one that cannot be read, then one of the first two.
    assert_eq!(levels(&db), [1; 7]);
    let all = everything(&db);
    let names: Vec<String> = db.blocks().iter().map(|it| it.meta().ulid.to_string()).collect();
    let write = |text: &str| std::fs::write(&list, text).expect("writes");
    write("{");
    assert_eq!(levels(&db), [1; 7]);
    write(&format!("{{\"uploaded\":{:?}}}", &names[..2]));
    assert_eq!(levels(&db), [1; 7]);
    // Three make a larger one, and the newest of those that may be looked at stays.
    write(&format!("{{\"version\":1,\"uploaded\":{:?}}}", &names[..4]));
    assert_eq!(levels(&db), [2, 1, 1, 1, 1]);
    db.set_upload_list(None);
    assert_eq!(levels(&db), [2, 2, 1]);
    assert!(everything(&db) == all);
}
