//! Agent mode: what is scraped is in the log, and nothing can be asked.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use testkit::{Program, free_port, http, wait_for};

use crate::server::{config, pyrrha, serve_pages, write_config};

const PATIENCE: Duration = Duration::from_secs(60);

struct Agent {
    program: Program,
    port: u16,
}

impl Agent {
    fn start(folder: &Path) -> Self {
        let port = free_port();
        let listen = format!("--web.listen-address=127.0.0.1:{port}");
        let args = ["server", "--agent", &listen, "--storage.agent.path=log"];
        let program = Program::start(pyrrha(), &args, folder, &folder.join(format!("log-{port}")));
        let agent = Self { program, port };
        wait_for("the agent to be ready", PATIENCE, || {
            http::get(port, "/-/ready").filter(|it| it.status == 200)
        });
        agent
    }

    fn metric(&self, name: &str) -> f64 {
        let page = http::get(self.port, "/metrics").expect("answers").body;
        let line = page.lines().find(|it| it.starts_with(&format!("{name} ")));
        line.and_then(|it| it.rsplit_once(' ')).expect("is there").1.parse().expect("a number")
    }
}

/// The values of `seq` that the log holds.
fn logged(folder: &Path) -> Vec<f64> {
    use wal::record::{self, Kind};
    let directory = std::sync::Arc::new(stdx::SystemDirectory::new(folder.join("log")));
    let numbers = wal::segment::list(directory.as_ref(), Path::new("wal")).expect("lists");
    let last = *numbers.last().expect("there is one");
    let mut reader = wal::Reader::new(directory, Path::new("wal"), numbers[0]..=last);
    let (mut seq, mut values) = (None, Vec::new());
    while let Some(it) = reader.next().expect("reads") {
        let (kind, body) = record::split(it.bytes).expect("is known");
        match kind {
            Kind::Series => record::series(body, |at, labels| {
                if labels.metric_name() == "seq" {
                    seq = Some(at);
                }
            }),
            Kind::Samples => record::samples(body, |it| {
                if Some(it.series) == seq {
                    values.push(it.v);
                }
            }),
            _ => Ok(()),
        }
        .expect("decodes");
    }
    values
}

#[test]
fn scrapes_into_its_log() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let seq = AtomicU64::new(0);
    let port = serve_pages(move |_| format!("seq {}\n", seq.fetch_add(1, Relaxed)));
    write_config(folder, &config("200ms", "pages", &[format!("127.0.0.1:{port}")]));
    let agent = Agent::start(folder);
    let appended = "prometheus_agent_samples_appended_total{type=\"float\"}";
    wait_for("samples", PATIENCE, || (30.0 < agent.metric(appended)).then_some(()));
    assert_eq!(agent.metric("prometheus_agent_clean_start"), 1.0);
    let get = |path: &str| http::get(agent.port, path).expect("answers");
    assert_eq!(get("/-/healthy").body, "Prometheus Agent is Healthy.\n");
    assert_eq!(get("/-/ready").body, "Prometheus Agent is Ready.\n");
    for path in ["query?query=up", "labels", "series", "status/tsdb", "status/tsdb/blocks"] {
        let answer = get(&format!("/api/v1/{path}"));
        assert_eq!(answer.status, 422, "{path}");
        let text = "\"errorType\":\"execution\",\"error\":\"unavailable with Prometheus Agent\"";
        assert!(answer.body.contains(text), "{path}: {}", answer.body);
    }
    assert_eq!(http::api(agent.port, "targets")["activeTargets"][0]["health"], "up");
    assert_eq!(http::api(agent.port, "status/flags")["agent"], "true");
    assert_eq!(http::api(agent.port, "status/runtimeinfo")["corruptionCount"], 0);
    let home = get("/");
    assert!(home.status == 302 && home.head.contains("/agent"), "{}", home.head);
    let n_series = agent.metric("prometheus_agent_active_series");
    // What the page has, and what is said of each scrape.
    assert_eq!(n_series, 6.0);
    agent.program.kill();

    // What was logged is known again, and it goes on.
    let values = logged(folder);
    assert!(2 < values.len() && values.windows(2).all(|it| it[0] < it[1]), "{values:?}");
    let agent = Agent::start(folder);
    assert_eq!(agent.metric("prometheus_agent_active_series"), n_series);
    wait_for("samples", PATIENCE, || (10.0 < agent.metric(appended)).then_some(()));
    assert!(agent.program.stop().success());
    let more = logged(folder);
    assert!(values.len() < more.len() && more.starts_with(&values), "{more:?}");
    assert!(!folder.join("data").exists() && !folder.join("log/lock").exists());
}

#[test]
fn refuses_what_belongs_to_a_server() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let check = |args: &[&str], config: &str, code: i32, error: &str| {
        write_config(folder, config);
        let mut command = Command::new(pyrrha());
        let output = command.arg("server").args(args).current_dir(folder).output().expect("starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {errors}");
        assert!(errors.contains(error), "{args:?}: {errors}");
    };
    let wrong = "flag(s) can not be used in agent mode: [\"--storage.tsdb.path\"]";
    check(&["--agent", "--storage.tsdb.path=x"], "global: {}\n", 3, wrong);
    let wrong = "flag(s) can only be used in agent mode: [\"--storage.agent.path\"]";
    check(&["--storage.agent.path=x"], "global: {}\n", 3, wrong);
    let wrong = "field rule_files is not allowed in agent mode";
    check(&["--agent"], "rule_files: [a.yml]\n", 2, wrong);
}
