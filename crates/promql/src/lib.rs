//! The query language: text to syntax tree and back.
//!
//! - [`parse`] reads a query and checks its types; [`parse_selector`] reads a `match[]` parameter,
//!   [`parse_metric`] a label set, [`series`] the notation of series in test files.
//! - [`ast`]: the tree, with positions on every node.
//! - [`function`]: which functions there are, and their signatures.
//! - `Display` of an [`Expr`] prints it on one line, [`Expr::pretty`] on several, [`Expr::to_json`] as JSON.
//!
//! # Design
//!
//! A lexer that is asked for one token at a time, a Pratt parser with one token of lookahead that
//! builds the tree, a pass over the tree that checks types. One allocation for each node larger than
//! a few words, one for each string; nothing else. The first error ends the parse; its text and
//! position are those that users of Prometheus know. Depth is bounded by [`DEPTH_MAX`], so that
//! walking a tree recursively is safe.
//!
//! Nothing is evaluated here but durations that are computed from the query's step and range.
//!
//! ```
//! let expr = promql::parse("sum(rate(x[5m])) by (a)", &promql::Options::default())?;
//! assert_eq!(expr.to_string(), "sum by (a) (rate(x[5m]))");
//!
//! let error = promql::parse("sum(rate(x[5m]) by (a)", &promql::Options::default()).unwrap_err();
//! assert_eq!(error.to_string(), "1:17: parse error: unexpected <by> in aggregation");
//! # Ok::<(), promql::ParseError>(())
//! ```

pub mod ast;
mod check;
mod error;
pub mod function;
mod json;
mod lex;
mod parse;
mod print;
pub mod series;
mod token;

use model::{Labels, Matcher};

pub use ast::Expr;
pub use error::ParseError;
pub use parse::DEPTH_MAX;

/// Which experimental parts of the language are on. What is off is an error when it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// Functions and aggregations marked experimental.
    pub experimental_functions: bool,
    /// `anchored` and `smoothed`.
    pub extended_range_selectors: bool,
    /// `fill`, `fill_left`, `fill_right`.
    pub fill_modifiers: bool,
}

impl Options {
    /// Everything on.
    pub const ALL: Self =
        Self { experimental_functions: true, extended_range_selectors: true, fill_modifiers: true };
}

/// Reads a query and checks its types.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse(input: &str, options: &Options) -> Result<Expr, ParseError> {
    let mut expr = parse::Parser::new(input, options).query()?;
    check::check(input, &mut expr)?;
    Ok(expr)
}

/// Reads a selector without modifiers, `name{label="value"}`, and returns its matchers; that of the
/// name is the last one. There may be none, or only such that match the empty string.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse_selector(input: &str) -> Result<Vec<Matcher>, ParseError> {
    parse::Parser::new(input, &Options::default()).selector()
}

/// Reads a metric: `name{label="value"}`.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse_metric(input: &str) -> Result<Labels, ParseError> {
    parse::Parser::new(input, &Options::default()).metric()
}
