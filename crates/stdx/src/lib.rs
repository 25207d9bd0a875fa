//! What the standard library lacks and could have.
//!
//! - [`bits`]: streams of bits, most significant first.
//! - [`Clock`]: time as a value that is handed in.
//! - [`Directory`]: files as a value that is handed in, so that a test can be the crashing disk.
//! - [`gofloat`]: floats as Go writes and reads them.
//! - [`glob`]: file name patterns.
//! - [`random_between`]: chance, so that many do not do the same at once.
//! - [`sort`]: sorting that can be given up.
//! - [`undecodable`]: bytes that are no UTF-8, carried in text.
//! - [`varint`]: LEB128 numbers, plain and zig-zag.
//! - [`xml`]: small XML documents, read into a tree.

pub mod bits;
mod clock;
mod directory;
pub mod glob;
pub mod gofloat;
mod mapped;
mod random;
pub mod sort;
mod subdirectory;
pub mod undecodable;
pub mod varint;
pub mod xml;

pub use clock::{Clock, SystemClock};
pub use directory::{Directory, Entry, FileRead, FileWrite, Space, Syncing, SystemDirectory};
pub use mapped::Mapped;
pub use random::random_between;
pub use subdirectory::Subdirectory;
