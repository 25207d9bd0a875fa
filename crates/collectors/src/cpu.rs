//! `node_cpu_*`: seconds of each processor by mode, from `/proc/stat`.

use client::Sink;
use model::MetricType;
use stdx::Clock;

use crate::source::{Error, Paths, number};

const FILE: &str = "stat";

/// Ticks of `/proc/stat` in a second, on every architecture that Linux shows to programs.
const USER_HZ: f64 = 100.0;

const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
const GUEST_MODES: [&str; 2] = ["user", "nice"];

pub(crate) fn collect(paths: &Paths, _: &dyn Clock, sink: &mut dyn Sink) -> Result<(), Error> {
    let text = paths.read_proc(FILE)?;
    let mut processors = Vec::new();
    for line in text.lines() {
        let mut fields = line.split_whitespace();
        let Some(id) =
            fields.next().and_then(|it| it.strip_prefix("cpu")).filter(|it| !it.is_empty())
        else {
            continue;
        };
        // Kernels before 2.6.33 print fewer columns.
        let seconds: Result<Vec<f64>, Error> =
            fields.map(|it| Ok(number(Some(it), FILE, line)? / USER_HZ)).collect();
        processors.push((id, seconds?));
    }
    let column = |seconds: &[f64], at: usize| seconds.get(at).copied().unwrap_or(0.0);
    sink.family(
        "node_cpu_guest_seconds_total",
        "Seconds the CPUs spent in guests (VMs) for each mode.",
        MetricType::Counter,
    );
    for (id, seconds) in &processors {
        for (at, mode) in GUEST_MODES.iter().enumerate() {
            sink.sample(&[("cpu", id), ("mode", mode)], column(seconds, MODES.len() + at));
        }
    }
    sink.family(
        "node_cpu_seconds_total",
        "Seconds the CPUs spent in each mode.",
        MetricType::Counter,
    );
    for (id, seconds) in &processors {
        for (at, mode) in MODES.iter().enumerate() {
            sink.sample(&[("cpu", id), ("mode", mode)], column(seconds, at));
        }
    }
    Ok(())
}
