//! When metric names disappear, at once or at the end, and what then clashes.

use promql_engine::Options;

use crate::Bench;

const SERIES: &str = r#"a_total{x="1"} 0+60x10
    b_total{x="1"} 0+120x10
    a_total{x="2", __type__="counter", __unit__="s"} 0+60x10"#;
const CLASH: &str = "error: vector cannot contain metrics with the same labelset";

#[test]
fn names_disappear_at_once() {
    let bench = Bench::new(10, SERIES);
    bench.check("rate(a_total[5m])", "{x=\"1\"} 1\n{x=\"2\"} 1");
    bench.check("rate({__name__=~\".+\"}[5m])", CLASH);
    bench.check("{__name__=~\".+\"} * 2", CLASH);
    bench.check("-{__name__=~\".+\"}", CLASH);
    bench.check("sum by (__name__) (rate(a_total[5m]))", "{} 2");
    bench.check("last_over_time(b_total[5m])", "{__name__=\"b_total\", x=\"1\"} 1200");
    bench.check("b_total > 5", "{__name__=\"b_total\", x=\"1\"} 1200");
    bench.check("b_total > bool 5", "{x=\"1\"} 1");
    bench.check("+b_total", "{__name__=\"b_total\", x=\"1\"} 1200");
    bench.check("absent_over_time({x=\"1\"}[5m])", "");
}

#[test]
fn names_disappear_at_the_end() {
    let bench =
        Bench::with(Options { delayed_name_removal: true, ..Options::default() }, 10, SERIES);
    bench.check("rate(a_total[5m])", "{x=\"1\"} 1\n{x=\"2\"} 1");
    bench.check("rate({__name__=~\".+\"}[5m])", CLASH);
    bench.check("sum by (__name__) (rate({__name__=~\".+\"}[5m]))", CLASH);
    bench.check("sum by (__name__, x) (rate({__name__=~\".+\", x=\"2\"}[5m]))", "{x=\"2\"} 1");
    bench.check(
        "label_replace(rate(b_total[5m]), \"__name__\", \"$1:rate\", \"__name__\", \"(.*)_total\")",
        "{__name__=\"b:rate\", x=\"1\"} 2",
    );
    bench.check("abs(b_total) == b_total", "{__name__=\"b_total\", x=\"1\"} 1200");
}

#[test]
fn the_last_step_decides_on_the_name_of_a_group() {
    let bench = Bench::with(
        Options { delayed_name_removal: true, ..Options::default() },
        4,
        "a{x=\"1\"} 1x9\na{x=\"2\"} _ _ 1 1 1 stale",
    );
    let sum = "sum by (__name__) (a{x=\"1\"} or abs(a{x=\"2\"}))";
    bench.check_range(sum, (1, 3), "{} 1 2 2");
    bench.check_range(sum, (1, 5), "{__name__=\"a\"} 1 2 2 2 1");
    let median = "quantile by (__name__) (0.5, a{x=\"1\"} or abs(a{x=\"2\"}))";
    bench.check_range(median, (1, 3), "{} 1 1 1");
    bench.check_range(median, (1, 5), "{__name__=\"a\"} 1 1 1 1 1");
}

#[test]
fn equal_series_of_a_subquery_join_at_the_end() {
    let bench = Bench::with(
        Options { delayed_name_removal: true, ..Options::default() },
        4,
        "a 1 1 stale\nb _ _ 2 2 2\nc _ 3",
    );
    bench.check("abs({__name__=~\"a|b\"})[5m:1m]", "{} 1@0 1@60 2@120 2@180 2@240");
    bench.check("abs({__name__=~\"a|c\"})[5m:1m]", CLASH);
}

#[test]
fn equal_series_join_if_they_never_meet() {
    let bench = Bench::new(10, "a 1 1 stale\nb _ _ 2 2 2\nc _ 3");
    bench.check_range("-{__name__=~\"a|b\"}", (0, 4), "{} -1 -1 -2 -2 -2");
    bench.check_range("-{__name__=~\"a|c\"}", (0, 4), CLASH);
    bench.check_range("sum_over_time({__name__=~\"a|b\"}[1m])", (0, 4), CLASH);
    bench.check_range(
        "label_replace({__name__=~\"a|b\"}, \"__name__\", \"m\", \"\", \"\")",
        (0, 4),
        "{__name__=\"m\"} 1 1 2 2 2",
    );
}
