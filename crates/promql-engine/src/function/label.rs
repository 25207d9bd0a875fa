//! `label_replace`, `label_join`, and the order of `sort_by_label`.

use std::cmp::Ordering;

use model::{Labels, METRIC_NAME};
use regexp::Regexp;

use crate::QueryError;
use crate::account::Charge;
use crate::exec::Series;

/// Computes the labels of series anew.
pub(crate) enum Rewrite {
    Replace { target: String, template: String, source: String, regexp: Regexp },
    Join { target: String, separator: String, sources: Vec<String> },
}

impl Rewrite {
    /// `label_replace(v, target, template, source, pattern)`
    ///
    /// # Errors
    /// If the pattern is none, or the target can name no label.
    pub(crate) fn replace(texts: [String; 4]) -> Result<Self, QueryError> {
        let [target, template, source, pattern] = texts;
        let Ok(regexp) = Regexp::anchored(&pattern) else {
            return Err(error("regular expression in label_replace()", &pattern));
        };
        if !is_label_name(&target) {
            return Err(error("destination label name in label_replace()", &target));
        }
        Ok(Self::Replace { target, template, source, regexp })
    }

    /// `label_join(v, target, separator, sources…)`
    ///
    /// # Errors
    /// If a name can name no label.
    pub(crate) fn join(
        target: String,
        separator: String,
        sources: Vec<String>,
    ) -> Result<Self, QueryError> {
        if let Some(source) = sources.iter().find(|it| !is_label_name(it)) {
            return Err(error("source label name in label_join()", source));
        }
        if !is_label_name(&target) {
            return Err(error("destination label name in label_join()", &target));
        }
        Ok(Self::Join { target, separator, sources })
    }

    /// The labels that a series gets. A metric name that is written stays.
    ///
    /// # Errors
    /// If the new value is more than what is left of the query's budget.
    pub(crate) fn apply(&self, series: &Series, charge: &Charge) -> Result<Series, QueryError> {
        let (target, value) = match self {
            Self::Replace { target, template, source, regexp } => {
                let Some(groups) = regexp.find_submatches(series.labels.value(source)) else {
                    return Ok(series.clone());
                };
                let longest = series.labels.value(source).len().saturating_add(1);
                charge.check(template.len().saturating_mul(longest))?;
                let mut value = String::new();
                regexp.expand(template, &groups, &mut value);
                (target, value)
            }
            Self::Join { target, separator, sources } => {
                let values: Vec<&str> = sources.iter().map(|it| series.labels.value(it)).collect();
                let bytes: usize = values.iter().map(|it| it.len() + separator.len()).sum();
                charge.check(3 * bytes)?;
                (target, values.join(separator))
            }
        };
        let mut labels = series.labels.to_builder();
        labels.set(target, &value);
        let drop_name = series.drop_name && target != METRIC_NAME;
        Ok(Series { labels: labels.labels(), drop_name })
    }
}

/// True for any text. The parser puts U+FFFD where a query's text has bytes that are none.
pub(crate) fn is_label_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(char::REPLACEMENT_CHARACTER)
}

fn error(what: &str, text: &str) -> QueryError {
    QueryError::Exec(format!("invalid {what}: {text}"))
}

/// Compares label by label in natural order, then by all labels. A missing label goes first.
pub(crate) fn natural_order(a: &Labels, b: &Labels, names: &[String]) -> Ordering {
    let by_names = names.iter().map(|name| natural(a.value(name), b.value(name)));
    by_names.fold(Ordering::Equal, Ordering::then).then_with(|| a.cmp(b))
}

/// Compares run by run of digits and others, runs of digits by their number. A total order, which
/// upstream's is not for numbers beyond 63 bits and for leading zeros.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (runs(a), runs(b));
    loop {
        let order = match (left.next(), right.next()) {
            (Some(left), Some(right)) => natural_runs(left, right),
            (None, None) => return a.cmp(b),
            (left, right) => return left.is_some().cmp(&right.is_some()),
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn natural_runs(a: &str, b: &str) -> Ordering {
    let is_number = |run: &str| run.as_bytes()[0].is_ascii_digit();
    if !is_number(a) || !is_number(b) {
        return a.cmp(b);
    }
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Longest runs of ASCII digits and of anything else; none is empty.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let digit = rest.chars().next()?.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != digit).unwrap_or(rest.len());
        let (run, tail) = rest.split_at(end);
        rest = tail;
        Some(run)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_naturally() {
        let check = |ascending: &[&str]| {
            for pair in ascending.windows(2) {
                assert_eq!(natural(pair[0], pair[1]), Ordering::Less, "{pair:?}");
                assert_eq!(natural(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
            }
        };
        check(&["", "01", "1", "2", "10", "99999999999999999999", "a", "b"]);
        check(&["4m", "4m5", "4m100", "4m600"]);
        check(&["host-2.x", "host-10.a", "host-10.b"]);
    }
}
