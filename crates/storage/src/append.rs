//! Writing.

use std::fmt;

use model::{Exemplar, FloatHistogram, Histogram, Labels, Metadata, SeriesRef};
use stdx::gofloat::format_g;

/// Takes samples in.
pub trait Appendable: Send + Sync {
    /// Opens a batch.
    fn appender(&self) -> Box<dyn Appender>;
}

/// A sample of any kind on its way in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnySample<'a> {
    /// When what is counted began, in milliseconds; 0 if that is not known.
    pub st: i64,
    /// Milliseconds since the epoch.
    pub t: i64,
    /// What was measured.
    pub value: AnyValue<'a>,
}

/// The value of a sample of any kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnyValue<'a> {
    /// A number.
    Float(f64),
    /// A native histogram with integer counts.
    Histogram(&'a Histogram),
    /// A native histogram with float counts.
    FloatHistogram(&'a FloatHistogram),
}

impl AnySample<'_> {
    /// A float without a start time.
    pub fn float(t: i64, v: f64) -> Self {
        Self { st: 0, t, value: AnyValue::Float(v) }
    }
}

/// One batch of samples. Dropping it without [`Appender::commit`] gives the batch up.
///
/// Whoever stores floats only implements [`Appender::append_ref`] and [`Appender::append`]: the other
/// methods then refuse histograms, and pass over start times, exemplars and metadata.
pub trait Appender: Send {
    /// Adds a sample to a series known by reference: no label is read, nothing is allocated in the
    /// steady state.
    ///
    /// # Errors
    /// [`AppendError::UnknownSeries`] if the series is gone (append by labels then); otherwise why
    /// the sample is refused. The batch stays usable.
    fn append_ref(&mut self, series: SeriesRef, t: i64, v: f64) -> Result<(), AppendError>;

    /// Adds a sample to the series with these labels, creating it if needed. Returns its reference.
    ///
    /// # Errors
    /// Why the sample is refused. The batch stays usable.
    fn append(&mut self, labels: &Labels, t: i64, v: f64) -> Result<SeriesRef, AppendError>;

    /// As [`Appender::append_ref`], for a sample of any kind.
    ///
    /// # Errors
    /// As there; [`AppendError::InvalidHistogram`] if the histogram contradicts itself.
    fn append_any_ref(
        &mut self,
        series: SeriesRef,
        sample: AnySample<'_>,
    ) -> Result<(), AppendError> {
        match sample.value {
            AnyValue::Float(v) => self.append_ref(series, sample.t, v),
            _ => Err(AppendError::HistogramsUnsupported),
        }
    }

    /// As [`Appender::append`], for a sample of any kind.
    ///
    /// # Errors
    /// As [`Appender::append_any_ref`], but for an unknown series.
    fn append_any(
        &mut self,
        labels: &Labels,
        sample: AnySample<'_>,
    ) -> Result<SeriesRef, AppendError> {
        match sample.value {
            AnyValue::Float(v) => self.append(labels, sample.t, v),
            _ => Err(AppendError::HistogramsUnsupported),
        }
    }

    /// Adds the zero that a counter had at `sample.st`: 0, or an empty histogram of the same layout. To be
    /// called before the sample itself is added. A counter that was seen since then has it already.
    ///
    /// # Errors
    /// [`AppendError::StartOutOfOrder`] and [`AppendError::StartNotBeforeSample`] say that there is nothing to
    /// add; others as [`Appender::append_any_ref`].
    fn append_start_ref(
        &mut self,
        _series: SeriesRef,
        _sample: AnySample<'_>,
    ) -> Result<(), AppendError> {
        Err(AppendError::StartOutOfOrder)
    }

    /// As [`Appender::append_start_ref`], for the series with these labels, which is created if needed.
    ///
    /// # Errors
    /// As [`Appender::append_start_ref`], but for an unknown series.
    fn append_start(
        &mut self,
        _labels: &Labels,
        _sample: AnySample<'_>,
    ) -> Result<SeriesRef, AppendError> {
        Err(AppendError::StartOutOfOrder)
    }

    /// Adds an exemplar to a series that has a sample in this batch or before. One without a time, and one
    /// that is stored already, is passed over; so are all if exemplars are not kept.
    ///
    /// # Errors
    /// Why it is refused. The batch stays usable.
    fn append_exemplar(
        &mut self,
        _series: SeriesRef,
        _exemplar: &Exemplar,
    ) -> Result<(), ExemplarError> {
        Ok(())
    }

    /// Says what a series is about. Passed over if nothing changed, or if metadata is not kept.
    ///
    /// # Errors
    /// [`AppendError::UnknownSeries`] if the series is gone.
    fn set_metadata(
        &mut self,
        _series: SeriesRef,
        _metadata: &Metadata,
    ) -> Result<(), AppendError> {
        Ok(())
    }

