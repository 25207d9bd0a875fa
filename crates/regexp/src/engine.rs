//! Builds and runs the automaton.

use std::thread;

use regex_automata::meta;
use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::util::captures;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::Hir;

use crate::PROGRAM_BYTES_MAX;
use crate::captures::Captures;
use crate::error::{Error, ErrorKind};
use crate::parse::Parsed;

/// Nesting up to which an expression is compiled on the caller's stack.
///
/// The compiler recurses: a few kilobytes for each level where it was built without optimisation.
const SHALLOW_MAX: u32 = 100;

/// Stack of the thread that compiles a deeper expression; enough for the deepest one allowed.
const DEEP_STACK_BYTES: usize = 64 << 20;

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    regex: meta::Regex,
    n_groups: usize,
}

impl Engine {
    /// Compiles an expression to search anywhere in a text. `pattern` is for the error.
    pub(crate) fn new(parsed: &Parsed, pattern: &str) -> Result<Self, Error> {
        let captures =
            if parsed.names.len() > 1 { WhichCaptures::All } else { WhichCaptures::Implicit };
        let built = if parsed.height <= SHALLOW_MAX {
            build(&parsed.hir, captures)
        } else {
            thread::scope(|scope| {
                let builder = thread::Builder::new().stack_size(DEEP_STACK_BYTES);
                let task = builder.spawn_scoped(scope, || build(&parsed.hir, captures));
                task.ok().and_then(|it| it.join().ok()).flatten()
            })
        };
        built
            .map(|regex| Engine { regex, n_groups: parsed.names.len() })
            .ok_or_else(|| Error::new(ErrorKind::TooLarge, pattern))
    }

    /// Reports whether the expression matches somewhere in the text.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Reports whether the expression matches from the start of the text.
    pub(crate) fn is_match_from_start(&self, text: &str) -> bool {
        self.regex.is_match(Input::new(text).anchored(Anchored::Yes))
    }

    /// Returns the groups of the leftmost match.
    pub(crate) fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        let mut found = self.regex.create_captures();
        self.regex.captures(text, &mut found);
        found.is_match().then(|| self.groups(text, &found))
    }

    /// Returns the groups of all matches, from left to right, none overlapping another.
    pub(crate) fn captures_iter<'t>(&self, text: &'t str) -> impl Iterator<Item = Captures<'t>> {
        self.regex.captures_iter(text).map(move |found| self.groups(text, &found))
    }

    /// The engine forgets trailing groups that can never match: `(a){0}`.
    fn groups<'t>(&self, text: &'t str, found: &captures::Captures) -> Captures<'t> {
        let span = |group| found.get_group(group).map(|it| it.range());
        Captures::new(text, (0..self.n_groups).map(span).collect())
    }
}

/// Returns `None` where the program would be too large.
fn build(hir: &Hir, captures: WhichCaptures) -> Option<meta::Regex> {
    let config =
        meta::Config::new().nfa_size_limit(Some(PROGRAM_BYTES_MAX)).which_captures(captures);
    meta::Builder::new().configure(config).build_from_hir(hir).ok()
}
