//! Targets that misbehave at every point of the exchange, beside one that does not.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use client::Registry;
use flate2::Compression;
use flate2::write::GzEncoder;
use model::{Labels, TargetGroup};
use stdx::SystemClock;

use super::fake::Fake;
use crate::{Health, Job, Manager, Parts};

/// Answers one request whose head was read.
type Answer = Box<dyn Fn(&mut TcpStream) -> io::Result<()> + Send + Sync>;

const INTERVAL_MS: i64 = 1000;
const TIMEOUT_MS: i64 = 800;
const BODY_BYTES_MAX: usize = 1 << 20;
const LONG_LINE: &str = "a line of 10 MB";
const DEADLINE: &str = "context deadline exceeded";

/// Reads heads of requests and answers them, each connection in a thread that lives as long as the test.
fn serve(answer: Answer) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || while read_head(&mut stream) && answer(&mut stream).is_ok() {});
        }
    });
    address
}

/// Says something to whoever connects, without having been asked.
fn serve_unasked(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    thread::spawn(move || {
        // Kept, so that the answer is not lost with them.
        let mut streams: Vec<TcpStream> = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(answer);
            streams.push(stream);
        }
    });
    address
}

fn read_head(stream: &mut TcpStream) -> bool {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return false;
        }
        head.push(byte[0]);
    }
    true
}

const TEXT: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n";

