//! The syntax tree of a query.
//!
//! Every node knows where it stands in the query text, in bytes ([`PosRange`]). What the parser
//! returns has been type-checked: an [`Aggregate`] has the parameter its operator needs, the
//! arguments of a [`Call`] have the types its function takes, both sides of a [`Binary`] are scalars
//! or instant vectors. Nodes larger than a few words are boxed, so an [`Expr`] is 48 bytes or less.

mod duration;
mod operator;

use model::Matcher;

pub(crate) use duration::SECONDS_MAX;
pub use duration::{DurationContext, DurationError, DurationExpr, DurationOp};
pub use operator::{AggregateOp, BinaryOp, UnaryOp};

use crate::function::Function;

/// A piece of the query text: the bytes `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PosRange {
    /// First byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl PosRange {
    /// The bytes `start..end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// From the start of `self` to the end of `other`.
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }
}

/// What an expression evaluates to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// One number for each step.
    Scalar,
    /// A text.
    String,
    /// For each series at most one sample a step: an instant vector.
    Vector,
    /// For each series the samples of a window: a range vector.
    Matrix,
}

impl ValueType {
    /// The name in JSON: `scalar`, `string`, `vector`, `matrix`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::String => "string",
            Self::Vector => "vector",
            Self::Matrix => "matrix",
        }
    }

    /// The name in messages: `scalar`, `string`, `instant vector`, `range vector`.
    pub fn documented(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::String => "string",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
        }
    }
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// `1.5`, `5m`.
    Number(NumberLiteral),
    /// `"text"`.
    String(StringLiteral),
    /// `name{label="value"}`.
    Vector(Box<VectorSelector>),
    /// `name{label="value"}[5m]`.
    Matrix(Box<MatrixSelector>),
    /// `expr[1h:5m]`.
    Subquery(Box<Subquery>),
    /// `rate(…)`.
    Call(Box<Call>),
    /// `sum by (a) (…)`.
    Aggregate(Box<Aggregate>),
    /// `a + b`.
    Binary(Box<Binary>),
    /// `-a`.
    Unary(Box<Unary>),
    /// `(a)`.
    Paren(Box<Paren>),
}

/// A number. A sign in front of a literal belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberLiteral {
    /// The value; seconds if written as a duration.
    pub value: f64,
    /// Written as a duration: `5m`.
    pub is_duration: bool,
    /// Where it stands.
    pub pos: PosRange,
}

/// A text.
#[derive(Clone, Debug, PartialEq)]
pub struct StringLiteral {
    /// The text without quotes and escapes.
    pub value: String,
    /// Where it stands, quotes included.
    pub pos: PosRange,
}

/// Which end of the query a `@ start()` or `@ end()` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartOrEnd {
    /// `@ start()`
    Start,
    /// `@ end()`
    End,
}

impl StartOrEnd {
    /// `start` or `end`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::End => "end",
        }
    }
}

/// When a selector or subquery looks: the `offset` and `@` modifiers behind it.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct TimeShift {
    /// `offset` as written, in milliseconds; 0 if absent or an expression.
    pub original_offset_ms: i64,
    /// `offset` if written as an expression; whoever evaluates writes its value to
    /// `original_offset_ms`.
    pub offset_expr: Option<DurationExpr>,
    /// The offset in force, in milliseconds. The parser sets it to `original_offset_ms`; evaluation
    /// may replace it.
    pub offset_ms: i64,
    /// `@` with a number, in milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// `@ start()` or `@ end()`; whoever evaluates writes the time to `timestamp_ms`.
    pub start_or_end: Option<StartOrEnd>,
}

impl TimeShift {
    /// True if there is an `@`.
    pub fn has_at(&self) -> bool {
        self.timestamp_ms.is_some() || self.start_or_end.is_some()
    }
}

/// Selects, at each step, one sample of each matching series.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSelector {
    /// The metric name in front of the braces, or `""`. It is also the last matcher.
    pub name: String,
    /// Conditions on the labels, in written order.
    pub matchers: Vec<Matcher>,
    /// `offset` and `@`.
    pub shift: TimeShift,
    /// `anchored`
    pub anchored: bool,
    /// `smoothed`
    pub smoothed: bool,
    /// Where it stands.
    pub pos: PosRange,
}

