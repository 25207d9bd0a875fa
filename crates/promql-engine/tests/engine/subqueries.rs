//! Subqueries: their grid, their windows.

use crate::Bench;

#[test]
fn evaluates_on_an_absolute_grid() {
    let bench = Bench::new(10, "m 0+1x10");
    bench.check("m[5m:2m]", "{__name__=\"m\"} 6@360 8@480 10@600");
    bench.check("m[4m:2m]", "{__name__=\"m\"} 8@480 10@600");
    bench.check("m[3m:]", "{__name__=\"m\"} 8@480 9@540 10@600");
    bench.check("m[2m:1m] offset 1m", "{__name__=\"m\"} 8@480 9@540");
    bench.check("m[2m:1m] @ 300", "{__name__=\"m\"} 4@240 5@300");
    bench.check("sum_over_time(m[4m:2m])", "{} 18");
    bench.check(
        "max_over_time(rate(m[2m])[4m:1m])",
        "{} 0.0166666667\nPromQL info: metric might not be a \
        counter, name does not end in _total/_sum/_count/_bucket: \"m\" (1:20)",
    );
    bench.check_range("sum_over_time(m[2m:1m])", (0, 4), "{} 0 1 3 5 7");
    bench.check_range("avg_over_time((m @ 300)[2m:1m])", (0, 2), "{} 5 5 5");
    bench.check_range("sum_over_time(sum_over_time(m[1m:30s])[1m:30s])", (4, 5), "{} 13 17");
}

#[test]
fn evaluates_nothing_where_there_is_no_step() {
    // The outer subquery has no step; an inner one that had would see floats beside a histogram.
    let bench = Bench::new(10, "m 0+1x9 {{count:1 sum:1}}");
    bench.check("delta(rate(m[2m])[20s:30s])[20s:1m] offset 30s", "");
}

#[test]
fn fails_before_the_function_over_it() {
    let bench = Bench::new(10, "a{x=\"1\"} 0+1x10\na{x=\"2\"} 0+1x10\nb{x=\"2\"} 0+1x10");
    bench.check(
        "double_exponential_smoothing(abs({__name__=~\"a|b\"})[3m:1m], 1, 0.5)",
        "error: vector cannot contain metrics with the same labelset",
    );
    bench.check(
        "double_exponential_smoothing(abs(a)[3m:1m], 1, 0.5)",
        "error: invalid smoothing factor. Expected: 0 < sf < 1, got: 1.000000",
    );
}
