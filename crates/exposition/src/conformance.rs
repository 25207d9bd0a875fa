//! The rules of OpenMetrics 1.0 that go beyond its grammar.
//!
//! A scrape does not ask for them, as upstream's does not: whoever exposes a page wants to know them. The
//! page is a row of families; a family is its metadata, then its samples; samples come in groups with the
//! same labels (but for `le`, `quantile` and a state's own label).

use std::collections::HashSet;

use model::{Labels, LabelsBuilder, METRIC_NAME, MetricType};

use crate::{Entry, ParseError, Parser, Series, TextFormat};

/// Checks a page against all of OpenMetrics 1.0.
///
/// # Errors
/// The first thing that is wrong.
pub fn check_open_metrics(page: &[u8]) -> Result<(), ParseError> {
    let mut parser = Parser::new(page, TextFormat::OpenMetrics);
    let mut check = Check::default();
    loop {
        let offset = parser.offset();
        let result = match parser.next().transpose()? {
            None => return check.end_family().map_err(|why| wrong(offset, why)),
            Some(Entry::Series(series)) => check.sample(&parser, &series),
            Some(Entry::Help(name, _)) => check.metadata(name, Said::Help),
            Some(Entry::Unit(name, unit)) => {
                check.metadata(name, Said::Unit { empty: unit.is_empty() })
            }
            Some(Entry::Type(name, kind)) => check.metadata(name, Said::Type(kind)),
            Some(Entry::Comment(_)) => Ok(()),
        };
        result.map_err(|why| wrong(offset, why))?;
    }
}

fn wrong(offset: usize, why: &str) -> ParseError {
    ParseError { offset, message: why.to_owned() }
}

/// A line of metadata.
enum Said {
    Help,
    Unit { empty: bool },
    Type(MetricType),
}

#[derive(Default)]
struct Check {
    /// Names that families have claimed, with their suffixes.
    claimed: HashSet<String>,
    family: Option<Family>,
    labels: LabelsBuilder,
}

#[derive(Default)]
struct Family {
    name: String,
    kind: Option<MetricType>,
    help: bool,
    unit: Option<bool>,
    sampled: bool,
    /// The labels of the group at hand, and the time of its last sample.
    group: Option<(Labels, Option<i64>)>,
    groups: HashSet<Labels>,
    buckets: Buckets,
}

/// What a group of a histogram has shown so far.
#[derive(Default)]
struct Buckets {
    last: Option<(f64, f64)>,
    count: Option<f64>,
    sum: Option<f64>,
    negative: bool,
}

type Checked = Result<(), &'static str>;

impl Check {
    fn metadata(&mut self, name: &[u8], said: Said) -> Checked {
        let name = String::from_utf8_lossy(name);
        if self.family.as_ref().is_none_or(|it| it.name != name) {
            self.end_family()?;
            self.family = Some(Family { name: name.into_owned(), ..Family::default() });
        }
        let Some(family) = &mut self.family else { return Ok(()) };
        if family.sampled {
            return Err("metadata after samples");
        }
        let again = match said {
            Said::Help => std::mem::replace(&mut family.help, true),
            Said::Unit { empty } => family.unit.replace(!empty).is_some(),
            Said::Type(kind) => family.kind.replace(kind).is_some(),
        };
        if again { Err("metadata of the same kind twice") } else { Ok(()) }
    }

    fn sample(&mut self, parser: &Parser<'_>, series: &Series<'_>) -> Checked {
        if closes_with_comma(series.raw)
            || series.exemplar.is_some_and(|it| closes_with_comma(it.raw))
        {
            return Err("comma before the closing brace");
        }
        parser
            .labels_into(series.raw, &mut self.labels)
            .map_err(|_| "a label name stands twice")?;
        let name = self.labels.get(METRIC_NAME).unwrap_or_default().to_owned();
        self.labels.remove(METRIC_NAME);
        if self.family.as_ref().is_none_or(|it| it.suffix_of(&name).is_none()) {
            self.end_family()?;
            self.family = Some(Family { name: name.clone(), ..Family::default() });
        }
        let Some(family) = &mut self.family else { return Ok(()) };
        family.sample(&name, &mut self.labels, series)
    }

    fn end_family(&mut self) -> Checked {
        let Some(family) = self.family.take() else { return Ok(()) };
        family.buckets_end()?;
        if family.unit == Some(true)
            && matches!(family.kind, Some(MetricType::Info | MetricType::StateSet))
        {
            return Err("a unit is not for infos and state sets");
        }
        for suffix in suffixes(family.kind).iter().chain([&""]).collect::<HashSet<_>>() {
            if !self.claimed.insert(format!("{}{suffix}", family.name)) {
                return Err("two families claim the same name");
            }
        }
        Ok(())
    }
}

