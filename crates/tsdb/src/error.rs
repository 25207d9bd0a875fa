//! Why a database could not be opened or closed.

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
            Self::Corrupt { path, reason } => write!(f, "{}: {reason}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {}
