//! Functions of labels and of order.

use std::cmp::Ordering;

use model::{Labels, METRIC_NAME};
use promql::Expr;
use promql::ast::Call;

use super::value::{Element, Value, merge};
use super::{Decode, Grid, Naive};

/// The text of a string argument.
pub(super) fn text(expr: &Expr) -> &str {
    match expr.unwrap_parens() {
        Expr::String(it) => &it.value,
        other => unreachable!("{other} is no text"),
    }
}

impl Naive<'_> {
    pub(super) fn relabel(&self, it: &Call, grid: Grid, decode: Decode) -> Result<Value, String> {
        let texts: Vec<&str> = it.args[1..].iter().map(text).collect();
        let regexp = match it.function.name {
            "label_replace" => {
                let regexp = regexp::Regexp::anchored(texts[3]).map_err(|_| {
                    format!("invalid regular expression in label_replace(): {}", texts[3])
                })?;
                Some(regexp)
            }
            _ => {
                if let Some(bad) = texts[2..].iter().find(|it| it.is_empty()) {
                    return Err(format!("invalid source label name in label_join(): {bad}"));
                }
                None
            }
        };
        if texts[0].is_empty() {
            let name = it.function.name;
            return Err(format!("invalid destination label name in {name}(): {}", texts[0]));
        }
        let mut all = self.vector(&it.args[0], grid, decode)?;
        for series in &mut all {
            let value = match &regexp {
                Some(regexp) => {
                    let source = series.labels.value(texts[2]).to_owned();
                    let Some(groups) = regexp.find_submatches(&source) else { continue };
                    let mut value = String::new();
                    regexp.expand(texts[1], &groups, &mut value);
                    value
                }
                None => {
                    let values: Vec<&str> =
                        texts[2..].iter().map(|it| series.labels.value(it)).collect();
                    values.join(texts[1])
                }
            };
            series.labels = with_label(&series.labels, texts[0], &value);
            if texts[0] == METRIC_NAME {
                series.drops = false;
            }
        }
        Ok(Value::Vector(merge(all)?))
    }

    pub(super) fn sort(&self, it: &Call, grid: Grid, decode: Decode) -> Result<Value, String> {
        let name = it.function.name;
        let by: Vec<&str> = it.args[1..].iter().map(text).collect();
        let descends = name.ends_with("_desc");
        let many = grid.start != grid.end;
        if many {
            self.warn(
                it.pos.start,
                "sort is ineffective for range queries since results are always ordered by labels",
            );
        }
        self.stepwise(&it.args[0], (grid, decode), |_, mut all| {
            if name.starts_with("sort_by_label") {
                if !many {
                    all.sort_by(|a, b| by_labels(&a.labels, &b.labels, &by));
                    if descends {
                        all.reverse();
                    }
                }
            } else {
                all.retain(|it| it.point.float().is_some());
                if !many {
                    all.sort_by(|a, b| by_value(a, b, descends));
                }
            }
            if !many {
                all.iter_mut().enumerate().for_each(|(rank, it)| it.rank = rank);
            }
            Ok(all)
        })
    }
}

/// The labels with one set, or removed if the value is empty.
pub(super) fn with_label(labels: &Labels, name: &str, value: &str) -> Labels {
    let others = labels.iter().filter(|it| it.0 != name);
    let added = Some((name, value)).filter(|it| !it.1.is_empty());
    Labels::from_pairs(others.chain(added).collect::<Vec<_>>())
}

/// By value, NaN last.
pub(super) fn by_value(a: &Element, b: &Element, descends: bool) -> Ordering {
    let (a, b) = (a.point.float().unwrap_or(f64::NAN), b.point.float().unwrap_or(f64::NAN));
    let ascending = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
    let order = if descends { ascending.reverse() } else { ascending };
    a.is_nan().cmp(&b.is_nan()).then(order)
}

fn by_labels(a: &Labels, b: &Labels, names: &[&str]) -> Ordering {
    for name in names {
        let (x, y) = (a.value(name), b.value(name));
        if x != y {
            return if natural_less(x, y) { Ordering::Less } else { Ordering::Greater };
        }
    }
    a.cmp(b)
}

/// Runs of digits are compared as numbers.
fn natural_less(a: &str, b: &str) -> bool {
    let (a, b) = (runs(a), runs(b));
    for (at, (x, y)) in a.iter().zip(&b).enumerate() {
        if x == y {
            if at + 1 == a.len() {
                return true;
            }
            if at + 1 == b.len() {
                return false;
            }
            continue;
        }
        return match (x.parse::<i64>(), y.parse::<i64>()) {
            (Ok(x), Ok(y)) => x < y,
            _ => x < y,
        };
    }
    false
}

fn runs(text: &str) -> Vec<String> {
    let mut runs: Vec<String> = Vec::new();
    for c in text.chars() {
        match runs.last_mut() {
            Some(run) if run.ends_with(|it: char| it.is_ascii_digit()) == c.is_ascii_digit() => {
                run.push(c);
            }
            _ => runs.push(c.to_string()),
        }
    }
    runs
}
