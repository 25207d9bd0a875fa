//! A list of groups in JSON: `[{"targets": ["host:port", …], "labels": {"name": "value", …}}, …]`.
//!
//! Groups are made while the list is read: nothing but the text and the groups is in memory. What is wrong is said
//! in upstream's words; mistakes in the JSON itself in the parser's.

use std::collections::BTreeMap;
use std::fmt;

use model::{Labels, TargetGroup, quote};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

/// The longest address, name or value that is taken. Upstream has no bound; a label ends at 16 MiB.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// The most groups and targets: three bytes of text can be one, which takes a hundred in memory.
const ITEMS_MAX: usize = 1_000_000;

/// The most labels that the targets of a group have together.
const GROUP_LABELS_MAX: usize = 10_000_000;

/// Reads a list. Sources are empty.
///
/// # Errors
/// What is wrong.
pub(super) fn parse(text: &str) -> Result<Vec<TargetGroup>, String> {
    let mut json = serde_json::Deserializer::from_str(text);
    let groups = Any(List).deserialize(&mut json).map_err(|it| message(&it))?;
    json.end().map_err(|it| message(&it))?;
    Ok(groups)
}

fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match error.classify() {
        Category::Eof => "unexpected end of JSON input".into(),
        Category::Data => {
            let text = text.rsplit_once(" at line ").map_or(text.as_str(), |it| it.0);
            wrong_type(text).unwrap_or_else(|| text.to_owned())
        }
        Category::Io | Category::Syntax => text,
    }
}

/// From the parser's `invalid type: FOUND, expected GO` to Go's words.
fn wrong_type(text: &str) -> Option<String> {
    let (found, expected) = text.strip_prefix("invalid type: ")?.rsplit_once(", expected ")?;
    let kind = match found.split(' ').next()? {
        "boolean" => "bool",
        "string" => "string",
        "sequence" => "array",
        "map" => "object",
        _ => "number",
    };
    Some(format!("json: cannot unmarshal {kind} into {expected}"))
}

/// Reads whatever comes, and lets the visitor say whether it is right.
struct Any<V>(V);

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Any<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<V::Value, D::Error> {
        json.deserialize_any(self.0)
    }
}

struct List;

impl<'de> Visitor<'de> for List {
    type Value = Vec<TargetGroup>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Go value of type []*targetgroup.Group")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let (mut groups, mut n_items) = (Vec::new(), 0);
        while let Some(group) = items.next_element_seed(Any(Group(&mut n_items)))? {
            count(&mut n_items)?;
            groups.push(group.ok_or_else(|| Error::custom("nil target group item found"))?);
        }
        Ok(groups)
    }
}

/// Counts one more.
fn count<E: Error>(n_items: &mut usize) -> Result<(), E> {
    *n_items += 1;
    match *n_items {
        ..=ITEMS_MAX => Ok(()),
        _ => Err(E::custom(format!("more than {ITEMS_MAX} groups and targets"))),
    }
}

/// Has the number of items so far.
struct Group<'a>(&'a mut usize);

impl<'de> Visitor<'de> for Group<'_> {
    type Value = Option<TargetGroup>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            r#"Go value of type struct { Targets []string "json:\"targets\""; Labels model.LabelSet "json:\"labels\"" }"#,
        )
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let (mut targets, mut labels) = (Vec::new(), Labels::empty());
        while let Some(name) = fields.next_key_seed(Any(KEY))? {
            // Go takes names in any case.
            match name.to_ascii_lowercase().as_str() {
                "targets" => targets = fields.next_value_seed(Any(Targets(self.0)))?,
                "labels" => labels = fields.next_value_seed(Any(GroupLabels))?,
                _ => return Err(Error::custom(format!("json: unknown field {}", quote(&name)))),
            }
        }
        if GROUP_LABELS_MAX < targets.len().saturating_mul(labels.len()) {
            return Err(Error::custom("a group has too many targets with too many labels"));
        }
        Ok(Some(TargetGroup { source: String::new(), targets, labels }))
    }
}

/// Has the number of items so far.
struct Targets<'a>(&'a mut usize);

