//! Reads Go's syntax into the engine's intermediate form.
//!
//! One pass, no recursion: enclosing groups wait on a stack of their own, so a pattern of a million
//! parentheses costs heap, not stack. Each finished part carries its height and how often it repeats; both
//! are checked as soon as they grow, with the limits and the texts Go has.

mod bracket;
mod escape;
mod repeat;

use std::mem;

use regex_syntax::hir::{self, Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look};

use crate::NESTING_MAX;
use crate::error::{Error, ErrorKind};

/// A pattern that was read.
pub(crate) struct Parsed {
    /// What it matches.
    pub(crate) hir: Hir,
    /// The name of each group; group 0, the whole match, has none.
    pub(crate) names: Vec<Option<String>>,
    /// How deep it nests.
    pub(crate) height: u32,
}

/// How to read a pattern.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// `.` matches a line feed too, until the pattern says otherwise.
    pub(crate) dot_all: bool,
    /// Groups keep what they match.
    pub(crate) captures: bool,
}

/// What `(?imsU)` set, up to the end of the group.
#[derive(Clone, Copy, Debug)]
struct Flags {
    fold: bool,
    multi_line: bool,
    dot_all: bool,
    ungreedy: bool,
}

/// A part of a sequence.
enum Part {
    /// Kept apart so that a run of characters becomes one literal.
    Char(char),
    Node(Node),
}

/// A finished expression.
struct Node {
    hir: Hir,
    /// Levels of nesting, itself included.
    height: u32,
    /// The largest product of counts on a way down through nested `{n,m}`.
    repeats: u32,
}

/// A group that is not closed yet.
struct Group {
    /// Flags to return to.
    flags: Flags,
    /// The groups's place among those that capture, if it does.
    capture: Option<usize>,
    alternatives: Vec<Node>,
    sequence: Vec<Part>,
}

struct Parser<'p> {
    pattern: &'p str,
    rest: &'p str,
    options: Options,
    flags: Flags,
    /// Enclosing groups, outermost first.
    open: Vec<Group>,
    /// Finished alternatives of the current group.
    alternatives: Vec<Node>,
    /// The alternative being read.
    sequence: Vec<Part>,
    names: Vec<Option<String>>,
}

/// Reads a pattern.
pub(crate) fn parse(pattern: &str, options: Options) -> Result<Parsed, Error> {
    let flags = Flags { fold: false, multi_line: false, dot_all: options.dot_all, ungreedy: false };
    let mut parser = Parser {
        pattern,
        rest: pattern,
        options,
        flags,
        open: Vec::new(),
        alternatives: Vec::new(),
        sequence: Vec::new(),
        names: vec![None],
    };
    parser.run()?;
    let node = parser.finish_group()?;
    Ok(Parsed { hir: node.hir, names: parser.names, height: node.height })
}

impl<'p> Parser<'p> {
    fn run(&mut self) -> Result<(), Error> {
        // Where the operator that was just read begins: two in a row are an error.
        let mut last_repeat = None;
        while let Some(c) = self.rest.chars().next() {
            let here = self.rest;
            let repeats = match c {
                '*' => self.repeat(0, None, last_repeat, 1)?,
                '+' => self.repeat(1, None, last_repeat, 1)?,
                '?' => self.repeat(0, Some(1), last_repeat, 1)?,
                '{' => self.repeat_counted(last_repeat)?,
                _ => {
                    self.element(c)?;
                    false
                }
            };
            last_repeat = repeats.then_some(here);
        }
        if self.open.is_empty() { Ok(()) } else { Err(self.whole(ErrorKind::MissingParenthesis)) }
    }

    /// Reads one thing that is not a repetition.
    fn element(&mut self, c: char) -> Result<(), Error> {
        match c {
            '(' => return self.open_group(),
            '[' => return self.bracket_class(),
            '\\' => return self.escape(),
            _ => self.rest = &self.rest[c.len_utf8()..],
        }
        match c {
            '|' => self.finish_alternative()?,
            ')' => self.close_group()?,
            '^' if self.flags.multi_line => self.push_look(Look::StartLF),
            '^' => self.push_look(Look::Start),
            '$' if self.flags.multi_line => self.push_look(Look::EndLF),
            '$' => self.push_look(Look::End),
            '.' => self.push_dot(),
            _ => self.push_char(c),
        }
        Ok(())
    }

    fn push_char(&mut self, c: char) {
        if self.flags.fold {
            let mut class = ClassUnicode::new([ClassUnicodeRange::new(c, c)]);
            class.case_fold_simple();
            if class.literal().is_none() {
                self.push_class(class);
                return;
            }
        }
        self.sequence.push(Part::Char(c));
    }

    fn push_class(&mut self, class: ClassUnicode) {
        self.push_leaf(Hir::class(Class::Unicode(class)));
    }

    fn push_look(&mut self, look: Look) {
        self.push_leaf(Hir::look(look));
    }

    fn push_dot(&mut self) {
        let dot = if self.flags.dot_all { hir::Dot::AnyChar } else { hir::Dot::AnyCharExceptLF };
        self.push_leaf(Hir::dot(dot));
    }

    fn push_leaf(&mut self, hir: Hir) {
        self.sequence.push(Part::Node(Node { hir, height: 1, repeats: 1 }));
    }

    /// Reads `(`, and what may follow it: `?flags)`, `?flags:`, `?P<name>`, `?<name>`.
    fn open_group(&mut self) -> Result<(), Error> {
        let Some(special) = self.rest.strip_prefix("(?") else {
            self.rest = &self.rest[1..];
            let capture = self.add_capture(None);
            self.begin_group(Some(capture), self.flags);
            return Ok(());
        };
        // Go asks for a character after the `<` before it takes it for a name.
        let named = special.strip_prefix("P<").or_else(|| special.strip_prefix('<'));
        match named.filter(|it| !it.is_empty()) {
            Some(name) => self.open_named_group(name),
            None => self.read_flags(special),
        }
    }

