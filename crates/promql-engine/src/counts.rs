//! How many samples a query looks at: in all and, if asked for, at each step.

use crate::StepSamples;

/// What samples count for that a part of a query looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Counting {
    /// For the step at which they are looked at; the steps are those of the query.
    #[default]
    Steps,
    /// For each of so many steps, and as read at the first one: a part that is evaluated once.
    Every(usize),
    /// As read, at the first step: a subquery, as what counts are the windows over it.
    Read,
    /// For nothing: they are counted elsewhere.
    Not,
}

impl Counting {
    /// What counts in a part of the query that is within another one.
    pub(crate) fn within(self, around: Self) -> Self {
        match (around, self) {
            (Self::Steps, _) | (_, Self::Not) | (Self::Every(_), Self::Read) => self,
            _ => around,
        }
    }
}

/// Samples that were looked at.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// At all steps together.
    total: StepSamples,
    /// At each step; empty unless asked for.
    steps: Vec<StepSamples>,
    /// Looked at at every step besides.
    every: u64,
}

impl Counts {
    /// Counts for each of so many steps, too; 0 if that is not asked for.
    pub(crate) fn new(steps: usize) -> Self {
        Self { steps: vec![StepSamples::default(); steps], ..Self::default() }
    }

    /// How many steps are counted for; 0 if that is not asked for.
    pub(crate) fn n_steps(&self) -> usize {
        self.steps.len()
    }

    /// True if it matters at which step a sample is looked at.
    pub(crate) fn by_step(&self) -> bool {
        !self.steps.is_empty()
    }

    /// Counts samples that were looked at at one step, or somewhere if steps do not matter. `read`: those that were
    /// not looked at at the step before.
    #[inline]
    pub(crate) fn add(&mut self, counting: Counting, step: usize, queryable: usize, read: usize) {
        let (queryable, read) = (queryable as u64, read as u64);
        let (queryable, read_at) = match counting {
            Counting::Steps => (queryable, step),
            Counting::Every(steps) => (queryable * steps as u64, 0),
            Counting::Read => (0, 0),
            Counting::Not => return,
        };
        self.total.queryable += queryable;
        self.total.read += read;
        if self.steps.is_empty() {
            return;
        }
        self.steps[read_at].read += read;
        match counting {
            Counting::Steps => self.steps[step].queryable += queryable,
            _ => self.every += queryable / self.steps.len() as u64,
        }
    }

    /// Adds what was counted elsewhere.
    pub(crate) fn join(&mut self, other: &Self) {
        self.total.join(other.total);
        self.every += other.every;
        self.steps.iter_mut().zip(&other.steps).for_each(|(it, other)| it.join(*other));
    }

    /// What was counted in all, and at each step.
    pub(crate) fn finish(mut self) -> (StepSamples, Vec<StepSamples>) {
        self.steps.iter_mut().for_each(|it| it.queryable += self.every);
        (self.total, self.steps)
    }
}

impl StepSamples {
    fn join(&mut self, other: Self) {
        self.queryable += other.queryable;
        self.read += other.read;
    }
}
