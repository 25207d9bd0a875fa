//! A rule and what makes it valid.

use std::fmt;
use std::str::FromStr;

use model::{is_legacy_label_name, quote};
use regexp::Regexp;

/// One relabelling rule. The default one is what an empty item in a configuration file means.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Labels whose values, joined, are looked at. One that is missing counts as empty.
    pub source_labels: Vec<String>,
    /// What joins them.
    pub separator: String,
    /// The expression, held at both ends: made with [`Regexp::anchored`].
    pub regex: Regexp,
    /// For [`Action::HashMod`]: the hash is taken modulo this.
    pub modulus: u64,
    /// The label to write; a template for [`Action::Replace`].
    pub target_label: String,
    /// A template of the value to write, of the new name for [`Action::LabelMap`].
    pub replacement: String,
    /// What to do.
    pub action: Action,
    /// Names have to match `[a-zA-Z_][a-zA-Z0-9_]*`; otherwise any text but the empty one is a name.
    pub legacy_names: bool,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Writes a label where the expression matches.
    Replace,
    /// Drops the set where the expression does not match.
    Keep,
    /// Drops the set where the expression matches.
    Drop,
    /// Drops the set where the source is not equal to the target label's value.
    KeepEqual,
    /// Drops the set where the source is equal to the target label's value.
    DropEqual,
    /// Writes the hash of the source, modulo a number.
    HashMod,
    /// Copies the labels with matching names to new names.
    LabelMap,
    /// Removes the labels with matching names.
    LabelDrop,
    /// Removes the labels without matching names.
    LabelKeep,
    /// Writes the source in lower case.
    Lowercase,
    /// Writes the source in upper case.
    Uppercase,
}

/// Why the fields of a rule do not go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidRule {
    /// No action has this name.
    UnknownAction(String),
    /// `hashmod` without modulus.
    ZeroModulus,
    /// An action that writes to a label has none.
    MissingTarget(Action),
    /// The label to write to is no label name.
    InvalidTarget(Action, String),
    /// The new name of `labelmap` is no label name.
    InvalidReplacement(String),
    /// The action makes its value itself.
    ReplacementSet(Action),
    /// The action takes only `source_labels` and `target_label`.
    OnlySourceAndTarget(Action),
    /// The action takes only `regex`.
    OnlyRegex(Action),
}

impl Rule {
    /// The expression of a rule that names none: any value, as group 1.
    pub const DEFAULT_REGEX: &'static str = "(.*)";
    /// The separator of a rule that names none.
    pub const DEFAULT_SEPARATOR: &'static str = ";";
    /// The replacement of a rule that names none.
    pub const DEFAULT_REPLACEMENT: &'static str = "$1";

    /// Checks that the fields go together.
    ///
    /// # Errors
    ///
    /// The first that does not, in upstream's order and with its text.
    pub fn validate(&self) -> Result<(), InvalidRule> {
        let action = self.action;
        if action == Action::HashMod && self.modulus == 0 {
            return Err(InvalidRule::ZeroModulus);
        }
        if action.needs_target() {
            self.validate_target()?;
        }
        let computed =
            action.is_equality() || matches!(action, Action::Lowercase | Action::Uppercase);
        if computed && self.replacement != Self::DEFAULT_REPLACEMENT {
            return Err(InvalidRule::ReplacementSet(action));
        }
        if action == Action::LabelMap && !self.is_name_template(&self.replacement) {
            return Err(InvalidRule::InvalidReplacement(self.replacement.clone()));
        }
        let plain = self.modulus == 0
            && self.separator == Self::DEFAULT_SEPARATOR
            && self.replacement == Self::DEFAULT_REPLACEMENT;
        if action.is_equality() && !(plain && self.has_default_regex()) {
            return Err(InvalidRule::OnlySourceAndTarget(action));
        }
        let by_name = matches!(action, Action::LabelDrop | Action::LabelKeep);
        if by_name && !(plain && self.source_labels.is_empty() && self.target_label.is_empty()) {
            return Err(InvalidRule::OnlyRegex(action));
        }
        Ok(())
    }

    fn validate_target(&self) -> Result<(), InvalidRule> {
        let target = &self.target_label;
        if target.is_empty() {
            return Err(InvalidRule::MissingTarget(self.action));
        }
        let template = self.action == Action::Replace && target.contains('$');
        let valid = if template { self.is_name_template(target) } else { self.is_name(target) };
        if valid { Ok(()) } else { Err(InvalidRule::InvalidTarget(self.action, target.clone())) }
    }

