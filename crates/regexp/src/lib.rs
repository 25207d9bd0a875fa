//! Go's regular expressions (RE2 syntax), as configuration files and queries write them.
//!
//! # Design
//!
//! A pattern is read by an own parser ([`parse`](Regexp::new) follows Go's grammar and its error
//! texts, which users and tools see) straight into the intermediate form of the `regex-syntax`
//! crate, and run by `regex-automata`. Both engines search leftmost-first, so captures agree.
//!
//! ```text
//! pattern ─parse▶ Hir ─shape▶ exact strings, or pieces with gaps between ─▶ decides without engine
//!                  └────────▶ engine (only where the shape cannot decide)
//! ```
//!
//! - [`Matcher`] answers "does the whole text match `^(?s:re)$`" and nothing else: the matcher of
//!   a label. A set of literals, a prefix, a suffix, a contained literal or a case-insensitive
//!   literal never runs the engine; where the engine is needed its required literals are looked
//!   for first.
//! - [`Regexp`] also has capture groups and expands templates (`$1`, `${name}`, `$$`):
//!   relabelling, `label_replace`.
//!
//! Both are an `Arc` inside: cloning costs nothing, they are `Send` and `Sync`.
//!
//! # Bounds
//!
//! A pattern may nest [1000 deep](NESTING_MAX), repeat 1000 times over all nested counts, and compile to
//! [32 MiB](PROGRAM_BYTES_MAX); past that it is an error, as in Go. Matching takes time linear in the text.
//!
//! # What it does not do
//!
//! Match bytes that are not UTF-8: label values and configuration are text. POSIX leftmost-longest
//! search.

mod captures;
mod engine;
mod error;
mod matcher;
mod parse;
mod piece;
mod regexp;
mod shape;

pub use captures::Captures;
pub use error::{Error, ErrorKind};
pub use matcher::Matcher;
pub use regexp::Regexp;

/// How deep an expression may nest.
pub const NESTING_MAX: u32 = 1000;

/// How much memory the compiled program of one expression may take.
pub const PROGRAM_BYTES_MAX: usize = 32 << 20;
