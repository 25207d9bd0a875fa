//! A storage that keeps everything in plain vectors.

use std::sync::Arc;

use model::{FloatHistogram, Labels, Matcher};
use promql::series::HistogramValue;
use storage::{Querier, Queryable, ReadError, Samples, SelectHints, SeriesSet};

/// Series in the order in which they were added. What a query sees does not change afterwards.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    series: Vec<Arc<Series>>,
    /// Series that would have native histograms, were they computed.
    native: Vec<Labels>,
}

/// One series.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    labels: Labels,
    samples: Samples,
    /// It has native histograms, perhaps such that could not be stored.
    native_histograms: bool,
    /// It has start timestamps, which are not stored.
    pub(crate) start_timestamps: bool,
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

    /// Notes that a classic histogram with this series exists as a native one, too.
    pub(crate) fn note_native_histogram(&mut self, labels: &Labels) {
        let name = labels.metric_name();
        let base = ["_bucket", "_count", "_sum"].iter().find_map(|it| name.strip_suffix(it));
        if let Some(base) = base {
            self.native
                .push(labels.to_builder().set(model::METRIC_NAME, base).remove("le").labels());
        }
    }

    /// True if a series that fulfils all matchers has native histograms.
    pub(crate) fn has_native_histograms(&self, matchers: &[Matcher]) -> bool {
        let stored = self.series.iter().filter(|it| it.native_histograms).map(|it| &it.labels);
        stored.chain(&self.native).any(|it| matches(it, matchers))
    }

    /// True if a series that fulfils all matchers has start timestamps.
    pub(crate) fn has_start_timestamps(&self, matchers: &[Matcher]) -> bool {
        self.series.iter().any(|it| it.start_timestamps && matches(&it.labels, matchers))
    }
}

impl Series {
    /// Adds a float after all samples.
    ///
    /// # Errors
    /// If it is not newer than the last one; the very same sample may be given twice.
    pub(crate) fn append(&mut self, t: i64, v: f64) -> Result<(), String> {
        let samples = &mut self.samples;
        if samples.t.last() == Some(&t)
            && samples.v.last().is_some_and(|it| it.to_bits() == v.to_bits())
        {
            return Ok(());
        }
        check_order(samples, t)?;
        samples.push(t, v);
        Ok(())
    }

    /// Adds a native histogram after all samples. Only the first of a row can be stored; the rest is
    /// noted.
    ///
    /// # Errors
    /// If it is not newer than the last one.
    pub(crate) fn append_histogram(
        &mut self,
        t: i64,
        value: &HistogramValue,
    ) -> Result<(), String> {
        self.native_histograms = true;
        if value.delta.is_some() && value.times != 0 {
            return Ok(());
        }
        check_order(&self.samples, t)?;
        self.samples.histogram_t.push(t);
        self.samples.histogram.push(FloatHistogram::clone(&value.first));
        Ok(())
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
        limit: usize,
    ) -> Result<Vec<String>, ReadError> {
        let values = self.matching(matchers).filter_map(|it| it.labels.get(name));
        Ok(sorted(values, limit))
    }

    fn label_names(&self, matchers: &[Matcher], limit: usize) -> Result<Vec<String>, ReadError> {
        let names = self.matching(matchers).flat_map(|it| it.labels.iter().map(|(name, _)| name));
        Ok(sorted(names, limit))
    }
}

fn sorted<'a>(texts: impl Iterator<Item = &'a str>, limit: usize) -> Vec<String> {
    let mut texts: Vec<String> = texts.map(str::to_owned).collect();
    texts.sort_unstable();
    texts.dedup();
    if limit != 0 {
        texts.truncate(limit);
    }
    texts
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
        let Samples { t, v, histogram_t, histogram, .. } = &self.0[at].samples;
        let within = |times: &[i64]| {
            let start = times.partition_point(|it| *it < mint);
            start..times.partition_point(|it| *it <= maxt).max(start)
        };
        out.t.extend_from_slice(&t[within(t)]);
        out.v.extend_from_slice(&v[within(t)]);
        out.histogram_t.extend_from_slice(&histogram_t[within(histogram_t)]);
        out.histogram.extend_from_slice(&histogram[within(histogram_t)]);
        Ok(())
    }
}
