//! The answer to a query, written piece by piece as the client takes it.
//!
//! What is not written yet exists as the engine's columns only, and stays charged to the query. A piece takes some
//! 0.1 ms to write.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use model::{FloatHistogram, Labels};
use promql_engine::{Hold, Point, QueryResult, Stats, StepSamples, Value};

use super::running::Running;
use super::{Request, StatsWanted, Times, When};
use crate::envelope::{self, TRUNCATED};
use crate::json;

/// Bytes after which a piece ends; it may be longer by one histogram or one label set.
const PIECE_BYTES: usize = 32 << 10;

/// An answer, and how far it is written.
pub(crate) struct Answer {
    value: Value,
    _hold: Hold,
    running: Option<Running>,
    /// What follows the series.
    tail: Vec<u8>,
    stage: Stage,
}

/// What is to be written next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Head,
    /// The labels of a series, or all of an element.
    Series(usize),
    /// Floats of a series, from a step or sample on. `any`: there was one before.
    Floats {
        series: usize,
        at: usize,
        any: bool,
    },
    /// Histograms of a series.
    Histograms {
        series: usize,
        at: usize,
    },
    Tail,
    Done,
}

impl Answer {
    pub(super) fn new(mut result: QueryResult, request: &Request, times: Times) -> Self {
        let mut warnings = std::mem::take(&mut result.annotations.warnings);
        if truncate(&mut result.value, request.limit) {
            warnings.push(TRUNCATED.to_owned());
        }
        let mut tail = Vec::new();
        if request.stats != StatsWanted::No {
            tail.extend_from_slice(b",\"stats\":");
            stats(&mut tail, &result.stats, times, request.when);
        }
        if let Some(warning) = request.stats.deprecation() {
            warnings.push(warning);
        }
        tail.push(b'}');
        envelope::notes(&mut tail, &warnings, &result.annotations.infos);
        tail.push(b'}');
        let QueryResult { value, hold, .. } = result;
        Self { value, _hold: hold, running: None, tail, stage: Stage::Head }
    }

    /// Keeps the query in the list until all is written.
    pub(super) fn with_running(mut self, mut running: Running) -> Self {
        running.is_evaluated();
        self.running = Some(running);
        self
    }

    /// Appends what comes next until there are `bytes_max` bytes or more. True when all is written.
    fn write(&mut self, out: &mut Vec<u8>, bytes_max: usize) -> bool {
        while out.len() < bytes_max && self.stage != Stage::Done {
            self.stage = self.write_stage(out, bytes_max);
        }
        self.stage == Stage::Done
    }

    /// Writes what the stage is about, and says what is next.
    fn write_stage(&mut self, out: &mut Vec<u8>, bytes_max: usize) -> Stage {
        match self.stage {
            Stage::Head => {
                out.extend_from_slice(b"{\"status\":\"success\",\"data\":{\"resultType\":\"");
                out.extend_from_slice(kind(&self.value).as_bytes());
                out.extend_from_slice(b"\",\"result\":");
                self.begin(out)
            }
            Stage::Series(series) => self.write_labels(out, series),
            Stage::Floats { series, at, any } => {
                self.write_floats(out, bytes_max, (series, at, any))
            }
            Stage::Histograms { series, at } => self.write_histograms(out, bytes_max, (series, at)),
            Stage::Tail => {
                out.append(&mut self.tail);
                Stage::Done
            }
            Stage::Done => Stage::Done,
        }
    }

    /// Writes a single value, or opens the list.
    fn begin(&self, out: &mut Vec<u8>) -> Stage {
        match &self.value {
            Value::Scalar(it) => pair(out, it.t, |out| json::scalar_value(out, it.v)),
            Value::String { t, text } => pair(out, *t, |out| json::string(out, text)),
            _ => {
                out.push(b'[');
                return Stage::Series(0);
            }
        }
        Stage::Tail
    }

