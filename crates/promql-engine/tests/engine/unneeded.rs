//! What nobody needs for the answer is evaluated all the same: it may fail, and there may be something to say
//! about it. And where notes stand.

use promql_engine::{Options, QueryOptions};

use crate::Bench;

const SERIES: &str = r#"
    g{x="1"} 0+1x10
    k{x="1"} 0+2x10
    m{x="1"} _ _ _ _ _ {{count:1}} _ 1 _ 1 _
    h{x="1"} {{count:1}}x10
"#;

const NO_COUNTER: &str = "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"g\"";

#[test]
fn operands_without_partner_are_heard() {
    let bench = Bench::new(9, SERIES);
    let check =
        |query: &str, column: usize| bench.check(query, &format!("{NO_COUNTER} (1:{column})"));
    check("rate(g[2m]) + on (x) none", 6);
    check("none * on (x) rate(g[2m])", 20);
    check("rate(g[2m]) and on (x) none", 6);
    check("h + on (x) group_left () (rate(g[2m]) > 5)", 32);
    check("limitk(0, rate(g[2m]))", 16);
    check("topk(0, rate(g[2m]))", 14);
    check("limit_ratio(0, rate(g[2m]))", 21);
    check("start_timestamp(rate(g[2m]))", 22);
    bench.check(
        "sum_over_time({x=\"1\", __name__=~\"g|k\"}[2m]) and on (x) none",
        "error: vector cannot contain metrics with the same labelset",
    );
}

#[test]
fn errors_come_in_order_of_evaluation() {
    let bench = Bench::new(9, SERIES);
    let clash = "sum_over_time({x=\"1\", __name__=~\"g|k\"}[2m])";
    bench.check(
        &format!("label_replace({clash}, \"a\", \"b\", \"c\", \"(\")"),
        "error: invalid regular expression in label_replace(): (",
    );
    bench.check(
        "predict_linear(g[step()+0], scalar(delta(g[step()+0])))",
        "error: 17:25: duration must be greater than 0",
    );
    bench.check(&format!("count_values(\"\", {clash})"), "error: invalid label name \"\"");
    bench.check(
        &format!("{clash} + sum_over_time(g[2m] anchored)"),
        "error: vector cannot contain metrics with the same labelset",
    );
    bench.check(
        &format!("limitk(NaN, {clash})"),
        "error: vector cannot contain metrics with the same labelset",
    );
    bench.check(
        "double_exponential_smoothing(g[2m], 0.5, Inf)",
        "error: invalid trend factor. Expected: 0 < tf < 1, got: +Inf",
    );
}

#[test]
fn notes_stand_at_the_part_they_are_about() {
    let bench = Bench::new(9, SERIES);
    bench.check("stddev(+h)", "PromQL info: ignored histogram in stddev aggregation (1:8)");
    bench.check(
        "idelta(h[2m:1m])",
        "{x=\"1\"} histogram(0)
         PromQL warning: this native histogram metric is not a gauge: \"h\" (1:1)",
    );
    bench.check(
        "predict_linear(m[5m] offset 2m, 60)",
        "PromQL info: ignored histograms in a range containing both floats and histograms for metric name \"m\" (1:16)",
    );
    bench.check_range(
        "limit_ratio(time(), g)",
        (5, 6),
        "{__name__=\"g\", x=\"1\"} 5 6
         PromQL warning: ratio value should be between -1 and 1, got 360, capping to 1 (1:13)",
    );
}

#[test]
fn operands_fail_before_what_follows_them() {
    let bench = Bench::new(9, SERIES);
    let clash = "sum_over_time({x=\"1\", __name__=~\"g|k\"}[2m])";
    let many = "scalar(g + on () {__name__=~\"g|k\"})";
    let error = "error: vector cannot contain metrics with the same labelset";
    bench.check(&format!("clamp_min({clash}, {many})"), error);
    bench.check(&format!("absent({clash})"), error);
    bench.check("absent_over_time({x=\"1\", __name__=~\"g|k\"}[2m])", "");
    bench.check(&format!("quantile_over_time({many}, ({clash})[2m:1m])"), error);
}

#[test]
fn the_left_side_fails_first_whichever_series_meet() {
    let bench = Bench::new(9, &format!("{SERIES} g{{x=\"2\"}} 0+1x10\nk{{x=\"2\"}} 0+1x10"));
    let smooth = "double_exponential_smoothing(h[2m], 1, 0.5)";
    let clash = "delta({x=~\"1|2\", __name__=~\"g|k|h\"}[2m])";
    let refused = "error: invalid smoothing factor. Expected: 0 < sf < 1, got: 1.000000";
    bench.check(&format!("{smooth} / {clash}"), refused);
    bench.check(&format!("{smooth} / on (y) {clash}"), refused);
    bench.check(&format!("{smooth} and {clash}"), refused);
    bench.check_range(&format!("{smooth} / abs({{__name__=~\"g|k\"}})"), (2, 9), refused);
}

#[test]
fn windows_are_mixed_only_by_what_they_use() {
    let bench = Bench::new(9, SERIES);
    bench.check("delta(m[1m] anchored)", "{x=\"1\"} 0");
    bench.check("m smoothed", "{__name__=\"m\", x=\"1\"} 1");
    bench.check(
        "m smoothed offset 3m",
        "PromQL warning: encountered a mix of histograms and floats for metric name \"m\" (1:1)",
    );
}

#[test]
fn series_without_points_say_nothing_about_names() {
    let bench =
        Bench::with(Options { delayed_name_removal: true, ..Options::default() }, 9, SERIES);
    bench.check("abs(g > 100) or g", "{__name__=\"g\", x=\"1\"} 9");
    bench.check("info(g, {version=~\".+\"})", "");
}

#[test]
fn what_meets_no_other_is_heard_once() {
    let bench = Bench::new(
        1,
        r#"
        b{le="1", x="1"} 5 5
        b{le="+Inf", x="1"} 3 3
        b{le="1", x="2"} 1 1
        b{le="+Inf", x="2"} 1 1
        m{x="2", y="a"} 1 1
        m{x="2", y="b"} 1 1
        "#,
    );
    let query = "histogram_quantile(0.5, b) + on (x) group_right m";
    let result = bench.engine.instant(&bench.memory, query, bench.t, &QueryOptions::default());
    let infos = result.expect("the query is well").annotations.infos;
    assert!(infos.len() == 1 && infos[0].contains("over 1 samples"), "{infos:?}");
}

#[test]
fn info_series_of_a_target_may_not_meet_whoever_looks_for_them() {
    let bench = Bench::new(
        9,
        r#"
        k{instance="i1", job="j"} 1
        k{instance="i2", job="j"} 1x9
        target_info{instance="i1", job="j", version="1"} _ _ _ _ _ _ 1x3
        target_info{instance="i1", job="j", version="2"} _ _ _ _ _ _ 1x3
        "#,
    );
    bench.check("info(k)", r#"{__name__="k", instance="i2", job="j"} 1"#);
    bench.check_range(
        "info(k)",
        (0, 9),
        r#"error: found duplicate series for info metric: existing {__name__="target_info", instance="i1", job="j", version="1"} @ 360000, new {__name__="target_info", instance="i1", job="j", version="2"} @ 360000"#,
    );
}
