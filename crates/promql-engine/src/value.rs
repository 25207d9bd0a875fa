//! What a query answers.

use std::sync::Arc;

use model::{FloatHistogram, Labels, Sample};
use storage::Samples;

use crate::{Annotations, Column, Grid, Hold};

/// The answer to a query.
#[derive(Clone, Debug)]
pub struct QueryResult {
    /// The value.
    pub value: Value,
    /// What the user should know about it.
    pub annotations: Annotations,
    /// What it cost.
    pub stats: Stats,
    /// Keeps the value charged.
    pub hold: Hold,
}

/// A value of one of PromQL's types. A range query answers a [`Value::Matrix`] always.
#[derive(Clone, Debug)]
pub enum Value {
    /// A number.
    Scalar(Sample),
    /// A text, at the time of evaluation.
    String {
        /// Time of evaluation.
        t: i64,
        /// The text.
        text: String,
    },
    /// An instant vector, in order of evaluation (`sort` and `topk` are visible).
    Vector {
        /// Time of evaluation: the time of all elements.
        t: i64,
        /// The elements; no two have the same labels.
        elements: Vec<Element>,
    },
    /// Series on a common grid, sorted by labels.
    Matrix(Matrix),
    /// What a range selector at the top of an instant query selects: samples at their own times, series
    /// sorted by labels. Its type is "matrix", too.
    Samples(Vec<SeriesSamples>),
}

/// A float or a native histogram.
#[derive(Clone, Debug, PartialEq)]
pub enum Point {
    /// A float.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<FloatHistogram>),
}

/// One element of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// Its labels.
    pub labels: Labels,
    /// Its value.
    pub point: Point,
}

/// Series on a common grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// The steps.
    pub grid: Grid,
    /// The series, sorted by labels; each has a point at one step at least.
    pub series: Vec<SeriesColumn>,
}

/// One series of a [`Matrix`].
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesColumn {
    /// Its labels.
    pub labels: Labels,
    /// Its points.
    pub column: Column,
}

/// One series with samples at their own times.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesSamples {
    /// Its labels.
    pub labels: Labels,
    /// Its samples; no stale marker among them.
    pub samples: Samples,
}

/// Samples that were looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepSamples {
    /// Samples in the windows of selectors and subqueries, counted anew at every step.
    pub queryable: u64,
    /// Those among them that were not in the window of the step before.
    pub read: u64,
}

/// What a query cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Samples at all steps together.
    pub samples: StepSamples,
    /// Samples at each step; empty unless [asked for](crate::QueryOptions::per_step_stats).
    pub steps: Vec<StepSamples>,
    /// Most samples held at once.
    pub samples_peak: u64,
    /// Most bytes held at once.
    pub bytes_peak: u64,
    /// Nanoseconds to plan the query and to find its series.
    pub prepare_ns: u64,
    /// Nanoseconds to evaluate it.
    pub eval_ns: u64,
    /// Nanoseconds to sort the result.
    pub sort_ns: u64,
}
