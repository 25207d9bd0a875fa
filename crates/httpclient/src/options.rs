//! What a client is told.

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::aws::SigV4;

/// How to talk to a peer. The caller has checked it: at most one of [`Options::basic_auth`],
/// [`Options::authorization`], [`Options::oauth2`] and [`Options::sigv4`], a certificate never without its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// User and password.
    pub basic_auth: Option<BasicAuth>,
    /// An `Authorization` header.
    pub authorization: Option<Authorization>,
    /// Tokens from a token server.
    pub oauth2: Option<Box<OAuth2>>,
    /// Signatures as AWS wants them.
    pub sigv4: Option<Box<SigV4>>,
    /// TLS.
    pub tls: TlsOptions,
    /// Which proxy to use.
    pub proxy: Proxy,
    /// Headers of the `CONNECT` request to a proxy.
    pub proxy_connect_headers: Vec<(String, String)>,
    /// Follows up to ten redirects.
    pub follow_redirects: bool,
    /// Offers HTTP/2 in the TLS handshake.
    pub http2: bool,
    /// Headers added to each request.
    pub headers: Vec<HeaderValues>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            basic_auth: None,
            authorization: None,
            oauth2: None,
            sigv4: None,
            tls: TlsOptions::default(),
            proxy: Proxy::None,
            proxy_connect_headers: Vec::new(),
            follow_redirects: true,
            http2: true,
            headers: Vec::new(),
        }
    }
}

/// Text that is given, or stands in a file that is read when it is needed.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// The text.
    Inline(String),
    /// Where the text is.
    File(PathBuf),
}

impl Default for Source {
    fn default() -> Self {
        Self::Inline(String::new())
    }
}

/// Shows no text, which may be a secret.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("Inline(<secret>)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// User and password.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BasicAuth {
    /// The user.
    pub username: Source,
    /// The password.
    pub password: Source,
}

/// An `Authorization` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// The scheme, mostly `Bearer`.
    pub kind: String,
    /// What follows it.
    pub credentials: Source,
}

/// Tokens from a token server, kept until they expire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2 {
    /// Who asks.
    pub client_id: String,
    /// How it proves who it is.
    pub grant: Grant,
    /// What to ask for.
    pub scopes: Vec<String>,
    /// The server, a URL.
    pub token_url: String,
    /// More parameters of the request.
    pub endpoint_params: Vec<(String, String)>,
    /// TLS towards the server.
    pub tls: TlsOptions,
    /// Which proxy to use towards the server.
    pub proxy: Proxy,
    /// Headers of the `CONNECT` request to that proxy.
    pub proxy_connect_headers: Vec<(String, String)>,
}

/// How a client proves to the token server who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// By a secret.
    ClientCredentials {
        /// It.
        secret: Source,
    },
    /// By a signed claim (RFC 7523).
    JwtBearer {
        /// The RSA key to sign with, in PEM.
        key: Source,
        /// What is claimed.
        claims: Claims,
    },
}

/// What a signed claim says, and how it is signed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Claims {
    /// The name of the key; empty: none is said.
    pub key_id: String,
    /// How it is signed.
    pub algorithm: SignatureAlgorithm,
    /// Who claims; empty: the client's id.
    pub issuer: String,
    /// To whom; empty: the token server's URL.
    pub audience: String,
    /// More claims.
    pub more: Map<String, Value>,
}

/// RSA over a hash of the SHA-2 family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SignatureAlgorithm {
    /// SHA-256.
    #[default]
    Rs256,
    /// SHA-384.
    Rs384,
    /// SHA-512.
    Rs512,
}

/// A header with all its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderValues {
    /// The name.
    pub name: String,
    /// The values; those from files lose blanks at both ends.
    pub values: Vec<Source>,
}

/// TLS versions, as far as they are still spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.2.
    Tls12,
    /// 1.3.
    Tls13,
}

/// TLS of the client.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TlsOptions {
    /// Certificates to trust, in PEM, instead of the system's.
    pub ca: Option<Source>,
    /// The client's certificate chain, in PEM.
    pub cert: Option<Source>,
    /// The client's private key, in PEM.
    pub key: Option<Source>,
    /// The name to expect in the peer's certificate; empty: the host of the URL.
    pub server_name: String,
    /// Trusts whoever answers.
    pub insecure_skip_verify: bool,
    /// The lowest version to accept.
    pub min_version: Option<TlsVersion>,
    /// The highest version to offer.
    pub max_version: Option<TlsVersion>,
}

/// Which proxy to use.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Proxy {
    /// None.
    #[default]
    None,
    /// This one, but for the hosts of a `NO_PROXY` list.
    Fixed {
        /// `http://[user:password@]host:port`; also `https` and `socks5`.
        url: String,
        /// Hosts, domains, networks, separated by commas.
        no_proxy: String,
    },
    /// What the environment said when the program started.
    Environment {
        /// `HTTP_PROXY`.
        http: String,
        /// `HTTPS_PROXY`.
        https: String,
        /// `NO_PROXY`.
        no_proxy: String,
    },
}
