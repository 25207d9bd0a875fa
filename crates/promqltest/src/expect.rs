//! What a query should give.

use promql::series::{self, Series};
use regexp::Regexp;

use crate::script::{Lines, Steps, steps};

/// Everything that stands below an `eval`.
#[derive(Default)]
pub(crate) struct Expectations {
    /// The query must fail.
    pub(crate) fail: Option<Text>,
    /// Each warning must match one of these, and each of these a warning.
    pub(crate) warn: Vec<Text>,
    /// The same for infos.
    pub(crate) info: Vec<Text>,
    pub(crate) no_warn: bool,
    pub(crate) no_info: bool,
    /// Elements must come in the listed order.
    pub(crate) ordered: bool,
    /// The result is this text.
    pub(crate) string: Option<String>,
    /// The result is a range vector with values at these steps.
    pub(crate) range_vector: Option<Steps>,
    /// The result is this number.
    pub(crate) scalar: Option<f64>,
    /// The result has these series.
    pub(crate) series: Vec<Series>,
}

/// What the name of the command expects, the older way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Words {
    None,
    Fail,
    Warn,
    Info,
    Ordered,
}

/// A message that is expected.
pub(crate) enum Text {
    /// Whatever it says.
    Any,
    /// Exactly this.
    Exact(String),
    /// Something that contains a match.
    Matching(Regexp),
}

impl Words {
    /// Reads what follows `eval_`.
    pub(crate) fn of(suffix: &str) -> Self {
        match suffix {
            "fail" => Self::Fail,
            "warn" => Self::Warn,
            "info" => Self::Info,
            "ordered" => Self::Ordered,
            _ => Self::None,
        }
    }
}

impl Text {
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(expected) => expected == text,
            Self::Matching(regexp) => regexp.is_match(text),
        }
    }

    /// How it is written in a script.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Any => "(any text)".into(),
            Self::Exact(text) => text.clone(),
            Self::Matching(regexp) => format!("(matching) {}", regexp.pattern()),
        }
    }

    fn regexp(pattern: &str) -> Result<Self, String> {
        Regexp::new(pattern.trim()).map(Self::Matching).map_err(|why| why.to_string())
    }
}

impl Expectations {
    /// Reads the lines below an `eval`.
    pub(crate) fn parse(words: Words, lines: &Lines<'_>) -> Result<Self, String> {
        let mut it = Self::default();
        match words {
            Words::None => {}
            Words::Fail => it.fail = Some(Text::Any),
            Words::Warn => it.warn.push(Text::Any),
            Words::Info => it.info.push(Text::Any),
            Words::Ordered => it.ordered = true,
        }
        for (number, line) in lines {
            it.line(line).map_err(|why| format!("line {number}: {why}"))?;
            if it.scalar.is_some() {
                break;
            }
        }
        if !it.warn.is_empty() && it.no_warn || !it.info.is_empty() && it.no_info {
            return Err("contradicting expectations".into());
        }
        Ok(it)
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let (word, rest) = line.split_at(line.find(char::is_whitespace).unwrap_or(line.len()));
        let rest = rest.trim();
        match word {
            "expect" => self.expect(rest)?,
            "expected_fail_message" => self.fail = Some(Text::Exact(rest.to_owned())),
            "expected_fail_regexp" => self.fail = Some(Text::regexp(rest)?),
            _ => match stdx::gofloat::parse(line) {
                Ok(v) => self.scalar = Some(v),
                Err(_) => self.series.push(series::parse(line).map_err(|why| why.to_string())?),
            },
        }
        Ok(())
    }

    fn expect(&mut self, text: &str) -> Result<(), String> {
        if let Some(range) = text.strip_prefix("range vector") {
            let (range, rest) = steps(range)?;
            self.range_vector = Some(range);
            return if rest.is_empty() { Ok(()) } else { Err(format!("unexpected {rest}")) };
        }
        if let Some(quoted) = text.strip_prefix("string") {
            let expr = promql::parse(quoted, &promql::Options::default())
                .map_err(|why| why.to_string())?;
            let promql::Expr::String(literal) = expr else {
                return Err(format!("not a string: {quoted}"));
            };
            self.string = Some(literal.value);
            return Ok(());
        }
        let (kind, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
        let rest = rest.trim();
        let text = if let Some(exact) = rest.strip_prefix("msg:") {
            Text::Exact(exact.trim().to_owned())
        } else if let Some(pattern) = rest.strip_prefix("regex:") {
            Text::regexp(pattern)?
        } else if rest.is_empty() {
            Text::Any
        } else {
            return Err(format!("invalid expectation {rest}"));
        };
        match kind {
            "ordered" => self.ordered = true,
            "fail" if self.fail.is_some() => {
                return Err("invalid expect lines, multiple expect fail lines".into());
            }
            "fail" => self.fail = Some(text),
            "warn" => self.warn.push(text),
            "info" => self.info.push(text),
            "no_warn" => self.no_warn = true,
            "no_info" => self.no_info = true,
            _ => {
                return Err(format!(
                    "invalid expected error/annotation type: {}",
                    model::quote(kind)
                ));
            }
        }
        Ok(())
    }
}
