//! Functions of instant vectors.

use model::{FloatHistogram, Labels, Span};
use promql_engine::Options;
use storage::Samples;

use crate::{Bench, MINUTE};

#[test]
fn maps_numbers() {
    let bench = Bench::new(1, "m{i=\"1\"} 0 -2.5\nm{i=\"2\"} 0 7");
    bench.check("abs(m)", "{i=\"1\"} 2.5\n{i=\"2\"} 7");
    bench.check("ceil(m)", "{i=\"1\"} -2\n{i=\"2\"} 7");
    bench.check("round(m, 2)", "{i=\"1\"} -2\n{i=\"2\"} 8");
    bench.check("clamp(m, 0, 5)", "{i=\"1\"} 0\n{i=\"2\"} 5");
    bench.check("clamp(m, 5, 0)", "");
    bench.check("clamp_min(m, 0)", "{i=\"1\"} 0\n{i=\"2\"} 7");
    bench.check("clamp_max(m, NaN)", "{i=\"1\"} NaN\n{i=\"2\"} NaN");
    bench.check("sgn(m)", "{i=\"1\"} -1\n{i=\"2\"} 1");
    bench.check("sqrt(m)", "{i=\"1\"} NaN\n{i=\"2\"} 2.64575131");
    bench.check("timestamp(m)", "{i=\"1\"} 60\n{i=\"2\"} 60");
    bench.check("timestamp(m offset 30s)", "{i=\"1\"} 0\n{i=\"2\"} 0");
    bench.check(
        "timestamp(m + 1 offset 30s)",
        "error: 1:15: parse error: offset modifier must be preceded by an \
        instant vector selector or range vector selector or a subquery",
    );
    bench.check("timestamp((m) + 0)", "{i=\"1\"} 60\n{i=\"2\"} 60");
    bench.check("scalar(m)", "NaN");
    bench.check("vector(2)", "{} 2");
    bench.check("pi()", "3.14159265");
}

#[test]
fn knows_dates() {
    let bench = Bench::new(0, "t 1709210096.7");
    let query = |f| format!("{f}(t)");
    for (f, v) in [
        ("year", 2024),
        ("month", 2),
        ("day_of_month", 29),
        ("day_of_week", 4),
        ("day_of_year", 60),
        ("days_in_month", 29),
        ("hour", 12),
        ("minute", 34),
    ] {
        bench.check(&query(f), &format!("{{}} {v}"));
    }
    bench.check("year()", "{} 1970");
    bench.check_range("minute()", (58, 61), "{} 58 59 0 1");
}

#[test]
fn orders_elements() {
    let bench = Bench::new(0, "m{n=\"1\"} 2\nm{n=\"10\"} NaN\nm{n=\"2\"} 3");
    let all = |lines: &[(&str, &str)]| {
        let lines: Vec<String> =
            lines.iter().map(|(n, v)| format!("{{__name__=\"m\", n=\"{n}\"}} {v}")).collect();
        lines.join("\n")
    };
    bench.check("sort(m)", &all(&[("1", "2"), ("2", "3"), ("10", "NaN")]));
    bench.check("sort_desc(m)", &all(&[("2", "3"), ("1", "2"), ("10", "NaN")]));
    bench.check("sort_by_label(m, \"n\")", &all(&[("1", "2"), ("2", "3"), ("10", "NaN")]));
    bench.check("sort_by_label_desc(m, \"n\")", &all(&[("10", "NaN"), ("2", "3"), ("1", "2")]));
    let warning = "PromQL warning: sort is ineffective for range queries since results are always ordered \
                   by labels (1:1)";
    bench.check_range("sort(m{n=\"1\"})", (0, 1), &format!("{}\n{warning}", all(&[("1", "2 2")])));
}

#[test]
fn rewrites_labels() {
    let bench = Bench::new(0, "m{src=\"a-1\", x=\"y\"} 1\nm{src=\"b\", x=\"y\"} 2");
    bench.check(
        "label_replace(m, \"dst\", \"$2.${1}\", \"src\", \"(.)-(.)\")",
        "{__name__=\"m\", dst=\"1.a\", src=\"a-1\", x=\"y\"} 1\n{__name__=\"m\", src=\"b\", x=\"y\"} 2",
    );
    bench.check(
        "label_replace(m, \"src\", \"\", \"\", \"\")",
        "error: vector cannot contain metrics with the same labelset",
    );
    bench.check(
        "label_replace(m, \"dst\", \"\", \"src\", \"(\")",
        "error: invalid regular expression in label_replace(): (",
    );
    bench.check(
        "label_join(m{src=\"b\"}, \"dst\", \"-\", \"x\", \"none\", \"src\")",
        "{__name__=\"m\", dst=\"y--b\", src=\"b\", x=\"y\"} 2",
    );
}