    /// Makes the batch durable against a crash of the process, then visible.
    ///
    /// # Errors
    /// Nothing of the batch is acknowledged.
    fn commit(self: Box<Self>) -> Result<(), CommitError>;

    /// Gives the batch up. Series it created may remain.
    fn rollback(self: Box<Self>);
}

/// Why a sample is refused. `Display` is upstream's text.
#[derive(Clone, Debug, PartialEq)]
pub enum AppendError {
    /// The reference names no series (any more).
    UnknownSeries,
    /// Older than the newest sample of its series.
    OutOfOrder,
    /// Older than the database takes at all.
    OutOfBounds,
    /// Older than the out-of-order window.
    TooOld,
    /// A different value for a timestamp that the series has already.
    Duplicate {
        /// The timestamp.
        t: i64,
        /// What is stored.
        existing: f64,
        /// What was offered.
        new: f64,
    },
    /// A float for a timestamp at which the series has a histogram.
    DuplicateOfHistogram {
        /// The timestamp.
        t: i64,
        /// What was offered.
        new: f64,
    },
    /// A histogram for a timestamp at which the series has something else.
    DuplicateHistogram,
    /// The histogram contradicts itself.
    InvalidHistogram(String),
    /// This storage takes no native histograms.
    HistogramsUnsupported,
    /// The series has a sample at the start time, or a later one, already.
    StartOutOfOrder,
    /// Nothing can have started at, or after, the time of its sample.
    StartNotBeforeSample,
    /// The label set cannot name a series.
    InvalidLabels(String),
    /// A limit of the database refuses a new series.
    Limit(String),
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownSeries => f.write_str("unknown series reference"),
            Self::OutOfOrder => f.write_str("out of order sample"),
            Self::OutOfBounds => f.write_str("out of bounds"),
            Self::TooOld => f.write_str("too old sample"),
            Self::Duplicate { t, existing, new } => write!(
                f,
                "duplicate sample for timestamp {t}; overrides not allowed: existing {}, new value {}",
                format_g(*existing),
                format_g(*new)
            ),
            Self::DuplicateOfHistogram { t, new } => write!(
                f,
                "duplicate sample for timestamp {t}; overrides not allowed: existing is a histogram, new value {}",
                format_g(*new)
            ),
            Self::DuplicateHistogram => f.write_str("duplicate sample for timestamp"),
            Self::HistogramsUnsupported => f.write_str("native histograms are not stored here"),
            Self::StartOutOfOrder => f.write_str("start timestamp out of order, ignoring"),
            Self::StartNotBeforeSample => {
                f.write_str("ST is newer or the same as sample's timestamp, ignoring")
            }
            Self::InvalidLabels(why) | Self::InvalidHistogram(why) | Self::Limit(why) => {
                f.write_str(why)
            }
        }
    }
}

impl std::error::Error for AppendError {}

/// Why an exemplar is refused. `Display` is upstream's text.
#[derive(Clone, Debug, PartialEq)]
pub enum ExemplarError {
    /// The reference names no series (any more).
    UnknownSeries(SeriesRef),
    /// Older than the newest exemplar of its series.
    OutOfOrder,
    /// Its labels are longer than allowed.
    LabelsTooLong,
}

impl fmt::Display for ExemplarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownSeries(series) => {
                write!(f, "unknown HeadSeriesRef when trying to add exemplar: {}", series.0)
            }
            Self::OutOfOrder => f.write_str("out of order exemplar"),
            Self::LabelsTooLong => {
                f.write_str("label length for exemplar exceeds maximum of 128 UTF-8 characters")
            }
        }
    }
}

impl std::error::Error for ExemplarError {}

/// Why a batch was not kept: the log could not be written. The database stops acknowledging.
#[derive(Debug)]
pub struct CommitError(pub String);

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CommitError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_upstream_says() {
        let t = 1_700_000_000_000;
        let twice = "duplicate sample for timestamp 1700000000000; overrides not allowed: existing";
        for (error, expected) in [
            (
                AppendError::Duplicate { t, existing: 0.5, new: 1e6 },
                format!("{twice} 0.5, new value 1e+06"),
            ),
            (
                AppendError::DuplicateOfHistogram { t, new: 2.0 },
                format!("{twice} is a histogram, new value 2"),
            ),
            (AppendError::DuplicateHistogram, "duplicate sample for timestamp".to_owned()),
            (AppendError::StartOutOfOrder, "start timestamp out of order, ignoring".to_owned()),
        ] {
            assert_eq!(error.to_string(), expected);
        }
    }
}
