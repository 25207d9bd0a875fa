//! Pages in the text exposition formats.

use exposition::{PageWriter, TextFormat};
use model::MetricType;

use crate::{Registry, Sink};

/// Writes what it receives as an exposition page.
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
}

impl Sink for Page<'_> {
    fn family(&mut self, name: &str, help: &str, kind: MetricType) {
        self.0.family(name, help, kind);
    }

    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], v: f64) {
        self.0.sample(suffix, labels.iter().copied(), v, None);
    }
}

/// All families of `registry` in the text format 0.0.4.
pub fn text_page(registry: &Registry) -> String {
    let mut out = Vec::with_capacity(16 << 10);
    let mut page = Page::new(&mut out, TextFormat::Prometheus);
    registry.gather(&mut page);
    page.finish();
    String::from_utf8(out).expect("a page is written from str only")
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
";
        assert_eq!(text_page(&registry), expected);
    }
}
