//! Memory of idle targets and CPU of a scrape: many targets of one stub server, which is a process of its
//! own. Arguments: number of targets, lines of a page.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use client::Registry;
use model::{Labels, SeriesRef, TargetGroup};
use scrape::{Health, Job, Manager, Parts};
use stdx::SystemClock;
use storage::{AppendError, Appendable, Appender, CommitError};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let number =
        |at: usize, default: usize| args.get(at).and_then(|it| it.parse().ok()).unwrap_or(default);
    if args.first().is_some_and(|it| it == "serve") {
        return serve(number(1, 100));
    }
    let (targets, lines) = (number(0, 1000), number(1, 120));
    let own = std::env::current_exe().expect("a program");
    let mut server = Command::new(own)
        .args(["serve", &lines.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a server");
    let mut port = String::new();
    BufReader::new(server.stdout.take().expect("piped")).read_line(&mut port).expect("a port");
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(run(targets, port.trim()));
    server.kill().expect("it runs");
    server.wait().expect("it ends");
}

async fn run(targets: usize, port: &str) {
    let manager = Manager::new(Parts {
        appendable: Arc::new(Nowhere),
        clock: Arc::new(SystemClock::default()),
        registry: &Registry::default(),
        user_agent: "bench".into(),
        page_bytes: 0,
        alignment_ms_max: 2,
        runtime: tokio::runtime::Handle::current(),
    });
    let before = rss_kb();
    manager.apply(vec![Job { compression: false, ..Job::new("j", 2000, 2000) }], 0);
    let address = |at: usize| format!("127.0.{}.{}:{port}", at / 250, at % 250 + 1);
    let all = (0..targets).map(|at| Labels::from_pairs([("__address__", address(at))])).collect();
    let group = TargetGroup { source: String::new(), targets: all, labels: Labels::empty() };
    manager.update("j", &[Arc::new(group)]);
    let started = rss_kb();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let cpu = cpu_ms();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let cpu = cpu_ms() - cpu;
    let pools = manager.pools();
    let up = pools[0].active.iter().filter(|it| it.last.health == Health::Up).count();
    let per_target = |kb: usize| kb as f64 / targets as f64;
    println!("{up} of {targets} targets are up");
    println!(
        "RSS a target: {:.1} KB before, {:.1} KB after scrapes",
        per_target(started - before),
        per_target(rss_kb() - before)
    );
    println!("CPU a scrape: {:.0} us", cpu as f64 * 1000.0 / (targets * 10) as f64);
    manager.stop().await;
}

/// Answers every request with the same page, a thread for each connection.
fn serve(lines: usize) {
    let line = |at: usize| {
        format!(
            "http_requests_total{{service=\"checkout\",handler=\"/api/v1/items/{at}/reviews\",method=\"GET\",code=\"200\",region=\"eu-central-1\",cluster=\"prod-1\",zone=\"eu-central-1a\"}} {at}\n"
        )
    };
    let page: String = (0..lines).map(line).collect();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\r\n",
        page.len()
    );
    let answer = Arc::new([head, page].concat());
    let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
    println!("{}", listener.local_addr().expect("bound").port());
    for stream in listener.incoming() {
        let (mut stream, answer) = (stream.expect("a connection"), Arc::clone(&answer));
        std::thread::Builder::new()
            .stack_size(64 << 10)
            .spawn(move || {
                let mut request = [0; 4096];
                while stream.read(&mut request).is_ok_and(|it| 0 < it)
                    && stream.write_all(answer.as_bytes()).is_ok()
                {}
            })
            .expect("a thread");
    }
}

fn rss_kb() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("linux");
    let line = status.lines().find(|it| it.starts_with("VmRSS:")).expect("a size");
    line.split_whitespace().nth(1).and_then(|it| it.parse().ok()).expect("a number")
}

fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<u64>().expect("a number");
    (ticks(11) + ticks(12)) * 10
}

/// Takes everything and keeps nothing.
struct Nowhere;

impl Appendable for Nowhere {
    fn appender(&self) -> Box<dyn Appender> {
        Box::new(Self)
    }
}

impl Appender for Nowhere {
    fn append_ref(&mut self, _: SeriesRef, _: i64, _: f64) -> Result<(), AppendError> {
        Ok(())
    }

    fn append(&mut self, labels: &Labels, _: i64, _: f64) -> Result<SeriesRef, AppendError> {
        Ok(SeriesRef(labels.hash64() | 1))
    }

    fn commit(self: Box<Self>) -> Result<(), CommitError> {
        Ok(())
    }

    fn rollback(self: Box<Self>) {}
}
