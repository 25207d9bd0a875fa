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

/// True if what an instant query got differs from the step of a range query in metric names only. With names
/// that disappear late the elements that `or` takes from its two sides are one series of a range query, and
/// whether this has its name is settled at its first step, as upstream does.
fn differs_in_names(got: &Result<Step, QueryError>, expected: &Step) -> bool {
    let nameless = |all: &Step| {
        let mut all: Vec<(String, u64)> =
            all.iter().map(|(labels, v)| (without_name(labels), *v)).collect();
        all.sort_unstable();
        all
    };
    match got {
        Ok(got) => nameless(got) == nameless(expected),
        Err(error) => error.to_string().contains("same labelset"),
    }
}

fn without_name(labels: &str) -> String {
    let Some((before, name)) = labels.split_once("__name__=\"") else { return labels.to_owned() };
    let (_, after) = name.split_once('"').expect("the name ends");
    format!("{before}{}", after.strip_prefix(", ").unwrap_or(after))
}

#[test]
fn a_series_of_or_has_its_name_or_not_by_its_first_step() {
    let memory = Memory::default();
    memory.load(MINUTE, "m{x=\"1\"} 0+1x20");
    let names = |query: &str, delayed: bool| -> String {
        let all = steps(&engine(1, delayed), &memory, query).expect("the query is well");
        let mut names: Vec<String> = all.into_iter().flat_map(Step::into_keys).collect();
        names.dedup();
        names.join(" ")
    };
    // The left side comes with its name from minute 6 on.
    let late = "(m > 5) or abs(m)";
    assert_eq!(names(late, true), r#"{x="1"}"#);
    assert_eq!(names(late, false), r#"{x="1"} {__name__="m", x="1"}"#);
    // Until minute 5.
    let early = "(m < 6) or abs(m)";
    assert_eq!(names(early, true), r#"{__name__="m", x="1"}"#);
    let instant = at(&engine(1, true), &memory, early, 10).expect("the query is well");
    assert_eq!(instant.into_keys().collect::<Vec<_>>(), [r#"{x="1"}"#]);
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
                if delayed && query.contains(" or ") && got.as_ref() != Ok(expected) {
                    prop_assert!(differs_in_names(&got, expected), "{} at step {}", &query, step);
                    continue;
                }
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
