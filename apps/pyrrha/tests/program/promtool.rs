//! `pyrrha promtool`, beside Debian's `promtool` where both can do the same.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use testkit::{http, peer, wait_for};

use crate::server::{Server, config, pyrrha, serve_pages, write_config};

fn promtool(folder: &Path, args: &[&str]) -> Output {
    Command::new(pyrrha()).arg("promtool").args(args).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs `promtool` and compares the exit code and what both outputs contain.
fn check(folder: &Path, args: &[&str], code: i32, stdout: &str, stderr: &str) {
    let out = promtool(folder, args);
    let (found_out, found_err) = (text(&out.stdout), text(&out.stderr));
    assert_eq!(out.status.code(), Some(code), "{args:?}\n{found_out}\n{found_err}");
    assert!(found_out.contains(stdout), "{args:?}: {found_out:?} lacks {stdout:?}");
    assert!(found_err.contains(stderr), "{args:?}: {found_err:?} lacks {stderr:?}");
}

#[test]
fn checks_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "good.yml",
        "rule_files: [rules.yml]\nscrape_configs:\n- job_name: a\n  static_configs:\n  - targets: [a:1]\n",
    );
    write("rules.yml", "groups:\n- name: g\n  rules:\n  - record: a:b\n    expr: sum(a)\n");
    write("bad.yml", "scrape_configs:\n- job_nam: a\n");
    write("bad-rules.yml", "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: sum(\n");
    write(
        "a.test",
        "load 1m\n  m 1 2\n\neval instant at 1m m\n  m 2\n\neval instant at 1m m\n  m 3\n",
    );
    let folder = folder.path();
    check(
        folder,
        &["check", "config", "good.yml"],
        0,
        " SUCCESS: good.yml is valid prometheus config file syntax",
        "",
    );
    check(
        folder,
        &["check", "config", "bad.yml"],
        1,
        "Checking bad.yml",
        "line 2: field job_nam not found in type config.ScrapeConfig",
    );
    check(folder, &["check", "rules", "rules.yml"], 0, "SUCCESS: 1 rules found", "");
    check(
        folder,
        &["check", "rules", "bad-rules.yml"],
        1,
        "",
        "could not parse expression: 1:5: parse error",
    );
    check(folder, &["check", "nothing"], 2, "", "unrecognized subcommand");
    check(folder, &["test", "promql", "a.test"], 1, "a.test:7: m", "");
    check(folder, &["test", "promql", "a.test"], 1, "\n1 passed, 1 failed\n", "");

    let mut lint = Command::new(pyrrha())
        .args(["promtool", "check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    lint.stdin.take().unwrap().write_all(b"# TYPE a counter\na 1\n").unwrap();
    let out = lint.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(3));
    assert!(
        text(&out.stderr).contains("a counter metrics should have \"_total\" suffix"),
        "{}",
        text(&out.stderr)
    );
}

#[test]
fn checks_what_the_flags_say() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let jobs = "scrape_configs: [{job_name: a, scrape_interval: 3m}]\n";
    std::fs::write(folder.join("a.yml"), format!("rule_files: ['*.rules']\n{jobs}")).unwrap();
    let agent = "field rule_files is not allowed in agent mode";
    check(folder, &["check", "config", "a.yml"], 0, "SUCCESS: a.yml is valid", "");
    check(folder, &["check", "config", "--agent", "a.yml"], 1, "", agent);
    let lint = ["check", "config", "--lint=all", "--lint-fatal", "a.yml"];
    check(folder, &lint, 0, "SUCCESS", "");
    let shorter = [&["check", "--query.lookback-delta=3m"], &lint[1..]].concat();
    check(
        folder,
        &shorter,
        3,
        "",
        "too long scrape interval found, data point will be marked as stale - job: a",
    );
    std::fs::write(folder.join("b.yml"), format!("{jobs}new: 1\n")).unwrap();
    check(folder, &["check", "config", "b.yml"], 1, "", "field new not found in type config.plain");
    check(folder, &["check", "config", "--ignore-unknown-fields", "b.yml"], 0, "SUCCESS", "");
}

