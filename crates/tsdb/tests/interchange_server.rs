//! A data directory goes to Debian's `prometheus` and comes back: blocks, checkpoint, log, head chunks.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use model::{Histogram, Labels, Span};
use serde_json::Value;
use storage::{AnySample, AnyValue, Appendable};
use support::server::{Server, shown};
use support::{Contents, everything, open, open_with};
use tsdb::Options;

/// Hours of samples written before the server starts.
const HOURS: i64 = 6;

fn start(program: &Path, data: &Path, scrape: bool) -> Server {
    let job = "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: self\n  static_configs: [{targets: [ADDRESS]}]\n";
    let config = if scrape { job } else { "global: {}\n" };
    Server::start(program, data, config, &["--query.lookback-delta=1s"])
}

/// All samples of the last hours.
fn all_of(server: &Server, now_ms: i64) -> Contents {
    server.everything((HOURS + 1) * 3_600_000, now_ms + 60_000)
}

fn program() -> Option<PathBuf> {
    testkit::peer("prometheus")
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("fits")
}

#[test]
fn there_and_back() {
    let Some(program) = program() else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let now = now_ms();
    // Small segments, so that a checkpoint is made.
    let options = Options {
        wal_segment_bytes: 64 << 10,
        retention_ms: 0,
        head_checkpoint_bytes: 1,
        ..Options::default()
    };
    let db = open(&data, options.clone());
    let first = now - HOURS * 3_600_000;
    for (round, t) in (0i32..).zip((first..now).step_by(15_000)) {
        let mut appender = db.appender();
        for i in 0..30i32 {
            // Some come late, some end early, some have odd values.
            if (i == 7 && t < now - 1_000_000) || (i == 8 && now - 9_000_000 < t) {
                continue;
            }
            let series = Labels::from_pairs([
                ("__name__", format!("metric_{}", i % 4)),
                ("i", format!("v\u{e9} \"{i}\"")),
            ]);
            let v = match i % 5 {
                0 => f64::from(round),
                1 => 1.0 / f64::from(round + i),
                2 if round % 50 == 0 => f64::INFINITY,
                3 if round % 40 == 0 => f64::NAN,
                _ => 0.0,
            };
            appender.append(&series, t, v).expect("takes");
        }
        appender.commit().expect("commits");
        if round % 300 == 0 {
            db.maintain();
        }
    }
    db.maintain();
    let ours = shown(everything(&db));
    assert!(!db.blocks().is_empty());
    let checkpoints = std::fs::read_dir(data.join("wal")).expect("lists");
    let is_checkpoint =
        |it: std::fs::DirEntry| it.file_name().to_string_lossy().starts_with("checkpoint.");
    assert!(
        checkpoints.map(|it| it.expect("lists")).any(is_checkpoint),
        "a checkpoint is part of the test"
    );
    assert!(data.join("chunks_head/000001").exists(), "head chunks are part of the test");
    let n_checkpoints =
        |data: &Path| std::fs::read_dir(data.join("head_checkpoint")).map_or(0, Iterator::count);
    assert_eq!(n_checkpoints(&data), 1, "a head checkpoint is part of the test");

    // Killed, not closed: what is in the files has to do.
    let killed = dir.path().join("killed");
    support::copy(&data, &killed);
    db.close().expect("closes");
    for folder in [&killed, &data] {
        let server = start(&program, folder, false);
        assert!(all_of(&server, now) == ours, "prometheus reads all that was written");
        server.kill();
    }

    // It goes on writing where we stopped, and is killed in turn.
    let server = start(&program, &data, true);
    let n_up = |it: &Server| all_of(it, now_ms()).get(&up(&server)).map_or(0, BTreeMap::len);
    server.wait(|it| 5 <= n_up(it), &data);
    let theirs = all_of(&server, now_ms());
    server.kill();
    assert_eq!(n_checkpoints(&data), 1);
    let registry = client::Registry::default();
    let db = open_with(&data, options.clone(), &registry);
    let page = client::text_page(&registry);
    assert!(page.contains("pyrrha_tsdb_head_checkpoint_loaded 0\n"), "others wrote since");
    let read = shown(everything(&db));
    for (labels, samples) in &theirs {
        let found = read.get(labels).unwrap_or_else(|| panic!("{labels} is missing"));
        let missing = samples.iter().find(|(t, v)| found.get(t) != Some(v));
        assert_eq!(missing, None, "{labels}");
    }
    assert!(ours.keys().all(|it| theirs.contains_key(it)) && ours.len() + 100 < theirs.len());
    assert_eq!(db.wal_corruptions(), 0);
}

