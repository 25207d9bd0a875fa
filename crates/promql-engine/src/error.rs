//! Why a query has no answer.

use std::fmt;

use storage::ReadError;

/// Why a query has no answer. `Display` is upstream's text where upstream has one.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryError {
    /// The text is not a query (upstream's `bad_data`). The text names the position.
    Parse(String),
    /// It would hold more samples at once than allowed (`execution`).
    TooManySamples,
    /// It would hold more bytes at once than allowed (`execution`).
    TooMuchMemory {
        /// The limit, in bytes.
        max_bytes: u64,
    },
    /// All running queries together would hold more bytes than the server has left for them
    /// (`execution`).
    ServerMemory {
        /// What they may hold together, in bytes.
        max_bytes: u64,
    },
    /// It took too long (`timeout`).
    Timeout,
    /// The caller gave it up (`canceled`).
    Canceled,
    /// The storage could not be read (`execution`).
    Storage(ReadError),
    /// The expression has no value for this data (`execution`).
    Exec(String),
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parse(text) | Self::Exec(text) => f.write_str(text),
            Self::TooManySamples => f.write_str(
                "query processing would load too many samples into memory in query execution",
            ),
            Self::TooMuchMemory { max_bytes } => write!(
                f,
                "query processing would use more than {max_bytes} bytes of memory in query execution"
            ),
            Self::ServerMemory { max_bytes } => write!(
                f,
                "the server is out of memory for queries: all that run may hold {max_bytes} bytes together in query execution"
            ),
            Self::Timeout => f.write_str("query timed out in expression evaluation"),
            Self::Canceled => f.write_str("query was canceled in expression evaluation"),
            Self::Storage(error) => write!(f, "expanding series: {error}"),
        }
    }
}

impl std::error::Error for QueryError {}
