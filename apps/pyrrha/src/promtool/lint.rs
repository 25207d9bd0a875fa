//! `promtool check metrics`: lints an exposition page from standard input.

use std::collections::{BTreeMap, HashSet};
use std::io::Read;
use std::process::ExitCode;

use exposition::{Entry, Parser, TextFormat, unescape_help};
use model::{LabelsBuilder, METRIC_NAME, MetricType};

/// A page larger than this is refused.
const PAGE_BYTES_MAX: u64 = 1 << 30;

/// One family of the page.
#[derive(Default)]
struct Family {
    kind: MetricType,
    help: String,
    /// Label names of all its series.
    label_names: HashSet<String>,
    /// Series as written, to find duplicates.
    series: HashSet<String>,
    is_repeated: bool,
}

/// Reads standard input and prints what it finds.
pub(super) fn metrics(extended: bool, lint: &str) -> ExitCode {
    if lint == "none" && !extended {
        eprintln!("error: at least one of --extended or a --lint is needed");
        return ExitCode::FAILURE;
    }
    let mut page = Vec::new();
    if let Err(error) = std::io::stdin().take(PAGE_BYTES_MAX).read_to_end(&mut page) {
        eprintln!("error while linting: {error}");
        return ExitCode::FAILURE;
    }
    let families = match families(&page) {
        Ok(it) => it,
        Err(error) => {
            eprintln!("error while linting: {error}");
            return ExitCode::FAILURE;
        }
    };
    if extended {
        print_cardinality(&families);
    }
    let problems = if lint == "none" { Vec::new() } else { problems(&families) };
    for (name, text) in &problems {
        eprintln!("{name} {text}");
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(super::LINT) }
}

fn families(page: &[u8]) -> Result<BTreeMap<String, Family>, String> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut parser = Parser::new(page, TextFormat::Prometheus);
    let mut builder = LabelsBuilder::default();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    while let Some(entry) = parser.next() {
        let line = |offset: usize| 1 + page[..offset].iter().filter(|it| **it == b'\n').count();
        match entry.map_err(|error| {
            format!("text format parsing error in line {}: {error}", line(error.offset))
        })? {
            Entry::Type(name, kind) => families.entry(text(name)).or_default().kind = kind,
            Entry::Help(name, help) => {
                families.entry(text(name)).or_default().help =
                    unescape_help(help, TextFormat::Prometheus);
            }
            Entry::Series(series) => {
                parser.labels_into(series.raw, &mut builder).map_err(|error| {
                    let line = line(parser.offset().saturating_sub(1));
                    format!("text format parsing error in line {line}: {error}")
                })?;
                let labels = builder.labels();
                let family =
                    families.entry(family_of(labels.metric_name(), &families)).or_default();
                let names =
                    labels.iter().map(|(name, _)| name.to_owned()).filter(|it| it != METRIC_NAME);
                family.label_names.extend(names);
                family.is_repeated |= !family.series.insert(labels.to_string());
            }
            Entry::Unit(..) | Entry::Comment(_) => {}
        }
    }
    Ok(families)
}

/// The family a series belongs to: `_bucket`, `_sum` and `_count` belong to a histogram or summary.
fn family_of(name: &str, families: &BTreeMap<String, Family>) -> String {
    for suffix in ["_bucket", "_sum", "_count"] {
        let Some(stem) = name.strip_suffix(suffix) else { continue };
        let kind = families.get(stem).map(|it| it.kind);
        if matches!(kind, Some(MetricType::Histogram))
            || matches!(kind, Some(MetricType::Summary)) && suffix != "_bucket"
        {
            return stem.to_owned();
        }
    }
    name.to_owned()
}

/// All findings, by family and text.
fn problems(families: &BTreeMap<String, Family>) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    for (name, family) in families.iter().filter(|(_, it)| !it.series.is_empty()) {
        let mut add = |text: String| found.push((name.as_str(), text));
        if family.help.is_empty() {
            add("no help text".into());
        }
        check_suffixes(name, family, &mut add);
        check_name(name, family, &mut add);
        if family.is_repeated {
            add("metric not unique".into());
        }
    }
    found.sort();
    found
}

