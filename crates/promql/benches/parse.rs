//! Time to parse, print and split ordinary queries.

use std::hint::black_box;
use std::time::Instant;

use promql::{Options, parse};

const QUERIES: [&str; 5] = [
    "up",
    "rate(http_requests_total{job=\"api\",code=~\"5..\"}[5m])",
    "sum by (instance) (rate(node_cpu_seconds_total{mode!=\"idle\"}[1m])) / on (instance) group_left () count by (instance) (x)",
    "histogram_quantile(0.99, sum(rate(request_duration_seconds_bucket{job=\"api\"}[5m])) by (le, route)) > 0.5",
    "max_over_time((a - b offset 5m)[1h:30s] @ end()) or vector(0)",
];

fn main() {
    for query in QUERIES {
        let expr = parse(query, &Options::ALL).expect("parses");
        let parsing = time(|| drop(black_box(parse(black_box(query), &Options::ALL))));
        let printing = time(|| drop(black_box(expr.to_string())));
        println!("parse {parsing:6.2} us, print {printing:6.2} us: {query}");
    }
}

/// The best of several runs, in microseconds for each call.
fn time(mut call: impl FnMut()) -> f64 {
    const CALLS: u32 = 2000;
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let start = Instant::now();
        for _ in 0..CALLS {
            call();
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS));
    }
    best
}
