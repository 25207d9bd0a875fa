//! Runs the collectors on files written for the test, and on this machine.

use std::fs;
use std::path::Path;

use exposition::HistogramParts;

use super::*;

/// Writes what it receives as lines.
#[derive(Default)]
struct Lines {
    name: String,
    lines: Vec<String>,
}

impl Sink for Lines {
    fn family(&mut self, name: &str, _: &str, _: MetricType) {
        name.clone_into(&mut self.name);
    }

    fn sample(&mut self, labels: &[(&str, &str)], v: f64) {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.lines.push(format!("{}{{{}}} {v}", self.name, labels.join(",")));
    }

    fn summary(&mut self, _: &[(&str, &str)], _: u64, _: f64, _: &[(f64, f64)]) {
        panic!("a collector has numbers only");
    }

    fn histogram(&mut self, _: &[(&str, &str)], _: HistogramParts<'_>) {
        panic!("a collector has numbers only");
    }
}

fn check(run: Collect, file: &str, content: &str, expected: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    let paths = Paths { proc: folder.path().to_owned(), ..Paths::default() };
    let mut lines = Lines::default();
    run(&paths, &stdx::SystemClock::default(), &mut lines).unwrap();
    for line in expected {
        assert!(lines.lines.iter().any(|it| it == line), "{line} is not in {:#?}", lines.lines);
    }
}

#[test]
fn reads_the_kernels_files() {
    let stat = "cpu  10 2 3 4\ncpu0 100 0 300 400 5 6 7 8 9 10\nintr 12 3 4\nctxt 99\nbtime 1700000000\n\
        processes 5\nprocs_running 2\nprocs_blocked 0\n";
    check(
        cpu::collect,
        "stat",
        stat,
        &[
            "node_cpu_seconds_total{cpu=0,mode=user} 1",
            "node_cpu_seconds_total{cpu=0,mode=steal} 0.08",
            "node_cpu_guest_seconds_total{cpu=0,mode=nice} 0.1",
        ],
    );
    check(
        stat::collect,
        "stat",
        stat,
        &["node_boot_time_seconds{} 1700000000", "node_intr_total{} 12"],
    );
    check(
        loadavg::collect,
        "loadavg",
        "0.5 1.25 2 1/2 3\n",
        &["node_load1{} 0.5", "node_load15{} 2"],
    );
    let meminfo =
        "MemTotal:       16 kB\nActive(anon):  1 kB\nHugePages_Total:  3\nKReclaimable: 5 kB\n";
    check(
        meminfo::collect,
        "meminfo",
        meminfo,
        &[
            "node_memory_MemTotal_bytes{} 16384",
            "node_memory_Active_anon_bytes{} 1024",
            "node_memory_HugePages_Total{} 3",
        ],
    );
    let net = "Inter-| Receive | Transmit\n face |bytes\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
    check(
        netdev::collect,
        "net/dev",
        net,
        &[
            "node_network_receive_bytes_total{device=eth0} 1",
            "node_network_transmit_compressed_total{device=eth0} 16",
        ],
    );
    check(
        diskstats::collect,
        "diskstats",
        " 8 0 sda 1 2 3 4000 5 6 7 8 9 10 11\n 8 1 sda1 9 9 9\n",
        &[
            "node_disk_read_bytes_total{device=sda} 1536",
            "node_disk_read_time_seconds_total{device=sda} 4",
        ],
    );
}

#[test]
fn a_broken_file_fails_one_collector_only() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("loadavg"), "what?").unwrap();
    let paths = Paths { proc: folder.path().to_owned(), root: Path::new("/").to_owned() };
    let (mut lines, mut failed) = (Lines::default(), Vec::new());
    collect(&paths, &stdx::SystemClock::default(), &mut lines, |name, error| {
        failed.push(format!("{name}: {error}"))
    });
    assert!(
        failed.contains(&"loadavg: /proc/loadavg: not understood: \"what?\"".to_owned()),
        "{failed:?}"
    );
    assert!(lines.lines.contains(&"node_scrape_collector_success{collector=loadavg} 0".to_owned()));
    assert!(lines.lines.contains(&"node_scrape_collector_success{collector=uname} 1".to_owned()));
}

#[test]
fn reads_this_machine() {
    let (mut lines, mut failed) = (Lines::default(), Vec::new());
    collect(&Paths::default(), &stdx::SystemClock::default(), &mut lines, |name, _| {
        failed.push(name.to_owned())
    });
    assert_eq!(failed, Vec::<String>::new());
    for name in [
        "node_cpu_seconds_total{cpu=0,mode=idle}",
        "node_memory_MemTotal_bytes{}",
        "node_filesystem_size_bytes{",
    ] {
        assert!(lines.lines.iter().any(|it| it.starts_with(name)), "{name}");
    }
}
