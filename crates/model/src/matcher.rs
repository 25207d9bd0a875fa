//! Conditions on labels.

use std::fmt;

use crate::name::{is_legacy_label_name, quote};

/// How a [`Matcher`] compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MatchType {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, fully anchored
    Regexp,
    /// `!~`, fully anchored
    NotRegexp,
}

impl MatchType {
    /// The operator's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regexp => "=~",
            Self::NotRegexp => "!~",
        }
    }
}

/// One condition on one label. A label that a series lacks has the value `""`.
#[derive(Clone, Debug, PartialEq)]
pub struct Matcher {
    kind: MatchType,
    name: String,
    value: String,
    regexp: Option<regexp::Matcher>,
}

impl Matcher {
    /// Builds a matcher; for the regular-expression kinds `value` is the pattern.
    ///
    /// # Errors
    /// If the pattern is not valid (Go's RE2 syntax).
    pub fn new(
        kind: MatchType,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, regexp::Error> {
        let (name, value) = (name.into(), value.into());
        let regexp = match kind {
            MatchType::Regexp | MatchType::NotRegexp => Some(regexp::Matcher::new(&value)?),
            MatchType::Equal | MatchType::NotEqual => None,
        };
        Ok(Self { kind, name, value, regexp })
    }

    /// Builds `name="value"`.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { kind: MatchType::Equal, name: name.into(), value: value.into(), regexp: None }
    }

    /// How it compares.
    pub fn kind(&self) -> MatchType {
        self.kind
    }

    /// The label's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value or pattern to compare with.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The compiled pattern of `=~` and `!~`.
    pub fn regexp(&self) -> Option<&regexp::Matcher> {
        self.regexp.as_ref()
    }

    /// True if a label with this value fulfils the condition.
    pub fn matches(&self, value: &str) -> bool {
        let found = match &self.regexp {
            Some(regexp) => regexp.is_match(value),
            None => self.value == value,
        };
        found == matches!(self.kind, MatchType::Equal | MatchType::Regexp)
    }

    /// True if a series without the label fulfils the condition.
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }
}

/// Writes `name=~"pattern"`; names outside `[a-zA-Z_][a-zA-Z0-9_]*` are quoted.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_legacy_label_name(&self.name) {
            f.write_str(&self.name)?
        } else {
            f.write_str(&quote(&self.name))?
        }
        write!(f, "{}{}", self.kind.as_str(), quote(&self.value))
    }
}