    pub(crate) fn has_default_regex(&self) -> bool {
        self.regex.pattern() == Self::DEFAULT_REGEX
    }

    pub(crate) fn is_name(&self, name: &str) -> bool {
        if self.legacy_names { is_legacy_label_name(name) } else { !name.is_empty() }
    }

    /// Reports whether a text can become a name once its references are replaced.
    fn is_name_template(&self, text: &str) -> bool {
        if self.legacy_names { is_legacy_template(text) } else { !text.is_empty() }
    }
}

/// Reports whether a text is word characters and references (`$1`, `${name}`), and begins with no digit.
fn is_legacy_template(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut pieces = text.split('$');
    let head = pieces.next().unwrap_or("");
    let references = pieces.all(|piece| {
        let (name, after) = match piece.strip_prefix('{') {
            Some(braced) => braced.split_once('}').unwrap_or(("", "")),
            None => (piece, ""),
        };
        !name.is_empty() && name.chars().all(is_word) && after.chars().all(is_word)
    });
    !text.is_empty() && references && (head.is_empty() || is_legacy_label_name(head))
}

impl Default for Rule {
    fn default() -> Self {
        Rule {
            source_labels: Vec::new(),
            separator: Self::DEFAULT_SEPARATOR.to_owned(),
            regex: Regexp::anchored(Self::DEFAULT_REGEX).expect("the default is an expression"),
            modulus: 0,
            target_label: String::new(),
            replacement: Self::DEFAULT_REPLACEMENT.to_owned(),
            action: Action::Replace,
            legacy_names: false,
        }
    }
}

impl Action {
    const ALL: [Action; 11] = [
        Action::Replace,
        Action::Keep,
        Action::Drop,
        Action::KeepEqual,
        Action::DropEqual,
        Action::HashMod,
        Action::LabelMap,
        Action::LabelDrop,
        Action::LabelKeep,
        Action::Lowercase,
        Action::Uppercase,
    ];

    /// Returns the name in configuration files.
    pub fn name(self) -> &'static str {
        match self {
            Action::Replace => "replace",
            Action::Keep => "keep",
            Action::Drop => "drop",
            Action::KeepEqual => "keepequal",
            Action::DropEqual => "dropequal",
            Action::HashMod => "hashmod",
            Action::LabelMap => "labelmap",
            Action::LabelDrop => "labeldrop",
            Action::LabelKeep => "labelkeep",
            Action::Lowercase => "lowercase",
            Action::Uppercase => "uppercase",
        }
    }

    fn is_equality(self) -> bool {
        matches!(self, Action::KeepEqual | Action::DropEqual)
    }

    fn needs_target(self) -> bool {
        let writes = matches!(
            self,
            Action::Replace | Action::HashMod | Action::Lowercase | Action::Uppercase
        );
        writes || self.is_equality()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Case does not count.
impl FromStr for Action {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, InvalidRule> {
        let found = Self::ALL.into_iter().find(|it| it.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| InvalidRule::UnknownAction(text.to_owned()))
    }
}

impl fmt::Display for InvalidRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidRule::UnknownAction(name) => write!(f, "unknown relabel action {}", quote(name)),
            InvalidRule::ZeroModulus => {
                f.write_str("relabel configuration for hashmod requires non-zero modulus")
            }
            InvalidRule::MissingTarget(action) => {
                write!(f, "relabel configuration for {action} action requires 'target_label' value")
            }
            InvalidRule::InvalidTarget(action, target) => {
                write!(f, "{} is invalid 'target_label' for {action} action", quote(target))
            }
            InvalidRule::InvalidReplacement(replacement) => {
                write!(f, "{} is invalid 'replacement' for labelmap action", quote(replacement))
            }
            InvalidRule::ReplacementSet(action) => {
                write!(f, "'replacement' can not be set for {action} action")
            }
            InvalidRule::OnlySourceAndTarget(action) => {
                write!(
                    f,
                    "{action} action requires only 'source_labels' and `target_label`, and no other fields"
                )
            }
            InvalidRule::OnlyRegex(action) => {
                write!(f, "{action} action requires only 'regex', and no other fields")
            }
        }
    }
}

impl std::error::Error for InvalidRule {}
