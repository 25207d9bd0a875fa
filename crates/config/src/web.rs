//! The file of `--web.config.file`: TLS, users and headers of a server.

use std::collections::BTreeMap;
use std::path::Path;

use model::quote;
use stdx::Directory;
use yaml::{Decode, Decoder, Fatal, Node};

use crate::Error;
use crate::paths::{folder, join};
use crate::scalar::{duration, parsed};
use crate::secret::Secret;
use crate::server::TlsVersion;

/// How a server guards its connections and requests.
#[derive(Clone, Debug, PartialEq)]
pub struct WebConfig {
    /// TLS; nothing is written in it where there is none.
    pub tls: WebTls,
    /// Offer HTTP/2 over TLS.
    pub http2: bool,
    /// Headers of each answer.
    pub headers: BTreeMap<String, String>,
    /// Users with the bcrypt hashes of their passwords; none: everybody is let in.
    pub users: BTreeMap<String, Secret>,
    /// The limit of requests.
    pub rate_limit: RateLimit,
}

/// How many requests are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// One request in this time; 0: no limit.
    pub interval_ms: i64,
    /// So many at once, if there were none before.
    pub burst: i64,
}

/// TLS of a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WebTls {
    /// The server's certificate, PEM.
    pub cert: String,
    /// A file with it.
    pub cert_file: String,
    /// Its key, PEM.
    pub key: Secret,
    /// A file with it.
    pub key_file: String,
    /// Certificates of those who sign clients' ones, PEM.
    pub client_ca: String,
    /// A file with them.
    pub client_ca_file: String,
    /// What is asked of clients.
    pub client_auth: ClientAuth,
    /// One of these names must be in a client's certificate; empty: any.
    pub client_allowed_sans: Vec<String>,
    /// Lowest version.
    pub min_version: Option<TlsVersion>,
    /// Highest version.
    pub max_version: Option<TlsVersion>,
    /// Cipher suites of TLS 1.2 by name; empty: the usual.
    pub cipher_suites: Vec<String>,
    /// Curves in the order of preference; empty: the usual.
    pub curves: Vec<String>,
    /// The key about clients was written.
    is_client_auth_written: bool,
}

/// What is asked of clients' certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// Nothing.
    #[default]
    None,
    /// They may show one.
    Request,
    /// They must show one.
    RequireAny,
    /// They may show one, which must be good.
    VerifyIfGiven,
    /// They must show a good one.
    RequireAndVerify,
}

const CLIENT_AUTH: [(&str, ClientAuth); 6] = [
    ("NoClientCert", ClientAuth::None),
    ("RequestClientCert", ClientAuth::Request),
    ("RequireAnyClientCert", ClientAuth::RequireAny),
    ("RequireClientCert", ClientAuth::RequireAny),
    ("VerifyClientCertIfGiven", ClientAuth::VerifyIfGiven),
    ("RequireAndVerifyClientCert", ClientAuth::RequireAndVerify),
];

/// Names of cipher suites of TLS 1.3 and before.
const CIPHER_SUITES: [&str; 23] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
];

const CURVES: [&str; 4] = ["CurveP256", "CurveP384", "CurveP521", "X25519"];

/// Headers that may be set, and their values where these are few.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

impl Default for WebConfig {
    fn default() -> Self {
        Self {
            tls: WebTls::default(),
            http2: true,
            headers: BTreeMap::new(),
            users: BTreeMap::new(),
            rate_limit: RateLimit::default(),
        }
    }
}

impl WebConfig {
    /// Reads and checks the file; paths inside are joined to its folder. Certificates are not looked at.
    ///
    /// # Errors
    /// [`Error::Read`] if it cannot be read, else what is wrong in it.
    pub fn load_file(path: &Path, dir: &dyn Directory) -> Result<Self, Error> {
        let text =
            dir.read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let mut config = Self::parse(&text).map_err(|text| Error::InvalidWeb { text })?;
        config.tls.set_dir(&folder(path));
        Ok(config)
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        let options = yaml::Options { dialect: yaml::Dialect::V2, strict: true };
        let config: Self = yaml::from_slice(text, options).map_err(|error| error.to_string())?;
        config.users.values().try_for_each(|it| check_hash(it.expose()))?;
        config.tls.check()?;
        Ok(config)
    }
}

impl WebTls {
    /// True if anything asks for TLS.
    pub fn is_wanted(&self) -> bool {
        let texts =
            [&self.cert, &self.cert_file, &self.key_file, &self.client_ca, &self.client_ca_file];
        self.is_client_auth_written || !self.key.is_empty() || texts.iter().any(|it| !it.is_empty())
    }

