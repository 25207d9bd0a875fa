//! Pages of any format, read in every way.

use std::fmt::{Debug, Write};

use exposition::{
    AnyParser, FamilyHead, Format, HistogramParts, Line, MetricHead, Native, PageSample, PageValue,
    Reading, TextFormat, put_family,
};
use model::{
    CounterResetHint, Exemplar, FloatHistogram, Histogram, Labels, LabelsBuilder, MetricType, Span,
};
use proptest::prelude::*;
use stdx::varint::take_u64;

const OPEN_METRICS: Format = Format::Text(TextFormat::OpenMetrics);
const TEXT: Format = Format::Text(TextFormat::Prometheus);
const PLAIN: Reading = Reading {
    native: false,
    classic: false,
    convert: false,
    start_times: false,
    type_and_unit: false,
};

fn show(page: &[u8], format: Format, reading: Reading) -> String {
    let mut parser = AnyParser::new(page, format, reading);
    let (mut sample, mut out) = (PageSample::default(), String::new());
    let mut labels = LabelsBuilder::default();
    while let Some(line) = parser.next(&mut sample) {
        let shown = match line {
            Err(error) => write!(out, "error at {}: {error}", error.offset),
            Ok(Line::Help(name, help)) => write!(out, "help {} {}", text(name), help.text()),
            Ok(Line::Type(name, kind)) => write!(out, "type {} {}", text(name), kind.as_str()),
            Ok(Line::Unit(name, unit)) => write!(out, "unit {} {}", text(name), text(unit)),
            Ok(Line::Comment) => write!(out, "comment"),
            Ok(Line::Sample) => {
                sample.labels_into(&mut labels).expect("labels");
                write!(out, "{}", labels.labels()).expect("memory");
                show_value(&mut out, &sample);
                Ok(())
            }
        };
        shown.expect("memory");
        out.push('\n');
    }
    out
}

fn show_value(out: &mut String, sample: &PageSample) {
    match &sample.value {
        PageValue::Float(v) => write!(out, " {v}").expect("memory"),
        PageValue::Histogram(it) => {
            out.push_str(" integer");
            show_histogram(out, &it.to_float(), [&it.positive_deltas, &it.negative_deltas]);
        }
        PageValue::FloatHistogram(it) => {
            out.push_str(" float");
            show_histogram(out, it, [&it.positive_buckets, &it.negative_buckets]);
        }
    }
    sample.t.inspect(|t| write!(out, " @{t}").expect("memory"));
    sample.st.inspect(|st| write!(out, " since {st}").expect("memory"));
    for it in &sample.exemplars {
        write!(out, " # {} {}", it.labels, it.value).expect("memory");
        it.t.inspect(|t| write!(out, " @{t}").expect("memory"));
    }
}

