//! Taking samples into the log.

use std::sync::Arc;

use model::{Exemplar, FloatHistogram, Histogram, Labels, SeriesRef};
use storage::{AnySample, AnyValue, AppendError, Appender, CommitError, ExemplarError};
use wal::record::{self, RefExemplar, RefHistogram, RefSample};

use super::Inner;
use crate::sync::lock;

/// Longest labels of an exemplar, in characters.
const EXEMPLAR_CHARS_MAX: usize = 128;

/// A batch for the log.
pub(super) struct AgentAppender {
    inner: Arc<Inner>,
    floats: Vec<RefSample>,
    histograms: Vec<RefHistogram<Histogram>>,
    float_histograms: Vec<RefHistogram<FloatHistogram>>,
    exemplars: Vec<RefExemplar>,
}

impl AgentAppender {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self {
            inner,
            floats: Vec::new(),
            histograms: Vec::new(),
            float_histograms: Vec::new(),
            exemplars: Vec::new(),
        }
    }

    /// Checks a time, and keeps the series from being forgotten while this batch is open.
    fn admit(&mut self, series: SeriesRef, t: i64) -> Result<(), AppendError> {
        let mut table = lock(&self.inner.table);
        let found = table.get_mut(series.0).ok_or(AppendError::UnknownSeries)?;
        let window = self.inner.options.out_of_order_window_ms;
        if t <= found.last_t.saturating_sub(window) && found.last_t != i64::MIN {
            self.inner.metrics.out_of_order.inc();
            return Err(AppendError::OutOfOrder);
        }
        found.n_pending += 1;
        Ok(())
    }

    fn put(&mut self, series: SeriesRef, sample: AnySample<'_>) -> Result<(), AppendError> {
        let AnySample { st, t, value } = sample;
        self.admit(series, t)?;
        match value {
            AnyValue::Float(v) => self.floats.push(RefSample { series, t, v }),
            AnyValue::Histogram(it) => {
                self.histograms.push(RefHistogram { series, t, st, histogram: it.clone() });
            }
            AnyValue::FloatHistogram(it) => {
                self.float_histograms.push(RefHistogram { series, t, st, histogram: it.clone() });
            }
        }
        Ok(())
    }

    fn times(&self) -> impl Iterator<Item = (SeriesRef, i64)> {
        let floats = self.floats.iter().map(|it| (it.series, it.t));
        let histograms = self.histograms.iter().map(|it| (it.series, it.t));
        floats.chain(histograms).chain(self.float_histograms.iter().map(|it| (it.series, it.t)))
    }

    fn write(&self) -> Result<(), String> {
        let mut records = [const { Vec::new() }; 6];
        let [floats, a, b, c, d, exemplars] = &mut records;
        if !self.floats.is_empty() {
            record::put_samples(floats, self.floats.iter().copied());
        }
        record::put_histograms(a, b, self.histograms.iter().map(RefHistogram::as_ref));
        record::put_histograms(c, d, self.float_histograms.iter().map(RefHistogram::as_ref));
        if !self.exemplars.is_empty() {
            record::put_exemplars(exemplars, &self.exemplars);
        }
        self.inner.log(&records.each_ref().map(|it| &it[..]))
    }
}

impl Appender for AgentAppender {
    fn append_ref(&mut self, series: SeriesRef, t: i64, v: f64) -> Result<(), AppendError> {
        self.put(series, AnySample::float(t, v))
    }

    fn append(&mut self, labels: &Labels, t: i64, v: f64) -> Result<SeriesRef, AppendError> {
        self.append_any(labels, AnySample::float(t, v))
    }

    fn append_any_ref(
        &mut self,
        series: SeriesRef,
        sample: AnySample<'_>,
    ) -> Result<(), AppendError> {
        self.put(series, sample)
    }

    fn append_any(
        &mut self,
        labels: &Labels,
        sample: AnySample<'_>,
    ) -> Result<SeriesRef, AppendError> {
        if labels.is_empty() {
            return Err(AppendError::InvalidLabels("empty labelset: invalid sample".to_owned()));
        }
        loop {
            let found = lock(&self.inner.table).find_or_make(labels);
            let series = SeriesRef(found.ok_or_else(|| {
                AppendError::Limit("new series are refused: the log cannot be written".to_owned())
            })?);
            match self.put(series, sample) {
                // Forgotten between the two lines above.
                Err(AppendError::UnknownSeries) => {}
                other => return other.map(|()| series),
            }
        }
    }

    fn append_exemplar(
        &mut self,
        series: SeriesRef,
        exemplar: &Exemplar,
    ) -> Result<(), ExemplarError> {
        let Some(t) = exemplar.t else { return Ok(()) };
        let mut table = lock(&self.inner.table);
        let found = table.get_mut(series.0).ok_or(ExemplarError::UnknownSeries(series))?;
        let chars = |text: &str| text.chars().count();
        let n_chars: usize = exemplar.labels.iter().map(|it| chars(it.0) + chars(it.1)).sum();
        if EXEMPLAR_CHARS_MAX < n_chars {
            return Err(ExemplarError::LabelsTooLong);
        }
        // A page shows the same one again and again.
        if found.exemplar.as_deref() == Some(exemplar) {
            return Ok(());
        }
        found.exemplar = Some(Box::new(exemplar.clone()));
        let (v, labels) = (exemplar.value, exemplar.labels.clone());
        self.exemplars.push(RefExemplar { series, t, v, labels });
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), CommitError> {
        // On failure, dropping this gives the batch up.
        self.write().map_err(CommitError)?;
        let mut table = lock(&self.inner.table);
        for (series, t) in self.times() {
            if let Some(it) = table.get_mut(series.0) {
                it.last_t = it.last_t.max(t);
            }
        }
        drop(table);
        let metrics = &self.inner.metrics;
        metrics.floats.add(self.floats.len() as u64);
        metrics.histograms.add((self.histograms.len() + self.float_histograms.len()) as u64);
        metrics.exemplars.add(self.exemplars.len() as u64);
        Ok(())
    }

    fn rollback(self: Box<Self>) {}
}

impl Drop for AgentAppender {
    fn drop(&mut self) {
        let mut table = lock(&self.inner.table);
        for (series, _) in self.times() {
            if let Some(it) = table.get_mut(series.0) {
                it.n_pending -= 1;
            }
        }
    }
}
