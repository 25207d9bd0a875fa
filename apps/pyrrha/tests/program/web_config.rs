//! Who gets in: the file of `--web.config.file`, and what changes in it while the server runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use httpclient::{BasicAuth, Client, Options, Request, Source};
use testkit::{http, wait_for};

use crate::server::{Server, config, pyrrha, write_config};

const LIMIT: Duration = Duration::from_secs(30);

/// The bcrypt hash of `open sesame`, of the lowest cost.
const HASH: &str = "$2b$04$7iSXJI2cDF1YCXqHOOwglu9z3XwU5QnEfDq0zgHQdvDRaZQX8NgzG";

/// A certificate for 127.0.0.1 or a client, and its key, in PEM.
fn certificate(name: &str) -> (String, String) {
    let pair = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    (pair.cert.pem(), pair.signing_key.serialize_pem())
}

fn write(folder: &Path, name: &str, text: &str) {
    // Renamed, so that nobody reads the half of it.
    let new = folder.join(format!("{name}.new"));
    std::fs::write(&new, text).expect("written");
    std::fs::rename(new, folder.join(name)).expect("renamed");
}

/// Asks `path` of the server on `port`: the status, the headers of the answer, or the error.
fn ask(
    port: u16,
    path: &str,
    options: &Options,
) -> Result<(u16, BTreeMap<String, String>), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let request = Request::get(format!("https://127.0.0.1:{port}{path}"), LIMIT);
    let client = Client::new(options.clone()).map_err(|error| error.to_string())?;
    let answer = runtime.block_on(client.fetch(&request, 1 << 20));
    let (status, headers, _) = answer.map_err(|error| error.to_string())?;
    let headers = headers.iter();
    let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
    let headers = headers.map(|(name, value)| (name.to_string(), text(value.as_bytes())));
    Ok((status.as_u16(), headers.collect()))
}

fn trusting(pem: &str) -> Options {
    let mut options = Options::default();
    options.tls.ca = Some(Source::Inline(pem.to_owned()));
    options
}

fn with_password(options: Options, password: &str) -> Options {
    let (username, password) = (Source::Inline("alice".into()), Source::Inline(password.into()));
    Options { basic_auth: Some(BasicAuth { username, password }), ..options }
}

#[test]
fn users_certificates_and_headers_follow_the_file() {
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &config("1s", "none", &[]));
    let (cert, key) = certificate("127.0.0.1");
    write(folder.path(), "cert.pem", &cert);
    write(folder.path(), "key.pem", &key);
    let tls = "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n";
    let rest = format!(
        "http_server_config: {{headers: {{X-Frame-Options: deny}}}}\nbasic_auth_users: {{alice: {HASH}}}\n"
    );
    write(folder.path(), "web.yml", &format!("{tls}{rest}"));
    let flag = format!("--web.config.file={}", folder.path().join("web.yml").display());
    let mut server = Server::begin(pyrrha(), &["server"], folder.path(), &[&flag]);
    let good = with_password(trusting(&cert), "open sesame");
    wait_for("the server to be ready", LIMIT, || {
        assert!(server.program.is_running(), "it ended:\n{}", server.program.log());
        (ask(server.port, "/-/ready", &good).ok()?.0 == 200).then_some(())
    });
    let (status, headers) = ask(server.port, "/api/v1/query?query=1", &good).unwrap();
    assert_eq!((status, headers["x-frame-options"].as_str()), (200, "deny"));
    for stranger in [trusting(&cert), with_password(trusting(&cert), "x")] {
        let (status, headers) = ask(server.port, "/-/healthy", &stranger).unwrap();
        assert_eq!((status, headers["www-authenticate"].as_str()), (401, "Basic"));
        assert_eq!(headers["x-frame-options"], "deny");
    }
    assert!(http::get(server.port, "/-/healthy").is_none_or(|it| it.status != 200), "without TLS");

    // A file that is broken lets nobody in, and its repair lets all in again: with another certificate, and no users.
    write(folder.path(), "web.yml", "tls_server_config: {");
    assert!(ask(server.port, "/-/ready", &good).is_err());
    let (cert, key) = certificate("127.0.0.1");
    write(folder.path(), "cert.pem", &cert);
    write(folder.path(), "key.pem", &key);
    write(folder.path(), "web.yml", tls);
    assert!(ask(server.port, "/-/ready", &good).is_err_and(|it| it.contains("certificate")));
    assert_eq!(ask(server.port, "/-/ready", &trusting(&cert)).unwrap().0, 200);

    // From now on clients have to show a certificate, of one that is trusted, with the right name.
    let (client_cert, client_key) = certificate("client.test");
    write(folder.path(), "ca.pem", &client_cert);
    let asks = |name: &str| {
        format!(
            "tls_server_config: {{cert_file: cert.pem, key_file: key.pem, client_ca_file: ca.pem, \
             client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: [{name}]}}\n"
        )
    };
    write(folder.path(), "web.yml", &asks("client.test"));
    assert!(ask(server.port, "/-/ready", &trusting(&cert)).is_err());
    let mut known = trusting(&cert);
    known.tls.cert = Some(Source::Inline(client_cert));
    known.tls.key = Some(Source::Inline(client_key));
    assert_eq!(ask(server.port, "/-/ready", &known).unwrap().0, 200);
    write(folder.path(), "web.yml", &asks("other.test"));
    assert!(ask(server.port, "/-/ready", &known).is_err());
}