    fn check(&self) -> Result<(), String> {
        if !self.is_wanted() {
            return Ok(());
        }
        if self.cert.is_empty() && self.cert_file.is_empty() {
            return Err("missing one of cert or cert_file".into());
        }
        if self.key.is_empty() && self.key_file.is_empty() {
            return Err("missing one of key or key_file".into());
        }
        let has_ca = !self.client_ca.is_empty() || !self.client_ca_file.is_empty();
        if has_ca && self.client_auth == ClientAuth::None {
            return Err("Client CA's have been configured without a Client Auth Policy".into());
        }
        Ok(())
    }

    fn set_dir(&mut self, dir: &str) {
        join(dir, &mut self.cert_file);
        join(dir, &mut self.key_file);
        join(dir, &mut self.client_ca_file);
    }
}

/// Refuses what is no bcrypt hash: `$2y$10$` and 53 letters.
fn check_hash(hash: &str) -> Result<(), String> {
    const HASH_BYTES: usize = 60;
    if hash.len() < HASH_BYTES {
        return Err("crypto/bcrypt: hashedSecret too short to be a bcrypted password".into());
    }
    let mut parts = hash.split('$').skip(1);
    let version = parts.next().unwrap_or_default();
    if !hash.starts_with('$') {
        let first: String = hash.chars().take(1).collect();
        return Err(format!(
            "crypto/bcrypt: bcrypt hashes must start with '$', but hashedSecret started with '{first}'"
        ));
    }
    if !matches!(version, "2" | "2a" | "2b" | "2x" | "2y") {
        return Err(format!(
            "crypto/bcrypt: bcrypt algorithm version '{version}' requested is newer than current version '2'"
        ));
    }
    match parts.next().unwrap_or_default().parse() {
        Ok(4..=31) => Ok(()),
        Ok(cost @ 0..=u32::MAX) => {
            Err(format!("crypto/bcrypt: cost {cost} is outside allowed inclusive range 4..31"))
        }
        Err(_) => Err("crypto/bcrypt: the cost is no number".into()),
    }
}

