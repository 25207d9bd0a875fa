//! Taking samples that are no plain floats: histograms, samples with start times, and starting zeros.

use chunk::{Sample, Value};
use model::{CounterResetHint, FloatHistogram, Histogram, Labels, SeriesRef};
use storage::{AnySample, AnyValue, AppendError};

use super::appender::{HeadAppender, admit};
use super::open::Open;
use super::series::page_of;
use crate::sync::lock;

impl HeadAppender {
    /// As `take`, for any sample.
    pub(super) fn take_any(
        &mut self,
        series: u64,
        sample: AnySample<'_>,
    ) -> Result<(), AppendError> {
        if let (AnyValue::Float(v), false) = (sample.value, self.head.stores_starts) {
            return self.take(series, sample.t, v);
        }
        let (pages, number) = (&self.head.pages, page_of(series));
        let held = self.batch.held.find(pages, number).ok_or(AppendError::UnknownSeries)?;
        let twice = |open: &Open| open.refuse_other(sample.value);
        let admitted = admit(&lock(&held.page), (series, sample.t), self.admission, twice);
        if self.judge(admitted, sample.t, is_histogram(sample.value))? {
            self.batch.push_other(series, self.head.owned(sample));
        }
        Ok(())
    }

    /// Checks a sample before its series is looked up.
    pub(super) fn check(&mut self, sample: AnySample<'_>) -> Result<(), AppendError> {
        self.in_bounds(sample.t, is_histogram(sample.value))?;
        let valid = match sample.value {
            AnyValue::Float(_) => Ok(()),
            AnyValue::Histogram(it) => it.validate(),
            AnyValue::FloatHistogram(it) => it.validate(),
        };
        valid.map_err(|error| AppendError::InvalidHistogram(error.to_string()))
    }

    /// Takes the zero with which `sample` started, for the series that `find` finds.
    pub(super) fn take_start(
        &mut self,
        sample: AnySample<'_>,
        find: impl FnOnce(&mut Self, AnySample<'_>) -> Result<SeriesRef, AppendError>,
    ) -> Result<SeriesRef, AppendError> {
        if self.admission.is_recording {
            // Whether the series has it already is not known yet.
            return Err(AppendError::StartOutOfOrder);
        }
        if sample.t <= sample.st {
            return Err(AppendError::StartNotBeforeSample);
        }
        if sample.st < self.admission.min_valid {
            return Err(AppendError::OutOfBounds);
        }
        let zero = Zero::of(sample.value);
        // It is no sample of the caller's, so no refusal of it counts.
        let counted = self.n_refused;
        let taken = find(self, AnySample { st: 0, t: sample.st, value: zero.as_value() });
        self.n_refused = counted;
        match taken {
            Err(AppendError::OutOfOrder | AppendError::TooOld) => Err(AppendError::StartOutOfOrder),
            other => other,
        }
    }

    /// Takes a sample for the series with these labels, which is created if needed.
    pub(super) fn take_by_labels(
        &mut self,
        labels: &Labels,
        sample: AnySample<'_>,
    ) -> Result<SeriesRef, AppendError> {
        if labels.is_empty() {
            return Err(AppendError::InvalidLabels("empty labelset: invalid sample".to_owned()));
        }
        loop {
            let series = self.head.find_or_make(labels, &mut self.batch.key)?;
            match self.take_any(series, sample) {
                // Dropped between the two lines above.
                Err(AppendError::UnknownSeries) => {}
                other => return other.map(|()| SeriesRef(series)),
            }
        }
    }
}

impl super::Head {
    /// What the batch keeps of a sample.
    fn owned(&self, sample: AnySample<'_>) -> Sample {
        let AnySample { st, t, value } = sample;
        let value = match value {
            AnyValue::Float(v) => Value::Float(v),
            AnyValue::Histogram(it) => Value::Histogram(it.clone()),
            AnyValue::FloatHistogram(it) => Value::FloatHistogram(it.clone()),
        };
        Sample { st: if self.stores_starts { st } else { 0 }, t, value }
    }
}

/// What a counter had when it started.
enum Zero {
    Float,
    Histogram(Histogram),
    FloatHistogram(FloatHistogram),
}

impl Zero {
    /// With the layout of `value`, so that both fit into one chunk.
    fn of(value: AnyValue<'_>) -> Self {
        let hint = CounterResetHint::Reset;
        match value {
            AnyValue::Float(_) => Self::Float,
            AnyValue::Histogram(it) => Self::Histogram(Histogram {
                hint,
                schema: it.schema,
                zero_threshold: it.zero_threshold,
                custom_values: it.custom_values.clone(),
                ..Histogram::default()
            }),
            AnyValue::FloatHistogram(it) => Self::FloatHistogram(FloatHistogram {
                hint,
                schema: it.schema,
                zero_threshold: it.zero_threshold,
                custom_values: it.custom_values.clone(),
                ..FloatHistogram::default()
            }),
        }
    }

    fn as_value(&self) -> AnyValue<'_> {
        match self {
            Self::Float => AnyValue::Float(0.0),
            Self::Histogram(it) => AnyValue::Histogram(it),
            Self::FloatHistogram(it) => AnyValue::FloatHistogram(it),
        }
    }
}

fn is_histogram(value: AnyValue<'_>) -> bool {
    !matches!(value, AnyValue::Float(_))
}
