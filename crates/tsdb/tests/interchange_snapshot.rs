//! Chunk snapshots go to Debian's `prometheus` and come from it. The samples of the log are taken away, so what is
//! read is from the snapshot, and from the chunks of the head.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use client::Registry;
use model::{Labels, Matcher};
use stdx::{Directory, SystemClock, SystemDirectory};
use storage::Appendable;
use support::open_with;
use support::seen::{Contents, Seen, all_of};
use support::server::Server;
use testkit::{Value, WriteRequest};
use tsdb::{Db, Options};
use wal::record::{self, Kind};

const MINUTE: i64 = 60_000;
/// A multiple of two hours.
const START: i64 = 1_699_999_200_000;
/// Two finished chunks of floats, and an open one; all in the head.
const MINUTES: i64 = 170;
/// What is deleted of series 1 reaches into both.
const DELETED: (i64, i64) = (START + 100 * MINUTE, START + 160 * MINUTE);
const SERIES: i64 = 6;

fn labels(i: i64) -> Labels {
    Labels::from_pairs([("__name__", "m".to_owned()), ("i", i.to_string())])
}

/// Floats: version 2.42 has either snapshots or histograms.
fn value(i: i64, minute: i64) -> f64 {
    f64::from(i32::try_from((minute + i) * minute % 997).expect("small")) / 8.0
}

fn written() -> Contents {
    let mut all = Contents::new();
    for i in 0..SERIES {
        let times = (0..MINUTES).map(|minute| (START + minute * MINUTE, value(i, minute)));
        let kept = times.filter(|it| i != 1 || it.0 < DELETED.0 || DELETED.1 < it.0);
        all.insert(
            labels(i),
            kept.filter_map(|(t, v)| Some((t, Seen::of(&Value::Float(v))?))).collect(),
        );
    }
    all
}

fn options() -> Options {
    Options {
        retention_ms: 0,
        snapshot_at_close: true,
        head_checkpoint_bytes: 0,
        ..Options::default()
    }
}

fn start(program: &Path, data: &Path) -> Server {
    let flags = [
        "--web.enable-remote-write-receiver",
        "--web.enable-admin-api",
        "--enable-feature=memory-snapshot-on-shutdown",
        "--query.lookback-delta=500ms",
    ];
    Server::start(program, data, "global: {}\n", &flags)
}

fn append(db: &Db, minute: i64) {
    let mut appender = db.appender();
    for i in 0..SERIES {
        let t = START + minute * MINUTE;
        appender.append(&labels(i), t, value(i, minute)).expect("takes");
    }
    appender.commit().expect("commits");
}

fn snapshot(data: &Path) -> Option<PathBuf> {
    let mut all = std::fs::read_dir(data).expect("lists").map(|it| it.expect("lists").path());
    all.find(|it| {
        it.file_name().is_some_and(|it| it.to_string_lossy().starts_with("chunk_snapshot."))
    })
}

/// Leaves of the log nothing but series and deletions; segments are as long as before.
fn take_samples_away(data: &Path) {
    let directory: Arc<dyn Directory> = Arc::new(SystemDirectory::new(data));
    let (wal, bare) = (Path::new("wal"), Path::new("bare"));
    let segments = wal::segment::list(directory.as_ref(), wal).expect("lists");
    for n in segments {
        let path = wal::segment::path(wal, n);
        let size = directory.size(&path).expect("is there");
        let clock = Arc::new(SystemClock::default());
        let (options, metrics) = (wal::Options::default(), wal::Metrics::default());
        let opened = wal::Writer::open(Arc::clone(&directory), bare, options, clock, metrics);
        let mut writer = opened.expect("opens");
        let mut reader = wal::Reader::new(Arc::clone(&directory), wal, n..=n);
        while let Some(it) = reader.next().expect("reads") {
            if matches!(record::split(it.bytes), Some((Kind::Series | Kind::Tombstones, _))) {
                writer.log(&[it.bytes]).expect("writes");
            }
        }
        let written = wal::segment::path(bare, writer.segment());
        writer.close().expect("closes");
        directory.append(&written).and_then(|mut it| it.set_len(size)).expect("is as long");
        directory.rename(&written, &path).expect("replaces");
    }
    directory.remove_dir_all(bare).expect("removes");
}

#[test]
fn prometheus_goes_on_from_ours() {
    let Some(program) = testkit::peer("prometheus") else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let db = open_with(&data, options(), &Registry::default());
    (0..MINUTES).for_each(|minute| append(&db, minute));
    db.delete(DELETED.0, DELETED.1, &[Matcher::equal("i", "1")]).expect("deletes");
    assert!(all_of(&db) == written());
    db.close().expect("closes");
    drop(db);
    assert!(snapshot(&data).is_some());
    take_samples_away(&data);
    let server = start(&program, &data);
    let end = START + MINUTES * MINUTE;
    let all = server.all_kinds(MINUTES * MINUTE, end);
    assert!(all == written(), "prometheus has all that is in the snapshot");
    server.stop();
}

#[test]
fn we_go_on_from_that_of_prometheus() {
    let Some(program) = testkit::peer("prometheus") else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let server = start(&program, &data);
    for minute in 0..MINUTES {
        let mut request = WriteRequest::default();
        for i in 0..SERIES {
            let (t, v) = (START + minute * MINUTE, Value::Float(value(i, minute)));
            request.add(&labels(i), [(t, &v)]);
        }
        server.write(&request);
    }
    let (mint, maxt) = (DELETED.0 / 1000, DELETED.1 / 1000);
    let path = "/api/v1/admin/tsdb/delete_series?match[]=%7Bi=%221%22%7D";
    let answer = server.ask("POST", &format!("{path}&start={mint}&end={maxt}"), &[]);
    assert_eq!(answer.expect("answers").0, 204);
    server.stop();
    assert!(snapshot(&data).is_some());
    take_samples_away(&data);
    let registry = Registry::default();
    let db = open_with(&data, options(), &registry);
    let page = client::text_page(&registry);
    assert!(
        page.contains("\nprometheus_tsdb_snapshot_replay_error_total 0\n"),
        "it is not in doubt"
    );
    assert!(all_of(&db) == written(), "we have all that is in the snapshot");
    // It goes on, and the next one is ours.
    append(&db, MINUTES);
    let before = all_of(&db);
    let theirs = snapshot(&data);
    db.close().expect("closes");
    drop(db);
    assert_ne!(snapshot(&data), theirs);
    assert!(all_of(&open_with(&data, options(), &Registry::default())) == before);
}
