//! A storage that keeps everything in plain vectors.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{CounterResetHint, FloatHistogram, Labels, Matcher, is_stale_nan};
use promql_engine::is_reset;
use storage::{ListHints, Querier, Queryable, ReadError, Samples, SelectHints, SeriesSet};

/// Series in the order in which they were added. What a query sees does not change afterwards.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    series: Vec<Arc<Series>>,
}

/// One series.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    labels: Labels,
    samples: Samples,
}

impl Memory {
    /// Finds a series, or adds it.
    pub(crate) fn series_mut(&mut self, labels: &Labels) -> &mut Series {
        let at = self.series.iter().position(|it| it.labels == *labels).unwrap_or_else(|| {
            self.series.push(Arc::new(Series { labels: labels.clone(), ..Series::default() }));
            self.series.len() - 1
        });
        Arc::make_mut(&mut self.series[at])
    }

    /// True if a series that fulfils all matchers has native histograms.
    pub(crate) fn has_native_histograms(&self, matchers: &[Matcher]) -> bool {
        self.any(matchers, |it| !it.histogram_t.is_empty())
    }

    /// True if a series that fulfils all matchers has start times.
    pub(crate) fn has_start_timestamps(&self, matchers: &[Matcher]) -> bool {
        self.any(matchers, |it| !it.st.is_empty() || !it.histogram_st.is_empty())
    }

    fn any(&self, matchers: &[Matcher], has: impl Fn(&Samples) -> bool) -> bool {
        self.series.iter().any(|it| has(&it.samples) && matches(&it.labels, matchers))
    }
}

impl Series {
    /// Adds a float after all samples; 0 is no start time. Behind a histogram a stale marker becomes one.
    ///
    /// # Errors
    /// If it is not newer than the last one; the very same sample may be given twice.
    pub(crate) fn append(&mut self, t: i64, start: i64, v: f64) -> Result<(), String> {
        let samples = &mut self.samples;
        if is_stale_nan(v) && samples.t.last() < samples.histogram_t.last() {
            let stale = FloatHistogram { sum: v, ..FloatHistogram::default() };
            return self.append_histogram(t, start, stale);
        }
        if samples.t.last() == Some(&t)
            && samples.v.last().is_some_and(|it| it.to_bits() == v.to_bits())
        {
            return Ok(());
        }
        check_order(samples, t)?;
        samples.push(t, v);
        push_start(&mut samples.st, samples.t.len(), start);
        Ok(())
    }

    /// Adds a native histogram after all samples; 0 is no start time. Its hint becomes what a database
    /// would answer: a chunk begins with an unknown one and goes on without a reset.
    ///
    /// # Errors
    /// If it is not newer than the last one.
    pub(crate) fn append_histogram(
        &mut self,
        t: i64,
        start: i64,
        mut histogram: FloatHistogram,
    ) -> Result<(), String> {
        let samples = &mut self.samples;
        check_order(samples, t)?;
        let before =
            samples.histogram.last().filter(|_| samples.t.last() < samples.histogram_t.last());
        histogram.hint = match histogram.hint {
            CounterResetHint::Gauge => CounterResetHint::Gauge,
            CounterResetHint::Reset => CounterResetHint::Unknown,
            _ if before.is_some_and(|it| continues(it, &histogram)) => CounterResetHint::NotReset,
            _ => CounterResetHint::Unknown,
        };
        samples.histogram_t.push(t);
        samples.histogram.push(histogram);
        push_start(&mut samples.histogram_st, samples.histogram_t.len(), start);
        Ok(())
    }
}

/// True if a histogram goes into the chunk of the one before.
fn continues(before: &FloatHistogram, now: &FloatHistogram) -> bool {
    let now = FloatHistogram { hint: CounterResetHint::Unknown, ..now.clone() };
    before.hint != CounterResetHint::Gauge
        && !before.is_stale()
        && before.schema == now.schema
        && before.zero_threshold == now.zero_threshold
        && before.custom_values == now.custom_values
        && !is_reset(before, &now)
}

/// Adds the start time of the last of `n` samples.
fn push_start(starts: &mut Vec<i64>, n: usize, start: i64) {
    if start != 0 || !starts.is_empty() {
        starts.resize(n - 1, 0);
        starts.push(start);
    }
}

fn check_order(samples: &Samples, t: i64) -> Result<(), String> {
    let last = samples.t.last().max(samples.histogram_t.last());
    if last.is_some_and(|last| t <= *last) { Err("out of order sample".into()) } else { Ok(()) }
}

fn matches(labels: &Labels, matchers: &[Matcher]) -> bool {
    matchers.iter().all(|it| it.matches(labels.value(it.name())))
}

impl Queryable for Memory {
    fn querier(&self, _: i64, _: i64) -> Result<Box<dyn Querier>, ReadError> {
        Ok(Box::new(View { series: self.series.clone() }))
    }
}

/// The series at one moment.
struct View {
    series: Vec<Arc<Series>>,
}

impl View {
    fn matching<'a>(&'a self, matchers: &'a [Matcher]) -> impl Iterator<Item = &'a Arc<Series>> {
        self.series.iter().filter(|it| matches(&it.labels, matchers))
    }
}

impl Querier for View {
    fn select(
        &self,
        hints: &SelectHints,
        matchers: &[Matcher],
    ) -> Result<Box<dyn SeriesSet>, ReadError> {
        let mut found: Vec<_> = self.matching(matchers).cloned().collect();
        if hints.sorted {
            found.sort_by(|a, b| a.labels.cmp(&b.labels));
        }
        Ok(Box::new(Selected(found)))
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        hints: &ListHints,
    ) -> Result<Vec<String>, ReadError> {
        let values: BTreeSet<&str> =
            self.matching(matchers).filter_map(|it| it.labels.get(name)).collect();
        hints.collect(values.into_iter())
    }

    fn label_names(
        &self,
        matchers: &[Matcher],
        hints: &ListHints,
    ) -> Result<Vec<String>, ReadError> {
        let names: BTreeSet<&str> =
            self.matching(matchers).flat_map(|it| it.labels.iter().map(|(name, _)| name)).collect();
        hints.collect(names.into_iter())
    }
}

/// Series that were found.
struct Selected(Vec<Arc<Series>>);

impl SeriesSet for Selected {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn labels(&self, at: usize) -> Labels {
        self.0[at].labels.clone()
    }

    fn read(&self, at: usize, mint: i64, maxt: i64, out: &mut Samples) -> Result<(), ReadError> {
        let Samples { st, t, v, histogram_st, histogram_t, histogram } = &self.0[at].samples;
        let within = |times: &[i64]| {
            let start = times.partition_point(|it| *it < mint);
            start..times.partition_point(|it| *it <= maxt).max(start)
        };
        let (floats, histograms) = (within(t), within(histogram_t));
        out.st.extend_from_slice(st.get(floats.clone()).unwrap_or_default());
        out.t.extend_from_slice(&t[floats.clone()]);
        out.v.extend_from_slice(&v[floats]);
        out.histogram_st
            .extend_from_slice(histogram_st.get(histograms.clone()).unwrap_or_default());
        out.histogram_t.extend_from_slice(&histogram_t[histograms.clone()]);
        out.histogram.extend_from_slice(&histogram[histograms]);
        Ok(())
    }
}
