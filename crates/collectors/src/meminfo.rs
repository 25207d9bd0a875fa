//! `node_memory_*`, from `/proc/meminfo`.

use client::Sink;
use model::MetricType;
use stdx::Clock;

use crate::source::{Error, Paths, number};

const FILE: &str = "meminfo";

/// Fields that are shown, as the kernel names them but for `(x)`, which becomes `_x`. Others are left out.
const FIELDS: [&str; 51] = [
    "Active",
    "Active_anon",
    "Active_file",
    "AnonHugePages",
    "AnonPages",
    "Bounce",
    "Buffers",
    "Cached",
    "CmaFree",
    "CmaTotal",
    "CommitLimit",
    "Committed_AS",
    "DirectMap1G",
    "DirectMap2M",
    "DirectMap4k",
    "Dirty",
    "HardwareCorrupted",
    "HugePages_Free",
    "HugePages_Rsvd",
    "HugePages_Surp",
    "HugePages_Total",
    "Hugepagesize",
    "Inactive",
    "Inactive_anon",
    "Inactive_file",
    "KernelStack",
    "Mapped",
    "MemAvailable",
    "MemFree",
    "MemTotal",
    "Mlocked",
    "NFS_Unstable",
    "PageTables",
    "Percpu",
    "SReclaimable",
    "SUnreclaim",
    "Shmem",
    "ShmemHugePages",
    "ShmemPmdMapped",
    "Slab",
    "SwapCached",
    "SwapFree",
    "SwapTotal",
    "Unevictable",
    "VmallocChunk",
    "VmallocTotal",
    "VmallocUsed",
    "Writeback",
    "WritebackTmp",
    "Zswap",
    "Zswapped",
];

pub(crate) fn collect(paths: &Paths, _: &dyn Clock, sink: &mut dyn Sink) -> Result<(), Error> {
    let text = paths.read_proc(FILE)?;
    let mut found = Vec::new();
    for line in text.lines() {
        let Some((key, rest)) = line.split_once(':') else { continue };
        let key = key.replace('(', "_").replace(')', "");
        if !FIELDS.contains(&&key[..]) {
            continue;
        }
        let mut fields = rest.split_whitespace();
        let value = number(fields.next(), FILE, line)?;
        match fields.next() {
            Some("kB") => found.push((format!("{key}_bytes"), value * 1024.0)),
            _ => found.push((key, value)),
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    for (key, value) in &found {
        let name = format!("node_memory_{key}");
        sink.family(&name, &format!("Memory information field {key}."), MetricType::Gauge);
        sink.sample(&[], *value);
    }
    Ok(())
}
