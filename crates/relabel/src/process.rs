//! Runs rules over label sets.

use std::borrow::Cow;

use model::{Labels, LabelsBuilder};

use crate::case;
use crate::md5;
use crate::rule::{Action, Rule};

/// Runs rules over a set, one after the other.
///
/// Returns `None` where a rule drops the set or nothing is left of it.
///
/// ```
/// use model::Labels;
/// use relabel::{Rule, process};
///
/// let rule = Rule { source_labels: vec!["host".into()], target_label: "instance".into(),
/// ..Rule::default() }; let labels = process(&Labels::from_pairs([("host", "db-1")]),
/// &[rule]).expect("kept"); assert_eq!(labels.to_string(), r#"{host="db-1", instance="db-1"}"#);
/// ```
pub fn process(labels: &Labels, rules: &[Rule]) -> Option<Labels> {
    if rules.is_empty() {
        return (!labels.is_empty()).then(|| labels.clone());
    }
    let mut builder = labels.to_builder();
    process_in_place(&mut builder, rules).then(|| builder.labels())
}

/// Runs rules over the set in a builder, one after the other.
///
/// Returns false where a rule drops the set, which is then as that rule found it, or nothing is left of it.
pub fn process_in_place(labels: &mut LabelsBuilder, rules: &[Rule]) -> bool {
    rules.iter().all(|rule| apply(labels, rule)) && !labels.is_empty()
}

/// Runs rules over a set, one after the other, and returns what each leaves: `None` for the rule that drops the set
/// and those behind it.
pub fn steps(labels: &Labels, rules: &[Rule]) -> Vec<Option<Labels>> {
    let mut builder = labels.to_builder();
    let mut keep = true;
    let step = |rule| {
        keep = keep && apply(&mut builder, rule);
        keep.then(|| builder.labels())
    };
    rules.iter().map(step).collect()
}

/// Returns false where the rule drops the set.
fn apply(labels: &mut LabelsBuilder, rule: &Rule) -> bool {
    match rule.action {
        Action::Keep => matches(rule, &source(labels, rule)),
        Action::Drop => !matches(rule, &source(labels, rule)),
        Action::KeepEqual => is_equal(labels, rule),
        Action::DropEqual => !is_equal(labels, rule),
        Action::Replace => {
            let label = replaced(rule, &source(labels, rule))
                .map(|it| (it.0.into_owned(), it.1.into_owned()));
            if let Some((name, value)) = label {
                labels.set(&name, &value);
            }
            true
        }
        Action::HashMod => {
            let hash = u64::from_be_bytes(md5::last_half(source(labels, rule).as_bytes()));
            // A rule that was not validated: there is nothing sensible to write.
            let rest = hash.checked_rem(rule.modulus).unwrap_or(0);
            write(labels, rule, rest.to_string())
        }
        Action::Lowercase => {
            let value = case::lower(&source(labels, rule));
            write(labels, rule, value)
        }
        Action::Uppercase => {
            let value = case::upper(&source(labels, rule));
            write(labels, rule, value)
        }
        Action::LabelMap => map(labels, rule),
        Action::LabelDrop => {
            labels.retain(|name, _| !matches(rule, name));
            true
        }
        Action::LabelKeep => {
            labels.retain(|name, _| matches(rule, name));
            true
        }
    }
}

/// Joins the values of the source labels.
fn source<'l>(labels: &'l LabelsBuilder, rule: &Rule) -> Cow<'l, str> {
    let value = |name: &String| labels.get(name).unwrap_or("");
    match rule.source_labels.as_slice() {
        [] => Cow::Borrowed(""),
        [name] => Cow::Borrowed(value(name)),
        names => Cow::Owned(names.iter().map(value).collect::<Vec<_>>().join(&rule.separator)),
    }
}

fn matches(rule: &Rule, text: &str) -> bool {
    rule.regex.is_match(text)
}

fn is_equal(labels: &LabelsBuilder, rule: &Rule) -> bool {
    labels.get(&rule.target_label).unwrap_or("") == source(labels, rule)
}

fn write(labels: &mut LabelsBuilder, rule: &Rule, value: String) -> bool {
    labels.set(&rule.target_label, &value);
    true
}

/// Returns the label that a `replace` writes; an empty value removes it.
fn replaced<'a>(rule: &'a Rule, text: &'a str) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
    let templates = [&rule.target_label, &rule.replacement];
    let [name, value] =
        if rule.has_default_regex() && rule.replacement == "$1" && !rule.target_label.contains('$')
        {
            [Cow::Borrowed(rule.target_label.as_str()), Cow::Borrowed(text)]
        } else if templates.iter().all(|it| !it.contains('$')) {
            if !matches(rule, text) {
                return None;
            }
            templates.map(|it| Cow::Borrowed(it.as_str()))
        } else {
            let groups = rule.regex.find_submatches(text)?;
            templates.map(|template| {
                let mut output = String::new();
                rule.regex.expand(template, &groups, &mut output);
                Cow::Owned(output)
            })
        };
    rule.is_name(&name).then_some((name, value))
}

/// Copies labels to new names. What one copy writes, the others do not see.
fn map(labels: &mut LabelsBuilder, rule: &Rule) -> bool {
    let found = labels.iter().filter(|(name, _)| matches(rule, name));
    let copies: Vec<(String, String)> = found
        .map(|(name, value)| (rule.regex.replace_all(name, &rule.replacement), value.to_owned()))
        .filter(|(name, _)| !name.is_empty())
        .collect();
    for (name, value) in copies {
        labels.set(&name, &value);
    }
    true
}
