//! What is deleted here is deleted for Debian's `prometheus`, and the other way round: in blocks, in the
//! log, after cleaning, in snapshots.

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{Labels, Matcher};
use storage::Appendable;
use support::{Contents, copy, everything, open};
use testkit::{Program, free_port, http, peer, wait_for};
use tsdb::Options;

const PATIENCE: Duration = Duration::from_secs(60);
const HOURS: i64 = 5;
const HOUR: i64 = 3_600_000;

struct Server {
    program: Program,
    port: u16,
}

impl Server {
    fn start(path: &Path, data: &Path) -> Self {
        let config = data.with_extension("yml");
        std::fs::write(&config, "global: {}\n").expect("writes");
        let port = free_port();
        let args = [
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", data.display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--storage.tsdb.retention.time=100d".to_owned(),
            "--web.enable-admin-api".to_owned(),
        ];
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let folder = data.parent().expect("it has a parent");
        let program = Program::start(path, &args, folder, &data.with_extension("log"));
        wait_for("prometheus", PATIENCE, || {
            http::get(port, "/-/ready").filter(|it| it.status == 200)
        });
        Self { program, port }
    }

    fn order(&self, what: &str, body: &str) -> http::Answer {
        let answer = http::post(self.port, &format!("/api/v1/admin/tsdb/{what}"), body);
        answer.expect("answers")
    }

    fn everything(&self, now: i64) -> Contents {
        let selector = "%7B__name__%3D~%22.%2B%22%7D";
        let (span, at) = (HOURS + 1, now / 1000 + 60);
        let body = format!("query={selector}[{span}h]&time={at}");
        let answer = http::post(self.port, "/api/v1/query", &body).expect("answers");
        let body: serde_json::Value = serde_json::from_str(&answer.body).expect("is JSON");
        let series = body["data"]["result"].as_array().expect("is a matrix");
        let mut all = Contents::new();
        for it in series {
            let pairs = it["metric"].as_object().expect("is an object").iter();
            let pairs = pairs.map(|(name, v)| (name.as_str(), v.as_str().expect("is text")));
            let samples = all.entry(Labels::from_pairs(pairs)).or_default();
            for sample in it["values"].as_array().expect("is a list") {
                #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970")]
                let t = (sample[0].as_f64().expect("is a time") * 1000.0).round() as i64;
                let v: f64 = sample[1].as_str().expect("is text").parse().expect("is a float");
                samples.insert(t, v.to_bits());
            }
        }
        all
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("fits")
}

fn options() -> Options {
    Options { wal_segment_bytes: 64 << 10, retention_ms: 0, ..Options::default() }
}

/// Hours of samples in blocks and head.
fn fill(data: &Path, now: i64) -> tsdb::Db {
    let db = open(data, options());
    for (round, t) in (0i32..).zip((now - HOURS * HOUR..now).step_by(30_000)) {
        let mut appender = db.appender();
        for i in 0..12i32 {
            let series =
                Labels::from_pairs([("__name__", format!("m{}", i % 3)), ("i", i.to_string())]);
            appender.append(&series, t, 1.0 / f64::from(round + i + 1)).expect("takes");
        }
        appender.commit().expect("commits");
    }
    db.maintain();
    assert!(!db.blocks().is_empty());
    db
}

fn check_with_peer(program: &Path, data: PathBuf, now: i64, expected: &Contents) {
    let server = Server::start(program, &data);
    assert!(server.everything(now) == *expected, "prometheus sees the same in {}", data.display());
    server.program.kill();
}

#[test]
fn ours_are_theirs() {
    let Some(program) = peer("prometheus") else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (data, now) = (dir.path().join("data"), now_ms());
    let db = fill(&data, now);
    let m = |name: &str| [Matcher::equal("__name__", name)];
    db.delete(now - 4 * HOUR, now - 3 * HOUR, &m("m0")).expect("deletes");
    db.delete(now - HOUR, now - HOUR / 2, &m("m1")).expect("deletes");
    db.delete(i64::MIN, i64::MAX, &[Matcher::equal("i", "5")]).expect("deletes");
    let left = everything(&db);
    assert_eq!(left.len(), 11);
    let killed = dir.path().join("killed");
    copy(&data, &killed);
    check_with_peer(&program, killed, now, &left);
    db.snapshot(Path::new("snapshot"), true).expect("copies");
    let snapshot = dir.path().join("snapshot");
    copy(&data.join("snapshot"), &snapshot);
    check_with_peer(&program, snapshot, now, &left);
    db.clean_tombstones().expect("cleans");
    assert!(everything(&db) == left);
    db.close().expect("closes");
    check_with_peer(&program, data, now, &left);
}

#[test]
fn theirs_are_ours() {
    let Some(program) = peer("prometheus") else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (data, now) = (dir.path().join("data"), now_ms());
    fill(&data, now).close().expect("closes");
    let server = Server::start(&program, &data);
    let seconds = |t: i64| t / 1000;
    for (selector, start, end) in [
        ("m0", now - 4 * HOUR, now - 3 * HOUR),
        ("m1", now - HOUR, now - HOUR / 2),
        ("m2{i=\"5\"}", 0, now),
    ] {
        let (start, end) = (seconds(start), seconds(end));
        let answer =
            server.order("delete_series", &format!("match[]={selector}&start={start}&end={end}"));
        assert_eq!(answer.status, 204, "{}", answer.body);
    }
    let theirs = server.everything(now);
    assert_eq!(theirs.len(), 11);
    let answer = server.order("snapshot", "");
    let answer: serde_json::Value = serde_json::from_str(&answer.body).expect("is JSON");
    let snapshot = data.join("snapshots").join(answer["data"]["name"].as_str().expect("is text"));
    server.program.kill();
    let killed = dir.path().join("killed");
    copy(&data, &killed);
    for folder in [killed, snapshot] {
        assert!(everything(&open(&folder, options())) == theirs, "{}", folder.display());
    }
    // They open it again, clean up, and hand it back.
    let server = Server::start(&program, &data);
    assert_eq!(server.order("clean_tombstones", "").status, 204);
    assert!(server.everything(now) == theirs);
    server.program.kill();
    let db = open(&data, options());
    assert!(everything(&db) == theirs);
    assert!(db.blocks().iter().all(|it| it.tombstones().is_empty()));
}
