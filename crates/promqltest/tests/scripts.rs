//! What small scripts give.

use std::sync::Arc;

use promqltest::{Options, Report, run_file};

/// Compares the whole report.
#[track_caller]
fn check(script: &str, expected: &str) {
    let options = Options { clock: Arc::new(stdx::SystemClock::default()) };
    let mut report = Report::default();
    run_file("a.test", script, &options, &mut report);
    let got: Vec<String> =
        report.to_string().lines().filter(|it| !it.contains(" need ")).map(str::to_owned).collect();
    let expected: Vec<&str> = expected.lines().collect();
    assert_eq!(got, expected, "{script}");
}

const LOAD: &str = "load 1m\n  a{x=\"1\"} 0+1x10\n  a{x=\"2\"} 5 _ 7 stale\n\n";

/// The same behind a `load` of two series.
#[track_caller]
fn check_loaded(evals: &str, expected: &str) {
    check(&format!("{LOAD}{evals}"), expected);
}

#[test]
fn compares_vectors_and_scalars() {
    check_loaded("eval instant at 2m a\n a{x=\"2\"} 7\n a{x=\"1\"} 2\n", "1 passed, 0 failed");
    check_loaded("eval instant at 2m 1 + 2\n 3.0000001\n", "1 passed, 0 failed");
    check_loaded("eval instant at 10m a{x=\"2\"}\n", "1 passed, 0 failed");
    check_loaded(
        "eval_ordered instant at 2m sort_desc(a)\n a{x=\"2\"} 7\n a{x=\"1\"} 2\n",
        "1 passed, 0 failed",
    );
    check_loaded(
        "eval instant at 2m sort(a)\n  expect ordered\n a{x=\"2\"} 7\n a{x=\"1\"} 2\n",
        "a.test:5: sort(a)\n  expected: {__name__=\"a\", x=\"2\"} 7\n            {__name__=\"a\", x=\"1\"} 2\n  \
         got:      {__name__=\"a\", x=\"1\"} 2\n            {__name__=\"a\", x=\"2\"} 7\n0 passed, 1 failed",
    );
    check_loaded(
        "eval instant at 2m a\n a{x=\"1\"} 2\n",
        "a.test:5: a\n  expected: {__name__=\"a\", x=\"1\"} 2\n  got:      {__name__=\"a\", x=\"1\"} 2\n            \
         {__name__=\"a\", x=\"2\"} 7\n0 passed, 1 failed",
    );
}

#[test]
fn compares_ranges() {
    check_loaded(
        "eval range from 0 to 3m step 1m a{x=\"2\"}\n  a{x=\"2\"} 5 5 7 _\n",
        "1 passed, 0 failed",
    );
    check_loaded(
        "eval instant at 0 a[2m]\n  expect range vector from 1m to 2m step 1m\n  a{x=\"1\"} 1 2\n  a{x=\"2\"} _ 7\n",
        "1 passed, 0 failed",
    );
    check_loaded(
        "eval range from 0 to 1m step 1m a{x=\"1\"}\n  a{x=\"1\"} 0\n",
        "a.test:5: a{x=\"1\"}\n  expected: {__name__=\"a\", x=\"1\"} 0\n  \
         got:      {__name__=\"a\", x=\"1\"} 0@0 1@60000\n0 passed, 1 failed",
    );
    check("eval instant at 0 \"a\"\n  expect string \"a\"\n", "1 passed, 0 failed");
}

#[test]
fn checks_messages() {
    check_loaded(
        "eval instant at 2m rate(a[2m])\n  expect info\n {x=\"1\"} 0.0166666667\n",
        "1 passed, 0 failed",
    );
    check_loaded(
        "eval instant at 2m rate(a[2m])\n  expect no_info\n  expect no_warn\n {x=\"1\"} 0.0166666667\n",
        "a.test:5: rate(a[2m])\n  expected: no info\n  got:      PromQL info: metric might not be a counter, \
         name does not end in _total/_sum/_count/_bucket: \"a\" (1:6)\n0 passed, 1 failed",
    );
    check_loaded(
        "eval_fail instant at 2m a * on() a\n\neval instant at 2m a * on() a\n  expect fail regex:many-to-many\n\n\
         eval instant at 2m a * on() a\n  expect fail msg:other\n",
        "a.test:10: a * on() a\n  expected: the error other\n  got:      found duplicate series for the match group {} \
         on the right hand-side of the operation: [{__name__=\"a\", x=\"1\"}, {__name__=\"a\", x=\"2\"}];many-to-many \
         matching not allowed: matching labels must be unique on one side\n2 passed, 1 failed",
    );
}

#[test]
fn goes_on_after_what_it_cannot_read() {
    check(
        "frobnicate\n\nload 1m\n a 1 x\n\neval instant at 0 sum(\n\neval instant at 0 1\n 1\n",
        "a.test:1: frobnicate\n  expected: a command\n  got:      invalid command \"frobnicate\"\n\
         a.test:3: load 1m\n  expected: a command\n  got:      line 4: 1:5: parse error: unexpected identifier \"x\" \
         in series values, expected number or \"stale\"\n\
         a.test:6: sum(\n  expected: a query\n  got:      1:5: parse error: unclosed left parenthesis\n1 passed, 3 failed",
    );
    check(
        "load 1m\n a 1 2\n\nload 1m\n a 1 2\n\nclear\n\neval instant at 0 a\n",
        "a.test:4: load\n  expected: samples are taken\n  got:      out of order sample\n1 passed, 1 failed",
    );
    check(
        "load 1m\n a@st -1m _\n a     1   2\n b@st +1m-1sx1 0x1\n b 1 2 3 4\n\neval instant at 1m a + on() b\n {} 4\n",
        "1 passed, 0 failed",
    );
    check(
        "load 1m\n a@st 0\n a 1 2\n",
        "a.test:1: load 1m\n  expected: a command\n  got:      line 3: @st line has 1 values but sample line has 2\n\
         0 passed, 1 failed",
    );
}

#[test]
fn counts_what_cases_need() {
    let options = Options { clock: Arc::new(stdx::SystemClock::default()) };
    let mut report = Report::default();
    let script = "load 1m\n h {{count:1}}\n\neval instant at 0 h\n\neval instant at 0 limitk(1, vector(1))\n {} 1\n\n\
                  eval instant at 0 1\n 1\n";
    run_file("a.test", script, &options, &mut report);
    let text = report.to_string();
    let line = text.lines().find(|it| it.contains(" need ")).expect("a summary");
    assert_eq!(
        line,
        "1 (1 failed) need native histograms, 0 (0 failed) need start timestamps, 1 (0 failed) need feature flags, \
         1 (0 failed) need none of these"
    );
}

/// A query as an `eval` with its result.
fn eval(query: &str, result: &str) -> String {
    format!("eval instant at 0 {query}\n {result}\n\n")
}

#[test]
fn evaluates_long_chains() {
    check(&eval(&("vector(1) + ".repeat(100) + "vector(1)"), "{} 101"), "1 passed, 0 failed");
}

#[test]
fn evaluates_nested_aggregations() {
    check(
        &eval(&format!("{}vector(1){}", "sum(".repeat(90), ")".repeat(90)), "{} 1"),
        "1 passed, 0 failed",
    );
}

#[test]
fn evaluates_nested_calls() {
    let query = format!(
        "{}vector(1){}",
        "label_replace(".repeat(90),
        ",\"a\",\"b\",\"c\",\"d\")".repeat(90)
    );
    check(&eval(&query, "{} 1"), "1 passed, 0 failed");
}
