//! The engine against a naive evaluator, on random data and random expressions.
//!
//! Everything follows from a seed. `EXPRESSIONS` says how many expressions are evaluated (10,000),
//! `EXPRESSIONS_FROM` the seed of the first one (0; `now` takes the time). One that differs is said with its
//! seed, its data and both answers, as small as it still differs; `EXPRESSION=<seed> cargo test -p
//! pyrrha-promql-engine --test reference` evaluates it again. With `EXPRESSIONS_COVERAGE=1` a table says how
//! many expressions contained which part of the language.

mod compare;
mod coverage;
mod data;
mod naive;
mod query;
mod random;
mod run;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use coverage::Coverage;
use run::{Ended, QUERIES_A_WORLD, Stage};

const EXPRESSIONS: u64 = 10_000;

/// Expressions past which every part of the language must have occurred.
const COVERING: u64 = 5_000;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn answers_what_the_definitions_say() {
    if let Some(seed) = number("EXPRESSION") {
        return check(seed..seed + 1);
    }
    let first = match std::env::var("EXPRESSIONS_FROM").as_deref() {
        Ok("now") => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
            u64::try_from(now.as_millis()).expect("before the year 500 million")
        }
        _ => number("EXPRESSIONS_FROM").unwrap_or(0),
    };
    let n = number("EXPRESSIONS").unwrap_or(EXPRESSIONS);
    println!("{n} expressions from seed {first} on");
    check(first..first + n);
}

/// What one thread has seen.
#[derive(Default)]
struct Seen {
    answered: u64,
    refused: u64,
    coverage: Coverage,
    failures: Vec<String>,
}

fn check(seeds: Range<u64>) {
    let next = AtomicU64::new(seeds.start);
    let failed = AtomicBool::new(false);
    let all = number("EXPRESSIONS_ALL").is_some();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let work = || {
        let mut seen = Seen::default();
        let mut stage = Stage::of(seeds.start);
        loop {
            let first = next.fetch_add(QUERIES_A_WORLD, Ordering::Relaxed);
            for seed in first..first + QUERIES_A_WORLD {
                if seeds.end <= seed || failed.load(Ordering::Relaxed) && !all {
                    return seen;
                }
                if !stage.is_of(seed) {
                    stage = Stage::of(seed);
                }
                match run::run(seed, &stage) {
                    Ok(Ended::Answered(query)) => {
                        seen.answered += 1;
                        seen.coverage.add(&query.text);
                    }
                    Ok(Ended::Refused) => seen.refused += 1,
                    Err(text) => {
                        failed.store(true, Ordering::Relaxed);
                        seen.failures.push(text);
                    }
                }
            }
        }
    };
    let mut total = Seen::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            let seen = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            total.answered += seen.answered;
            total.refused += seen.refused;
            total.coverage.join(seen.coverage);
            total.failures.extend(seen.failures);
        }
    });
    println!("{} answered, {} refused by both", total.answered, total.refused);
    if number("EXPRESSIONS_COVERAGE").is_some() {
        println!("{}", total.coverage);
    }
    assert!(total.failures.is_empty(), "{}", total.failures.join("\n\n"));
    if COVERING <= seeds.end - seeds.start {
        assert_eq!(total.coverage.missing(), [""; 0], "never occurred");
    }
}
