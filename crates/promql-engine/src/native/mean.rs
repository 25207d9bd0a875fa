//! Means of histograms.

use model::FloatHistogram;

use super::{Added, Incompatible, Total};
use crate::function::sum::Kahan;

/// A mean: sum over count, and from the first overflow of the sum on incremental.
#[derive(Clone, Debug)]
pub(crate) struct Mean {
    /// The sum, or the mean once `incremental`.
    total: Total<Kahan>,
    count: f64,
    incremental: bool,
}

impl Mean {
    /// The mean of one histogram.
    pub(crate) fn of(first: &FloatHistogram) -> Self {
        Self { total: Total::of(first), count: 1.0, incremental: false }
    }

    /// Takes another one in.
    ///
    /// # Errors
    /// If their buckets do not fit.
    pub(crate) fn add(&mut self, it: &FloatHistogram) -> Result<Added, Incompatible> {
        self.count += 1.0;
        let n = self.count;
        if !self.incremental {
            let mut sum = self.total.clone();
            let added = sum.add(it)?;
            if !sum.has_overflow() {
                self.total = sum;
                return Ok(added);
            }
            self.incremental = true;
            self.total.scale(|v| v / (n - 1.0));
        }
        let q = (n - 1.0) / n;
        self.total.scale(|v| v * q);
        self.total.add(&super::over(it, n))
    }

    /// The mean, empty buckets included.
    pub(crate) fn finish(mut self) -> FloatHistogram {
        if !self.incremental {
            let n = self.count;
            self.total.scale(|v| v / n);
        }
        self.total.finish()
    }
}
