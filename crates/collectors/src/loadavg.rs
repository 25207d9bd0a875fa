//! `node_load1`, `node_load5`, `node_load15`, from `/proc/loadavg`.

use client::Sink;
use model::MetricType;
use stdx::Clock;

use crate::source::{Error, Paths, number};

const FILE: &str = "loadavg";

pub(crate) fn collect(paths: &Paths, _: &dyn Clock, sink: &mut dyn Sink) -> Result<(), Error> {
    let text = paths.read_proc(FILE)?;
    let mut fields = text.split_whitespace();
    let mut loads = [0.0; 3];
    for load in &mut loads {
        *load = number(fields.next(), FILE, &text)?;
    }
    let names = [
        ("node_load1", "1m load average."),
        ("node_load5", "5m load average."),
        ("node_load15", "15m load average."),
    ];
    for ((name, help), load) in names.into_iter().zip(loads) {
        sink.family(name, help, MetricType::Gauge);
        sink.sample(&[], load);
    }
    Ok(())
}
