//! The storage of an agent: what is appended is in the log, what is old goes, and Debian's agent agrees.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use client::Registry;
use model::{Exemplar, Histogram, Labels, SeriesRef};
use stdx::{SystemClock, SystemDirectory};
use storage::{AnySample, AnyValue, AppendError, Appendable};
use testkit::{Program, SettableClock, free_port, http, peer, wait_for};
use tsdb::OpenError;
use tsdb::agent::{AgentDb, AgentOptions};
use wal::record::{self, Kind};
use wal::{Reader, checkpoint, segment};

const START: i64 = 1_700_000_000_000;
const HOUR: i64 = 3_600_000;

fn options() -> AgentOptions {
    let wal_compression = wal::Compression::None;
    AgentOptions { wal_segment_bytes: 32 << 10, wal_compression, ..AgentOptions::default() }
}

fn open(path: &Path, clock: &Arc<SettableClock>, registry: &Registry) -> AgentDb {
    let directory = Arc::new(SystemDirectory::new(path));
    let clock = Arc::clone(clock);
    AgentDb::open(options(), directory, clock, registry, Arc::new(|| None)).expect("opens")
}

fn labels(i: i64) -> Labels {
    Labels::from_pairs([("__name__", "m"), ("i", &i.to_string())])
}

fn append(db: &AgentDb, series: std::ops::Range<i64>, t: i64) {
    let mut appender = db.appender();
    for i in series {
        appender.append(&labels(i), t, (t + i) as f64).expect("takes");
    }
    appender.commit().expect("commits");
}

fn metric(registry: &Registry, name: &str) -> f64 {
    let page = client::text_page(registry);
    let line = page.lines().find(|it| it.starts_with(&format!("{name} ")));
    line.and_then(|it| it.rsplit_once(' ')).expect("is there").1.parse().expect("a number")
}

/// What the log holds: for each series its times, and all references that have a record.
fn logged(path: &Path) -> (BTreeMap<Labels, Vec<i64>>, BTreeMap<u64, Labels>) {
    let directory = Arc::new(SystemDirectory::new(path));
    let folder = Path::new("wal");
    let (mut times, mut series) = (BTreeMap::<Labels, Vec<i64>>::new(), BTreeMap::new());
    let mut readers = Vec::new();
    let mut first = 0;
    if let Some(found) = checkpoint::last(directory.as_ref(), folder).expect("lists") {
        first = found.index + 1;
        readers.push(checkpoint::open(directory.clone(), &found).expect("opens"));
    }
    let last = *segment::list(directory.as_ref(), folder).expect("lists").last().expect("one");
    readers.push(Reader::new(directory, folder, first..=last));
    for mut reader in readers {
        while let Some(it) = reader.next().expect("reads") {
            let (kind, body) = record::split(it.bytes).expect("is known");
            match kind {
                Kind::Series => record::series(body, |at, labels| {
                    series.insert(at.0, labels);
                }),
                Kind::Samples => record::samples(body, |it| {
                    // Damage may have taken the record of the series.
                    if let Some(labels) = series.get(&it.series.0) {
                        times.entry(labels.clone()).or_default().push(it.t);
                    }
                }),
                _ => Ok(()),
            }
            .expect("decodes");
        }
    }
    (times, series)
}