#[test]
fn asks_a_server_how_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let port = serve_pages(|path| format!("this is {path}\n"));
    for name in ["healthy", "ready"] {
        let url = format!("--url=http://127.0.0.1:{port}/");
        let expected = format!("  SUCCESS:  this is /-/{name}\n");
        check(folder.path(), &["check", name, &url], 0, "", &expected);
        let refused = "dial tcp 127.0.0.1:1: connect: connection refused";
        check(folder.path(), &["check", name, "--url=127.0.0.1:1"], 1, "", refused);
    }
}

/// What `check service-discovery` of a program prints for a job.
fn discovered(program: &Path, before: &[&str], folder: &Path, job: &str) -> Value {
    let args = ["check", "service-discovery", "--timeout=1s", "prometheus.yml", job];
    let out = Command::new(program).args(before).args(args).current_dir(folder).output().unwrap();
    let printed = text(&out.stdout);
    serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{printed}{}", text(&out.stderr)))
}

#[test]
fn checks_service_discovery() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let list = r#"[{"targets":["c:1"]}]"#;
    std::fs::write(folder.join("list.json"), list).unwrap();
    write_config(
        folder,
        "scrape_configs:\n- job_name: files\n  file_sd_configs: [{files: [list.json]}]\n\
         - job_name: fixed\n  \
           static_configs: [{targets: ['a:1', 'a:1', 'drop:1'], labels: {x: '1'}}, {targets: ['b:1']}]\n  \
           relabel_configs: [{source_labels: [__address__], regex: 'drop:.*', action: drop}]\n\
         - job_name: bad\n  relabel_configs: [{target_label: __address__, replacement: a/b}]\n  \
           static_configs: [{targets: ['b:1']}]\n\
         - job_name: absent\n  eureka_sd_configs: [{server: 'http://127.0.0.1:1'}]\n",
    );
    let found = discovered(pyrrha(), &["promtool"], folder, "files");
    assert_eq!(found[0]["discoveredLabels"]["__meta_filepath"], "list.json");

    let mut found = discovered(pyrrha(), &["promtool"], folder, "fixed");
    let items = found.as_array_mut().expect("a list");
    assert_eq!(items.len(), 3, "equal ones are shown once");
    items.sort_by_key(|it| it["discoveredLabels"]["__address__"].to_string());
    assert_eq!(items[0]["labels"]["instance"], "a:1");
    assert_eq!(items[2]["labels"], Value::Object(serde_json::Map::new()));
    if let Some(peer) = peer("promtool") {
        // It is older than the labels that say which histograms are taken.
        for labels in
            items.iter_mut().flat_map(|it| it.as_object_mut().expect("an object").values_mut())
        {
            labels.as_object_mut().expect("labels").retain(|name, _| !name.contains("histograms"));
        }
        let mut theirs = discovered(&peer, &[], folder, "fixed");
        let theirs = theirs.as_array_mut().expect("a list");
        theirs.sort_by_key(|it| it["discoveredLabels"]["__address__"].to_string());
        assert_eq!(items, theirs);
    }
    let bad = discovered(pyrrha(), &["promtool"], folder, "bad");
    assert_eq!(bad[0]["error"], r#""a/b" is not a valid hostname"#);

    let check = |job: &str, stderr: &str| {
        check(folder, &["check", "service-discovery", "prometheus.yml", job], 1, "", stderr);
    };
    check("none", "Job none not found. Select one of:\n\tfiles\n\tfixed\n\tbad\n\tabsent");
    check("absent", "Could not create new discoverer: eureka_sd_configs is not supported yet");
}

