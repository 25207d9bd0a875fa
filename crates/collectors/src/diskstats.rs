//! `node_disk_*`: transfers of each block device, from `/proc/diskstats`.

use client::Sink;
use model::MetricType::{self, Counter, Gauge};
use stdx::Clock;

use crate::source::{Error, Paths, number};

const FILE: &str = "diskstats";

/// A kernel sector, whatever the disk's own sectors are.
const SECTOR_BYTES: f64 = 512.0;
const MS: f64 = 1e-3;

/// The columns behind major, minor and name: suffix, factor, type, help. Older kernels print 11 or 15.
const COLUMNS: [(&str, f64, MetricType, &str); 17] = [
    ("reads_completed_total", 1.0, Counter, "The total number of reads completed successfully."),
    ("reads_merged_total", 1.0, Counter, "The total number of reads merged."),
    ("read_bytes_total", SECTOR_BYTES, Counter, "The total number of bytes read successfully."),
    ("read_time_seconds_total", MS, Counter, "The total number of seconds spent by all reads."),
    ("writes_completed_total", 1.0, Counter, "The total number of writes completed successfully."),
    ("writes_merged_total", 1.0, Counter, "The number of writes merged."),
    (
        "written_bytes_total",
        SECTOR_BYTES,
        Counter,
        "The total number of bytes written successfully.",
    ),
    (
        "write_time_seconds_total",
        MS,
        Counter,
        "This is the total number of seconds spent by all writes.",
    ),
    ("io_now", 1.0, Gauge, "The number of I/Os currently in progress."),
    ("io_time_seconds_total", MS, Counter, "Total seconds spent doing I/Os."),
    ("io_time_weighted_seconds_total", MS, Counter, "The weighted # of seconds spent doing I/Os."),
    (
        "discards_completed_total",
        1.0,
        Counter,
        "The total number of discards completed successfully.",
    ),
    ("discards_merged_total", 1.0, Counter, "The total number of discards merged."),
    (
        "discarded_sectors_total",
        1.0,
        Counter,
        "The total number of sectors discarded successfully.",
    ),
    (
        "discard_time_seconds_total",
        MS,
        Counter,
        "This is the total number of seconds spent by all discards.",
    ),
    (
        "flush_requests_total",
        1.0,
        Counter,
        "The total number of flush requests completed successfully",
    ),
    (
        "flush_requests_time_seconds_total",
        MS,
        Counter,
        "This is the total number of seconds spent by all flush requests.",
    ),
];

pub(crate) fn collect(paths: &Paths, _: &dyn Clock, sink: &mut dyn Sink) -> Result<(), Error> {
    let text = paths.read_proc(FILE)?;
    let mut devices = Vec::new();
    for line in text.lines() {
        let mut fields = line.split_whitespace().skip(2);
        let Some(device) = fields.next() else { continue };
        if is_partition_or_virtual(device) {
            continue;
        }
        let values: Result<Vec<f64>, Error> =
            fields.map(|it| number(Some(it), FILE, line)).collect();
        devices.push((device, values?));
    }
    for (at, (suffix, factor, kind, help)) in COLUMNS.iter().enumerate() {
        let mut values = devices
            .iter()
            .filter_map(|(device, values)| Some((*device, values.get(at)?)))
            .peekable();
        if values.peek().is_none() {
            continue;
        }
        sink.family(&format!("node_disk_{suffix}"), help, *kind);
        for (device, value) in values {
            sink.sample(&[("device", device)], value * factor);
        }
    }
    Ok(())
}

/// True for what `^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$` matches.
fn is_partition_or_virtual(device: &str) -> bool {
    let stem = device.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.len() == device.len() {
        return false;
    }
    let disk = |prefix: &str| {
        stem.strip_prefix(prefix)
            .is_some_and(|it| it.len() == 1 && it.as_bytes()[0].is_ascii_lowercase())
    };
    matches!(stem, "ram" | "zram" | "loop" | "fd")
        || ["hd", "sd", "vd", "xvd"].into_iter().any(disk)
        || stem
            .strip_prefix("nvme")
            .and_then(|it| it.strip_suffix('p'))
            .is_some_and(is_controller_and_namespace)
}

/// True for `\d+n\d+`.
fn is_controller_and_namespace(text: &str) -> bool {
    let is_number = |it: &str| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit());
    text.split_once('n')
        .is_some_and(|(controller, namespace)| is_number(controller) && is_number(namespace))
}

#[cfg(test)]
mod tests {
    use super::is_partition_or_virtual;

    #[test]
    fn knows_partitions() {
        for device in ["ram0", "zram1", "loop12", "sda1", "vdb3", "xvda1", "nvme0n1p2", "fd0"] {
            assert!(is_partition_or_virtual(device), "{device}");
        }
        for device in ["sda", "vda", "nvme0n1", "dm-0", "md127", "mmcblk0p1", "sr0"] {
            assert!(!is_partition_or_virtual(device), "{device}");
        }
    }
}
