//! Targets on loopback.

use std::io::Write;
use std::sync::Arc;

use client::Registry;
use model::{Labels, TargetGroup};
use stdx::SystemClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::fake::Fake;
use crate::{Health, Job, LastScrape, Manager, Parts};

/// Answers each request with the next of `answers`, the last one again and again. Yields the requests.
async fn serve(answers: Vec<Vec<u8>>) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut answers = answers.into_iter();
        let mut answer = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = String::new();
            while let Ok(byte) = stream.read_u8().await {
                head.push(char::from(byte));
                if head.ends_with("\r\n\r\n") {
                    answer = answers.next().unwrap_or(answer);
                    if sender.send(std::mem::take(&mut head)).is_err()
                        || stream.write_all(&answer).await.is_err()
                    {
                        break;
                    }
                }
            }
        }
    });
    (address, receiver)
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn gzip(page: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(page).expect("memory");
    encoder.finish().expect("memory")
}

const TEXT: &str = "Content-Type: text/plain; version=0.0.4\r\n";

/// Scrapes `address` until two requests after the last answer have come; returns the first request and
/// what the target's state is then.
async fn scrape(job: Job, answers: Vec<Vec<u8>>) -> (String, LastScrape, Fake) {
    let n = answers.len();
    let (address, mut requests) = serve(answers).await;
    let fake = Fake::default();
    let manager = Manager::new(Parts {
        appendable: Arc::new(fake.clone()),
        clock: Arc::new(SystemClock::default()),
        registry: &Registry::default(),
        user_agent: "pyrrha/1".into(),
        page_bytes: 0,
        alignment_ms_max: 2,
        runtime: tokio::runtime::Handle::current(),
    });
    assert_eq!(manager.apply(vec![job], 0), []);
    let targets = vec![Labels::from_pairs([("__address__", address.as_str())])];
    let group = TargetGroup { source: String::new(), targets, labels: Labels::empty() };
    manager.update("j", &[Arc::new(group)]);
    let first = requests.recv().await.expect("a request");
    for _ in 0..=n {
        requests.recv().await.expect("a request");
    }
    let last = manager.pools()[0].active[0].last.clone();
    manager.stop().await;
    (first.replace(&address, "ADDRESS"), last, fake)
}

fn job() -> Job {
    Job::new("j", 50, 50)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asks_and_reads() {
    let page = (0..300).map(|it| format!("m{{n=\"{it:01000}\"}} {it}\n")).collect::<String>();
    let packed = gzip(page.as_bytes());
    let headers = format!("{TEXT}Content-Encoding: gzip\r\n");
    let job = Job {
        params: vec![("x".into(), vec!["y z".into()])],
        interval_ms: 2000,
        timeout_ms: 2000,
        ..job()
    };
    let (request, last, fake) = scrape(job, vec![answer("200 OK", &headers, &packed)]).await;
    let expected = "GET /metrics?x=y+z HTTP/1.1\r\n\
        User-Agent: pyrrha/1\r\n\
        Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2\r\n\
        Accept-Encoding: gzip\r\n\
        X-Prometheus-Scrape-Timeout-Seconds: 2\r\n\
        Host: ADDRESS\r\n\r\n";
    assert_eq!(request, expected);
    assert_eq!((last.health, last.error.as_str()), (Health::Up, ""));
    assert!(fake.of("scrape_samples_scraped").iter().all(|it| it.1 == "300"));
    assert_eq!(fake.of("scrape_series_added").first().map(|it| it.1.clone()), Some("300".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn says_why_a_scrape_failed() {
    let check = async |answer: Vec<u8>, job: Job, expected: &str| {
        let (_, last, fake) = scrape(job, vec![answer]).await;
        assert_eq!(last.error, expected);
        assert!(fake.of("up").iter().all(|it| it.1 == "0"));
    };
    let check_up = async |answer: Vec<u8>, job: Job| {
        let (_, last, fake) = scrape(job, vec![answer]).await;
        assert_eq!((last.health, last.error.as_str()), (Health::Up, ""));
        assert!(fake.of("up").iter().all(|it| it.1 == "1"));
    };
    check(answer("404 Not Found", "", b""), job(), "server returned HTTP status 404 Not Found")
        .await;
    let blank = "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target";
    check(answer("200 OK", "", b"a 1\n"), job(), blank).await;
    let mut small = job();
    small.limits.body_bytes = 4;
    check(answer("200 OK", TEXT, b"a 1\n"), small.clone(), "body size limit exceeded").await;
    let packed = format!("{TEXT}Content-Encoding: gzip\r\n");
    let body = gzip(b"a 1\n");
    check(answer("200 OK", &packed, &body), small.clone(), "body size limit exceeded").await;
    small.limits.body_bytes = 5;
    check_up(answer("200 OK", &packed, &body), small).await;
    check_up(answer("200 OK", "", b""), job()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_failed_fetches() {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let job = Job { failure_log: Some(log.path().to_owned()), ..job() };
    let answers =
        vec![answer("200 OK", TEXT, b"broken"), answer("503 Service Unavailable", "", b"")];
    scrape(job, answers).await;
    let text = std::fs::read_to_string(log.path()).expect("readable");
    let line = text.lines().next().expect("a line");
    assert!(line.starts_with("{\"time\":\"2"), "{line}");
    let expected = "\"level\":\"ERROR\",\"source\":\"scrape\",\"msg\":\"server returned HTTP status 503 Service Unavailable\",\"job_name\":\"j\",\"target\":\"http://127.0.0.1:";
    assert!(line.contains(expected), "{line}");
}
