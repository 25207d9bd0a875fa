//! Random queries: a range query answers at each step what an instant query answers there, whatever the
//! number of threads; no query panics.

use std::collections::BTreeMap;
use std::sync::Arc;

use promql_engine::{Engine, Options, PointRef, QueryError, QueryOptions, Value};
use proptest::prelude::*;

use crate::MINUTE;
use crate::memory::Memory;

const SERIES: &str = r#"
    a{x="1", y="1"} 0+1x20
    a{x="1", y="2"} 5 4 3 2 1 0 1 2 3 4 5 6 7 stale
    a{x="2", y="1"} _ _ 1 2 NaN 4 _ _ 7 8 9 _ _ _ _ _ 3
    b{x="1"} 1 2 4 8 16 32 64 0 1 2 4 8 16 32
    b{x="2"} 7x20
    b{x="3"} Inf -1 Inf -1 Inf -1
    c_total 0+60x20
    c_total{x="1"} 3 stale _ 4 5 stale _ 9 10
    h_bucket{le="1"} 0+1x20
    h_bucket{le="2"} 0+2x20
    h_bucket{le="+Inf"} 0+3x20
"#;

fn selector() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "a",
        "b",
        "c_total",
        "h_bucket",
        "none",
        "{x=\"1\"}",
        "a{y=\"1\"}",
    ]);
    let modifier = prop::sample::select(vec![
        "",
        "",
        "",
        " offset 2m",
        " @ 300",
        " offset -1m",
        " @ 120 offset 1m",
    ]);
    (name, modifier).prop_map(|(name, modifier)| format!("{name}{modifier}"))
}

fn range() -> impl Strategy<Value = String> {
    let length = prop::sample::select(vec!["[1m]", "[3m]", "[5m]", "[90s]", "[10m]"]);
    let name = prop::sample::select(vec!["a", "b", "c_total", "none", "{x=\"1\"}"]);
    let modifier = prop::sample::select(vec!["", "", " offset 2m", " @ 300"]);
    (name, length, modifier)
        .prop_map(|(name, length, modifier)| format!("{name}{length}{modifier}"))
}

fn scalar() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["1", "0.5", "time()", "scalar(b{x=\"1\"})", "NaN", "-2", "pi()"])
        .prop_map(str::to_owned)
}

/// Functions of one range vector.
const OVER: &[&str] = &[
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "deriv",
    "changes",
    "resets",
    "avg_over_time",
    "sum_over_time",
    "min_over_time",
    "max_over_time",
    "count_over_time",
    "last_over_time",
    "first_over_time",
    "stddev_over_time",
    "present_over_time",
    "absent_over_time",
    "mad_over_time",
];

fn vector() -> impl Strategy<Value = String> {
    let over = prop::sample::select(OVER.to_vec());
    let leaf = prop_oneof![
        selector(),
        (over.clone(), range()).prop_map(|(f, range)| format!("{f}({range})")),
        (scalar(), range()).prop_map(|(s, range)| format!("quantile_over_time({s}, {range})")),
        scalar().prop_map(|s| format!("vector({s})")),
    ];
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let function = prop::sample::select(vec![
            "abs",
            "ceil",
            "exp",
            "timestamp",
            "hour",
            "absent",
            "sgn",
            "-",
            "+",
        ]);
        let aggregation = prop::sample::select(vec![
            "sum",
            "avg",
            "min",
            "max",
            "count",
            "group",
            "stddev",
            "stdvar",
            "quantile(0.3, ",
            "topk(2, ",
            "bottomk(1, ",
            "count_values(\"v\", ",
            "limitk(1, ",
        ]);
        let clause = prop::sample::select(vec![
            "",
            " by (x)",
            " without (x)",
            " by (x, y)",
            " by (__name__)",
        ]);
        let operator = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "^", "==", "!=", ">", "< bool", "atan2", ">= bool",
        ]);
        let set = prop::sample::select(vec!["and", "or", "unless"]);
        let matching = prop::sample::select(vec![
            "",
            " on (x)",
            " ignoring (y)",
            " on ()",
            " on (x) group_left",
            " on (x) group_right (y)",
            " ignoring (y) group_left (y)",
        ]);
        let set_matching = prop::sample::select(vec!["", " on (x)", " ignoring (y)", " on ()"]);
        let over = over.clone();
        prop_oneof![
            (function, inner.clone()).prop_map(|(f, v)| format!("{f}({v})")),
            (aggregation, clause, inner.clone()).prop_map(|(op, clause, v)| {
                match op.split_once('(') {
                    Some((op, param)) => format!("{op}{clause} ({param}{v})"),
                    None => format!("{op}{clause} ({v})"),
                }
            }),
            (inner.clone(), operator.clone(), scalar())
                .prop_map(|(v, op, s)| format!("({v}) {op} {s}")),
            (scalar(), operator.clone(), inner.clone())
                .prop_map(|(s, op, v)| format!("{s} {op} ({v})")),
            (inner.clone(), operator, matching, inner.clone())
                .prop_map(|(l, op, matching, r)| format!("({l}) {op}{matching} ({r})")),
            (inner.clone(), set, set_matching, inner.clone())
                .prop_map(|(l, op, matching, r)| format!("({l}) {op}{matching} ({r})")),
            (over, inner.clone()).prop_map(|(f, v)| format!("{f}(({v})[4m:1m])")),
            inner.clone().prop_map(|v| format!("clamp({v}, 0, 3)")),
            inner.clone().prop_map(|v| format!("histogram_quantile(0.7, {v})")),
            inner
                .clone()
                .prop_map(|v| format!("label_replace({v}, \"z\", \"$1\", \"x\", \"(.*)\")")),
            inner.prop_map(|v| format!("label_replace({v}, \"x\", \"1\", \"\", \"\")")),
        ]
    })
}

