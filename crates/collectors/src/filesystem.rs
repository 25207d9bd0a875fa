//! `node_filesystem_*`: size and room of each mounted file system, from `/proc/1/mountinfo` and `statfs`.
//!
//! `statfs` on a dead network mount may not return; whoever calls must not wait for it on a thread it
//! cannot spare.

use std::collections::HashSet;

use client::Sink;
use model::MetricType;
use rustix::fs::statvfs;
use stdx::Clock;

use crate::source::{Error, Paths};

/// Mount points left out, with all below them.
const EXCLUDED_POINTS: [&str; 3] = ["/dev", "/proc", "/sys"];
/// Mount points left out if something follows, with all below them.
const EXCLUDED_BELOW: [&str; 3] =
    ["/run/credentials/", "/var/lib/docker/", "/var/lib/containers/storage/"];
const EXCLUDED_TYPES: [&str; 25] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "procfs",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "erofs",
    "sysfs",
    "tracefs",
];

/// One mounted file system.
#[derive(Debug, PartialEq, Eq, Hash, Clone)]
struct Mount {
    device: String,
    point: String,
    kind: String,
    major: String,
    minor: String,
    readonly: bool,
}

/// What `statfs` said, or the error's text.
type Room = Result<[f64; 5], String>;

/// Name, help; in the order of [`room`]'s numbers.
const FAMILIES: [(&str, &str); 5] = [
    ("node_filesystem_avail_bytes", "Filesystem space available to non-root users in bytes."),
    ("node_filesystem_files", "Filesystem total file nodes."),
    ("node_filesystem_files_free", "Filesystem total free file nodes."),
    ("node_filesystem_free_bytes", "Filesystem free space in bytes."),
    ("node_filesystem_size_bytes", "Filesystem size in bytes."),
];

pub(crate) fn collect(paths: &Paths, _: &dyn Clock, sink: &mut dyn Sink) -> Result<(), Error> {
    let text = paths.read_proc("1/mountinfo").or_else(|_| paths.read_proc("self/mountinfo"))?;
    let mounts: Vec<(Mount, Room)> = mounts(&text)
        .into_iter()
        .map(|mount| {
            let room = room(paths, &mount.point);
            (mount, room)
        })
        .collect();
    for (at, (name, help)) in FAMILIES.into_iter().enumerate() {
        sink.family(name, help, MetricType::Gauge);
        for (mount, room) in &mounts {
            if let Ok(room) = room {
                sample(sink, mount, "", room[at]);
            }
        }
    }
    sink.family(
        "node_filesystem_device_error",
        "Whether an error occurred while getting statistics for the given device.",
        MetricType::Gauge,
    );
    for (mount, room) in &mounts {
        let error = room.as_ref().err().map_or("", String::as_str);
        sample(sink, mount, error, f64::from(u8::from(room.is_err())));
    }
    sink.family("node_filesystem_readonly", "Filesystem read-only status.", MetricType::Gauge);
    for (mount, room) in &mounts {
        let error = room.as_ref().err().map_or("", String::as_str);
        sample(sink, mount, error, f64::from(u8::from(mount.readonly)));
    }
    Ok(())
}

fn sample(sink: &mut dyn Sink, mount: &Mount, error: &str, v: f64) {
    let labels = [
        ("device", &mount.device[..]),
        ("device_error", error),
        ("fstype", &mount.kind[..]),
        ("mountpoint", &mount.point[..]),
    ];
    sink.sample(&labels, v);
}

#[expect(clippy::cast_precision_loss, reason = "sizes past 2^53 bytes are shown rounded")]
fn room(paths: &Paths, point: &str) -> Room {
    let stat = statvfs(paths.root.join(point.trim_start_matches('/'))).map_err(|error| {
        std::io::Error::from(error)
            .to_string()
            .split(" (os error")
            .next()
            .unwrap_or("")
            .to_lowercase()
    })?;
    let block = stat.f_bsize as f64;
    Ok([
        stat.f_bavail as f64 * block,
        stat.f_files as f64,
        stat.f_ffree as f64,
        stat.f_bfree as f64 * block,
        stat.f_blocks as f64 * block,
    ])
}

/// Reads `mountinfo`: lines `id parent major:minor root point options [tags…] - type device options`.
fn mounts(text: &str) -> Vec<Mount> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for line in text.lines() {
        let Some(mount) = mount(line) else { continue };
        let key = Mount { readonly: false, ..mount.clone() };
        if !is_excluded(&mount) && seen.insert(key) {
            found.push(mount);
        }
    }
    found
}

fn mount(line: &str) -> Option<Mount> {
    let (own, shared) = line.split_once(" - ")?;
    let own: Vec<&str> = own.split(' ').collect();
    let mut shared = shared.split(' ');
    let (kind, device, options) = (shared.next()?, shared.next()?, shared.next().unwrap_or(""));
    let (major, minor) = own.get(2)?.split_once(':')?;
    let is_readonly =
        |options: &str| options.split(',').any(|it| it == "ro" || it == "emergency_ro");
    Some(Mount {
        device: unescape(device),
        point: unescape(own.get(4)?),
        kind: kind.to_owned(),
        major: major.to_owned(),
        minor: minor.to_owned(),
        readonly: is_readonly(own.get(5)?) || is_readonly(options),
    })
}

fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t")
}

fn is_excluded(mount: &Mount) -> bool {
    let below = |folder: &&str| {
        mount
            .point
            .strip_prefix(*folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    EXCLUDED_TYPES.contains(&&mount.kind[..])
        || EXCLUDED_POINTS.iter().any(below)
        || EXCLUDED_BELOW
            .iter()
            .any(|it| mount.point.strip_prefix(it).is_some_and(|rest| !rest.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_mountinfo() {
        let text = "\
36 35 98:0 / /mnt\\040two rw,noatime master:1 - ext3 /dev/root rw,errors=continue
37 35 98:0 / /mnt\\040two rw,noatime master:1 - ext3 /dev/root rw,errors=continue
38 35 0:5 / /proc/x rw - ext4 /dev/a rw
39 35 0:6 / /run/lock rw - tmpfs tmpfs rw
40 35 0:7 / /sysroot ro - ext4 /dev/b rw
41 35 0:8 / /c rw - overlay overlay rw
broken";
        let found = mounts(text);
        let shown: Vec<_> =
            found.iter().map(|it| (&it.point[..], &it.kind[..], it.readonly)).collect();
        assert_eq!(
            shown,
            [
                ("/mnt two", "ext3", false),
                ("/run/lock", "tmpfs", false),
                ("/sysroot", "ext4", true)
            ]
        );
    }
}
