//! Budgets, time, cancellation.

use std::sync::Arc;
use std::time::Duration;

use promql_engine::{Engine, Options, QueryError, QueryOptions, StepSamples};
use storage::ReadError;

use crate::memory::Memory;
use crate::{Bench, MINUTE};

fn run(options: Options, options_of_query: &QueryOptions, query: &str) -> Result<u64, QueryError> {
    let memory = Memory::default();
    (0..50).for_each(|at| memory.load(MINUTE, &format!("m{{i=\"{at}\"}} 0+1x1000")));
    let engine = Engine::new(options, Arc::new(stdx::SystemClock::default()));
    let result = engine.range(&memory, query, (0, 1000 * MINUTE, MINUTE), options_of_query)?;
    Ok(result.stats.bytes_peak)
}

#[test]
fn holds_to_its_budget() {
    let query_options = QueryOptions::default();
    let with = |memory_max_bytes, samples_max| Options {
        memory_max_bytes,
        samples_max,
        ..Options::default()
    };
    // 50 series of 1001 steps are 400 kB; their sum needs a column or two.
    let folded = run(with(100_000, 10_000), &query_options, "sum(m)").expect("a sum is small");
    assert!(folded < 100_000, "{folded}");
    let error =
        run(with(100_000, 1_000_000), &query_options, "m").expect_err("all columns are kept");
    assert_eq!(error, QueryError::TooMuchMemory { max_bytes: 100_000 });
    assert_eq!(
        error.to_string(),
        "query processing would use more than 100000 bytes of memory in query execution"
    );
    let error = run(with(1 << 30, 10_000), &query_options, "m").expect_err("all columns are kept");
    assert_eq!(
        error.to_string(),
        "query processing would load too many samples into memory in query execution"
    );
    let error = run(with(1 << 30, 1_000_000), &query_options, "sum_over_time(vector(1)[200y:1ms])");
    assert_eq!(error, Err(QueryError::TooManySamples));
}

#[test]
fn gives_up_when_told() {
    let query_options = QueryOptions::default();
    query_options.cancel.cancel();
    assert_eq!(run(Options::default(), &query_options, "m"), Err(QueryError::Canceled));
    let options = Options { timeout: Duration::ZERO, ..Options::default() };
    assert_eq!(run(options, &QueryOptions::default(), "m"), Err(QueryError::Timeout));
    assert_eq!(QueryError::Timeout.to_string(), "query timed out in expression evaluation");
}

#[test]
fn evaluates_the_deepest_queries() {
    let bench = Bench::new(10, "m_total 0+60x10");
    let chain = vec!["m_total"; 240].join(" + ");
    bench.check(&chain, "{} 144000");
    let chain = vec!["m_total"; 240].join(" or ");
    bench.check(&chain, "{__name__=\"m_total\"} 600");
    let nested =
        |open: &str, close: &str, n: usize| format!("{}m_total{}", open.repeat(n), close.repeat(n));
    bench.check(&nested("abs(", ")", 98), "{} 600");
    bench.check(&nested("(", ")", 98), "{__name__=\"m_total\"} 600");
    bench.check(&nested("sum(", ")", 98), "{} 600");
    bench.check(&nested("last_over_time(", "[1m:1m])", 98), "{__name__=\"m_total\"} 600");
    bench.check(
        &format!("{}1{}", "vector(scalar(".repeat(48), "))".repeat(48)).replacen(
            "scalar(1)",
            "1",
            1,
        ),
        "{} 1",
    );
}

#[test]
fn shares_equal_parts() {
    let bench = Bench::new(10, "a_total 0+60x10\nb_total 0+60x10");
    let read = |query: &str| {
        let result = bench.engine.instant(&bench.memory, query, bench.t, &QueryOptions::default());
        result.expect("the query is well").stats.samples.read
    };
    let once = read("sum(rate(a_total[5m]))");
    assert_eq!(read("sum(rate(a_total[5m])) / sum(rate(a_total[5m]))"), once);
    assert_eq!(read("sum(rate(a_total[5m])) / sum(rate(b_total[5m]))"), 2 * once);
}