#[test]
fn a_broken_file_refuses_requests_without_tls_too() {
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &config("1s", "none", &[]));
    write(folder.path(), "web.yml", "");
    let flag = format!("--web.config.file={}", folder.path().join("web.yml").display());
    let server = Server::ours(folder.path(), &[&flag]);
    let status = || http::get(server.port, "/-/healthy").map(|it| (it.status, it.body));
    assert_eq!(status().unwrap().0, 200);
    write(folder.path(), "web.yml", "nonsense: 1");
    assert_eq!(status().unwrap(), (500, "Internal Server Error\n".into()));
    write(folder.path(), "web.yml", "rate_limit: {interval: 1h, burst: 2}");
    assert_eq!([(); 3].map(|()| status().unwrap().0), [200, 200, 429]);
}

#[test]
fn a_file_that_cannot_work_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_config(folder.path(), "global: {}");
    let (good, bad) = (folder.path().join("good.yml"), folder.path().join("bad.yml"));
    std::fs::write(&good, "").unwrap();
    std::fs::write(&bad, "tls_server_config: {cert_file: none, key_file: none}").unwrap();
    let none = folder.path().join("none");
    let why = format!(
        "failed to read cert_file ({0}): open {0}: no such file or directory",
        none.display()
    );
    let out = Command::new(pyrrha())
        .args(["server", "--web.listen-address=127.0.0.1:0"])
        .arg(format!("--config.file={}", path.display()))
        .arg(format!("--web.config.file={}", bad.display()))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{text}");
    assert!(text.contains(&why), "{text}");

    let out = Command::new(pyrrha())
        .args(["promtool", "check", "web-config"])
        .args([&good, &bad])
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(1));
    let expected = format!("{} SUCCESS\n{} FAILED: {why}\n", good.display(), bad.display());
    assert_eq!(String::from_utf8_lossy(&out.stderr), expected);
}

#[test]
fn a_changed_configuration_is_loaded_without_being_told() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        |interval: &str| format!("scrape_config_files: [jobs.yml]\n{}", config(interval, "a", &[]));
    let jobs = |name: &str| format!("scrape_configs: [{{job_name: {name}}}]\n");
    write_config(folder.path(), &text("1s"));
    write(folder.path(), "jobs.yml", &jobs("b"));
    let flags = ["--config.auto-reload", "--config.auto-reload-interval=1s"];
    let server = Server::ours(folder.path(), &flags);
    let pools = || {
        let pools = http::api(server.port, "scrape_pools")["scrapePools"].take();
        let mut names: Vec<String> = serde_json::from_value(pools).expect("names");
        names.sort();
        names.join(" ")
    };
    assert_eq!(pools(), "a b");
    write(folder.path(), "jobs.yml", &jobs("c"));
    wait_for("the other job", LIMIT, || (pools() == "a c").then_some(()));
    write(folder.path(), "prometheus.yml", "nonsense");
    let failed = "prometheus_config_last_reload_successful 0";
    let page = || http::get(server.port, "/metrics").map(|it| it.body).unwrap_or_default();
    wait_for("the failure", LIMIT, || page().contains(failed).then_some(()));
    assert_eq!(pools(), "a c");
    write(folder.path(), "prometheus.yml", &text("2s"));
    wait_for("the repair", LIMIT, || (!page().contains(failed)).then_some(()));
}
