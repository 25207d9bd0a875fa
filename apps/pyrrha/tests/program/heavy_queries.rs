//! Queries that ask for too much, that nobody waits for any more, that wait: the server goes on.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::{http, wait_for};

use crate::server::{Server, config, serve_pages, write_config};

/// Series of the page below.
const N_SERIES: usize = 2000;

fn page() -> String {
    (0..N_SERIES).fold(String::new(), |mut out, at| {
        let _ = writeln!(out, "m{{i=\"{at}\",g=\"{}\"}} {at}", at % 10);
        out
    })
}

/// A server that scrapes the page for two seconds: steps of subqueries lie so far back.
fn scraping(folder: &Path, more: &str, flags: &[&str]) -> Server {
    let pages = serve_pages(|_| page());
    let text = config("200ms", "j", &[format!("127.0.0.1:{pages}")]);
    write_config(folder, &text.replacen("global:\n", &format!("global:\n{more}"), 1));
    let server = Server::ours(folder, flags);
    wait_for("samples", Duration::from_secs(20), || {
        (http::query(server.port, "count(m offset 2s)", "")[0]["value"][1] == "2000").then_some(())
    });
    server
}

/// A query that holds nothing and does not end by itself: two million steps for each of the series, one after
/// the other.
const ENDLESS: &str = "sum(max_over_time(m[30d:1300ms]))";

/// Asks without waiting for the answer.
fn ask(port: u16, query: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let query = http::escape(query);
    let request = format!("GET /api/v1/query?query={query} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    stream
}

/// What runs besides.
fn active(port: u16) -> Vec<Value> {
    http::api(port, "status/active_queries")["queries"].as_array().expect("a list").clone()
}

fn wait_for_active(port: u16, n: usize, phase: &str) -> Vec<Value> {
    wait_for("queries to run", Duration::from_secs(20), || {
        let all = active(port);
        (all.iter().filter(|it| it["phase"] == phase).count() == n).then_some(all)
    })
}

/// The least that is resident within some seconds: what is freed is given back after one.
fn settled(server: &Server) -> u64 {
    let look = |_| {
        thread::sleep(Duration::from_millis(100));
        server.program.resident_bytes()
    };
    (0..40).map(look).min().expect("some")
}

/// Scrapes so far, and those of them that failed or came late.
fn scrapes(server: &Server, since_ms: i64) -> (usize, i64) {
    let window = http::query(server.port, "up[1h]", "");
    let values = window[0]["values"].as_array().expect("samples").clone();
    let t: Vec<i64> = values
        .iter()
        .map(|it| (it[0].as_f64().expect("a time") * 1000.0).round() as i64)
        .filter(|it| since_ms <= *it)
        .collect();
    assert!(values.iter().all(|it| it[1] == "1"), "a scrape failed");
    (t.len(), t.windows(2).map(|it| it[1] - it[0]).max().unwrap_or(0))
}

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(now.expect("after 1970").as_millis()).expect("fits")
}

#[test]
fn a_query_of_a_hundred_gigabytes() {
    let folder = tempfile::tempdir().unwrap();
    let server = scraping(folder.path(), "", &["--query.max-bytes=200MB"]);
    // Each copy is 2000 series at 53,000 steps, which are 850 MB.
    let huge = |n: usize| {
        let copy = |at| format!("label_replace(m, \"copy\", \"{at}\", \"\", \"\")");
        let copies: Vec<String> = (0..n).map(copy).collect();
        let query = http::escape(&format!("last_over_time(({})[12h:1s])", copies.join(" or ")));
        let (start, end) = (now_ms() / 1000 - 9999, now_ms() / 1000);
        format!("query={query}&start={start}&end={end}&step=1")
    };
    let before = settled(&server);
    let began = now_ms();
    let port = server.port;
    let heavy = thread::spawn(move || http::post(port, "/api/v1/query_range", &huge(200)));
    let others: Vec<_> = (0..10)
        .map(|at| {
            thread::spawn(move || {
                http::query(port, &format!("sum by (g) (m{{g=\"{at}\"}} * {at})"), "")
            })
        })
        .collect();
    for other in others {
        assert_eq!(other.join().unwrap().as_array().map(Vec::len), Some(1));
    }
    let answer = heavy.join().unwrap().expect("it answers");
    assert_eq!(answer.status, 422, "{}", answer.body);
    let json: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(json["errorType"], "execution");
    let text = json["error"].as_str().unwrap();
    assert_eq!(
        text,
        "query processing would use more than 209715200 bytes of memory in query execution"
    );
    let after = settled(&server);
    assert!(after < before + (48 << 20), "{before} bytes before, {after} after");
    let (n, gap) = scrapes(&server, began);
    assert!(10 < n && gap < 1000, "{n} scrapes, {gap} ms between two of them");
    assert!(server.program.stop().success());
}

