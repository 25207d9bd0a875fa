//! Operators between vectors and numbers.

use crate::Bench;

#[test]
fn works_with_numbers() {
    let bench = Bench::new(2, "m{a=\"1\"} 1 2 3\nm{a=\"2\"} 4 5 6");
    bench.check("m + 1", "{a=\"1\"} 4\n{a=\"2\"} 7");
    bench.check("10 - m", "{a=\"1\"} 7\n{a=\"2\"} 4");
    bench.check("m % 4", "{a=\"1\"} 3\n{a=\"2\"} 2");
    bench.check("2 ^ m", "{a=\"1\"} 8\n{a=\"2\"} 64");
    bench.check("m > 3", "{__name__=\"m\", a=\"2\"} 6");
    bench.check("3 < m", "{__name__=\"m\", a=\"2\"} 6");
    bench.check("m > bool 3", "{a=\"1\"} 0\n{a=\"2\"} 1");
    bench.check("m == bool NaN", "{a=\"1\"} 0\n{a=\"2\"} 0");
    bench.check("-m", "{a=\"1\"} -3\n{a=\"2\"} -6");
    bench.check("m atan2 m", "{a=\"1\"} 0.785398163\n{a=\"2\"} 0.785398163");
    let custom =
        Bench::new(0, "n {{schema:-53 sum:1 count:3 custom_values:[-5] offset:1 buckets:[3]}}");
    custom.check("(n * NaN) </ 1", "{} histogram(0)");
    bench.check("1 </ 2", "error: operator \"</\" not allowed for Scalar operations");
    bench.check("vector(1 >/ 2)", "error: operator \">/\" not allowed for Scalar operations");
    bench.check_range(
        "m > 2",
        (0, 2),
        "{__name__=\"m\", a=\"1\"} _ _ 3\n{__name__=\"m\", a=\"2\"} 4 5 6",
    );
    bench.check_range("m + time()", (0, 1), "{a=\"1\"} 1 62\n{a=\"2\"} 4 65");
}

#[test]
fn matches_one_to_one() {
    let bench = Bench::new(
        2,
        r#"a{x="1", y="1"} 1 2 3
           a{x="2", y="1"} 4 5 6
           b{x="1", z="1"} 10 20 30
           b{x="2", z="2"} _ 50 60
           c{x="1"} 7"#,
    );
    bench.check("a + on (x) b", "{x=\"1\"} 33\n{x=\"2\"} 66");
    bench.check("a + ignoring (y, z) b", "{x=\"1\"} 33\n{x=\"2\"} 66");
    bench.check("a + b", "");
    bench.check("a < on (x) b", "{x=\"1\"} 3\n{x=\"2\"} 6");
    bench
        .check("a < ignoring (y, z) b", "{__name__=\"a\", x=\"1\"} 3\n{__name__=\"a\", x=\"2\"} 6");
    bench.check("a > bool on (x) b", "{x=\"1\"} 0\n{x=\"2\"} 0");
    bench.check_range("a * on (x) b", (0, 2), "{x=\"1\"} 10 40 90\n{x=\"2\"} _ 250 360");
    bench.check(
        "c + on (y) a",
        "error: found duplicate series for the match group {y=\"1\"} on the right hand-side of the operation: \
         [{__name__=\"a\", x=\"1\", y=\"1\"}, {__name__=\"a\", x=\"2\", y=\"1\"}];many-to-many matching not \
         allowed: matching labels must be unique on one side",
    );
    bench.check(
        "a + on () c",
        "error: multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
    );
}

