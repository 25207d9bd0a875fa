//! Selectors, look-back, staleness, `offset`, `@`.

use crate::Bench;

#[test]
fn finds_the_newest_sample() {
    let bench = Bench::new(
        10,
        r#"m{a="1"} 0+1x10
           m{a="2"} 0 1 2 3 4 5
           m{a="3"} 0 1 2 3 4 5 6
           gone 0 1 2 3 4 5 6 7 stale"#,
    );
    bench.check("m", "{__name__=\"m\", a=\"1\"} 10\n{__name__=\"m\", a=\"3\"} 6");
    bench.check("gone", "");
    bench.check("gone offset 3m", "{__name__=\"gone\"} 7");
    bench.check("gone offset 2m", "");
    bench.check(
        "m{a=~\"1|2\"} offset 5m",
        "{__name__=\"m\", a=\"1\"} 5\n{__name__=\"m\", a=\"2\"} 5",
    );
    bench.check("m{a=\"1\"} @ 120", "{__name__=\"m\", a=\"1\"} 2");
    bench.check("m{a=\"1\"} @ 180 offset 1m", "{__name__=\"m\", a=\"1\"} 2");
    bench.check_range("gone", (6, 9), "{__name__=\"gone\"} 6 7 _ _");
    bench.check_range("m{a=\"1\"} @ end() - m{a=\"1\"}", (1, 3), "{a=\"1\"} 2 1 0");
    bench.check_range("m{a=\"1\"} @ start()", (1, 3), "{__name__=\"m\", a=\"1\"} 1 1 1");
    bench.check_range("m{a=\"1\"} offset -1m", (8, 10), "{__name__=\"m\", a=\"1\"} 9 10 10");
}

#[test]
fn selects_raw_samples() {
    let bench = Bench::new(10, "m 0 1 2 3 _ 5 stale 7 8 9 10");
    bench.check("m[4m]", "{__name__=\"m\"} 7@420 8@480 9@540 10@600");
    bench.check("m[8m]", "{__name__=\"m\"} 3@180 5@300 7@420 8@480 9@540 10@600");
    bench.check("m[2m] offset 5m", "{__name__=\"m\"} 5@300");
    bench.check("m[2m] @ 60", "{__name__=\"m\"} 0@0 1@60");
    bench.check("none[2m]", "");
}

#[test]
fn knows_scalars_and_strings() {
    let bench = Bench::new(10, "m 0+1x10");
    bench.check("1 + 2 * 3", "7");
    bench.check("-2 ^ 2", "-4");
    bench.check("\"text\"", "\"text\"");
    bench.check("time()", "600");
    bench.check("1 == bool 1", "1");
    bench.check("scalar(m) + 1", "11");
    bench.check_range("time()", (1, 3), "{} 60 120 180");
    bench.check_range("2", (1, 3), "{} 2 2 2");
    bench.check_range(
        "m[1m]",
        (1, 3),
        "error: invalid expression type \"range vector\" for range query, must be Scalar or instant Vector",
    );
}

#[test]
fn anchors_and_smooths_borders() {
    let bench = Bench::new(10, "m_total 0+60x4 0+60x5");
    // Without a sample on the border there is one at or before it.
    bench.check("increase(m_total[150s] anchored)", "{} 180");
    bench.check("increase(m_total[150s] smoothed)", "{} 150");
    bench.check("increase(m_total[6m] anchored)", "{} 300");
    bench.check("resets(m_total[6m] anchored)", "{} 1");
    bench.check("rate(m_total[150s] smoothed)", "{} 1");
    bench.check("m_total offset 30s smoothed", "{__name__=\"m_total\"} 270");
    bench.check("m_total[90s] smoothed", "{__name__=\"m_total\"} 210@510 240@540 300@600");
    bench.check(
        "deriv(m_total[5m] anchored)",
        "error: anchored modifier can only be used with: changes, delta, increase, rate, resets - not with deriv",
    );
}

#[test]
fn a_sample_at_the_border_needs_none_behind_it() {
    let bench = Bench::new(0, "m {{count:1 sum:1 counter_reset_hint:gauge}} 5");
    bench.check("delta(m[90s] smoothed)", "{} histogram(0)");
}

#[test]
fn a_window_without_length_that_ends_on_a_sample_is_empty() {
    let bench = Bench::new(1, "g 7 7 7");
    bench.check("g[(1ms + range()) / 2] smoothed", "");
    bench.check("increase(g[(1ms + range()) / 2] smoothed)", "");
}
