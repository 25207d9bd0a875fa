//! From nodes to values: the [`Decode`] trait and the state of one decoding.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use crate::node::{Kind, MAX_DEPTH};
use crate::resolve::{Scalar, resolve, short};
use crate::{Dialect, Document, Error, Fatal, Node, Problem};

/// A type that can be read from a node.
///
/// `Default` must be the value that `null` gives (Go's zero value). [`Decode::decode`] is called on the
/// value that is there already, so a field that is not written keeps its default.
pub trait Decode: Default {
    /// The name of the Go type that this stands for, as messages show it.
    fn go_type() -> String;

    /// That name as the item of a list or mapping: with a `*` in front for a pointer.
    fn go_item_type() -> String {
        Self::go_type()
    }

    /// Reads `node`, which is neither an alias nor null. A wrong shape is noted in `decoder`, and
    /// decoding goes on.
    ///
    /// # Errors
    /// [`Fatal`] when the value is refused: that ends everything.
    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal>;
}

/// How to read.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whose manners to follow.
    pub dialect: Dialect,
    /// Refuse unknown fields. Repeated ones are refused always.
    pub strict: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { dialect: Dialect::V2, strict: true }
    }
}

/// The state of one decoding: problems so far, and budgets.
#[derive(Debug)]
pub struct Decoder {
    options: Options,
    problems: Vec<Problem>,
    /// Alias targets being decoded now: to see cycles.
    aliases: Vec<u32>,
    depth: usize,
    n_decoded: u64,
    n_through_alias: u64,
}

/// Reads the first document of `text`. No document, or null, gives the default.
///
/// # Errors
/// See [`Error`].
pub fn from_slice<T: Decode>(text: &[u8], options: Options) -> Result<T, Error> {
    let mut value = T::default();
    decode_into(&Document::parse(text, options.dialect)?, options, &mut value)?;
    Ok(value)
}

/// Reads a parsed document into a value that is there already.
///
/// # Errors
/// See [`Error`].
pub fn decode_into<T: Decode>(doc: &Document, options: Options, out: &mut T) -> Result<(), Error> {
    let mut decoder = Decoder {
        options,
        problems: Vec::new(),
        aliases: Vec::new(),
        depth: 0,
        n_decoded: 0,
        n_through_alias: 0,
    };
    if let Some(root) = doc.root() {
        decoder.set(root, out)?;
    }
    if decoder.problems.is_empty() { Ok(()) } else { Err(Error::Shape(decoder.problems)) }
}

impl Decoder {
    /// Reads `node` into `out`: follows aliases, turns null into the default.
    ///
    /// # Errors
    /// [`Fatal`] from the type, from a broken alias, or from a spent budget.
    pub fn set<T: Decode>(&mut self, node: Node<'_>, out: &mut T) -> Result<(), Fatal> {
        self.follow(node, |decoder, node| {
            if decoder.is_null(node)? {
                *out = T::default();
                return Ok(());
            }
            out.decode(node, decoder)
        })
    }

