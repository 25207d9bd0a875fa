//! One question, one server: what it answers, and what that costs.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::super::peer::Peer;
use super::client::Client;

/// CPU time is counted in ticks of 10 ms, so a query is repeated until it has used so much of it.
const CPU_S_MIN: f64 = 0.3;
const WALL_MAX: Duration = Duration::from_secs(3);
const REPEATS_MIN: usize = 3;

/// A server and where it listens.
pub(super) struct Asked {
    pub(super) peer: Peer,
    pub(super) port: u16,
}

/// What an answer cost.
pub(super) struct Measured {
    pub(super) answer: Digest,
    pub(super) median_ms: f64,
    pub(super) cpu_ms: f64,
    /// Most anonymous memory while it was answered the first time.
    pub(super) peak: u64,
}

/// What two answers must agree in.
#[derive(Clone, Debug, Default)]
pub(super) struct Digest {
    pub(super) n_series: usize,
    pub(super) n_points: usize,
    /// Of all finite values.
    pub(super) sum: f64,
}

impl Asked {
    /// Asks once for the answer, then again and again for the cost. The server takes `idle` seconds of CPU a
    /// second when it is not asked.
    pub(super) fn measure(&self, path: &str, idle: f64) -> Result<Measured> {
        let mut client = Client::connect(self.port)?;
        let (body, peak) = self.watched(&mut client, path)?;
        let answer = Digest::of(&body).with_context(|| path.to_owned())?;
        let mut times = Vec::new();
        let (start, cpu_before) = (Instant::now(), self.peer.usage()?.cpu_s);
        let mut cpu_s = 0.0;
        while times.len() < REPEATS_MIN || cpu_s < CPU_S_MIN && start.elapsed() < WALL_MAX {
            let asked = Instant::now();
            client.get(path)?;
            times.push(asked.elapsed().as_secs_f64() * 1000.0);
            cpu_s = self.peer.usage()?.cpu_s - cpu_before;
        }
        let for_answers = (cpu_s - idle * start.elapsed().as_secs_f64()).max(1e-6);
        let cpu_ms = for_answers * 1000.0 / times.len() as f64;
        times.sort_by(f64::total_cmp);
        Ok(Measured { answer, median_ms: times[times.len() / 2], cpu_ms, peak })
    }

    /// Asks while looking at the server's memory.
    fn watched(&self, client: &mut Client, path: &str) -> Result<(Vec<u8>, u64)> {
        let (peer, done) = (&self.peer, AtomicBool::new(false));
        thread::scope(|scope| {
            let watch = scope.spawn(|| {
                let mut peak = peer.anonymous()?;
                while !done.load(Relaxed) {
                    thread::sleep(Duration::from_micros(500));
                    peak = peak.max(peer.anonymous()?);
                }
                anyhow::Ok(peak)
            });
            let body = client.get(path);
            done.store(true, Relaxed);
            let peak = watch.join().expect("it does not panic")?;
            Ok((body?, peak))
        })
    }
}

impl Digest {
    fn of(body: &[u8]) -> Result<Self> {
        let json: Value = serde_json::from_slice(body)?;
        let data = &json["data"];
        let list = data.as_array().or_else(|| data["result"].as_array()).context("no result")?;
        let mut digest = Self { n_series: list.len(), ..Self::default() };
        for series in list {
            let instant = series.get("value").into_iter();
            let range = series["values"].as_array().into_iter().flatten();
            for point in instant.chain(range) {
                let v: f64 = point[1].as_str().context("no value")?.parse()?;
                digest.n_points += 1;
                digest.sum += if v.is_finite() { v } else { 0.0 };
            }
        }
        Ok(digest)
    }

    /// True if both say the same, up to rounding of the order of `tolerance`.
    pub(super) fn agrees(&self, other: &Self, tolerance: f64) -> bool {
        let size = self.sum.abs().max(other.sum.abs()).max(1e-9);
        self.n_series == other.n_series
            && self.n_points == other.n_points
            && (self.sum - other.sum).abs() <= tolerance * size
    }
}
