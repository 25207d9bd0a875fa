//! One data directory with everything in it, written by us and by Debian's Prometheus, both killed: blocks, log,
//! chunks of the head, late samples, floats and native histograms. Both programs answer all queries of
//! `queries.txt` alike.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{Histogram, Labels, Span};
use stdx::{SystemClock, SystemDirectory};
use storage::{AnySample, AnyValue, Appendable};
use testkit::{Value, WriteRequest, http, peer, wait_for};

use crate::interchange::{equal, sorted};
use crate::server::{Server, write_config};

const QUERIES: &str = include_str!("queries.txt");
const STEP_S: i64 = 15;
/// Steps that we write, and after us the peer: 3.4 hours each, so that both cut a block, and only one.
const STEPS: i64 = 820;
const BLOCK_S: i64 = 7200;
/// Of all questions, so many seconds after a sample: ranges began with the sample at their edge in 2.42.
const AFTER_SAMPLE_S: i64 = 7;
const CONFIG: &str =
    "global: {scrape_interval: 1h}\nstorage: {tsdb: {out_of_order_time_window: 2h}}\n";
const FLAGS: [&str; 2] =
    ["--enable-feature=native-histograms", "--web.enable-remote-write-receiver"];

const PATIENCE: Duration = Duration::from_secs(60);

/// Series and their samples.
type Batch = Vec<(Labels, i64, Value)>;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}

fn small(n: i64) -> f64 {
    f64::from(i32::try_from(n).expect("is small"))
}

/// The samples of a step.
fn batch(step: i64, t: i64) -> Batch {
    let mut all = Batch::new();
    for (i, (job, instance)) in
        [("a", "0"), ("a", "1"), ("b", "0"), ("b", "1")].into_iter().enumerate()
    {
        let n = (step + 50 * i as i64) % 700;
        let mut add = |name: &str, more: &[(&str, &str)], value| {
            let own = [("__name__", name), ("job", job), ("instance", instance)];
            all.push((labels(&[&own, more].concat()), t, value));
        };
        for (code, weight) in [("200", 7), ("500", 2)] {
            add("requests_total", &[("code", code)], Value::Float(small(n * weight)));
        }
        for (at, le) in (1..).zip(["0.1", "1", "10", "+Inf"]) {
            add("lat_bucket", &[("le", le)], Value::Float(small(n * at)));
        }
        let histogram = histogram(n);
        add("native_float", &[], Value::FloatHistogram(histogram.to_float()));
        add("native", &[], Value::Histogram(histogram));
    }
    for (i, room) in (0..).zip(["0", "1", "2", "3"]) {
        // One is not always there.
        if i == 2 && 300 < step % 500 {
            continue;
        }
        let degrees = 20.0 + 8.0 * (small(step) / 97.0 + f64::from(i)).sin();
        all.push((
            labels(&[("__name__", "temperature"), ("room", room)]),
            t,
            Value::Float(degrees),
        ));
    }
    // Half of these come an hour late.
    let late = |room, t: i64| {
        let v = Value::Float(small(t / 1000 % 977) / 3.0);
        (labels(&[("__name__", "late"), ("room", room)]), t, v)
    };
    all.push(late("1", t));
    if step % 2 == 0 {
        all.push(late("1", t - 3_600_000 + 5000));
        all.push(late("3", t - 1_800_000));
    }
    all
}

fn histogram(n: i64) -> Histogram {
    let width = 2 + n / 150;
    let length = u32::try_from(width).expect("few");
    Histogram {
        schema: 1,
        zero_threshold: 2f64.powi(-128),
        zero_count: n.cast_unsigned(),
        count: (n + width * (n + 1)).cast_unsigned(),
        sum: small(n) * 2.5,
        positive_spans: vec![Span { offset: -3, length }],
        positive_deltas: (0..width).map(|at| if at == 0 { n + 1 } else { 0 }).collect(),
        ..Histogram::default()
    }
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").args([from, to]).status().expect("cp is there");
    assert!(status.success());
}

fn we_write(data: &Path, batches: impl Iterator<Item = Batch>) -> tsdb::Db {
    let options =
        tsdb::Options { out_of_order_window_ms: 2 * 3_600_000, ..tsdb::Options::default() };
    let (directory, clock) = (Arc::new(SystemDirectory::new(data)), SystemClock::default());
    let registry = client::Registry::default();
    let db = tsdb::Db::open(options, directory, Arc::new(clock), &registry).expect("opens");
    for batch in batches {
        let mut appender = db.appender();
        for (labels, t, value) in &batch {
            let value = match value {
                Value::Float(v) => AnyValue::Float(*v),
                Value::Histogram(it) => AnyValue::Histogram(it),
                Value::FloatHistogram(it) => AnyValue::FloatHistogram(it),
            };
            appender.append_any(labels, AnySample { st: 0, t: *t, value }).expect("takes");
        }
        appender.commit().expect("commits");
    }
    db.maintain();
    db
}

