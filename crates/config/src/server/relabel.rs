//! Relabelling rules.

use model::quote;
use regexp::Regexp;
use relabel::{Action, InvalidRule, Rule};
use yaml::{Decode, Decoder, Fatal, Node, Value};

use crate::echo::Echo;
use crate::names::ValidationScheme;
use crate::scalar::parsed;

/// One rule as written.
#[derive(Clone, Debug, PartialEq)]
pub struct RelabelConfig {
    /// Labels whose values, joined, are looked at.
    pub source_labels: Vec<String>,
    /// What joins them.
    pub separator: String,
    /// The expression; [`Rule::DEFAULT_REGEX`] if not written.
    pub regex: String,
    /// True if the expression was written, even if it is the default one.
    pub regex_written: bool,
    /// For `hashmod`.
    pub modulus: u64,
    /// Label to write.
    pub target_label: String,
    /// Template of its value.
    pub replacement: String,
    /// What to do, in lower case: a [`relabel::Action`], or empty if it was null.
    pub action: String,
}

impl RelabelConfig {
    /// The rule, compiled and checked.
    ///
    /// # Errors
    /// Upstream's text on how the fields do not go together.
    pub fn to_rule(&self, legacy_names: bool) -> Result<Rule, String> {
        if self.action.is_empty() {
            return Err("relabel action cannot be empty".into());
        }
        let rule = Rule {
            source_labels: self.source_labels.clone(),
            separator: self.separator.clone(),
            regex: Regexp::anchored(&self.regex).map_err(|error| error.to_string())?,
            modulus: self.modulus,
            target_label: self.target_label.clone(),
            replacement: self.replacement.clone(),
            action: self.action.parse().map_err(|error: InvalidRule| error.to_string())?,
            legacy_names,
        };
        rule.validate().map_err(|error| error.to_string())?;
        Ok(rule)
    }

    pub(crate) fn echo(&self) -> Value {
        let mut echo = Echo::default();
        if !self.source_labels.is_empty() {
            echo.put(
                "source_labels",
                Value::FlowSeq(self.source_labels.iter().map(Value::str).collect()),
            );
        }
        echo.put("separator", Value::str(&self.separator));
        if self.regex_written {
            echo.put("regex", Value::str(&self.regex));
        }
        echo.count("modulus", self.modulus);
        echo.text("target_label", &self.target_label);
        echo.put("replacement", Value::str(&self.replacement));
        echo.text("action", &self.action);
        echo.value()
    }
}

impl Default for RelabelConfig {
    fn default() -> Self {
        Self {
            source_labels: Vec::new(),
            separator: Rule::DEFAULT_SEPARATOR.into(),
            regex: Rule::DEFAULT_REGEX.into(),
            regex_written: false,
            modulus: 0,
            target_label: String::new(),
            replacement: Rule::DEFAULT_REPLACEMENT.into(),
            action: "replace".into(),
        }
    }
}

impl Decode for RelabelConfig {
    fn go_type() -> String {
        "relabel.Config".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        decoder.fields(node, "relabel.plain", |decoder, key, value| {
            match key {
                "source_labels" => label_names(decoder, value, &mut self.source_labels)?,
                "separator" => decoder.set(value, &mut self.separator)?,
                "regex" => {
                    parsed(decoder, value, &mut self.regex, check_regex)?;
                    self.regex_written = true;
                }
                "modulus" => decoder.set(value, &mut self.modulus)?,
                "target_label" => decoder.set(value, &mut self.target_label)?,
                "replacement" => decoder.set(value, &mut self.replacement)?,
                "action" => parsed(decoder, value, &mut self.action, parse_action)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(())
    }
}

/// Takes the rules out of their list; a null item is refused.
pub(crate) fn no_nulls<T>(items: Vec<Option<T>>, null_text: &str) -> Result<Vec<T>, Fatal> {
    items.into_iter().map(|it| it.ok_or_else(|| Fatal(null_text.to_owned()))).collect()
}

/// Checks all rules of a list.
pub(crate) fn check_all(rules: &[RelabelConfig], scheme: ValidationScheme) -> Result<(), String> {
    rules.iter().try_for_each(|it| it.to_rule(scheme == ValidationScheme::Legacy).map(drop))
}

/// Writes all rules of a list.
pub(crate) fn echo_all(rules: &[RelabelConfig]) -> Vec<Value> {
    rules.iter().map(RelabelConfig::echo).collect()
}

fn label_names(decoder: &mut Decoder, node: Node<'_>, out: &mut Vec<String>) -> Result<(), Fatal> {
    decoder.set(node, out)?;
    match out.iter().find(|it| !ValidationScheme::Utf8.is_label_name(it)) {
        Some(name) => Err(Fatal(format!("{} is not a valid label name", quote(name)))),
        None => Ok(()),
    }
}

fn check_regex(text: &str) -> Result<String, String> {
    match Regexp::anchored(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn parse_action(text: &str) -> Result<String, String> {
    match text.parse::<Action>() {
        Ok(action) => Ok(action.name().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
