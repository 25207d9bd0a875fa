//! What the tests of the whole program share.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use testkit::{Program, free_port, http, wait_for};

/// How long a server may take to become ready.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// A server under test, ours or a peer's, that keeps its data in a folder of its own.
pub(crate) struct Server {
    pub(crate) program: Program,
    pub(crate) port: u16,
}

/// The program under test.
pub(crate) fn pyrrha() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_pyrrha"))
}

impl Server {
    /// Starts `pyrrha server` on `folder/prometheus.yml` and `folder/data`, and waits until it is ready.
    pub(crate) fn ours(folder: &Path, flags: &[&str]) -> Self {
        Self::start(pyrrha(), &["server"], folder, flags)
    }

    /// Starts another program with Prometheus's flags on the same files, and waits until it is ready.
    pub(crate) fn start(program: &Path, before: &[&str], folder: &Path, flags: &[&str]) -> Self {
        let mut server = Self::begin(program, before, folder, flags);
        let prefix =
            flags.iter().find_map(|it| it.strip_prefix("--web.route-prefix=")).unwrap_or("");
        server.wait_ready(prefix);
        server
    }

    /// As [`Server::start`], without waiting.
    pub(crate) fn begin(program: &Path, before: &[&str], folder: &Path, flags: &[&str]) -> Self {
        let port = free_port();
        let config = format!("--config.file={}", folder.join("prometheus.yml").display());
        let data = format!("--storage.tsdb.path={}", folder.join("data").display());
        let listen = format!("--web.listen-address=127.0.0.1:{port}");
        let args: Vec<&str> = before
            .iter()
            .copied()
            .chain([&config[..], &data, &listen])
            .chain(flags.iter().copied())
            .collect();
        let log = folder.join(format!("log-{port}"));
        Self { program: Program::start(program, &args, folder, &log), port }
    }

    /// Waits until it is ready.
    pub(crate) fn wait_ready(&mut self, prefix: &str) {
        let ready = format!("{prefix}/-/ready");
        wait_for("the server to be ready", READY_LIMIT, || {
            let is_running = self.program.is_running();
            assert!(is_running, "it ended:\n{}", self.program.log());
            (http::get(self.port, &ready)?.status == 200).then_some(())
        });
    }
}

/// Serves pages on loopback from threads that live as long as the test. `page` makes the body, in the text
/// format, from the path.
pub(crate) fn serve_pages(page: impl Fn(&str) -> String + Send + Sync + 'static) -> u16 {
    serve_typed(move |path| ("text/plain; version=0.0.4", page(path).into_bytes()))
}

/// As [`serve_pages`], with a `Content-Type` for each page.
pub(crate) fn serve_typed(
    page: impl Fn(&str) -> (&'static str, Vec<u8>) + Send + Sync + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let page = Arc::new(page);
    thread::spawn(move || {
        for stream in listener.incoming().filter_map(Result::ok) {
            let page = Arc::clone(&page);
            thread::spawn(move || answer(stream, page.as_ref()));
        }
    });
    port
}

fn answer(mut stream: TcpStream, page: &dyn Fn(&str) -> (&'static str, Vec<u8>)) -> Option<()> {
    let mut input = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut request = String::new();
        loop {
            if input.read_line(&mut request).ok()? == 0 {
                return None;
            }
            if request.ends_with("\r\n\r\n") {
                break;
            }
        }
        let (content_type, body) = page(request.split(' ').nth(1)?);
        let len = body.len();
        let head = format!("Content-Type: {content_type}\r\nContent-Length: {len}\r\n\r\n");
        stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}").as_bytes()).ok()?;
        stream.write_all(&body).ok()?;
    }
}

/// A configuration with one job that scrapes these targets.
pub(crate) fn config(interval: &str, job: &str, targets: &[String]) -> String {
    format!(
        "global:\n  scrape_interval: {interval}\n  scrape_timeout: {interval}\nscrape_configs:\n- job_name: {job}\n  \
         static_configs:\n  - targets: {targets:?}\n"
    )
}

/// Writes `prometheus.yml` into `folder`.
pub(crate) fn write_config(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("prometheus.yml");
    std::fs::write(&path, text).expect("the configuration can be written");
    path
}