/// Selects, at each step, the samples of a window of each matching series. Modifiers are those of
/// the inner selector, wherever they are written.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixSelector {
    /// Which series, and when.
    pub selector: VectorSelector,
    /// Length of the window in milliseconds; 0 if it is an expression.
    pub range_ms: i64,
    /// Length of the window if written as an expression; whoever evaluates writes its value to
    /// `range_ms`.
    pub range_expr: Option<DurationExpr>,
    /// Where it stands, from the name to the end of the last modifier.
    pub pos: PosRange,
}

/// Evaluates an expression over a window, at steps of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Subquery {
    /// What to evaluate; an instant vector.
    pub expr: Expr,
    /// Length of the window in milliseconds; 0 if it is an expression.
    pub range_ms: i64,
    /// Length of the window if written as an expression; as in [`MatrixSelector`].
    pub range_expr: Option<DurationExpr>,
    /// Step in milliseconds; 0 if left out (then the default applies) or an expression.
    pub step_ms: i64,
    /// The step if written as an expression; whoever evaluates writes its value to `step_ms`.
    pub step_expr: Option<DurationExpr>,
    /// `offset` and `@`.
    pub shift: TimeShift,
    /// Where it stands.
    pub pos: PosRange,
}

/// A function applied to arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Which function.
    pub function: &'static Function,
    /// The arguments, of the types the function takes.
    pub args: Vec<Expr>,
    /// Where it stands, from the name to the closing parenthesis.
    pub pos: PosRange,
}

/// An aggregation of an instant vector into groups.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// How a group becomes one element.
    pub op: AggregateOp,
    /// What is aggregated; an instant vector.
    pub expr: Expr,
    /// The parameter of the operators that have one.
    pub param: Option<Expr>,
    /// The labels of `by` or `without`.
    pub grouping: Vec<String>,
    /// `without` instead of `by`.
    pub without: bool,
    /// Where it stands.
    pub pos: PosRange,
}

/// Two expressions joined by an operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// Left side.
    pub lhs: Expr,
    /// Right side.
    pub rhs: Expr,
    /// How elements find each other; present exactly if both sides are instant vectors.
    pub matching: Option<VectorMatching>,
    /// `bool` behind a comparison.
    pub return_bool: bool,
}

/// How many elements on each side may have the same match labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cardinality {
    /// One each.
    OneToOne,
    /// Several on the left: `group_left`.
    ManyToOne,
    /// Several on the right: `group_right`.
    OneToMany,
    /// Any number: the set operators.
    ManyToMany,
}

impl Cardinality {
    /// `one-to-one` and so on.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneToOne => "one-to-one",
            Self::ManyToOne => "many-to-one",
            Self::OneToMany => "one-to-many",
            Self::ManyToMany => "many-to-many",
        }
    }
}

/// How the elements of two instant vectors find each other.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorMatching {
    /// How many may meet.
    pub card: Cardinality,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// `on` instead of `ignoring`.
    pub on: bool,
    /// The labels of `group_left` or `group_right`.
    pub include: Vec<String>,
    /// Values for elements without partner.
    pub fill: Fill,
}

/// The values that stand in for missing elements.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Fill {
    /// `fill_left`: instead of a missing left element.
    pub lhs: Option<f64>,
    /// `fill_right`: instead of a missing right element.
    pub rhs: Option<f64>,
}

/// A sign in front of an expression that is not a literal.
#[derive(Clone, Debug, PartialEq)]
pub struct Unary {
    /// The sign.
    pub op: UnaryOp,
    /// What it applies to.
    pub expr: Expr,
    /// Where the sign stands.
    pub start: usize,
}

/// An expression in parentheses.
#[derive(Clone, Debug, PartialEq)]
pub struct Paren {
    /// What is inside.
    pub expr: Expr,
    /// Where it stands, parentheses included.
    pub pos: PosRange,
}

