//! What can be wrong with a text.

use std::fmt;

/// Why a text was refused; `Display` is Go's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Not YAML. Text without the leading `yaml: `; it holds the line where Go gives one.
    Syntax(String),
    /// YAML of another shape than wanted: every such place.
    Shape(Vec<Problem>),
    /// The decoded value was refused by its own check. Complete text.
    Refused(String),
}

/// One place where the text has another shape than wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: u32,
    /// Text without the line.
    pub text: String,
}

/// Stops decoding at once: a value was refused, or a budget is spent. Complete text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fatal(pub String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(text) => write!(f, "yaml: {text}"),
            Self::Shape(problems) => {
                write!(f, "yaml: unmarshal errors:")?;
                problems.iter().try_for_each(|it| write!(f, "\n  line {}: {}", it.line, it.text))
            }
            Self::Refused(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

impl From<Fatal> for Error {
    fn from(fatal: Fatal) -> Self {
        Self::Refused(fatal.0)
    }
}
