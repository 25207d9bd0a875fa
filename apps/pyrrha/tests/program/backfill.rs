//! `promtool tsdb create-blocks-from` and the dumps, beside Debian's `promtool`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use testkit::peer;

use crate::server::{Server, pyrrha, write_config};

const T: i64 = 1_700_000_000;

fn ours(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(pyrrha());
    command.args(["promtool", "tsdb"]).args(args).current_dir(folder).output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

fn page() -> String {
    let mut out = String::from("# TYPE m gauge\n");
    for (series, labels) in
        ["{a=\"x\",b=\"\u{e9}\\\"\\\\\\n\"}", "{a=\"y\"}", ""].iter().enumerate()
    {
        for i in 0..900i64 {
            // A gap of some hours, and a value that is no number.
            let t = T + i * 20 + if 500 < i { 30_000 } else { 0 };
            let v =
                if i == 7 { "NaN".to_owned() } else { format!("{}", i * i / 7 + series as i64) };
            writeln!(out, "m{labels} {v} {t}.5").unwrap();
        }
    }
    out + "# EOF\n"
}

#[test]
fn makes_the_blocks_that_debians_promtool_makes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("in.om"), page()).unwrap();
    let listed = text(&ours(folder, &["create-blocks-from", "openmetrics", "in.om", "ours"]));
    assert!(listed.starts_with("BLOCK ULID"), "{listed}");
    let dumped = text(&ours(folder, &["dump", "ours"]));
    assert_eq!(dumped.lines().count(), 2700);
    let opened = text(&ours(folder, &["dump-openmetrics", "ours"]));
    assert!(opened.ends_with("\n# EOF\n") && opened.contains("\nm{a=\"y\"} "), "{opened}");
    // What is dumped makes the same blocks again.
    std::fs::write(folder.join("again.om"), &opened).unwrap();
    let quiet = ["create-blocks-from", "openmetrics", "-q", "again.om", "again", "--label", "c=1"];
    assert_eq!(text(&ours(folder, &quiet)), "");
    let again = text(&ours(folder, &["dump", "again"]));
    assert!(sorted(&again.replace(", c=\"1\"", "")) == sorted(&dumped));
    let series =
        text(&ours(folder, &["dump", "--format=seriesjson", "again", "--match={a=\"y\"}"]));
    assert_eq!(series, "{\"__name__\":\"m\",\"a\":\"y\",\"c\":\"1\"}\n");

    let Some(promtool) = peer("promtool") else { return };
    let theirs = |args: &[&str]| {
        let output = Command::new(&promtool).arg("tsdb").args(args).current_dir(folder).output();
        text(&output.unwrap())
    };
    let their_list = theirs(&["create-blocks-from", "openmetrics", "in.om", "theirs"]);
    for name in ["ours", "theirs"] {
        // It wants a log beside the blocks.
        std::fs::create_dir_all(folder.join(name).join("wal")).unwrap();
        assert!(sorted(&theirs(&["dump", name])) == sorted(&dumped), "{name}");
    }
    assert!(text(&ours(folder, &["dump", "theirs"])) == dumped);
    // Everything but names and sizes is equal: times, counts of samples, chunks, series.
    let columns = |list: &str| -> Vec<Vec<String>> {
        let row = |it: &str| it.split_whitespace().skip(1).take(6).map(str::to_owned).collect();
        list.lines().skip(1).map(row).collect()
    };
    assert_eq!(columns(&listed), columns(&their_list));
    assert!(3 < listed.lines().count());
}

const RULES: &str = "groups:
- name: a
  interval: 2m
  labels: {of: group}
  rules:
  - {record: job:m:sum, expr: sum by (job) (m), labels: {kind: sum}}
  - {alert: Never, expr: vector(0) > 1}
- name: b
  rules:
  - {record: m:level, expr: 'm{job=\"x\"}', labels: {job: y, gone: ''}}
";

/// Two series that change each hour, over twelve hours until four hours before now.
fn hours(now: i64) -> String {
    let first = now / 7200 * 7200 - 16 * 3600;
    let sample = |at: i64, job: &str| {
        format!("m{{job=\"{job}\",gone=\"1\"}} {} {}\n", at / 120 * 10, first + at * 30)
    };
    let of = |job| (0..12 * 120).map(move |at| sample(at, job)).collect::<String>();
    format!("{}{}# EOF\n", of("x"), of("z"))
}

