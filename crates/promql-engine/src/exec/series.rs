//! Output series and the dropping of metric names.

use model::{Labels, METRIC_NAME};

/// The labels of an output series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    pub(crate) labels: Labels,
    /// The metric name, type and unit are to disappear at the end of the evaluation. Only set if names
    /// are removed late.
    pub(crate) drop_name: bool,
}

impl Series {
    pub(crate) fn new(labels: Labels) -> Self {
        Self { labels, drop_name: false }
    }

    /// Drops the metric name: now, or by a flag.
    pub(crate) fn without_name(self, delayed: bool) -> Self {
        if delayed {
            return Self { drop_name: true, ..self };
        }
        Self { labels: without_metadata(&self.labels), drop_name: false }
    }
}

/// Metric type and unit as labels.
pub(crate) const TYPE: &str = "__type__";
pub(crate) const UNIT: &str = "__unit__";

/// Removes the metric name, its type and its unit.
pub(crate) fn without_metadata(labels: &Labels) -> Labels {
    labels.filter_bytes(|name| !is_metadata(name))
}

/// True for the labels that disappear when a value is no longer the metric's.
fn is_metadata(name: &[u8]) -> bool {
    name.starts_with(b"__") && [METRIC_NAME, TYPE, UNIT].iter().any(|it| it.as_bytes() == name)
}
