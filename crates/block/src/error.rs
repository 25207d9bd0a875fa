//! Why a block could not be read or written.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use storage::ReadError;

/// Why a block could not be read or written. One variant for each thing the caller can do about it.
#[derive(Debug)]
pub enum Error {
    /// The disk refused. Trying again may help.
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The bytes are wrong. Trying again never helps; removing the block does.
    Corrupt {
        /// Which file, and where in it.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// What should be written does not fit the format: out of order, or too large.
    Refused(String),
    /// The guard of a read said not to go on.
    Interrupted,
}

impl Error {
    /// Names the file that the disk refused.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn corrupt(path: &Path, reason: impl Into<String>) -> Self {
        Self::Corrupt { place: path.display().to_string(), reason: reason.into() }
    }

    pub(crate) fn corrupt_at(path: &Path, offset: u64, reason: impl Into<String>) -> Self {
        Self::Corrupt { place: format!("{} at {offset}", path.display()), reason: reason.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Corrupt { place, reason } => write!(f, "{place}: {reason}"),
            Self::Refused(why) => f.write_str(why),
            Self::Interrupted => f.write_str("the reader has given up"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        match error {
            Error::Io { path, source } => {
                Self::Io { path: path.display().to_string(), reason: source.to_string() }
            }
            Error::Corrupt { place, reason } => Self::Corrupt { place, reason },
            Error::Refused(why) => Self::Unavailable(why),
            Error::Interrupted => Self::Interrupted,
        }
    }
}
