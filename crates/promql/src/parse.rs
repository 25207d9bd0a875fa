//! Tokens to syntax tree: a Pratt parser with one token of lookahead.
//!
//! The first error ends the parse. Where a rule of the language has words of its own for a syntax
//! error (`… in grouping opts, expected label`), the innermost one applies; everything within an
//! aggregation whose closing parenthesis was not reached is `in aggregation`.

mod aggregate;
mod binary;
mod duration;
mod matchers;
mod modifier;
mod primary;

use model::{Labels, Matcher};

use crate::Options;
use crate::ast::{BinaryOp, Expr, PosRange};
use crate::error::ParseError;
use crate::lex::Lexer;
use crate::token::{Builtin, Keyword, Kind, Token};

pub(crate) use primary::parse_number;

/// How deep a tree may be. A chain of operators makes a deep tree, too: that of `a + b + c` is 3 deep.
pub const DEPTH_MAX: u32 = 250;

/// How deep parentheses, calls and signs may nest; less than [`DEPTH_MAX`], as parsing takes more stack
/// than walking a tree.
const NESTING_MAX: u32 = 100;

type Result<T> = std::result::Result<T, ParseError>;

/// Reads one query.
pub(crate) struct Parser<'a> {
    lexer: Lexer<'a>,
    options: &'a Options,
    /// The token that is looked at.
    token: Token,
    /// How many expressions are open above the current position.
    depth: u32,
    /// The height of the expression that was completed last.
    height: u32,
    /// How many aggregations are open.
    aggregations: u32,
}

impl<'a> Parser<'a> {
    /// Starts at the beginning of `input`.
    pub(crate) fn new(input: &'a str, options: &'a Options) -> Self {
        let mut lexer = Lexer::new(input);
        let token = lexer.next_token();
        Self { lexer, options, token, depth: 0, height: 0, aggregations: 0 }
    }

    /// Reads the whole input as an expression; types are not checked yet.
    pub(crate) fn query(mut self) -> Result<Expr> {
        if self.token.kind == Kind::Eof {
            return Err(self.error(PosRange::default(), "no expression found in input"));
        }
        let expr = self.expr(0)?;
        self.end()?;
        Ok(expr)
    }

    /// Reads the whole input as a selector and returns its matchers.
    pub(crate) fn selector(mut self) -> Result<Vec<Matcher>> {
        if !self.token.kind.is_metric_name() && self.token.kind != Kind::LeftBrace {
            return Err(self.unexpected_here());
        }
        let selector = self.vector_selector()?;
        self.end()?;
        Ok(selector.matchers)
    }

    /// Reads the whole input as a metric: a name, labels in braces, or both.
    pub(crate) fn metric(mut self) -> Result<Labels> {
        let labels = self.metric_labels()?;
        self.end()?;
        Ok(labels)
    }

    /// Reads a metric at the start of the input, without blank between name and braces. Returns the
    /// labels and where the rest begins.
    pub(crate) fn metric_prefix(mut self) -> Result<(Labels, usize)> {
        let input = self.lexer.input.as_bytes();
        if self.token.kind.is_metric_name() && input.get(self.token.end) != Some(&b'{') {
            let name = self.text();
            return Ok((Labels::from_pairs([(model::METRIC_NAME, name)]), self.token.end));
        }
        let labels = self.metric_labels_unterminated()?;
        Ok((labels, self.token.end))
    }

    fn end(&self) -> Result<()> {
        if self.token.kind == Kind::Eof { Ok(()) } else { Err(self.unexpected_here()) }
    }

    /// Reads an expression whose operators bind at least as tightly as `precedence_min`.
    fn expr(&mut self, precedence_min: u8) -> Result<Expr> {
        self.descend()?;
        let mut lhs = self.operand()?;
        while let Kind::Op(op) = self.token.kind {
            if op.precedence() < precedence_min {
                break;
            }
            lhs = self.binary(op, lhs)?;
        }
        self.depth -= 1;
        Ok(lhs)
    }

    /// Notes that an expression was built above ones of height `below`.
    fn grow(&mut self, below: u32) -> Result<()> {
        self.height = below + 1;
        self.check_depth(self.height, DEPTH_MAX)
    }

    /// Notes that an expression begins within another.
    fn descend(&mut self) -> Result<()> {
        self.depth += 1;
        self.check_depth(self.depth, NESTING_MAX)
    }

    fn check_depth(&self, depth: u32, limit: u32) -> Result<()> {
        if limit < depth {
            let text = format!("expression is nested too deeply, the limit is {limit}");
            return Err(self.error(self.token_pos(), text));
        }
        Ok(())
    }

    fn advance(&mut self) -> Token {
        let token = self.token;
        self.token = self.lexer.next_token();
        token
    }

    /// Skips a token of this kind, if it is there.
    fn accept(&mut self, kind: Kind) -> bool {
        let found = self.token.kind == kind;
        if found {
            self.advance();
        }
        found
    }

    /// Skips a token of this kind; an error of no context if it is not there.
    fn expect(&mut self, kind: Kind) -> Result<Token> {
        if self.token.kind == kind { Ok(self.advance()) } else { Err(self.unexpected_here()) }
    }

    fn text(&self) -> &'a str {
        self.text_of(self.token)
    }

    fn text_of(&self, token: Token) -> &'a str {
        &self.lexer.input[token.start..token.end]
    }

    fn token_pos(&self) -> PosRange {
        PosRange::new(self.token.start, self.token.end)
    }

    fn error(&self, pos: PosRange, text: impl Into<String>) -> ParseError {
        ParseError::new(self.lexer.input, pos, text)
    }

    /// The current token is wrong, and no rule says more.
    fn unexpected_here(&self) -> ParseError {
        self.unexpected(if 0 < self.aggregations { "aggregation" } else { "" }, "")
    }

    /// The current token is wrong.
    fn unexpected(&self, context: &str, expected: &str) -> ParseError {
        if self.token.kind == Kind::Error {
            return self.error(self.token_pos(), self.lexer.error());
        }
        let mut text = format!("unexpected {}", self.token.kind.describe(self.text()));
        if !context.is_empty() {
            text.push_str(" in ");
            text.push_str(context);
        }
        if !expected.is_empty() {
            text.push_str(", expected ");
            text.push_str(expected);
        }
        self.error(self.token_pos(), text)
    }
}

impl Token {
    fn pos(self) -> PosRange {
        PosRange::new(self.start, self.end)
    }
}
