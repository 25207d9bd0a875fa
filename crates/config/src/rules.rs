//! Rule files: groups of recording and alerting rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use model::{METRIC_NAME, quote};
use yaml::{Decode, Decoder, Dialect, Document, Fatal, Node};

use crate::names::ValidationScheme;
use crate::scalar::duration;

/// What a rule file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleFile {
    /// Groups in the order of the file.
    pub groups: Vec<RuleGroup>,
    /// True if more documents follow the first; they are not read.
    pub more_documents: bool,
}

/// Rules that are evaluated one after the other, at the same time stamp.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleGroup {
    /// Its name, unique in the file.
    pub name: String,
    /// Time between two evaluations; `None` for the one of `global`.
    pub interval_ms: Option<i64>,
    /// How far in the past rules look; `None` for the one of `global`.
    pub query_offset_ms: Option<i64>,
    /// How many alerts or series a rule may make; 0 is no bound.
    pub limit: i64,
    /// Labels of all rules; a rule's own win.
    pub labels: BTreeMap<String, String>,
    /// The rules.
    pub rules: Vec<Rule>,
    at: Position,
}

/// A recording rule or an alerting rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Name of the series to write; empty for an alert.
    pub record: String,
    /// Name of the alert; empty for a recording rule.
    pub alert: String,
    /// The expression as written.
    pub expr: String,
    /// How long an alert must last before it fires.
    pub for_ms: i64,
    /// How long it goes on firing after its end.
    pub keep_firing_for_ms: i64,
    /// Labels to add.
    pub labels: BTreeMap<String, String>,
    /// Texts for people.
    pub annotations: BTreeMap<String, String>,
    record_at: Position,
    alert_at: Position,
    expr_at: Position,
}

/// Line and column, from 1; 0 for what is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Position {
    line: u32,
    column: u32,
}

/// How to read rule files.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Accept keys that nobody knows.
    pub ignore_unknown_fields: bool,
    /// Which names are valid.
    pub validation_scheme: ValidationScheme,
    /// Says what is wrong with an expression.
    pub check_expr: &'a dyn Fn(&str) -> Result<(), String>,
}