fn prometheus_writes(program: &Path, folder: &Path, batches: impl Iterator<Item = Batch>) {
    let server = Server::start(program, &[], folder, &FLAGS);
    let log = folder.join("data/wbl");
    let first_segment = || {
        let segments = std::fs::read_dir(&log).expect("lists");
        segments.map(|it| it.expect("lists").file_name()).min()
    };
    let before = first_segment();
    for (step, batch) in (0..).zip(batches) {
        if step == STEPS - 100 {
            // Late samples become blocks last. Killed before that, 2.42 would lose some.
            wait_for("blocks", PATIENCE, || (first_segment() != before).then_some(()));
        }
        let mut request = WriteRequest::default();
        for (labels, t, value) in &batch {
            request.add(labels, [(*t, value)]);
        }
        let answer = http::write(server.port, &request).expect("answers");
        assert_eq!(answer.status, 204, "{}", answer.body);
    }
    server.program.kill();
}

/// Writes the directory, and returns when the first sample and the last are, in seconds.
fn fill(prometheus: &Path, folder: &Path) -> (i64, i64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let now = i64::try_from(now).expect("fits");
    let first = (now - 2 * STEPS * STEP_S) / BLOCK_S * BLOCK_S;
    let of = |steps: std::ops::Range<i64>| {
        steps.map(move |step| batch(step, (first + step * STEP_S) * 1000))
    };
    let (written, data) = (folder.join("written"), folder.join("data"));
    let db = we_write(&written, of(0..STEPS));
    copy(&written, &data);
    drop(db);
    let _ = std::fs::remove_file(data.join("lock"));
    prometheus_writes(prometheus, folder, of(STEPS..2 * STEPS));
    (first, first + (2 * STEPS - 1) * STEP_S)
}

/// What there is to ask: path and parameters.
fn questions(first: i64, last: i64) -> Vec<String> {
    let mut all = Vec::new();
    let queries = QUERIES.lines().filter(|it| !it.is_empty() && !it.starts_with('#'));
    for query in queries {
        let escaped = http::escape(query);
        let length = last - first;
        for at in [length / 5, length / 2, length - 600, length] {
            let time = first + at / STEP_S * STEP_S + AFTER_SAMPLE_S;
            all.push(format!("query?query={escaped}&time={time}"));
        }
        if !query.ends_with(']') {
            let (start, end) = (first + AFTER_SAMPLE_S, last + AFTER_SAMPLE_S);
            let step = STEP_S * 7;
            let range = format!("start={start}&end={end}&step={step}");
            all.push(format!("query_range?query={escaped}&{range}"));
        }
    }
    all
}

fn ask(port: u16, question: &str) -> serde_json::Value {
    sorted(http::api(port, question)["result"].take())
}

/// Starts a program on a copy of the directory.
fn on_copy(folder: &Path, name: &str, start: impl FnOnce(&Path) -> Server) -> Server {
    let own: PathBuf = folder.join(name);
    std::fs::create_dir(&own).expect("creates");
    copy(&folder.join("data"), &own.join("data"));
    let _ = std::fs::remove_file(own.join("data/lock"));
    write_config(&own, CONFIG);
    start(&own)
}

#[test]
fn both_answer_alike() {
    let Some(prometheus) = peer("prometheus") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    write_config(folder, CONFIG);
    let (first, last) = fill(&prometheus, folder);
    for name in ["wal", "wbl", "chunks_head"] {
        let files = std::fs::read_dir(folder.join("data").join(name)).expect("is there");
        assert!(0 < files.count(), "{name}");
    }
    let theirs = on_copy(folder, "theirs", |it| Server::start(&prometheus, &[], it, &FLAGS));
    let ours = on_copy(folder, "ours", |it| Server::ours(it, &[]));
    assert!(!http::api(ours.port, "status/tsdb/blocks")["blocks"][0].is_null(), "has blocks");
    let questions = questions(first, last);
    let mut differ = Vec::new();
    let mut n_filled = 0;
    for question in &questions {
        let (expected, found) = (ask(theirs.port, question), ask(ours.port, question));
        n_filled += usize::from(expected.as_array().is_none_or(|it| !it.is_empty()));
        if !equal(&found, &expected) {
            differ.push(format!("{question}\n  {expected:.2000}\n  {found:.2000}"));
        }
    }
    let n = questions.len();
    println!("{n} answers compared, {n_filled} of them not empty");
    assert!(differ.is_empty(), "{} of {n} differ\n{}", differ.len(), differ.join("\n"));
    assert!(n * 9 / 10 < n_filled, "the queries find something");
}
