//! Blocks of floats and histograms that were written and merged here, as Debian's `promtool` describes them.

mod support;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use model::{CounterResetHint, Histogram, Labels, Matcher, Span};
use storage::{AnySample, AnyValue, Appendable, Queryable};
use tsdb::{Db, Options, analyze, dump, list};

const MINUTE: i64 = 60_000;
/// A multiple of 18 hours.
const START: i64 = 1_699_920_000_000;
const HOURS: i64 = 30;
const LIMIT: usize = 100;

fn labels(name: &str, i: i64) -> Labels {
    Labels::from_pairs([("__name__", name.to_owned()), ("i", i.to_string())])
}

fn histogram(n: i64, hint: CounterResetHint) -> Histogram {
    let width = 1 + n / 200 % 5;
    let length = u32::try_from(width).expect("few");
    Histogram {
        hint,
        schema: 3,
        zero_threshold: 1e-128,
        zero_count: 1,
        count: (width * (n + 1) + 1).cast_unsigned(),
        sum: 0.25,
        positive_spans: vec![Span { offset: -2, length }],
        positive_deltas: (0..width).map(|at| if at == 0 { n + 1 } else { 0 }).collect(),
        ..Histogram::default()
    }
}

/// More than a day of floats and histograms; some series come and go.
fn fill(db: &Db) {
    for n in 0..HOURS * 60 {
        let mut appender = db.appender();
        for i in (0..8).filter(|i| i % 3 != 0 || n / 300 % 2 == 0) {
            let float = AnyValue::Float(f64::from(i32::try_from(n * i).expect("small")) / 3.0);
            let counter = histogram(n, CounterResetHint::Unknown);
            let levels = histogram(n * 7 % 1000, CounterResetHint::Gauge).to_float();
            for (name, value) in [
                ("m", float),
                ("h", AnyValue::Histogram(&counter)),
                ("g", AnyValue::FloatHistogram(&levels)),
            ] {
                let sample = AnySample { st: 0, t: START + n * MINUTE, value };
                appender.append_any(&labels(name, i), sample).expect("takes");
            }
        }
        appender.commit().expect("commits");
        if n % 60 == 0 {
            db.maintain();
        }
    }
    db.maintain();
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

fn dumped(db: &Db, name: &str) -> String {
    let querier = db.querier(i64::MIN, i64::MAX).expect("opens a view");
    let selectors = [vec![Matcher::equal("__name__", name)]];
    let (querier, mut out) = (querier.as_ref(), Vec::new());
    let format = dump::Format::Text;
    dump::dump(querier, i64::MIN, i64::MAX, &selectors, format, &mut out).expect("dumps");
    String::from_utf8(out).expect("is text")
}

#[test]
fn promtool_finds_nothing_wrong() {
    let Some(promtool) = testkit::peer("promtool") else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let options =
        Options { retention_ms: 0, block_range_max_ms: 18 * 60 * MINUTE, ..Options::default() };
    let db = support::open(&data, options);
    fill(&db);
    let levels: Vec<u32> = db.blocks().iter().map(|it| it.meta().compaction.level).collect();
    assert!(levels.contains(&3) && levels.contains(&1), "{levels:?}");
    let run = |args: &[&str]| {
        let output = Command::new(&promtool).arg("tsdb").args(args).arg(&data).output();
        let output = output.expect("starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "promtool {args:?}: {errors}");
        String::from_utf8(output.stdout).expect("is text")
    };
    let blocks = db.blocks();
    let listed = |human| list::list(blocks.iter().map(Arc::as_ref), human);
    assert_eq!(listed(false), run(&["list"]));
    assert_eq!(listed(true), run(&["list", "-r"]));
    assert_eq!(sorted(&dumped(&db, "m")), sorted(&run(&["dump", "--match=m"])));
    for block in blocks.iter() {
        let ulid = block.meta().ulid.to_string();
        check_analysis(&promtool, &data, block, &ulid);
    }
}

fn check_analysis(promtool: &Path, data: &Path, block: &block::Block, ulid: &str) {
    let output = Command::new(promtool)
        .args(["tsdb", "analyze", "--extended", "--limit=100"])
        .args([data, Path::new(ulid)])
        .output()
        .expect("starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs = String::from_utf8_lossy(&output.stdout).replace("\nSeries: ", "\nTotal Series: ");
    // Version 2.42 read all chunks, and draws them otherwise than later ones.
    let (theirs, chunks) = theirs.split_once("Compaction analysis:").expect("is extended");
    assert!(chunks.contains("100%: ###"), "{chunks}");
    let ours = analyze::analyze(block, &[], LIMIT, true).expect("analyzes");
    let (ours, _) = ours.split_once("Compaction analysis:").expect("is extended");
    assert_eq!(sorted(ours), sorted(theirs));
}

#[test]
fn dumps_histograms() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = support::open(dir.path(), Options { retention_ms: 0, ..Options::default() });
    let series = labels("h", 1);
    let mut appender = db.appender();
    for n in 0..3 {
        let histogram = histogram(n, CounterResetHint::Unknown);
        let value = if n == 1 { AnyValue::Float(-1e21) } else { AnyValue::Histogram(&histogram) };
        appender.append_any(&series, AnySample { st: 0, t: START + n, value }).expect("takes");
    }
    appender.commit().expect("commits");
    let lines = [
        "{__name__=\"h\", i=\"1\"} {count:2, sum:0.25, [-1e-128,1e-128]:1, (0.7711054127039704,0.8408964152537144]:1} 1699920000000",
        "{__name__=\"h\", i=\"1\"} -1e+21 1699920000001",
        "{__name__=\"h\", i=\"1\"} {count:4, sum:0.25, [-1e-128,1e-128]:1, (0.7711054127039704,0.8408964152537144]:3} 1699920000002\n",
    ];
    assert_eq!(dumped(&db, "h"), lines.join("\n"));
}
