//! Why a pattern is not a regular expression, in Go's words.

use std::fmt;

/// A pattern that could not be read or compiled.
///
/// Displays as Go does: ``error parsing regexp: missing closing ): `a(` ``.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    fragment: String,
}

/// What is wrong with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// `[b-a]`, `\p{Nothing}`, `[[:nothing:]]`.
    CharRange,
    /// `\8`, `\y`.
    Escape,
    /// A group name that is empty or not made of word characters.
    NamedCapture,
    /// `(?=`, `(?z)`, `(?i`.
    PerlOperator,
    /// `a**`.
    NestedRepetition,
    /// `a{1001}`, `a{2,1}`, or nested counts that multiply past 1000.
    RepeatCount,
    /// `[a`.
    MissingBracket,
    /// `(a`.
    MissingParenthesis,
    /// `*a`.
    MissingRepeatArgument,
    /// A pattern that ends with `\`.
    TrailingBackslash,
    /// `a)`.
    UnexpectedParenthesis,
    /// Deeper than [`NESTING_MAX`](crate::NESTING_MAX).
    NestingDepth,
    /// The program would be larger than [`PROGRAM_BYTES_MAX`](crate::PROGRAM_BYTES_MAX).
    TooLarge,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, fragment: impl Into<String>) -> Self {
        Error { kind, fragment: fragment.into() }
    }

    /// Returns what is wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the part of the pattern that is wrong.
    pub fn fragment(&self) -> &str {
        &self.fragment
    }
}

impl ErrorKind {
    fn text(self) -> &'static str {
        match self {
            ErrorKind::CharRange => "invalid character class range",
            ErrorKind::Escape => "invalid escape sequence",
            ErrorKind::NamedCapture => "invalid named capture",
            ErrorKind::PerlOperator => "invalid or unsupported Perl syntax",
            ErrorKind::NestedRepetition => "invalid nested repetition operator",
            ErrorKind::RepeatCount => "invalid repeat count",
            ErrorKind::MissingBracket => "missing closing ]",
            ErrorKind::MissingParenthesis => "missing closing )",
            ErrorKind::MissingRepeatArgument => "missing argument to repetition operator",
            ErrorKind::TrailingBackslash => "trailing backslash at end of expression",
            ErrorKind::UnexpectedParenthesis => "unexpected )",
            ErrorKind::NestingDepth => "expression nests too deeply",
            ErrorKind::TooLarge => "expression too large",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error parsing regexp: {}: `{}`", self.kind.text(), self.fragment)
    }
}

impl std::error::Error for Error {}