#[test]
fn keeps_what_is_young_and_knows_its_series_again() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let clock = Arc::new(SettableClock::new(START));
    let registry = Registry::default();
    let db = open(dir.path(), &clock, &registry);
    assert_eq!(metric(&registry, "prometheus_agent_clean_start"), 1.0);
    // Some end early.
    for round in 0..1200i64 {
        append(&db, 0..if round < 100 { 20 } else { 10 }, START + round * 30_000);
    }
    assert_eq!(
        metric(&registry, "prometheus_agent_samples_appended_total{type=\"float\"}"),
        13000.0
    );
    let end = START + 10 * HOUR;
    clock.set(end);
    db.maintain();
    assert_eq!(metric(&registry, "prometheus_agent_active_series"), 10.0);
    assert_eq!(metric(&registry, "prometheus_agent_deleted_series"), 10.0);
    assert_eq!(metric(&registry, "prometheus_agent_checkpoint_creations_total"), 1.0);
    let (times, _) = logged(dir.path());
    let young = |it: &Vec<i64>| it.iter().filter(|t| end - 4 * HOUR <= **t).count();
    assert!((0..10).all(|i| young(&times[&labels(i)]) == 480));
    // A forgotten one comes back under another reference; in time nothing is left of the old one.
    append(&db, 15..16, end);
    for round in 1..800i64 {
        append(&db, 0..10, end + round * 30_000);
    }
    for n in 1..4 {
        clock.set(end + 7 * HOUR + n);
        db.maintain();
    }
    assert_eq!(metric(&registry, "prometheus_agent_active_series"), 10.0);
    let (_, series) = logged(dir.path());
    assert!(!series.values().any(|it| *it == labels(19)), "{series:?}");
    // A clock that goes back does nothing.
    clock.set(end);
    let n = metric(&registry, "prometheus_agent_checkpoint_creations_total");
    db.maintain();
    assert_eq!(metric(&registry, "prometheus_agent_checkpoint_creations_total"), n);
    let before: BTreeMap<Labels, Vec<i64>> = logged(dir.path()).0;
    drop(db);

    let registry = Registry::default();
    let db = open(dir.path(), &clock, &registry);
    assert!(10.0 <= metric(&registry, "prometheus_agent_active_series"));
    assert_eq!(metric(&registry, "prometheus_agent_clean_start"), 1.0);
    let newest = *before[&labels(3)].last().expect("samples");
    let mut appender = db.appender();
    assert_eq!(appender.append(&labels(3), newest, 1.0), Err(AppendError::OutOfOrder));
    let again = appender.append(&labels(3), newest + 1, 1.0).expect("takes");
    let new = appender.append(&labels(1000), newest, 1.0).expect("takes");
    assert!(again.0 <= 11 + 20 && again < new, "references go on");
    appender.commit().expect("commits");
    assert_eq!(metric(&registry, "prometheus_agent_out_of_order_samples_total"), 1.0);
    assert_eq!(logged(dir.path()).0[&labels(3)].last(), Some(&(newest + 1)));
}

#[test]
fn checkpoints_hold_what_is_in_memory() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let clock = Arc::new(SettableClock::new(START));
    let open = |registry: &Registry| {
        let directory = Arc::new(SystemDirectory::new(dir.path()));
        let checkpoint_batch = std::num::NonZeroUsize::new(3);
        let options = AgentOptions { checkpoint_batch, ..options() };
        let clock = Arc::clone(&clock);
        AgentDb::open(options, directory, clock, registry, Arc::new(|| None)).expect("opens")
    };
    let registry = Registry::default();
    let db = open(&registry);
    for round in 0..1200i64 {
        append(&db, 0..if round < 100 { 20 } else { 10 }, START + round * 30_000);
    }
    let newest = START + 1199 * 30_000;
    clock.set(START + 10 * HOUR);
    db.maintain();
    assert_eq!(metric(&registry, "prometheus_agent_deleted_series"), 10.0);
    let directory = Arc::new(SystemDirectory::new(dir.path()));
    let found = checkpoint::last(directory.as_ref(), Path::new("wal")).expect("lists");
    let mut reader = checkpoint::open(directory, &found.expect("there is one")).expect("opens");
    let (mut series, mut samples) = (Vec::new(), Vec::new());
    while let Some(it) = reader.next().expect("reads") {
        let (kind, body) = record::split(it.bytes).expect("is known");
        match kind {
            Kind::Series => record::series(body, |at, it| series.push((at.0, it))),
            Kind::Samples => record::samples(body, |it| samples.push((it.series.0, it.t, it.v))),
            _ => panic!("nothing else: {kind:?}"),
        }
        .expect("decodes");
    }
    // All twenty series, of which ten have samples.
    let expected: Vec<(u64, Labels)> =
        (0..20u8).map(|i| (u64::from(i) + 1, labels(i.into()))).collect();
    assert_eq!(series, expected);
    assert_eq!(samples, (1..=10).map(|it| (it, newest, 0.0)).collect::<Vec<_>>());

    // It is enough to go on.
    drop(db);
    let registry = Registry::default();
    let db = open(&registry);
    let mut appender = db.appender();
    assert_eq!(appender.append(&labels(3), newest, 1.0), Err(AppendError::OutOfOrder));
    let series = [3, 15, 20].map(|i| appender.append(&labels(i), newest + 1, 1.0).expect("takes"));
    assert_eq!(series.map(|it| it.0), [4, 16, 21]);
    appender.commit().expect("commits");
}

