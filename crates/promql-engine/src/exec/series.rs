//! Output series and the dropping of metric names.

use model::{Labels, LabelsRef, METRIC_NAME};

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

    pub(crate) fn borrowed(&self) -> SeriesRef<'_> {
        SeriesRef { labels: self.labels.borrowed(), drop_name: self.drop_name }
    }
}

/// A [`Series`] that is borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SeriesRef<'a> {
    pub(crate) labels: LabelsRef<'a>,
    pub(crate) drop_name: bool,
}

impl<'a> SeriesRef<'a> {
    pub(crate) fn new(labels: LabelsRef<'a>) -> Self {
        Self { labels, drop_name: false }
    }

    /// As [`Series::without_name`]; the labels lie in `scratch` then.
    pub(crate) fn without_name<'b>(self, delayed: bool, scratch: &'b mut Vec<u8>) -> SeriesRef<'b>
    where
        'a: 'b,
    {
        if delayed {
            return Self { drop_name: true, ..self };
        }
        // Mostly the name is first, and what follows is behind all that is metadata.
        if let Some((name, rest)) = self.labels.split_first()
            && name == METRIC_NAME.as_bytes()
            && rest.split_first().is_none_or(|(next, _)| !next.starts_with(b"__"))
        {
            return SeriesRef::new(rest);
        }
        SeriesRef::new(self.labels.filter(|name| !is_metadata(name), scratch))
    }
}

/// Metric type and unit as labels.
pub(crate) const TYPE: &str = model::METRIC_TYPE;
pub(crate) const UNIT: &str = model::METRIC_UNIT;

/// Removes the metric name, its type and its unit.
pub(crate) fn without_metadata(labels: &Labels) -> Labels {
    labels.filter_bytes(|name| !is_metadata(name))
}

/// True for the labels that disappear when a value is no longer the metric's.
fn is_metadata(name: &[u8]) -> bool {
    name.starts_with(b"__") && [METRIC_NAME, TYPE, UNIT].iter().any(|it| it.as_bytes() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_names() {
        let check = |names: &[&str], expected: &[&str]| {
            let set = |names: &[&str]| Labels::from_pairs(names.iter().map(|it| (*it, "x")));
            let series = Series::new(set(names));
            let mut scratch = Vec::new();
            let borrowed = series.borrowed().without_name(false, &mut scratch);
            assert_eq!(borrowed.labels.to_labels(), set(expected), "{names:?}");
            assert_eq!(series.without_name(false).labels, set(expected), "{names:?}");
        };
        check(&[], &[]);
        check(&["__name__"], &[]);
        check(&["__name__", "job"], &["job"]);
        check(&["__name__", "__tenant__", "__unit__", "job"], &["__tenant__", "job"]);
        check(&["__name__", "__type__"], &[]);
        check(&["A", "__name__", "_b", "job"], &["A", "_b", "job"]);
        check(&["__type__", "job"], &["job"]);
        check(&["job"], &["job"]);
    }
}
