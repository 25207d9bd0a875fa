//! The contracts between whoever writes and reads samples and whoever keeps them.
//!
//! Writing: an [`Appender`] collects the samples, exemplars and metadata of one scrape or rule
//! evaluation;
//! [`Appender::commit`] makes them visible and durable together. Reading: a [`Querier`] is a consistent view of a time
//! range; [`Querier::select`] finds series; their samples are decoded column-wise into a [`Samples`]
//! buffer that the caller owns and reuses. [`merge`] joins several queriers into one.
//!
//! Everything here is synchronous and may be called from several threads.

mod append;
pub mod merge;
mod query;

pub use append::{
    AnySample, AnyValue, AppendError, Appendable, Appender, CommitError, ExemplarError,
};
pub use query::{
    Guard, ListHints, Mark, Querier, Queryable, ReadError, Samples, SelectHints, SeriesSet,
    list_bytes,
};
