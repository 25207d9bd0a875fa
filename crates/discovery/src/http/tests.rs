//! Lists from a stub server, good and bad.

use std::sync::Arc;
use std::time::Duration;

use client::Registry;

use super::*;
use crate::stub::{Reply, Stub, reply};

struct Fixture {
    stub: Stub,
    lookup: HttpLookup,
    registry: Registry,
}

impl Fixture {
    fn start(reply: Reply, interval: Duration) -> Self {
        let (stub, registry) = (Stub::start(reply), Registry::default());
        let url = format!("{}/targets?a=b", stub.url);
        let request = Request {
            headers: headers(interval, "Pyrrha/1").expect("good headers"),
            ..Request::get(url, interval)
        };
        let client = httpclient::Client::new(httpclient::Options::default()).expect("a client");
        let metrics = Arc::new(Metrics::new(&registry));
        let lookup = HttpLookup { request, connection: client.connection(), metrics, n_groups: 0 };
        Self { stub, lookup, registry }
    }

    /// Looks up; groups are printed as `source {labels} targets`, without the server's address.
    async fn look_up(&mut self) -> String {
        let print = |group: &TargetGroup| {
            let targets: Vec<_> = group.targets.iter().map(|it| it.value("__address__")).collect();
            format!("{} {} {}", group.source, group.labels, targets.join(","))
        };
        let text = match self.lookup.look_up().await {
            Ok(groups) => groups.iter().map(print).collect::<Vec<_>>().join("; "),
            Err(why) => why.to_string(),
        };
        text.replace(&self.stub.url, "URL")
    }
}

const INTERVAL: Duration = Duration::from_secs(20);

fn json(body: &str) -> Reply {
    reply("200 OK", "application/json; charset=utf-8", body)
}

async fn check(reply: Reply, expected: &str) {
    let mut it = Fixture::start(reply, INTERVAL);
    assert_eq!(it.look_up().await, expected);
    let page = client::text_page(&it.registry);
    assert!(page.contains("prometheus_sd_http_failures_total 1\n"), "{page}");
}

#[tokio::test]
async fn follows_a_list() {
    let two = r#"[{"targets":["a:1","a:2"],"labels":{"x":"1"}},{"targets":["b:1"]}]"#;
    let mut it = Fixture::start(json(two), Duration::from_millis(1500));
    let first = r#"URL/targets?a=b:0 {__meta_url="URL/targets?a=b", x="1"} a:1,a:2"#;
    let second = r#"URL/targets?a=b:1 {__meta_url="URL/targets?a=b"} b:1"#;
    assert_eq!(it.look_up().await, format!("{first}; {second}"));
    let address = it.stub.url.trim_start_matches("http://");
    assert_eq!(
        it.stub.last_head(),
        format!(
            "GET /targets?a=b HTTP/1.1\r\nAccept: application/json\r\nX-Prometheus-Refresh-Interval-Seconds: 1.5\r\nUser-Agent: Pyrrha/1\r\nHost: {address}\r\n\r\n"
        )
    );

    it.stub.answer(reply("500 Internal Server Error", "application/json", "[]"));
    it.look_up().await;
    // Groups beyond the end are named once, so that they go.
    it.stub.answer(json("[]"));
    let none = |at: usize| format!(r#"URL/targets?a=b:{at} {{__meta_url="URL/targets?a=b"}} "#);
    assert_eq!(it.look_up().await, format!("{}; {}", none(0), none(1)));
    assert_eq!(it.look_up().await, "");
}

#[tokio::test]
async fn says_why_there_is_no_list() {
    check(reply("404 Not Found", "text/plain", ""), "server returned HTTP status 404 Not Found")
        .await;
    check(
        reply("204 No Content", "application/json", ""),
        "server returned HTTP status 204 No Content",
    )
    .await;
    check(reply("200 OK", "text/html; a=b", "[]"), r#"unsupported content type "text/html; a=b""#)
        .await;
    check(
        Reply::Whole("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]".into()),
        r#"unsupported content type """#,
    )
    .await;
    check(json("[null]"), "nil target group item found").await;
    check(json(r#"[{"targets":["a:1"]"#), "unexpected end of JSON input").await;
    let cut = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n[]";
    let mut it = Fixture::start(Reply::Whole(cut.into()), Duration::from_millis(300));
    assert_eq!(it.look_up().await, "context deadline exceeded");
}

#[tokio::test]
async fn bounds_what_it_reads_and_waits_for() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[";
    check(Reply::Endless(head.into()), "body size limit exceeded").await;
    let mut it = Fixture::start(Reply::Silence, Duration::from_millis(300));
    let expected = r#"Get "URL/targets?a=b": context deadline exceeded"#;
    assert_eq!(it.look_up().await, expected);
    // The next look is on a fresh connection.
    it.stub.answer(json("[]"));
    assert_eq!(it.look_up().await, "");
}

#[test]
fn knows_json_by_its_content_type() {
    for yes in [
        "application/json",
        "Application/JSON;charset=utf-8",
        "application/json; \tcharset=\"UTF-8\"",
    ] {
        assert!(is_json(yes), "{yes}");
    }
    for no in [
        "",
        "text/plain",
        "application/json2",
        "application/json;",
        "application/json; charset=latin1",
        "application/json; charset='utf-8'",
    ] {
        assert!(!is_json(no), "{no}");
    }
}
