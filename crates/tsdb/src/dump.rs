//! All samples as text: what `promtool tsdb dump` and `dump-openmetrics` print.

use std::fmt::Write as _;
use std::io::{self, Write};

use model::{Labels, METRIC_NAME, Matcher, is_legacy_label_name, quote};
use stdx::gofloat;
use storage::{Querier, ReadError, Samples, SelectHints, SeriesSet};

/// Why a dump ended early.
#[derive(Debug)]
pub enum DumpError {
    /// The data cannot be read.
    Read(ReadError),
    /// The output cannot be written.
    Write(io::Error),
}

impl std::fmt::Display for DumpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(it) => it.fmt(f),
            Self::Write(it) => it.fmt(f),
        }
    }
}

impl std::error::Error for DumpError {}

/// How samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line `{labels} value milliseconds` for each sample.
    Text,
    /// A line `name{labels} value seconds` for each float, and the end mark of OpenMetrics.
    OpenMetrics,
    /// A line with the labels as a JSON object for each series that has samples.
    SeriesJson,
}

/// Writes the samples in `mint..=maxt`, series by series in label order. `selectors`: a series is written if it
/// fulfils all matchers of one of them.
///
/// # Errors
/// If the data cannot be read or the output not written. What came before is written.
pub fn dump(
    querier: &dyn Querier,
    mint: i64,
    maxt: i64,
    selectors: &[Vec<Matcher>],
    format: Format,
    out: &mut dyn Write,
) -> Result<(), DumpError> {
    let hints = SelectHints { mint, maxt, sorted: true, ..SelectHints::default() };
    let sets: Result<Vec<_>, _> = selectors.iter().map(|it| querier.select(&hints, it)).collect();
    let sets = sets.map_err(DumpError::Read)?;
    let (mut samples, mut text) = (Samples::default(), String::new());
    for (labels, set, at) in in_label_order(&sets) {
        samples.clear();
        let read = sets[set].read(at, mint, maxt, &mut samples);
        text.clear();
        match format {
            Format::SeriesJson if samples.is_empty() => {}
            Format::SeriesJson => json_line(&mut text, &labels),
            Format::Text => text_lines(&mut text, &labels.to_string(), &samples),
            Format::OpenMetrics => openmetrics_lines(&mut text, &name_first(&labels), &samples),
        }
        out.write_all(text.as_bytes()).map_err(DumpError::Write)?;
        read.map_err(DumpError::Read)?;
    }
    let end: &[u8] = if format == Format::OpenMetrics { b"# EOF\n" } else { b"" };
    out.write_all(end).map_err(DumpError::Write)
}

/// Floats and histograms, by their times.
fn text_lines(out: &mut String, series: &str, samples: &Samples) {
    let mut histograms = samples.histogram_t.iter().zip(&samples.histogram).peekable();
    let mut floats = samples.t.iter().zip(&samples.v).peekable();
    loop {
        let histogram_t = histograms.peek().map(|it| it.0);
        let is_float = |it: &(&i64, &f64)| histogram_t.is_none_or(|t| it.0 < t);
        if let Some((t, v)) = floats.next_if(is_float) {
            float_line(out, series, *v, t);
        } else if let Some((t, histogram)) = histograms.next() {
            let _ = writeln!(out, "{series} {histogram} {t}");
        } else {
            return;
        }
    }
}

/// Floats: this format has no native histograms.
fn openmetrics_lines(out: &mut String, series: &str, samples: &Samples) {
    for (t, v) in samples.t.iter().zip(&samples.v) {
        float_line(out, series, *v, seconds(*t));
    }
}

fn float_line(out: &mut String, series: &str, v: f64, time: impl std::fmt::Display) {
    out.push_str(series);
    out.push(' ');
    gofloat::write_g(out, v);
    let _ = writeln!(out, " {time}");
}

/// The labels with the metric's name in front of the braces. No blanks between them: OpenMetrics has none.
fn name_first(labels: &Labels) -> String {
    let pair = |(name, value)| match is_legacy_label_name(name) {
        true => format!("{name}={}", quote(value)),
        false => format!("{}={}", quote(name), quote(value)),
    };
    let rest: Vec<String> = labels.iter().filter(|it| it.0 != METRIC_NAME).map(pair).collect();
    format!("{}{{{}}}", labels.metric_name(), rest.join(","))
}

/// Seconds with three decimals.
fn seconds(t: i64) -> String {
    let sign = if t < 0 { "-" } else { "" };
    format!("{sign}{}.{:03}", t.unsigned_abs() / 1000, t.unsigned_abs() % 1000)
}

fn json_line(out: &mut String, labels: &Labels) {
    out.push('{');
    for (i, (name, value)) in labels.iter().enumerate() {
        out.push_str(if i == 0 { "" } else { "," });
        json_text(out, name);
        out.push(':');
        json_text(out, value);
    }
    out.push_str("}\n");
}

/// Writes text as JSON, as Go's encoder does: what HTML gives a meaning is escaped.
fn json_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Returns labels, set and position of each series, sorted; one that is in several sets once.
fn in_label_order(sets: &[Box<dyn SeriesSet>]) -> Vec<(Labels, usize, usize)> {
    let mut all = Vec::new();
    for (set, series) in sets.iter().enumerate() {
        all.extend((0..series.len()).map(|at| (series.labels(at), set, at)));
    }
    if 1 < sets.len() {
        all.sort();
        all.dedup_by(|a, b| a.0 == b.0);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_series_in_each_form() {
        let labels =
            Labels::from_pairs([("__name__", "m"), ("a", "<\"\\\n\u{1}\u{e9}>"), ("b", "")]);
        let mut json = String::new();
        json_line(&mut json, &labels);
        let expected = r#"{"__name__":"m","a":"\u003c\"\\\n\u0001é\u003e"}"#;
        assert_eq!(json, format!("{expected}\n"));
        assert_eq!(name_first(&Labels::from_pairs([("__name__", "m")])), "m{}");
        assert_eq!(name_first(&Labels::from_pairs([("a", "1"), ("b", "2")])), "{a=\"1\",b=\"2\"}");
        assert_eq!(
            (seconds(1_700_000_000_050), seconds(-1)),
            ("1700000000.050".into(), "-0.001".into())
        );
    }
}