#[test]
fn queries_are_listed_and_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let server = scraping(folder.path(), "", &["--query.max-concurrency=1"]);
    let port = server.port;
    let mut stream = ask(port, ENDLESS);
    let all = wait_for_active(port, 1, "evaluating");
    let running = &all[0];
    assert_eq!(running["query"], ENDLESS);
    assert_eq!(running["client"], "127.0.0.1");
    assert_eq!(running["path"], "/api/v1/query");
    wait_for("its bytes", Duration::from_secs(20), || {
        let bytes = active(port)[0]["bytes"].as_u64();
        bytes.filter(|it| 1 << 20 < *it)
    });
    // Another one waits, and gives up waiting.
    let waited = http::get(port, "/api/v1/query?query=1&timeout=200ms").unwrap();
    assert_eq!(waited.status, 422);
    assert!(waited.body.contains("\"error\":\"context deadline exceeded\""), "{}", waited.body);
    let mut waiting = ask(port, "up");
    let all = wait_for_active(port, 1, "queued");
    let cancel = |query: &Value| {
        let path = format!("/api/v1/status/active_queries/{}", query["id"].as_str().unwrap());
        http::delete(port, &path).unwrap()
    };
    assert_eq!(cancel(&all[1]).status, 200);
    assert!(read_answer(&mut waiting).contains("\"error\":\"context canceled\""));
    let since = Instant::now();
    assert_eq!(cancel(&all[0]).status, 200);
    let answer = read_answer(&mut stream);
    let took = since.elapsed();
    assert!(answer.starts_with("HTTP/1.1 499"), "{answer}");
    assert!(
        answer.contains("\"error\":\"query was canceled in expression evaluation\""),
        "{answer}"
    );
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(active(port), Vec::<Value>::new());
    assert_eq!(cancel(&all[0]).status, 404, "it is gone");
    assert_eq!(http::delete(port, "/api/v1/status/active_queries/x").unwrap().status, 404);
    // Closing the connection gives it up, too.
    let stream = ask(port, ENDLESS);
    wait_for_active(port, 1, "evaluating");
    drop(stream);
    wait_for_active(port, 0, "evaluating");
    assert_eq!(http::query(port, "1 + 1", "")[1], "2", "the slot is free");
}

#[test]
fn lists_have_the_limits_of_queries() {
    let folder = tempfile::tempdir().unwrap();
    let server = scraping(folder.path(), "", &["--query.max-bytes=100KB"]);
    let check = |path: &str, expected: &str| {
        let answer = http::get(server.port, path).unwrap();
        assert_eq!(answer.status, if expected.is_empty() { 200 } else { 422 }, "{path}");
        assert!(answer.body.contains(expected), "{path}: {}", answer.body);
    };
    let refused = "query processing would use more than 102400 bytes of memory in query execution";
    let one = format!("match[]={}", http::escape("m{i=\"7\"}"));
    check("/api/v1/series?match[]=m", refused);
    check("/api/v1/series?match[]=m&match[]=up", refused);
    check(&format!("/api/v1/series?{one}&match[]=up"), "");
    check("/api/v1/label/i/values", refused);
    check("/api/v1/label/i/values?match[]=m", refused);
    check(&format!("/api/v1/label/i/values?{one}"), "");
    check("/api/v1/labels", "");
    assert_eq!(http::api(server.port, "status/active_queries")["bytes"], 0, "all is back");
}

