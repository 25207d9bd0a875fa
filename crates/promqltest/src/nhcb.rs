//! Classic histograms as native ones with custom buckets.

use std::collections::BTreeMap;

use model::{ClassicHistogram, Converted, FloatHistogram, Labels};
use promql_engine::compact;

/// Classic histograms that were loaded, by their labels without `le`, then by time.
#[derive(Default)]
pub(crate) struct Classics(BTreeMap<Labels, BTreeMap<i64, ClassicHistogram>>);

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
            Part::Bucket(upper) => classic.set_bucket(*upper, v),
            Part::Count => classic.set_count(v),
            Part::Sum => classic.set_sum(v),
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
                let mut converted = match classic.convert().map_err(|why| why.to_string())? {
                    Converted::Integer(it) => it.to_float(),
                    Converted::Float(it) => it,
                };
                compact(&mut converted);
                all.push((labels.clone(), t, converted));
            }
        }
        Ok(all)
    }
}
