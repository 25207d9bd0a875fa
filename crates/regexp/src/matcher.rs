//! The matcher of a label: yes or no for the whole text.

use std::fmt;
use std::sync::Arc;

use hashbrown::HashSet;
use regex_syntax::hir::{Hir, Look};

use crate::engine::Engine;
use crate::error::Error;
use crate::parse::{self, Options};
use crate::shape::{self, Shape};

/// From how many strings on a hash set finds one faster than a look at each.
const HASHED_MIN: usize = 16;

/// A compiled expression that has to match the whole text, with shortcuts around the engine.
///
/// ```
/// let matcher = regexp::Matcher::new("GET|POST")?;
/// assert!(matcher.is_match("GET") && !matcher.is_match("GETS"));
/// assert_eq!(matcher.set_matches(), ["GET", "POST"]);
/// assert_eq!(regexp::Matcher::new("node_cpu.*")?.prefix(), Some("node_cpu"));
/// # Ok::<(), regexp::Error>(())
/// ```
#[derive(Clone)]
pub struct Matcher(Arc<Inner>);

struct Inner {
    pattern: String,
    /// What every matching text begins with.
    prefix: String,
    decision: Decision,
}

/// How a text is decided.
enum Decision {
    /// It is one of these.
    Few(Vec<String>),
    /// It is one of these; the set holds the same strings.
    Many(Vec<String>, HashSet<String>),
    /// It has this shape.
    Shape(Shape),
    /// It has this shape, and the engine agrees.
    ShapeAndEngine(Shape, Engine),
    Engine(Engine),
}

impl Matcher {
    /// Compiles a pattern to match as `^(?s:pattern)$`.
    ///
    /// # Errors
    ///
    /// The pattern is not one, nests too deeply, or needs too large a program.
    pub fn new(pattern: &str) -> Result<Self, Error> {
        let mut parsed = parse::parse(pattern, Options { dot_all: true, captures: false })?;
        parsed.hir = shape::without_anchors(&parsed.hir);
        if let Some(strings) = shape::strings(&parsed.hir, pattern.len()) {
            return Ok(Self::of_strings(pattern, strings));
        }
        let shape = Shape::of(&parsed.hir);
        let prefix = shape.as_ref().map_or("", Shape::prefix).to_owned();
        let decision = match shape {
            Some(shape) if shape.is_exact() => Decision::Shape(shape),
            shape => {
                parsed.hir =
                    Hir::concat(vec![Hir::look(Look::Start), parsed.hir, Hir::look(Look::End)]);
                let engine = Engine::new(&parsed, pattern)?;
                match shape {
                    Some(shape) => Decision::ShapeAndEngine(shape, engine),
                    None => Decision::Engine(engine),
                }
            }
        };
        Ok(Matcher(Arc::new(Inner { pattern: pattern.to_owned(), prefix, decision })))
    }

    fn of_strings(pattern: &str, strings: Vec<String>) -> Self {
        let prefix = shape::common_prefix(strings.iter().map(String::as_str)).to_owned();
        let decision = if strings.len() < HASHED_MIN {
            Decision::Few(strings)
        } else {
            let set = strings.iter().cloned().collect();
            Decision::Many(strings, set)
        };
        Matcher(Arc::new(Inner { pattern: pattern.to_owned(), prefix, decision }))
    }

    /// Returns the pattern as it was given.
    pub fn pattern(&self) -> &str {
        &self.0.pattern
    }

    /// Reports whether the whole text matches.
    pub fn is_match(&self, text: &str) -> bool {
        match &self.0.decision {
            Decision::Few(strings) => strings.iter().any(|it| it == text),
            Decision::Many(_, set) => set.contains(text),
            Decision::Shape(shape) => shape.is_match(text),
            Decision::ShapeAndEngine(shape, engine) => {
                shape.is_match(text) && engine.is_match_from_start(text)
            }
            Decision::Engine(engine) => engine.is_match_from_start(text),
        }
    }

    /// Returns all the texts that match, if they are known to be few; empty where they are not.
    ///
    /// In the order of the pattern, none twice.
    pub fn set_matches(&self) -> &[String] {
        match &self.0.decision {
            Decision::Few(strings) | Decision::Many(strings, _) => strings,
            _ => &[],
        }
    }

    /// Returns what every matching text begins with, if anything is known.
    pub fn prefix(&self) -> Option<&str> {
        (!self.0.prefix.is_empty()).then_some(&self.0.prefix)
    }

    /// Reports whether every text matches, the empty one too (`.*`). May miss unusual spellings.
    pub fn matches_everything(&self) -> bool {
        matches!(&self.0.decision, Decision::Shape(shape) if shape.is_any_text(0))
    }

    /// Reports whether exactly the texts that are not empty match (`.+`). May miss unusual spellings.
    pub fn matches_all_but_empty(&self) -> bool {
        matches!(&self.0.decision, Decision::Shape(shape) if shape.is_any_text(1))
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Matcher").field(&self.pattern()).finish()
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.pattern() == other.pattern()
    }
}

impl Eq for Matcher {}

#[cfg(test)]
mod tests;