#[test]
fn lookups_have_the_limits_of_queries() {
    let clock = Arc::new(stdx::SystemClock::default());
    let engine = Engine::new(Options { memory_max_bytes: 1000, ..Options::default() }, clock);
    let mut lookup = engine.look_up(&QueryOptions::default());
    assert_eq!(lookup.keep(700), Ok(()));
    assert_eq!(lookup.guard().check(200), Ok(()));
    assert_eq!(lookup.guard().holding(200).check(200), Err(ReadError::Interrupted));
    assert_eq!(lookup.keep(400), Err(ReadError::Interrupted));
    assert_eq!(lookup.error(ReadError::Interrupted), QueryError::TooMuchMemory { max_bytes: 1000 });
    let hold = lookup.into_hold();
    assert_ne!(engine.pool().held(), 0);
    drop(hold);
    assert_eq!(engine.pool().held(), 0);

    let options = QueryOptions::default();
    let mut lookup = engine.look_up(&options);
    options.cancel.cancel();
    assert_eq!(lookup.guard().check(0), Err(ReadError::Interrupted));
    assert_eq!(lookup.keep(1), Err(ReadError::Interrupted));
    assert_eq!(lookup.error(ReadError::Interrupted), QueryError::Canceled);

    let options = QueryOptions { timeout: Some(Duration::ZERO), ..QueryOptions::default() };
    let lookup = engine.look_up(&options);
    assert_eq!(lookup.guard().check(0), Err(ReadError::Interrupted));
    assert_eq!(lookup.error(ReadError::Interrupted), QueryError::Timeout);
}

#[test]
fn counts_samples_by_step() {
    let options = Options { per_step_stats: true, ..Options::default() };
    let bench = Bench::with(options, 0, "m 0+1x10\nh {{count:1 sum:1}}x10");
    let count = |query: &str, (from, to): (i64, i64), per_step_stats: bool| {
        let range = (from * MINUTE, to * MINUTE, MINUTE);
        let options = QueryOptions { per_step_stats, ..QueryOptions::default() };
        bench.engine.range(&bench.memory, query, range, &options).expect("the query is well").stats
    };
    let check = |query: &str, range: (i64, i64), expected: &str| {
        let stats = count(query, range, true);
        let steps: Vec<String> =
            stats.steps.iter().map(|it| format!("{}/{}", it.queryable, it.read)).collect();
        assert_eq!(steps.join(" "), expected, "{query}");
        let sum = |of: fn(&StepSamples) -> u64| stats.steps.iter().map(of).sum::<u64>();
        let sum = StepSamples { queryable: sum(|it| it.queryable), read: sum(|it| it.read) };
        assert_eq!(stats.samples, sum, "{query}");
        let plain = count(query, range, false);
        assert_eq!((plain.samples, &plain.steps[..]), (sum, &[][..]), "{query}");
    };
    check("m", (0, 3), "1/1 1/1 1/1 1/1");
    check("m + m", (9, 12), "2/2 2/2 2/2 2/2");
    check("rate(m[2m])", (0, 3), "1/1 2/1 2/1 2/1");
    check("rate(m[30s])", (0, 2), "1/1 1/1 1/1");
    check("rate(h[2m])", (0, 3), "1/1 2/1 2/1 2/1");
    check("max_over_time(m[2m])", (0, 3), "1/1 2/1 2/1 2/1");
    check("sum(rate(m[2m] @ 300))", (0, 3), "2/2 2/0 2/0 2/0");
    check("predict_linear(m[2m] @ 300, 1)", (0, 3), "2/2 2/0 2/0 2/0");
    check("1", (0, 2), "0/0 0/0 0/0");
    // What the subquery reads, and what the windows over it hold.
    check("sum_over_time(m[2m:1m])", (4, 6), "2/6 2/1 2/1");
    check("sum_over_time(sum(rate(m[2m]))[2m:1m])", (4, 6), "2/7 2/1 2/1");
}
