//! What answers in JSON are read into.

use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};

/// Objects in an answer. Two bytes can be one of hundreds in memory.
const OBJECTS_MAX: usize = 1_000_000;

/// Reads an answer. One of no more than a sane number of objects (braces in texts count too) takes memory in
/// proportion.
pub(crate) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    let n_objects = text.iter().filter(|it| **it == b'{').count();
    if OBJECTS_MAX < n_objects {
        return Err(format!("{n_objects} objects are too many"));
    }
    serde_json::from_slice(text).map_err(|it| it.to_string())
}

/// Names with values, in the order of the text; much smaller than a map.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Pairs(Box<[(Box<str>, Box<str>)]>);

impl Pairs {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|it| it.0 == name).map(|it| it.1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of text")
            }

            fn visit_unit<E>(self) -> Result<Pairs, E> {
                Ok(Pairs::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs.into()))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// Reads `null` as nothing: lists without items are written so.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_objects() {
        let text = |n| format!("[{}]", vec!["{}"; n].join(","));
        let parse = |n| parse::<Vec<Pairs>>(text(n).as_bytes()).map(|it| it.len());
        assert_eq!(parse(OBJECTS_MAX), Ok(OBJECTS_MAX));
        assert_eq!(parse(OBJECTS_MAX + 1), Err("1000001 objects are too many".to_owned()));
    }
}
