//! A running `prometheus` of Debian.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use model::{Labels, STALE_NAN_BITS};
use serde_json::Value;
use testkit::WriteRequest;

use super::Contents;
use super::seen::{self, Seen};

/// How long the server may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Steps of a range query, at most.
const STEPS_MAX: usize = 10_000;

/// The server, killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
}

impl Server {
    /// Starts on a data directory, and waits until it is ready. `ADDRESS` in the configuration is where it
    /// listens.
    pub(crate) fn start(program: &Path, data: &Path, config: &str, flags: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
        let address = format!("127.0.0.1:{}", port.expect("a free port").port());
        let config_file = data.with_extension("yml");
        std::fs::write(&config_file, config.replace("ADDRESS", &address)).expect("writes");
        let log = std::fs::File::create(data.with_extension("log")).expect("creates");
        let child = Command::new(program)
            .arg(format!("--config.file={}", config_file.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address={address}"))
            .args(["--storage.tsdb.retention.time=100y"])
            .args(flags)
            .stderr(Stdio::from(log))
            .spawn()
            .expect("starts");
        let server = Self { child, address };
        server.wait(|it| it.get("/-/ready").is_some_and(|answer| answer.0 == 200), data);
        server
    }

    pub(crate) fn wait(&self, is_done: impl Fn(&Self) -> bool, data: &Path) {
        let start = Instant::now();
        while !is_done(self) {
            let log = || std::fs::read_to_string(data.with_extension("log")).unwrap_or_default();
            assert!(start.elapsed() < PATIENCE, "prometheus does not get there:\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Status and body; `None` while nobody listens.
    pub(crate) fn get(&self, path: &str) -> Option<(u16, String)> {
        self.ask("GET", path, &[])
    }

    /// As [`Server::get`], with a body, which is taken for one of remote write.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &[u8]) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let (host, len) = (&self.address, body.len());
        let head = format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {len}");
        let kind = "Content-Encoding: snappy\r\nContent-Type: application/x-protobuf";
        write!(stream, "{head}\r\n{kind}\r\n\r\n").ok()?;
        stream.write_all(body).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
    }

    /// Sends samples, which must be taken.
    pub(crate) fn write(&self, request: &WriteRequest) {
        let answer = self.ask("POST", "/api/v1/write", &request.body());
        let (status, text) = answer.expect("answers");
        assert_eq!(status, 204, "{text}");
    }

    /// All floats of so many milliseconds until `end`, which is a whole second.
    pub(crate) fn everything(&self, length_ms: i64, end_ms: i64) -> Contents {
        let series = self.matrix(length_ms, end_ms);
        series.iter().map(|it| (labels(&it["metric"]), samples(&it["values"]))).collect()
    }

    /// As [`Server::everything`], with histograms, which have whole seconds as their times.
    ///
    /// Version 2.42 answers a range of gauge histograms, or of a series that changes its kind, with the same one
    /// over and over: each is asked for by itself.
    pub(crate) fn all_kinds(&self, length_ms: i64, end_ms: i64) -> seen::Contents {
        let mut all = seen::Contents::new();
        let floats = self.matrix(length_ms, end_ms);
        let steps = ((end_ms - length_ms) / 1000..=end_ms / 1000).step_by(STEPS_MAX);
        let histograms = steps.flat_map(|start| self.steps(start, end_ms / 1000));
        for (series, kind) in floats
            .into_iter()
            .map(|it| (it, "values"))
            .chain(histograms.map(|it| (it, "histograms")))
        {
            let samples = series[kind].as_array().into_iter().flatten();
            let samples = samples.map(|it| (time(&it[0]), Seen::from_json(&it[1])));
            all.entry(labels(&series["metric"])).or_default().extend(samples);
        }
        all
    }

    /// What there is at each second from `start` on.
    fn steps(&self, start: i64, end: i64) -> Vec<Value> {
        let end = end.min(start + STEPS_MAX as i64 - 1);
        let selector = "%7B__name__%3D~%22.%2B%22%7D";
        self.result(&format!("query_range?query={selector}&start={start}&end={end}&step=1"))
    }

    fn matrix(&self, length_ms: i64, end_ms: i64) -> Vec<Value> {
        let selector = "%7B__name__%3D~%22.%2B%22%7D";
        self.result(&format!("query?query={selector}[{length_ms}ms]&time={}", end_ms / 1000))
    }

    fn result(&self, path: &str) -> Vec<Value> {
        let (status, body) = self.get(&format!("/api/v1/{path}")).expect("answers");
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).expect("is JSON");
        body["data"]["result"].as_array().expect("is a matrix").clone()
    }

    /// Ends it in good order.
    pub(crate) fn stop(mut self) {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().expect("signals");
        self.child.wait().expect("ends");
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("is there");
        self.child.wait().expect("ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn labels(metric: &Value) -> Labels {
    let pairs = metric.as_object().expect("is an object").iter();
    Labels::from_pairs(pairs.map(|(name, value)| (name.as_str(), value.as_str().expect("is text"))))
}

fn samples(values: &Value) -> BTreeMap<i64, u64> {
    let sample = |it: &Value| {
        let v: f64 = it[1].as_str().and_then(|it| it.parse().ok()).expect("is a float");
        (time(&it[0]), canonical(v.to_bits()))
    };
    values.as_array().into_iter().flatten().map(sample).collect()
}

fn time(seconds: &Value) -> i64 {
    let seconds = seconds.as_f64().expect("is a time");
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970")]
    let t = (seconds * 1000.0).round() as i64;
    t
}

/// The API says only that a value is not a number.
fn canonical(bits: u64) -> u64 {
    if f64::from_bits(bits).is_nan() { f64::NAN.to_bits() } else { bits }
}

/// What the API would show: no stale markers.
pub(crate) fn shown(mut all: Contents) -> Contents {
    for samples in all.values_mut() {
        samples.retain(|_, v| *v != STALE_NAN_BITS);
        samples.values_mut().for_each(|v| *v = canonical(*v));
    }
    all.retain(|_, samples| !samples.is_empty());
    all
}
