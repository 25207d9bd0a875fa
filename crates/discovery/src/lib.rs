//! Service discovery: finds targets and says when they change.
//!
//! # Design
//!
//! ```text
//! Manager::apply ─Mechanism▶ provider task (Discoverer) ─TargetGroup▶ manager task ─TargetSets▶ watch channel
//! ```
//!
//! - A [`Mechanism`] is one way to find targets, with its options. Mechanisms are an explicit list:
//!   a new one is a variant and a module.
//! - Each runs as a [`Discoverer`] in a task of its own and reports
//!   [`TargetGroup`](model::TargetGroup)s; a group replaces the one of the same source, and one
//!   without targets removes it.
//! - The [`Manager`] owns the tasks. It takes a whole new configuration at a time: equal mechanisms are
//!   shared between jobs and keep running, with all they found; the others stop, and their groups
//!   go. It publishes what all jobs have now, as one snapshot, and not too often.
//!
//! A new mechanism's first report is waited for (as long as one longest pause) before the snapshot
//! after a change of configuration, so that targets which the old and the new one both know do not
//! come and go.
//!
//! # Costs
//!
//! A group is held once, whoever shares it. A snapshot is a map of jobs to pointers: 8 bytes for
//! each group.
//!
//! # What it does not do
//!
//! Turn groups into targets (relabelling, addresses): `scrape` does. Read the configuration: the app does.

mod discoverer;
mod file;
mod manager;
mod mechanism;
mod metrics;
mod pacing;

pub use discoverer::{Discoverer, Stop, Updates};
pub use file::{FileError, FileOptions, files_matching, read_groups};
pub use manager::{Manager, Options, TargetSets};
pub use mechanism::Mechanism;
pub use metrics::Metrics;