impl Expr {
    /// Where the expression stands in the query.
    pub fn pos(&self) -> PosRange {
        match self {
            Self::Number(it) => it.pos,
            Self::String(it) => it.pos,
            Self::Vector(it) => it.pos,
            Self::Matrix(it) => it.pos,
            Self::Subquery(it) => it.pos,
            Self::Call(it) => it.pos,
            Self::Aggregate(it) => it.pos,
            Self::Binary(it) => it.pos(),
            Self::Unary(it) => PosRange::new(it.start, it.expr.pos().end),
            Self::Paren(it) => it.pos,
        }
    }

    /// What it evaluates to.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Number(_) => ValueType::Scalar,
            Self::String(_) => ValueType::String,
            Self::Vector(_) | Self::Aggregate(_) => ValueType::Vector,
            Self::Matrix(_) | Self::Subquery(_) => ValueType::Matrix,
            Self::Call(it) => it.function.returns,
            Self::Binary(it) => it.value_type(),
            Self::Unary(it) => it.expr.value_type(),
            Self::Paren(it) => it.expr.value_type(),
        }
    }

    /// The expression inside any number of parentheses.
    pub fn unwrap_parens(&self) -> &Self {
        let mut it = self;
        while let Self::Paren(paren) = it {
            it = &paren.expr;
        }
        it
    }

    /// The expressions directly below this one, in evaluation order: an aggregation's operand, then
    /// its parameter. The selector of a [`MatrixSelector`] is not an expression of its own.
    pub fn children(&self) -> impl Iterator<Item = &Self> {
        let (args, pair): (&[Self], [Option<&Self>; 2]) = match self {
            Self::Number(_) | Self::String(_) | Self::Vector(_) | Self::Matrix(_) => {
                (&[], [None, None])
            }
            Self::Call(it) => (&it.args, [None, None]),
            Self::Subquery(it) => (&[], [Some(&it.expr), None]),
            Self::Aggregate(it) => (&[], [Some(&it.expr), it.param.as_ref()]),
            Self::Binary(it) => (&[], [Some(&it.lhs), Some(&it.rhs)]),
            Self::Unary(it) => (&[], [Some(&it.expr), None]),
            Self::Paren(it) => (&[], [Some(&it.expr), None]),
        };
        args.iter().chain(pair.into_iter().flatten())
    }

    /// The expressions directly below this one, to change them; order as [`Expr::children`].
    pub fn children_mut(&mut self) -> impl Iterator<Item = &mut Self> {
        let (args, pair): (&mut [Self], [Option<&mut Self>; 2]) = match self {
            Self::Number(_) | Self::String(_) | Self::Vector(_) | Self::Matrix(_) => {
                (&mut [], [None, None])
            }
            Self::Call(it) => (&mut it.args, [None, None]),
            Self::Subquery(it) => (&mut [], [Some(&mut it.expr), None]),
            Self::Aggregate(it) => (&mut [], [Some(&mut it.expr), it.param.as_mut()]),
            Self::Binary(it) => (&mut [], [Some(&mut it.lhs), Some(&mut it.rhs)]),
            Self::Unary(it) => (&mut [], [Some(&mut it.expr), None]),
            Self::Paren(it) => (&mut [], [Some(&mut it.expr), None]),
        };
        args.iter_mut().chain(pair.into_iter().flatten())
    }

    /// Calls `visit` with this expression and all below it, parents first.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Self)) {
        visit(self);
        for child in self.children() {
            child.walk(visit);
        }
    }

    /// Calls `visit` with every selector, those of range selectors included, in written order.
    pub fn walk_selectors<'a>(&'a self, visit: &mut impl FnMut(&'a VectorSelector)) {
        self.walk(&mut |it| match it {
            Self::Vector(selector) => visit(selector),
            Self::Matrix(matrix) => visit(&matrix.selector),
            _ => {}
        });
    }
}

impl Binary {
    /// Where it stands: from its left to its right side.
    pub fn pos(&self) -> PosRange {
        self.lhs.pos().to(self.rhs.pos())
    }

    fn value_type(&self) -> ValueType {
        match (self.lhs.value_type(), self.rhs.value_type()) {
            (ValueType::Scalar, ValueType::Scalar) => ValueType::Scalar,
            _ => ValueType::Vector,
        }
    }
}
