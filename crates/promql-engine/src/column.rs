//! The unit of evaluation: one series at all steps.

use std::sync::Arc;

use model::FloatHistogram;

use crate::bitmap::Bitmap;

/// The steps at which an expression is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grid {
    /// Time of the first step.
    pub start: i64,
    /// Distance of the steps, in milliseconds; above zero if there are several.
    pub step: i64,
    /// How many steps there are.
    pub len: usize,
}

impl Grid {
    /// The grid with one step.
    pub fn instant(t: i64) -> Self {
        Self { start: t, step: 0, len: 1 }
    }

    /// All steps from `start` to `end`, both inclusive; none if `end` lies before `start`. A `step` of
    /// zero or less gives one step.
    pub fn range(start: i64, end: i64, step: i64) -> Self {
        if end < start {
            return Self { start, step, len: 0 };
        }
        let steps = if step <= 0 { 0 } else { end.abs_diff(start) / step.unsigned_abs() };
        Self { start, step, len: usize::try_from(steps).unwrap_or(usize::MAX - 1) + 1 }
    }

    /// Time of step `at`.
    #[inline]
    pub fn t(&self, at: usize) -> i64 {
        self.start + self.step * at as i64
    }

    /// Time of the last step; `start` if there is none.
    pub fn last(&self) -> i64 {
        self.t(self.len.saturating_sub(1))
    }

    /// Times of all steps.
    pub fn times(&self) -> impl Iterator<Item = i64> + use<> {
        let grid = *self;
        (0..grid.len).map(move |at| grid.t(at))
    }
}

/// One series at all steps of a [`Grid`]: at each step a float, a native histogram, or nothing.
#[derive(Clone, Debug, Default)]
pub struct Column {
    /// Floats; meaningless where `present` has no bit.
    values: Vec<f64>,
    /// Where there is a float.
    present: Bitmap,
    /// Steps that hold a histogram, ascending; `None` for nearly all series.
    histograms: Option<Box<HistogramSteps>>,
}

/// Steps and what is there, ascending.
pub(crate) type HistogramSteps = Vec<(u32, Arc<FloatHistogram>)>;

/// What a column holds at a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PointRef<'a> {
    /// A float.
    Float(f64),
    /// A native histogram.
    Histogram(&'a Arc<FloatHistogram>),
}

impl Column {
    /// How many steps there are.
    pub fn steps(&self) -> usize {
        self.values.len()
    }

    /// True if there is no point at any step.
    pub fn is_empty(&self) -> bool {
        !self.present.any() && self.histograms.is_none()
    }

    /// Counts the points.
    pub fn len(&self) -> usize {
        self.present.count() + self.histograms().len()
    }

    /// The last step with a point.
    pub(crate) fn last_step(&self) -> Option<usize> {
        let histogram = self.histograms().last().map(|(at, _)| *at as usize);
        self.present.ones().last().max(histogram)
    }