    fn write_labels(&self, out: &mut Vec<u8>, series: usize) -> Stage {
        if series == len(&self.value) {
            out.push(b']');
            return Stage::Tail;
        }
        if 0 < series {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"metric\":");
        json::labels(out, labels(&self.value, series).borrowed());
        let Value::Vector { t, elements } = &self.value else {
            return Stage::Floats { series, at: 0, any: false };
        };
        match &elements[series].point {
            Point::Float(v) => {
                out.extend_from_slice(b",\"value\":");
                pair(out, *t, |out| json::sample_value(out, *v));
            }
            Point::Histogram(it) => {
                out.extend_from_slice(b",\"histogram\":");
                pair(out, *t, |out| json::histogram(out, it));
            }
        }
        out.push(b'}');
        Stage::Series(series + 1)
    }

    fn write_floats(
        &self,
        out: &mut Vec<u8>,
        bytes_max: usize,
        (series, mut at, mut any): (usize, usize, bool),
    ) -> Stage {
        let n = floats_len(&self.value, series);
        while at < n {
            if bytes_max <= out.len() {
                return Stage::Floats { series, at, any };
            }
            if let Some((t, v)) = float(&self.value, series, at) {
                out.extend_from_slice(if any { b"," } else { b",\"values\":[" });
                any = true;
                pair(out, t, |out| json::sample_value(out, v));
            }
            at += 1;
        }
        if any {
            out.push(b']');
        }
        Stage::Histograms { series, at: 0 }
    }

    fn write_histograms(
        &self,
        out: &mut Vec<u8>,
        bytes_max: usize,
        (series, mut at): (usize, usize),
    ) -> Stage {
        while let Some((t, it)) = histogram(&self.value, series, at) {
            if bytes_max <= out.len() {
                return Stage::Histograms { series, at };
            }
            out.extend_from_slice(if at == 0 { b",\"histograms\":[" } else { b"," });
            pair(out, t, |out| json::histogram(out, it));
            at += 1;
        }
        out.extend_from_slice(if at == 0 { b"}" } else { b"]}" });
        Stage::Series(series + 1)
    }
}

impl IntoResponse for Answer {
    fn into_response(mut self) -> Response {
        let mut first = Vec::with_capacity(1024);
        if self.write(&mut first, PIECE_BYTES) {
            return envelope::json_response(Body::from(first));
        }
        envelope::json_response(Body::new(Pieces { answer: self, first: Some(first) }))
    }
}

/// The pieces of an answer as the body of a response.
struct Pieces {
    answer: Answer,
    first: Option<Vec<u8>>,
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = GivenUp;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, GivenUp>>> {
        if self.answer.running.as_ref().is_some_and(Running::is_given_up) {
            return Poll::Ready(Some(Err(GivenUp)));
        }
        let piece = self.first.take().unwrap_or_else(|| {
            let mut piece = Vec::with_capacity(PIECE_BYTES + 1024);
            self.answer.write(&mut piece, PIECE_BYTES);
            piece
        });
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(Bytes::from(piece)))))
    }
}

/// The query was given up while its answer was sent: the connection is cut.
#[derive(Debug)]
struct GivenUp;

impl std::fmt::Display for GivenUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("query was canceled while its answer was sent")
    }
}

impl std::error::Error for GivenUp {}

fn len(value: &Value) -> usize {
    match value {
        Value::Vector { elements, .. } => elements.len(),
        Value::Matrix(matrix) => matrix.series.len(),
        Value::Samples(series) => series.len(),
        Value::Scalar(_) | Value::String { .. } => 0,
    }
}

