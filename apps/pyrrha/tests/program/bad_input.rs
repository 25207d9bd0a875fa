//! What must not bring the server down: each ends in a clear error that names the place.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use crate::server::{Server, config, serve_pages, write_config};
use testkit::{http, wait_for};

#[test]
fn a_broken_config_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_config(folder.path(), "global:\n  scrape_interval: 1x\n");
    let out = Command::new(crate::server::pyrrha())
        .args(["server", "--config.file"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(2));
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(text.contains("unknown unit") && text.contains("prometheus.yml"), "{text}");
}

#[test]
fn what_must_not_be_passed_over_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let job = "scrape_configs:\n- job_name: a\n  basic_auth: {username: u, password_ref: p}\n";
    let path = write_config(folder.path(), job);
    let config = format!("--config.file={}", path.display());
    let out = Command::new(crate::server::pyrrha()).args(["server", &config]).output().unwrap();
    let text = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{text}");
    assert!(text.contains("cannot use secret ref without manager"), "{text}");
}

#[test]
fn start_times_need_chunks_that_have_them() {
    let why = "float chunk encoding \"xor\" is incompatible with start-timestamp storage; XOR chunks do not store start timestamps, use \"xor2\"";
    let folder = tempfile::tempdir().unwrap();
    let chunks =
        |encoding: &str| format!("storage: {{tsdb: {{chunk_encoding: {{floats: {encoding}}}}}}}\n");
    let path = write_config(folder.path(), "global: {}\n");
    let out = Command::new(crate::server::pyrrha())
        .args(["server", "--enable-feature=st-storage", "--config.file"])
        .arg(&path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{text}");
    assert!(text.contains(&why.replace('"', "\\\"")), "{text}");

    write_config(folder.path(), &chunks("xor2"));
    let flags = ["--enable-feature=st-storage", "--web.enable-lifecycle"];
    let server = Server::ours(folder.path(), &flags);
    write_config(folder.path(), &chunks("xor"));
    let answer = http::post(server.port, "/-/reload", "").unwrap();
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains(why), "{}", answer.body);
    let shown = http::api(server.port, "status/config")["yaml"].to_string();
    assert!(shown.contains("floats: xor2"), "{shown}");
}

#[test]
fn a_broken_reload_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let target = serve_pages(|_| "a 1\n".into());
    let good = config("200ms", "good", &[format!("127.0.0.1:{target}")]);
    write_config(folder.path(), &good);
    let server = Server::ours(folder.path(), &["--web.enable-lifecycle"]);
    write_config(folder.path(), &good.replace("job_name: good", "job_nam: good"));
    let answer = http::post(server.port, "/-/reload", "").unwrap();
    assert_eq!(answer.status, 500);
    assert!(
        answer.body.contains("line 5: field job_nam not found in type config."),
        "{}",
        answer.body
    );
    let shown = http::api(server.port, "status/config")["yaml"].to_string();
    assert!(shown.contains("job_name: good"), "{shown}");
    assert_eq!(http::api(server.port, "status/runtimeinfo")["reloadConfigSuccess"], false);

    // A certificate that is not there refuses all of it, too.
    let with_tls =
        good.replace("good", "secret") + "  scheme: https\n  tls_config: {ca_file: missing.pem}\n";
    write_config(folder.path(), &with_tls);
    let answer = http::post(server.port, "/-/reload", "").unwrap();
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("missing.pem"), "{}", answer.body);
    let shown = http::api(server.port, "status/config")["yaml"].to_string();
    assert!(shown.contains("job_name: good"), "{shown}");

    write_config(folder.path(), &good.replace("good", "better"));
    assert_eq!(http::post(server.port, "/-/reload", "").unwrap().status, 200);
    wait_for("the new job", Duration::from_secs(20), || {
        (http::query(server.port, "up{job=\"better\"}", "") != serde_json::json!([])).then_some(())
    });
    assert_eq!(http::api(server.port, "status/runtimeinfo")["reloadConfigSuccess"], true);
    // The job that is gone ends with a staleness marker, not five minutes later.
    wait_for("the end of the old job", Duration::from_secs(20), || {
        (http::query(server.port, "up{job=\"good\"}", "") == serde_json::json!([])).then_some(())
    });

    write_config(folder.path(), &good.replace("good", "best"));
    let id = server.program.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    wait_for("the job of the reload by signal", Duration::from_secs(20), || {
        (http::query(server.port, "up{job=\"best\"}", "") != serde_json::json!([])).then_some(())
    });
}

#[test]
fn a_malformed_line_fails_the_scrape_only() {
    let folder = tempfile::tempdir().unwrap();
    let bad = serve_pages(|_| "fine 1\nbroken{ 2\n".into());
    let good = serve_pages(|_| "fine 2\n".into());
    write_config(
        folder.path(),
        &config("200ms", "j", &[format!("127.0.0.1:{bad}"), format!("127.0.0.1:{good}")]),
    );
    let server = Server::ours(folder.path(), &[]);
    let error = wait_for("the error on the targets page", Duration::from_secs(20), || {
        let targets = http::api(server.port, "targets");
        let all = targets["activeTargets"].as_array().unwrap().clone();
        all.iter()
            .find_map(|it| it["lastError"].as_str().filter(|it| !it.is_empty()).map(str::to_owned))
    });
    assert!(error.contains("expected"), "{error}");
    wait_for("the other target", Duration::from_secs(20), || {
        (http::query(server.port, "sum(up)", "")[0]["value"][1] == "1").then_some(())
    });
    assert_eq!(
        http::query(server.port, "fine", "").as_array().unwrap().len(),
        1,
        "nothing of a broken page is kept"
    );
}

