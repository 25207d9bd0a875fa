//! Classic histograms as native ones with custom buckets.

use std::collections::BTreeMap;

use model::{FloatHistogram, Labels, SCHEMA_CUSTOM, Span};

/// Classic histograms that were loaded, by their labels without `le`, then by time.
#[derive(Default)]
pub(crate) struct Classics(BTreeMap<Labels, BTreeMap<i64, Classic>>);

/// One classic histogram at one time.
#[derive(Default)]
struct Classic {
    /// Upper bounds and cumulative counts, as they came.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

/// What a series says about a classic histogram.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    Bucket(f64),
    Count,
    Sum,
}

impl Classics {
    /// The histogram that a series belongs to, and what it says about it.
    pub(crate) fn part(labels: &Labels) -> Option<(Labels, Part)> {
        let name = labels.metric_name();
        let (base, part) = if let Some(base) = name.strip_suffix("_bucket") {
            let upper = stdx::gofloat::parse(labels.get("le")?).ok()?;
            (base, Part::Bucket(Some(upper).filter(|it| !it.is_nan())?))
        } else if let Some(base) = name.strip_suffix("_count") {
            (base, Part::Count)
        } else {
            (name.strip_suffix("_sum")?, Part::Sum)
        };
        let mut builder = labels.to_builder();
        Some((builder.set(model::METRIC_NAME, base).remove("le").labels(), part))
    }

    pub(crate) fn add(&mut self, (labels, part): &(Labels, Part), t: i64, v: f64) {
        let classic = self.0.entry(labels.clone()).or_default().entry(t).or_default();
        match part {
            Part::Bucket(upper) => classic.buckets.push((*upper, v)),
            Part::Count => classic.count = Some(v),
            Part::Sum => classic.sum = v,
        }
    }

    /// All of them as native histograms, in order of time for each label set.
    ///
    /// # Errors
    /// If one is no histogram.
    pub(crate) fn convert(self) -> Result<Vec<(Labels, i64, FloatHistogram)>, String> {
        let mut all = Vec::new();
        for (labels, times) in self.0 {
            for (t, classic) in times {
                all.push((labels.clone(), t, classic.convert()?));
            }
        }
        Ok(all)
    }
}

impl Classic {
    fn convert(mut self) -> Result<FloatHistogram, String> {
        self.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.buckets.dedup_by_key(|it| it.0);
        if self.buckets.iter().any(|it| it.1 < 0.0) || !self.buckets.is_sorted_by(|a, b| a.1 <= b.1)
        {
            return Err("bucket counts are not cumulative".into());
        }
        let top = self.buckets.last().copied();
        let count = self.count.or(top.map(|it| it.1)).unwrap_or(0.0);
        if top.is_none_or(|it| it.0 != f64::INFINITY) {
            self.buckets.push((f64::INFINITY, count));
        }
        if self.buckets.last().is_some_and(|it| it.1 != count) {
            return Err("the count differs from the count of the highest bucket".into());
        }
        let mut before = 0.0;
        let counts = self.buckets.iter().map(|it| it.1 - std::mem::replace(&mut before, it.1));
        let filled: Vec<(i64, f64)> = (0i64..).zip(counts).filter(|it| it.1 != 0.0).collect();
        let bounds = self.buckets.iter().map(|it| it.0).filter(|it| *it != f64::INFINITY);
        Ok(FloatHistogram {
            schema: SCHEMA_CUSTOM,
            count,
            sum: self.sum,
            positive_spans: Span::of(filled.iter().map(|it| it.0)),
            positive_buckets: filled.iter().map(|it| it.1).collect(),
            custom_values: bounds.collect(),
            ..FloatHistogram::default()
        })
    }
}
