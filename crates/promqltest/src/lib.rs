//! Runs `.test` scripts: load series, evaluate queries, compare.
//!
//! # Design
//!
//! [`run_file`] reads a script into commands, then runs them in order against an in-memory storage
//! and an engine with everything switched on. Each `eval` is one case. An instant `eval` is run more
//! than once: as written; with the time pinned by `@` on every selector, printed, and evaluated at
//! other times; and each of these as the middle step of a range query. All must give the same, so that
//! the printer and the step logic are tested by every script.
//!
//! A case that fails does not end the script, nor does one that cannot be read. [`Report`] counts, keeps
//! what was expected and what came instead, and prints both. It also says how many cases ask for
//! parts that may be missing or are off in a server by default ([`Needs`]).
//!
//! Hints about counter resets are what a database would answer after storing the histograms, not what the
//! script says.

mod compare;
mod expect;
mod load;
mod memory;
mod nhcb;
mod pin;
mod report;
mod run;
mod script;

pub use memory::Memory;
pub use report::{Failure, Needs, Report};
pub use run::{Options, run_file};
