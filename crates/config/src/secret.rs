//! Text that must not be shown.

use std::fmt;

use yaml::{Decode, Decoder, Fatal, Node};

/// What is shown in place of a secret.
pub(crate) const REDACTED: &str = "<secret>";

/// Text that is used but never shown: `Debug` and the echo write `<secret>`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, to be used and not shown.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// True for no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "" } else { REDACTED })
    }
}

impl Decode for Secret {
    fn go_type() -> String {
        "config.plain".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        self.0.decode(node, decoder)
    }
}
