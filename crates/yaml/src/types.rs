//! [`Decode`] for plain types.

use std::collections::BTreeMap;

use crate::node::Kind;
use crate::resolve::Scalar;
use crate::{Decode, Decoder, Dialect, Fatal, Node};

impl Decode for String {
    fn go_type() -> String {
        "string".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        decoder.text_as(node, "string", self)
    }
}

impl Decode for bool {
    fn go_type() -> String {
        "bool".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        match (decoder.scalar(node)?, node.kind()) {
            (Some(Scalar::Bool(it)), _) => *self = it,
            // Version 3 reads the old words only where a bool is wanted.
            (Some(Scalar::Str), Kind::Scalar { value, .. }) if decoder.dialect() == Dialect::V3 => {
                match value.as_str() {
                    "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => *self = true,
                    "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => *self = false,
                    _ => return decoder.mismatch(node, "bool"),
                }
            }
            _ => return decoder.mismatch(node, "bool"),
        }
        Ok(())
    }
}

impl Decode for f64 {
    fn go_type() -> String {
        "float64".into()
    }

    #[expect(clippy::cast_precision_loss, reason = "Go converts so, too")]
    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        match decoder.scalar(node)? {
            Some(Scalar::Int(it)) => *self = it as Self,
            Some(Scalar::Uint(it)) => *self = it as Self,
            Some(Scalar::Float(it)) => *self = it,
            _ => return decoder.mismatch(node, "float64"),
        }
        Ok(())
    }
}

/// Reads a whole number; floats lose their fraction, as in Go.
fn integer<T: TryFrom<i128>>(
    out: &mut T,
    go_type: &str,
    node: Node<'_>,
    decoder: &mut Decoder,
) -> Result<(), Fatal> {
    let wide = match decoder.scalar(node)? {
        Some(Scalar::Int(it)) => Some(i128::from(it)),
        Some(Scalar::Uint(it)) => Some(i128::from(it)),
        #[expect(clippy::cast_possible_truncation, reason = "saturates, and is then out of range")]
        Some(Scalar::Float(it)) if !it.is_nan() => Some(it as i128),
        _ => None,
    };
    match wide.and_then(|it| T::try_from(it).ok()) {
        Some(value) => *out = value,
        None => decoder.mismatch(node, go_type)?,
    }
    Ok(())
}

/// Go's `int`.
impl Decode for i64 {
    fn go_type() -> String {
        "int".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        integer(self, "int", node, decoder)
    }
}

/// Go's `uint64`.
impl Decode for u64 {
    fn go_type() -> String {
        "uint64".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        integer(self, "uint64", node, decoder)
    }
}

/// Go's `uint`.
impl Decode for usize {
    fn go_type() -> String {
        "uint".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        integer(self, "uint", node, decoder)
    }
}

/// Null is `None`; a value that is there already is decoded into.
impl<T: Decode> Decode for Option<T> {
    fn go_type() -> String {
        T::go_type()
    }

    fn go_item_type() -> String {
        format!("*{}", T::go_type())
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        self.get_or_insert_default().decode(node, decoder)
    }
}

impl<T: Decode> Decode for Box<T> {
    fn go_type() -> String {
        T::go_type()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        (**self).decode(node, decoder)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn go_type() -> String {
        format!("[]{}", T::go_item_type())
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        self.clear();
        decoder.items(node, &Self::go_type(), |decoder, item| {
            let mut value = T::default();
            decoder.set(item, &mut value)?;
            self.push(value);
            Ok(())
        })
    }
}

impl<T: Decode> Decode for BTreeMap<String, T> {
    fn go_type() -> String {
        format!("map[string]{}", T::go_item_type())
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        decoder.entries(node, &Self::go_type(), |decoder, name, node| {
            let mut value = T::default();
            decoder.set(node, &mut value)?;
            self.insert(name, value);
            Ok(())
        })
    }
}
