//! Writing.

use std::fmt;

use model::{Labels, SeriesRef};

/// Takes samples in.
pub trait Appendable: Send + Sync {
    /// Opens a batch.
    fn appender(&self) -> Box<dyn Appender>;
}

/// One batch of samples. Dropping it without [`Appender::commit`] gives the batch up.
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
                "duplicate sample for timestamp {t}; overrides not allowed: existing {existing}, new value {new}"
            ),
            Self::InvalidLabels(why) | Self::Limit(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for AppendError {}

/// Why a batch was not kept: the log could not be written. The database stops acknowledging.
#[derive(Debug)]
pub struct CommitError(pub String);

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CommitError {}
