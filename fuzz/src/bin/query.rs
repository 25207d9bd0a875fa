//! Any text as a query over a small data set: it is answered or refused within its budget, whatever the flags
//! and the times; and what is answered at once is answered as a range of one step. Four bytes say which flags,
//! when, and how far and how fast; the rest is the query.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use model::{Labels, Matcher};
use promql::series::{self, Value};
use promql_engine::{Engine, Options, QueryOptions};
use storage::{ListHints, Querier, Queryable, ReadError, Samples, SelectHints, SeriesSet};

const MINUTE: i64 = 60_000;

const SERIES: [&str; 9] = [
    r#"a{x="1", y="1"} 0+1x10 0 stale 1 2"#,
    r#"a{x="2", y="1"} 5 NaN 3 _ Inf -Inf 0 1e308 1e308"#,
    r#"b{x="1"} 7x14"#,
    r#"c_total{x="1"} 0+60x14"#,
    r#"d_bucket{le="1"} 0+1x14"#,
    r#"d_bucket{le="+Inf"} 0+3x14"#,
    r#"h{x="1"} {{schema:1 sum:5 count:9 z_bucket:2 z_bucket_w:0.001 buckets:[1 0 3] n_buckets:[3]}}x14"#,
    r#"n{x="1"} {{schema:-53 sum:5 count:4 custom_values:[1 2] buckets:[1 2 1]}}x14"#,
    r#"target_info{instance="i", job="j", version="1"} 1x14"#,
];

static DATA: LazyLock<Arc<Vec<(Labels, Samples)>>> = LazyLock::new(|| {
    let load = |line: &&str| {
        let read = series::parse(line).expect("a series");
        let mut samples = Samples::default();
        for (t, value) in (0..).map(|at: i64| at * MINUTE).zip(&read.values) {
            match value {
                Value::Omitted => {}
                Value::Float(v) => samples.push(t, *v),
                Value::Histogram(it) => {
                    samples.histogram_t.push(t);
                    samples.histogram.push(it.first.as_ref().clone());
                }
            }
        }
        (read.labels, samples)
    };
    Arc::new(SERIES.iter().map(load).collect())
});

/// What is stored, or what was found of it.
#[derive(Clone)]
struct View(Arc<Vec<(Labels, Samples)>>);

impl Queryable for View {
    fn querier(&self, _: i64, _: i64) -> Result<Box<dyn Querier>, ReadError> {
        Ok(Box::new(self.clone()))
    }
}

impl Querier for View {
    fn select(&self, _: &SelectHints, matchers: &[Matcher]) -> Result<Box<dyn SeriesSet>, ReadError> {
        let fits = |labels: &Labels| matchers.iter().all(|it| it.matches(labels.value(it.name())));
        Ok(Box::new(Self(Arc::new(self.0.iter().filter(|it| fits(&it.0)).cloned().collect()))))
    }

    fn label_values(&self, _: &str, _: &[Matcher], _: &ListHints) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }

    fn label_names(&self, _: &[Matcher], _: &ListHints) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }
}

impl SeriesSet for View {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn labels(&self, at: usize) -> Labels {
        self.0[at].0.clone()
    }

    fn read(&self, at: usize, mint: i64, maxt: i64, out: &mut Samples) -> Result<(), ReadError> {
        let mark = out.mark();
        let Samples { t, v, histogram_t, histogram, .. } = &self.0[at].1;
        out.t.extend_from_slice(t);
        out.v.extend_from_slice(v);
        out.histogram_t.extend_from_slice(histogram_t);
        out.histogram.extend_from_slice(histogram);
        out.retain_since(mark, |t| mint <= t && t <= maxt);
        Ok(())
    }
}

fn engine(flags: u8) -> Engine {
    let options = Options {
        samples_max: 100_000,
        memory_max_bytes: 16 << 20,
        timeout: Duration::from_secs(2),
        threads: 1,
        parser: promql::Options::ALL,
        delayed_name_removal: flags & 1 != 0,
        type_and_unit_labels: flags & 2 != 0,
        start_timestamps: flags & 4 != 0,
        ..Options::default()
    };
    Engine::new(options, Arc::new(stdx::SystemClock::default()))
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [flags, at, steps, step, query @ ..] = input else { return };
    let Ok(query) = std::str::from_utf8(query) else { return };
    let engine = engine(*flags);
    let storage = View(DATA.clone());
    let start = i64::from(*at) * MINUTE / 8;
    let step = (i64::from(*step) * 1000).max(1);
    let options = QueryOptions::default();
    let once = engine.instant(&storage, query, start, &options);
    let end = start + i64::from(*steps) * step;
    let _ = engine.range(&storage, query, (start, end, step), &options);
    let Ok(once) = once else { return };
    if let promql_engine::Value::Vector { elements, .. } = &once.value {
        let range = engine.range(&storage, query, (start, start, 0), &options);
        let Ok(promql_engine::QueryResult { value: promql_engine::Value::Matrix(range), .. }) = range
        else {
            panic!("{query} is answered at once, but not as a range: {range:?}");
        };
        assert_eq!(range.series.len(), elements.len(), "{query}");
    }
});
