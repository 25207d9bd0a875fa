//! Text to commands.

use crate::expect::{Expectations, Words};
use crate::load::Load;

/// A command and where it stands.
pub(crate) struct Command {
    /// From 1.
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

/// What to do.
pub(crate) enum Kind {
    /// Forget all series.
    Clear,
    /// Add samples.
    Load(Load),
    /// Evaluate a query.
    Eval(Box<Eval>),
    /// The command cannot be read.
    Broken {
        /// The command.
        text: String,
        /// What is wrong.
        why: String,
    },
}

/// A query and what it should give.
pub(crate) struct Eval {
    pub(crate) query: String,
    pub(crate) when: When,
    pub(crate) expectations: Expectations,
}

/// When to evaluate, in milliseconds.
#[derive(Clone, Copy)]
pub(crate) enum When {
    Instant(i64),
    Range(Steps),
}

/// Steps from `start` to `end`, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Steps {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) step: i64,
}

/// The lines of a command below its first: each with its number.
pub(crate) type Lines<'a> = Vec<(usize, &'a str)>;

/// Reads a script. A command that is wrong becomes [`Kind::Broken`].
pub(crate) fn parse(text: &str) -> Vec<Command> {
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let mut commands = Vec::new();
    while let Some((line, first)) = lines.next() {
        if is_blank(first) {
            continue;
        }
        let name = first.split_whitespace().next().unwrap_or_default().to_lowercase();
        let has_body = name.starts_with("load") || name.starts_with("eval");
        let body: Lines<'_> = if has_body {
            lines.by_ref().take_while(|(_, line)| !is_blank(line)).collect()
        } else {
            Vec::new()
        };
        let kind = command(&name, first, &body);
        let kind = kind.unwrap_or_else(|why| Kind::Broken { text: first.to_owned(), why });
        commands.push(Command { line, kind });
    }
    commands
}

/// Reads a duration with any sign.
pub(crate) fn duration(text: &str) -> Result<i64, String> {
    match text.strip_prefix('-') {
        Some(text) => model::duration::parse(text).map(|ms| -ms),
        None => model::duration::parse(text),
    }
}

/// Reads the steps of `from A to B step C …`; returns what follows them.
pub(crate) fn steps(text: &str) -> Result<(Steps, &str), String> {
    let (start, rest) = argument(text, "from")?;
    let (end, rest) = argument(rest, "to")?;
    let (step, rest) = argument(rest, "step")?;
    if end < start {
        return Err("invalid test definition, end timestamp is before start".into());
    }
    Ok((Steps { start, end, step }, rest))
}

fn is_blank(line: &str) -> bool {
    line.is_empty() || line.starts_with('#')
}

fn command(name: &str, first: &str, body: &Lines<'_>) -> Result<Kind, String> {
    match name {
        "clear" => Ok(Kind::Clear),
        "load" | "load_with_nhcb" => {
            let step = first.split_whitespace().nth(1).unwrap_or_default();
            Ok(Kind::Load(Load::parse(duration(step)?, name == "load_with_nhcb", body)?))
        }
        "eval" | "eval_fail" | "eval_warn" | "eval_info" | "eval_ordered" => {
            let (mode, rest) = split_word(split_word(first).1);
            let (when, query) = match mode {
                "instant" => {
                    let (t, query) = argument(rest, "at")?;
                    (When::Instant(t), query)
                }
                "range" => {
                    let (steps, query) = steps(rest)?;
                    (When::Range(steps), query)
                }
                _ => return Err(format!("invalid command {}", model::quote(first))),
            };
            let words = Words::of(name.strip_prefix("eval_").unwrap_or_default());
            let expectations = Expectations::parse(words, body)?;
            Ok(Kind::Eval(Box::new(Eval { query: query.to_owned(), when, expectations })))
        }
        _ => Err(format!("invalid command {}", model::quote(name))),
    }
}

/// Reads `word duration …`; returns the duration and what follows.
fn argument<'a>(text: &'a str, word: &str) -> Result<(i64, &'a str), String> {
    let (got, rest) = split_word(text);
    if got != word {
        return Err(format!("expected \"{word}\", got {}", model::quote(got)));
    }
    let (value, rest) = split_word(rest);
    Ok((duration(value)?, rest))
}

fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let (word, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    (word, rest.trim_start())
}
