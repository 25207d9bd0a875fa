//! A load generator: pages of Kubernetes-like series over HTTP, one listener for each peer.
//!
//! A page is a template made once; a scrape fills the values in, which depend on the target, the line and
//! the tick of the interval only, so that every peer reads the same numbers. Of the series 38 % are
//! constant, 41 % integers that move, 12 % have two decimals and the rest are full-precision doubles.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;

/// What the generator serves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) targets: usize,
    pub(crate) series: usize,
    pub(crate) interval_s: u64,
    /// Percent of the series that are replaced each minute.
    pub(crate) churn_percent: usize,
}

/// One listener and what it served.
pub(crate) struct Served {
    pub(crate) port: u16,
    state: Arc<State>,
}

/// Writes a page and returns how many lines it has; `None` if there is no such page.
pub(crate) type Pages = dyn Fn(&Page, &mut Vec<u8>) -> Option<usize> + Send + Sync;

/// What the threads of a listener share.
#[derive(Default)]
struct State {
    samples: AtomicU64,
    /// Lines of each page below `/flood/`.
    flood_lines: AtomicUsize,
}

impl Served {
    /// Samples served so far.
    pub(crate) fn samples(&self) -> u64 {
        self.state.samples.load(Relaxed)
    }

    /// From now on each page `/flood/N` has so many series of its own; until then it has one.
    pub(crate) fn flood(&self, lines: usize) {
        self.state.flood_lines.store(lines, Relaxed);
    }
}

/// Opens a listener on loopback that serves `/t/N` for each target and `/flood/N` for any N, from threads that
/// live as long as this process.
pub(crate) fn serve(shape: Shape, templates: &Arc<Vec<Vec<String>>>) -> Result<Served> {
    let state = Arc::new(State::default());
    let (shared, templates) = (Arc::clone(&state), Arc::clone(templates));
    let pages = move |page: &Page, out: &mut Vec<u8>| match *page {
        Page::Target(at) => {
            let lines = templates.get(at)?;
            render(out, lines, at, shape);
            Some(lines.len())
        }
        Page::Flood(at) => {
            let n = shared.flood_lines.load(Relaxed).max(1);
            (0..n).for_each(|line| render_flood(out, at, line));
            Some(n)
        }
    };
    listen(Arc::new(pages), state)
}

/// As [`serve`], with other pages.
pub(crate) fn serve_pages(pages: Arc<Pages>) -> Result<Served> {
    listen(pages, Arc::default())
}

fn listen(pages: Arc<Pages>, state: Arc<State>) -> Result<Served> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let shared = Arc::clone(&state);
    thread::spawn(move || {
        for stream in listener.incoming().filter_map(Result::ok) {
            let (state, pages) = (Arc::clone(&shared), Arc::clone(&pages));
            thread::spawn(move || answer(stream, &*pages, &state));
        }
    });
    Ok(Served { port, state })
}

/// Makes the lines of each target, without values.
pub(crate) fn templates(shape: Shape) -> Arc<Vec<Vec<String>>> {
    Arc::new(
        (0..shape.targets)
            .map(|target| (0..shape.series).map(|at| line(target, at)).collect())
            .collect(),
    )
}

fn line(target: usize, at: usize) -> String {
    const NAMES: [&str; 5] = [
        "http_request_duration_seconds_bucket",
        "http_requests_total",
        "container_memory_working_set_bytes",
        "grpc_server_handled_total",
        "process_open_connections",
    ];
    const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];
    let name = NAMES[at % NAMES.len()];
    let method = METHODS[at / NAMES.len() % METHODS.len()];
    format!(
        "{name}{{cluster=\"prod-eu-west-1\",namespace=\"payments\",service=\"checkout-api-{}\",\
         version=\"v2.0.3-5f7c9d00\",method=\"{method}\",handler=\"/api/v1/orders/{{id}}/{}\",shard=\"{}\",le=\"0.{}\"",
        target % 10,
        at % 40,
        at / 40,
        at % 12,
    )
}

fn answer(stream: TcpStream, pages: &Pages, state: &State) {
    let _ = stream.set_nodelay(true);
    let (mut input, mut out) = (BufReader::new(&stream), &stream);
    let (mut request, mut page, mut head) = (String::new(), Vec::new(), Vec::new());
    while let Some(asked) = read_request(&mut input, &mut request) {
        page.clear();
        let Some(n_lines) = pages(&asked, &mut page) else { return };
        head.clear();
        let _ = write!(
            head,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\r\n",
            page.len()
        );
        if out.write_all(&head).and_then(|()| out.write_all(&page)).is_err() {
            return;
        }
        state.samples.fetch_add(n_lines as u64, Relaxed);
    }
}

/// What a request asks for.
pub(crate) enum Page {
    Target(usize),
    Flood(usize),
}

/// Reads a request to its empty line; returns the page that its path names.
fn read_request(input: &mut BufReader<&TcpStream>, line: &mut String) -> Option<Page> {
    let mut page = None;
    loop {
        line.clear();
        if input.read_line(line).ok()? == 0 {
            return None;
        }
        let number = |path: &str| path.split([' ', '?']).next()?.parse().ok();
        if let Some(path) = line.strip_prefix("GET /t/") {
            page = number(path).map(Page::Target);
        } else if let Some(path) = line.strip_prefix("GET /flood/") {
            page = number(path).map(Page::Flood);
        }
        if line == "\r\n" {
            return page;
        }
    }
}

fn render(page: &mut Vec<u8>, lines: &[String], target: usize, shape: Shape) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let tick = now / shape.interval_s;
    for (at, line) in lines.iter().enumerate() {
        page.extend_from_slice(line.as_bytes());
        if at % 100 < shape.churn_percent {
            let _ = write!(page, ",pod=\"{}\"", now / 60);
        }
        page.extend_from_slice(b"} ");
        let seed = mix(target as u64 * 1_000_003 + at as u64);
        let noise = mix(seed ^ tick);
        let _ = match at % 100 {
            0..38 => writeln!(page, "{}", seed % 1000),
            38..79 => writeln!(page, "{}", tick % 100_000 * (seed % 50) + noise % (seed % 50 + 1)),
            79..91 => writeln!(page, "{}.{:02}", noise % 1000, noise / 1000 % 100),
            #[expect(clippy::cast_precision_loss, reason = "any full-precision double will do")]
            _ => writeln!(page, "{}", noise as f64 / 1e13),
        };
    }
}

/// A series whose identity is a number nobody needed: what a bug in an exporter looks like.
fn render_flood(page: &mut Vec<u8>, target: usize, at: usize) {
    let id = mix(target as u64 * 1_000_003 + at as u64);
    let _ = writeln!(
        page,
        "http_request_errors_total{{cluster=\"prod-eu-west-1\",namespace=\"payments\",service=\"checkout-api\",\
         handler=\"/api/v1/orders/{{id}}\",request_id=\"{id:016x}\"}} {}",
        at % 7
    );
}

/// `splitmix64`: spreads a number over all bits.
pub(super) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
