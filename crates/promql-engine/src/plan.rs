//! Turns the syntax tree of a query into a plan: everything is settled that needs no data.
//!
//! - computed durations, `@ start()`, `start()`, `step()` … become numbers;
//! - every node gets the grid of steps at which it is evaluated: that of the query, that of the
//!   subquery around it, or one step where its value cannot change ([`Op::Once`]);
//! - selectors get the time range they read;
//! - parentheses and unary plus vanish.

mod invariant;
mod lower;
mod node;

pub(crate) use lower::{Times, lower};
pub(crate) use node::{
    Aggregate, Binary, Call, Extended, Grouping, Info, Op, Over, Plan, RangeArg, Select, Shift,
    Source, repeated_aggregations,
};