/// Cuts a list to `limit`; 0 is no limit. True if something was cut.
fn truncate(value: &mut Value, limit: usize) -> bool {
    if limit == 0 || len(value) <= limit {
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

fn labels(value: &Value, series: usize) -> &Labels {
    match value {
        Value::Vector { elements, .. } => &elements[series].labels,
        Value::Matrix(matrix) => &matrix.series[series].labels,
        Value::Samples(all) => &all[series].labels,
        Value::Scalar(_) | Value::String { .. } => unreachable!("it is no list"),
    }
}

/// How many places for floats a series has.
fn floats_len(value: &Value, series: usize) -> usize {
    match value {
        Value::Matrix(matrix) => matrix.grid.len,
        Value::Samples(all) => all[series].samples.t.len(),
        Value::Vector { .. } | Value::Scalar(_) | Value::String { .. } => 0,
    }
}

/// The float at a place, if there is one.
fn float(value: &Value, series: usize, at: usize) -> Option<(i64, f64)> {
    match value {
        Value::Matrix(matrix) => {
            matrix.series[series].column.float(at).map(|v| (matrix.grid.t(at), v))
        }
        Value::Samples(all) => {
            let samples = &all[series].samples;
            Some((samples.t[at], samples.v[at]))
        }
        Value::Vector { .. } | Value::Scalar(_) | Value::String { .. } => None,
    }
}

/// The histogram with this number among those of the series.
fn histogram(value: &Value, series: usize, at: usize) -> Option<(i64, &FloatHistogram)> {
    match value {
        Value::Matrix(matrix) => {
            let (step, it) = matrix.series[series].column.histograms().get(at)?;
            Some((matrix.grid.t(*step as usize), it))
        }
        Value::Samples(all) => {
            let samples = &all[series].samples;
            Some((*samples.histogram_t.get(at)?, &samples.histogram[at]))
        }
        Value::Vector { .. } | Value::Scalar(_) | Value::String { .. } => None,
    }
}

fn pair(out: &mut Vec<u8>, t: i64, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'[');
    json::timestamp(out, t);
    out.push(b',');
    write(out);
    out.push(b']');
}

/// Appends what a query cost, as an object.
pub(super) fn stats(out: &mut Vec<u8>, stats: &Stats, times: Times, when: When) {
    let seconds = |ns: u64| Duration::from_nanos(ns).as_secs_f64();
    let mut object = json::Object::new(out);
    json::Object::new(object.key("timings"))
        .raw("evalTotalTime", times.total.saturating_sub(times.queued).as_secs_f64())
        .raw("resultSortTime", seconds(stats.sort_ns))
        .raw("queryPreparationTime", seconds(stats.prepare_ns))
        .raw("innerEvalTime", seconds(stats.eval_ns))
        .raw("execQueueTime", times.queued.as_secs_f64())
        .raw("execTotalTime", times.total.as_secs_f64())
        .end();
    let mut samples = json::Object::new(object.key("samples"));
    let by_step = |samples: &mut json::Object<'_>, name, of: fn(&StepSamples) -> u64| {
        if !stats.steps.is_empty() {
            per_step(samples.key(name), when, stats.steps.iter().map(of));
        }
    };
    by_step(&mut samples, "totalQueryableSamplesPerStep", |it| it.queryable);
    samples.raw("totalQueryableSamples", stats.samples.queryable);
    by_step(&mut samples, "samplesReadPerStep", |it| it.read);
    samples.raw("samplesRead", stats.samples.read).raw("peakSamples", stats.samples_peak).end();
    object.end();
}

/// Appends `[[SECONDS,N],…]`.
fn per_step(out: &mut Vec<u8>, when: When, counts: impl Iterator<Item = u64>) {
    let (start, step) = match when {
        When::At(t) => (t, 0),
        When::Range { start, step, .. } => (start, step),
    };
    let times = (0..).map(|at: i64| start.saturating_add(step.saturating_mul(at)));
    json::array(out, times.zip(counts), |out, (t, n)| {
        let pair = format!("[{},{n}]", t as f64 / 1000.0);
        out.extend_from_slice(pair.as_bytes());
    });
}

#[cfg(test)]
mod tests;