/// The head of an answer and what came with it.
fn read_answer(stream: &mut TcpStream) -> String {
    let mut bytes = [0; 4096];
    let mut all = Vec::new();
    while !all.ends_with(b"}") {
        match stream.read(&mut bytes).expect("it answers") {
            0 => break,
            n => all.extend_from_slice(&bytes[..n]),
        }
    }
    String::from_utf8(all).expect("JSON")
}

#[test]
fn an_answer_that_nobody_takes() {
    let folder = tempfile::tempdir().unwrap();
    let server = scraping(folder.path(), "", &[]);
    let now = now_ms() / 1000;
    // 500 steps of each series, more than the connection's buffers hold.
    let query = http::escape(&format!("m @ {}", now + 1));
    let wide = format!("/api/v1/query_range?query={query}&start={}&end={now}&step=1", now - 499);
    let whole = http::get(server.port, &wide).unwrap();
    assert!(10_000_000 < whole.body.len(), "{}", whole.body.len());
    let json: Value = serde_json::from_str(&whole.body).unwrap();
    assert_eq!(json["data"]["result"].as_array().map(Vec::len), Some(N_SERIES));
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.write_all(format!("GET {wide} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    let all = wait_for_active(server.port, 1, "answering");
    assert!(1_000_000 < all[0]["bytes"].as_u64().unwrap(), "{all:?}");
    drop(stream);
    wait_for_active(server.port, 0, "answering");
}

#[test]
fn tells_after_a_crash_what_ran() {
    let folder = tempfile::tempdir().unwrap();
    let server = scraping(folder.path(), "", &[]);
    let _stream = ask(server.port, ENDLESS);
    wait_for_active(server.port, 1, "evaluating");
    server.program.kill();
    let server = Server::ours(folder.path(), &[]);
    let log = server.program.log();
    let line = log
        .lines()
        .find(|it| it.contains("These queries didn't finish"))
        .unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("sum(max_over_time(m[30d:1300ms]))"), "{line}");
}

#[test]
fn logs_queries_and_opens_the_log_anew() {
    let folder = tempfile::tempdir().unwrap();
    let more = "  query_log_file: queries.log\n";
    let server = scraping(folder.path(), more, &["--web.enable-lifecycle"]);
    let path = folder.path().join("queries.log");
    let read = |path: &Path| -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|it| serde_json::from_str(it).expect("a line of JSON")).collect()
    };
    http::query(server.port, "sum(m)", "1000");
    let last = read(&path).pop().expect("it was logged");
    assert_eq!(last["params"]["query"], "sum(m)");
    assert_eq!(last["params"]["start"], "1970-01-01T00:16:40.000Z");
    assert_eq!(last["httpRequest"]["path"], "/api/v1/query");
    assert_eq!(last["httpRequest"]["clientIP"], "127.0.0.1");
    let moved = folder.path().join("queries.log.1");
    std::fs::rename(&path, &moved).unwrap();
    assert_eq!(http::post(server.port, "/-/reload", "").unwrap().status, 200);
    http::query(server.port, "sum(m)", "2000");
    assert_eq!(read(&path).len(), 1);
    // A log that cannot be opened refuses the whole reload.
    let text = std::fs::read_to_string(folder.path().join("prometheus.yml")).unwrap();
    write_config(folder.path(), &text.replace("queries.log", "no/such/folder/log"));
    let refused = http::post(server.port, "/-/reload", "").unwrap();
    assert_eq!(refused.status, 500);
    assert!(refused.body.contains("can't create json log file"), "{}", refused.body);
    http::query(server.port, "sum(m)", "3000");
    assert_eq!(read(&path).len(), 2);
    let metrics = http::get(server.port, "/metrics").unwrap().body;
    assert!(metrics.contains("prometheus_engine_query_log_enabled 1"));
}
