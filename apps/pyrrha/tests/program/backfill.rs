//! `promtool tsdb create-blocks-from openmetrics` and the dumps, beside Debian's `promtool`.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Output};

use testkit::peer;

use crate::server::pyrrha;

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