#[test]
fn takes_samples_of_all_kinds() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let clock = Arc::new(SettableClock::new(START));
    let registry = Registry::default();
    let db = open(dir.path(), &clock, &registry);
    let histogram = Histogram { count: 2, sum: 1.5, ..Histogram::default() };
    let mut appender = db.appender();
    let sample = AnySample { st: 0, t: START, value: AnyValue::Histogram(&histogram) };
    let series = appender.append_any(&labels(1), sample).expect("takes");
    let (trace, t) = (Labels::from_pairs([("trace_id", "x")]), Some(START));
    let exemplar = Exemplar { labels: trace, value: 1.0, t };
    appender.append_exemplar(series, &exemplar).expect("takes");
    appender.append_exemplar(series, &exemplar).expect("passes over");
    let unknown = appender.append_ref(SeriesRef(77), START, 1.0);
    assert_eq!(unknown, Err(AppendError::UnknownSeries));
    appender.commit().expect("commits");
    assert_eq!(metric(&registry, "prometheus_agent_exemplars_appended_total"), 1.0);
    // Given up: its series stays, its sample does not.
    let mut appender = db.appender();
    appender.append(&labels(2), START, 1.0).expect("takes");
    appender.rollback();
    // A second process has to wait.
    let directory = Arc::new(SystemDirectory::new(dir.path()));
    let second = AgentDb::open(
        options(),
        directory,
        Arc::new(SystemClock::default()),
        &Registry::default(),
        Arc::new(|| None),
    );
    assert!(matches!(second, Err(OpenError::Locked(_))));
    db.close().expect("closes");
    db.close().expect("closes twice");
    let mut late = db.appender();
    late.append(&labels(1), START + 1, 1.0).expect("takes");
    assert!(late.commit().is_err());
    let (times, series) = logged(dir.path());
    assert!(times.is_empty() && series.len() == 2);
}

#[test]
fn a_damaged_log_is_repaired() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let clock = Arc::new(SettableClock::new(START));
    let db = open(dir.path(), &clock, &Registry::default());
    append(&db, 0..10, START);
    drop(db);
    let path = dir.path().join("wal/00000000");
    let mut bytes = std::fs::read(&path).expect("reads");
    bytes[20] ^= 1;
    std::fs::write(&path, bytes).expect("writes");
    let registry = Registry::default();
    let db = open(dir.path(), &clock, &registry);
    assert_eq!(metric(&registry, "prometheus_agent_corruptions_total"), 1.0);
    append(&db, 0..10, START + 1);
    assert_eq!(logged(dir.path()).0.len(), 10);
}

#[test]
fn goes_to_debians_agent_and_back() {
    let Some(prometheus) = peer("prometheus") else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let clock = Arc::new(SettableClock::new(START));
    let db = open(&data, &clock, &Registry::default());
    (0..100).for_each(|n| append(&db, 0..30, START + n));
    drop(db);
    let port = free_port();
    let config = format!(
        "global: {{scrape_interval: 200ms}}\nscrape_configs:\n- job_name: self\n  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
    );
    std::fs::write(dir.path().join("prometheus.yml"), config).expect("writes");
    let args = [
        "--enable-feature=agent".to_owned(),
        format!("--config.file={}", dir.path().join("prometheus.yml").display()),
        format!("--storage.agent.path={}", data.display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
    ];
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let program = Program::start(&prometheus, &args, dir.path(), &dir.path().join("log"));
    let theirs = wait_for("the agent", Duration::from_secs(60), || {
        let page = http::get(port, "/metrics")?.body;
        let line = page.lines().find(|it| it.starts_with("prometheus_agent_active_series "))?;
        let n: f64 = line.rsplit_once(' ')?.1.parse().ok()?;
        (130.0 < n).then_some(n)
    });
    program.kill();
    let registry = Registry::default();
    let db = open(&data, &clock, &registry);
    assert!(theirs <= metric(&registry, "prometheus_agent_active_series"));
    assert_eq!(metric(&registry, "prometheus_agent_corruptions_total"), 0.0);
    append(&db, 0..30, START + 1000);
    let (times, _) = logged(&data);
    assert_eq!(times[&labels(7)].len(), 101);
    let up = Labels::from_pairs([
        ("__name__", "up"),
        ("instance", &format!("127.0.0.1:{port}")),
        ("job", "self"),
    ]);
    assert!(times.contains_key(&up));
}
