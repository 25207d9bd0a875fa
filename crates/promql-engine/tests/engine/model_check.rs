//! Random data against naive computations, and one thread against several.

use std::sync::Arc;

use model::Labels;
use promql_engine::{Engine, Options, QueryOptions, QueryResult, Value};
use proptest::prelude::*;
use storage::Samples;

use crate::memory::Memory;

const STEP: i64 = 15_000;

fn engine(threads: usize) -> Engine {
    Engine::new(Options { threads, ..Options::default() }, Arc::new(stdx::SystemClock::default()))
}

fn range(engine: &Engine, memory: &Memory, query: &str, end: i64) -> QueryResult {
    engine
        .range(memory, query, (0, end, STEP), &QueryOptions::default())
        .expect("the query is well")
}

/// Gaps and values of one series.
fn series() -> impl Strategy<Value = Vec<(i64, f64)>> {
    let gap = prop_oneof![3 => Just(15_000i64), 1 => 1..100_000i64];
    let value = prop_oneof![6 => 0.0..1000.0, 1 => Just(f64::NAN), 1 => Just(0.0)];
    prop::collection::vec((gap, value), 1..60).prop_map(|rows| {
        let mut t = 0;
        rows.into_iter()
            .map(|(gap, v)| {
                t += gap;
                (t, v)
            })
            .collect()
    })
}

fn naive(rows: &[(i64, f64)], function: &str, range_ms: i64, t: i64) -> Option<f64> {
    let window: Vec<f64> =
        rows.iter().filter(|(at, _)| t - range_ms < *at && *at <= t).map(|(_, v)| *v).collect();
    let (first, rest) = window.split_first()?;
    let pairs = || window.windows(2);
    Some(match function {
        "count_over_time" => window.len() as f64,
        "last_over_time" => *window.last()?,
        "max_over_time" => {
            rest.iter().fold(*first, |best, v| if best < *v || best.is_nan() { *v } else { best })
        }
        "min_over_time" => {
            rest.iter().fold(*first, |best, v| if *v < best || best.is_nan() { *v } else { best })
        }
        "changes" => pairs()
            .filter(|it| it[0] != it[1] && !(it[0].is_nan() && it[1].is_nan()))
            .count() as f64,
        "resets" => pairs().filter(|it| it[1] < it[0]).count() as f64,
        _ => unreachable!("no other function is compared"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn slides_as_if_every_window_were_new(rows in series(), range_s in 1..200i64) {
        let memory = Memory::default();
        let mut samples = Samples::default();
        rows.iter().for_each(|(t, v)| samples.push(*t, *v));
        memory.add(Labels::from_pairs([("__name__", "m")]), samples);
        let end = rows.last().map_or(0, |(t, _)| *t) + 300_000;
        for function in ["count_over_time", "last_over_time", "max_over_time", "min_over_time", "changes", "resets"] {
            let result = range(&engine(1), &memory, &format!("{function}(m[{range_s}s])"), end);
            let Value::Matrix(matrix) = result.value else { panic!("a range query answers a matrix") };
            for (step, t) in matrix.grid.times().enumerate() {
                let got = matrix.series.first().and_then(|it| it.column.float(step));
                let expected = naive(&rows, function, range_s * 1000, t);
                prop_assert_eq!(got.map(f64::to_bits), expected.map(f64::to_bits), "{} at {}", function, t);
            }
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let memory = Memory::default();
    let mut state = 7u64;
    let mut random = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / 7.0
    };
    for at in 0..200 {
        let labels = Labels::from_pairs([
            ("__name__", "m_total".to_owned()),
            ("i", at.to_string()),
            ("g", (at % 7).to_string()),
        ]);
        let mut samples = Samples::default();
        let mut v = 0.0;
        for t in 0..700 {
            v += random();
            samples.push(t * STEP, v * 1e3);
        }
        memory.add(labels, samples);
    }
    for query in [
        "sum(rate(m_total[5m]))",
        "avg by (g) (m_total)",
        "stddev by (g) (m_total)",
        "topk(3, rate(m_total[5m]))",
        "m_total / on (i) group_left sum by (i) (m_total)",
        "quantile by (g) (0.9, m_total)",
    ] {
        let [one, four] =
            [1, 4].map(|threads| range(&engine(threads), &memory, query, 700 * STEP).value);
        match (one, four) {
            (Value::Matrix(one), Value::Matrix(four)) => assert!(one == four, "{query}"),
            _ => panic!("a range query answers a matrix"),
        }
    }
}
