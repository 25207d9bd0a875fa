//! Why a file was refused.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a configuration was refused; `Display` is upstream's text.
#[derive(Debug)]
pub enum Error {
    /// The file could not be read.
    Read {
        /// As given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text is wrong.
    Invalid {
        /// As given.
        path: PathBuf,
        /// What is wrong; lines are inside.
        text: String,
    },
    /// The text of a server's file of TLS and users is wrong.
    InvalidWeb {
        /// What is wrong; lines are inside.
        text: String,
    },
    /// The text of a file with scrape configurations is wrong.
    InvalidScrapeFile {
        /// As found.
        path: PathBuf,
        /// What is wrong.
        text: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => write!(f, "open {}: {}", path.display(), words(source)),
            Self::Invalid { path, text } => {
                write!(f, "parsing YAML file {}: {text}", path.display())
            }
            Self::InvalidWeb { text } => f.write_str(text),
            Self::InvalidScrapeFile { path, text } => {
                write!(f, "{}: {text}", model::quote(&path.display().to_string()))
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            Self::Invalid { .. } | Self::InvalidWeb { .. } | Self::InvalidScrapeFile { .. } => None,
        }
    }
}

/// What C's `strerror` says, in lower case and without the number.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_lowercase().chain(chars).collect())
}
