//! `sum by (instance) (rate(m[5m]))` over 860 series, six hours at 15 s, and relatives: nanoseconds for each
//! series and step, microseconds for each series of an instant query.
//!
//! Two storages: one hands decoded columns out (what the engine costs alone), one decodes XOR chunks
//! (what a query costs without disk and index).

use std::sync::Arc;
use std::time::Instant;

use chunk::{OpenChunk, xor};
use model::{Labels, Matcher};
use promql_engine::{Engine, Options, QueryOptions, Value};
use storage::{ListHints, Querier, Queryable, ReadError, Samples, SelectHints, SeriesSet};

const SERIES: usize = 860;
const STEP_MS: i64 = 15_000;
const END: i64 = 24 * 3600 * 1000;

fn main() {
    let columns = Columns(Arc::new(series()));
    let chunks = encode(&columns.0);
    let storages: [(&str, &dyn Queryable); 2] =
        [("decoded columns", &columns), ("XOR chunks", &chunks)];
    for (threads, (name, storage)) in [1, 2].into_iter().flat_map(|n| storages.map(|it| (n, it))) {
        let options = Options { threads, ..Options::default() };
        let engine = Engine::new(options, Arc::new(stdx::SystemClock::default()));
        println!("{threads} threads, {name}:");
        for query in [
            "sum by (instance) (rate(http_requests_total[5m]))",
            "sum(rate(http_requests_total[5m]))",
            "sum by (instance) (http_requests_total)",
            "rate(http_requests_total[5m])",
            "max_over_time(http_requests_total[1h])",
            "avg_over_time(http_requests_total[5m])",
            "topk(10, rate(http_requests_total[5m]))",
            "rate(http_requests_total[5m]) / rate(http_requests_total[5m])",
        ] {
            range(&engine, storage, query);
        }
        for query in [
            "sum by (job) (rate(http_requests_total[5m]))",
            "topk(10, rate(http_requests_total[5m]))",
            "http_requests_total",
            "count(http_requests_total)",
            "sum by (job) (increase(http_requests_total[24h]))",
        ] {
            instant(&engine, storage, query);
        }
    }
}

/// Nanoseconds this process was on a processor, on Linux: the main thread only.
/// Beside other programs this says more than wall time.
fn cpu_ns() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0.0)
}

/// Best of ten, six hours at 15 s.
fn range(engine: &Engine, queryable: &dyn Queryable, query: &str) {
    let steps = 6 * 3600 * 1000 / STEP_MS + 1;
    let start = END - (steps - 1) * STEP_MS;
    let (mut best, mut best_cpu) = (f64::INFINITY, f64::INFINITY);
    let mut peak = 0;
    for _ in 0..10 {
        let (started, cpu) = (Instant::now(), cpu_ns());
        let result =
            engine.range(queryable, query, (start, END, STEP_MS), &QueryOptions::default());
        let result = result.expect("the query is well");
        best = best.min(started.elapsed().as_secs_f64());
        best_cpu = best_cpu.min(cpu_ns() - cpu);
        peak = result.stats.bytes_peak;
        assert!(matches!(result.value, Value::Matrix(it) if !it.series.is_empty()));
    }
    let n = SERIES as f64 * steps as f64;
    println!(
        "  range   {query:64} {:7.2} ms, ns/series×step: {:6.2} wall {:6.2} cpu (main thread), {} KiB",
        best * 1e3,
        best * 1e9 / n,
        best_cpu / n,
        peak / 1024
    );
}

/// Best of a hundred.
fn instant(engine: &Engine, queryable: &dyn Queryable, query: &str) {
    let mut best = f64::INFINITY;
    for _ in 0..100 {
        let started = Instant::now();
        engine.instant(queryable, query, END, &QueryOptions::default()).expect("the query is well");
        best = best.min(started.elapsed().as_secs_f64());
    }
    println!(
        "  instant {query:66} {:8.2} ms {:6.2} µs/series",
        best * 1e3,
        best * 1e6 / SERIES as f64
    );
}

