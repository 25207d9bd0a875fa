//! The node tree of one document: flat memory, positions, aliases resolved.

use std::collections::HashMap;

use crate::libyaml::{Event, Mark, Parser, Problem, Props};
use crate::{Dialect, Error};

/// How deep nodes may nest. Go's libraries stop at 10,000; nobody writes a hundredth of this.
pub const MAX_DEPTH: usize = 1000;

/// The first document of a text. All nodes lie in one vector, so dropping a deep tree does not recurse.
#[derive(Debug, Default)]
pub struct Document {
    nodes: Vec<Data>,
    /// Absent if the text holds no document at all.
    root: Option<u32>,
    /// True if another document follows the first; its content was not read.
    pub more: bool,
}

/// A node of a [`Document`]; cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct Node<'d> {
    pub(crate) doc: &'d Document,
    pub(crate) id: u32,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// `plain` is false for quoted and block scalars, and for those tagged `!`.
    Scalar {
        value: String,
        plain: bool,
    },
    Sequence(Vec<u32>),
    Mapping(Vec<(u32, u32)>),
    Alias {
        name: String,
        target: u32,
    },
}

#[derive(Debug)]
struct Data {
    line: u32,
    column: u32,
    tag: Option<String>,
    kind: Kind,
}

impl Document {
    /// Reads the first document of `text`.
    ///
    /// # Errors
    /// [`Error::Syntax`] with Go's words and line.
    pub fn parse(text: &[u8], dialect: Dialect) -> Result<Self, Error> {
        let mut parser = Parser::new(text);
        let mut builder = Builder::default();
        loop {
            match parser.next().map_err(|it| syntax(&it, dialect))? {
                Event::DocumentEnd => break,
                Event::StreamEnd => return Ok(builder.doc),
                event => builder.add(event)?,
            }
        }
        builder.doc.more = matches!(parser.next(), Ok(Event::DocumentStart));
        Ok(builder.doc)
    }

    /// The outermost node; `None` for a text without content.
    pub fn root(&self) -> Option<Node<'_>> {
        self.root.map(|id| Node { doc: self, id })
    }
}

impl<'d> Node<'d> {
    /// The line of its first character, from 1.
    pub fn line(self) -> u32 {
        self.data().line
    }

    /// The column of its first character, from 1.
    pub fn column(self) -> u32 {
        self.data().column
    }

    pub(crate) fn kind(self) -> &'d Kind {
        &self.data().kind
    }

    pub(crate) fn tag(self) -> Option<&'d str> {
        self.data().tag.as_deref()
    }

    pub(crate) fn at(self, id: u32) -> Self {
        Self { doc: self.doc, id }
    }

    fn data(self) -> &'d Data {
        &self.doc.nodes[self.id as usize]
    }
}

/// Builds the tree from events, with its own stack.
#[derive(Default)]
struct Builder {
    doc: Document,
    anchors: HashMap<String, u32>,
    /// Open collections; for a mapping with the key that waits for its value.
    open: Vec<(u32, Option<u32>)>,
}

impl Builder {
    fn add(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Scalar { props, value, plain, mark } => {
                self.node(props, mark, Kind::Scalar { value, plain })?;
            }
            Event::Alias { anchor, mark } => {
                let target = self.anchors.get(&anchor).copied();
                let target = target.ok_or_else(|| {
                    Error::Syntax(format!("unknown anchor '{anchor}' referenced"))
                })?;
                self.node(Props::default(), mark, Kind::Alias { name: anchor, target })?;
            }
            Event::SequenceStart { props, mark } => {
                let id = self.node(props, mark, Kind::Sequence(Vec::new()))?;
                self.open(id)?;
            }
            Event::MappingStart { props, mark } => {
                let id = self.node(props, mark, Kind::Mapping(Vec::new()))?;
                self.open(id)?;
            }
            Event::End => {
                self.open.pop();
            }
            Event::DocumentStart | Event::DocumentEnd | Event::StreamEnd => {}
        }
        Ok(())
    }

    fn open(&mut self, id: u32) -> Result<(), Error> {
        if self.open.len() == MAX_DEPTH {
            return Err(Error::Syntax(format!("exceeded max depth of {MAX_DEPTH}")));
        }
        self.open.push((id, None));
        Ok(())
    }

    fn node(&mut self, props: Props, mark: Mark, kind: Kind) -> Result<u32, Error> {
        let too_long = |_| Error::Syntax("document too large".into());
        let id = u32::try_from(self.doc.nodes.len()).map_err(too_long)?;
        let line = u32::try_from(mark.line + 1).map_err(too_long)?;
        let column = u32::try_from(mark.column + 1).map_err(too_long)?;
        self.doc.nodes.push(Data { line, column, tag: props.tag, kind });
        if let Some(anchor) = props.anchor {
            self.anchors.insert(anchor, id);
        }
        self.attach(id);
        Ok(id)
    }

    fn attach(&mut self, id: u32) {
        let Some((parent, key)) = self.open.last_mut() else {
            self.doc.root = Some(id);
            return;
        };
        match &mut self.doc.nodes[*parent as usize].kind {
            Kind::Sequence(items) => items.push(id),
            Kind::Mapping(pairs) => match key.take() {
                Some(key) => pairs.push((key, id)),
                None => *key = Some(id),
            },
            Kind::Scalar { .. } | Kind::Alias { .. } => {}
        }
    }
}

/// Go's words for a syntax error. Lines count from 0 inside libyaml; Go's ports add one for the scanner
/// only, and leave the first line out. Version 3 names the line where the broken thing began.
fn syntax(problem: &Problem, dialect: Dialect) -> Error {
    let (first, second) = match dialect {
        Dialect::V2 => (problem.mark.line, problem.context.line),
        Dialect::V3 => (problem.context.line, problem.mark.line),
    };
    let scanned = u64::from(problem.in_scanner);
    let line = match (first, dialect) {
        (0, Dialect::V2) => second,
        (0, Dialect::V3) if second == 0 => 0,
        (0, Dialect::V3) => second + scanned,
        (line, _) => line + scanned,
    };
    match line {
        0 => Error::Syntax(problem.text.clone()),
        line => Error::Syntax(format!("line {line}: {}", problem.text)),
    }
}
