//! Where collectors read, and what can go wrong.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

/// Roots of the kernel's file systems.
#[derive(Clone, Debug)]
pub struct Paths {
    /// `/proc`.
    pub proc: PathBuf,
    /// What mount points are relative to: `/`, or where the host's root is mounted in a container.
    pub root: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Self { proc: "/proc".into(), root: "/".into() }
    }
}

impl Paths {
    /// Reads a file below `/proc`.
    pub(crate) fn read_proc(&self, name: &str) -> Result<String, Error> {
        let path = self.proc.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(source) => Err(Error::Io { path, source }),
        }
    }
}

/// Why a collector has no numbers.
#[derive(Debug)]
pub enum Error {
    /// A file could not be read.
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not look as the kernel writes it.
    Format {
        /// Which, below `/proc`.
        file: &'static str,
        /// The line.
        line: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Format { file, line } => write!(f, "/proc/{file}: not understood: {line:?}"),
        }
    }
}

impl std::error::Error for Error {}

/// Reads a number of `line`, which came from `file`.
pub(crate) fn number(text: Option<&str>, file: &'static str, line: &str) -> Result<f64, Error> {
    text.and_then(|it| it.parse().ok()).ok_or_else(|| Error::Format { file, line: line.to_owned() })
}
