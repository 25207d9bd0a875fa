//! Upstream's own pages.

use std::path::{Path, PathBuf};

use exposition::{Entry, PageWriter, Parser, TextFormat, check_open_metrics, unescape_help};
use model::{Labels, LabelsBuilder, METRIC_NAME, MetricType};

fn corpus() -> Option<std::path::PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus");
    let dir = std::env::var("PYRRHA_CORPUS").unwrap_or_else(|_| default.to_owned());
    Some(std::path::PathBuf::from(dir).join("exposition")).filter(|it| it.is_dir())
}

#[test]
fn agrees_with_the_open_metrics_cases() {
    let Some(dir) = corpus() else { return };
    let (mut good, mut bad) = (0, 0);
    for case in std::fs::read_dir(dir.join("openmetrics")).expect("readable") {
        let path = case.expect("readable").path();
        let page = std::fs::read(path.join("metrics")).expect("readable");
        let test = std::fs::read_to_string(path.join("test.json")).expect("readable");
        let expected = test.contains("\"shouldParse\": true");
        let found = check_open_metrics(&page);
        assert_eq!(found.is_ok(), expected, "{}: {found:?}", path.display());
        // The parser alone takes all that is good, and more.
        let mut parser = Parser::new(&page, TextFormat::OpenMetrics);
        let mut parsed = true;
        while let Some(entry) = parser.next() {
            parsed &= entry.is_ok();
        }
        assert!(parsed || !expected, "{}", path.display());
        *(if expected { &mut good } else { &mut bad }) += 1;
    }
    println!("OpenMetrics: {good} pages parsed, {bad} refused, as expected of each");
    assert!(0 < good && 0 < bad, "the corpus has cases");
}

#[test]
fn reads_real_pages_and_knows_them_again() {
    let Some(dir) = corpus() else { return };
    let mut n_pages = 0;
    for path in pages(&dir) {
        let page = std::fs::read(&path).expect("readable");
        let open_metrics = path.to_string_lossy().contains(".om.");
        let format = if open_metrics { TextFormat::OpenMetrics } else { TextFormat::Prometheus };
        let (mut parser, mut again) = (Parser::new(&page, format), Parser::new(&page, format));
        let mut labels = LabelsBuilder::default();
        let mut n = 0;
        while let Some(entry) = parser.next() {
            let entry = entry.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            if let Entry::Series(series) = entry {
                parser.labels_into(series.raw, &mut labels).expect("unique");
                assert_eq!(again.peek(series.raw.len()), Some(series.raw));
                let known = again.known(series.raw.len()).expect("the same line");
                assert_eq!((known.t, known.exemplar), (series.t, series.exemplar));
                assert_eq!(known.value.to_bits(), series.value.to_bits());
                n += 1;
            } else {
                again.next().expect("the same line").expect("the same line");
            }
            assert_eq!(again.offset(), parser.offset());
        }
        assert!(10 < n, "{} has series", path.display());
        n_pages += 1;
    }
    println!("real pages: {n_pages} read and known again");
}

/// The large pages.
fn pages(dir: &Path) -> Vec<PathBuf> {
    let more = std::fs::read_dir(dir.join("textparse")).expect("readable");
    let mut pages: Vec<_> = more.map(|it| it.expect("readable").path()).collect();
    pages.push(dir.join("node_exporter.txt"));
    pages
}

/// What a page says, line by line.
#[derive(Debug, PartialEq)]
enum Said {
    Help(String, String),
    Type(String, MetricType),
    Sample(Labels, u64, Option<i64>),
}

fn read(page: &[u8]) -> Vec<Said> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let mut parser = Parser::new(page, TextFormat::Prometheus);
    let mut labels = LabelsBuilder::default();
    let mut said = Vec::new();
    while let Some(entry) = parser.next() {
        match entry.expect("a good page") {
            Entry::Help(name, help) => {
                said.push(Said::Help(text(name), unescape_help(help, TextFormat::Prometheus)));
            }
            Entry::Type(name, kind) => said.push(Said::Type(text(name), kind)),
            Entry::Series(series) => {
                parser.labels_into(series.raw, &mut labels).expect("unique");
                said.push(Said::Sample(labels.labels(), series.value.to_bits(), series.t));
            }
            Entry::Unit(..) | Entry::Comment(_) => {}
        }
    }
    said
}

fn write(said: &[Said]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut page = PageWriter::new(&mut out, TextFormat::Prometheus);
    let (mut family, mut help) = ("", "");
    for it in said {
        match it {
            Said::Help(_, text) => help = text,
            Said::Type(name, kind) => {
                page.family(name, std::mem::take(&mut help), *kind);
                family = name;
            }
            Said::Sample(labels, value, t) => {
                let name = labels.metric_name();
                let suffix = name.strip_prefix(family).expect("samples follow their family");
                let others = labels.iter().filter(|it| it.0 != METRIC_NAME);
                page.sample(suffix, others, f64::from_bits(*value), *t);
            }
        }
    }
    page.finish();
    out
}

#[test]
fn writes_pages_that_say_the_same() {
    let Some(dir) = corpus() else { return };
    let mut n_pages = 0;
    // A family of the page without metadata has no beginning.
    let is_prometheus = |it: &&PathBuf| {
        let name = it.to_string_lossy();
        !name.contains(".om.") && !name.contains(".nometa.")
    };
    for path in pages(&dir).iter().filter(is_prometheus) {
        let said = read(&std::fs::read(path).expect("readable"));
        let again = read(&write(&said));
        assert!(said == again, "{}", path.display());
        n_pages += 1;
    }
    println!("real pages: {n_pages} written and read again");
    assert!(1 < n_pages, "node_exporter.txt is one");
}