    /// What is at step `at`.
    pub fn point(&self, at: usize) -> Option<PointRef<'_>> {
        match self.float(at) {
            Some(v) => Some(PointRef::Float(v)),
            None => self.histogram(at).map(PointRef::Histogram),
        }
    }

    /// The float at step `at`, if there is one.
    #[inline]
    pub fn float(&self, at: usize) -> Option<f64> {
        self.present.get(at).then(|| self.values[at])
    }

    /// The histogram at step `at`, if there is one.
    pub fn histogram(&self, at: usize) -> Option<&Arc<FloatHistogram>> {
        let histograms = self.histograms();
        let found = histograms.binary_search_by_key(&at, |(step, _)| *step as usize).ok()?;
        Some(&histograms[found].1)
    }

    /// Steps with points and the points: ascending if there are floats or histograms only.
    pub fn points(&self) -> impl Iterator<Item = (usize, PointRef<'_>)> {
        let floats = self.floats().map(|(at, v)| (at, PointRef::Float(v)));
        let histograms = self.histograms().iter();
        floats.chain(histograms.map(|(at, it)| (*at as usize, PointRef::Histogram(it))))
    }

    /// Steps with floats and the floats, ascending.
    pub fn floats(&self) -> impl Iterator<Item = (usize, f64)> {
        self.present.ones().map(|at| (at, self.values[at]))
    }

    /// Steps with histograms and the histograms, ascending.
    pub fn histograms(&self) -> &[(u32, Arc<FloatHistogram>)] {
        self.histograms.as_ref().map_or(&[], |it| it.as_slice())
    }

    /// Takes values and presence that were made elsewhere; equally long.
    pub(crate) fn from_parts(values: Vec<f64>, present: Bitmap) -> Self {
        assert_eq!(values.len(), present.len(), "one bit for each value");
        Self { values, present, histograms: None }
    }

    /// Becomes equal to `other`, keeping its memory.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.values.clone_from(&other.values);
        self.present.copy_from(&other.present);
        self.histograms.clone_from(&other.histograms);
    }

    /// Empties the column and gives it `steps` steps.
    pub(crate) fn reset(&mut self, steps: usize) {
        self.values.resize(steps, 0.0);
        self.present.reset(steps);
        self.histograms = None;
    }

    /// Holds `v` at every step.
    pub(crate) fn fill(&mut self, v: f64) {
        self.values.fill(v);
        self.present.fill();
        self.histograms = None;
    }

    #[inline]
    pub(crate) fn set(&mut self, at: usize, v: f64) {
        self.values[at] = v;
        self.present.set(at);
    }

    /// Holds values at the steps from `at` on.
    #[inline]
    pub(crate) fn set_run(&mut self, at: usize, values: &[f64]) {
        self.run_mut(at, values.len()).copy_from_slice(values);
    }

    /// Holds values at `n` steps from `at` on: those that are written there.
    #[inline]
    pub(crate) fn run_mut(&mut self, at: usize, n: usize) -> &mut [f64] {
        self.present.set_run(at, n);
        &mut self.values[at..at + n]
    }

    /// Appends a histogram; steps must come ascending.
    pub(crate) fn push_histogram(&mut self, at: usize, histogram: Arc<FloatHistogram>) {
        let at = u32::try_from(at).expect("a grid has less than 2^32 steps");
        let all = self.histograms.get_or_insert_default();
        debug_assert!(all.last().is_none_or(|(last, _)| *last < at), "steps ascend");
        all.push((at, histogram));
    }

    pub(crate) fn drop_histograms(&mut self) {
        self.histograms = None;
    }

    /// Gives the histograms away.
    pub(crate) fn take_histograms(&mut self) -> HistogramSteps {
        self.histograms.take().map_or_else(Vec::new, |it| *it)
    }

    /// Takes histograms, ascending by step, instead of those it has.
    pub(crate) fn put_histograms(&mut self, histograms: HistogramSteps) {
        self.histograms = (!histograms.is_empty()).then(|| Box::new(histograms));
    }

    /// Replaces each histogram.
    pub(crate) fn map_histograms(&mut self, f: impl Fn(&FloatHistogram) -> FloatHistogram) {
        for (_, it) in self.histograms.iter_mut().flat_map(|it| it.iter_mut()) {
            *it = Arc::new(f(it));
        }
    }

    /// Bytes that the histograms take.
    pub(crate) fn histogram_bytes(&self) -> u64 {
        self.histograms().iter().map(|(_, it)| crate::context::histogram_bytes(it) as u64).sum()
    }

    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }

    pub(crate) fn values_mut(&mut self) -> &mut [f64] {
        &mut self.values
    }

    /// Where there is a float.
    pub(crate) fn present(&self) -> &Bitmap {
        &self.present
    }

    /// Values and presence, to be changed together.
    pub(crate) fn parts_mut(&mut self) -> (&mut [f64], &mut Bitmap) {
        (&mut self.values, &mut self.present)
    }

    /// Sets the bits of all steps with a float or a histogram in `out`.
    pub(crate) fn mark(&self, out: &mut Bitmap) {
        out.or(&self.present);
        self.histograms().iter().for_each(|(at, _)| out.set(*at as usize));
    }

    /// Removes the points at steps that `keep` refuses.
    pub(crate) fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        for at in 0..self.values.len() {
            if self.present.get(at) && !keep(at) {
                self.present.clear(at);
            }
        }
        if let Some(histograms) = &mut self.histograms {
            histograms.retain(|(at, _)| keep(*at as usize));
            if histograms.is_empty() {
                self.histograms = None;
            }
        }
    }

    /// Takes the points of `other` in, at steps where this column has none. Returns false if both have
    /// a point at some step.
    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        let disjoint = !self.present.intersects(&other.present)
            && other.histograms().iter().all(|(at, _)| self.point(*at as usize).is_none())
            && self.histograms().iter().all(|(at, _)| other.float(*at as usize).is_none());
        if !disjoint {
            return false;
        }
        other.floats().for_each(|(at, v)| self.set(at, v));
        if other.histograms.is_some() {
            let all = self.histograms.get_or_insert_default();
            all.extend(other.histograms().iter().cloned());
            all.sort_by_key(|(at, _)| *at);
        }
        true
    }

    /// Bytes that a column of `steps` steps takes, with what two allocations cost.
    pub(crate) fn bytes(steps: usize) -> u64 {
        let (values, words) = ((steps as u64).saturating_mul(8), steps.div_ceil(64) as u64 * 8);
        (size_of::<Self>() as u64 + 32).saturating_add(values).saturating_add(words)
    }
}

/// Equal points at equal steps, NaN with the same bits being equal.
impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        self.steps() == other.steps()
            && self.present == other.present
            && self.floats().zip(other.floats()).all(|((_, a), (_, b))| a.to_bits() == b.to_bits())
            && self.histograms() == other.histograms()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_steps() {
        let times = |start, end, step| Grid::range(start, end, step).times().collect::<Vec<_>>();
        assert_eq!(times(0, 25, 10), [0, 10, 20]);
        assert_eq!(times(5, 5, 10), [5]);
        assert_eq!(times(5, 5, 0), [5]);
        assert_eq!(times(5, 4, 10), [0; 0]);
        assert_eq!(Grid::range(-30, 0, 15).last(), 0);
    }

    #[test]
    fn merges_disjoint_columns() {
        let column = |points: &[(usize, f64)]| {
            let mut column = Column::default();
            column.reset(4);
            points.iter().for_each(|(at, v)| column.set(*at, *v));
            column
        };
        let mut a = column(&[(0, 1.0), (2, f64::NAN)]);
        assert!(a.merge(&column(&[(1, 5.0)])));
        assert_eq!(a, column(&[(0, 1.0), (1, 5.0), (2, f64::NAN)]));
        assert!(!a.merge(&column(&[(2, 7.0)])));
        a.retain(|at| at == 1);
        assert_eq!((a.len(), a.point(1)), (1, Some(PointRef::Float(5.0))));
    }
}
