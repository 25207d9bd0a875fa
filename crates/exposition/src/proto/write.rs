//! Writing protobuf pages.

use model::{Exemplar, FloatHistogram, Histogram, MetricType, Span};
use stdx::varint::{put_i64, put_u64};

/// The `Content-Type` of a page.
pub const PROTOBUF_CONTENT_TYPE: &str = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=underscores";

/// A family's name and what is said of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FamilyHead<'a> {
    /// As Prometheus text has it: that of a counter with its `_total`.
    pub name: &'a str,
    /// `""` if there is none.
    pub help: &'a str,
    /// `""` if there is none.
    pub unit: &'a str,
    /// What is not known to this format is written as untyped.
    pub kind: MetricType,
}

/// What every metric has beside its value.
#[derive(Clone, Copy, Debug, Default)]
pub struct MetricHead<'a> {
    /// Names and values.
    pub labels: &'a [(&'a str, &'a str)],
    /// Milliseconds since the epoch; 0 if none is said.
    pub t: i64,
    /// When counting began, in milliseconds since the epoch; 0 if none is said.
    pub st: i64,
    /// A counter has one at most.
    pub exemplars: &'a [Exemplar],
}

/// A histogram as a page has it: classic buckets, a native histogram, or both.
#[derive(Clone, Copy, Debug, Default)]
pub struct HistogramParts<'a> {
    /// All observations; of a native histogram its own count is written.
    pub count: f64,
    /// The sum of all observations; of a native histogram its own is written.
    pub sum: f64,
    /// Upper bounds, ascending, with cumulative counts.
    pub buckets: &'a [(f64, f64)],
    /// The native histogram.
    pub native: Option<Native<'a>>,
}

/// A native histogram; custom bounds cannot be written.
#[derive(Clone, Copy, Debug)]
pub enum Native<'a> {
    /// With integer counts.
    Integer(&'a Histogram),
    /// With float counts.
    Float(&'a FloatHistogram),
}

/// Appends a family to a page; `metrics` appends its metrics.
pub fn put_family(
    out: &mut Vec<u8>,
    head: FamilyHead<'_>,
    metrics: impl FnOnce(&mut FamilyWriter<'_>),
) {
    let mut page = ProtobufWriter::new(out);
    page.family(head);
    metrics(page.metrics());
    page.finish();
}

/// Appends families to a page, one after the other.
#[derive(Debug)]
pub struct ProtobufWriter<'a> {
    family: FamilyWriter<'a>,
    /// Where in the page the family that is being written begins.
    start: Option<usize>,
}

impl<'a> ProtobufWriter<'a> {
    /// Writes behind what `out` holds already.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self { family: FamilyWriter { out, kind: MetricType::Unknown }, start: None }
    }

    /// Ends the family before and starts this one.
    pub fn family(&mut self, head: FamilyHead<'_>) {
        self.end_family();
        let out = &mut *self.family.out;
        self.start = Some(out.len());
        self.family.kind = head.kind;
        put_text(out, 1, head.name);
        put_text(out, 2, head.help);
        let kind = match head.kind {
            MetricType::Counter => 0,
            MetricType::Gauge => 1,
            MetricType::Summary => 2,
            MetricType::Histogram => 4,
            MetricType::GaugeHistogram => 5,
            MetricType::Unknown | MetricType::Info | MetricType::StateSet => 3,
        };
        put_number(out, 3, kind);
        put_text(out, 5, head.unit);
    }

    /// Appends metrics to the family started last.
    ///
    /// # Panics
    /// If there is none.
    pub fn metrics(&mut self) -> &mut FamilyWriter<'a> {
        assert!(self.start.is_some(), "metrics are of a family");
        &mut self.family
    }

    /// Ends the page.
    pub fn finish(mut self) {
        self.end_family();
    }

    fn end_family(&mut self) {
        if let Some(start) = self.start.take() {
            put_len(self.family.out, start);
        }
    }
}

/// Appends metrics to a family.
#[derive(Debug)]
pub struct FamilyWriter<'a> {
    out: &'a mut Vec<u8>,
    kind: MetricType,
}

impl FamilyWriter<'_> {
    /// Appends a counter, a gauge or an untyped metric.
    pub fn number(&mut self, head: MetricHead<'_>, v: f64) {
        let field = match self.kind {
            MetricType::Counter => 3,
            MetricType::Gauge => 2,
            _ => 5,
        };
        let is_counter = self.kind == MetricType::Counter;
        self.metric(head, field, |out| {
            put_double(out, 1, v);
            if is_counter {
                head.exemplars.first().inspect(|it| put_exemplar(out, 2, it));
                put_timestamp(out, 3, head.st);
            }
        });
    }

    /// Appends a summary: observations, their sum, and quantiles with their values.
    pub fn summary(
        &mut self,
        head: MetricHead<'_>,
        count: u64,
        sum: f64,
        quantiles: &[(f64, f64)],
    ) {
        self.metric(head, 4, |out| {
            put_number(out, 1, count);
            put_double(out, 2, sum);
            for (quantile, v) in quantiles {
                put_message(out, 3, |out| {
                    put_double(out, 1, *quantile);
                    put_double(out, 2, *v);
                });
            }
            put_timestamp(out, 4, head.st);
        });
    }

    /// Appends a histogram.
    pub fn histogram(&mut self, head: MetricHead<'_>, parts: HistogramParts<'_>) {
        let own = parts.native.is_some();
        self.metric(head, 7, |out| {
            match parts.native {
                None => {
                    put_count(out, (1, 4), parts.count);
                    put_double(out, 2, parts.sum);
                }
                Some(Native::Integer(it)) => put_integer(out, it),
                Some(Native::Float(it)) => put_float(out, it),
            }
            for (upper, count) in parts.buckets {
                put_message(out, 3, |out| {
                    put_count(out, (1, 4), *count);
                    put_double(out, 2, *upper);
                    let below = |it: &&Exemplar| it.value <= *upper;
                    if !own && let Some(it) = head.exemplars.iter().find(below) {
                        put_exemplar(out, 3, it);
                    }
                });
            }
            put_timestamp(out, 15, head.st);
            if own {
                head.exemplars.iter().for_each(|it| put_exemplar(out, 16, it));
            }
        });
    }

    fn metric(&mut self, head: MetricHead<'_>, field: u32, value: impl FnOnce(&mut Vec<u8>)) {
        put_message(self.out, 4, |out| {
            for (name, value) in head.labels {
                put_pair(out, 1, name, value);
            }
            put_message(out, field, value);
            if head.t != 0 {
                put_number(out, 6, head.t.cast_unsigned());
            }
        });
    }
}

