//! Boot time, forks, interrupts, switches and processes, from `/proc/stat`.

use client::Sink;
use model::MetricType::{self, Counter, Gauge};
use stdx::Clock;

use crate::source::{Error, Paths, number};

const FILE: &str = "stat";

/// First word of the line, name, type, help.
const LINES: [(&str, &str, MetricType, &str); 6] = [
    ("btime", "node_boot_time_seconds", Gauge, "Node boot time, in unixtime."),
    ("ctxt", "node_context_switches_total", Counter, "Total number of context switches."),
    ("processes", "node_forks_total", Counter, "Total number of forks."),
    ("intr", "node_intr_total", Counter, "Total number of interrupts serviced."),
    (
        "procs_blocked",
        "node_procs_blocked",
        Gauge,
        "Number of processes blocked waiting for I/O to complete.",
    ),
    ("procs_running", "node_procs_running", Gauge, "Number of processes in runnable state."),
];

pub(crate) fn collect(paths: &Paths, _: &dyn Clock, sink: &mut dyn Sink) -> Result<(), Error> {
    let text = paths.read_proc(FILE)?;
    let mut found = Vec::with_capacity(LINES.len());
    for (word, name, kind, help) in LINES {
        let line = text.lines().find_map(|it| it.strip_prefix(word)?.strip_prefix(' '));
        let Some(line) = line else { continue };
        found.push((name, kind, help, number(line.split_whitespace().next(), FILE, line)?));
    }
    for (name, kind, help, value) in found {
        sink.family(name, help, kind);
        sink.sample(&[], value);
    }
    Ok(())
}
