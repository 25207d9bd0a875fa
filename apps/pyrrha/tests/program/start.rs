//! A server with a long log scrapes at once, and has all of it when it is ready.

use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use model::Labels;
use stdx::{Clock, SystemClock, SystemDirectory};
use storage::Appendable;
use testkit::http;

use crate::server::{Server, config, pyrrha, serve_pages, write_config};

const SERIES: usize = 4000;
const ROUNDS: i64 = 200;

/// Fills `data` with a log that a debug build reads for a second or more. Its samples end a minute ago.
fn fill(data: &Path) {
    let clock = Arc::new(SystemClock::default());
    let end = clock.now_ms() - 60_000;
    let directory = Arc::new(SystemDirectory::new(data));
    let registry = client::Registry::default();
    let db = tsdb::Db::open(tsdb::Options::default(), directory, clock, &registry).unwrap();
    let mut refs = Vec::new();
    for round in 0..ROUNDS {
        let t = end - (ROUNDS - round) * 1000;
        let mut appender = db.appender();
        for i in 0..SERIES {
            let known = refs.get(i).copied();
            match known {
                Some(it) => appender.append_ref(it, t, 1.0).unwrap(),
                None => {
                    let labels =
                        Labels::from_pairs([("__name__", "old".to_owned()), ("i", i.to_string())]);
                    refs.push(appender.append(&labels, t, 1.0).unwrap());
                }
            }
        }
        appender.commit().unwrap();
    }
}

#[test]
fn scrapes_before_the_log_is_read() {
    let folder = tempfile::tempdir().unwrap();
    fill(&folder.path().join("data"));
    let (scraped, scrapes) = channel();
    let scraped = Mutex::new(scraped);
    let port = serve_pages(move |_| {
        // The test may be over.
        let _ = scraped.lock().unwrap().send(Instant::now());
        "new 1\n".to_owned()
    });
    write_config(folder.path(), &config("200ms", "load", &[format!("127.0.0.1:{port}")]));
    let start = Instant::now();
    let mut server = Server::begin(pyrrha(), &["server"], folder.path(), &[]);
    let first = scrapes.recv_timeout(Duration::from_secs(30)).expect("it scrapes");
    let status = http::get(server.port, "/api/v1/status/walreplay").unwrap();
    let text = status.body;
    assert_eq!(status.status, 200, "whether or not it is ready");
    assert!(text.contains("\"current\":"), "{text}");
    let ready = http::get(server.port, "/-/ready").unwrap();
    if ready.status == 503 {
        let text = ready.body;
        assert!(text.starts_with("Service Unavailable"), "{text}");
    }
    server.wait_ready("");
    let took = first - start;
    assert!(took < Duration::from_secs(1), "the first scrape came after {took:?}");
    let n = |query: &str| {
        let found = http::query(server.port, query, "");
        found[0]["value"][1].as_str().and_then(|it| it.parse::<i64>().ok()).unwrap_or(0)
    };
    assert_eq!(n("sum(count_over_time(old[1h]))"), ROUNDS * i64::try_from(SERIES).unwrap());
    assert!(0 < n("count_over_time(new[1m])"), "what came while it started is there");
}
