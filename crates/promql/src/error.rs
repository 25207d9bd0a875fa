//! Why a text is no query.

use std::fmt;

use crate::ast::PosRange;

/// The first thing wrong with a query. `Display` is `<line>:<column>: parse error: <text>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Which part of the query, in bytes.
    pub pos: PosRange,
    /// Line and column of its start, both from 1, the column in bytes; `None` for an empty query.
    pub line_column: Option<(usize, usize)>,
    /// What is wrong.
    pub text: String,
}

impl ParseError {
    pub(crate) fn new(input: &str, pos: PosRange, text: impl Into<String>) -> Self {
        let before = &input.as_bytes()[..pos.start.min(input.len())];
        let line = 1 + before.iter().filter(|it| **it == b'\n').count();
        let line_start = before.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1);
        let line_column =
            if input.is_empty() { None } else { Some((line, before.len() - line_start + 1)) };
        Self { pos, line_column, text: text.into() }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line_column {
            Some((line, column)) => write!(f, "{line}:{column}: ")?,
            None => f.write_str("unknown position: ")?,
        }
        write!(f, "parse error: {}", self.text)
    }
}

impl std::error::Error for ParseError {}