/// What may follow a family's name in the names of its samples.
fn suffixes(kind: Option<MetricType>) -> &'static [&'static str] {
    match kind {
        Some(MetricType::Counter) => &["_total", "_created"],
        Some(MetricType::Summary) => &["", "_count", "_sum", "_created"],
        Some(MetricType::Histogram) => &["_count", "_sum", "_bucket", "_created"],
        Some(MetricType::GaugeHistogram) => &["_gcount", "_gsum", "_bucket"],
        Some(MetricType::Info) => &["_info"],
        _ => &[""],
    }
}

impl Family {
    fn suffix_of(&self, sample: &str) -> Option<&'static str> {
        let suffix = sample.strip_prefix(self.name.as_str())?;
        suffixes(self.kind).iter().copied().find(|it| *it == suffix)
    }

    fn is_histogram(&self) -> bool {
        matches!(self.kind, Some(MetricType::Histogram | MetricType::GaugeHistogram))
    }

    fn sample(&mut self, name: &str, labels: &mut LabelsBuilder, series: &Series<'_>) -> Checked {
        let suffix = self.suffix_of(name).unwrap_or_default();
        self.sampled = true;
        self.check_value(suffix, series.value)?;
        self.check_exemplar(suffix, series)?;
        let le = self.take_own_label(suffix, labels)?;
        self.enter_group(labels.labels(), series.t)?;
        if self.is_histogram() { self.buckets.take(suffix, le, series.value) } else { Ok(()) }
    }

    fn check_value(&self, suffix: &str, v: f64) -> Checked {
        let counts = ["_total", "_sum", "_count", "_bucket", "_gcount"].contains(&suffix);
        if (counts || suffix == "_gsum") && v.is_nan() {
            return Err("what counts cannot be NaN");
        }
        if counts && v < 0.0 {
            return Err("what counts cannot be negative");
        }
        match self.kind {
            Some(MetricType::StateSet) if v != 0.0 && v != 1.0 => Err("a state is 0 or 1"),
            Some(MetricType::Info) if v != 1.0 => Err("an info is 1"),
            Some(MetricType::Summary) if suffix.is_empty() && v < 0.0 => {
                Err("a quantile cannot be negative")
            }
            _ => Ok(()),
        }
    }

    fn check_exemplar(&self, suffix: &str, series: &Series<'_>) -> Checked {
        let Some(exemplar) = series.exemplar else { return Ok(()) };
        let allowed = self.is_histogram() && suffix == "_bucket"
            || self.kind == Some(MetricType::Counter) && suffix == "_total";
        if !allowed {
            return Err("only buckets and counters have exemplars");
        }
        let labels = exemplar.labels().map_err(|_| "a label name stands twice")?;
        let length: usize =
            labels.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
        if EXEMPLAR_CHARS_MAX < length {
            Err("the labels of an exemplar are too long")
        } else {
            Ok(())
        }
    }

    /// Takes the label that differs within a group off, and checks it. Returns the bound of a bucket.
    fn take_own_label(
        &self,
        suffix: &str,
        labels: &mut LabelsBuilder,
    ) -> Result<f64, &'static str> {
        let number = |text: Option<&str>| {
            text.and_then(|it| stdx::gofloat::parse(it).ok()).unwrap_or(f64::NAN)
        };
        match self.kind {
            Some(MetricType::StateSet) => {
                if labels.get(&self.name).is_none() {
                    return Err("a state has no name");
                }
                labels.remove(&self.name);
            }
            Some(MetricType::Summary) if suffix.is_empty() => {
                if !(0.0..=1.0).contains(&number(labels.get("quantile"))) {
                    return Err("a quantile is between 0 and 1");
                }
                labels.remove("quantile");
            }
            Some(MetricType::Histogram | MetricType::GaugeHistogram) if suffix == "_bucket" => {
                let text = labels.get("le").unwrap_or_default().to_owned();
                let le = number(Some(&text));
                if le.is_nan() || le == f64::INFINITY && text != "+Inf" {
                    return Err("a bucket has no valid bound");
                }
                labels.remove("le");
                return Ok(le);
            }
            _ => {}
        }
        Ok(0.0)
    }

    fn enter_group(&mut self, labels: Labels, t: Option<i64>) -> Checked {
        // Infos are all of one group.
        let labels = if self.kind == Some(MetricType::Info) { Labels::empty() } else { labels };
        let same = self.group.take().filter(|it| it.0 == labels);
        match &same {
            Some((_, last)) if last.is_some() != t.is_some() => {
                return Err("only some samples of a group have a time");
            }
            Some((_, last)) if t < *last && self.kind != Some(MetricType::Info) => {
                return Err("time goes backwards");
            }
            Some((_, last)) if *last != t => self.buckets_end()?,
            Some(_) => {}
            None => {
                self.buckets_end()?;
                if !self.groups.insert(labels.clone()) {
                    return Err("a group is torn apart");
                }
            }
        }
        if same.is_none_or(|(_, last)| last != t) {
            self.buckets = Buckets::default();
        }
        self.group = Some((labels, t));
        Ok(())
    }

    /// Checks the group that ends here, if there is one.
    fn buckets_end(&self) -> Checked {
        if !self.is_histogram() || self.groups.is_empty() {
            return Ok(());
        }
        let Buckets { last, count, sum, negative } = self.buckets;
        let total = last.filter(|(le, _)| *le == f64::INFINITY).map(|(_, total)| total);
        let Some(total) = total else { return Err("the +Inf bucket is missing") };
        match (count, sum) {
            (Some(count), _) if count != total => Err("the count is not that of the +Inf bucket"),
            (Some(_), None) => Err("a count wants a sum"),
            (None, Some(_)) => Err("a sum wants a count"),
            (_, Some(_)) if negative && self.kind == Some(MetricType::Histogram) => {
                Err("no sum where a bucket is negative")
            }
            (_, Some(sum)) if !negative && sum < 0.0 => {
                Err("a negative sum wants a negative bucket")
            }
            _ => Ok(()),
        }
    }
}

