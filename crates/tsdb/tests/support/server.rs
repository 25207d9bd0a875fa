//! A running `prometheus` of Debian.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use model::{Labels, STALE_NAN_BITS};
use serde_json::Value;

use super::Contents;

/// How long the server may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

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

    /// All samples of so many milliseconds until `end`, which is a whole second.
    pub(crate) fn everything(&self, length_ms: i64, end_ms: i64) -> Contents {
        let selector = "%7B__name__%3D~%22.%2B%22%7D";
        let path = format!("/api/v1/query?query={selector}[{length_ms}ms]&time={}", end_ms / 1000);
        let (status, body) = self.get(&path).expect("answers");
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).expect("is JSON");
        let series = body["data"]["result"].as_array().expect("is a matrix");
        series.iter().map(|it| (labels(&it["metric"]), samples(&it["values"]))).collect()
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
        let seconds = it[0].as_f64().expect("is a time");
        let v: f64 = it[1].as_str().and_then(|it| it.parse().ok()).expect("is a float");
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970")]
        let t = (seconds * 1000.0).round() as i64;
        (t, canonical(v.to_bits()))
    };
    values.as_array().expect("is a list").iter().map(sample).collect()
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
