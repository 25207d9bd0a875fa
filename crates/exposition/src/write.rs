//! Writing pages.

use memchr::memchr3;
use model::{MetricType, is_legacy_metric_name};
use stdx::gofloat;

/// The text formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// Prometheus text, 0.0.4 and 1.0.0: the two differ in nothing that is written here.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl TextFormat {
    /// The `Content-Type` of a page.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Appends families and their samples to a buffer. Nothing is allocated but the buffer's growth.
///
/// ```
/// use exposition::{PageWriter, TextFormat};
/// let mut out = Vec::new();
/// let mut page = PageWriter::new(&mut out, TextFormat::Prometheus);
/// page.family("http_requests_total", "Requests.", model::MetricType::Counter);
/// page.sample("", [("code", "200")], 1.0, None);
/// page.finish();
/// let expected = "# HELP http_requests_total Requests.\n# TYPE http_requests_total counter\n\
///                 http_requests_total{code=\"200\"} 1\n";
/// assert_eq!(out, expected.as_bytes());
/// ```
#[derive(Debug)]
pub struct PageWriter<'a> {
    out: &'a mut Vec<u8>,
    format: TextFormat,
    /// Where in `out` the name of the current family's samples stands.
    name: std::ops::Range<usize>,
    /// What OpenMetrics wants after the name although the caller does not say it.
    suffix: &'static str,
}

impl<'a> PageWriter<'a> {
    /// Writes behind what `out` holds already.
    pub fn new(out: &'a mut Vec<u8>, format: TextFormat) -> Self {
        Self { out, format, name: 0..0, suffix: "" }
    }

    /// Starts a family. `name` is as Prometheus text has it: that of a counter with its `_total`.
    /// An empty `help` is left out.
    pub fn family(&mut self, name: &str, help: &str, kind: MetricType) {
        let open_metrics = self.format == TextFormat::OpenMetrics;
        let (name, suffix) = match kind {
            MetricType::Counter if open_metrics => {
                (name.strip_suffix("_total").unwrap_or(name), "_total")
            }
            MetricType::Info if open_metrics => {
                (name.strip_suffix("_info").unwrap_or(name), "_info")
            }
            _ => (name, ""),
        };
        if !help.is_empty() {
            self.out.extend_from_slice(b"# HELP ");
            put_metadata_name(self.out, name);
            self.out.push(b' ');
            put_escaped(self.out, help.as_bytes(), open_metrics);
            self.out.push(b'\n');
        }
        self.out.extend_from_slice(b"# TYPE ");
        let start = self.out.len();
        put_metadata_name(self.out, name);
        self.name = start..self.out.len();
        self.suffix = suffix;
        self.out.push(b' ');
        self.out.extend_from_slice(type_word(kind, open_metrics).as_bytes());
        self.out.push(b'\n');
    }

    /// Appends a sample of the family started last: its name is the family's and `suffix` (`_bucket`,
    /// `_sum`, `_count` or nothing). `t` is in milliseconds.
    pub fn sample<'l>(
        &mut self,
        suffix: &str,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        v: f64,
        t: Option<i64>,
    ) {
        let suffix = if suffix.is_empty() { self.suffix } else { suffix };
        let quoted = self.out[self.name.start] == b'"';
        if quoted {
            self.out.push(b'{');
            self.out.extend_from_within(self.name.start..self.name.end - 1);
            self.out.extend_from_slice(suffix.as_bytes());
            self.out.push(b'"');
        } else {
            self.out.extend_from_within(self.name.clone());
            self.out.extend_from_slice(suffix.as_bytes());
        }
        put_labels(self.out, labels, quoted);
        self.end_of_line(v, t);
    }

    /// Ends the page: OpenMetrics wants a last line.
    pub fn finish(self) {
        if self.format == TextFormat::OpenMetrics {
            self.out.extend_from_slice(b"# EOF\n");
        }
    }

    fn end_of_line(&mut self, v: f64, t: Option<i64>) {
        self.out.push(b' ');
        match self.format {
            TextFormat::Prometheus => gofloat::write_g(self.out, v),
            TextFormat::OpenMetrics => write_open_metrics_float(self.out, v),
        }
        if let Some(t) = t {
            self.out.push(b' ');
            match self.format {
                TextFormat::Prometheus => self.out.extend_from_slice(t.to_string().as_bytes()),
                TextFormat::OpenMetrics => put_seconds(self.out, t),
            }
        }
        self.out.push(b'\n');
    }
}

/// Appends `v` in the form that OpenMetrics wants for `le` and `quantile`: as
/// [`gofloat::write_g`], but with `.0` behind whole numbers.
pub fn write_open_metrics_float(out: &mut Vec<u8>, v: f64) {
    let start = out.len();
    gofloat::write_g(out, v);
    if v.is_finite() && !out[start..].iter().any(|it| matches!(it, b'.' | b'e')) {
        out.extend_from_slice(b".0");
    }
}