#[test]
fn matches_groups() {
    let bench = Bench::new(
        2,
        r#"a{x="1", y="1"} 1 2 3
           a{x="1", y="2"} 4 5 6
           a{x="2", y="1"} 7 8 9
           info{x="1", v="old"} 1 stale
           info{x="1", v="new"} _ 1 1
           info{x="2", v="new"} 1 1 1"#,
    );
    let answer = r#"{v="new", x="1", y="1"} _ 2 3
        {v="new", x="1", y="2"} _ 5 6
        {v="new", x="2", y="1"} 7 8 9
        {v="old", x="1", y="1"} 1 _ _
        {v="old", x="1", y="2"} 4 _ _"#;
    bench.check_range("a * on (x) group_left (v) info", (0, 2), answer);
    bench.check_range("info * on (x) group_right (v) a", (0, 2), answer);
    bench.check(
        "sum by (x) (a) / on (x) group_right a",
        "{x=\"1\", y=\"1\"} 3\n{x=\"1\", y=\"2\"} 1.5\n{x=\"2\", y=\"1\"} 1",
    );
    bench.check(
        "a * on (y) group_left info{v=\"new\"}",
        "error: found duplicate series for the match group {} on the right hand-side of the operation: \
         [{__name__=\"info\", v=\"new\", x=\"1\"}, {__name__=\"info\", v=\"new\", x=\"2\"}];many-to-many matching \
         not allowed: matching labels must be unique on one side",
    );
}

#[test]
fn fills_gaps() {
    let bench = Bench::new(0, "a{x=\"1\"} 1\na{x=\"2\"} 2\nb{x=\"2\"} 20\nb{x=\"3\"} 30");
    bench.check("a + fill (0) b", "{x=\"1\"} 1\n{x=\"2\"} 22\n{x=\"3\"} 30");
    bench.check("a + fill_left (5) b", "{x=\"2\"} 22\n{x=\"3\"} 35");
    bench.check("a + fill_right (5) b", "{x=\"1\"} 6\n{x=\"2\"} 22");
}

#[test]
fn joins_sets() {
    let bench = Bench::new(
        2,
        r#"a{x="1"} 1 2 3
           a{x="2"} 4 5 6
           b{x="2"} 10 stale
           b{x="3"} 20 20 20"#,
    );
    bench.check_range("a and on (x) b", (0, 2), "{__name__=\"a\", x=\"2\"} 4 _ _");
    bench.check_range(
        "a unless on (x) b",
        (0, 2),
        "{__name__=\"a\", x=\"1\"} 1 2 3\n{__name__=\"a\", x=\"2\"} _ 5 6",
    );
    bench.check_range(
        "a or on (x) b",
        (0, 2),
        "{__name__=\"a\", x=\"1\"} 1 2 3\n{__name__=\"a\", x=\"2\"} 4 5 6\n{__name__=\"b\", x=\"3\"} 20 20 20",
    );
    bench.check_range(
        "b or on (x) a",
        (0, 2),
        "{__name__=\"a\", x=\"1\"} 1 2 3\n{__name__=\"a\", x=\"2\"} _ 5 6\n{__name__=\"b\", x=\"2\"} 10 _ _\n\
         {__name__=\"b\", x=\"3\"} 20 20 20",
    );
    bench.check("a or none", "{__name__=\"a\", x=\"1\"} 3\n{__name__=\"a\", x=\"2\"} 6");
    bench.check("none or a", "{__name__=\"a\", x=\"1\"} 3\n{__name__=\"a\", x=\"2\"} 6");
    bench.check("vector(1) or a", "{} 1\n{__name__=\"a\", x=\"1\"} 3\n{__name__=\"a\", x=\"2\"} 6");
}

#[test]
fn labels_clash_once_all_have_met() {
    let bench = Bench::new(
        1,
        r#"
        a{x="1"} 1 1
        b{__type__="gauge", i="1", x="1"} 1 1
        c{__type__="counter", i="1", x="1"} 1 1
        d{x="1"} 1 1
        "#,
    );
    bench.check(
        r#"{x="1"} - fill_right (2) none"#,
        "error: multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
    );
    bench.check(
        r#"{i="1"} - fill_right (2) none"#,
        "error: vector cannot contain metrics with the same labelset",
    );
}
