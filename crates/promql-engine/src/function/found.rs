//! What happened besides the values.

use crate::native::{Added, Operation};

/// One thing that a user should know about a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// A window held floats and histograms.
    Mixed,
    /// A window held histograms with exponential and with custom buckets.
    Schemas,
    /// A counter was asked for and a gauge found.
    NotCounter,
    /// A gauge was asked for and a counter found.
    NotGauge,
    /// Histograms that are a reset and that are none were added.
    Collision,
    ReconciledAddition,
    ReconciledSubtraction,
    ReconciledAggregation,
}

/// What was found in the windows of a series.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    bits: u16,
    /// Windows in which a sample's start time lies before the sample before it.
    pub(crate) overlaps: u64,
}

impl Found {
    pub(crate) fn add(&mut self, finding: Finding) {
        self.bits |= 1 << finding as u16;
    }

    pub(crate) fn add_if(&mut self, condition: bool, finding: Finding) {
        if condition {
            self.add(finding);
        }
    }

    pub(crate) fn has(self, finding: Finding) -> bool {
        self.bits & 1 << finding as u16 != 0
    }

    /// True if there is nothing to tell.
    pub(crate) fn is_empty(self) -> bool {
        self.bits == 0 && self.overlaps == 0
    }

    /// Takes in what happened when a histogram was added to or subtracted from another one.
    pub(crate) fn add_sum(&mut self, added: Added, operation: Operation) {
        let reconciled = match operation {
            Operation::Addition => Finding::ReconciledAddition,
            Operation::Subtraction => Finding::ReconciledSubtraction,
            Operation::Aggregation => Finding::ReconciledAggregation,
        };
        self.add_if(added.reconciled, reconciled);
        self.add_if(added.collision && operation == Operation::Aggregation, Finding::Collision);
    }
}
