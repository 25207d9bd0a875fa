//! The list of mechanisms.

use std::sync::Arc;

use model::TargetGroup;

use crate::discoverer::Discoverer;
use crate::file::{FileDiscoverer, FileOptions};
use crate::metrics::Metrics;

/// One way to find targets, with its options. Equal ones find the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// Groups written in the configuration itself.
    Static(Vec<TargetGroup>),
    /// Groups in other files, read again when they change.
    File(FileOptions),
}

/// A mechanism set going.
pub(crate) enum Start {
    /// It is done: these are its groups for ever.
    Done(Vec<TargetGroup>),
    /// It has to run.
    Run(Box<dyn Discoverer>),
}

impl Mechanism {
    pub(crate) fn start(&self, metrics: &Arc<Metrics>) -> Start {
        match self {
            Mechanism::Static(groups) => Start::Done(groups.clone()),
            Mechanism::File(options) => {
                Start::Run(Box::new(FileDiscoverer::new(options.clone(), Arc::clone(metrics))))
            }
        }
    }
}
