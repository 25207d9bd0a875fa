//! Near the memory limit: what is there goes on, what is new is rationed.

mod support;

use std::collections::BTreeMap;

use model::{Labels, Matcher, SeriesRef};
use storage::{AppendError, Appendable};
use tsdb::{Db, Options};

const T: i64 = 1_700_006_400_000;
const LIMIT: u64 = 1_000_000_000;

fn labels(job: &str, i: usize) -> Labels {
    Labels::from_pairs([
        ("__name__", "m".to_owned()),
        ("i", i.to_string()),
        ("job", job.to_owned()),
    ])
}

/// Offers new series; returns the references of those that were taken.
fn offer(db: &Db, job: &str, n: std::ops::Range<usize>, t: i64) -> Vec<SeriesRef> {
    let mut appender = db.appender();
    let mut taken = Vec::new();
    for i in n {
        match appender.append(&labels(job, i), t, 1.0) {
            Ok(series) => taken.push(series),
            Err(error) => assert!(matches!(error, AppendError::Limit(_)), "{error}"),
        }
    }
    appender.commit().expect("commits");
    taken
}

/// How many samples the series of a job have, each.
fn counts(db: &Db, job: &str) -> Vec<usize> {
    let contents = support::contents(db, &[Matcher::equal("job", job)], i64::MIN, i64::MAX);
    contents.values().map(BTreeMap::len).collect()
}

#[test]
fn what_is_there_goes_on_and_what_is_new_is_rationed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let options = Options { memory_limit_bytes: LIMIT, ..Options::default() };
    let db = support::open(dir.path(), options.clone());
    let old = offer(&db, "old", 0..500, T);
    let append = |rounds: std::ops::Range<i64>| {
        for round in rounds {
            let mut appender = db.appender();
            for (i, series) in (0u32..).zip(&old) {
                let v = f64::from(i) / 7.0 + f64::from(u32::try_from(round).expect("small"));
                appender.append_ref(*series, T + round * 15_000, v).expect("takes");
            }
            appender.commit().expect("commits");
        }
    };
    append(1..50);
    db.observe_memory(LIMIT / 100 * 70);
    assert_eq!(offer(&db, "flood", 0..1000, T + 750_000).len(), 1000);
    let before = db.series_bytes();
    db.observe_memory(LIMIT / 100 * 85);
    assert!(db.series_bytes() < before / 2, "open chunks were written out");
    append(51..100);
    // Half of 7 % of the limit, at 800 bytes a series.
    assert_eq!(offer(&db, "flood", 1000..100_000, T + 1_500_000).len(), 43_750);
    assert_eq!(offer(&db, "small", 0..10, T + 1_500_000).len(), 10);
    let memory = db.memory();
    assert!(memory.is_pressed);
    assert_eq!(memory.refused, [("flood".to_owned(), 99_000 - 43_750)]);
    db.observe_memory(LIMIT / 100 * 70);
    assert_eq!(offer(&db, "flood", 100_000..100_010, T + 1_500_000).len(), 10);
    assert_eq!(counts(&db, "old"), [99; 500]);
    db.close().expect("closes");
    let db = support::open(dir.path(), options);
    assert_eq!((counts(&db, "old"), counts(&db, "small")), (vec![99; 500], vec![1; 10]));
}
