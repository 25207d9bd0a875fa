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
//! HTTP/2 is spoken where the TLS handshake offers it. HTTP and HTTPS proxies are asked to `CONNECT` for
//! `https` and to forward `http`; SOCKS 5 proxies connect for both. A peer may be behind a Unix socket
//! ([`Client::over_unix_socket`]). Secrets in files are read for each request; changed TLS files make
//! the next exchange open a new connection. Credentials never follow a redirect to another site.
//!
//! Tokens ([`OAuth2`]) and AWS signatures ([`SigV4`]) are had when the first request needs them, and again
//! when they expire; the clones of a client share them.
//!
//! Not here: decompression.

mod auth;
mod aws;
mod connect;
mod connection;
mod error;
mod oauth2;
mod options;
mod proxy;
mod socks;
mod tls;

pub use aws::{AwsEnvironment, AwsKeys, SigV4};
pub use connection::{Client, Connection, Request, Response, Room};
pub use error::{Error, without_password};
pub use options::{
    Authorization, BasicAuth, Claims, Grant, HeaderValues, OAuth2, Options, Proxy,
    SignatureAlgorithm, Source, TlsOptions, TlsVersion,
};
