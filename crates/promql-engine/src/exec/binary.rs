//! Operators between two operands.
//!
//! [`elements`] says what an operator does to two values; [`with_scalar`] applies it to each element
//! of a vector; [`matching`] resolves once which series of two vectors belong together and then runs
//! column by column where each series meets one other at most; [`stepwise`] does it step by step, for
//! matchings in which that is not so, and says what is wrong with them; [`sets`] is `and`, `or`,
//! `unless`.

pub(crate) mod elements;
pub(crate) mod matching;
pub(crate) mod sets;
pub(crate) mod stepwise;
pub(crate) mod with_scalar;
