//! Replay of samples that are no plain floats.

use chunk::{Sample, Value};
use model::{FloatHistogram, Histogram, SeriesRef};
use wal::record::{self, DecodeError, HistogramBody, Kind, RefHistogram, RefSample};

use super::super::batch::Other;
use super::Replay;

impl Replay<'_> {
    pub(super) fn sample_with_start(&mut self, it: RefSample, st: i64) {
        if st == 0 || !self.head.stores_starts {
            return self.sample(it);
        }
        self.other(it.series, Sample { st, t: it.t, value: Value::Float(it.v) });
    }

    pub(super) fn histograms(&mut self, kind: Kind, body: &[u8]) -> Result<(), DecodeError> {
        self.each_histogram(kind, body, |it: Histogram| Value::Histogram(it))
    }

    pub(super) fn float_histograms(&mut self, kind: Kind, body: &[u8]) -> Result<(), DecodeError> {
        self.each_histogram(kind, body, |it: FloatHistogram| Value::FloatHistogram(it))
    }

    fn each_histogram<H: HistogramBody>(
        &mut self,
        kind: Kind,
        body: &[u8],
        value: impl Fn(H) -> Value,
    ) -> Result<(), DecodeError> {
        let n_unknown = record::histograms(kind, body, |it: RefHistogram<H>| {
            let RefHistogram { series, t, st, histogram } = it;
            let st = if self.head.stores_starts { st } else { 0 };
            self.other(series, Sample { st, t, value: value(histogram) });
        })?;
        if 0 < n_unknown {
            tracing::warn!(histograms = n_unknown, "histograms of an unknown schema are left out");
        }
        Ok(())
    }

    fn other(&mut self, series: SeriesRef, sample: Sample) {
        self.take_note_of(series.0);
        if sample.t < self.min_valid {
            return;
        }
        // A writer that did not check must not break the chunk for those that did.
        let is_valid = match &sample.value {
            Value::Float(_) => true,
            Value::Histogram(it) => it.validate().is_ok(),
            Value::FloatHistogram(it) => it.validate().is_ok(),
        };
        if is_valid {
            let series = self.aliases.get(&series.0).copied().unwrap_or(series.0);
            self.workers.push_other(Other { series, sample });
        }
    }
}
