//! Values without a type of their own, and writing them.

use crate::libyaml::{Emitter, Style};
use crate::node::Kind;
use crate::resolve::{Scalar, implicit, is_base60};
use crate::{Decode, Decoder, Dialect, Fatal, Node};

/// Any YAML value. Mappings keep the order of the text.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`, and nothing at all.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text; written so that it reads back as text.
    Str(String),
    /// A list, each item on its own line.
    Seq(Vec<Value>),
    /// A list on one line: `[a, b]`.
    FlowSeq(Vec<Value>),
    /// A mapping.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// Text, owned.
    pub fn str(text: impl Into<String>) -> Self {
        Self::Str(text.into())
    }

    /// The value of a mapping's key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(pairs) = self else { return None };
        pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }
}

impl Decode for Value {
    fn go_type() -> String {
        "interface {}".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        *self = match node.kind() {
            Kind::Sequence(_) => {
                let mut items = Vec::new();
                decoder.set(node, &mut items)?;
                Self::Seq(items)
            }
            Kind::Mapping(_) => mapping(node, decoder)?,
            Kind::Scalar { value, .. } => match decoder.scalar(node)? {
                Some(Scalar::Null) => Self::Null,
                Some(Scalar::Bool(it)) => Self::Bool(it),
                Some(Scalar::Int(it)) => Self::Int(it),
                Some(Scalar::Float(it)) => Self::Float(it),
                Some(Scalar::Binary(text)) => Self::Str(text),
                _ => Self::Str(value.clone()),
            },
            Kind::Alias { .. } => Self::Null,
        };
        Ok(())
    }
}

fn mapping(node: Node<'_>, decoder: &mut Decoder) -> Result<Value, Fatal> {
    let mut pairs: Vec<(String, Value)> = Vec::new();
    decoder.entries(node, "map[interface {}]interface {}", |decoder, name, node| {
        let mut value = Value::Null;
        decoder.set(node, &mut value)?;
        pairs.push((name, value));
        Ok(())
    })?;
    Ok(Value::Map(pairs))
}

/// Writes a value as Go's version 2 does: block style, two blanks, dashes at the parent's column. The
/// text ends with a line break.
pub fn to_string(value: &Value) -> String {
    let mut emitter = Emitter::new();
    write(&mut emitter, value);
    emitter.finish()
}

fn write(emitter: &mut Emitter, value: &Value) {
    match value {
        Value::Null => emitter.scalar("null", Style::Plain),
        Value::Bool(it) => emitter.scalar(if *it { "true" } else { "false" }, Style::Plain),
        Value::Int(it) => emitter.scalar(&it.to_string(), Style::Plain),
        Value::Float(it) => emitter.scalar(&float(*it), Style::Plain),
        Value::Str(text) => emitter.scalar(text, style(text)),
        Value::Seq(items) => list(emitter, items, items.is_empty()),
        Value::FlowSeq(items) => list(emitter, items, true),
        Value::Map(pairs) => {
            emitter.start_mapping();
            for (name, value) in pairs {
                emitter.scalar(name, style(name));
                write(emitter, value);
            }
            emitter.end_mapping();
        }
    }
}

fn list(emitter: &mut Emitter, items: &[Value], flow: bool) {
    emitter.start_sequence(flow);
    items.iter().for_each(|it| write(emitter, it));
    emitter.end_sequence();
}

/// Plain where it reads back as the same text, several lines as a block, else quoted.
fn style(text: &str) -> Style {
    if text.contains('\n') {
        return Style::Literal;
    }
    let plain = implicit(text, Dialect::V2) == Scalar::Str && !is_base60(text);
    if plain { Style::Plain } else { Style::DoubleQuoted }
}

fn float(value: f64) -> String {
    if value.is_nan() {
        return ".nan".into();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-.inf" } else { ".inf" }.into();
    }
    let mut out = String::new();
    stdx::gofloat::write_g(&mut out, value);
    out
}
