//! Speed of reading a page: parsed in full, and with every series known by its bytes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use exposition::{Entry, Parser, TextFormat};
use model::LabelsBuilder;
use xxhash_rust::xxh3::xxh3_64;

const LINES: usize = 1_000;

fn main() {
    let mut page = String::new();
    for at in 0..LINES {
        page += &format!(
            "http_request_duration_seconds_bucket{{service=\"checkout-{}\",handler=\"/api/v1/items/{}/reviews\",method=\"GET\",code=\"200\",region=\"eu-central-1\",zone=\"eu-central-1{}\",cluster=\"prod-{}\",le=\"{}\"}} {}\n",
            at % 7,
            at,
            ["a", "b", "c"][at % 3],
            at % 2,
            at % 10,
            at * 37 % 100_000
        );
    }
    let page = page.as_bytes();
    println!("{} bytes a line", page.len() / LINES);
    let mut known = Vec::new();
    let mut parser = Parser::new(page, TextFormat::Prometheus);
    while let Some(Ok(Entry::Series(series))) = parser.next() {
        known.push((series.raw.len(), xxh3_64(series.raw)));
    }
    assert_eq!(known.len(), LINES);

    report("tokens", None, page, || {
        let mut parser = Parser::new(page, TextFormat::Prometheus);
        while let Some(entry) = parser.next() {
            black_box(entry.is_ok());
        }
    });
    let mut labels = LabelsBuilder::default();
    report("tokens and labels", Some(0.3), page, || {
        let mut parser = Parser::new(page, TextFormat::Prometheus);
        while let Some(Ok(Entry::Series(series))) = parser.next() {
            parser.labels_into(series.raw, &mut labels).expect("unique");
        }
    });
    report("known by hash", Some(1.0), page, || {
        let mut parser = Parser::new(page, TextFormat::Prometheus);
        for (len, hash) in &known {
            let raw = parser.peek(*len).expect("a series");
            assert_eq!(xxh3_64(raw), *hash);
            black_box(parser.known(*len).expect("a value").value);
        }
    });
}

/// Runs are repeated for so long: on a machine that does other things too, some of them are not disturbed.
const PATIENCE: Duration = Duration::from_secs(2);

/// Prints the best of many runs. `asked`: GB/s that it should have at least.
fn report(what: &str, asked: Option<f64>, page: &[u8], mut run: impl FnMut()) {
    let (mut best, start) = (f64::MAX, Instant::now());
    while start.elapsed() < PATIENCE {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
    }
    let (ns, speed) = (best * 1e9 / LINES as f64, page.len() as f64 / best / 1e9);
    let asked = asked.map_or_else(String::new, |it| format!(" (at least {it})"));
    println!("{what:20} {ns:7.1} ns a line  {speed:5.2} GB/s{asked}");
}
