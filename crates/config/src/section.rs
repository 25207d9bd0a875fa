//! Sections described by a table: read, checked and shown, and kept as they are.
//!
//! Much of a configuration is for parts that do not run yet. It is held to the same strictness as the
//! rest: a [`Schema`] names the keys of a section with their kinds and defaults.

use std::collections::BTreeMap;

use yaml::{Decoder, Fatal, Node, Value};

use crate::echo::Echo;
use crate::names::ValidationScheme;
use crate::paths::join;
use crate::scalar::{duration, redact_url, url};
use crate::secret::{REDACTED, Secret};
use crate::server::http_client::HttpClient;
use crate::server::relabel::{RelabelConfig, check_all, echo_all, no_nulls};

/// What a key holds.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// Text in lower case.
    Lower,
    Secret,
    Url,
    /// A path, relative to the file's folder.
    File,
    Bool,
    Int,
    Float,
    Duration,
    Texts,
    TextMap,
    Section(&'static Schema),
    /// A list; null items are refused.
    Sections(&'static Schema),
    /// Relabelling rules, and the text that refuses a null one.
    Relabel(&'static str),
    /// Not a key: the place where the HTTP client's keys are shown (else at the end).
    HttpHere,
}

/// What a key holds unless it is written.
#[derive(Clone, Copy)]
pub(crate) enum Preset {
    Zero,
    Text(&'static str),
    Bool(bool),
    Int(i64),
    /// The section's own presets.
    Section,
}

/// One key.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) preset: Preset,
    /// Shown even when it is zero.
    pub(crate) keep: bool,
}

/// Which keys of an HTTP client are inline.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Http {
    None,
    /// All, with HTTP/2 on or off by default.
    Client {
        http2: bool,
    },
    /// All, with redirects and HTTP/2 off by default.
    Bare,
}

/// The keys of a section.
pub(crate) struct Schema {
    pub(crate) go_type: &'static str,
    pub(crate) fields: &'static [Field],
    pub(crate) http: Http,
    /// Looks at a section of the right shape; may fill in what follows from other keys.
    pub(crate) check: fn(&mut Section) -> Result<(), String>,
}

/// A value of a [`Section`].
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Text, a URL, or a path.
    Text(String),
    /// Hidden text.
    Secret(Secret),
    /// A switch.
    Bool(bool),
    /// A number; durations are in milliseconds, sizes in bytes.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// A list of texts.
    Texts(Vec<String>),
    /// Texts by name.
    TextMap(BTreeMap<String, String>),
    /// A section inside; `None` if it was not written, or null.
    Section(Option<Box<Section>>),
    /// A list of sections.
    Sections(Vec<Section>),
    /// Relabelling rules.
    Relabel(Vec<RelabelConfig>),
}

/// A section read by its table: one [`Item`] for each key, defaults filled in.
#[derive(Clone)]
pub struct Section {
    schema: &'static Schema,
    items: Vec<Item>,
    /// Keys that were written.
    written: Vec<&'static str>,
    /// The inline keys of the HTTP client, if the section has them.
    pub http: Option<HttpClient>,
}

pub(crate) const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, preset: Preset::Zero, keep: false }
}

pub(crate) const fn preset(name: &'static str, kind: Kind, preset: Preset) -> Field {
    Field { name, kind, preset, keep: false }
}

pub(crate) const fn kept(name: &'static str, kind: Kind, preset: Preset) -> Field {
    Field { name, kind, preset, keep: true }
}

pub(crate) fn no_check(_: &mut Section) -> Result<(), String> {
    Ok(())
}

impl Section {
    /// The value of a key that the table names.
    ///
    /// # Panics
    /// In debug builds, if the table does not name it.
    pub fn get(&self, name: &str) -> Option<&Item> {
        let at = self.schema.fields.iter().position(|it| it.name == name);
        debug_assert!(at.is_some(), "{} has no key {name}", self.schema.go_type);
        self.items.get(at?)
    }

