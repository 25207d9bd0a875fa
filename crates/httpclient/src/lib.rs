//! HTTP out: what scrapes, discovery, remote storage and notifications speak with.
//!
//! A [`Client`] is [`Options`] made ready: certificates are read, the proxy list is understood. It hands
//! out [`Connection`]s; each belongs to one caller, which keeps it between exchanges, so there is no pool
//! and no lock. A connection runs no task: it moves while its owner awaits [`Connection::send`] or
//! [`Response::read_into`]. Idle it costs its socket and a read buffer of 6 KiB (TLS: some 20 KiB more).
//!
//! A body is read whole, within the request's time, or piece by piece for as long as pieces come
//! ([`Response::chunk`]): watches do.
//!
//! HTTP/2 is spoken where the TLS handshake offers it. Proxies are plain HTTP ones: `CONNECT` for
//! `https`, forwarding for `http`. Secrets in files are read for each request; changed TLS files make
//! the next exchange open a new connection. Credentials never follow a redirect to another site.
//!
//! Not here: OAuth 2, cloud signatures, SOCKS, decompression.

mod auth;
mod connect;
mod connection;
mod error;
mod options;
mod tls;

pub use connection::{Client, Connection, Request, Response};
pub use error::Error;
pub use options::{
    Authorization, BasicAuth, HeaderValues, Options, Proxy, Source, TlsOptions, TlsVersion,
};