impl Decode for WebConfig {
    fn go_type() -> String {
        "web.Config".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        decoder.fields(node, "web.Config", |decoder, key, value| {
            match key {
                "tls_server_config" => decoder.set(value, &mut self.tls)?,
                "http_server_config" => read_http(self, value, decoder)?,
                "rate_limit" => decoder.set(value, &mut self.rate_limit)?,
                "basic_auth_users" => decoder.set(value, &mut self.users)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(())
    }
}

fn read_http(config: &mut WebConfig, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
    if decoder.is_null(node)? {
        return Ok(());
    }
    decoder.follow(node, |decoder, node| {
        decoder.fields(node, "web.HTTPConfig", |decoder, key, value| {
            match key {
                "http2" => decoder.set(value, &mut config.http2)?,
                "headers" => decoder.set(value, &mut config.headers)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        config.headers.iter().try_for_each(check_header)
    })
}

fn check_header((name, value): (&String, &String)) -> Result<(), Fatal> {
    let Some((_, values)) = HEADERS.iter().find(|it| it.0 == name) else {
        return Err(Fatal(format!("HTTP header {} can not be configured", quote(name))));
    };
    let is_allowed = values.is_empty() || value.is_empty() || values.contains(&value.as_str());
    if is_allowed {
        return Ok(());
    }
    let values: Vec<String> = values.iter().map(|it| quote(it)).collect();
    Err(Fatal(format!(
        "invalid value for {name}. Expected one of: [{}], but got: {}",
        values.join(" "),
        quote(value)
    )))
}

impl Decode for RateLimit {
    fn go_type() -> String {
        "web.RateLimiterConfig".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        decoder.fields(node, "web.RateLimiterConfig", |decoder, key, value| {
            match key {
                "interval" => duration(decoder, value, &mut self.interval_ms)?,
                "burst" => decoder.set(value, &mut self.burst)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(())
    }
}

impl Decode for WebTls {
    fn go_type() -> String {
        "web.TLSConfig".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        decoder.fields(node, "web.TLSConfig", |decoder, key, value| {
            match key {
                "cert" => decoder.set(value, &mut self.cert)?,
                "cert_file" => decoder.set(value, &mut self.cert_file)?,
                "key" => decoder.set(value, &mut self.key)?,
                "key_file" => decoder.set(value, &mut self.key_file)?,
                "client_ca" => decoder.set(value, &mut self.client_ca)?,
                "client_ca_file" => decoder.set(value, &mut self.client_ca_file)?,
                "client_auth_type" => {
                    parsed(decoder, value, &mut self.client_auth, client_auth)?;
                    self.is_client_auth_written = true;
                }
                "client_allowed_sans" => decoder.set(value, &mut self.client_allowed_sans)?,
                "min_version" => parsed(decoder, value, &mut self.min_version, TlsVersion::parse)?,
                "max_version" => parsed(decoder, value, &mut self.max_version, TlsVersion::parse)?,
                "cipher_suites" => {
                    decoder.set(value, &mut self.cipher_suites)?;
                    check_known(&self.cipher_suites, &CIPHER_SUITES, "cipher")?;
                }
                "curve_preferences" => {
                    decoder.set(value, &mut self.curves)?;
                    check_known(&self.curves, &CURVES, "curve")?;
                }
                // It has meant nothing for years.
                "prefer_server_cipher_suites" => decoder.set(value, &mut true)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(())
    }
}

fn client_auth(text: &str) -> Result<ClientAuth, String> {
    let found = CLIENT_AUTH.iter().find(|it| it.0 == text).map(|it| it.1);
    let found = found.or_else(|| text.is_empty().then_some(ClientAuth::None));
    found.ok_or_else(|| format!("Invalid ClientAuth: {text}"))
}

fn check_known(names: &[String], known: &[&str], what: &str) -> Result<(), Fatal> {
    match names.iter().find(|it| !known.contains(&it.as_str())) {
        Some(name) => Err(Fatal(format!("unknown {what}: {name}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(WebConfig::parse(text.as_bytes()).err().unwrap_or_default(), expected, "{text}");
    }

    #[test]
    fn refuses_what_cannot_work() {
        let hash = "$2y$10$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze";
        check("", "");
        check(
            "tls_server_config: {cert: a, key: b, client_auth_type: RequireClientCert, prefer_server_cipher_suites: false}",
            "",
        );
        check(&format!("basic_auth_users: {{a: {hash}}}"), "");
        check("a: 1", "yaml: unmarshal errors:\n  line 1: field a not found in type web.Config");
        check(
            "tls_server_config: {a: 1}",
            "yaml: unmarshal errors:\n  line 1: field a not found in type web.TLSConfig",
        );
        check("tls_server_config: {key: b}", "missing one of cert or cert_file");
        check("tls_server_config: {cert_file: b}", "missing one of key or key_file");
        check(
            "tls_server_config: {client_auth_type: NoClientCert}",
            "missing one of cert or cert_file",
        );
        check("tls_server_config: {client_auth_type: x}", "Invalid ClientAuth: x");
        check(
            "tls_server_config: {cert: a, key: b, client_ca: c}",
            "Client CA's have been configured without a Client Auth Policy",
        );
        check("tls_server_config: {min_version: x}", "unknown TLS version: x");
        check("tls_server_config: {cipher_suites: [x]}", "unknown cipher: x");
        check("tls_server_config: {curve_preferences: [x]}", "unknown curve: x");
        check(
            "http_server_config: {headers: {Host: x}}",
            "HTTP header \"Host\" can not be configured",
        );
        check(
            "http_server_config: {headers: {X-Frame-Options: x}}",
            "invalid value for X-Frame-Options. Expected one of: [\"deny\" \"sameorigin\"], but got: \"x\"",
        );
        check(
            "basic_auth_users: {a: b}",
            "crypto/bcrypt: hashedSecret too short to be a bcrypted password",
        );
        check(
            &format!("basic_auth_users: {{a: {}}}", hash.replace("$2y$", "$5$") + "x"),
            "crypto/bcrypt: bcrypt algorithm version '5' requested is newer than current version '2'",
        );
        check(
            &format!("basic_auth_users: {{a: {}}}", hash.replace("$10$", "$99$")),
            "crypto/bcrypt: cost 99 is outside allowed inclusive range 4..31",
        );
        check(
            &format!("basic_auth_users: {{a: é{}}}", &hash[1..]),
            "crypto/bcrypt: bcrypt hashes must start with '$', but hashedSecret started with 'é'",
        );
    }

    #[test]
    fn finds_files_beside_itself() {
        let mut config =
            WebConfig::parse(b"tls_server_config: {cert_file: a, key_file: /b}").expect("good");
        config.tls.set_dir("/x");
        assert_eq!(config.tls.cert_file, "/x/a");
        assert_eq!(config.tls.key_file, "/b");
        assert!(config.tls.is_wanted() && !WebTls::default().is_wanted());
    }
}