#[test]
fn asks_servers_and_reads_data() {
    let folder = tempfile::tempdir().unwrap();
    let pages = serve_pages(|_| "m{a=\"b\"} 1.5\nn 2\n".into());
    write_config(folder.path(), &config("200ms", "j", &[format!("127.0.0.1:{pages}")]));
    let server = Server::ours(folder.path(), &[]);
    wait_for("samples", Duration::from_secs(20), || {
        http::query(server.port, "m", "").get(0).map(|_| ())
    });
    let url = format!("http://127.0.0.1:{}", server.port);
    let folder = folder.path();
    check(folder, &["query", "instant", &url, "m * 2"], 0, "{a=\"b\", instance=\"127.0.0.1:", "");
    check(folder, &["query", "instant", &url, "m * 2"], 0, " => 3 @[", "");
    check(
        folder,
        &["query", "instant", "-o", "json", &url, "n"],
        0,
        "[{\"metric\":{\"__name__\":\"n\"",
        "",
    );
    check(folder, &["query", "range", &url, "n", "--step", "1s"], 0, "n{instance=", "");
    check(folder, &["query", "series", &url, "--match", "m"], 0, "{__name__=\"m\", a=\"b\"", "");
    check(folder, &["query", "labels", &url, "__name__"], 0, "m\nn\n", "");
    check(
        folder,
        &["query", "instant", &url, "sum("],
        1,
        "",
        "bad_data: invalid parameter \"query\": 1:5: parse error",
    );
    assert!(server.program.stop().success());

    let ours = promtool(folder, &["tsdb", "dump", "data"]);
    assert!(ours.status.success(), "{}", text(&ours.stderr));
    let mut ours: Vec<String> = text(&ours.stdout).lines().map(str::to_owned).collect();
    assert!(ours.iter().any(|it| it.starts_with("{__name__=\"m\", a=\"b\", ")), "{ours:?}");
    check(folder, &["tsdb", "list", "data"], 0, "BLOCK ULID", "");
    let Some(theirs) = peer("promtool") else { return };
    let theirs =
        Command::new(theirs).args(["tsdb", "dump", "data"]).current_dir(folder).output().unwrap();
    let mut theirs: Vec<String> = text(&theirs.stdout).lines().map(str::to_owned).collect();
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs, "both programs dump the same");
}

#[test]
fn analyzes_blocks_of_the_peer() {
    let Some(theirs) = peer("promtool") else { return };
    let folder = tempfile::tempdir().unwrap();
    let page: String = (0..200)
        .map(|at| {
            format!("m{{a=\"{}\",b=\"{}\"}} {at} {}\n", at % 5, at % 3, 1_700_000_000 + at * 15)
        })
        .collect();
    std::fs::write(folder.path().join("page"), page + "# EOF\n").unwrap();
    let made = Command::new(&theirs)
        .args(["tsdb", "create-blocks-from", "openmetrics", "page", "data"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let theirs = Command::new(&theirs)
        .args(["tsdb", "analyze", "data"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let ours = promtool(folder.path(), &["tsdb", "analyze", "data"]);
    assert!(ours.status.success(), "{}", text(&ours.stderr));
    // The lists' order among equals is theirs by chance: lines are compared as sets.
    let lines = |out: &Output| {
        // Later versions than Debian's say "Total Series".
        let text = text(&out.stdout).replace("Total Series", "Series");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines(&ours), lines(&theirs));
}

#[test]
fn a_link_is_the_program_it_is_named_for() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, args: &[&str]| {
        let link = folder.path().join(name);
        std::os::unix::fs::symlink(pyrrha(), &link).unwrap();
        Command::new(link).args(args).current_dir(folder.path()).output().unwrap()
    };
    let out = run("prometheus", &["--config.file=missing.yml"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(
        text(&out.stderr).contains("open missing.yml: no such file or directory"),
        "{}",
        text(&out.stderr)
    );
    assert!(text(&run("promtool", &["--version"]).stdout).starts_with("promtool "));
    assert_eq!(run("pyrrha", &["no-such-program"]).status.code(), Some(2));
}
