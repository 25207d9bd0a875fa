//! Addresses of targets.

use std::fmt::Display;

/// Returns `host:port`, with brackets around what has colons of its own.
pub(crate) fn host_and_port(host: &str, port: impl Display) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
