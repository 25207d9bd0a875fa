//! Aggregations.

use crate::Bench;

fn bench() -> Bench {
    Bench::new(
        2,
        r#"m{g="a", i="1"} 1 2 3
           m{g="a", i="2"} 10 NaN 30
           m{g="b", i="1"} 100 200 300
           m{g="b", i="2"} _ _ -5"#,
    )
}

#[test]
fn folds_groups() {
    let bench = bench();
    bench.check("sum by (g) (m)", "{g=\"a\"} 33\n{g=\"b\"} 295");
    bench.check("sum without (g) (m)", "{i=\"1\"} 303\n{i=\"2\"} 25");
    bench.check("sum(m)", "{} 328");
    bench.check("avg(m)", "{} 82");
    bench.check("min(m)", "{} -5");
    bench.check("max(m)", "{} 300");
    bench.check("count(m)", "{} 4");
    bench.check("group by (g) (m)", "{g=\"a\"} 1\n{g=\"b\"} 1");
    bench.check("stddev by (g) (m)", "{g=\"a\"} 13.5\n{g=\"b\"} 152.5");
    bench.check("stdvar by (g) (m)", "{g=\"a\"} 182.25\n{g=\"b\"} 23256.25");
    bench.check("quantile(0.5, m)", "{} 16.5");
    bench.check("sum(none)", "");
    bench.check("count(none)", "");
    bench.check_range("sum by (g) (m)", (0, 2), "{g=\"a\"} 11 NaN 33\n{g=\"b\"} 100 200 295");
    bench.check_range("max by (g) (m)", (0, 2), "{g=\"a\"} 10 2 30\n{g=\"b\"} 100 200 300");
    bench.check_range("count by (g) (m)", (0, 2), "{g=\"a\"} 2 2 2\n{g=\"b\"} 1 1 2");
    bench.check_range("quantile(scalar(m{i=\"1\", g=\"a\"}) / 4, m)", (0, 2), "{} 5.5 2 97.5");
    bench.check(
        "quantile(-1, m)",
        "{} -Inf\nPromQL warning: quantile value should be between 0 and 1, got -1 (1:10)",
    );
}

#[test]
fn is_precise() {
    let bench = Bench::new(
        0,
        "m{i=\"1\"} 1\nm{i=\"2\"} 1e100\nm{i=\"3\"} 1\nm{i=\"4\"} -1e100\nbig{i=\"1\"} 1.7e308\nbig{i=\"2\"} 1.7e308",
    );
    bench.check("sum(m)", "{} 2");
    bench.check("avg(m)", "{} 0.5");
    bench.check("sum(big)", "{} +Inf");
    bench.check("avg(big) / 1e308", "{} 1.7");
}

#[test]
fn series_that_became_one_are_where_their_first_point_is() {
    let bench = Bench::new(9, "a{i=\"1\"} 1 1\na{i=\"2\"} 2x9\nb{i=\"1\"} 3x9");
    bench.check("limitk(1, abs({__name__=~\"a|b\"}))", "{i=\"2\"} 2");
    bench.check("limitk(1, max_over_time({__name__=~\"a|b\"}[2m]))", "{i=\"2\"} 2");
    let later = "(abs({i=~\"1|2\", __name__=~\"a|b\"} < 3) or abs(b))";
    bench.check(&format!("limitk(1, {later})"), "{i=\"2\"} 2");
}

#[test]
fn chooses_elements() {
    let bench = bench();
    bench.check(
        "topk(2, m)",
        "{__name__=\"m\", g=\"b\", i=\"1\"} 300\n{__name__=\"m\", g=\"a\", i=\"2\"} 30",
    );
    bench.check("bottomk(1, m)", "{__name__=\"m\", g=\"b\", i=\"2\"} -5");
    bench.check(
        "topk by (g) (1, m)",
        "{__name__=\"m\", g=\"a\", i=\"2\"} 30\n{__name__=\"m\", g=\"b\", i=\"1\"} 300",
    );
    bench.check_range(
        "topk(1, m{g=\"a\"})",
        (0, 2),
        "{__name__=\"m\", g=\"a\", i=\"1\"} _ 2 _\n{__name__=\"m\", g=\"a\", i=\"2\"} 10 _ 30",
    );
    bench.check("topk(0, m)", "");
    bench.check("topk(NaN, m)", "error: Parameter value is NaN");
    bench.check("topk(1e30, m)", "error: Scalar value 1e+30 overflows int64");
    bench.check("limitk(1, m)", "{__name__=\"m\", g=\"a\", i=\"1\"} 3");
    bench.check("count(limit_ratio(0.5, m)) + count(limit_ratio(-0.5, m))", "{} 4");
    bench.check(
        "count(limit_ratio(2, m))",
        "{} 4\nPromQL warning: ratio value should be between -1 and 1, got 2, capping to 1 (1:19)",
    );
}

#[test]
fn counts_values() {
    let bench =
        Bench::new(0, "m{g=\"a\", i=\"1\"} 1\nm{g=\"a\", i=\"2\"} 1\nm{g=\"b\", i=\"1\"} 0.5");
    bench.check("count_values(\"v\", m)", "{v=\"1\"} 2\n{v=\"0.5\"} 1");
    bench.check("count_values by (g) (\"v\", m)", "{g=\"a\", v=\"1\"} 2\n{g=\"b\", v=\"0.5\"} 1");
    bench.check("count_values without (i) (\"g\", m)", "{g=\"1\"} 2\n{g=\"0.5\"} 1");
}

#[test]
fn groups_stand_in_order_of_the_first_point() {
    let series = "m{g=\"a\"} 1 stale\nm{g=\"b\"} 2 2\nm{g=\"c\"} 3 3\nm{g=\"a\", x=\"1\"} 4 4";
    let bench = Bench::new(1, series);
    bench.check("sum by (g) (m)", "{g=\"b\"} 2\n{g=\"c\"} 3\n{g=\"a\"} 4");
    bench.check("quantile by (g) (0, m)", "{g=\"b\"} 2\n{g=\"c\"} 3\n{g=\"a\"} 4");
    bench.check("limitk(1, sum by (g) (m))", "{g=\"b\"} 2");
    bench.check(
        "topk by (g) (1, m)",
        "{__name__=\"m\", g=\"b\"} 2\n{__name__=\"m\", g=\"c\"} 3\n{__name__=\"m\", g=\"a\", x=\"1\"} 4",
    );
}
