//! Reloads as targets see them, and what is shown of secrets.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use testkit::{http, wait_for};

use crate::server::{Server, write_config};

const LIMIT: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_secs(1);

/// A scrape as its target saw it.
struct Scrape {
    connection: usize,
    path: String,
    at: Instant,
}

/// A target that tells of each request.
fn serve() -> (u16, Receiver<Scrape>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for (connection, stream) in listener.incoming().flatten().enumerate() {
            let sender = sender.clone();
            thread::spawn(move || answer(stream, connection, &sender));
        }
    });
    (port, receiver)
}

fn answer(mut stream: TcpStream, connection: usize, seen: &Sender<Scrape>) -> Option<()> {
    let mut input = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            (0 < input.read_line(&mut head).ok()?).then_some(())?;
        }
        let path = head.split(' ').nth(1)?.to_owned();
        seen.send(Scrape { connection, path, at: Instant::now() }).ok()?;
        let page = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\na 1\n";
        stream.write_all(page.as_bytes()).ok()?;
    }
}

#[test]
fn a_reload_leaves_other_targets_alone() {
    let (kept, kept_scrapes) = serve();
    let (other, other_scrapes) = serve();
    let text = |path: &str, more: &str| {
        format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n\
             - job_name: kept\n  static_configs: [{{targets: ['127.0.0.1:{kept}']}}]\n\
             - job_name: other\n  metrics_path: {path}\n  static_configs: [{{targets: ['127.0.0.1:{other}']}}]\n{more}"
        )
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_config(folder.path(), &text("/before", ""));
    let server = Server::ours(folder.path(), &["--web.enable-lifecycle"]);
    let reload = || http::post(server.port, "/-/reload", "").expect("an answer").status;
    let next = |from: &Receiver<Scrape>| from.recv_timeout(LIMIT).expect("a scrape");
    let mut seen = vec![next(&kept_scrapes), next(&kept_scrapes)];

    write_config(folder.path(), &text("/after", "- job_name: new\n"));
    assert_eq!(reload(), 200);
    wait_for("the other path", LIMIT, || {
        other_scrapes.try_iter().any(|it| it.path == "/after").then_some(())
    });
    write_config(folder.path(), &text("/wrong", "- job_name: kept\n"));
    assert_eq!(reload(), 500);
    seen.extend((0..3).map(|_| next(&kept_scrapes)));

    assert!(seen.iter().all(|it| it.connection == 0), "one connection through all of it");
    for pair in seen.windows(2) {
        let late = (pair[1].at - pair[0].at).abs_diff(INTERVAL);
        assert!(late < INTERVAL / 2, "{late:?} off its time");
    }
    assert!(
        other_scrapes.try_iter().all(|it| it.path == "/after"),
        "what is refused changes nothing"
    );
    let added =
        http::query(server.port, "sum_over_time(scrape_series_added{job=\"kept\"}[1h])", "");
    assert_eq!(added[0]["value"][1], "1", "its series were new once");
}

/// Stands where a secret is.
const SECRET: &str = "5ecret";

/// Secrets wherever the configuration has some. Nobody listens where it leads to.
const SECRETS: &str = r"
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
- job_name: basic
  basic_auth: {username: u, password: 5ecret}
  static_configs: [{targets: ['127.0.0.1:1']}]
- job_name: bearer
  authorization: {credentials: 5ecret}
  http_headers: {X-Key: {secrets: [5ecret]}}
  static_configs: [{targets: ['127.0.0.1:1']}]
- job_name: old
  bearer_token: 5ecret
- job_name: token
  oauth2: {client_id: c, client_secret: 5ecret, token_url: 'http://127.0.0.1:1/token'}
  static_configs: [{targets: ['127.0.0.1:1']}]
- job_name: proxied
  proxy_url: 'http://u:5ecret@127.0.0.1:1'
  proxy_connect_header: {X-Key: [5ecret]}
  scheme: https
  static_configs: [{targets: ['127.0.0.1:1']}]
- job_name: found
  http_sd_configs: [{url: 'http://u:5ecret@127.0.0.1:1/list'}]
  consul_sd_configs: [{server: '127.0.0.1:1', token: 5ecret}]
  marathon_sd_configs: [{servers: ['http://127.0.0.1:1'], auth_token: 5ecret}]
  ec2_sd_configs: [{region: r, access_key: a, secret_key: 5ecret, endpoint: 'http://127.0.0.1:1'}]
  uyuni_sd_configs: [{server: 'http://127.0.0.1:1', username: u, password: 5ecret}]
  stackit_sd_configs: [{project: p, service_account_key: 5ecret, private_key: 5ecret}]
  ovhcloud_sd_configs: [{application_key: k, application_secret: 5ecret, consumer_key: 5ecret, service: vps}]
  oci_sd_configs: [{key: 5ecret, key_passphrase: 5ecret}]
remote_write:
- url: 'http://u:5ecret@127.0.0.1:1/write'
  sigv4: {region: r, access_key: a, secret_key: 5ecret}
- url: http://127.0.0.1:1/azure
  azuread: {oauth: {client_id: 00000000-0000-0000-0000-000000000000, client_secret: 5ecret, tenant_id: 00000000-0000-0000-0000-000000000000}}
- url: http://127.0.0.1:1/tls
  tls_config: {cert: c, key: 5ecret}
alerting:
  alertmanagers: [{basic_auth: {username: u, password: 5ecret}}]
";

#[test]
fn secrets_are_shown_nowhere() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_config(folder.path(), SECRETS);
    let flags = ["--web.enable-lifecycle", "--log.level=debug"];
    let server = Server::ours(folder.path(), &flags);
    let targets = || http::api(server.port, "targets")["activeTargets"].take();
    wait_for("all targets to fail", LIMIT, || {
        let all = targets();
        let failed = all.as_array()?.iter().filter(|it| it["health"] == "down");
        (failed.count() == 4).then_some(())
    });
    for (shown, n_hidden) in [("status/config", 20), ("scrape_pools/config?scrapePool=found", 9)] {
        let shown = http::api(server.port, shown).to_string();
        let n_found =
            shown.matches("\\u003csecret\\u003e").count() + shown.matches("<secret>").count();
        assert!(n_hidden <= n_found, "{n_found}: {shown}");
        assert!(!shown.contains(SECRET), "{shown}");
    }
    for path in [
        "/api/v1/targets",
        "/api/v1/status/flags",
        "/api/v1/targets/relabel_steps?scrapePool=basic&labels={}",
        "/metrics",
    ] {
        let shown = http::get(server.port, path).expect("an answer").body;
        assert!(!shown.contains(SECRET), "{path}: {shown}");
    }
    for (good, bad) in [
        ("password: 5ecret}\n  static", "password: {5ecret: 5ecret}}\n  static"),
        ("{credentials: 5ecret}", "{credentials: 5ecret, credentials_file: f}"),
        ("consumer_key: 5ecret", "consumer_key: 5ecret, consumer_kez: 5ecret"),
        ("'http://u:5ecret@127.0.0.1:1/list'", "'ftp://u:5ecret@127.0.0.1:1/list'"),
    ] {
        write_config(folder.path(), &SECRETS.replace(good, bad));
        let answer = http::post(server.port, "/-/reload", "").expect("an answer");
        assert_eq!(answer.status, 500, "{bad}");
        assert!(!answer.body.contains(SECRET), "{}", answer.body);
    }
    let log = server.program.log();
    let lines: Vec<&str> = log.lines().filter(|it| it.contains(SECRET)).collect();
    assert!(lines.is_empty(), "{lines:?}");
    assert!(log.contains("Scrape failed"), "there is a log");
}