impl Default for Options<'_> {
    /// Strict, any UTF-8 names, expressions of the language without its experiments.
    fn default() -> Self {
        Self {
            ignore_unknown_fields: false,
            validation_scheme: ValidationScheme::Utf8,
            check_expr: &|expr| match promql::parse(expr, &promql::Options::default()) {
                Ok(_) => Ok(()),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

impl RuleFile {
    /// Reads and checks a rule file.
    ///
    /// # Errors
    /// Everything that is wrong, in upstream's words; the name of the file belongs in front.
    pub fn parse(text: &[u8], options: &Options<'_>) -> Result<Self, Vec<String>> {
        let one = |error: yaml::Error| vec![error.to_string()];
        let doc = Document::parse(text, Dialect::V3).map_err(one)?;
        let mut file = Self::default();
        let yaml_options =
            yaml::Options { dialect: Dialect::V3, strict: !options.ignore_unknown_fields };
        yaml::decode_into(&doc, yaml_options, &mut file).map_err(one)?;
        file.more_documents = doc.more;
        let problems = file.check(options);
        if problems.is_empty() { Ok(file) } else { Err(problems) }
    }

    /// How many rules there are.
    pub fn n_rules(&self) -> usize {
        self.groups.iter().map(|it| it.rules.len()).sum()
    }

    /// Rules of the same name and the same labels as one before them, in the order of name and labels;
    /// each is named once for every repetition.
    pub fn duplicates(&self) -> Vec<(String, BTreeMap<String, String>)> {
        let mut all: Vec<_> = self
            .groups
            .iter()
            .flat_map(|group| {
                group.rules.iter().map(move |rule| (rule.name(), rule.all_labels(group)))
            })
            .collect();
        all.sort();
        let again = all.windows(2).filter(|pair| pair[0] == pair[1]);
        again.map(|pair| (pair[0].0.to_owned(), pair[0].1.clone())).collect()
    }

    fn check(&self, options: &Options<'_>) -> Vec<String> {
        let mut problems = Vec::new();
        let mut names = BTreeSet::new();
        for group in &self.groups {
            let at = group.at;
            if group.name.is_empty() {
                problems.push(format!("{at}: Groupname must not be empty"));
            }
            if !names.insert(&group.name) {
                let name = &group.name;
                problems.push(format!("{at}: groupname: \"{name}\" is repeated in the same file"));
            }
            let scheme = options.validation_scheme;
            problems.extend(check_labels(&group.labels, scheme));
            for (i, rule) in group.rules.iter().enumerate() {
                let place =
                    format!("group {}, rule {}, {}", quote(&group.name), i + 1, quote(rule.name()));
                problems.extend(rule.check(options).into_iter().map(|it| it.format(&place)));
            }
        }
        problems
    }
}

impl RuleGroup {
    fn set(&mut self, decoder: &mut Decoder, key: &str, value: Node<'_>) -> Result<bool, Fatal> {
        match key {
            "name" => decoder.set(value, &mut self.name)?,
            "interval" => optional_duration(decoder, value, &mut self.interval_ms)?,
            "query_offset" => optional_duration(decoder, value, &mut self.query_offset_ms)?,
            "limit" => decoder.set(value, &mut self.limit)?,
            "labels" => decoder.set(value, &mut self.labels)?,
            "rules" => decoder.set(value, &mut self.rules)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Rule {
    /// The name of series or alert.
    pub fn name(&self) -> &str {
        if self.alert.is_empty() { &self.record } else { &self.alert }
    }

    /// Its labels together with those of its group.
    pub fn all_labels(&self, group: &RuleGroup) -> BTreeMap<String, String> {
        let mut labels = group.labels.clone();
        labels.extend(self.labels.clone());
        labels
    }

    fn check(&self, options: &Options<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        let (record, alert) = (!self.record.is_empty(), !self.alert.is_empty());
        if record == alert {
            let word = if record { "only one of 'record' and" } else { "one of 'record' or" };
            let text = format!("{word} 'alert' must be set");
            problems.push(Problem { at: Some(self.record_at), also_at: Some(self.alert_at), text });
        }
        if self.expr.is_empty() {
            problems.push(Problem::at(self.expr_at, "field 'expr' must be set in rule"));
        } else if let Err(error) = (options.check_expr)(&self.expr) {
            problems
                .push(Problem::at(self.expr_at, format!("could not parse expression: {error}")));
        }
        if record {
            problems.extend(self.check_recording(options.validation_scheme));
        }
        let scheme = options.validation_scheme;
        let names = self.annotations.keys().filter(|it| !scheme.is_label_name(it));
        let texts = check_labels(&self.labels, scheme)
            .chain(names.map(|it| format!("invalid annotation name: {it}")));
        problems.extend(texts.map(|text| Problem { at: None, also_at: None, text }));
        problems
    }

    fn check_recording(&self, scheme: ValidationScheme) -> Vec<Problem> {
        let unwanted = [
            ("annotations", !self.annotations.is_empty()),
            ("for", self.for_ms != 0),
            ("keep_firing_for", self.keep_firing_for_ms != 0),
        ];
        let unwanted = unwanted.iter().filter(|it| it.1);
        let mut texts: Vec<String> =
            unwanted.map(|(key, _)| format!("invalid field '{key}' in recording rule")).collect();
        if !scheme.is_metric_name(&self.record) {
            texts.push(format!("invalid recording rule name: {}", self.record));
        }
        if self.record.contains(['{', '}']) {
            texts.push(format!(
                "braces present in the recording rule name; should it be in expr?: {}",
                self.record
            ));
        }
        texts.into_iter().map(|text| Problem::at(self.record_at, text)).collect()
    }
}

/// What is wrong with a rule, and where.
struct Problem {
    at: Option<Position>,
    also_at: Option<Position>,
    text: String,
}

impl Problem {
    fn at(at: Position, text: impl Into<String>) -> Self {
        Self { at: Some(at), also_at: None, text: text.into() }
    }

    fn format(&self, place: &str) -> String {
        let places = [self.at, self.also_at].into_iter().flatten();
        let places: String = places.map(|it| format!("{it}: ")).collect();
        format!("{places}{place}: {}", self.text)
    }
}

impl Position {
    fn of(node: Node<'_>) -> Self {
        Self { line: node.line(), column: node.column() }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Decode for RuleFile {
    fn go_type() -> String {
        "rulefmt.RuleGroups".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        decoder.fields(node, "rulefmt.RuleGroups", |decoder, key, value| {
            let known = key == "groups";
            if known {
                decoder.set(value, &mut self.groups)?;
            }
            Ok(known)
        })?;
        Ok(())
    }
}

impl Decode for RuleGroup {
    fn go_type() -> String {
        "rulefmt.RuleGroup".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        self.at = Position::of(node);
        decoder.fields(node, "rulefmt.RuleGroup", |decoder, key, value| {
            self.set(decoder, key, value)
        })?;
        Ok(())
    }
}

impl Decode for Rule {
    fn go_type() -> String {
        "rulefmt.Rule".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        decoder.fields(node, "rulefmt.Rule", |decoder, key, value| {
            match key {
                "record" => {
                    self.record_at = Position::of(value);
                    decoder.set(value, &mut self.record)?;
                }
                "alert" => {
                    self.alert_at = Position::of(value);
                    decoder.set(value, &mut self.alert)?;
                }
                "expr" => {
                    self.expr_at = Position::of(value);
                    decoder.set(value, &mut self.expr)?;
                }
                "for" => duration(decoder, value, &mut self.for_ms)?,
                "keep_firing_for" => duration(decoder, value, &mut self.keep_firing_for_ms)?,
                "labels" => decoder.set(value, &mut self.labels)?,
                "annotations" => decoder.set(value, &mut self.annotations)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(())
    }
}

fn optional_duration(
    decoder: &mut Decoder,
    node: Node<'_>,
    out: &mut Option<i64>,
) -> Result<(), Fatal> {
    let mut ms = 0;
    duration(decoder, node, &mut ms)?;
    *out = (!decoder.is_null(node)?).then_some(ms);
    Ok(())
}

fn check_labels(
    labels: &BTreeMap<String, String>,
    scheme: ValidationScheme,
) -> impl Iterator<Item = String> {
    let bad = labels.keys().filter(move |it| !scheme.is_label_name(it) || *it == METRIC_NAME);
    bad.map(|name| format!("invalid label name: {name}"))
}