    /// Calls `read` with the node, or with what an alias stands for. Counts it, and goes one level down.
    ///
    /// # Errors
    /// [`Fatal`] from `read`, from a broken alias, or from a spent budget.
    pub fn follow(
        &mut self,
        node: Node<'_>,
        read: impl FnOnce(&mut Self, Node<'_>) -> Result<(), Fatal>,
    ) -> Result<(), Fatal> {
        self.charge()?;
        if self.depth == MAX_DEPTH {
            return Err(Fatal(format!("yaml: exceeded max depth of {MAX_DEPTH}")));
        }
        self.depth += 1;
        let result = match node.kind() {
            Kind::Alias { name, target } => {
                self.through(name, *target, |it| read(it, node.at(*target)))
            }
            _ => read(self, node),
        };
        self.depth -= 1;
        result
    }

    /// True if the node, aliases followed, is null.
    ///
    /// # Errors
    /// [`Fatal`] for a tag that contradicts its text.
    pub fn is_null(&self, node: Node<'_>) -> Result<bool, Fatal> {
        match node.kind() {
            Kind::Alias { target, .. } => self.is_null(node.at(*target)),
            Kind::Scalar { .. } => Ok(self.scalar(node)? == Some(Scalar::Null)),
            Kind::Sequence(_) | Kind::Mapping(_) => Ok(false),
        }
    }

    /// Calls `field` for each key of a mapping with its name and value, in the order of the text, merge
    /// keys expanded in place. `field` answers whether it knows the name.
    ///
    /// Returns true if the whole had the right shape: then, and only then, the caller should check what
    /// it read.
    ///
    /// # Errors
    /// [`Fatal`] from `field`, or for a merge of something that is no mapping.
    pub fn fields(
        &mut self,
        node: Node<'_>,
        go_type: &str,
        mut field: impl FnMut(&mut Self, &str, Node<'_>) -> Result<bool, Fatal>,
    ) -> Result<bool, Fatal> {
        let n_before = self.problems.len();
        self.each_field(node, go_type, &mut field)?;
        Ok(self.problems.len() == n_before)
    }

    /// Calls `item` for each item of a sequence.
    ///
    /// # Errors
    /// [`Fatal`] from `item`.
    pub fn items(
        &mut self,
        node: Node<'_>,
        go_type: &str,
        mut item: impl FnMut(&mut Self, Node<'_>) -> Result<(), Fatal>,
    ) -> Result<(), Fatal> {
        let Kind::Sequence(items) = node.kind() else {
            return self.mismatch(node, go_type);
        };
        items.iter().try_for_each(|id| item(self, node.at(*id)))
    }

    /// Calls `entry` for each key and value of a mapping with free keys; refuses repeated ones.
    ///
    /// # Errors
    /// [`Fatal`] from `entry`.
    pub fn entries(
        &mut self,
        node: Node<'_>,
        go_type: &str,
        mut entry: impl FnMut(&mut Self, String, Node<'_>) -> Result<(), Fatal>,
    ) -> Result<(), Fatal> {
        self.each_entry(node, go_type, &mut HashSet::new(), &mut entry)
    }

    /// Reads a scalar as text, whatever it stands for, as Go does for a string. `None` if a problem was
    /// noted, or for null.
    ///
    /// # Errors
    /// [`Fatal`] for a tag that contradicts its text.
    pub fn text(&mut self, node: Node<'_>) -> Result<Option<String>, Fatal> {
        let (mut out, n_before) = (None, self.problems.len());
        self.set::<Option<String>>(node, &mut out)?;
        Ok(out.filter(|_| self.problems.len() == n_before))
    }

    /// Reads a scalar's text for a type that is a string under a name of its own. For a node that is
    /// neither alias nor null: from within [`Decode::decode`].
    ///
    /// # Errors
    /// [`Fatal`] for a tag that contradicts its text.
    pub fn text_as(
        &mut self,
        node: Node<'_>,
        go_type: &str,
        out: &mut String,
    ) -> Result<(), Fatal> {
        match (self.scalar(node)?, node.kind()) {
            (Some(Scalar::Binary(text)), _) => *out = text,
            (_, Kind::Scalar { value, .. }) => out.clone_from(value),
            _ => return self.mismatch(node, go_type),
        }
        Ok(())
    }

    /// Notes that `node` cannot become a `go_type`.
    ///
    /// # Errors
    /// [`Fatal`] for a tag that contradicts its text.
    pub fn mismatch(&mut self, node: Node<'_>, go_type: &str) -> Result<(), Fatal> {
        let explicit = node.tag().map(short);
        let (found, value) = match node.kind() {
            Kind::Sequence(_) => ("!!seq".to_owned(), String::new()),
            Kind::Mapping(_) => ("!!map".to_owned(), String::new()),
            Kind::Alias { target, .. } => return self.mismatch(node.at(*target), go_type),
            Kind::Scalar { value, .. } => {
                let tag = self.scalar(node)?.map_or(String::new(), |it| it.tag().to_owned());
                (tag, format!(" `{}`", shorten(value)))
            }
        };
        let found = explicit.unwrap_or(found);
        self.note(node.line(), format!("cannot unmarshal {found}{value} into {go_type}"));
        Ok(())
    }

    /// Notes a problem at a line.
    pub fn note(&mut self, line: u32, text: String) {
        self.problems.push(Problem { line, text });
    }

    /// How many problems were noted so far.
    pub fn n_problems(&self) -> usize {
        self.problems.len()
    }

    /// What a scalar stands for; `None` if the node is none.
    pub(crate) fn scalar(&self, node: Node<'_>) -> Result<Option<Scalar>, Fatal> {
        match node.kind() {
            Kind::Scalar { value, plain } => {
                resolve(node.tag(), value, *plain, self.options.dialect).map(Some)
            }
            _ => Ok(None),
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.options.dialect
    }

    fn through(
        &mut self,
        name: &str,
        target: u32,
        read: impl FnOnce(&mut Self) -> Result<(), Fatal>,
    ) -> Result<(), Fatal> {
        if self.aliases.contains(&target) {
            return Err(Fatal(format!("yaml: anchor '{name}' value contains itself")));
        }
        self.aliases.push(target);
        let result = read(self);
        self.aliases.pop();
        result
    }

    /// Go's guard against texts that are small and, aliases followed, huge: the share of nodes reached
    /// through aliases may be 99 % of the first 400,000 and falls to 10 % at 4,000,000.
    fn charge(&mut self) -> Result<(), Fatal> {
        const FREE: f64 = 400_000.0;
        const FULL: f64 = 4_000_000.0;
        self.n_decoded += 1;
        self.n_through_alias += u64::from(!self.aliases.is_empty());
        if self.n_through_alias <= 100 || self.n_decoded <= 1000 {
            return Ok(());
        }
        #[expect(clippy::cast_precision_loss, reason = "a ratio")]
        let (decoded, through) = (self.n_decoded as f64, self.n_through_alias as f64);
        let allowed = 0.99 - 0.89 * ((decoded - FREE) / (FULL - FREE)).clamp(0.0, 1.0);
        if through / decoded <= allowed {
            return Ok(());
        }
        Err(Fatal("yaml: document contains excessive aliasing".into()))
    }

    fn each_field(
        &mut self,
        node: Node<'_>,
        go_type: &str,
        field: &mut dyn FnMut(&mut Self, &str, Node<'_>) -> Result<bool, Fatal>,
    ) -> Result<(), Fatal> {
        let Some(pairs) = self.pairs(node, go_type)? else { return Ok(()) };
        let mut seen = HashSet::new();
        for (key, value) in pairs {
            if is_merge(key) {
                self.merge(value, &mut |it, node| it.each_field(node, go_type, field))?;
                continue;
            }
            let Some(name) = self.key(key)? else { continue };
            if !field(self, &name, value)? {
                if self.options.strict {
                    self.note(key.line(), format!("field {name} not found in type {go_type}"));
                }
            } else if seen.contains(&name) {
                self.note(key.line(), format!("field {name} already set in type {go_type}"));
            } else {
                seen.insert(name);
            }
        }
        Ok(())
    }

    /// As [`Self::each_field`]; `seen` spans merged mappings as well, but in version 3.
    fn each_entry(
        &mut self,
        node: Node<'_>,
        go_type: &str,
        seen: &mut HashSet<String>,
        entry: &mut dyn FnMut(&mut Self, String, Node<'_>) -> Result<(), Fatal>,
    ) -> Result<(), Fatal> {
        let Some(pairs) = self.pairs(node, go_type)? else { return Ok(()) };
        for (key, value) in pairs {
            if is_merge(key) {
                self.merge(value, &mut |it, node| it.each_entry(node, go_type, seen, entry))?;
                continue;
            }
            let Some(name) = self.key(key)? else { continue };
            if !seen.insert(name.clone()) && self.options.dialect == Dialect::V2 {
                self.note(key.line(), format!("key {name:?} already set in map"));
            }
            entry(self, name, value)?;
        }
        Ok(())
    }

    /// The pairs of a mapping in the order to read them. `None` if a problem was noted.
    ///
    /// Version 3 of Go's library looks for repeated keys before it reads any, and lets a mapping's own
    /// keys win over merged ones wherever they stand.
    fn pairs<'d>(
        &mut self,
        node: Node<'d>,
        go_type: &str,
    ) -> Result<Option<Vec<(Node<'d>, Node<'d>)>>, Fatal> {
        let Kind::Mapping(pairs) = node.kind() else {
            self.mismatch(node, go_type)?;
            return Ok(None);
        };
        let mut pairs: Vec<_> = pairs.iter().map(|(k, v)| (node.at(*k), node.at(*v))).collect();
        if self.options.dialect == Dialect::V3 {
            let n_before = self.problems.len();
            self.check_keys(&pairs);
            if self.problems.len() > n_before {
                return Ok(None);
            }
            pairs.sort_by_key(|(key, _)| !is_merge(*key));
        }
        Ok(Some(pairs))
    }

    fn check_keys(&mut self, pairs: &[(Node<'_>, Node<'_>)]) {
        let mut first_line = HashMap::new();
        for (key, _) in pairs {
            let Kind::Scalar { value, .. } = key.kind() else { continue };
            match first_line.entry(value.as_str()) {
                Entry::Vacant(entry) => _ = entry.insert(key.line()),
                Entry::Occupied(first) => {
                    let first = first.get();
                    self.note(
                        key.line(),
                        format!("mapping key {value:?} already defined at line {first}"),
                    );
                }
            }
        }
    }

    /// The text of a key; null is the empty name.
    fn key(&mut self, key: Node<'_>) -> Result<Option<String>, Fatal> {
        let (mut name, n_before) = (String::new(), self.problems.len());
        self.set(key, &mut name)?;
        Ok((self.problems.len() == n_before).then_some(name))
    }

    /// Reads what stands behind `<<`: a mapping, or a list of mappings of which earlier ones win.
    fn merge(
        &mut self,
        node: Node<'_>,
        read: &mut dyn FnMut(&mut Self, Node<'_>) -> Result<(), Fatal>,
    ) -> Result<(), Fatal> {
        let mapping = |node: Node<'_>| match node.kind() {
            Kind::Alias { target, .. } => matches!(node.at(*target).kind(), Kind::Mapping(_)),
            kind => matches!(kind, Kind::Mapping(_)),
        };
        let parts: Vec<Node<'_>> = match node.kind() {
            Kind::Sequence(items) => items.iter().rev().map(|id| node.at(*id)).collect(),
            _ => vec![node],
        };
        for part in parts {
            if !mapping(part) {
                let text = "yaml: map merge requires map or sequence of maps as the value";
                return Err(Fatal(text.into()));
            }
            self.follow(part, |it, part| read(it, part))?;
        }
        Ok(())
    }
}

fn is_merge(key: Node<'_>) -> bool {
    match key.kind() {
        Kind::Scalar { value, plain } => {
            value == "<<" && (*plain || key.tag() == Some("tag:yaml.org,2002:merge"))
        }
        _ => false,
    }
}

/// Cuts a value for messages: more than ten bytes become seven and dots.
fn shorten(value: &str) -> String {
    if value.len() <= 10 {
        return value.to_owned();
    }
    let cut = (0..=7).rev().find(|it| value.is_char_boundary(*it)).unwrap_or(0);
    format!("{}...", &value[..cut])
}