fn series() -> Vec<(Labels, Samples)> {
    let mut state = 1u64;
    let mut random = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let one = |at: usize| {
        let labels = Labels::from_pairs([
            ("__name__", "http_requests_total".to_owned()),
            ("code", ["200", "404", "500"][at % 3].to_owned()),
            ("handler", format!("/api/v1/items/{}", at / 20)),
            ("instance", format!("10.0.0.{}:9100", at % 20)),
            ("job", format!("app-{}", at % 5)),
            ("method", "GET".to_owned()),
        ]);
        let mut samples = Samples::default();
        // Targets are scraped at offsets of their own, a few milliseconds late.
        let (mut v, offset) = (0.0, (random() % 14_000) as i64);
        for t in (0..END).step_by(15_000) {
            v += (random() % 100) as f64;
            samples.push(t + offset + (random() % 5) as i64, v);
        }
        (labels, samples)
    };
    (0..SERIES).map(one).collect()
}

/// Chunks of 120 samples.
#[derive(Clone)]
struct Chunks(Arc<Vec<(Labels, Vec<Encoded>)>>);

struct Encoded {
    mint: i64,
    maxt: i64,
    data: Vec<u8>,
}

fn encode(series: &[(Labels, Samples)]) -> Chunks {
    let one = |samples: &Samples| {
        let runs = samples.t.chunks(120).zip(samples.v.chunks(120));
        let chunk = |(t, v): (&[i64], &[f64])| {
            let mut open = OpenChunk::start(t[0], v[0]);
            t.iter().zip(v).skip(1).for_each(|(t, v)| open.append(*t, *v));
            Encoded { mint: t[0], maxt: t[t.len() - 1], data: open.finish().data.to_vec() }
        };
        runs.map(chunk).collect()
    };
    Chunks(Arc::new(
        series.iter().map(|(labels, samples)| (labels.clone(), one(samples))).collect(),
    ))
}

impl Queryable for Chunks {
    fn querier(&self, _: i64, _: i64) -> Result<Box<dyn Querier>, ReadError> {
        Ok(Box::new(self.clone()))
    }
}

impl Querier for Chunks {
    fn select(&self, _: &SelectHints, _: &[Matcher]) -> Result<Box<dyn SeriesSet>, ReadError> {
        Ok(Box::new(self.clone()))
    }

    fn label_values(
        &self,
        _: &str,
        _: &[Matcher],
        _: &ListHints,
    ) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }

    fn label_names(&self, _: &[Matcher], _: &ListHints) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }
}

impl SeriesSet for Chunks {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn labels(&self, at: usize) -> Labels {
        self.0[at].0.clone()
    }

    fn read(&self, at: usize, mint: i64, maxt: i64, out: &mut Samples) -> Result<(), ReadError> {
        for chunk in self.0[at].1.iter().filter(|it| it.mint <= maxt && mint <= it.maxt) {
            xor::decode_range(&chunk.data, mint, maxt, &mut out.t, &mut out.v)
                .expect("just written");
        }
        Ok(())
    }
}

#[derive(Clone)]
struct Columns(Arc<Vec<(Labels, Samples)>>);

impl Queryable for Columns {
    fn querier(&self, _: i64, _: i64) -> Result<Box<dyn Querier>, ReadError> {
        Ok(Box::new(self.clone()))
    }
}

impl Querier for Columns {
    fn select(&self, _: &SelectHints, _: &[Matcher]) -> Result<Box<dyn SeriesSet>, ReadError> {
        Ok(Box::new(self.clone()))
    }

    fn label_values(
        &self,
        _: &str,
        _: &[Matcher],
        _: &ListHints,
    ) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }

    fn label_names(&self, _: &[Matcher], _: &ListHints) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }
}

impl SeriesSet for Columns {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn labels(&self, at: usize) -> Labels {
        self.0[at].0.clone()
    }

    fn read(&self, at: usize, mint: i64, maxt: i64, out: &mut Samples) -> Result<(), ReadError> {
        let samples = &self.0[at].1;
        let from = samples.t.partition_point(|it| *it < mint);
        let to = samples.t.partition_point(|it| *it <= maxt);
        out.t.extend_from_slice(&samples.t[from..to]);
        out.v.extend_from_slice(&samples.v[from..to]);
        Ok(())
    }
}
