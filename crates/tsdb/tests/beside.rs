//! What is kept beside samples: exemplars and metadata, through commits, restarts and crashes.

mod support;

use std::path::Path;
use std::sync::Arc;

use model::{Exemplar, Labels, Matcher, Metadata, MetricType, SeriesRef};
use stdx::SystemDirectory;
use storage::{AppendError, Appendable, ExemplarError};
use support::{copy, open};
use tsdb::{Db, Options};
use wal::record::{self, Kind};

const T: i64 = 1_700_000_000_000;

fn options() -> Options {
    Options { exemplars_max: 10, log_metadata: true, ..Options::default() }
}

fn labels(value: &str) -> Labels {
    Labels::from_pairs([("__name__", "m"), ("a", value)])
}

fn exemplar(t: Option<i64>, v: f64) -> Exemplar {
    Exemplar { labels: Labels::from_pairs([("trace_id", "x")]), value: v, t }
}

/// The exemplars of each series, by time.
fn shown(db: &Db) -> Vec<(String, Vec<i64>)> {
    let found = db.exemplars(i64::MIN, i64::MAX, &[vec![Matcher::equal("__name__", "m")]]);
    let times = |it: Vec<Exemplar>| it.iter().map(|it| it.t.expect("has one") - T).collect();
    found.into_iter().map(|it| (it.series.value("a").to_owned(), times(it.exemplars))).collect()
}

/// All metadata in the log, in its order.
fn logged(data: &Path) -> Vec<(u64, String)> {
    let directory = Arc::new(SystemDirectory::new(data));
    let mut reader = wal::Reader::new(directory, Path::new("wal"), 0..=0);
    let mut all = Vec::new();
    while let Some(it) = reader.next().expect("reads") {
        if let Some((Kind::Metadata, body)) = record::split(it.bytes) {
            record::metadata(body, |series, what| all.push((series.0, what.help))).expect("is one");
        }
    }
    all
}

#[test]
fn exemplars_come_back() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let db = open(&data, options());
    let mut batch = db.appender();
    let a = batch.append(&labels("a"), T, 1.0).expect("takes");
    let b = batch.append(&labels("b"), T, 1.0).expect("takes");
    for (series, t, v) in [(a, 1, 1.0), (b, 2, 1.0), (a, 3, 1.0), (a, 3, 2.0)] {
        batch.append_exemplar(series, &exemplar(Some(T + t), v)).expect("takes");
    }
    batch.append_exemplar(a, &exemplar(None, 9.0)).expect("passes over");
    assert_eq!(
        batch.append_exemplar(SeriesRef(99), &exemplar(Some(T), 1.0)),
        Err(ExemplarError::UnknownSeries(SeriesRef(99)))
    );
    assert!(shown(&db).is_empty(), "not before the commit");
    batch.commit().expect("commits");
    let expected = vec![("a".to_owned(), vec![1, 3, 3]), ("b".to_owned(), vec![2])];
    assert_eq!(shown(&db), expected);

    let mut batch = db.appender();
    batch.append_exemplar(a, &exemplar(Some(T + 3), 2.0)).expect("is there already");
    assert_eq!(
        batch.append_exemplar(a, &exemplar(Some(T + 2), 1.0)),
        Err(ExemplarError::OutOfOrder)
    );
    batch.append_exemplar(b, &exemplar(Some(T + 9), 1.0)).expect("takes");
    batch.rollback();
    assert_eq!(shown(&db), expected);

    copy(&data, &dir.path().join("killed"));
    assert_eq!(shown(&open(&dir.path().join("killed"), options())), expected);
    db.close().expect("closes");
    drop(db);
    let db = open(&data, options());
    assert_eq!(shown(&db), expected);
    db.set_exemplars_max(2);
    assert_eq!(shown(&db), [("a".to_owned(), vec![3, 3])]);
    db.close().expect("closes");
    drop(db);
    assert!(shown(&open(&data, Options::default())).is_empty(), "none are kept");
}

#[test]
fn metadata_is_logged_when_it_changes() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let metadata = |help: &str| Metadata {
        kind: MetricType::Counter,
        unit: String::new(),
        help: help.to_owned(),
    };
    let say = |db: &Db, value: &str, help: &str| {
        let mut batch = db.appender();
        let series = batch.append(&labels(value), T, 1.0).expect("takes");
        let said = batch.set_metadata(series, &metadata(help));
        batch.commit().expect("commits");
        said
    };
    let db = open(&data, options());
    for (value, help) in [("a", "one"), ("a", "one"), ("b", "one"), ("a", "two"), ("a", "two")] {
        say(&db, value, help).expect("takes");
    }
    let mut batch = db.appender();
    assert_eq!(batch.set_metadata(SeriesRef(99), &metadata("x")), Err(AppendError::UnknownSeries));
    batch.rollback();
    let expected = [(1, "one"), (2, "one"), (1, "two")].map(|(it, help)| (it, help.to_owned()));
    assert_eq!(logged(&data), expected);
    copy(&data, &dir.path().join("killed"));
    let db = open(&dir.path().join("killed"), options());
    say(&db, "a", "two").expect("takes");
    assert_eq!(logged(&dir.path().join("killed")), expected, "replay knows what was logged");

    let off = dir.path().join("off");
    say(&open(&off, Options::default()), "a", "one").expect("passes over");
    assert!(logged(&off).is_empty());
}