/// The blocks of a folder: for each its series and their values, without times.
fn contents(folder: &Path, data: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::<String, BTreeSet<String>>::new();
    for line in text(&ours(folder, &["dump", data])).lines() {
        let (rest, _) = line.rsplit_once(' ').unwrap();
        let (series, value) = rest.rsplit_once(' ').unwrap();
        all.entry(series.to_owned()).or_default().insert(value.to_owned());
    }
    all
}

#[test]
fn makes_the_history_of_rules() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
    std::fs::write(folder.join("in.om"), hours(now)).unwrap();
    text(&ours(folder, &["create-blocks-from", "openmetrics", "-q", "in.om", "data"]));
    write_config(folder, "global: {}\n");
    std::fs::write(folder.join("rules.yml"), RULES).unwrap();
    std::fs::write(folder.join("http.yml"), "follow_redirects: false\n").unwrap();
    let server = Server::ours(folder, &[]);
    let url = format!("--url=http://127.0.0.1:{}", server.port);
    let start = format!("--start={}", now / 7200 * 7200 - 14 * 3600);
    let args = |out: &str| {
        let out = format!("--output-dir={out}");
        let own = ["create-blocks-from", "rules", &url, &start, &out, "rules.yml"];
        own.map(str::to_owned)
    };
    let own = args("ours");
    let mut own: Vec<&str> = own.iter().map(String::as_str).collect();
    own.push("--http.config.file=http.yml");
    assert_eq!(text(&ours(folder, &own)), "");
    let found = contents(folder, "ours");
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    let expected = [
        "{__name__=\"job:m:sum\", job=\"x\", kind=\"sum\", of=\"group\"}",
        "{__name__=\"job:m:sum\", job=\"z\", kind=\"sum\", of=\"group\"}",
        "{__name__=\"m:level\", job=\"y\"}",
    ];
    assert_eq!(names, expected);
    // A value for each of the last ten hours.
    assert!(found.values().all(|it| it.len() == 10), "{found:?}");
    let listed = text(&ours(folder, &["list", "ours"]));

    let output =
        ours(folder, &["create-blocks-from", "rules", &url, &start, "--end=0", "rules.yml"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(errors.trim(), "start time is not before end time");

    // Debian's makes the same at other seconds of the minute; it knows no labels of groups.
    let Some(promtool) = peer("promtool") else { return };
    std::fs::write(folder.join("rules.yml"), RULES.replace("  labels: {of: group}\n", "")).unwrap();
    let output =
        Command::new(&promtool).arg("tsdb").args(args("theirs")).current_dir(folder).output();
    text(&output.unwrap());
    let own = args("again");
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    text(&ours(folder, &own));
    assert_eq!(contents(folder, "again"), contents(folder, "theirs"));
    let n_blocks = |list: &str| list.lines().count();
    assert_eq!(n_blocks(&listed), n_blocks(&text(&ours(folder, &["list", "theirs"]))));
    server.program.kill();
}

#[test]
fn measures_how_fast_a_database_takes_samples() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let line = |i: i32| format!("{{\"__name__\":\"m\",\"i\":\"{}\"}}\n", i % 1500);
    std::fs::write(folder.join("in.json"), (0..3000).map(line).collect::<String>()).unwrap();
    std::fs::create_dir_all(folder.join("benchout/old")).unwrap();
    let args = ["bench", "write", "--metrics=1200", "--scrapes=150", "in.json"];
    let printed = text(&ours(folder, &args));
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], ">> start stage=readData");
    assert!(lines.contains(&"ingestion completed"), "{printed}");
    assert!(lines.contains(&" > total samples: 180000"), "{printed}");
    assert!(!folder.join("benchout/old").exists());
    let one = text(&ours(folder, &["dump", "--match={i=\"1199\"}", "benchout/storage"]));
    assert_eq!(one.lines().count(), 150);
    assert!(one.ends_with(" 1.23605789e+08 4500000\n"), "{one}");
}

#[test]
fn names_what_is_wrong_with_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (page, error) in [
        (
            "m 1\n# EOF\n",
            "getting min and max timestamp: expected timestamp for series m, got none",
        ),
        ("m 1 10\n", "data does not end with # EOF"),
        ("m 1 20\nm 1 10\n# EOF\n", "block creation: add sample: out of order sample"),
        ("m 1 20\nm 2 20\n# EOF\n", "add sample: duplicate sample for timestamp"),
    ] {
        std::fs::write(folder.join("in.om"), page).unwrap();
        let output = ours(folder, &["create-blocks-from", "openmetrics", "in.om", "out"]);
        let found = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && found.contains(error), "{found}");
        assert_eq!(std::fs::read_dir(folder.join("out")).map_or(0, Iterator::count), 0);
    }
}
