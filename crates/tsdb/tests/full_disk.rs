//! A full disk: a clear error, everything acknowledged is kept, and work goes on when there is room.

#[path = "../../wal/tests/support/full_disk.rs"]
mod full_disk;
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use full_disk::FullDisk;
use model::Labels;
use stdx::SystemClock;
use storage::Appendable;
use support::{Contents, everything, open};
use tsdb::{Db, Options};

const RANGE: i64 = 100_000;
const START: i64 = 1_700_000_000_000;

#[test]
fn loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let disk = FullDisk::new(dir.path(), 300_000);
    let options = Options {
        block_range_min_ms: RANGE,
        retention_ms: 0,
        wal_segment_bytes: 64 << 10,
        ..Options::default()
    };
    let (directory, clock) = (Arc::new(disk.clone()), Arc::new(SystemClock::default()));
    let db =
        Db::open(options.clone(), directory, clock, &client::Registry::default()).expect("opens");
    let mut kept = Contents::new();
    let mut n_refused = 0;
    for round in 0..1000i32 {
        // Full, then room for a while, full again, then room for all.
        if round == 500 {
            disk.set_room(150_000);
        }
        if round == 800 {
            disk.set_room(u64::MAX);
        }
        let t = START + i64::from(round) * 1000;
        let mut appender = db.appender();
        let mut batch = Vec::new();
        for i in 0..40i32 {
            // Some series are new in a batch that is refused.
            let series = Labels::from_pairs([("__name__", format!("m{}", i + round / 100))]);
            let v = 1.0 / f64::from(round + i + 1);
            appender.append(&series, t, v).expect("takes");
            batch.push((series, v.to_bits()));
        }
        match appender.commit() {
            Ok(()) => {
                for (series, v) in batch {
                    kept.entry(series).or_default().insert(t, v);
                }
            }
            Err(error) => {
                n_refused += 1;
                let text = error.to_string();
                assert!(
                    text.starts_with("write log segment 0")
                        && text.contains("No space left on device"),
                    "{text}"
                );
            }
        }
        if round % 50 == 0 {
            db.maintain();
        }
    }
    assert!(100 < n_refused && n_refused < 900, "{n_refused} commits refused");
    assert!(everything(&db) == kept, "nothing refused is visible, everything else is");
    db.maintain();
    assert!(!db.blocks().is_empty());
    // Killed, then opened without the limit.
    let killed = dir.path().join("killed");
    std::fs::create_dir(&killed).expect("creates");
    for name in ["wal", "chunks_head"] {
        support::copy(&dir.path().join(name), &killed.join(name));
    }
    for block in db.blocks() {
        support::copy(&dir.path().join(block.path()), &killed.join(block.path()));
    }
    let again = open(&killed, options);
    let found = everything(&again);
    let n = |it: &Contents| it.values().map(BTreeMap::len).sum::<usize>();
    assert!(found == kept, "{} samples of {} after a restart", n(&found), n(&kept));
    assert_eq!(again.wal_corruptions(), 0);
}
