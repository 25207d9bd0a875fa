//! Exemplars: single observations that point somewhere else, mostly to a trace.

use crate::Labels;

/// One observation with labels of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// What it points to, such as `trace_id`.
    pub labels: Labels,
    /// The observed value.
    pub value: f64,
    /// When, in milliseconds; `None` if the exporter did not say.
    pub t: Option<i64>,
}
