//! What the parser accepts, and what it says about the rest.

use std::fmt::Write;

use exposition::{Entry, Parser, TextFormat, check_open_metrics, unescape_help};
use model::LabelsBuilder;
use proptest::prelude::*;

/// Renders each statement on a line; the error, if any, comes last.
fn render(page: &[u8], format: TextFormat) -> String {
    let mut parser = Parser::new(page, format);
    let (mut out, mut labels) = (String::new(), LabelsBuilder::default());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    while let Some(entry) = parser.next() {
        let written = match entry {
            Ok(Entry::Series(series)) => {
                let read = parser.labels_into(series.raw, &mut labels);
                let read =
                    read.map_or_else(|error| error.to_string(), |()| labels.labels().to_string());
                let t = series.t.map(|t| format!(" @{t}")).unwrap_or_default();
                let exemplar = series.exemplar.map(|it| {
                    let labels =
                        it.labels().map_or_else(|error| error.to_string(), |it| it.to_string());
                    format!(" # {labels} {} {:?}", it.value, it.t)
                });
                writeln!(out, "{read} {}{t}{}", series.value, exemplar.unwrap_or_default())
            }
            Ok(Entry::Help(name, help)) => {
                writeln!(out, "HELP {} {:?}", text(name), unescape_help(help, format))
            }
            Ok(Entry::Type(name, kind)) => writeln!(out, "TYPE {} {}", text(name), kind.as_str()),
            Ok(Entry::Unit(name, unit)) => writeln!(out, "UNIT {} {}", text(name), text(unit)),
            Ok(Entry::Comment(comment)) => writeln!(out, "COMMENT {}", text(comment)),
            Err(error) => writeln!(out, "{error}"),
        };
        written.expect("a string takes everything");
    }
    out
}

fn check(page: &str, expected: &str) {
    assert_eq!(render(page.as_bytes(), TextFormat::Prometheus), expected, "{page}");
}

fn check_om(page: &str, expected: &str) {
    assert_eq!(render(page.as_bytes(), TextFormat::OpenMetrics), expected, "{page}");
}

#[test]
fn reads_text() {
    check("a 1", "{__name__=\"a\"} 1\n");
    check(
        "\n\na{ b = \"x\\\"\\\\\\n\\z\" , c=\"\", } \t-1.5e3 \t17 \n",
        "{__name__=\"a\", b=\"x\\\"\\\\\\n\\\\z\"} -1500 @17\n",
    );
    check("{\"m.x\",\"l.1\"=\"v\"} +Inf\n", "{__name__=\"m.x\", \"l.1\"=\"v\"} inf\n");
    check("{b=\"1\",\"m\"} nan", "{__name__=\"m\", b=\"1\"} NaN\n");
    check("a{b=\"{}#\"} 1 2", "{__name__=\"a\", b=\"{}#\"} 1 @2\n");
    check("a {b=\"c\"}1", "{__name__=\"a\", b=\"c\"} 1\n");
    check("#comment\n# HELPx\n#", "COMMENT #comment\nCOMMENT # HELPx\nCOMMENT #\n");
    check(
        "# HELP a he\\n\\\\p \"\\\"\n# HELP b\n# HELP c \n",
        "HELP a \"he\\n\\\\p \\\"\\\\\\\"\"\nHELP b \"\"\nHELP c \"\"\n",
    );
    check("# TYPE \"a.b\" untyped\n", "TYPE a.b unknown\n");
    let page =
        "#\tTYPE a histogram\na_bucket{le=\"1\"} 1\na_bucket{le=\"1e9\"} 1\na_bucket{le=\"x\"} 1\n";
    check(
        page,
        "TYPE a histogram\n{__name__=\"a_bucket\", le=\"1.0\"} 1\n{__name__=\"a_bucket\", le=\"1e+09\"} 1\n{__name__=\"a_bucket\", le=\"x\"} 1\n",
    );
    check("a{b=\"1\",b=\"2\"} 1\n", "label name \"b\" is not unique: invalid sample 1\n");
    check(
        "a \u{0}",
        "strconv.ParseFloat: parsing \"\\x00\": invalid syntax while parsing: \"a \\x00\"\n",
    );
}

#[test]
fn says_what_is_wrong_with_text() {
    check("a", "expected value after metric, got \"\\n\" (\"INVALID\") while parsing: \"a\\n\"\n");
    check(
        "a{b='c'} 1\n",
        "expected label value, got \"'\" (\"INVALID\") while parsing: \"a{b='\"\n",
    );
    check("a{b=\n", "expected label value, got \"\\n\" (\"INVALID\") while parsing: \"a{b=\\n\"\n");
    check("a{\"b\"}\n", "metric name already set while parsing: \"a{\\\"b\\\"}\"\n");
    check("{} 1\n", "metric name not set while parsing: \"{} 1\"\n");
    check("9\n", "expected a valid start token, got \"9\" (\"INVALID\") while parsing: \"9\"\n");
    check(
        "a 1 x\n",
        "expected timestamp or new record, got \"x\" (\"INVALID\") while parsing: \"a 1 x\"\n",
    );
    check(
        "a 1 -2\n",
        "expected timestamp or new record, got \"-\" (\"INVALID\") while parsing: \"a 1 -\"\n",
    );
    check(
        "a 1 2 3\n",
        "expected next entry after timestamp, got \"3\\n\" (\"TIMESTAMP\") while parsing: \"a 1 2 3\\n\"\n",
    );
    check("a 0x1p3\n", "unsupported character in float while parsing: \"a 0x1p3\"\n");
    check(
        "a 1e400\n",
        "strconv.ParseFloat: parsing \"1e400\": value out of range while parsing: \"a 1e400\"\n",
    );
    check(
        "a 1\r\n",
        "strconv.ParseFloat: parsing \"1\\r\": invalid syntax while parsing: \"a 1\\r\"\n",
    );
    check("# TYPE a  counter\n", "invalid metric type \" counter\"\n");
    check("# TYPE a histogram \n", "invalid metric type \"histogram \"\n");
    check(
        "# HELP 1\n",
        "expected metric name after HELP, got \"1\" (\"INVALID\") while parsing: \"# HELP 1\"\n",
    );
    let wrong = b"a{b=\"\xff\"} 1\n";
    assert_eq!(
        render(wrong, TextFormat::Prometheus),
        "invalid UTF-8 label value: \"\\\"\\xff\\\"\"\n"
    );
}

