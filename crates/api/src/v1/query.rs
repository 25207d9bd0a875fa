//! `/query` and `/query_range`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use client::{Counter, Family, Gauge, Registry, Summary};
use model::Labels;
use promql_engine::{Cancel, Point, QueryError, QueryOptions, QueryResult, Stats, Value};

use super::TRUNCATED;
use crate::envelope::{ApiError, ErrorKind, Success};
use crate::param::{self, Params};
use crate::{Api, json};

/// Most steps a range query may have.
const STEPS_MAX: i64 = 11_000;

/// Metrics about queries, under upstream's names.
pub(crate) struct Metrics {
    running: Arc<Gauge>,
    duration: Arc<Family<Summary>>,
    samples: Arc<Counter>,
    samples_read: Arc<Counter>,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry, queries_max: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        registry
            .gauge(
                "prometheus_engine_queries_concurrent_max",
                "The max number of concurrent queries.",
            )
            .set(queries_max as f64);
        Self {
            running: registry.gauge(
                "prometheus_engine_queries",
                "The current number of queries being executed or waiting.",
            ),
            duration: registry.summaries(
                "prometheus_engine_query_duration_seconds",
                "Query timings.",
                &["slice"],
                &[0.5, 0.9, 0.99],
            ),
            samples: registry.counter(
                "prometheus_engine_query_samples_total",
                "The total number of samples loaded by all queries.",
            ),
            samples_read: registry.counter(
                "prometheus_engine_query_samples_read_total",
                "The total number of samples read from storage by all queries.",
            ),
        }
    }

    fn record(&self, stats: &Stats, queued: Duration) {
        let seconds = |ns| Duration::from_nanos(ns).as_secs_f64();
        for (slice, value) in [
            ("queue_time", queued.as_secs_f64()),
            ("prepare_time", seconds(stats.prepare_ns)),
            ("inner_eval", seconds(stats.eval_ns)),
            ("result_sort", seconds(stats.sort_ns)),
        ] {
            self.duration.get(&[slice]).observe(value);
        }
        self.samples.add(stats.samples_queryable);
        self.samples_read.add(stats.samples_read);
    }
}

/// When to evaluate.
#[derive(Clone, Copy, Debug)]
enum When {
    At(i64),
    Range { start: i64, end: i64, step: i64 },
}

struct Request {
    query: String,
    when: When,
    options: QueryOptions,
    limit: usize,
    stats: bool,
}

pub(crate) async fn instant(
    State(api): State<Arc<Api>>,
    params: Params,
) -> Result<Success, ApiError> {
    let limit = super::limit(&params)?;
    let t = match params.get("time") {
        "" => api.clock.now_ms(),
        text => param::time_ms(text).map_err(|error| {
            ApiError::param("time", format!("invalid time value for 'time': {error}"))
        })?,
    };
    let request = request(&api, &params, When::At(t), limit)?;
    run(&api, request).await
}

pub(crate) async fn range(
    State(api): State<Arc<Api>>,
    params: Params,
) -> Result<Success, ApiError> {
    let limit = super::limit(&params)?;
    let time = |name: &'static str| {
        param::time_ms(params.get(name)).map_err(|error| ApiError::param(name, error))
    };
    let (start, end) = (time("start")?, time("end")?);
    if end < start {
        return Err(ApiError::param("end", "end timestamp must not be before start time"));
    }
    let step =
        param::duration_ms(params.get("step")).map_err(|error| ApiError::param("step", error))?;
    if step <= 0 {
        let text = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(ApiError::param("step", text));
    }
    if STEPS_MAX < end.saturating_sub(start) / step {
        return Err(ApiError::bad(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    let request = request(&api, &params, When::Range { start, end, step }, limit)?;
    run(&api, request).await
}

fn request(api: &Api, params: &Params, when: When, limit: usize) -> Result<Request, ApiError> {
    let timeout = match params.get("timeout") {
        "" => api.options.query_timeout,
        text => {
            let ms = param::duration_ms(text).map_err(|error| ApiError::param("timeout", error))?;
            Duration::from_millis(u64::try_from(ms).unwrap_or(0)).min(api.options.query_timeout)
        }
    };
    let lookback_ms = match params.get("lookback_delta") {
        "" => None,
        text => Some(param::duration_ms(text).map_err(|error| {
            ApiError::bad(format!("error parsing lookback delta duration: {error}"))
        })?)
        .filter(|it| 0 < *it),
    };
    Ok(Request {
        query: params.get("query").to_owned(),
        when,
        options: QueryOptions { lookback_ms, timeout: Some(timeout), ..QueryOptions::default() },
        limit,
        stats: !params.get("stats").is_empty(),
    })
}

/// Cancels the query when the handler is dropped: its client is gone.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Counts a query as running while it lives.
struct Running<'a>(&'a Gauge);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.add(-1.0);
    }
}