fn check_suffixes(name: &str, family: &Family, add: &mut impl FnMut(String)) {
    let is_counter = family.kind == MetricType::Counter;
    let is_histogram = family.kind == MetricType::Histogram;
    let is_summary = family.kind == MetricType::Summary;
    let is_typed = family.kind != MetricType::Unknown;
    match name.ends_with("_total") {
        false if is_counter => add("counter metrics should have \"_total\" suffix".into()),
        true if !is_counter && is_typed => {
            add("non-counter metrics should not have \"_total\" suffix".into())
        }
        _ => {}
    }
    if name.ends_with("_timestamp_seconds") && family.kind != MetricType::Gauge && is_typed {
        add("non-gauge metrics should not have \"_timestamp_seconds\" suffix".into());
    }
    if !is_typed {
        return;
    }
    if name.ends_with("_bucket") && !is_histogram {
        add("non-histogram metrics should not have \"_bucket\" suffix".into());
    }
    for suffix in ["_count", "_sum"] {
        if name.ends_with(suffix) && !is_histogram && !is_summary {
            add(format!(
                "non-histogram and non-summary metrics should not have \"{suffix}\" suffix"
            ));
        }
    }
    if family.label_names.contains("le") && !is_histogram {
        add("non-histogram metrics should not have \"le\" label".into());
    }
    if family.label_names.contains("quantile") && !is_summary {
        add("non-summary metrics should not have \"quantile\" label".into());
    }
}

fn check_name(name: &str, family: &Family, add: &mut impl FnMut(String)) {
    if let Some((unit, base)) = name.split('_').find_map(unit_of).filter(|it| it.0 != it.1) {
        add(format!("use base unit \"{base}\" instead of \"{unit}\""));
    }
    let kind = family.kind.as_str();
    let lower = name.to_lowercase();
    // A name may begin with what must not follow in it.
    let words: Vec<&str> = lower.split('_').skip(1).collect();
    if family.kind != MetricType::Unknown && words.contains(&kind) {
        add(format!("metric name should not include type '{kind}'"));
    }
    if name.contains(':') {
        add("metric names should not contain ':'".into());
    }
    if is_camel_case(name) {
        add("metric names should be written in 'snake_case' not 'camelCase'".into());
    }
    if family.label_names.iter().any(|it| is_camel_case(it)) {
        add("label names should be written in 'snake_case' not 'camelCase'".into());
    }
    for _ in ABBREVIATED.iter().filter(|it| words.contains(it)) {
        add("metric names should not contain abbreviated units".into());
    }
}

const ABBREVIATED: [&str; 14] =
    ["s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"];

fn is_camel_case(name: &str) -> bool {
    name.as_bytes().windows(2).any(|it| it[0].is_ascii_lowercase() && it[1].is_ascii_uppercase())
}

/// Units, each with the one to use in its place.
const UNITS: [(&str, &str); 24] = [
    ("amperes", "amperes"),
    ("bytes", "bytes"),
    ("celsius", "celsius"),
    ("grams", "grams"),
    ("joules", "joules"),
    ("kelvin", "kelvin"),
    ("meters", "meters"),
    ("metres", "metres"),
    ("seconds", "seconds"),
    ("volts", "volts"),
    ("minutes", "seconds"),
    ("hours", "seconds"),
    ("days", "seconds"),
    ("weeks", "seconds"),
    ("kelvins", "kelvin"),
    ("fahrenheit", "celsius"),
    ("rankine", "celsius"),
    ("inches", "meters"),
    ("yards", "meters"),
    ("miles", "meters"),
    ("bits", "bytes"),
    ("calories", "joules"),
    ("pounds", "grams"),
    ("ounces", "grams"),
];

const PREFIXES: [&str; 18] = [
    "pico", "nano", "micro", "milli", "centi", "deci", "deca", "hecto", "kilo", "kibi", "mega",
    "mebi", "giga", "gibi", "tera", "tebi", "peta", "pebi",
];

/// The word and its base unit, if the word is a unit.
fn unit_of(word: &str) -> Option<(&str, &'static str)> {
    let base = |unit: &str| UNITS.iter().find(|it| it.0 == unit).map(|it| it.1);
    let found =
        base(word).or_else(|| PREFIXES.iter().find_map(|it| base(word.strip_prefix(it)?)))?;
    Some((word, found))
}