/// Characters of all label names and values of an exemplar.
const EXEMPLAR_CHARS_MAX: usize = 128;

impl Buckets {
    fn take(&mut self, suffix: &str, le: f64, v: f64) -> Checked {
        match suffix {
            "_bucket" => {
                if self.last.is_some_and(|(last, _)| le <= last) {
                    return Err("buckets are out of order");
                }
                if self.last.is_some_and(|(_, before)| v < before) {
                    return Err("buckets do not grow");
                }
                self.negative |= le < 0.0;
                self.last = Some((le, v));
            }
            "_count" | "_gcount" => self.count = Some(v),
            "_sum" | "_gsum" => self.sum = Some(v),
            _ => {}
        }
        Ok(())
    }
}

fn closes_with_comma(raw: &[u8]) -> bool {
    raw.ends_with(b",}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(page: &str, expected: &str) {
        let found =
            check_open_metrics(format!("{page}# EOF\n").as_bytes()).err().map(|it| it.message);
        assert_eq!(found.unwrap_or_default(), expected, "{page}");
    }

    #[test]
    fn knows_the_rules() {
        check("# TYPE a gauge\na 1 1\na 2 2\nb 1\n", "");
        check("# TYPE a info\n# TYPE a counter\n", "metadata of the same kind twice");
        check("# TYPE a_total gauge\n# TYPE a counter\n", "two families claim the same name");
        check("# TYPE a counter\na 1\n", "two families claim the same name");
        check("# TYPE a gauge\na 0 1\na 0\n", "only some samples of a group have a time");
        check(
            "# TYPE a gauge\na{x=\"1\"} 0\na{x=\"2\"} 0\na{x=\"1\"} 0\n",
            "a group is torn apart",
        );
        check(
            "# TYPE a histogram\na_bucket{le=\"2\"} 0\na_bucket{le=\"1\"} 0\n",
            "buckets are out of order",
        );
        check("# TYPE a histogram\na_bucket{le=\"+INF\"} 0\n", "a bucket has no valid bound");
        check(
            "# TYPE a histogram\na_count 1\na_bucket{le=\"+Inf\"} 0\n",
            "the count is not that of the +Inf bucket",
        );
        check(
            "# TYPE a gaugehistogram\na_bucket{le=\"-1\"} 1\na_bucket{le=\"+Inf\"} 1\na_gsum -1\na_gcount 1\n",
            "",
        );
        check(
            "# TYPE a gaugehistogram\na_bucket{le=\"+Inf\"} 1\na_gsum 1\n",
            "a sum wants a count",
        );
        check("# TYPE a_s info\n# UNIT a_s s\n", "a unit is not for infos and state sets");
        check(
            "# TYPE a histogram\na_sum 1 # {a=\"b\"} 0.5\n",
            "only buckets and counters have exemplars",
        );
    }
}
