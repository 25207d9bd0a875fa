//! Building the YAML that shows a configuration as it took effect.

use yaml::Value;

use crate::secret::{REDACTED, Secret};

/// A mapping being built. Most methods leave a zero value out, as upstream does.
#[derive(Debug, Default)]
pub(crate) struct Echo(Vec<(String, Value)>);

impl Echo {
    /// Adds a value whatever it is.
    pub(crate) fn put(&mut self, name: &str, value: Value) {
        self.0.push((name.to_owned(), value));
    }

    pub(crate) fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.put(name, Value::str(text));
        }
    }

    pub(crate) fn duration(&mut self, name: &str, ms: i64) {
        if ms != 0 {
            self.put(name, Value::Str(model::duration::format(ms)));
        }
    }

    pub(crate) fn size(&mut self, name: &str, bytes: i64) {
        if bytes != 0 {
            self.put(name, Value::Str(crate::size::format(bytes)));
        }
    }

    pub(crate) fn count(&mut self, name: &str, count: u64) {
        if count != 0 {
            self.put(name, Value::Int(i64::try_from(count).unwrap_or(i64::MAX)));
        }
    }

    pub(crate) fn float(&mut self, name: &str, value: f64) {
        if value != 0.0 {
            self.put(name, Value::Float(value));
        }
    }

    pub(crate) fn flag(&mut self, name: &str, flag: bool) {
        if flag {
            self.put(name, Value::Bool(true));
        }
    }

    pub(crate) fn secret(&mut self, name: &str, secret: &Secret) {
        if !secret.is_empty() {
            self.put(name, Value::str(REDACTED));
        }
    }

    pub(crate) fn texts(&mut self, name: &str, texts: &[String]) {
        self.list(name, texts.iter().map(Value::str).collect());
    }

    pub(crate) fn list(&mut self, name: &str, items: Vec<Value>) {
        if !items.is_empty() {
            self.put(name, Value::Seq(items));
        }
    }

    /// Adds a mapping unless it is empty.
    pub(crate) fn section(&mut self, name: &str, section: Value) {
        if section != Value::Map(Vec::new()) && section != Value::Null {
            self.put(name, section);
        }
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn value(self) -> Value {
        Value::Map(self.0)
    }
}