/// How many series each family has, greatest first.
fn print_cardinality(families: &BTreeMap<String, Family>) {
    let total: usize = families.values().map(|it| it.series.len()).sum();
    let mut rows: Vec<(&String, usize)> =
        families.iter().map(|(name, it)| (name, it.series.len())).collect();
    rows.retain(|(_, n)| 0 < *n);
    rows.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let mut table = vec![["Metric".to_owned(), "Cardinality".into(), "Percentage".into()]];
    for (name, n) in rows {
        #[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
        let percent = n as f64 * 100.0 / total as f64;
        table.push([name.clone(), n.to_string(), format!("{percent:.2}%")]);
    }
    table.push(["Total".into(), total.to_string(), "100%".into()]);
    let width = |at: usize| table.iter().map(|it| it[at].chars().count()).max().unwrap_or(0) + 4;
    let [first, second, third] = [0, 1, 2].map(width);
    for [name, n, percent] in &table {
        println!("{name:first$}{n:second$}{percent:third$}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(page: &str, expected: &[&str]) {
        let families = families(page.as_bytes()).unwrap();
        let found: Vec<String> =
            problems(&families).iter().map(|(name, text)| format!("{name} {text}")).collect();
        assert_eq!(found, expected, "{page}");
    }

    #[test]
    fn finds_what_is_legal_and_wrong() {
        check("# HELP a_total A.\n# TYPE a_total counter\na_total 1\n", &[]);
        check(
            "# TYPE a counter\na 1\n",
            &["a counter metrics should have \"_total\" suffix", "a no help text"],
        );
        check(
            "# HELP a_milliseconds A.\n# TYPE a_milliseconds gauge\na_milliseconds 1\n",
            &["a_milliseconds use base unit \"seconds\" instead of \"milliseconds\""],
        );
        check(
            "# HELP x X.\n# TYPE x histogram\nx_bucket{le=\"+Inf\"} 1\nx_sum 1\nx_count 1\n",
            &[],
        );
        check(
            "# HELP a_gauge A.\n# TYPE a_gauge gauge\na_gauge{fooBar=\"1\"} 1\na_gauge{fooBar=\"1\"} 2\n",
            &[
                "a_gauge label names should be written in 'snake_case' not 'camelCase'",
                "a_gauge metric name should not include type 'gauge'",
                "a_gauge metric not unique",
            ],
        );
        let named = |name: &str, expected: &[&str]| {
            let page = format!("# HELP {name} A.\n# TYPE {name} gauge\n{name} 1\n");
            let expected: Vec<String> = expected.iter().map(|it| format!("{name} {it}")).collect();
            check(&page, &expected.iter().map(String::as_str).collect::<Vec<_>>());
        };
        let abbreviated = "metric names should not contain abbreviated units";
        named("a_kb_ms", &[abbreviated, abbreviated]);
        named("s_gauges", &[]);
        named("gauge_a", &[]);
        named("a_metres_minutes", &[]);
        named("a_minutes_seconds", &["use base unit \"seconds\" instead of \"minutes\""]);
        named("a_kibibits", &["use base unit \"bytes\" instead of \"kibibits\""]);
        named("a_millivolts", &["use base unit \"volts\" instead of \"millivolts\""]);
        named("a_kilometres", &["use base unit \"metres\" instead of \"kilometres\""]);
        named("a_feet_kwh", &[]);
        named(
            "a:b_total",
            &[
                "metric names should not contain ':'",
                "non-counter metrics should not have \"_total\" suffix",
            ],
        );
        named(
            "a_timestamp_seconds_bucket",
            &["non-histogram metrics should not have \"_bucket\" suffix"],
        );
        named(
            "a_count",
            &["non-histogram and non-summary metrics should not have \"_count\" suffix"],
        );
        check(
            "# HELP a_timestamp_seconds A.\n# TYPE a_timestamp_seconds untyped\na_timestamp_seconds{le=\"1\",quantile=\"1\"} 1\n",
            &[],
        );
        check(
            "# HELP aB A.\n# TYPE aB summary\naB{quantile=\"1\",le=\"1\"} 1\naB_sum 1\naB_count 1\n",
            &[
                "aB metric names should be written in 'snake_case' not 'camelCase'",
                "aB non-histogram metrics should not have \"le\" label",
            ],
        );
    }

    #[test]
    fn says_where_a_page_is_broken() {
        let check = |page: &[u8], line: usize| {
            let start = format!("text format parsing error in line {line}: ");
            assert!(families(page).is_err_and(|it| it.starts_with(&start)));
        };
        check(b"a 1\nb{ 2\n", 2);
        check(b"a 1\nb{c=\"1\",c=\"2\"} 2\n", 2);
    }
}
