//! YAML as Go's libraries read and write it.
//!
//! Prometheus's files are read by Go's `yaml.v2` (rule files by `yaml.v3`), both children of libyaml.
//! What they accept, what they take a scalar for and what they say about a mistake is what users know,
//! so this crate does the same: libyaml's events ([`libyaml-rs`](https://docs.rs/libyaml-rs)) become a
//! tree of [`Node`]s with positions, and the tree is read into typed values through [`Decode`].
//!
//! - Null is the zero value; scalars keep their text where a string is wanted; YAML 1.1 booleans;
//!   numbers with `_`, `0x`, `0o`, `0b`, leading `0`; merge keys `<<`; aliases.
//! - Unknown fields, repeated keys and wrong kinds are collected, each with its line, under the names
//!   of Go's types ([`Error::Shape`]). A value's own check ([`Fatal`]) ends decoding at once.
//! - Any bytes are safe: nesting stops at [`MAX_DEPTH`], and aliases have Go's budget.
//!
//! [`Value`] holds YAML without a type, and [`to_string`] writes one in Go's style.
//!
//! Costs: one node is about 80 bytes plus its text. Nothing is borrowed from the input.
//!
//! Not here: documents after the first, comments, tags of one's own, writing anchors.
//!
//! ```
//! use yaml::{Decode, Decoder, Fatal, Node, Options};
//!
//! #[derive(Default, Debug, PartialEq)]
//! struct Job {
//!     name: String,
//!     limit: i64,
//! }
//!
//! impl Decode for Job {
//!     fn go_type() -> String {
//!         "config.plain".into()
//!     }
//!     fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
//!         decoder.fields(node, "config.plain", |decoder, key, value| {
//!             match key {
//!                 "name" => decoder.set(value, &mut self.name)?,
//!                 "limit" => decoder.set(value, &mut self.limit)?,
//!                 _ => return Ok(false),
//!             }
//!             Ok(true)
//!         })?;
//!         Ok(())
//!     }
//! }
//!
//! let job: Job = yaml::from_slice(b"name: 10_000\nlimit: 10_000", Options::default()).unwrap();
//! assert_eq!(job, Job { name: "10_000".into(), limit: 10_000 });
//! let error = yaml::from_slice::<Job>(b"nam: x\nlimit: abc", Options::default()).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "yaml: unmarshal errors:\n  line 1: field nam not found in type config.plain\n  \
//!      line 2: cannot unmarshal !!str `abc` into int"
//! );
//! ```

mod decode;
mod error;
mod libyaml;
mod node;
mod resolve;
mod types;
mod value;

pub use decode::{Decode, Decoder, Options, decode_into, from_slice};
pub use error::{Error, Fatal, Problem};
pub use node::{Document, MAX_DEPTH, Node};
pub use value::{Value, to_string};

/// Which of Go's libraries to follow where they differ: version 3 takes `yes` and `on` for booleans only
/// where one is wanted, and looks for repeated keys before all else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `yaml.v2`: configuration.
    V2,
    /// `yaml.v3`: rule files.
    V3,
}