/// Labels and bits of the values at one step.
type Step = BTreeMap<String, u64>;

fn engine(threads: usize, delayed_name_removal: bool) -> Engine {
    let options = Options {
        threads,
        delayed_name_removal,
        parser: promql::Options::ALL,
        ..Options::default()
    };
    Engine::new(options, Arc::new(stdx::SystemClock::default()))
}

/// All NaN are one: which of two an addition keeps is up to the compiler.
fn bits(v: f64) -> u64 {
    if v.is_nan() { f64::NAN.to_bits() } else { v.to_bits() }
}

fn steps(engine: &Engine, memory: &Memory, query: &str) -> Result<Vec<Step>, QueryError> {
    let range = (2 * MINUTE, 18 * MINUTE, MINUTE);
    let result = engine.range(memory, query, range, &QueryOptions::default())?;
    let Value::Matrix(matrix) = result.value else { panic!("a range query answers a matrix") };
    let mut all = vec![Step::new(); matrix.grid.len];
    for series in &matrix.series {
        for (step, point) in series.column.points() {
            let PointRef::Float(v) = point else { panic!("there are floats only") };
            let known = all[step].insert(series.labels.to_string(), bits(v));
            assert_eq!(known, None, "{query}: labels are unique");
        }
    }
    Ok(all)
}

fn at(engine: &Engine, memory: &Memory, query: &str, step: i64) -> Result<Step, QueryError> {
    let result = engine.instant(memory, query, (2 + step) * MINUTE, &QueryOptions::default())?;
    let Value::Vector { elements, .. } = result.value else { panic!("{query} is a vector") };
    let float = |it: &promql_engine::Point| match it {
        promql_engine::Point::Float(v) => bits(*v),
        promql_engine::Point::Histogram(_) => panic!("there are floats only"),
    };
    Ok(elements.iter().map(|it| (it.labels.to_string(), float(&it.point))).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn steps_are_instants(query in vector(), delayed in any::<bool>()) {
        let memory = Memory::default();
        memory.load(MINUTE, SERIES);
        let engine = engine(1, delayed);
        match steps(&engine, &memory, &query) {
            Ok(all) => for (step, expected) in all.iter().enumerate() {
                let got = at(&engine, &memory, &query, i64::try_from(step).expect("few"));
                prop_assert_eq!(got.as_ref(), Ok(expected), "{} at step {}", &query, step);
            },
            // What fails at no step alone fails in a range only because whole series clash.
            Err(error) => {
                let at = |step| at(&engine, &memory, &query, step);
                let fails = (0..17).any(|step| at(step).is_err());
                let clash = error.to_string().contains("same labelset");
                prop_assert!(fails || clash, "{}: {}", &query, error);
            }
        }
    }
}