/// `counts`: of the positive and the negative buckets, as they are stored.
fn show_histogram(out: &mut String, it: &FloatHistogram, counts: [&dyn Debug; 2]) {
    let spans = |it: &[Span]| {
        it.iter().map(|it| format!("{}+{}", it.offset, it.length)).collect::<Vec<_>>().join(" ")
    };
    let FloatHistogram { schema, count, sum, zero_count, zero_threshold, .. } = it;
    let [positive, negative] = counts;
    let shown = write!(
        out,
        " {schema} {count}/{sum} zero {zero_count}/{zero_threshold} +[{}] {positive:?} -[{}] {negative:?} {:?} {:?}",
        spans(&it.positive_spans),
        spans(&it.negative_spans),
        it.custom_values,
        it.hint
    );
    shown.expect("memory");
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

fn check(page: &[u8], format: Format, reading: Reading, expected: &str) {
    assert_eq!(show(page, format, reading), expected, "{reading:?}");
}

const CLASSIC: &str = r#"# HELP h Seconds,\nhere.
# TYPE h histogram
h_bucket{a="x",le="1"} 1
h_bucket{a="x",le="+Inf"} 3
h_sum{a="x"} 4.5
h_count{a="x"} 3
h_bucket{a="y",le="1"} 5
h_bucket{a="y",le="+Inf"} 4
h_sum{a="y"} 4.5
h_count{a="y"} 4
h_other{a="y"} 7
h_bucket{a="z",le="2"} 0.5 1000
h_count{a="z"} 0.5 1000
# TYPE g gauge
g_count 1
"#;

#[test]
fn text_is_read_as_it_stands() {
    check(
        CLASSIC.as_bytes(),
        TEXT,
        PLAIN,
        r#"help h Seconds,
here.
type h histogram
{__name__="h_bucket", a="x", le="1.0"} 1
{__name__="h_bucket", a="x", le="+Inf"} 3
{__name__="h_sum", a="x"} 4.5
{__name__="h_count", a="x"} 3
{__name__="h_bucket", a="y", le="1.0"} 5
{__name__="h_bucket", a="y", le="+Inf"} 4
{__name__="h_sum", a="y"} 4.5
{__name__="h_count", a="y"} 4
{__name__="h_other", a="y"} 7
{__name__="h_bucket", a="z", le="2.0"} 0.5 @1000
{__name__="h_count", a="z"} 0.5 @1000
type g gauge
{__name__="g_count"} 1
"#,
    );
}

#[test]
fn classic_histograms_are_converted() {
    let convert = Reading { convert: true, ..PLAIN };
    // That of `y` is not cumulative.
    check(
        CLASSIC.as_bytes(),
        TEXT,
        convert,
        r#"help h Seconds,
here.
type h histogram
{__name__="h", a="x"} integer -53 3/4.5 zero 0/0 +[0+2] [1, 1] -[] [] [1.0] Unknown
{__name__="h_other", a="y"} 7
{__name__="h", a="z"} float -53 0.5/0 zero 0/0 +[0+1] [0.5] -[] [] [2.0] Unknown @1000
type g gauge
{__name__="g_count"} 1
"#,
    );
    check(
        b"# TYPE h histogram\nh_bucket{le=\"1\"} 1 # {id=\"a\"} 0.5 2\nh_bucket{le=\"+Inf\"} 2 # {id=\"b\"} 5\nh_count 2\n# EOF\n",
        OPEN_METRICS,
        Reading { classic: true, ..convert },
        r#"type h histogram
{__name__="h_bucket", le="1"} 1 # {id="a"} 0.5 @2000
{__name__="h_bucket", le="+Inf"} 2 # {id="b"} 5
{__name__="h_count"} 2
{__name__="h"} integer -53 2/0 zero 0/0 +[0+2] [1, 0] -[] [] [1.0] Unknown # {id="a"} 0.5 @2000
"#,
    );
    check(
        b"# TYPE \"h.x\" histogram\n{\"h.x_count\",\"l.x\"=\"1\"} 2\n# TYPE \"h.x\" histogram\nno value\n",
        TEXT,
        convert,
        "type h.x histogram\n{__name__=\"h.x\", \"l.x\"=\"1\"} integer -53 2/0 zero 0/0 +[0+1] [2] -[] [] [] Unknown\ntype h.x histogram\nerror at 72: strconv.ParseFloat: parsing \"value\": invalid syntax while parsing: \"no value\"\n",
    );
}

#[test]
fn start_times_are_found_behind_their_series() {
    let page = br#"# TYPE c counter
c_total{a="x"} 1
c_total{a="y"} 2
c_created{a="x"} 1.5
# TYPE h histogram
h_bucket{le="1"} 1
h_bucket{le="+Inf"} 1
h_created 7
# TYPE g gauge
g 1
g_created 3
# EOF
"#;
    check(
        page,
        OPEN_METRICS,
        Reading { start_times: true, ..PLAIN },
        r#"type c counter
{__name__="c_total", a="x"} 1 since 1500
{__name__="c_total", a="y"} 2
type h histogram
{__name__="h_bucket", le="1"} 1 since 7000
{__name__="h_bucket", le="+Inf"} 1 since 7000
type g gauge
{__name__="g"} 1
{__name__="g_created"} 3
"#,
    );
    let without = show(page, OPEN_METRICS, PLAIN);
    assert_eq!(without.matches("_created").count(), 3, "{without}");
}

#[test]
fn series_are_labelled_with_what_their_family_is() {
    let described = Reading { type_and_unit: true, ..PLAIN };
    let page = br#"# TYPE c_seconds counter
# UNIT c_seconds seconds
c_seconds_total{a="x"} 1
c_seconds_total{__unit__="hours",} 2
other{__type__="mine"} 3
# TYPE "h.x" histogram
{"h.x_bucket",le="1"} 1
{"h.x_count"} 1
# TYPE u unknown
u{__type__="mine"} 1
# EOF
"#;
    check(
        page,
        OPEN_METRICS,
        described,
        r#"type c_seconds counter
unit c_seconds seconds
{__name__="c_seconds_total", __type__="counter", __unit__="seconds", a="x"} 1
{__name__="c_seconds_total", __type__="counter", __unit__="seconds"} 2
{__name__="other", __type__="mine"} 3
type h.x histogram
{__name__="h.x_bucket", __type__="histogram", le="1"} 1
{__name__="h.x_count", __type__="histogram"} 1
type u unknown
{__name__="u", __type__="mine"} 1
"#,
    );
    let converted = show(CLASSIC.as_bytes(), TEXT, Reading { convert: true, ..described });
    assert!(converted.contains(r#"{__name__="h", __type__="histogram", a="x"} integer"#));
    let read = show(&proto(), Format::Protobuf, Reading { native: true, ..described });
    for expected in [
        r#"{__name__="c_total", __type__="counter", __unit__="s", a="x\"\n", "l.x"="y"} 1"#,
        r#"{__name__="u"} 1"#,
        r#"{__name__="n", __type__="histogram"} integer"#,
        r#"{__name__="f", __type__="gaugehistogram"} float"#,
    ] {
        assert!(read.contains(expected), "{expected}: {read}");
    }
}

/// The names of the series of a page that count.
fn counting(page: &[u8], format: Format, reading: Reading) -> String {
    let mut parser = AnyParser::new(page, format, reading);
    let (mut sample, mut labels) = (PageSample::default(), LabelsBuilder::default());
    let mut names = Vec::new();
    while let Some(line) = parser.next(&mut sample) {
        if line.expect("a line") == Line::Sample && sample.is_cumulative {
            sample.labels_into(&mut labels).expect("labels");
            names.push(labels.get("__name__").expect("a name").to_owned());
        }
    }
    names.dedup();
    names.join(" ")
}

#[test]
fn knows_what_counts() {
    let page = br#"a 1
# TYPE c counter
c 1
d_total 1
# TYPE s summary
s{quantile="1"} 1
s_sum 1
s_count 1
# TYPE h histogram
h_bucket{le="+Inf"} 1
h_count 1
h_created 1
# TYPE g gauge
g 1
g_count 1
"#;
    assert_eq!(counting(page, TEXT, PLAIN), "c s_sum s_count h_bucket h_count");
    let both = Reading { convert: true, classic: true, ..PLAIN };
    assert_eq!(counting(page, TEXT, both), "c s_sum s_count h_bucket h_count h");
    let native = Reading { native: true, ..PLAIN };
    let expected = "c_total s_count s_sum h_count h_sum h_bucket n";
    assert_eq!(counting(&proto(), Format::Protobuf, native), expected);
}

fn native() -> Histogram {
    Histogram {
        schema: 1,
        zero_threshold: 0.001,
        zero_count: 1,
        count: 6,
        sum: 9.5,
        positive_spans: vec![Span { offset: -1, length: 2 }, Span { offset: 1, length: 1 }],
        negative_spans: vec![Span { offset: 0, length: 1 }],
        positive_deltas: vec![1, -1, 2],
        negative_deltas: vec![2],
        ..Histogram::default()
    }
}

fn proto() -> Vec<u8> {
    let mut page = Vec::new();
    let exemplar = |value, t| Exemplar { labels: Labels::from_pairs([("id", "a")]), value, t };
    let exemplars = [exemplar(0.5, Some(1500)), exemplar(0.6, None)];
    let head = MetricHead {
        labels: &[("a", "x\"\n"), ("l.x", "y")],
        t: 1234,
        st: 1500,
        exemplars: &exemplars,
    };
    let named = |name, kind| FamilyHead { name, kind, ..FamilyHead::default() };
    let counter =
        FamilyHead { help: "Back\\slash.", unit: "s", ..named("c_total", MetricType::Counter) };
    put_family(&mut page, counter, |it| it.number(head, 1.0));
    put_family(&mut page, named("empty", MetricType::Gauge), |_| {});
    put_family(&mut page, named("g.x", MetricType::Gauge), |it| {
        it.number(MetricHead::default(), -1.5);
    });
    put_family(&mut page, named("s", MetricType::Summary), |it| {
        it.summary(MetricHead::default(), 3, 4.5, &[(0.5, 1.0), (0.99, f64::NAN)]);
    });
    put_family(&mut page, named("u", MetricType::Info), |it| {
        it.number(MetricHead::default(), 1e20);
    });
    let classic =
        HistogramParts { count: 3.0, sum: 4.5, buckets: &[(1.0, 1.0), (10.0, 3.0)], native: None };
    put_family(&mut page, named("h", MetricType::Histogram), |it| {
        it.histogram(MetricHead { labels: &[], ..head }, classic);
    });
    let (integer, mut float) = (native(), native().to_float());
    float.hint = CounterResetHint::Unknown;
    put_family(&mut page, named("n", MetricType::Histogram), |it| {
        let parts =
            HistogramParts { native: Some(Native::Integer(&integer)), ..HistogramParts::default() };
        it.histogram(MetricHead { labels: &[], ..head }, parts);
        it.histogram(
            MetricHead { labels: &[("also", "classic")], ..MetricHead::default() },
            HistogramParts { buckets: &[(1.0, 4.0), (f64::INFINITY, 6.0)], ..parts },
        );
    });
    put_family(&mut page, named("f", MetricType::GaugeHistogram), |it| {
        let parts =
            HistogramParts { native: Some(Native::Float(&float)), ..HistogramParts::default() };
        it.histogram(MetricHead::default(), parts);
        let empty = Histogram { sum: 0.0, ..Histogram::default() };
        let parts = HistogramParts { native: Some(Native::Integer(&empty)), ..parts };
        it.histogram(MetricHead { labels: &[("empty", "1")], ..MetricHead::default() }, parts);
    });
    page
}

const NUMBERS: &str = r#"help c_total Back\slash.
type c_total counter
unit c_total s
{__name__="c_total", a="x\"\n", "l.x"="y"} 1 @1234 # {id="a"} 0.5 @1500
type g.x gauge
{__name__="g.x"} -1.5
type s summary
{__name__="s_count"} 3
{__name__="s_sum"} 4.5
{__name__="s", quantile="0.5"} 1
{__name__="s", quantile="0.99"} NaN
type u unknown
{__name__="u"} 100000000000000000000
type h histogram
"#;

const H_CLASSIC: &str = r#"{__name__="h_count"} 3 @1234
{__name__="h_sum"} 4.5 @1234
{__name__="h_bucket", le="1.0"} 1 @1234 # {id="a"} 0.5 @1500
{__name__="h_bucket", le="10.0"} 3 @1234 # {id="a"} 0.5 @1500
{__name__="h_bucket", le="+Inf"} 3 @1234
"#;

const N_NATIVE: &str = r#"{__name__="n"} integer 1 6/9.5 zero 1/0.001 +[-1+1 2+1] [1, 1] -[0+1] [2] [] Unknown @1234 # {id="a"} 0.5 @1500
{__name__="n", also="classic"} integer 1 6/9.5 zero 1/0.001 +[-1+1 2+1] [1, 1] -[0+1] [2] [] Unknown
"#;

const F_NATIVE: &str = r#"type f gaugehistogram
{__name__="f"} float 1 6/9.5 zero 1/0.001 +[-1+1 2+1] [1.0, 2.0] -[0+1] [2.0] [] Gauge
{__name__="f", empty="1"} integer 0 0/0 zero 0/0 +[] [] -[] [] [] Gauge
"#;

const N_CLASSIC: &str = r#"{__name__="n_count", also="classic"} 6
{__name__="n_sum", also="classic"} 9.5
{__name__="n_bucket", also="classic", le="1.0"} 4
{__name__="n_bucket", also="classic", le="+Inf"} 6
"#;

#[test]
fn protobuf_is_read() {
    let page = proto();
    let native = Reading { native: true, ..PLAIN };
    let expected = format!("{NUMBERS}{H_CLASSIC}type n histogram\n{N_NATIVE}{F_NATIVE}");
    check(&page, Format::Protobuf, native, &expected);
    let both = Reading { classic: true, convert: true, ..native };
    let converted = "{__name__=\"h\"} integer -53 3/4.5 zero 0/0 +[0+2] [1, 1] -[] [] [1.0, 10.0] Unknown @1234 # {id=\"a\"} 0.5 @1500 # {id=\"a\"} 0.5 @1500\n";
    let expected =
        format!("{NUMBERS}{converted}{H_CLASSIC}type n histogram\n{N_NATIVE}{N_CLASSIC}{F_NATIVE}");
    check(&page, Format::Protobuf, both, &expected);
    let shown = show(&page, Format::Protobuf, PLAIN);
    let bare = r#"type n histogram
{__name__="n_count"} 6 @1234
{__name__="n_sum"} 9.5 @1234
{__name__="n_bucket", le="+Inf"} 6 @1234
"#;
    let end = r#"type f gaugehistogram
{__name__="f_count"} 6
{__name__="f_sum"} 9.5
{__name__="f_bucket", le="+Inf"} 6
{__name__="f_count", empty="1"} 0
{__name__="f_sum", empty="1"} 0
{__name__="f_bucket", empty="1", le="+Inf"} 0
"#;
    assert_eq!(shown, format!("{NUMBERS}{H_CLASSIC}{bare}{N_CLASSIC}{end}"));
    let shown = show(&page, Format::Protobuf, Reading { start_times: true, ..native });
    assert_eq!(shown.matches(" since 1500").count(), 7, "{shown}");
}

#[test]
fn broken_protobuf_is_refused() {
    let page = proto();
    let (mut rest, mut ends) = (&page[..], vec![0]);
    while let Some(len) = take_u64(&mut rest) {
        rest = &rest[usize::try_from(len).expect("short")..];
        ends.push(page.len() - rest.len());
    }
    for len in 0..page.len() {
        let whole =
            Reading { native: true, classic: true, convert: true, start_times: true, ..PLAIN };
        let shown = show(&page[..len], Format::Protobuf, whole);
        let cut = shown.lines().last().is_some_and(|it| it.ends_with("unexpected EOF"));
        assert_eq!(cut, !ends.contains(&len), "{len}: {shown}");
    }
    let family = |name: &str, kind| {
        let mut page = Vec::new();
        put_family(&mut page, FamilyHead { name, kind, ..FamilyHead::default() }, |it| {
            it.number(MetricHead::default(), 1.0);
        });
        page
    };
    let refuse = |page: &[u8], expected: &str| {
        let native = Reading { native: true, ..PLAIN };
        let shown = show(page, Format::Protobuf, native);
        assert_eq!(shown.lines().last(), Some(expected), "{shown}");
    };
    refuse(&family("", MetricType::Gauge), "error at 0: invalid metric name: ");
    let mut page = family("g", MetricType::Gauge);
    let first = page.len();
    page.extend(family("x", MetricType::Gauge));
    page[first + 5] = 9;
    refuse(&page, &format!("error at {first}: unknown metric type for metric \"x\": 9"));
    let spoilt = Histogram { positive_deltas: vec![1], ..native() };
    let mut page = Vec::new();
    let head = FamilyHead { name: "n", kind: MetricType::Histogram, ..FamilyHead::default() };
    put_family(&mut page, head, |it| {
        let native = Some(Native::Integer(&spoilt));
        it.histogram(MetricHead::default(), HistogramParts { native, ..HistogramParts::default() });
    });
    refuse(
        &page,
        &format!(
            "error at {}: histogram \"n\": positive side: spans require 3 buckets, have 1",
            page.len()
        ),
    );
    let float =
        FloatHistogram { count: 1.0, negative_buckets: vec![1.0], ..FloatHistogram::default() };
    let mut page = Vec::new();
    put_family(&mut page, head, |it| {
        let native = Some(Native::Float(&float));
        it.histogram(MetricHead::default(), HistogramParts { native, ..HistogramParts::default() });
    });
    refuse(
        &page,
        &format!(
            "error at {}: histogram \"n\": negative side: spans require 0 buckets, have 1",
            page.len()
        ),
    );
}

proptest! {
    /// What is spoilt is read or refused, and the reader ends.
    #[test]
    fn spoilt_pages_end(at in prop::collection::vec((0..2000usize, any::<u8>()), 1..6), how in 0..32u8) {
        let mut page = proto();
        for (at, byte) in at {
            let at = at % page.len();
            page[at] = byte;
        }
        let on = |bit: u8| how & bit != 0;
        let reading = Reading {
            native: on(1),
            classic: on(2),
            convert: on(4),
            start_times: on(8),
            type_and_unit: on(16),
        };
        let mut parser = AnyParser::new(&page, Format::Protobuf, reading);
        let (mut sample, mut n) = (PageSample::default(), 0);
        while parser.next(&mut sample).is_some_and(|it| it.is_ok()) {
            n += 1;
        }
        prop_assert!(n < 4 * page.len());
        prop_assert!(parser.next(&mut sample).is_none());
    }
}

#[test]
fn a_last_line_may_lack_its_end() {
    check(b"#", TEXT, PLAIN, "comment\n");
    check(b"a 1\n # c", TEXT, PLAIN, "{__name__=\"a\"} 1\ncomment\n");
    check(b"# HELP a b", TEXT, PLAIN, "help a b\n");
    check(b"# TYPE a counter", TEXT, PLAIN, "type a counter\n");
    check(b"a 1", TEXT, PLAIN, "{__name__=\"a\"} 1\n");
}
