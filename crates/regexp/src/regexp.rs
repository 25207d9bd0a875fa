//! An expression with groups.

use std::fmt;
use std::sync::Arc;

use crate::captures::{self, Captures};
use crate::engine::Engine;
use crate::error::Error;
use crate::parse::{self, Options};
use crate::shape::{self, Shape};

/// A compiled expression with capture groups.
///
/// ```
/// let regexp = regexp::Regexp::anchored("(.+):([0-9]+)")?;
/// let groups = regexp.find_submatches("db-1:9100").expect("host and port");
/// let mut address = String::new();
/// regexp.expand("$1 on ${2}", &groups, &mut address);
/// assert_eq!(address, "db-1 on 9100");
/// # Ok::<(), regexp::Error>(())
/// ```
#[derive(Clone)]
pub struct Regexp(Arc<Inner>);

struct Inner {
    pattern: String,
    /// What all texts look like that match, where the whole text has to.
    shape: Option<Shape>,
    engine: Engine,
    names: Vec<Option<String>>,
}

impl Regexp {
    /// Compiles an expression that may match anywhere in a text.
    ///
    /// # Errors
    ///
    /// The pattern is not one, nests too deeply, or needs too large a program.
    pub fn new(pattern: &str) -> Result<Self, Error> {
        Self::compile(pattern, pattern)
    }

    /// Compiles an expression that has to match the whole text: `^(?s:pattern)$`.
    ///
    /// # Errors
    ///
    /// As [`Regexp::new`]; the error shows the pattern with what is put around it, as upstream does.
    pub fn anchored(pattern: &str) -> Result<Self, Error> {
        Self::compile(pattern, &format!("^(?s:{pattern})$"))
    }

    fn compile(pattern: &str, full: &str) -> Result<Self, Error> {
        let parsed = parse::parse(full, Options { dot_all: false, captures: true })?;
        let shape = shape::inside_anchors(&parsed.hir).and_then(|it| Shape::of(&it));
        let engine = Engine::new(&parsed, full)?;
        Ok(Regexp(Arc::new(Inner {
            pattern: pattern.to_owned(),
            shape,
            engine,
            names: parsed.names,
        })))
    }

    /// Returns the pattern as it was given.
    pub fn pattern(&self) -> &str {
        &self.0.pattern
    }

    /// Returns the name of each group. Group 0, the whole match, has none.
    pub fn group_names(&self) -> impl ExactSizeIterator<Item = Option<&str>> {
        self.0.names.iter().map(|it| it.as_deref())
    }

    /// Reports whether the expression matches.
    pub fn is_match(&self, text: &str) -> bool {
        match &self.0.shape {
            Some(shape) if !shape.is_match(text) => false,
            Some(shape) if shape.is_exact() => true,
            _ => self.0.engine.is_match(text),
        }
    }

    /// Returns the groups of the leftmost match.
    pub fn find_submatches<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        match &self.0.shape {
            Some(shape) if !shape.is_match(text) => None,
            _ => self.0.engine.captures(text),
        }
    }

    /// Returns the groups of every match, from left to right, none overlapping another.
    pub fn find_all_submatches<'r, 't>(
        &'r self,
        text: &'t str,
    ) -> impl Iterator<Item = Captures<'t>> + use<'r, 't> {
        self.0.engine.captures_iter(text)
    }

    /// Appends `template` to `output`, its references replaced by what the groups matched.
    ///
    /// `$name` takes the longest run of letters, digits and `_`; `${name}` ends at the brace; `$$`
    /// is a dollar sign. References to groups that did not match or do not exist become nothing.
    pub fn expand(&self, template: &str, groups: &Captures<'_>, output: &mut String) {
        captures::expand(template, groups, &self.0.names, output);
    }

    /// Returns the text with every match replaced by the expanded `template`.
    pub fn replace_all(&self, text: &str, template: &str) -> String {
        let mut output = String::with_capacity(text.len());
        let mut done = 0;
        for groups in self.find_all_submatches(text) {
            let span = groups.span(0).expect("group 0 is the whole match");
            output.push_str(&text[done..span.start]);
            self.expand(template, &groups, &mut output);
            done = span.end;
        }
        output.push_str(&text[done..]);
        output
    }
}

impl fmt::Debug for Regexp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Regexp").field(&self.pattern()).finish()
    }
}

impl PartialEq for Regexp {
    fn eq(&self, other: &Self) -> bool {
        self.pattern() == other.pattern()
    }
}

impl Eq for Regexp {}
