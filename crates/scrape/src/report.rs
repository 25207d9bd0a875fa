//! The series that a scrape writes about itself.

use model::{Labels, METRIC_NAME, SeriesRef, stale_nan};
use storage::{AppendError, Appender};

use crate::cache::Cache;
use crate::job::Job;
use crate::target::Target;

/// What the report series say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Report {
    pub(crate) up: bool,
    pub(crate) duration_s: f64,
    pub(crate) scraped: usize,
    pub(crate) kept: usize,
    pub(crate) added: usize,
    /// Bytes of the page; 0 if there is none, -1 if it was too long.
    pub(crate) body_bytes: i64,
}

const NAMES: [&str; 8] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
    "scrape_timeout_seconds",
    "scrape_sample_limit",
    "scrape_body_size_bytes",
];

/// How many of them a job writes.
fn n_series(job: &Job) -> usize {
    if job.extra_metrics { NAMES.len() } else { 5 }
}

/// Appends the report series. What storage refuses is left out.
#[expect(clippy::cast_precision_loss, reason = "counts and sizes past 2^53 are shown rounded")]
pub(crate) fn append(
    appender: &mut dyn Appender,
    cache: &mut Cache,
    job: &Job,
    target: &Target,
    report: &Report,
    t: i64,
) {
    let values = [
        f64::from(u8::from(report.up)),
        report.duration_s,
        report.scraped as f64,
        report.kept as f64,
        report.added as f64,
        target.timeout_ms as f64 / 1000.0,
        job.limits.samples as f64,
        report.body_bytes as f64,
    ];
    for (at, value) in values.into_iter().enumerate().take(n_series(job)) {
        put(appender, &mut cache.report[at], &target.public, NAMES[at], t, value);
    }
}

/// Marks the end of the report series.
pub(crate) fn end(
    appender: &mut dyn Appender,
    cache: &mut Cache,
    job: &Job,
    target: &Target,
    t: i64,
) {
    for (at, name) in NAMES.iter().enumerate().take(n_series(job)) {
        put(appender, &mut cache.report[at], &target.public, name, t, stale_nan());
    }
}

fn put(
    appender: &mut dyn Appender,
    known: &mut SeriesRef,
    target: &Labels,
    name: &str,
    t: i64,
    v: f64,
) {
    if known.0 != 0 && appender.append_ref(*known, t, v) != Err(AppendError::UnknownSeries) {
        return;
    }
    let labels = target.to_builder().set(METRIC_NAME, name).labels();
    *known = appender.append(&labels, t, v).unwrap_or_default();
}