impl<'de> Visitor<'de> for Targets<'_> {
    type Value = Vec<Labels>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Go struct field .targets of type []string")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut targets = Vec::new();
        while let Some(address) = items.next_element_seed(Any(ADDRESS))? {
            count(self.0)?;
            targets.push(Labels::from_pairs([("__address__", address)]));
        }
        Ok(targets)
    }
}

struct GroupLabels;

impl<'de> Visitor<'de> for GroupLabels {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Go value of type map[model.LabelName]model.LabelValue")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Labels::empty())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        // Sorted at the end: there may be a million.
        let mut labels = BTreeMap::new();
        while let Some((name, value)) = fields.next_entry_seed(Any(KEY), Any(VALUE))? {
            if name.is_empty() {
                return Err(Error::custom("\"\" is not a valid label name"));
            }
            labels.insert(name, value);
        }
        Ok(Labels::from_sorted(labels.iter().map(|(name, value)| (name.as_str(), value.as_str()))))
    }
}

/// A text, with what Go calls its place. A null is an empty text.
struct Text(&'static str);

const KEY: Text = Text("Go value of type string");
const ADDRESS: Text = Text("Go struct field .targets of type string");
const VALUE: Text = Text("Go value of type model.LabelValue");

impl Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_unit<E: Error>(self) -> Result<String, E> {
        Ok(String::new())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        if TEXT_BYTES_MAX < text.len() {
            return Err(E::custom(format!("a text of {} bytes is too long", text.len())));
        }
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prints groups as `address,… {labels}`, or the error.
    fn check(text: &str, expected: &str) {
        let print = |group: TargetGroup| {
            let targets: Vec<_> = group.targets.iter().map(|it| it.value("__address__")).collect();
            format!("{} {}", targets.join(","), group.labels)
        };
        let found = match parse(text) {
            Ok(groups) => groups.into_iter().map(print).collect::<Vec<_>>().join("; "),
            Err(why) => why,
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn reads_groups() {
        check("[]", "");
        check(" null ", "");
        check(
            r#"[{"targets":["a:1","b\u00e9"],"labels":{"y":"1","x":"2","__meta_z":""}},{}]"#,
            r#"a:1,bé {x="2", y="1"};  {}"#,
        );
        check(r#"[{"Targets":null,"LABELS":null}]"#, " {}");
        check(r#"[{"labels":{"größe":"1"}}]"#, r#" {"größe"="1"}"#);
    }

    #[test]
    fn says_what_is_wrong() {
        check("", "unexpected end of JSON input");
        check("[{", "unexpected end of JSON input");
        check("[null]", "nil target group item found");
        check("{}", "json: cannot unmarshal object into Go value of type []*targetgroup.Group");
        check(
            r#"[{"targets":"a:1"}]"#,
            "json: cannot unmarshal string into Go struct field .targets of type []string",
        );
        check(
            r#"[{"targets":[1.5]}]"#,
            "json: cannot unmarshal number into Go struct field .targets of type string",
        );
        check(
            r#"[{"labels":{"a":true}}]"#,
            "json: cannot unmarshal bool into Go value of type model.LabelValue",
        );
        check(r#"[{"target":[]}]"#, r#"json: unknown field "target""#);
        check(r#"[{"labels":{"":"x"}}]"#, r#""" is not a valid label name"#);
        check("<html>", "expected value at line 1 column 1");
        check("[] []", "trailing characters at line 1 column 4");
        let long = format!(r#"[{{"targets":["{}"]}}]"#, "a".repeat(TEXT_BYTES_MAX + 1));
        check(&long, "a text of 1048577 bytes is too long");
        let many = format!("[{}{{}}]", "{},".repeat(ITEMS_MAX));
        check(&many, "more than 1000000 groups and targets");
        let many = format!(r#"[{{"targets":[{}""]}}]"#, "\"\",".repeat(ITEMS_MAX));
        check(&many, "more than 1000000 groups and targets");
        check(
            &"[".repeat(100_000),
            "json: cannot unmarshal array into Go value of type struct { Targets []string \"json:\\\"targets\\\"\"; Labels model.LabelSet \"json:\\\"labels\\\"\" }",
        );
    }
}
