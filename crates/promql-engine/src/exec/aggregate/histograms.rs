//! Sums and means of the native histograms of a group.

use std::sync::Arc;

use model::{CounterResetHint, FloatHistogram};

use crate::account::Charge;
use crate::bitmap::Bitmap;
use crate::context::histogram_bytes;
use crate::function::found::{Finding, Found};
use crate::function::sum::Kahan;
use crate::native::{Incompatible, Mean, Total, compact};
use crate::{Column, QueryError};

/// The histograms of one group, at all steps.
pub(super) struct Histograms {
    mean: bool,
    slots: Vec<Slot>,
}

/// The histograms of one group at one step.
#[derive(Default)]
struct Slot {
    fold: Fold,
    reset: bool,
    not_reset: bool,
}

#[derive(Default)]
enum Fold {
    #[default]
    Nothing,
    Sum(Box<Total<Kahan>>),
    Mean(Box<Mean>),
    /// They do not fit.
    Incompatible,
}

impl Histograms {
    pub(super) fn new(mean: bool, steps: usize, charge: &mut Charge) -> Result<Self, QueryError> {
        charge.add((steps * size_of::<Slot>()) as u64, 0)?;
        let mut slots = Vec::new();
        slots.resize_with(steps, Slot::default);
        Ok(Self { mean, slots })
    }

    pub(super) fn add(
        &mut self,
        column: &Column,
        charge: &mut Charge,
        found: &mut Found,
    ) -> Result<(), QueryError> {
        for (step, it) in column.histograms() {
            let slot = &mut self.slots[*step as usize];
            if matches!(slot.fold, Fold::Nothing) {
                // Each number has a compensation beside it.
                let bytes = 2 * histogram_bytes(it) as u64;
                charge.add(bytes, bytes / 16)?;
            }
            slot.add(self.mean, it, found);
        }
        Ok(())
    }

    /// Puts the results into a column, but for steps at which there were floats, too.
    pub(super) fn finish(self, floats: &Bitmap, out: &mut Column) {
        for (step, slot) in self.slots.into_iter().enumerate() {
            let mut it = match slot.fold {
                Fold::Sum(total) => total.finish(),
                Fold::Mean(mean) => mean.finish(),
                Fold::Nothing | Fold::Incompatible => continue,
            };
            if !floats.get(step) {
                compact(&mut it);
                out.push_histogram(step, Arc::new(it));
            }
        }
    }
}

impl Slot {
    fn add(&mut self, mean: bool, it: &FloatHistogram, found: &mut Found) {
        self.reset |= it.hint == CounterResetHint::Reset;
        self.not_reset |= it.hint == CounterResetHint::NotReset;
        found.add_if(self.reset && self.not_reset, Finding::Collision);
        let added = match &mut self.fold {
            Fold::Nothing if mean => {
                self.fold = Fold::Mean(Box::new(Mean::of(it)));
                return;
            }
            Fold::Nothing => {
                self.fold = Fold::Sum(Box::new(Total::of(it)));
                return;
            }
            Fold::Incompatible => return,
            Fold::Sum(total) => total.add(it),
            Fold::Mean(mean) => mean.add(it),
        };
        match added {
            Ok(added) => found.add_if(added.reconciled, Finding::ReconciledAggregation),
            Err(Incompatible) => {
                self.fold = Fold::Incompatible;
                found.add(Finding::Schemas);
            }
        }
    }
}
