//! The host's numbers under node_exporter's names: one collector a file, each a pure function from the
//! machine's files to samples.
//!
//! [`collect`] runs all collectors into a [`client::Sink`] and adds, for each, how long it took and whether
//! it succeeded. A collector reads `/proc` and `/sys` below the roots it is given ([`Paths`]), so tests
//! point it at a folder of fixtures. Nothing is kept between calls.
//!
//! Present: cpu, diskstats, filesystem, loadavg, meminfo, netdev, stat, time, uname.

mod cpu;
mod diskstats;
mod filesystem;
mod loadavg;
mod meminfo;
mod netdev;
mod source;
mod stat;
mod time;
mod uname;

use client::Sink;
use model::MetricType;
use stdx::Clock;

pub use source::{Error, Paths};

/// What a collector does: read and write samples.
type Collect = fn(&Paths, &dyn Clock, &mut dyn Sink) -> Result<(), Error>;

/// All collectors, by name.
const COLLECTORS: [(&str, Collect); 9] = [
    ("cpu", cpu::collect),
    ("diskstats", diskstats::collect),
    ("filesystem", filesystem::collect),
    ("loadavg", loadavg::collect),
    ("meminfo", meminfo::collect),
    ("netdev", netdev::collect),
    ("stat", stat::collect),
    ("time", time::collect),
    ("uname", uname::collect),
];

/// Runs all collectors. One that fails has written nothing and is marked as failed; the message goes to
/// `failed`.
pub fn collect(
    paths: &Paths,
    clock: &dyn Clock,
    sink: &mut dyn Sink,
    mut failed: impl FnMut(&str, &Error),
) {
    let mut reports = Vec::with_capacity(COLLECTORS.len());
    for (name, run) in COLLECTORS {
        let start = clock.monotonic();
        let result = run(paths, clock, sink);
        if let Err(error) = &result {
            failed(name, error);
        }
        reports.push((name, (clock.monotonic() - start).as_secs_f64(), result.is_ok()));
    }
    sink.family(
        "node_scrape_collector_duration_seconds",
        "node_exporter: Duration of a collector scrape.",
        MetricType::Gauge,
    );
    for (name, seconds, _) in &reports {
        sink.sample(&[("collector", name)], *seconds);
    }
    sink.family(
        "node_scrape_collector_success",
        "node_exporter: Whether a collector succeeded.",
        MetricType::Gauge,
    );
    for (name, _, ok) in &reports {
        sink.sample(&[("collector", name)], f64::from(u8::from(*ok)));
    }
}

#[cfg(test)]
mod tests;
