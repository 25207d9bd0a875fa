//! Pages in the exposition formats.

use exposition::{
    FamilyHead, HistogramParts, MetricHead, Native, PageWriter, ProtobufWriter, TextFormat,
};
use model::MetricType;

use crate::{Registry, Sink};

/// Writes what it receives as a page of text.
pub struct Page<'a>(PageWriter<'a>);

impl<'a> Page<'a> {
    /// Writes behind what `out` holds already.
    pub fn new(out: &'a mut Vec<u8>, format: TextFormat) -> Self {
        Self(PageWriter::new(out, format))
    }

    /// Ends the page: OpenMetrics wants a last line.
    pub fn finish(self) {
        self.0.finish();
    }

    fn put(&mut self, suffix: &str, labels: &[(&str, &str)], v: f64) {
        self.0.sample(suffix, labels.iter().copied(), v, None);
    }
}

impl Sink for Page<'_> {
    fn family(&mut self, name: &str, help: &str, kind: MetricType) {
        self.0.family(name, help, kind);
    }

    fn sample(&mut self, labels: &[(&str, &str)], v: f64) {
        self.put("", labels, v);
    }

    #[expect(clippy::cast_precision_loss, reason = "a count past 2^53 is shown rounded")]
    fn summary(&mut self, labels: &[(&str, &str)], count: u64, sum: f64, quantiles: &[(f64, f64)]) {
        for (quantile, v) in quantiles {
            let text = quantile.to_string();
            self.put("", &[labels, &[("quantile", &text)]].concat(), *v);
        }
        self.put("_sum", labels, sum);
        self.put("_count", labels, count as f64);
    }

    /// Text has no native histograms: of such a one only its count and sum are written.
    fn histogram(&mut self, labels: &[(&str, &str)], parts: HistogramParts<'_>) {
        for (upper, count) in parts.buckets {
            let text = upper.to_string();
            self.put("_bucket", &[labels, &[("le", &text)]].concat(), *count);
        }
        let (count, sum) = total(&parts);
        self.put("_bucket", &[labels, &[("le", "+Inf")]].concat(), count);
        self.put("_sum", labels, sum);
        self.put("_count", labels, count);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count past 2^53 is shown rounded")]
fn total(parts: &HistogramParts<'_>) -> (f64, f64) {
    match parts.native {
        None => (parts.count, parts.sum),
        Some(Native::Integer(it)) => (it.count as f64, it.sum),
        Some(Native::Float(it)) => (it.count, it.sum),
    }
}

impl Sink for ProtobufWriter<'_> {
    fn family(&mut self, name: &str, help: &str, kind: MetricType) {
        Self::family(self, FamilyHead { name, help, kind, unit: "" });
    }

    fn sample(&mut self, labels: &[(&str, &str)], v: f64) {
        self.metrics().number(head(labels), v);
    }

    fn summary(&mut self, labels: &[(&str, &str)], count: u64, sum: f64, quantiles: &[(f64, f64)]) {
        self.metrics().summary(head(labels), count, sum, quantiles);
    }

    fn histogram(&mut self, labels: &[(&str, &str)], parts: HistogramParts<'_>) {
        self.metrics().histogram(head(labels), parts);
    }
}

fn head<'a>(labels: &'a [(&'a str, &'a str)]) -> MetricHead<'a> {
    MetricHead { labels, ..MetricHead::default() }
}

/// All families of `registry` in the text format 0.0.4.
pub fn text_page(registry: &Registry) -> String {
    let mut out = Vec::with_capacity(16 << 10);
    let mut page = Page::new(&mut out, TextFormat::Prometheus);
    registry.gather(&mut page);
    page.finish();
    String::from_utf8(out).expect("a page is written from str only")
}

/// All families of `registry` in protobuf: the one format that has native histograms.
pub fn protobuf_page(registry: &Registry) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 << 10);
    let mut page = ProtobufWriter::new(&mut out);
    registry.gather(&mut page);
    page.finish();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_every_kind() {
        let registry = Registry::default();
        registry.counter("a_total", "A.").add_float(1.5);
        registry.gauges("b", "", &["x", "y"]).get(&["1", "q\"q"]).set(-2.0);
        let histogram = registry.histogram("c_seconds", "C.", &[0.1, 1.0]);
        histogram.observe(0.1);
        histogram.observe(0.5);
        histogram.observe(7.0);
        let summary = registry.summary("d_seconds", "D.", &[0.5, 0.99]);
        (1..=100).for_each(|it| summary.observe(f64::from(it)));
        registry.gauge_fn("e", "E.", || 3.0);
        registry.native_histogram("f", "F.").observe(2.5);
        registry.counters("empty_total", "No metric yet.", &["x"]);
        let expected = "\
# HELP a_total A.
# TYPE a_total counter
a_total 1.5
# TYPE b gauge
b{x=\"1\",y=\"q\\\"q\"} -2
# HELP c_seconds C.
# TYPE c_seconds histogram
c_seconds_bucket{le=\"0.1\"} 1
c_seconds_bucket{le=\"1\"} 2
c_seconds_bucket{le=\"+Inf\"} 3
c_seconds_sum 7.6
c_seconds_count 3
# HELP d_seconds D.
# TYPE d_seconds summary
d_seconds{quantile=\"0.5\"} 50
d_seconds{quantile=\"0.99\"} 99
d_seconds_sum 5050
d_seconds_count 100
# HELP e E.
# TYPE e gauge
e 3
# HELP f F.
# TYPE f histogram
f_bucket{le=\"+Inf\"} 1
f_sum 2.5
f_count 1
";
        assert_eq!(text_page(&registry), expected);
    }
}
