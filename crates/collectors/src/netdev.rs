//! `node_network_*_total`: traffic of each device, from `/proc/net/dev`.

use client::Sink;
use model::MetricType;
use stdx::Clock;

use crate::source::{Error, Paths, number};

const FILE: &str = "net/dev";

/// The columns behind the device's name.
const COLUMNS: [&str; 16] = [
    "receive_bytes",
    "receive_packets",
    "receive_errs",
    "receive_drop",
    "receive_fifo",
    "receive_frame",
    "receive_compressed",
    "receive_multicast",
    "transmit_bytes",
    "transmit_packets",
    "transmit_errs",
    "transmit_drop",
    "transmit_fifo",
    "transmit_colls",
    "transmit_carrier",
    "transmit_compressed",
];

pub(crate) fn collect(paths: &Paths, _: &dyn Clock, sink: &mut dyn Sink) -> Result<(), Error> {
    let text = paths.read_proc(FILE)?;
    let mut devices = Vec::new();
    // Two lines of headings come first.
    for line in text.lines().skip(2) {
        let Some((device, rest)) = line.rsplit_once(':') else { continue };
        let mut fields = rest.split_whitespace();
        let mut values = [0.0; COLUMNS.len()];
        for value in &mut values {
            *value = number(fields.next(), FILE, line)?;
        }
        devices.push((device.trim(), values));
    }
    devices.sort_by_key(|(device, _)| *device);
    for (at, column) in COLUMNS.iter().enumerate() {
        let name = format!("node_network_{column}_total");
        sink.family(&name, &format!("Network device statistic {column}."), MetricType::Counter);
        for (device, values) in &devices {
            sink.sample(&[("device", device)], values[at]);
        }
    }
    Ok(())
}
