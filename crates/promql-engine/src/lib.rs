//! Evaluates PromQL over a [`storage::Queryable`], series by series and column by column.
//!
//! # Design
//!
//! A query passes three stages, each a module:
//!
//! 1. `plan` turns the syntax tree into a tree of plan nodes. Everything that does not need data is
//!    settled here: durations, `@`, offsets, the step grid of every node, what is step-invariant, which
//!    time range each selector reads.
//! 2. `exec` opens the plan as operators, bottom up. An open operator knows its output series (how
//!    many, their labels) before it reads a sample, and fills the [`Column`] of one series at a
//!    time. Vector matching and grouping are resolved here, once per query.
//! 3. The root is driven: for each of its series one column is asked for, on a bounded number of
//!    threads, and becomes part of the [`QueryResult`].
//!
//! A column holds one series at all steps: values and a presence bitmap, 8⅛ bytes a step, and beside
//! it native histograms if there are any. An instant query is the same path with one step. A selector
//! decodes the chunks of one series once into a reused buffer; a range function slides over it and
//! fills the column; an aggregation folds the column at once into its group. So
//! `sum by (x) (rate(m[5m]))` over S series, G groups and T steps holds G × T numbers and one column for each
//! thread, never S × T. Operators that must see all of their input at once (aggregations, `topk`,
//! `sort`, the "one" side of a matching) do so when they are opened, on the calling thread with
//! its helpers; filling a column never opens anything.
//!
//! Folding happens in series order whatever the number of threads, so the order of floating-point
//! additions, hence every bit of the result, is independent of it. See `exec::drive` for how.
//!
//! Each query has an account of bytes and samples (`account`), charged before memory is taken; past it the
//! query ends with an error. All accounts draw on one [`Pool`], so that the queries of a server together
//! stay within what it has. An answer stays charged until it is dropped. Time and cancellation are looked
//! at after every few thousand steps, series or comparisons, in the storage too ([`storage::Guard`]).
//!
//! # What it does not do
//!
//! Parsing and printing (`promql`), limits on concurrent queries, logging, JSON (`api`). It starts no
//! thread that outlives a query, and reads no clock but the one it is given.

mod account;
mod annotation;
mod bitmap;
mod column;
mod context;
mod counts;
mod engine;
mod error;
mod exec;
mod function;
mod lookup;
mod native;
mod plan;
mod value;

pub use account::{Hold, Pool, Usage};
pub use annotation::Annotations;
pub use column::{Column, Grid, PointRef};
pub use engine::{Cancel, Engine, Options, QueryOptions};
pub use error::QueryError;
pub use lookup::Lookup;
pub use native::{accumulate, compact, is_reset};
pub use value::{
    Element, Matrix, Point, QueryResult, SeriesColumn, SeriesSamples, Stats, StepSamples, Value,
};
