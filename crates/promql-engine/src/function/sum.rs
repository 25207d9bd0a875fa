//! Compensated addition (Kahan, in Neumaier's form), in upstream's order of operations.

/// Adds `x` to `sum`, keeping what rounding loses in `compensation`.
#[inline]
pub(crate) fn add(x: f64, sum: f64, compensation: f64) -> (f64, f64) {
    let total = sum + x;
    if total.is_infinite() {
        return (total, 0.0);
    }
    // Both branches are cheap; as a selection the loop over steps vectorises.
    let lost = if x.abs() <= sum.abs() { (sum - total) + x } else { (x - total) + sum };
    (total, compensation + lost)
}

/// A sum that is kept exact.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kahan {
    pub(crate) sum: f64,
    pub(crate) compensation: f64,
}

impl Kahan {
    #[inline]
    pub(crate) fn add(&mut self, x: f64) {
        (self.sum, self.compensation) = add(x, self.sum, self.compensation);
    }

    #[inline]
    pub(crate) fn value(self) -> f64 {
        self.sum + self.compensation
    }
}

/// A mean: sum over count, and from the first overflow of the sum on incremental.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mean {
    /// The sum, or the mean once `incremental`.
    total: Kahan,
    count: f64,
    incremental: bool,
}

impl Mean {
    /// The mean of one number.
    #[inline]
    pub(crate) fn of(first: f64) -> Self {
        Self { total: Kahan { sum: first, compensation: 0.0 }, count: 1.0, incremental: false }
    }

    #[inline]
    pub(crate) fn add(&mut self, x: f64) {
        self.count += 1.0;
        if !self.incremental {
            let (sum, compensation) = add(x, self.total.sum, self.total.compensation);
            if !sum.is_infinite() {
                self.total = Kahan { sum, compensation };
                return;
            }
            self.incremental = true;
            self.total.sum /= self.count - 1.0;
            self.total.compensation /= self.count - 1.0;
        }
        let q = (self.count - 1.0) / self.count;
        let (mean, compensation) =
            add(x / self.count, q * self.total.sum, q * self.total.compensation);
        self.total = Kahan { sum: mean, compensation };
    }

    #[inline]
    pub(crate) fn value(self) -> f64 {
        if self.incremental {
            return self.total.value();
        }
        self.total.sum / self.count + self.total.compensation / self.count
    }
}

/// The sum of all values, from zero.
pub(crate) fn sum(values: &[f64]) -> f64 {
    if let Some(total) = finite(0.0, values) {
        return total.value();
    }
    let mut total = Kahan::default();
    values.iter().for_each(|v| total.add(*v));
    total.value()
}

/// The mean of all values, of which there is one at least.
pub(crate) fn mean(values: &[f64]) -> f64 {
    let (first, rest) = values.split_first().expect("a mean needs a value");
    if let Some(total) = finite(*first, rest) {
        let n = values.len() as f64;
        return total.sum / n + total.compensation / n;
    }
    let mut mean = Mean::of(*first);
    rest.iter().for_each(|v| mean.add(*v));
    mean.value()
}

/// Sums that are kept together, side by side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lanes<const N: usize> {
    sums: [f64; N],
    compensations: [f64; N],
}

impl<const N: usize> Lanes<N> {
    pub(crate) const ZERO: Self = Self { sums: [0.0; N], compensations: [0.0; N] };

    /// Adds to each sum, as [`add`] does as long as all stay finite.
    #[inline]
    pub(crate) fn add(&mut self, all: [f64; N]) {
        for ((sum, compensation), x) in self.sums.iter_mut().zip(&mut self.compensations).zip(all) {
            let total = *sum + x;
            let (large, small) = if x.abs() <= sum.abs() { (*sum, x) } else { (x, *sum) };
            *compensation += (large - total) + small;
            *sum = total;
        }
    }

    /// The sums; `None` if one is not finite, as [`add`] may say otherwise then.
    pub(crate) fn values(self) -> Option<[f64; N]> {
        let is_finite = self.sums.iter().all(|it| it.is_finite());
        is_finite.then(|| std::array::from_fn(|at| self.sums[at] + self.compensations[at]))
    }
}

/// The sum if it is finite, then all partial sums were, and nothing special happened on the way.
#[inline]
fn finite(first: f64, rest: &[f64]) -> Option<Kahan> {
    let (mut sum, mut compensation) = (first, 0.0);
    for x in rest {
        let total = sum + x;
        let (large, small) = if x.abs() <= sum.abs() { (sum, *x) } else { (*x, sum) };
        compensation += (large - total) + small;
        sum = total;
    }
    sum.is_finite().then_some(Kahan { sum, compensation })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64], sum: f64, mean: f64) {
        let mut total = Kahan::default();
        values.iter().for_each(|v| total.add(*v));
        let mut average = Mean::of(values[0]);
        values[1..].iter().for_each(|v| average.add(*v));
        assert_eq!(
            (super::sum(values).to_bits(), super::mean(values).to_bits()),
            (sum.to_bits(), mean.to_bits())
        );
        assert_eq!(
            (total.value().to_bits(), average.value().to_bits()),
            (sum.to_bits(), mean.to_bits()),
            "{values:?}"
        );
    }

    #[test]
    fn loses_nothing() {
        check(&[1.0, 1e100, 1.0, -1e100], 2.0, 0.5);
        check(&[f64::MAX, f64::MAX], f64::INFINITY, f64::MAX);
        check(&[1.0, f64::INFINITY], f64::INFINITY, f64::INFINITY);
        check(&[0.1; 10], 1.0, 0.1);
    }
}
