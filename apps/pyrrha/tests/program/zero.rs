//! The zero-config start: one command, and ten seconds later the host is on the screen.

use std::time::{Duration, Instant};

use testkit::{Program, http, wait_for};

/// Resident memory that an idle server may take.
const RESIDENT_BYTES_MAX: u64 = 80 << 20;

#[test]
fn shows_the_host_within_ten_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let mut program = Program::start(
        crate::server::pyrrha(),
        &["--web.listen-address=127.0.0.1:0"],
        folder.path(),
        &folder.path().join("log"),
    );
    let lines: Vec<String> = (0..6).map_while(|_| program.line()).collect();
    assert_eq!(lines.len(), 6, "six lines say what is where: {lines:#?}");
    let port: u16 = lines
        .iter()
        .find_map(|it| it.split("http://127.0.0.1:").nth(1))
        .and_then(|it| it.split(|c: char| !c.is_ascii_digit()).next())
        .and_then(|it| it.parse().ok())
        .unwrap_or_else(|| panic!("the address is not in {lines:#?}"));

    let modes = wait_for("CPU by mode", Duration::from_secs(10), || {
        let found = http::get(
            port,
            &format!(
                "/api/v1/query?query={}",
                http::escape("sum by (mode) (rate(node_cpu_seconds_total[1m]))")
            ),
        )?;
        found.body.contains("\"idle\"").then_some(found.body)
    });
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
    for mode in ["user", "system", "idle", "iowait"] {
        assert!(modes.contains(&format!("\"mode\":\"{mode}\"")), "{mode} is not in {modes}");
    }
    let up = http::query(port, "up", "");
    assert_eq!(up.as_array().unwrap().len(), 2, "{up}");
    let page = http::get(port, "/query").unwrap();
    assert!(page.status == 200 && page.body.contains("<script"), "{}", page.head);
    assert!(folder.path().join("data/wal").is_dir(), "the data lies in ./data");

    let resident = program.resident_bytes();
    println!("idle resident memory: {:.1} MiB", resident as f64 / f64::from(1 << 20));
    assert!(resident < RESIDENT_BYTES_MAX, "{resident} bytes resident");
    assert!(program.stop().success());
}
