//! The labels of a scraped series: the page's, the target's, and what is allowed of them.

use model::{
    Labels, LabelsBuilder, METRIC_NAME, is_legacy_label_name, is_legacy_metric_name, quote,
};

use crate::job::Limits;

/// Adds the target's labels to those of the page. With `honor` the page wins, also where it has the
/// label with an empty value (asked for by `empty`); else its label moves to `exported_…`.
pub(crate) fn add_target(
    exposed: &mut LabelsBuilder,
    target: &Labels,
    honor: bool,
    empty: impl FnOnce() -> Vec<String>,
) {
    if honor {
        let empty = empty();
        for (name, value) in target.iter() {
            if exposed.get(name).is_none() && !empty.iter().any(|it| it == name) {
                exposed.set(name, value);
            }
        }
        return;
    }
    let mut conflicts = Vec::new();
    for (name, value) in target.iter() {
        if let Some(exposed) = exposed.get(name) {
            conflicts.push((name, exposed.to_owned()));
        }
        exposed.set(name, value);
    }
    conflicts.sort_by_key(|(name, _)| name.len());
    for (name, value) in conflicts {
        let mut name = format!("exported_{name}");
        while exposed.get(&name).is_some() {
            name.insert_str(0, "exported_");
        }
        exposed.set(&name, &value);
    }
}

/// Refuses what cannot be stored.
pub(crate) fn check_names(labels: &LabelsBuilder, legacy: bool) -> Result<(), String> {
    let Some(metric) = labels.get(METRIC_NAME) else {
        return Err("missing metric name (__name__ label)".into());
    };
    let valid =
        |(name, _): (&str, &str)| !name.is_empty() && (!legacy || is_legacy_label_name(name));
    if labels.iter().all(valid) && (!legacy || is_legacy_metric_name(metric)) {
        return Ok(());
    }
    Err(format!("invalid metric name or label names: {}", labels.labels()))
}

/// Refuses what passes the job's limits.
pub(crate) fn check_limits(labels: &LabelsBuilder, limits: &Limits) -> Result<(), String> {
    let over = |limit: usize, n: usize| limit != 0 && limit < n;
    let metric = || cut(labels.get(METRIC_NAME).unwrap_or_default());
    if over(limits.labels, labels.len()) {
        let (n, limit) = (labels.len(), limits.labels);
        return Err(format!(
            "label_limit exceeded (metric: {}, number of labels: {n}, limit: {limit})",
            metric()
        ));
    }
    if limits.label_name_bytes == 0 && limits.label_value_bytes == 0 {
        return Ok(());
    }
    for (name, value) in labels.iter() {
        if over(limits.label_name_bytes, name.len()) {
            return Err(format!(
                "label_name_length_limit exceeded (metric: {}, label name: {}, length: {}, limit: {})",
                metric(),
                cut(name),
                name.len(),
                limits.label_name_bytes
            ));
        }
        if over(limits.label_value_bytes, value.len()) {
            return Err(format!(
                "label_value_length_limit exceeded (metric: {}, label name: {}, value: {}, length: {}, limit: {})",
                metric(),
                cut(name),
                quote(cut(value)),
                value.len(),
                limits.label_value_bytes
            ));
        }
    }
    Ok(())
}

/// The first 50 characters.
fn cut(text: &str) -> &str {
    text.char_indices().nth(50).map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(exposed: &[(&str, &str)], target: &[(&str, &str)], honor: bool, expected: &str) {
        let mut labels = Labels::from_pairs(exposed.iter().copied()).to_builder();
        let empty = exposed.iter().filter(|it| it.1.is_empty()).map(|it| it.0.to_owned()).collect();
        add_target(&mut labels, &Labels::from_pairs(target.iter().copied()), honor, || empty);
        assert_eq!(labels.labels().to_string(), expected);
    }

    #[test]
    fn joins_labels() {
        let target = [("job", "j"), ("a", "t")];
        check(&[("b", "1")], &target, false, r#"{a="t", b="1", job="j"}"#);
        check(
            &[("a", "x"), ("exported_a", "y")],
            &target,
            false,
            r#"{a="t", exported_a="y", exported_exported_a="x", job="j"}"#,
        );
        check(&[("a", "x"), ("job", "")], &target, true, r#"{a="x"}"#);
        check(
            &[("a", "x"), ("exported_a", "y")],
            &[("a", "t"), ("exported_a", "u")],
            false,
            r#"{a="t", exported_a="u", exported_exported_a="x", exported_exported_exported_a="y"}"#,
        );
    }

    #[test]
    fn refuses_names_and_lengths() {
        let labels =
            |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied()).to_builder();
        let named = labels(&[("__name__", "m.x"), ("l", "é")]);
        assert_eq!(
            check_names(&labels(&[("a", "b")]), false),
            Err("missing metric name (__name__ label)".into())
        );
        assert_eq!(check_names(&named, false), Ok(()));
        let expected = r#"invalid metric name or label names: {__name__="m.x", l="é"}"#;
        assert_eq!(check_names(&named, true), Err(expected.into()));
        let limit = |labels, name, value| {
            let limits = Limits {
                labels,
                label_name_bytes: name,
                label_value_bytes: value,
                ..Limits::default()
            };
            check_limits(&named, &limits).err().unwrap_or_default()
        };
        assert_eq!(limit(2, 8, 3), "");
        assert_eq!(
            limit(1, 0, 0),
            "label_limit exceeded (metric: m.x, number of labels: 2, limit: 1)"
        );
        assert_eq!(
            limit(0, 7, 0),
            "label_name_length_limit exceeded (metric: m.x, label name: __name__, length: 8, limit: 7)"
        );
        assert_eq!(
            limit(0, 0, 1),
            "label_value_length_limit exceeded (metric: m.x, label name: __name__, value: \"m.x\", length: 3, limit: 1)"
        );
    }
}