fn type_word(kind: MetricType, open_metrics: bool) -> &'static str {
    match kind {
        _ if open_metrics => kind.as_str(),
        MetricType::Unknown => "untyped",
        MetricType::Info | MetricType::StateSet => "gauge",
        MetricType::GaugeHistogram => "histogram",
        _ => kind.as_str(),
    }
}

fn put_metadata_name(out: &mut Vec<u8>, name: &str) {
    if is_legacy_metric_name(name) {
        out.extend_from_slice(name.as_bytes());
    } else {
        put_quoted(out, name.as_bytes());
    }
}

/// Appends `{a="b",c="d"}`; with `opened`, `{` and a quoted metric name stand in `out` already.
fn put_labels<'l>(
    out: &mut Vec<u8>,
    labels: impl IntoIterator<Item = (&'l str, &'l str)>,
    opened: bool,
) {
    let mut series = SeriesName { out, opened };
    labels.into_iter().for_each(|(name, value)| series.label(name.as_bytes(), value.as_bytes()));
    series.finish();
}

/// Appends the name of a series: `metric{a="b"}`, or `{"metric.x",a="b"}`. What is not UTF-8 stays so.
pub(crate) struct SeriesName<'a> {
    out: &'a mut Vec<u8>,
    opened: bool,
}

impl<'a> SeriesName<'a> {
    /// Starts with the metric's name, which is `family` and `suffix`.
    pub(crate) fn new(out: &'a mut Vec<u8>, family: &[u8], suffix: &str) -> Self {
        let start = out.len();
        out.extend_from_slice(family);
        out.extend_from_slice(suffix.as_bytes());
        let is_plain = std::str::from_utf8(&out[start..]).is_ok_and(is_legacy_metric_name);
        if !is_plain {
            let name = out.split_off(start);
            out.push(b'{');
            put_quoted(out, &name);
        }
        Self { out, opened: !is_plain }
    }

    pub(crate) fn label(&mut self, name: &[u8], value: &[u8]) {
        self.out.push(if self.opened { b',' } else { b'{' });
        self.opened = true;
        put_label(self.out, name, value);
    }

    pub(crate) fn finish(self) {
        if self.opened {
            self.out.push(b'}');
        }
    }
}

/// Appends `name="value"`.
pub(crate) fn put_label(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    if std::str::from_utf8(name).is_ok_and(model::is_legacy_label_name) {
        out.extend_from_slice(name);
    } else {
        put_quoted(out, name);
    }
    out.push(b'=');
    put_quoted(out, value);
}

fn put_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    put_escaped(out, text, true);
    out.push(b'"');
}

/// Escapes `\`, newline, and with `quotes` also `"`.
fn put_escaped(out: &mut Vec<u8>, text: &[u8], quotes: bool) {
    let mut rest = text;
    while let Some(at) = memchr3(b'\\', b'\n', if quotes { b'"' } else { b'\n' }, rest) {
        out.extend_from_slice(&rest[..at]);
        out.push(b'\\');
        out.push(if rest[at] == b'\n' { b'n' } else { rest[at] });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Appends milliseconds as seconds with the decimals they need.
fn put_seconds(out: &mut Vec<u8>, t: i64) {
    let (sign, t) = (if t < 0 { "-" } else { "" }, t.unsigned_abs());
    let text = match t % 1000 {
        0 => format!("{sign}{}", t / 1000),
        millis => format!("{sign}{}.{millis:03}", t / 1000),
    };
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: TextFormat, expected: &str) {
        let mut out = Vec::new();
        let mut page = PageWriter::new(&mut out, format);
        page.family("a_total", "with \"quotes\"\nand \\", MetricType::Counter);
        page.sample("", [("l", "x\"y\\\n"), ("l.2", "é")], 1e6, Some(-1500));
        page.family("h.x", "", MetricType::Histogram);
        page.sample("_bucket", [("le", "+Inf")], 2.0, None);
        page.sample("_sum", [], f64::NAN, Some(2000));
        page.family("u", "", MetricType::Unknown);
        page.sample("", [], 0.5, None);
        page.finish();
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }

    #[test]
    fn writes_both_formats() {
        check(
            TextFormat::Prometheus,
            r#"# HELP a_total with "quotes"\nand \\
# TYPE a_total counter
a_total{l="x\"y\\\n","l.2"="é"} 1e+06 -1500
# TYPE "h.x" histogram
{"h.x_bucket",le="+Inf"} 2
{"h.x_sum"} NaN 2000
# TYPE u untyped
u 0.5
"#,
        );
        check(
            TextFormat::OpenMetrics,
            r#"# HELP a with \"quotes\"\nand \\
# TYPE a counter
a_total{l="x\"y\\\n","l.2"="é"} 1e+06 -1.500
# TYPE "h.x" histogram
{"h.x_bucket",le="+Inf"} 2.0
{"h.x_sum"} NaN 2
# TYPE u unknown
u 0.5
# EOF
"#,
        );
    }
}