/// Writes bytes and closes the connection.
fn raw(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Answer {
    Box::new(move |stream| {
        stream.write_all(bytes.as_ref())?;
        Err(io::ErrorKind::ConnectionAborted.into())
    })
}

/// Writes bytes, and then nothing for longer than the test.
fn hang(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Answer {
    Box::new(move |stream| {
        stream.write_all(bytes.as_ref())?;
        thread::sleep(Duration::from_secs(3600));
        Ok(())
    })
}

/// Writes bytes, and then others for ever, with a pause before each.
fn endless(first: String, then: impl AsRef<[u8]> + Send + Sync + 'static, pause_ms: u64) -> Answer {
    Box::new(move |stream| {
        stream.write_all(first.as_bytes())?;
        loop {
            stream.write_all(then.as_ref())?;
            thread::sleep(Duration::from_millis(pause_ms));
        }
    })
}

/// A whole answer; the connection stays.
fn whole(answer: Vec<u8>) -> Answer {
    Box::new(move |stream| stream.write_all(&answer))
}

/// A whole page.
fn page(headers: &str, body: impl AsRef<[u8]>) -> Answer {
    let body = body.as_ref();
    let head = format!("{TEXT}{headers}Content-Length: {}\r\n\r\n", body.len());
    whole([head.as_bytes(), body].concat())
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

/// Who misbehaves how, and what the targets page says about it (empty: nothing). `ADDRESS` is the target's.
fn cases() -> Vec<(&'static str, Answer, &'static str)> {
    let get = "Get \"http://ADDRESS/metrics\": context deadline exceeded";
    let counted = |rest: &str| format!("{TEXT}Content-Length: 100\r\n\r\n{rest}");
    let chunked = |rest: &str| format!("{TEXT}Transfer-Encoding: chunked\r\n\r\n{rest}");
    let long_line = format!("m{{l=\"{}\"}} 1\n", "x".repeat(10 << 20));
    let bomb = gzip(&vec![b'\n'; 4 * BODY_BYTES_MAX]);
    let circle = b"HTTP/1.1 302 Found\r\nLocation: /metrics\r\nContent-Length: 0\r\n\r\n";
    let zstd = b"\x28\xb5\x2f\xfd\x20\x04\x21\x00\x00a 1\n";
    vec![
        ("closes at once", raw(""), "Get \"http://ADDRESS/metrics\": EOF"),
        ("is silent", hang(""), get),
        ("no HTTP", raw("SSH-2.0-x\r\n\r\n"), "malformed HTTP response"),
        ("half a status line", hang("HTTP/1.1 2"), get),
        ("half a head", hang("HTTP/1.1 200 OK\r\nContent-Ty"), get),
        ("half a head and out", raw("HTTP/1.1 200 OK\r\nContent-Ty"), "EOF"),
        (
            "endless head",
            endless(TEXT.into(), "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", 0),
            "malformed HTTP response",
        ),
        ("redirects in a circle", whole(circle.into()), "stopped after 10 redirects"),
        ("half a body", hang(counted("a 1\n")), DEADLINE),
        ("half a body and out", raw(counted("a 1\n")), "unexpected EOF"),
        ("half a chunk", hang(chunked("9\r\na 1\n")), DEADLINE),
        ("between chunks", hang(chunked("4\r\na 1\n\r\n")), DEADLINE),
        ("no chunk", raw(chunked("zz\r\na 1\n")), "Invalid chunk size line"),
        ("slow body", endless(counted(""), "\n", 50), DEADLINE),
        (
            "endless body",
            endless(chunked(""), format!("1000\r\n{}\r\n", "a 1\n".repeat(1024)), 0),
            "body size limit exceeded",
        ),
        (
            "promises too much",
            hang(format!("{TEXT}Content-Length: 99999999999\r\n\r\n")),
            "body size limit exceeded",
        ),
        ("gzip bomb", page("Content-Encoding: gzip\r\n", bomb), "body size limit exceeded"),
        (
            "half a gzip",
            page("Content-Encoding: gzip\r\n", &gzip(b"a 1\n")[..12]),
            "incomplete deflate stream",
        ),
        ("no gzip", page("Content-Encoding: gzip\r\n", b"never packed 1\n"), "invalid gzip header"),
        // It was not asked for: the bytes are the page.
        ("zstd", page("Content-Encoding: zstd\r\n", zstd), "expected a valid start token, got \"("),
        (
            "no UTF-8",
            page("", b"a{l=\"\xff\"} 1\n"),
            "invalid UTF-8 label value: \"\\\"\\xff\\\"\"",
        ),
        ("NaN and the infinite", page("", "a NaN\nb +Inf\nc -Inf\nd 1e308\ne 5e-324\n"), ""),
        (
            "a number too large",
            page("", "a 1e400\n"),
            "strconv.ParseFloat: parsing \"1e400\": value out of range while parsing: \"a 1e400\"",
        ),
        (
            LONG_LINE,
            page("", long_line),
            "label_value_length_limit exceeded (metric: m, label name: l, value: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\", length: 10485760, limit: 1000000)",
        ),
        ("a series twice", page("", "a 1\na 2\n"), ""),
        ("a time far ahead", page("", "a 1 9999999999999\n"), ""),
        (
            "a time that is none",
            page("", "a 1 99999999999999999999\n"),
            "strconv.ParseInt: parsing \"99999999999999999999\": value out of range while parsing: \"a 1 99999999999999999999\"",
        ),
        (
            "a label twice",
            page("", "a{b=\"1\",b=\"2\"} 1\n"),
            "label name \"b\" is not unique: invalid sample",
        ),
    ]
}

fn target(address: &str, case: &str, scheme: &str) -> Labels {
    Labels::from_pairs([("__address__", address), ("case", case), ("__scheme__", scheme)])
}

/// Times of the scrapes of a target, and what `up` was then.
fn ups(fake: &Fake, case: &str) -> Vec<(i64, String)> {
    let named = |labels: &Labels| labels.metric_name() == "up" && labels.value("case") == case;
    let dump = fake.dump(|labels| !named(labels));
    let samples = dump.split_once("} ").map_or("", |it| it.1).split_whitespace();
    let read = |it: &str| {
        let (value, t) = it.split_once('@')?;
        Some((t.parse().ok()?, value.to_owned()))
    };
    samples.filter_map(read).collect()
}

#[tokio::test]
async fn each_failure_is_named_and_hurts_nobody_else() {
    let cases = cases();
    let mut targets = vec![target(&serve(page("", "fine 1\n")), "good", "http")];
    let mut expected = vec![("good", String::new())];
    let mut add = |name: &'static str, address: &str, scheme: &str, error: &str| {
        targets.push(target(address, name, scheme));
        expected.push((name, error.replace("ADDRESS", address)));
    };
    for (name, answer, error) in cases {
        add(name, &serve(answer), "http", error);
    }
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("bound").to_string();
    add("does not accept", &address, "http", DEADLINE);
    add("no handshake", &address, "https", DEADLINE);
    add(
        "no TLS",
        &serve_unasked(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        "https",
        "tls: first record does not look like a TLS handshake",
    );
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    add("is not there", &free.to_string(), "http", "dial tcp ADDRESS: connect: connection refused");

    let (fake, registry) = (Fake::default(), Registry::default());
    let manager = Manager::new(Parts {
        appendable: Arc::new(fake.clone()),
        clock: Arc::new(SystemClock::default()),
        registry: &registry,
        user_agent: "pyrrha/1".into(),
        page_bytes: 4 * BODY_BYTES_MAX,
        alignment_ms_max: 2,
        runtime: tokio::runtime::Handle::current(),
    });
    let mut job = Job::new("j", INTERVAL_MS, TIMEOUT_MS);
    job.limits.label_value_bytes = 1_000_000;
    let mut tight = Job { name: "tight".into(), ..job.clone() };
    tight.limits.body_bytes = BODY_BYTES_MAX;
    assert_eq!(manager.apply(vec![job, tight], 0), []);
    let (long, others) = targets.into_iter().partition(|it| it.value("case") == LONG_LINE);
    for (job, targets) in [("j", long), ("tight", others)] {
        let group = TargetGroup { source: String::new(), targets, labels: Labels::empty() };
        manager.update(job, &[Arc::new(group)]);
    }
    // Until all are through twice, and the good one many times.
    while ups(&fake, "good").len() < 4 || expected.iter().any(|it| ups(&fake, it.0).len() < 2) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let active: Vec<_> = manager.pools().into_iter().flat_map(|it| it.active).collect();
    manager.stop().await;

    let good = ups(&fake, "good");
    assert!(good.iter().all(|it| it.1 == "1"), "{good:?}");
    let late = good.windows(2).map(|it| it[1].0 - it[0].0 - INTERVAL_MS).max();
    assert!(late < Some(INTERVAL_MS), "no scrape was left out: {good:?}");
    let wrong = expected.iter().filter_map(|(name, error)| {
        let found = active.iter().find(|it| it.labels.value("case") == *name);
        let last = &found.expect("a target").last;
        let health = if error.is_empty() { Health::Up } else { Health::Down };
        let is_named = last.error.contains(error) && last.error.is_empty() == error.is_empty();
        let is_right = is_named && last.health == health;
        (!is_right).then(|| format!("{name}: {:?}, expected {error:?}", last.error))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let counted = client::text_page(&registry);
    for name in ["sample_duplicate_timestamp", "sample_out_of_bounds", "exceeded_body_size_limit"] {
        let none = format!("prometheus_target_scrapes_{name}_total 0\n");
        assert!(!counted.contains(&none), "{name}");
    }
}
