//! What the lexer hands to the parser.

use crate::ast::{AggregateOp, BinaryOp};

/// A kind of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The input is over.
    Eof,
    /// Nothing that the language knows; the lexer holds the text of the error.
    Error,
    /// A word without `:`.
    Identifier,
    /// A word with `:`.
    MetricIdentifier,
    /// A number, or `inf`, `nan`.
    Number,
    /// A number with units.
    Duration,
    /// A text in any of the three quotes.
    String,
    /// An operator between expressions. `+` and `-` may also be signs, `!=` a matcher.
    Op(BinaryOp),
    /// `=`
    Equal,
    /// `=~`
    EqualRegexp,
    /// `!~`
    NotRegexp,
    /// `@`
    At,
    /// The name of an aggregation.
    Aggregate(AggregateOp),
    /// A modifier.
    Keyword(Keyword),
    /// A word that is a function or part of a modifier.
    Builtin(Builtin),
    /// `(`
    LeftParen,
    /// `)`
    RightParen,
    /// `{`
    LeftBrace,
    /// `}`
    RightBrace,
    /// `[`
    LeftBracket,
    /// `]`
    RightBracket,
    /// `,`
    Comma,
    /// `:` within brackets.
    Colon,
}

/// A word that modifies what stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    Offset,
    By,
    Without,
    On,
    Ignoring,
    GroupLeft,
    GroupRight,
    Bool,
    Smoothed,
    Anchored,
    Fill,
    FillLeft,
    FillRight,
}

/// A word that stands for a property of the query, or compares two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builtin {
    Start,
    End,
    Step,
    Range,
    MaxOf,
    MinOf,
}

/// A token and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The longest word in [`word_kind`].
const WORD_MAX: usize = 12;

/// Tells a keyword, in any case, from an ordinary word.
pub(crate) fn word_kind(word: &str) -> Kind {
    let mut buffer = [0; WORD_MAX];
    if let Some(lower) = buffer.get_mut(..word.len()) {
        lower.copy_from_slice(word.as_bytes());
        lower.make_ascii_lowercase();
        if let Some(kind) = reserved(lower) {
            return kind;
        }
    }
    if word.contains(':') { Kind::MetricIdentifier } else { Kind::Identifier }
}

fn reserved(lower: &[u8]) -> Option<Kind> {
    use {AggregateOp as A, BinaryOp as B, Builtin as U, Keyword as K};
    Some(match lower {
        b"and" => Kind::Op(B::And),
        b"or" => Kind::Op(B::Or),
        b"unless" => Kind::Op(B::Unless),
        b"atan2" => Kind::Op(B::Atan2),
        b"sum" => Kind::Aggregate(A::Sum),
        b"avg" => Kind::Aggregate(A::Avg),
        b"count" => Kind::Aggregate(A::Count),
        b"min" => Kind::Aggregate(A::Min),
        b"max" => Kind::Aggregate(A::Max),
        b"group" => Kind::Aggregate(A::Group),
        b"stddev" => Kind::Aggregate(A::Stddev),
        b"stdvar" => Kind::Aggregate(A::Stdvar),
        b"topk" => Kind::Aggregate(A::Topk),
        b"bottomk" => Kind::Aggregate(A::Bottomk),
        b"count_values" => Kind::Aggregate(A::CountValues),
        b"quantile" => Kind::Aggregate(A::Quantile),
        b"limitk" => Kind::Aggregate(A::Limitk),
        b"limit_ratio" => Kind::Aggregate(A::LimitRatio),
        b"offset" => Kind::Keyword(K::Offset),
        b"by" => Kind::Keyword(K::By),
        b"without" => Kind::Keyword(K::Without),
        b"on" => Kind::Keyword(K::On),
        b"ignoring" => Kind::Keyword(K::Ignoring),
        b"group_left" => Kind::Keyword(K::GroupLeft),
        b"group_right" => Kind::Keyword(K::GroupRight),
        b"bool" => Kind::Keyword(K::Bool),
        b"smoothed" => Kind::Keyword(K::Smoothed),
        b"anchored" => Kind::Keyword(K::Anchored),
        b"fill" => Kind::Keyword(K::Fill),
        b"fill_left" => Kind::Keyword(K::FillLeft),
        b"fill_right" => Kind::Keyword(K::FillRight),
        b"start" => Kind::Builtin(U::Start),
        b"end" => Kind::Builtin(U::End),
        b"step" => Kind::Builtin(U::Step),
        b"range" => Kind::Builtin(U::Range),
        b"max_of" => Kind::Builtin(U::MaxOf),
        b"min_of" => Kind::Builtin(U::MinOf),
        b"inf" | b"nan" => Kind::Number,
        _ => return None,
    })
}

impl Kind {
    /// True for a word that may name a metric: any but the modifiers of binary operators.
    pub(crate) fn is_metric_name(self) -> bool {
        use Keyword::{Bool, GroupLeft, GroupRight, Ignoring, On};
        match self {
            Self::Identifier | Self::MetricIdentifier | Self::Aggregate(_) | Self::Builtin(_) => {
                true
            }
            Self::Op(op) => op.is_set(),
            Self::Keyword(it) => !matches!(it, Bool | On | Ignoring | GroupLeft | GroupRight),
            _ => false,
        }
    }

    /// True for a word that may be a label in a grouping: any but `without`.
    pub(crate) fn is_label(self) -> bool {
        match self {
            Self::Op(op) => op.is_set() || op == BinaryOp::Atan2,
            Self::Keyword(it) => it != Keyword::Without,
            _ => self.is_metric_name(),
        }
    }

    /// How a message names a token of this kind with this text.
    pub(crate) fn describe(self, text: &str) -> String {
        let word = match self {
            Self::Eof => return "end of input".into(),
            Self::Op(_) | Self::EqualRegexp | Self::NotRegexp | Self::At => {
                return format!("<op:{text}>");
            }
            Self::Aggregate(_) => return format!("<aggr:{text}>"),
            Self::Keyword(_) => return format!("<{text}>"),
            Self::Identifier => return format!("identifier {}", model::quote(text)),
            Self::MetricIdentifier => return format!("metric identifier {}", model::quote(text)),
            Self::Number => "number ",
            Self::Duration => "duration ",
            Self::String => "string ",
            _ => "",
        };
        match text.char_indices().nth(10) {
            Some((cut, _)) if 10 < text.len() => format!("{word}{}...", model::quote(&text[..cut])),
            _ if 10 < text.len() => format!("{word}{}...", model::quote(text)),
            _ => format!("{word}{}", model::quote(text)),
        }
    }
}
