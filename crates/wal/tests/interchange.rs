//! Debian's `prometheus` reads a log written here, of every kind it knows, and its snapshot is read here.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{FloatHistogram, Histogram, Labels, Metadata, MetricType, SeriesRef, Span};
use serde_json::json;
use stdx::{Directory, SystemClock, SystemDirectory};
use testkit::http::{api, escape, get, query};
use testkit::{Program, free_port, wait_for};
use wal::record::{self, Kind, RefExemplar, RefHistogram, RefSample, Tombstone};
use wal::snapshot::{self, Entry, Last};
use wal::{Compression, Metrics, Options, Position, ReadError, Reader, Writer, segment};

const WAL: &str = "wal";
/// How long the server may take to get ready.
const PATIENCE: Duration = Duration::from_secs(60);

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("fits")
}

/// Starts a server on `data` and waits until it answers. `None` without one on this machine.
fn start(data: &Path, features: &str) -> Option<(Program, u16)> {
    let program = testkit::peer("prometheus")?;
    let port = free_port();
    let config = data.with_extension("yml");
    std::fs::write(&config, "global: {}\n").expect("writes");
    let args = [
        format!("--config.file={}", config.display()),
        format!("--storage.tsdb.path={}", data.display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
        format!("--enable-feature={features}"),
    ];
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let folder = data.parent().expect("it is in a folder");
    let server = Program::start(&program, &args, folder, &data.with_extension("log"));
    wait_for("prometheus", PATIENCE, || get(port, "/-/ready").filter(|it| it.status == 200));
    Some((server, port))
}

fn series_record() -> Vec<u8> {
    let mut out = Vec::new();
    record::start(Kind::Series, &mut out);
    for (series, name) in [(1, "floats"), (2, "integers"), (3, "halves"), (4, "deleted")] {
        let labels = Labels::from_pairs([("__name__", name), ("a", "ü")]);
        record::put_series(&mut out, SeriesRef(series), &labels);
    }
    out
}

fn histogram() -> Histogram {
    Histogram {
        schema: 1,
        zero_threshold: 0.001,
        zero_count: 1,
        count: 7,
        sum: 12.5,
        positive_spans: vec![Span { offset: -1, length: 2 }, Span { offset: 2, length: 1 }],
        positive_deltas: vec![1, 1, -1],
        negative_spans: vec![Span { offset: 0, length: 1 }],
        negative_deltas: vec![2],
        ..Histogram::default()
    }
}

fn float_histogram() -> FloatHistogram {
    FloatHistogram {
        schema: 0,
        count: 2.5,
        sum: -1.0,
        positive_spans: vec![Span { offset: 0, length: 2 }],
        positive_buckets: vec![0.5, 2.0],
        ..FloatHistogram::default()
    }
}

/// Histograms of each sort, one of them with bounds that this server does not know, and is to pass over.
fn histogram_records(t: i64) -> Vec<Vec<u8>> {
    let integer = histogram();
    let custom = Histogram {
        schema: -53,
        zero_threshold: 0.0,
        zero_count: 0,
        custom_values: vec![1.0, 2.0],
        ..histogram()
    };
    let at = |series, t, histogram| RefHistogram { series: SeriesRef(series), t, st: 0, histogram };
    let [mut exponential, mut bounds, mut halves, mut none, mut newer] = <[Vec<u8>; 5]>::default();
    let batch = [at(2, t - 5000, &custom), at(2, t - 1000, &integer), at(2, t, &integer)];
    record::put_histograms(&mut exponential, &mut bounds, batch);
    let half = float_histogram();
    let half = RefHistogram { series: SeriesRef(3), t, st: 0, histogram: &half };
    record::put_histograms(&mut halves, &mut none, [half]);
    record::put_histograms_v2(&mut newer, [at(2, t + 1, &integer)]);
    assert!(none.is_empty());
    vec![exponential, bounds, halves, newer]
}

fn records(t: i64) -> Vec<Vec<u8>> {
    let mut all = vec![series_record()];
    let mut out = Vec::new();
    let sample = |series, t, v| RefSample { series: SeriesRef(series), t, v };
    let floats = [(1, t - 2000, 1.5), (4, t - 2000, 1.0), (1, t - 1000, -0.0), (1, t, 1e300)];
    record::put_samples(&mut out, floats.map(|(series, t, v)| sample(series, t, v)));
    all.push(out.clone());
    record::put_samples_v2(&mut out, [(sample(1, t + 1, 9.0), t)]);
    all.push(out.clone());
    all.extend(histogram_records(t));
    let labels = Labels::from_pairs([("trace_id", "abc")]);
    record::put_exemplars(&mut out, [&RefExemplar { series: SeriesRef(1), t, v: 0.25, labels }]);
    all.push(out.clone());
    record::start(Kind::Tombstones, &mut out);
    let stone = Tombstone { series: SeriesRef(4), mint: i64::MIN, maxt: t };
    record::put_tombstone(&mut out, stone);
    all.push(out.clone());
    record::start(Kind::Metadata, &mut out);
    let metadata =
        Metadata { kind: MetricType::Gauge, help: "Help.".to_owned(), unit: String::new() };
    record::put_metadata(&mut out, SeriesRef(1), &metadata);
    all.push(out);
    all
}

fn write_log(data: &Path, compression: Compression, records: &[Vec<u8>]) {
    let directory = Arc::new(SystemDirectory::new(data));
    let options = Options { compression, ..Options::default() };
    let clock = Arc::new(SystemClock::default());
    let mut writer =
        Writer::open(directory, Path::new(WAL), options, clock, Metrics::default()).expect("opens");
    let records: Vec<&[u8]> = records.iter().map(|it| &it[..]).collect();
    writer.log(&records).expect("writes");
    writer.close().expect("closes");
}

#[test]
fn prometheus_reads_every_kind_it_knows() {
    // Whole seconds: the API's times are seconds.
    let t = now_ms() / 1000 * 1000;
    let time = (t / 1000).to_string();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("creates");
    // 2.42 knows no zstd.
    write_log(&data, Compression::Snappy, &records(t));
    let Some((server, port)) = start(&data, "exemplar-storage,native-histograms") else { return };
    let metric = json!({"__name__": "floats", "a": "ü"});
    let seconds = t / 1000;
    assert_eq!(
        query(port, "floats[1m]", &time),
        json!([{"metric": metric, "values": [[seconds - 2, "1.5"], [seconds - 1, "-0"], [seconds, "1e+300"]]}])
    );
    assert_eq!(query(port, "deleted[1m]", &time), json!([]));
    let histogram = &query(port, "integers", &time)[0]["histogram"][1];
    assert_eq!((&histogram["count"], &histogram["sum"]), (&json!("7"), &json!("12.5")));
    let counts = histogram["buckets"].as_array().expect("has buckets").iter();
    let counts: Vec<&str> = counts.map(|it| it[3].as_str().expect("is text")).collect();
    assert_eq!(counts, ["2", "1", "1", "2", "1"], "{histogram}");
    let count = query(port, "sum_over_time(histogram_count(integers)[1m:1s])", &time);
    assert_eq!(count[0]["value"][1], "14", "the one with bounds is passed over");
    let half = &query(port, "halves", &time)[0]["histogram"][1];
    assert_eq!((&half["count"], &half["sum"]), (&json!("2.5"), &json!("-1")));
    let path = format!(
        "query_exemplars?query={}&start={}&end={}",
        escape("floats"),
        seconds - 60,
        seconds + 60
    );
    let exemplars = api(port, &path);
    let expected = json!([{"labels": {"trace_id": "abc"}, "value": "0.25", "timestamp": seconds}]);
    assert_eq!(exemplars[0]["exemplars"], expected);
    let log = server.log();
    assert!(!log.contains("corrupt"), "{log}");
    assert!(server.stop().success());
}

/// This server makes no snapshots of native histograms, so there are only floats.
#[test]
fn a_snapshot_of_prometheus_is_read() {
    let t = now_ms();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("creates");
    let is_known = |it: &Vec<u8>| it[0] < 7;
    let records: Vec<_> = records(t).into_iter().filter(is_known).collect();
    write_log(&data, Compression::Snappy, &records);
    let features = "exemplar-storage,memory-snapshot-on-shutdown";
    let Some((server, _)) = start(&data, features) else { return };
    assert!(server.stop().success());
    check_snapshot(&data);
}

/// The snapshot that the server left: decodes, and holds what it was given.
fn check_snapshot(data: &Path) {
    let directory: Arc<dyn Directory> = Arc::new(SystemDirectory::new(data));
    let found = snapshot::last(directory.as_ref(), Path::new("")).expect("lists");
    let found = found.expect("made on a clean end");
    let mut reader = snapshot::open(Arc::clone(&directory), &found).expect("opens");
    let (mut names, mut n_stones, mut exemplars) = (Vec::new(), 0, Vec::new());
    while let Some(record) = reader.next().expect("reads") {
        match snapshot::decode(record.bytes).expect("decodes") {
            Entry::Series(it) => {
                if it.labels.metric_name() == "floats" {
                    let chunk = it.chunk.expect("it is in memory");
                    assert_eq!((chunk.encoding, chunk.last), (1, Last::Float(1e300)));
                    assert_eq!(chunk.data[..2], [0, 3], "three samples");
                }
                names.push(it.labels.metric_name().to_owned());
            }
            Entry::Tombstones(all) => n_stones += all.len(),
            Entry::Exemplars(all) => exemplars.extend(all),
        }
    }
    names.sort();
    // Those that never had a sample are gone.
    assert_eq!(names, ["deleted", "floats"]);
    assert_eq!((n_stones, exemplars.len()), (1, 1));
    assert_eq!((exemplars[0].series, exemplars[0].v), (SeriesRef(1), 0.25));
    read_from(&directory, found.at);
}

/// The log behind the snapshot is where it says.
fn read_from(directory: &Arc<dyn Directory>, at: Position) {
    let numbers = segment::list(directory.as_ref(), Path::new(WAL)).expect("lists");
    assert!(numbers.contains(&at.segment), "{at} is not in {numbers:?}");
    let last = *numbers.last().expect("some");
    let mut reader = Reader::from(Arc::clone(directory), Path::new(WAL), at, last);
    let rest: Result<Option<_>, ReadError> = reader.next();
    assert!(rest.expect("reads").is_none(), "nothing came after it");
}