async fn run(api: &Arc<Api>, mut request: Request) -> Result<Success, ApiError> {
    let storage = super::storage(api)?;
    api.metrics.running.add(1.0);
    let _running = Running(&api.metrics.running);
    let start = Instant::now();
    let timeout = request.options.timeout.unwrap_or(api.options.query_timeout);
    let slot = tokio::time::timeout(timeout, api.query_slots.acquire()).await;
    let Ok(slot) = slot else {
        return Err(ApiError::new(ErrorKind::Execution, "context deadline exceeded"));
    };
    let _slot = slot.expect("the semaphore is never closed");
    let queued = start.elapsed();
    request.options.timeout = Some(timeout.saturating_sub(queued));
    let _cancel = CancelOnDrop(request.options.cancel.clone());
    let api = Arc::clone(api);
    let task = tokio::task::spawn_blocking(move || {
        let queryable = storage.queryable.as_ref();
        let result = match request.when {
            When::At(t) => api.engine.instant(queryable, &request.query, t, &request.options),
            When::Range { start, end, step } => {
                api.engine.range(queryable, &request.query, (start, end, step), &request.options)
            }
        };
        let result = result.map_err(|error| query_error(&error))?;
        api.metrics.record(&result.stats, queued);
        Ok(answer(result, &request, start, queued))
    });
    // A panic while evaluating ends this query only.
    task.await.unwrap_or_else(|error| {
        let text = error
            .try_into_panic()
            .map_or_else(|it| it.to_string(), |_| "unexpected error".to_owned());
        Err(ApiError::new(ErrorKind::Execution, text))
    })
}

fn query_error(error: &QueryError) -> ApiError {
    let text = error.to_string();
    match error {
        QueryError::Parse(_) => ApiError::param("query", text),
        QueryError::Timeout => ApiError::new(ErrorKind::Timeout, text),
        QueryError::Canceled => ApiError::new(ErrorKind::Canceled, text),
        QueryError::Storage(_) => ApiError::new(ErrorKind::Internal, text),
        QueryError::TooManySamples
        | QueryError::TooMuchMemory { .. }
        | QueryError::ServerMemory { .. }
        | QueryError::Exec(_) => ApiError::new(ErrorKind::Execution, text),
    }
}

fn answer(mut result: QueryResult, request: &Request, start: Instant, queued: Duration) -> Success {
    let truncated = truncate(&mut result.value, request.limit);
    let mut success = Success::new(|out| {
        let mut object = json::Object::new(out);
        object.string("resultType", kind(&result.value));
        value(object.key("result"), &result.value);
        if request.stats {
            stats(object.key("stats"), &result.stats, start, queued);
        }
        object.end();
    });
    success.warnings = result.annotations.warnings;
    success.infos = result.annotations.infos;
    if truncated { success.warn(TRUNCATED) } else { success }
}

fn truncate(value: &mut Value, limit: usize) -> bool {
    let len = match value {
        Value::Vector { elements, .. } => elements.len(),
        Value::Matrix(matrix) => matrix.series.len(),
        Value::Samples(series) => series.len(),
        Value::Scalar(_) | Value::String { .. } => 0,
    };
    if limit == 0 || len <= limit {
        return false;
    }
    match value {
        Value::Vector { elements, .. } => elements.truncate(limit),
        Value::Matrix(matrix) => matrix.series.truncate(limit),
        Value::Samples(series) => series.truncate(limit),
        Value::Scalar(_) | Value::String { .. } => {}
    }
    true
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Scalar(_) => "scalar",
        Value::String { .. } => "string",
        Value::Vector { .. } => "vector",
        Value::Matrix(_) | Value::Samples(_) => "matrix",
    }
}

fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Scalar(sample) => pair(out, sample.t, |out| json::scalar_value(out, sample.v)),
        Value::String { t, text } => pair(out, *t, |out| json::string(out, text)),
        Value::Vector { t, elements } => json::array(out, elements, |out, element| {
            metric(out, &element.labels);
            match &element.point {
                Point::Float(v) => {
                    out.extend_from_slice(b",\"value\":");
                    float(out, *t, *v);
                }
                Point::Histogram(histogram) => {
                    out.extend_from_slice(b",\"histogram\":");
                    pair(out, *t, |out| json::histogram(out, histogram));
                }
            }
            out.push(b'}');
        }),
        Value::Matrix(matrix) => json::array(out, &matrix.series, |out, series| {
            let floats = series.column.floats().map(|(at, v)| (matrix.grid.t(at), v));
            let histograms = series
                .column
                .histograms()
                .iter()
                .map(|(at, it)| (matrix.grid.t(*at as usize), it.as_ref()));
            series_object(out, &series.labels, floats, histograms);
        }),
        Value::Samples(list) => json::array(out, list, |out, series| {
            let samples = &series.samples;
            let floats = samples.t.iter().copied().zip(samples.v.iter().copied());
            let histograms = samples.histogram_t.iter().copied().zip(&samples.histogram);
            series_object(out, &series.labels, floats, histograms);
        }),
    }
}

fn series_object<'a>(
    out: &mut Vec<u8>,
    labels: &Labels,
    floats: impl Iterator<Item = (i64, f64)>,
    histograms: impl Iterator<Item = (i64, &'a model::FloatHistogram)>,
) {
    metric(out, labels);
    let mut floats = floats.peekable();
    if floats.peek().is_some() {
        out.extend_from_slice(b",\"values\":");
        json::array(out, floats, |out, (t, v)| float(out, t, v));
    }
    let mut histograms = histograms.peekable();
    if histograms.peek().is_some() {
        out.extend_from_slice(b",\"histograms\":");
        json::array(out, histograms, |out, (t, it)| pair(out, t, |out| json::histogram(out, it)));
    }
    out.push(b'}');
}

/// `{"metric":{…}`, left open.
fn metric(out: &mut Vec<u8>, labels: &Labels) {
    out.extend_from_slice(b"{\"metric\":");
    json::labels(out, labels);
}

fn float(out: &mut Vec<u8>, t: i64, v: f64) {
    pair(out, t, |out| json::sample_value(out, v));
}

fn pair(out: &mut Vec<u8>, t: i64, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'[');
    json::timestamp(out, t);
    out.push(b',');
    write(out);
    out.push(b']');
}

fn stats(out: &mut Vec<u8>, stats: &Stats, start: Instant, queued: Duration) {
    let seconds = |ns: u64| Duration::from_nanos(ns).as_secs_f64();
    let total = start.elapsed();
    let mut object = json::Object::new(out);
    let mut timings = json::Object::new(object.key("timings"));
    timings
        .raw("evalTotalTime", total.saturating_sub(queued).as_secs_f64())
        .raw("resultSortTime", seconds(stats.sort_ns))
        .raw("queryPreparationTime", seconds(stats.prepare_ns))
        .raw("innerEvalTime", seconds(stats.eval_ns))
        .raw("execQueueTime", queued.as_secs_f64())
        .raw("execTotalTime", total.as_secs_f64())
        .end();
    let mut samples = json::Object::new(object.key("samples"));
    samples
        .raw("totalQueryableSamples", stats.samples_queryable)
        .raw("peakSamples", stats.samples_peak)
        .raw("samplesRead", stats.samples_read)
        .end();
    object.end();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{FloatHistogram, Sample};
    use promql_engine::Element;

    use super::*;

    fn check(value_in: &Value, expected: &str) {
        let mut out = Vec::new();
        value(&mut out, value_in);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn writes_values() {
        check(&Value::Scalar(Sample { t: 1500, v: 1e-7 }), r#"[1.500,"0.0000001"]"#);
        check(&Value::String { t: 0, text: "a<b".into() }, r#"[0,"a\u003cb"]"#);
        let element =
            Element { labels: Labels::from_pairs([("a", "b")]), point: Point::Float(f64::NAN) };
        check(
            &Value::Vector { t: 1000, elements: vec![element] },
            r#"[{"metric":{"a":"b"},"value":[1,"NaN"]}]"#,
        );
        let histogram = FloatHistogram { count: 1.0, sum: 2.5, ..FloatHistogram::default() };
        let element =
            Element { labels: Labels::empty(), point: Point::Histogram(Arc::new(histogram)) };
        check(
            &Value::Vector { t: 1000, elements: vec![element] },
            r#"[{"metric":{},"histogram":[1,{"count":"1","sum":"2.5"}]}]"#,
        );
    }
}
