//! Functions of range vectors.

use crate::Bench;

#[test]
fn extrapolates_rates() {
    let bench = Bench::new(
        10,
        r#"full_total 0+60x10
           reset_total 0 60 120 0 60 120 180 0 60 120 180
           late_total _ _ _ _ _ _ _ _ 0 60 120
           lone_total _ _ _ _ _ _ _ _ _ _ 1
           low_total _ _ _ _ _ _ 1 601 1201 1801 2401"#,
    );
    bench.check("rate(full_total[5m])", "{} 1");
    bench.check("increase(full_total[5m])", "{} 300");
    bench.check("increase(reset_total[5m])", "{} 225");
    // 120 s of 5 min are sampled; half an interval is added, but not below zero.
    bench.check("increase(late_total[5m])", "{} 120");
    bench.check("increase(low_total[10m])", "{} 2401");
    bench.check("rate(lone_total[5m])", "");
    bench.check("delta(full_total[5m])", "{} 300");
    bench.check("irate(reset_total[5m])", "{} 1");
    bench.check("irate(reset_total[5m] offset 3m)", "{} 0");
    bench.check("idelta(reset_total[5m] offset 3m)", "{} -180");
    bench.check("rate(full_total[5m] offset 2m)", "{} 1");
    bench.check_range("increase(full_total[2m])", (0, 3), "{} _ 60 120 120");
    bench.check_range("rate(full_total[2m] @ 300)", (0, 3), "{} 1 1 1 1");
}

#[test]
fn knows_counters_by_name() {
    let bench = Bench::new(10, "requests 0+60x10\nrequests_total 0+60x10");
    let note = "PromQL info: metric might not be a counter, name does not end in \
                _total/_sum/_count/_bucket: \"requests\" (1:6)";
    bench.check("rate(requests[5m])", &format!("{{}} 1\n{note}"));
    bench.check("rate(requests_total[5m])", "{} 1");
    bench.check("rate(requests[5m] offset 20m)", "");
}

#[test]
fn aggregates_over_time() {
    let bench = Bench::new(10, "m 1 2 3 4 NaN 6 5 4 9 8 7\nn 1 NaN NaN");
    bench.check("sum_over_time(m[5m])", "{} 33");
    bench.check("avg_over_time(m[5m])", "{} 6.6");
    bench.check("min_over_time(m[5m])", "{} 4");
    bench.check("max_over_time(m[5m])", "{} 9");
    bench.check("max_over_time(m[7m])", "{} 9");
    bench.check("count_over_time(m[7m])", "{} 7");
    bench.check("last_over_time(m[7m])", "{__name__=\"m\"} 7");
    bench.check("first_over_time(m[5m])", "{__name__=\"m\"} 5");
    bench.check("present_over_time(m[5m])", "{} 1");
    bench.check("stddev_over_time(m[5m])", "{} 1.8547237");
    bench.check("stdvar_over_time(m[5m])", "{} 3.44");
    bench.check("quantile_over_time(0.5, m[5m])", "{} 7");
    bench.check("mad_over_time(m[5m])", "{} 2");
    bench.check("changes(m[5m])", "{} 4");
    bench.check("resets(m[5m])", "{} 3");
    bench.check("ts_of_max_over_time(m[5m])", "{} 480");
    bench.check("ts_of_first_over_time(m[5m])", "{} 360");
    bench.check_range("max_over_time(n[2m])", (0, 3), "{} 1 1 NaN NaN");
    bench.check_range("max_over_time(m[3m])", (2, 9), "{} 3 4 4 6 6 6 9 9");
    bench.check_range("min_over_time(m[3m])", (2, 9), "{} 1 2 3 4 5 4 4 4");
    bench.check_range("changes(n[3m])", (0, 4), "{} 0 1 1 0 0");
    bench.check(
        "quantile_over_time(2, m[5m])",
        "{} +Inf\nPromQL warning: quantile value should be between 0 and 1, got 2 (1:20)",
    );
}

#[test]
fn fits_lines() {
    let bench = Bench::new(10, "up 0+60x10\nflat 7x10\nlone _ _ _ _ _ _ _ _ _ _ 1");
    bench.check("deriv(up[5m])", "{} 1");
    bench.check("deriv(flat[5m])", "{} 0");
    bench.check("deriv(lone[5m])", "");
    bench.check("predict_linear(up[5m], 600)", "{} 1200");
    bench.check("predict_linear(flat[5m], 600)", "{} 7");
    bench.check("double_exponential_smoothing(up[5m], 0.5, 0.5)", "{} 600");
    bench.check(
        "double_exponential_smoothing(up[5m], 1, 0.5)",
        "error: invalid smoothing factor. Expected: 0 < sf < 1, got: 1.000000",
    );
}

#[test]
fn reports_absence() {
    let bench = Bench::new(10, "m{a=\"1\"} 0+1x4");
    bench.check_range("absent(m{a=\"1\"})", (7, 11), "{a=\"1\"} _ _ 1 1 1");
    bench.check("absent_over_time(m{a=\"1\", b=~\"x.*\"}[5m])", "{a=\"1\"} 1");
    bench.check("absent_over_time(m[10m])", "");
    bench.check("absent(sum(m))", "{} 1");
    bench.check("absent(m{a!=\"x\", a=\"y\"})", "{a=\"y\"} 1");
    bench.check("absent(m{a=\"y\", a!=\"x\"})", "{} 1");
}