fn put_integer(out: &mut Vec<u8>, it: &Histogram) {
    put_number(out, 1, it.count);
    put_double(out, 2, it.sum);
    put_zigzag(out, 5, i64::from(it.schema));
    put_double(out, 6, it.zero_threshold);
    put_number(out, 7, it.zero_count);
    put_spans(out, 9, &it.negative_spans);
    it.negative_deltas.iter().for_each(|delta| put_zigzag(out, 10, *delta));
    put_spans(out, 12, spans_or_mark(&it.positive_spans, &it.negative_spans));
    it.positive_deltas.iter().for_each(|delta| put_zigzag(out, 13, *delta));
}

fn put_float(out: &mut Vec<u8>, it: &FloatHistogram) {
    put_double(out, 4, it.count);
    put_double(out, 2, it.sum);
    put_zigzag(out, 5, i64::from(it.schema));
    put_double(out, 6, it.zero_threshold);
    put_double(out, 8, it.zero_count);
    put_spans(out, 9, &it.negative_spans);
    it.negative_buckets.iter().for_each(|count| put_double(out, 11, *count));
    put_spans(out, 12, spans_or_mark(&it.positive_spans, &it.negative_spans));
    it.positive_buckets.iter().for_each(|count| put_double(out, 14, *count));
}

/// Without any bucket an empty span says that this is a native histogram.
fn spans_or_mark<'a>(positive: &'a [Span], negative: &[Span]) -> &'a [Span] {
    let is_bare = positive.is_empty() && negative.is_empty();
    if is_bare { &[Span { offset: 0, length: 0 }] } else { positive }
}

fn put_spans(out: &mut Vec<u8>, number: u32, spans: &[Span]) {
    for it in spans {
        put_message(out, number, |out| {
            put_zigzag(out, 1, i64::from(it.offset));
            put_number(out, 2, u64::from(it.length));
        });
    }
}

fn put_exemplar(out: &mut Vec<u8>, number: u32, it: &Exemplar) {
    put_message(out, number, |out| {
        it.labels.iter().for_each(|(name, value)| put_pair(out, 1, name, value));
        put_double(out, 2, it.value);
        put_timestamp(out, 3, it.t.unwrap_or(0));
    });
}

fn put_pair(out: &mut Vec<u8>, number: u32, name: &str, value: &str) {
    put_message(out, number, |out| {
        put_text(out, 1, name);
        put_text(out, 2, value);
    });
}

/// Milliseconds since the epoch; nothing for 0.
fn put_timestamp(out: &mut Vec<u8>, number: u32, ms: i64) {
    if ms != 0 {
        put_message(out, number, |out| {
            put_number(out, 1, ms.div_euclid(1000).cast_unsigned());
            put_number(out, 2, (ms.rem_euclid(1000) * 1_000_000).cast_unsigned());
        });
    }
}

/// A count, in the field for whole numbers if it is one, else in that for floats.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole numbers in range"
)]
fn put_count(out: &mut Vec<u8>, (whole, float): (u32, u32), count: f64) {
    if count.fract() == 0.0 && (0.0..2f64.powi(63)).contains(&count) {
        put_number(out, whole, count as u64);
    } else {
        put_double(out, float, count);
    }
}

fn put_message(out: &mut Vec<u8>, number: u32, fields: impl FnOnce(&mut Vec<u8>)) {
    put_tag(out, number, 2);
    let start = out.len();
    fields(out);
    put_len(out, start);
}

/// Puts the length of what lies behind `start` before it.
fn put_len(out: &mut Vec<u8>, start: usize) {
    let mut len = Vec::with_capacity(10);
    put_u64(&mut len, (out.len() - start) as u64);
    out.splice(start..start, len);
}

fn put_text(out: &mut Vec<u8>, number: u32, text: &str) {
    if !text.is_empty() {
        put_message(out, number, |out| out.extend_from_slice(text.as_bytes()));
    }
}

fn put_number(out: &mut Vec<u8>, number: u32, v: u64) {
    put_tag(out, number, 0);
    put_u64(out, v);
}

fn put_zigzag(out: &mut Vec<u8>, number: u32, v: i64) {
    put_tag(out, number, 0);
    put_i64(out, v);
}

fn put_double(out: &mut Vec<u8>, number: u32, v: f64) {
    put_tag(out, number, 1);
    out.extend_from_slice(&v.to_le_bytes());
}

fn put_tag(out: &mut Vec<u8>, number: u32, kind: u32) {
    put_u64(out, u64::from(number << 3 | kind));
}