    fn open_named_group(&mut self, after: &'p str) -> Result<(), Error> {
        let Some((name, rest)) = after.split_once('>') else {
            return Err(Error::new(ErrorKind::NamedCapture, self.rest));
        };
        let valid =
            !name.is_empty() && name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric());
        if !valid {
            let fragment = &self.rest[..self.rest.len() - rest.len()];
            return Err(Error::new(ErrorKind::NamedCapture, fragment));
        }
        self.rest = rest;
        let capture = self.add_capture(Some(name.to_owned()));
        self.begin_group(Some(capture), self.flags);
        Ok(())
    }

    /// Reads flags up to `)`, which sets them for the rest of the group, or `:`, which opens one.
    fn read_flags(&mut self, text: &'p str) -> Result<(), Error> {
        let (mut flags, mut on, mut seen) = (self.flags, true, false);
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                'i' => flags.fold = on,
                'm' => flags.multi_line = on,
                's' => flags.dot_all = on,
                'U' => flags.ungreedy = on,
                '-' if on => (on, seen) = (false, false),
                ':' | ')' if on || seen => {
                    self.rest = chars.as_str();
                    if c == ':' {
                        self.begin_group(None, flags);
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            }
            seen |= c != '-';
        }
        let fragment = &self.rest[..self.rest.len() - chars.as_str().len()];
        Err(Error::new(ErrorKind::PerlOperator, fragment))
    }

    fn add_capture(&mut self, name: Option<String>) -> usize {
        self.names.push(name);
        self.names.len() - 1
    }

    /// Puts the current group aside and begins another inside it.
    fn begin_group(&mut self, capture: Option<usize>, flags: Flags) {
        let alternatives = mem::take(&mut self.alternatives);
        let sequence = mem::take(&mut self.sequence);
        self.open.push(Group { flags: self.flags, capture, alternatives, sequence });
        self.flags = flags;
    }

    fn close_group(&mut self) -> Result<(), Error> {
        let Some(outer) = self.open.pop() else {
            return Err(self.whole(ErrorKind::UnexpectedParenthesis));
        };
        let mut node = self.finish_group()?;
        if let Some(index) = outer.capture {
            node.height += 1;
            if self.options.captures {
                // Names stay here: the engine would refuse one that is used twice.
                let index = u32::try_from(index).map_err(|_| self.whole(ErrorKind::TooLarge))?;
                node.hir =
                    Hir::capture(hir::Capture { index, name: None, sub: Box::new(node.hir) });
            }
        }
        self.flags = outer.flags;
        self.alternatives = outer.alternatives;
        self.sequence = outer.sequence;
        let node = self.checked(node)?;
        self.sequence.push(Part::Node(node));
        Ok(())
    }

    /// Takes all that was read of the current group.
    fn finish_group(&mut self) -> Result<Node, Error> {
        self.finish_alternative()?;
        let mut nodes = mem::take(&mut self.alternatives);
        if nodes.len() == 1 {
            return Ok(nodes.remove(0));
        }
        let node = enclosing(&nodes, |it| matches!(it, HirKind::Alternation(_)));
        let hir = Hir::alternation(nodes.into_iter().map(|it| it.hir).collect());
        self.checked(Node { hir, ..node })
    }

    /// Takes what was read since the last `|`.
    fn finish_alternative(&mut self) -> Result<(), Error> {
        let mut nodes = join_chars(mem::take(&mut self.sequence));
        let node = if nodes.len() == 1 {
            nodes.remove(0)
        } else {
            let node = enclosing(&nodes, |it| matches!(it, HirKind::Concat(_)));
            let hir = Hir::concat(nodes.into_iter().map(|it| it.hir).collect());
            self.checked(Node { hir, ..node })?
        };
        self.alternatives.push(node);
        Ok(())
    }

    fn checked(&self, node: Node) -> Result<Node, Error> {
        if node.height > NESTING_MAX { Err(self.whole(ErrorKind::NestingDepth)) } else { Ok(node) }
    }

    /// An error that shows the whole pattern.
    fn whole(&self, kind: ErrorKind) -> Error {
        Error::new(kind, self.pattern)
    }
}

/// Returns a node above `nodes`, still empty. Nodes of its own kind will be merged into it and
/// count no level.
fn enclosing(nodes: &[Node], same: impl Fn(&HirKind) -> bool) -> Node {
    let below = nodes.iter().map(|it| it.height - u32::from(it.height > 1 && same(it.hir.kind())));
    let height = below.max().unwrap_or(0) + 1;
    let repeats = nodes.iter().map(|it| it.repeats).max().unwrap_or(1);
    Node { hir: Hir::empty(), height, repeats }
}

/// Makes a literal of each run of characters.
fn join_chars(parts: Vec<Part>) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut run = String::new();
    for part in parts {
        match part {
            Part::Char(c) => run.push(c),
            Part::Node(node) => {
                push_literal(&mut nodes, &mut run);
                nodes.push(node);
            }
        }
    }
    push_literal(&mut nodes, &mut run);
    nodes
}

fn push_literal(nodes: &mut Vec<Node>, run: &mut String) {
    if !run.is_empty() {
        let hir = Hir::literal(mem::take(run).into_bytes());
        nodes.push(Node { hir, height: 1, repeats: 1 });
    }
}
