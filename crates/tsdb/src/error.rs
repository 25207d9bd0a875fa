//! Why a database could not be opened, or would not do what it was told.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a database could not be opened. One variant for each thing the caller can do about it.
#[derive(Debug)]
pub enum OpenError {
    /// Another process has it.
    Locked(io::Error),
    /// The disk refused. Trying again may help.
    Io {
        /// What was being done, and to which file.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The bytes are wrong and must not be repaired by guessing; an operator has to move them away.
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and where in the file.
        reason: String,
    },
    /// It was closed before it was loaded.
    Closed,
}

impl OpenError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked(source) => write!(f, "lock DB directory: {source}"),
            Self::Io { what, source } => write!(f, "{what}: {source}"),
            Self::Closed => f.write_str("closed before it was loaded"),
            Self::Corrupt { path, reason } => write!(f, "{}: {reason}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {}

/// Why deleting, cleaning or copying ended early. One variant for each thing the caller can do about it.
#[derive(Debug)]
pub enum AdminError {
    /// The log cannot be written. Trying again may help.
    Log(String),
    /// A block cannot be read or written.
    Block(block::Error),
    /// This database does not do that.
    Refused(String),
}

impl From<block::Error> for AdminError {
    fn from(source: block::Error) -> Self {
        Self::Block(source)
    }
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(why) | Self::Refused(why) => f.write_str(why),
            Self::Block(source) => source.fmt(f),
        }
    }
}

impl std::error::Error for AdminError {}