#[test]
fn a_query_beyond_its_budget_ends() {
    let folder = tempfile::tempdir().unwrap();
    let pages = serve_pages(|_| (0..2000).map(|it| format!("m{{i=\"{it}\"}} {it}\n")).collect());
    write_config(folder.path(), &config("200ms", "j", &[format!("127.0.0.1:{pages}")]));
    let server = Server::ours(folder.path(), &["--query.max-bytes=1MB"]);
    wait_for("samples", Duration::from_secs(20), || {
        (http::query(server.port, "count(m)", "")[0]["value"][1] == "2000").then_some(())
    });
    let now = http::query(server.port, "time()", "")[1].as_str().unwrap().parse::<f64>().unwrap();
    // Both hold 2,000 series at 10,001 steps: 160 MB of numbers.
    for query in ["m", "m * on (i) m"] {
        let range = format!("start={}&end={now}&step=1", now - 10_000.0);
        let path = format!("/api/v1/query_range?query={}&{range}", http::escape(query));
        let answer = http::get(server.port, &path).unwrap();
        assert_eq!(answer.status, 422, "{}", &answer.body[..answer.body.len().min(300)]);
        assert!(answer.body.contains("bytes of memory"), "{}", answer.body);
    }
    assert_eq!(http::query(server.port, "count(m)", "")[0]["value"][1], "2000");
}

#[test]
fn garbage_on_the_port_is_answered_or_dropped() {
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &config("1s", "j", &[]));
    let server = Server::ours(folder.path(), &[]);
    for path in [
        "/api/v1/query?query=%ff%fe((((",
        "/api/v1/query?query=",
        "/api/v1/label/%ff/values",
        "/api/v1/series",
        "/nothing",
    ] {
        let answer = http::get(server.port, path).unwrap();
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
    }
    let deep = format!("/api/v1/query?query={}1", "(".repeat(20_000));
    assert_eq!(http::get(server.port, &deep).unwrap().status, 400);
    use std::io::Write;
    let mut raw = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    raw.write_all(&[0xff; 4096]).unwrap();
    assert_eq!(http::get(server.port, "/-/healthy").unwrap().status, 200);
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let mount =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(&data).status();
    if !mount.is_ok_and(|it| it.success()) {
        eprintln!("no small disk can be mounted here (not root): this test did NOT run");
        return;
    }
    let _unmount = Unmount(data.clone());
    let seq = std::sync::atomic::AtomicU64::new(0);
    let quiet = Arc::new(AtomicBool::new(false));
    let is_quiet = Arc::clone(&quiet);
    let pages = serve_pages(move |_| {
        let seq = seq.fetch_add(1, Relaxed);
        let noise = |it: u64| (seq * 7919 + it).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let fill = if is_quiet.load(Relaxed) { 0 } else { 2000 };
        (0..fill).map(|it| format!("noise{{i=\"{it}\"}} {}\n", noise(it))).collect::<String>()
            + &format!("seq {seq}\n")
    });
    write_config(folder.path(), &config("100ms", "j", &[format!("127.0.0.1:{pages}")]));
    let mut server = Server::ours(folder.path(), &[]);
    // The log fills the disk; the scrape says so on the targets page, and the process lives.
    let error = wait_for("the disk to be full", Duration::from_secs(60), || {
        let targets = http::api(server.port, "targets");
        targets["activeTargets"][0]["lastError"]
            .as_str()
            .filter(|it| it.contains("space"))
            .map(str::to_owned)
    });
    println!("full disk: {error}");
    assert!(server.program.is_running());
    let kept = http::query(server.port, "seq[1h]", "")[0]["values"].clone();
    assert!(!kept.as_array().unwrap().is_empty());
    quiet.store(true, Relaxed);
    server.program.kill();
    // With room again, everything that was acknowledged is there, and new samples come in.
    let larger = Command::new("mount").args(["-o", "remount,size=64m"]).arg(&data).status();
    assert!(larger.is_ok_and(|it| it.success()));
    server = Server::ours(folder.path(), &[]);
    let after = http::query(server.port, "seq[1h]", "")[0]["values"].clone();
    let after = after.as_array().unwrap();
    for sample in kept.as_array().unwrap() {
        assert!(after.contains(sample), "{sample} was acknowledged and is gone");
    }
    let newest = kept.as_array().unwrap().last().unwrap()[0].as_f64().unwrap();
    wait_for("new samples", Duration::from_secs(20), || {
        let values = http::query(server.port, "seq[1h]", "")[0]["values"].clone();
        (newest < values.as_array()?.last()?[0].as_f64()? - 0.05).then_some(())
    });
    assert!(server.program.stop().success());
}

struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        // Lazily: the server may still hold files open for a moment.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
