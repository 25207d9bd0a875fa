//! Service discovery: finds targets and says when they change.
//!
//! # Design
//!
//! ```text
//! Manager::apply ─Mechanism▶ provider task (Discoverer) ─TargetGroup▶ manager task ─TargetSets▶ watch channel
//! ```
//!
//! - A [`Mechanism`] is one way to find targets, with its options. Those that ask somebody are a [`Service`]: the
//!   entry as the configuration has it (`config::Section`), with its HTTP options made ready.
//! - Each runs as a [`Discoverer`] in a task of its own and reports
//!   [`TargetGroup`](model::TargetGroup)s; a group replaces the one of the same source, and one
//!   without targets removes it.
//! - The [`Manager`] owns the tasks. It takes a whole new configuration at a time: equal mechanisms are
//!   shared between jobs and keep running, with all they found; the others stop, and their groups
//!   go. One that cannot be started is counted and logged, and the rest runs. The manager publishes what all jobs
//!   have now, as one snapshot, and not too often.
//!
//! # A further mechanism
//!
//! Its keys are in a table of `config` already. It is a module with a function `build`, and a line in `mechanism.rs`:
//!
//! ```text
//! ("http_sd_configs", http::build)
//! fn build(setup: &Setup) -> Result<Box<dyn Discoverer>, Failure>
//! ```
//!
//! `Setup` has the entry (`setup.section.text("url")`, `setup.duration("refresh_interval")`), the HTTP client that the
//! entry describes (`setup.client()`, whose connection the discoverer keeps), the manager's [`Options`], the job and the
//! [`Metrics`]; a mechanism's own metrics are fields there.
//!
//! - One that looks everything up now and then implements `Lookup` (`refresh.rs`) and returns
//!   `setup.refreshed(lookup)`. The loop is shared: at once, then every `refresh_interval`; a failure is logged and
//!   counted (`prometheus_sd_refresh_failures_total`) and changes nothing. Sources that are gone are named by groups
//!   without targets.
//! - One that watches implements [`Discoverer`] itself: it sends all groups at first, then those that changed, and
//!   ends soon after it is told to stop.
//!
//! Names of `__meta_…` labels are constants at the top of the module; parts of names that others choose go through
//! `meta::label_name`. A lookup bounds its own time and memory: whom it asks may be broken, or somebody else.
//!
//! # Reports
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

#![expect(unexpected_cfgs, reason = "`fuzzing` is given to rustc where fuzz targets are built")]

mod address;
mod backoff;
mod consul;
mod discoverer;
mod dns;
mod docker;
mod dockerswarm;
mod ec2;
mod file;
#[cfg(any(fuzzing, test))]
pub mod fuzz;
mod http;
mod json;
mod kubernetes;
mod manager;
mod mechanism;
mod meta;
mod metrics;
mod pacing;
mod query;
mod refresh;
#[cfg(test)]
mod stub;

pub use discoverer::{Discoverer, Stop, Updates};
pub use file::{FileError, FileOptions, files_matching, read_groups};
pub use manager::{Manager, Options, TargetSets};
pub use mechanism::{Mechanism, Service};
pub use metrics::Metrics;