#[test]
fn answers_for_classic_histograms() {
    let bench = Bench::new(
        1,
        r#"h_bucket{le="0.1"} 0 4
           h_bucket{le="1"} 0 8
           h_bucket{le="+Inf"} 0 10
           odd_bucket{le="x"} 0 1"#,
    );
    bench.check("histogram_quantile(0.5, h_bucket)", "{} 0.325");
    bench.check_range("histogram_quantile(0.9, h_bucket)", (0, 1), "{} NaN 1");
    bench.check("histogram_fraction(0, 1, h_bucket)", "{} 0.8");
    bench.check("histogram_quantiles(h_bucket, \"q\", 0.5, 1)", "{q=\"0.5\"} 0.325\n{q=\"1.0\"} 1");
    bench.check(
        "histogram_quantile(0.5, odd_bucket)",
        "PromQL warning: bucket label \"le\" is missing or has a malformed value of \"x\" (1:25)",
    );
    let falling =
        Bench::new(0, "h_bucket{le=\"1\"} 10\nh_bucket{le=\"2\"} 8\nh_bucket{le=\"+Inf\"} 20");
    falling.check(
        "histogram_quantile(0.5, h_bucket)",
        "{} 1\nPromQL info: input to histogram_quantile needed to be fixed for monotonicity (see \
         https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile), from buckets 2 to \
         2, with a max diff of 2, over 1 samples from 1970-01-01T00:00:00Z to 1970-01-01T00:00:00Z (1:25)",
    );
}

#[test]
fn joins_info_labels() {
    let bench = Bench::new(
        1,
        r#"m{instance="a", job="1"} 1 2
           m{instance="b", job="1"} 3 4
           target_info{instance="a", job="1", version="1"} 1 stale
           target_info{instance="a", job="1", version="2"} _ 1
           build_info{instance="b", job="1", commit="c"} 1 1"#,
    );
    bench.check_range(
        "info(m)",
        (0, 1),
        r#"{__name__="m", instance="a", job="1", version="1"} 1 _
           {__name__="m", instance="a", job="1", version="2"} _ 2
           {__name__="m", instance="b", job="1"} 3 4"#,
    );
    bench.check(
        "info(m, {version=~\".+\"})",
        r#"{__name__="m", instance="a", job="1", version="2"} 2"#,
    );
    bench.check(
        "info(m{instance=\"b\"}, {__name__=~\".*_info\"})",
        r#"{__name__="m", commit="c", instance="b", job="1"} 4"#,
    );
}

#[test]
fn quantiles_of_counts_that_are_nan_lie_in_the_last_bucket() {
    let bench = Bench::new(0, "b_bucket{le=\"1\"} 24\nb_bucket{le=\"+Inf\"} 125");
    bench.check("histogram_quantile(0.9, b_bucket / NaN)", "{} 1");
}

#[test]
fn a_histogram_alone_keeps_its_empty_buckets() {
    let options = Options { start_timestamps: true, ..Options::default() };
    let bench = Bench::with(options, 1, "");
    let histogram = FloatHistogram {
        schema: 2,
        zero_threshold: 0.5,
        zero_count: 1.0,
        count: 1.0,
        sum: 2.0,
        positive_spans: vec![Span { offset: 3, length: 1 }],
        positive_buckets: vec![0.0],
        ..FloatHistogram::default()
    };
    let samples = Samples {
        histogram_st: vec![MINUTE - 10_000],
        histogram_t: vec![MINUTE],
        histogram: vec![histogram],
        ..Samples::default()
    };
    bench.memory.add(Labels::from_pairs([("__name__", "h")]), samples);
    // With a positive bucket, though empty, nothing is taken to be below zero.
    bench.check("histogram_quantile(0.5, rate(h[1m]))", "{} 0.25");
}

#[test]
fn series_of_one_name_may_be_equal_without_their_types() {
    let rise = "0+60x5";
    let types = |second: &str| {
        let series = format!("m_total{{__type__=\"counter\"}} {rise}\nm_total{{{second}}} {rise}");
        Bench::new(5, &series)
    };
    let clash = "error: vector cannot contain metrics with the same labelset";
    types("__type__=\"gauge\"").check("rate(m_total[5m])", clash);
    types("__unit__=\"s\"").check("rate(m_total[5m])", clash);
    types("x=\"1\"").check("rate(m_total[5m])", "{} 1\n{x=\"1\"} 1");
    let untyped = Bench::new(5, &format!("m_total {rise}\nm_total{{x=\"1\"}} {rise}"));
    untyped.check("rate(m_total[5m])", "{} 1\n{x=\"1\"} 1");
}