    /// The text of a key; empty if it holds none.
    pub fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Some(Item::Text(text)) => text,
            Some(Item::Secret(secret)) => secret.expose(),
            _ => "",
        }
    }

    /// The number of a key; 0 if it holds none.
    pub fn int(&self, name: &str) -> i64 {
        if let Some(Item::Int(number)) = self.get(name) { *number } else { 0 }
    }

    /// The fraction of a key; 0 if it holds none.
    pub fn float(&self, name: &str) -> f64 {
        if let Some(Item::Float(number)) = self.get(name) { *number } else { 0.0 }
    }

    /// The switch of a key; off if it holds none.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name) == Some(&Item::Bool(true))
    }

    /// The texts of a key.
    pub fn texts(&self, name: &str) -> &[String] {
        if let Some(Item::Texts(texts)) = self.get(name) { texts } else { &[] }
    }

    /// The section under a key.
    pub fn section(&self, name: &str) -> Option<&Self> {
        if let Some(Item::Section(section)) = self.get(name) { section.as_deref() } else { None }
    }

    /// The sections under a key.
    pub fn sections(&self, name: &str) -> &[Self] {
        if let Some(Item::Sections(sections)) = self.get(name) { sections } else { &[] }
    }

    /// The rules under a key.
    pub fn rules(&self, name: &str) -> &[RelabelConfig] {
        if let Some(Item::Relabel(rules)) = self.get(name) { rules } else { &[] }
    }

    /// True if the key was written.
    pub fn has(&self, name: &str) -> bool {
        self.written.contains(&name)
    }

    pub(crate) fn put(&mut self, name: &str, item: Item) {
        if let Some(at) = self.schema.fields.iter().position(|it| it.name == name) {
            self.items[at] = item;
        }
    }

    /// A section in which nothing is written.
    pub(crate) fn new(schema: &'static Schema) -> Self {
        let client = |follow_redirects, enable_http2| {
            let mut http = HttpClient::default();
            (http.follow_redirects, http.enable_http2) = (follow_redirects, enable_http2);
            Some(http)
        };
        let http = match schema.http {
            Http::None => None,
            Http::Client { http2 } => client(true, http2),
            Http::Bare => client(false, false),
        };
        let items = schema.fields.iter().map(zero).collect();
        Self { schema, items, written: Vec::new(), http }
    }

    /// Reads a node that is neither alias nor null.
    pub(crate) fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        self.decode_with(node, decoder, |_, _, _| Ok(false)).map(drop)
    }

    /// As [`Self::decode`], with `other` for keys that the table does not name. Returns true if all had
    /// the right shape.
    pub(crate) fn decode_with(
        &mut self,
        node: Node<'_>,
        decoder: &mut Decoder,
        mut other: impl FnMut(&mut Decoder, &str, Node<'_>) -> Result<bool, Fatal>,
    ) -> Result<bool, Fatal> {
        let schema = self.schema;
        let clean = decoder.fields(node, schema.go_type, |decoder, key, value| {
            let at = schema.fields.iter().position(|it| it.name == key && !key.is_empty());
            let Some(at) = at else {
                if let Some(http) = &mut self.http
                    && http.field(decoder, key, value)?
                {
                    return Ok(true);
                }
                return other(decoder, key, value);
            };
            self.written.push(schema.fields[at].name);
            read(decoder, schema.fields[at].kind, value, &mut self.items[at])?;
            Ok(true)
        })?;
        if !clean {
            return Ok(false);
        }
        if let Some(http) = &mut self.http {
            http.finish()?;
        }
        (schema.check)(self).map_err(Fatal)?;
        Ok(true)
    }

    /// Checks all relabelling rules inside.
    pub(crate) fn check_rules(&self, scheme: ValidationScheme) -> Result<(), String> {
        for item in &self.items {
            match item {
                Item::Relabel(rules) => check_all(rules, scheme)?,
                Item::Sections(sections) => {
                    sections.iter().try_for_each(|it| it.check_rules(scheme))?
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Joins relative paths to `dir`.
    pub(crate) fn set_dir(&mut self, dir: &str) {
        self.http.iter_mut().for_each(|it| it.set_dir(dir));
        for (field, item) in self.schema.fields.iter().zip(&mut self.items) {
            match (field.kind, item) {
                (Kind::File, Item::Text(path)) => join(dir, path),
                (_, Item::Section(Some(section))) => section.set_dir(dir),
                (_, Item::Sections(sections)) => sections.iter_mut().for_each(|it| it.set_dir(dir)),
                _ => {}
            }
        }
    }

    pub(crate) fn echo(&self) -> Value {
        self.echo_fields().value()
    }

    /// The own keys, then those of the HTTP client.
    pub(crate) fn echo_fields(&self) -> Echo {
        let mut echo = Echo::default();
        let mut http = self.http.as_ref().map(HttpClient::echo);
        for (field, item) in self.schema.fields.iter().zip(&self.items) {
            if matches!(field.kind, Kind::HttpHere) {
                echo.extend(http.take().unwrap_or_default());
            } else if field.keep || !is_zero(item) {
                echo.put(field.name, show(field.kind, item));
            }
        }
        echo.extend(http.unwrap_or_default());
        echo
    }
}

impl std::fmt::Debug for Section {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.schema.fields.iter().map(|it| it.name);
        f.debug_map().entries(names.zip(&self.items)).entry(&"http", &self.http).finish()
    }
}

impl PartialEq for Section {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.schema, other.schema)
            && self.items == other.items
            && self.http == other.http
    }
}

/// Reads a list of sections; a null item is refused with `null_text`.
pub(crate) fn read_sections(
    decoder: &mut Decoder,
    node: Node<'_>,
    schema: &'static Schema,
    null_text: &str,
) -> Result<Vec<Section>, Fatal> {
    let mut sections = Vec::new();
    if decoder.is_null(node)? {
        return Ok(sections);
    }
    let list_type = format!("[]*{}", schema.go_type);
    decoder.follow(node, |decoder, node| {
        decoder.items(node, &list_type, |decoder, item| {
            if decoder.is_null(item)? {
                return Err(Fatal(null_text.to_owned()));
            }
            let mut section = Section::new(schema);
            decoder.follow(item, |decoder, item| section.decode(item, decoder))?;
            sections.push(section);
            Ok(())
        })
    })?;
    Ok(sections)
}

fn read(decoder: &mut Decoder, kind: Kind, node: Node<'_>, item: &mut Item) -> Result<(), Fatal> {
    match (kind, item) {
        (Kind::Url, Item::Text(text)) => url(decoder, node, text),
        (Kind::Lower, Item::Text(text)) => {
            decoder.set(node, text)?;
            *text = text.to_lowercase();
            Ok(())
        }
        (_, Item::Text(text)) => decoder.set(node, text),
        (_, Item::Secret(secret)) => decoder.set(node, secret),
        (_, Item::Bool(flag)) => decoder.set(node, flag),
        (Kind::Duration, Item::Int(ms)) => duration(decoder, node, ms),
        (_, Item::Int(number)) => decoder.set(node, number),
        (_, Item::Float(number)) => decoder.set(node, number),
        (_, Item::Texts(texts)) => decoder.set(node, texts),
        (_, Item::TextMap(map)) => decoder.set(node, map),
        (Kind::Section(schema), Item::Section(section)) => {
            if decoder.is_null(node)? {
                *section = None;
                return Ok(());
            }
            let mut read = section.take().unwrap_or_else(|| Box::new(Section::new(schema)));
            decoder.follow(node, |decoder, node| read.decode(node, decoder))?;
            *section = Some(read);
            Ok(())
        }
        (Kind::Sections(schema), Item::Sections(sections)) => {
            *sections = read_sections(decoder, node, schema, "empty or null section")?;
            Ok(())
        }
        (Kind::Relabel(null_text), Item::Relabel(rules)) => {
            let mut items = Vec::new();
            decoder.set(node, &mut items)?;
            *rules = no_nulls(items, null_text)?;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn zero(field: &Field) -> Item {
    match (field.kind, field.preset) {
        (Kind::Text | Kind::Lower | Kind::Url | Kind::File, Preset::Text(text)) => {
            Item::Text(text.into())
        }
        (Kind::Text | Kind::Lower | Kind::Url | Kind::File | Kind::HttpHere, _) => {
            Item::Text(String::new())
        }
        (Kind::Secret, _) => Item::Secret(Secret::default()),
        (Kind::Bool, preset) => Item::Bool(matches!(preset, Preset::Bool(true))),
        (Kind::Int | Kind::Duration, Preset::Int(number)) => Item::Int(number),
        (Kind::Int | Kind::Duration, _) => Item::Int(0),
        (Kind::Float, _) => Item::Float(0.0),
        (Kind::Texts, _) => Item::Texts(Vec::new()),
        (Kind::TextMap, _) => Item::TextMap(BTreeMap::new()),
        (Kind::Section(schema), Preset::Section) => {
            Item::Section(Some(Box::new(Section::new(schema))))
        }
        (Kind::Section(_), _) => Item::Section(None),
        (Kind::Sections(_), _) => Item::Sections(Vec::new()),
        (Kind::Relabel(_), _) => Item::Relabel(Vec::new()),
    }
}

fn show(kind: Kind, item: &Item) -> Value {
    match (kind, item) {
        (Kind::Url, Item::Text(text)) => Value::Str(redact_url(text)),
        (Kind::Duration, Item::Int(ms)) => Value::Str(model::duration::format(*ms)),
        (_, Item::Text(text)) => Value::str(text),
        (_, Item::Secret(_)) => Value::str(REDACTED),
        (_, Item::Bool(flag)) => Value::Bool(*flag),
        (_, Item::Int(number)) => Value::Int(*number),
        (_, Item::Float(number)) => Value::Float(*number),
        (_, Item::Texts(texts)) => Value::Seq(texts.iter().map(Value::str).collect()),
        (_, Item::TextMap(map)) => {
            Value::Map(map.iter().map(|(name, text)| (name.clone(), Value::str(text))).collect())
        }
        (_, Item::Section(section)) => section.as_ref().map_or(Value::Null, |it| it.echo()),
        (_, Item::Sections(sections)) => Value::Seq(sections.iter().map(Section::echo).collect()),
        (_, Item::Relabel(rules)) => Value::Seq(echo_all(rules)),
    }
}

fn is_zero(item: &Item) -> bool {
    match item {
        Item::Text(text) => text.is_empty(),
        Item::Secret(secret) => secret.is_empty(),
        Item::Bool(flag) => !flag,
        Item::Int(number) => *number == 0,
        Item::Float(number) => *number == 0.0,
        Item::Texts(texts) => texts.is_empty(),
        Item::TextMap(map) => map.is_empty(),
        Item::Section(section) => {
            section.as_ref().is_none_or(|it| it.echo() == Value::Map(Vec::new()))
        }
        Item::Sections(sections) => sections.is_empty(),
        Item::Relabel(rules) => rules.is_empty(),
    }
}
