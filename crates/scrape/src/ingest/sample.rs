//! A sample as a page has it, whatever the format.

use exposition::{LabelsError, PageSample, PageValue, Parser, Series};
use model::{Exemplar, FloatHistogram, Histogram, LabelsBuilder, SCHEMA_MIN};
use storage::AnyValue;

use crate::job::HistogramLimits;

/// A sample and where its labels are to be read.
#[derive(Clone, Copy)]
pub(crate) enum Sample<'a> {
    /// A number, of a text page that is read in place.
    Text(&'a Series<'a>, &'a Parser<'a>),
    /// Of any page.
    Any(&'a PageSample),
}

impl<'a> Sample<'a> {
    /// What identifies its series among those of the page.
    pub(crate) fn raw(self) -> &'a [u8] {
        match self {
            Self::Text(series, _) => series.raw,
            Self::Any(it) => &it.raw,
        }
    }

    pub(crate) fn t(self) -> Option<i64> {
        match self {
            Self::Text(series, _) => series.t,
            Self::Any(it) => it.t,
        }
    }

    /// When what is counted began, in milliseconds.
    pub(crate) fn st(self) -> Option<i64> {
        match self {
            Self::Text(..) => None,
            Self::Any(it) => it.st,
        }
    }

    pub(crate) fn value(self) -> AnyValue<'a> {
        match self {
            Self::Text(series, _) => AnyValue::Float(series.value),
            Self::Any(it) => any_value(&it.value),
        }
    }

    /// What it counts, if it counts and does not say since when.
    pub(crate) fn counts(self) -> Option<&'a PageValue> {
        match self {
            Self::Any(it) if it.is_cumulative && it.st.is_none() => Some(&it.value),
            _ => None,
        }
    }

    pub(crate) fn labels_into(self, out: &mut LabelsBuilder) -> Result<(), LabelsError> {
        match self {
            Self::Text(series, parser) => parser.labels_into(series.raw, out),
            Self::Any(it) => it.labels_into(out),
        }
    }

    pub(crate) fn empty_labels(self) -> Vec<String> {
        match self {
            Self::Text(series, parser) => parser.empty_labels(series.raw),
            Self::Any(it) => it.empty_labels(),
        }
    }

    pub(crate) fn has_exemplars(self) -> bool {
        match self {
            Self::Text(series, _) => series.exemplar.is_some(),
            Self::Any(it) => !it.exemplars.is_empty(),
        }
    }

    /// Its exemplars; one without a time has that of the sample, `t`.
    pub(crate) fn exemplars(self, t: i64) -> Vec<Exemplar> {
        let timed = |it: Exemplar| Exemplar { t: Some(it.t.unwrap_or(t)), ..it };
        match self {
            Self::Text(series, _) => {
                let Some(raw) = series.exemplar else { return Vec::new() };
                let Ok(labels) = raw.labels() else { return Vec::new() };
                vec![timed(Exemplar { labels, value: raw.value, t: raw.t })]
            }
            Self::Any(it) => it.exemplars.iter().cloned().map(timed).collect(),
        }
    }
}

/// A page's value as storage takes it.
pub(super) fn any_value(value: &PageValue) -> AnyValue<'_> {
    match value {
        PageValue::Float(v) => AnyValue::Float(*v),
        PageValue::Histogram(it) => AnyValue::Histogram(it),
        PageValue::FloatHistogram(it) => AnyValue::FloatHistogram(it),
    }
}

/// Brings a histogram down to the resolution and the number of buckets that are allowed; false if it
/// cannot be.
pub(super) fn fit(value: &mut PageValue, limits: HistogramLimits) -> bool {
    match value {
        PageValue::Float(_) => true,
        PageValue::Histogram(it) => {
            let n = |it: &Histogram| it.positive_deltas.len() + it.negative_deltas.len();
            it.reduce_to(limits.schema_max);
            coarsen(&mut **it, limits.buckets, n, |it| it.schema, Histogram::reduce_to)
        }
        PageValue::FloatHistogram(it) => {
            let n = |it: &FloatHistogram| it.positive_buckets.len() + it.negative_buckets.len();
            it.reduce_to(limits.schema_max);
            coarsen(&mut **it, limits.buckets, n, |it| it.schema, FloatHistogram::reduce_to)
        }
    }
}

fn coarsen<T>(
    it: &mut T,
    buckets_max: usize,
    n_buckets: impl Fn(&T) -> usize,
    schema: impl Fn(&T) -> i32,
    reduce_to: impl Fn(&mut T, i32),
) -> bool {
    while buckets_max != 0 && buckets_max < n_buckets(it) {
        // Custom bounds have a schema below all others: they cannot be merged.
        if schema(it) <= SCHEMA_MIN {
            return false;
        }
        let next = schema(it) - 1;
        reduce_to(it, next);
    }
    true
}
