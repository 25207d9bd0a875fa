//! What a query allocates is charged before: one that is past its budget never held much more than that, and
//! has given all back; one that is within is charged what it took.

#[path = "engine/memory.rs"]
mod memory;

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use memory::Memory;
use promql_engine::{Engine, Options, QueryError, QueryOptions, QueryResult};

/// Counts what is allocated, and the most there was.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn count(bytes: usize) {
    PEAK.fetch_max(HELD.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

// SAFETY: all is left to the system's allocator; counting allocates nothing.
#[expect(unsafe_code, reason = "an allocator is unsafe to be")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test measures at a time.
static ALONE: Mutex<()> = Mutex::new(());

const MINUTE: i64 = 60_000;
const STEPS: i64 = 1000;
const N_SERIES: usize = 600;

/// Queries that hold much, each in its own way.
const QUERIES: [&str; 42] = [
    "m",
    "-m",
    "m * 2",
    "m + m",
    "m + on(i) group_left() m",
    "m and m",
    "m or m",
    "m unless on(x) n",
    "m * on(i) group_left() (m > 5)",
    "m == on(i) group_right() (m > 5)",
    "sum by (i) (m)",
    "avg by (i) (m)",
    "max by (i) (m)",
    "stddev by (i) (m)",
    "count by (i) (m)",
    "quantile by (i) (0.5, m)",
    "quantile(0.5, m)",
    "topk by (i) (1, m)",
    "topk(500, m)",
    "bottomk by (i) (5, m)",
    "limitk(1500, m)",
    "limit_ratio(0.9, m)",
    "rate(m[5m])",
    "max_over_time(m[5m:1m])",
    "sum_over_time((m * 2)[500m:1m])",
    "absent(m)",
    "label_replace(m, \"new\", \"$1-$1-$1\", \"i\", \"(.*)\")",
    "label_join(m, \"new\", \"-\", \"i\", \"i\", \"i\", \"i\")",
    "histogram_quantile(0.9, m)",
    "histogram_quantiles(m, \"q\", 0.1, 0.5, 0.9)",
    "sort_by_label(m, \"i\")",
    "h",
    "-h",
    "h * 2",
    "h + h",
    "sum by (i) (h)",
    "avg by (i) (h)",
    "rate(h[5m])",
    "sum_over_time(h[5m])",
    "last_over_time((h * 2)[100m:1m])",
    "histogram_quantile(0.9, h)",
    "time() + (time() + (time() + (time() + vector(1))))",
];

fn storage() -> Memory {
    let memory = Memory::default();
    for at in 0..N_SERIES {
        memory.load(
            MINUTE,
            &format!("m{{i=\"{at}\",j=\"{}\",le=\"{}\"}} {at}+7x{STEPS}", at % 7, at % 10),
        );
    }
    let buckets = (0..60).fold(String::new(), |mut out, at| {
        let _ = write!(out, "{at} ");
        out
    });
    for at in 0..40 {
        memory.load(
            MINUTE,
            &format!(
                "h{{i=\"{at}\"}} {{{{schema:3 sum:{at} count:9 buckets:[{}]}}}}x100",
                buckets.trim()
            ),
        );
    }
    memory
}

fn engine(memory_max_bytes: u64) -> Engine {
    let parser = promql::Options {
        experimental_functions: true,
        extended_range_selectors: true,
        fill_modifiers: true,
    };
    let options = Options {
        memory_max_bytes,
        samples_max: u64::MAX >> 8,
        threads: 2,
        parser,
        ..Options::default()
    };
    Engine::new(options, Arc::new(stdx::SystemClock::default()))
}

/// Runs a query; says besides what it allocated at most, and what is left when all is dropped.
fn run(
    engine: &Engine,
    memory: &Memory,
    query: &str,
    steps: i64,
) -> (Result<QueryResult, QueryError>, usize) {
    let before = HELD.load(Relaxed);
    PEAK.store(before, Relaxed);
    let options = QueryOptions::default();
    let result = engine.range(memory, query, (0, steps * MINUTE, MINUTE), &options);
    (result, PEAK.load(Relaxed) - before)
}

/// What a query may take that is not charged: its plan, its threads, the series that this storage copies.
const UNCHARGED_MAX: usize = 2 << 20;

#[test]
fn holds_no_more_than_its_budget() {
    const BUDGET: usize = 4 << 20;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (memory, engine) = (storage(), engine(BUDGET as u64));
    let mut wrong: Vec<String> = Vec::new();
    let heavier =
        ["count_values(\"v\", m)", "label_replace(m, \"a\", \"${1}${1}${1}\", \"i\", \"(.*)\")"];
    for query in QUERIES.into_iter().chain(heavier) {
        let before = HELD.load(Relaxed);
        let (result, peak) = run(&engine, &memory, query, STEPS);
        let outcome = match &result {
            Ok(it) => format!("ok, charged {}", it.stats.bytes_peak),
            Err(QueryError::TooMuchMemory { .. }) => "refused".to_owned(),
            Err(error) => format!("{error}"),
        };
        if BUDGET + UNCHARGED_MAX < peak {
            wrong.push(format!("{query}: {peak} bytes, {outcome}"));
        }
        drop(result);
        let left = HELD.load(Relaxed).saturating_sub(before);
        assert!(left < 64 << 10, "{query}: {left} bytes are left");
        assert_eq!(engine.pool().held(), 0, "{query}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn charges_what_it_takes() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (memory, engine) = (storage(), engine(u64::MAX >> 8));
    let mut wrong: Vec<String> = Vec::new();
    for query in QUERIES {
        let (result, peak) = run(&engine, &memory, query, STEPS);
        let result = match result {
            Ok(it) => it,
            Err(error) => panic!("{query}: {error}"),
        };
        let charged = usize::try_from(result.stats.bytes_peak).unwrap();
        if charged + UNCHARGED_MAX < peak {
            wrong.push(format!("{query}: took {peak}, was charged {charged}"));
        }
        drop(result);
        assert_eq!(engine.pool().held(), 0, "{query}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn queries_share_what_the_server_has() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (memory, engine) = (storage(), engine(u64::MAX >> 8));
    engine.pool().set_max(8 << 20);
    let answer = run(&engine, &memory, "m", STEPS).0.expect("it is 5 MB");
    let refused = run(&engine, &memory, "m", STEPS).0.expect_err("two are too much");
    assert_eq!(refused, QueryError::ServerMemory { max_bytes: 8 << 20 });
    run(&engine, &memory, "sum(m)", STEPS).0.expect("a small one has room beside");
    drop(answer);
    run(&engine, &memory, "m", STEPS).0.expect("the first one is gone");
    assert_eq!(engine.pool().held(), 0);
}