fn up(server: &Server) -> Labels {
    Labels::from_pairs([("__name__", "up"), ("instance", server.address.as_str()), ("job", "self")])
}

/// Counts of `i`: in buckets of an exponential scale, which grow wider, and reset every 100 rounds.
fn histogram(round: i64) -> Histogram {
    let n = round % 100;
    let wide = n / 40 + 2;
    let length = u32::try_from(wide).expect("few");
    Histogram {
        schema: 1,
        zero_threshold: 1e-128,
        zero_count: n.cast_unsigned(),
        count: (n + wide * (n + 1)).cast_unsigned(),
        #[expect(clippy::cast_precision_loss, reason = "small")]
        sum: n as f64 * 1.5,
        positive_spans: vec![Span { offset: -1, length }],
        positive_deltas: (0..wide).map(|at| if at == 0 { n + 1 } else { 0 }).collect(),
        ..Histogram::default()
    }
}

/// What the server says of all histograms: for each kind and time, count and sum.
fn histograms_of(server: &Server, function: &str, now_ms: i64) -> BTreeMap<(String, i64), f64> {
    let query = format!("{function}(h)").replace('(', "%28").replace(')', "%29");
    let (start, end) = (now_ms / 1000 - HOURS * 3600, now_ms / 1000);
    let path = format!("/api/v1/query_range?query={query}&start={start}&end={end}&step=60");
    let (status, body) = server.get(&path).expect("answers");
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).expect("is JSON");
    let mut all = BTreeMap::new();
    for series in body["data"]["result"].as_array().expect("is a matrix") {
        let kind = series["metric"]["kind"].as_str().expect("has one").to_owned();
        for it in series["values"].as_array().expect("is a list") {
            let t = it[0].as_i64().expect("is a whole second");
            let v = it[1].as_str().and_then(|it| it.parse().ok()).expect("is a float");
            all.insert((kind.clone(), t), v);
        }
    }
    all
}

#[test]
fn prometheus_reads_our_histograms() {
    let Some(program) = program() else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let now = now_ms() / 60_000 * 60_000;
    let options = Options { retention_ms: 0, head_checkpoint_bytes: 1, ..Options::default() };
    let db = open(&data, options);
    let series = |kind| Labels::from_pairs([("__name__", "h"), ("kind", kind)]);
    let mut expected = [BTreeMap::new(), BTreeMap::new()];
    for (round, t) in (0..).zip((now - HOURS * 3_600_000..now).step_by(60_000)) {
        let whole = histogram(round);
        let float = whole.to_float();
        let mut appender = db.appender();
        for (kind, value) in
            [("whole", AnyValue::Histogram(&whole)), ("float", AnyValue::FloatHistogram(&float))]
        {
            appender.append_any(&series(kind), AnySample { st: 0, t, value }).expect("takes");
            expected[0].insert((kind.to_owned(), t / 1000), float.count);
            expected[1].insert((kind.to_owned(), t / 1000), float.sum);
        }
        appender.commit().expect("commits");
        if round % 60 == 0 {
            db.maintain();
        }
    }
    db.maintain();
    assert!(!db.blocks().is_empty() && data.join("chunks_head/000001").exists());
    // Killed: the newest are in the log only.
    let killed = dir.path().join("killed");
    support::copy(&data, &killed);
    let server = start(&program, &killed, false);
    for (function, expected) in ["histogram_count", "histogram_sum"].into_iter().zip(&expected) {
        let found = histograms_of(&server, function, now);
        let differs = expected.iter().find(|(at, v)| found.get(at) != Some(v));
        let had = differs.and_then(|(at, _)| found.get(at));
        assert_eq!(differs, None, "{function}: prometheus has {had:?}");
        assert_eq!(found.len(), expected.len(), "{function}");
    }
    server.kill();
}
