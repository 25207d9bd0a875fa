//! A page whose lines are known is scraped without an allocation for a sample: from the socket to the batch that
//! the database has committed.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use client::Registry;
use model::{Labels, TargetGroup};
use scrape::{Health, Job, Manager, Parts};
use stdx::{SystemClock, SystemDirectory};
use tsdb::{Db, Options};

/// Counts what is allocated in this process; memory that grows is allocated again.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is left to the system's allocator; counting allocates nothing.
#[expect(unsafe_code, reason = "an allocator is unsafe to be")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const LINES: usize = 10_000;
const SCRAPES: usize = 12;

/// What the request, the answer's head and the report take, whatever the page: some 50.
const FIXED_MAX: usize = 100;

/// Chunks that grow: now and then, each time to twice their size; some 8,000 over all scrapes.
const GROWTH_MAX: usize = 2 * LINES;

/// The page of scrape `n`: a third of the values stands still, the others move.
fn answer(n: usize) -> Vec<u8> {
    let mut page =
        "# HELP requests_total Requests answered.\n# TYPE requests_total counter\n".to_owned();
    for at in 0..LINES {
        let labels = format!("code=\"200\",handler=\"/api/v1/items/{at}\",zone=\"eu-central-1a\"");
        let value = if at % 3 == 0 { at } else { at + n * (at % 50) };
        let _ = writeln!(page, "requests_total{{{labels}}} {value}");
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4";
    format!("{head}\r\nContent-Length: {}\r\n\r\n{page}", page.len()).into_bytes()
}

/// Gives the answers one after the other; says with each request how much was allocated so far. It allocates nothing.
fn serve(mut stream: TcpStream, answers: &[Vec<u8>], allocated: &Sender<usize>) {
    for answer in answers {
        let (mut request, mut len) = ([0; 4096], 0);
        while !request[..len].ends_with(b"\r\n\r\n") {
            len += stream.read(&mut request[len..]).expect("a request");
        }
        allocated.send(ALLOCATIONS.load(Relaxed)).expect("it is waited for");
        stream.write_all(answer).expect("it is read");
    }
}

#[test]
fn a_known_page_allocates_nothing_for_a_sample() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let answers: Vec<Vec<u8>> = (0..SCRAPES).map(answer).collect();
    let (sender, receiver) = channel();
    thread::spawn(move || serve(listener.accept().expect("a connection").0, &answers, &sender));

    let folder = tempfile::tempdir().expect("a folder");
    let directory = Arc::new(SystemDirectory::new(folder.path()));
    let (clock, registry) = (Arc::new(SystemClock::default()), Registry::default());
    let db = Db::open(Options::default(), directory, clock.clone(), &registry).expect("opens");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let manager = Manager::new(Parts {
        appendable: Arc::new(db),
        clock,
        registry: &registry,
        user_agent: "pyrrha/1".into(),
        page_bytes: 0,
        alignment_ms_max: 2,
        runtime: runtime.handle().clone(),
    });
    assert_eq!(manager.apply(vec![Job::new("j", 500, 500)], 0), []);
    let targets = vec![Labels::from_pairs([("__address__", address.as_str())])];
    let group = TargetGroup { source: String::new(), targets, labels: Labels::empty() };
    manager.update("j", &[Arc::new(group)]);

    let next = || receiver.recv_timeout(Duration::from_secs(60)).expect("a scrape");
    let seen: Vec<usize> = (0..SCRAPES).map(|_| next()).collect();
    let last = manager.pools()[0].active[0].last.clone();
    assert_eq!((last.health, last.error.as_str()), (Health::Up, ""));
    runtime.block_on(manager.stop());

    let of_scrapes: Vec<usize> = seen.windows(2).map(|it| it[1] - it[0]).collect();
    println!("allocations of each scrape of {LINES} lines: {of_scrapes:?}");
    // The first one brings the series, the second one their first chunks.
    let known = &of_scrapes[2..];
    let (leanest, all) = (known.iter().min().expect("some"), known.iter().sum::<usize>());
    assert!(*leanest < FIXED_MAX, "{of_scrapes:?}");
    assert!(all < GROWTH_MAX, "{of_scrapes:?}");
}