#[test]
fn reads_open_metrics() {
    check_om(
        "# TYPE a_s counter\n# UNIT a_s s\n# HELP a_s q\\\"\na_s_total{x=\"1\"} 1 -1.5 # {t=\"y\"} 0.5 2.0004\n# EOF",
        "TYPE a_s counter\nUNIT a_s s\nHELP a_s \"q\\\"\"\n{__name__=\"a_s_total\", x=\"1\"} 1 @-1500 # {t=\"y\"} 0.5 Some(2000)\n",
    );
    check_om("a{le=\"1\"} 1 # {} 1\n# EOF\n", "{__name__=\"a\", le=\"1\"} 1 # {} 1 None\n");
    check_om("", "data does not end with # EOF\n");
    check_om("a 1\n", "{__name__=\"a\"} 1\ndata does not end with # EOF\n");
    check_om("# EOF\na", "unexpected data after # EOF\n");
    check_om("# HELP a\n", "expected text in HELP\n");
    check_om("# UNIT m suffix\n", "unit \"suffix\" not a suffix of metric \"m\"\n");
    check_om(
        "#EOF",
        "expected a valid start token, got \"#E\" (\"INVALID\") while parsing: \"#E\"\n",
    );
    check_om(
        "\n",
        "expected a valid start token, got \"\\n\" (\"INVALID\") while parsing: \"\\n\"\n",
    );
    check_om(
        "metric",
        "expected value after metric, got \"metric\" (\"EOF\") while parsing: \"metric\"\n",
    );
    check_om(
        "a  1\n",
        "expected value after metric, got \"  \" (\"INVALID\") while parsing: \"a  \"\n",
    );
    check_om("a 1 NaN\n", "invalid timestamp NaN\n");
    check_om("a 1 # {a=\"b\"} 1 -Inf\n", "invalid exemplar timestamp -Inf\n");
    check_om(
        "a 1 # {\"b\"} 1\n",
        "expected equal, got \"} \" (\"BCLOSE\") while parsing: \"a 1 # {\\\"b\\\"} \"\n",
    );
    check_om(
        "a{b=\"c\"d=\"e\"} 1\n",
        "expected comma or brace close, got \"d=\" (\"LNAME\") while parsing: \"a{b=\\\"c\\\"d=\"\n",
    );
}

/// What a scrape of the same series sees: the raw bytes, then the values behind them.
#[test]
fn steps_over_known_series() {
    let page = b"# HELP a b\na{b=\"c\"} 12\na{b=\"c\"} -1.25 99\na{b=\"c\"}\t1e3\na{b=\"c\"} x\n";
    let mut parser = Parser::new(page, TextFormat::Prometheus);
    assert_eq!(parser.peek_line(11), Some(&b"# HELP a b\n"[..]));
    parser.skip_line(11, None);
    let raw = b"a{b=\"c\"}";
    assert_eq!((parser.peek(3), parser.peek(raw.len())), (None, Some(&raw[..])));
    let mut known = || parser.known(raw.len()).map(|it| (it.value, it.t));
    assert_eq!(
        [known(), known(), known(), known()],
        [Some((12.0, None)), Some((-1.25, Some(99))), Some((1000.0, None)), None]
    );
    let error = parser.next().expect("a line").expect_err("wrong");
    assert_eq!(
        error.message,
        "strconv.ParseFloat: parsing \"x\": invalid syntax while parsing: \"a{b=\\\"c\\\"} x\""
    );
}

/// The first sample of a page, without blanks before its name.
fn first_sample(page: &str) -> Option<(String, u64, Option<i64>)> {
    match Parser::new(page.as_bytes(), TextFormat::Prometheus).next() {
        Some(Ok(Entry::Series(it))) => {
            let raw = String::from_utf8_lossy(it.raw.trim_ascii_start()).into_owned();
            Some((raw, it.value.to_bits(), it.t))
        }
        _ => None,
    }
}

proptest! {
    /// A line that begins with a blank is never plain, so it is read token by token.
    #[test]
    fn plain_lines_are_read_as_others(
        line in "[a:1]{0,2}(\\{([a:1]{0,2} ?=?\"[b\\\\\n\"}é]{0,2}\",?){0,2}\\})?[ \t]{0,2}[-+1.e_NaIinf]{0,4}( [0-9]{1,2})?\n?",
    ) {
        prop_assert_eq!(first_sample(&line), first_sample(&format!(" {line}")));
    }

    #[test]
    fn never_panics(page in "([a-b#{}\"=,\\\\\n\t 0-9.\u{0}é]|# TYPE |# HELP |# EOF| # \\{|a\\{b=\"c\"\\} 1\n){0,40}") {
        render(page.as_bytes(), TextFormat::Prometheus);
        render(page.as_bytes(), TextFormat::OpenMetrics);
        let _ = check_open_metrics(page.as_bytes());
    }

    #[test]
    fn never_panics_on_bytes(page in prop::collection::vec(any::<u8>(), 0..200)) {
        render(&page, TextFormat::Prometheus);
        render(&page, TextFormat::OpenMetrics);
        let _ = check_open_metrics(&page);
    }
}
