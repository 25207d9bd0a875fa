//! A storage in memory, filled from the notation of test files.

use std::sync::{Arc, RwLock};

use model::{Labels, Matcher};
use promql::series::{self, Value};
use storage::{ListHints, Querier, Queryable, ReadError, Samples, SelectHints, SeriesSet};

/// Series in the order in which they were loaded.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<RwLock<Vec<Stored>>>);

type Stored = (Labels, Arc<Samples>);

impl Memory {
    /// Loads series, one a line, with a sample every `step_ms` from the epoch on.
    pub(crate) fn load(&self, step_ms: i64, lines: &str) {
        for line in lines.lines().map(str::trim).filter(|it| !it.is_empty()) {
            let read = series::parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            let mut samples = Samples::default();
            for (at, value) in read.values.iter().enumerate() {
                let t = step_ms * i64::try_from(at).expect("short");
                match value {
                    Value::Omitted => {}
                    Value::Float(v) => samples.push(t, *v),
                    Value::Histogram(it) => {
                        samples.histogram_t.push(t);
                        samples.histogram.push(it.first.as_ref().clone());
                    }
                }
            }
            self.add(read.labels, samples);
        }
    }

    /// Adds samples, which replace those of equal time.
    pub(crate) fn add(&self, labels: Labels, samples: Samples) {
        let mut all = self.0.write().expect("no panic");
        match all.iter_mut().find(|(it, _)| *it == labels) {
            Some((_, known)) => {
                let known = Arc::make_mut(known);
                let mut joined: Vec<(i64, f64)> =
                    known.t.iter().copied().zip(known.v.iter().copied()).collect();
                joined.retain(|(t, _)| !samples.t.contains(t));
                joined.extend(samples.t.iter().copied().zip(samples.v.iter().copied()));
                joined.sort_by_key(|(t, _)| *t);
                (known.t, known.v) = joined.into_iter().unzip();
                known.histogram_t.extend(samples.histogram_t);
                known.histogram.extend(samples.histogram);
            }
            None => all.push((labels, Arc::new(samples))),
        }
    }
}

impl Queryable for Memory {
    fn querier(&self, _: i64, _: i64) -> Result<Box<dyn Querier>, ReadError> {
        Ok(Box::new(self.clone()))
    }
}

impl Querier for Memory {
    fn select(
        &self,
        _: &SelectHints,
        matchers: &[Matcher],
    ) -> Result<Box<dyn SeriesSet>, ReadError> {
        let all = self.0.read().expect("no panic");
        let fits = |labels: &Labels| matchers.iter().all(|it| it.matches(labels.value(it.name())));
        Ok(Box::new(Found(all.iter().filter(|(labels, _)| fits(labels)).cloned().collect())))
    }

    fn label_values(
        &self,
        _: &str,
        _: &[Matcher],
        _: &ListHints,
    ) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }

    fn label_names(&self, _: &[Matcher], _: &ListHints) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }

    fn n_listed(&self, name: Option<&str>) -> usize {
        let all = self.0.read().expect("no panic");
        let has = |it: &&Stored| name.is_none_or(|name| it.0.get(name).is_some());
        all.iter().filter(has).count()
    }
}

struct Found(Vec<Stored>);

impl SeriesSet for Found {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn labels(&self, at: usize) -> Labels {
        self.0[at].0.clone()
    }

    fn read(&self, at: usize, mint: i64, maxt: i64, out: &mut Samples) -> Result<(), ReadError> {
        let samples = &self.0[at].1;
        let range =
            |t: &[i64]| t.partition_point(|it| *it < mint)..t.partition_point(|it| *it <= maxt);
        let floats = range(&samples.t);
        if floats.start < floats.end {
            out.t.extend_from_slice(&samples.t[floats.clone()]);
            out.v.extend_from_slice(&samples.v[floats]);
        }
        let histograms = range(&samples.histogram_t);
        if histograms.start < histograms.end {
            if !samples.histogram_st.is_empty() {
                out.histogram_st.extend_from_slice(&samples.histogram_st[histograms.clone()]);
            }
            out.histogram_t.extend_from_slice(&samples.histogram_t[histograms.clone()]);
            out.histogram.extend_from_slice(&samples.histogram[histograms]);
        }
        Ok(())
    }
}
