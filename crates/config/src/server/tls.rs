//! `tls_config`.

use yaml::{Decode, Decoder, Fatal, Node, Value};

use crate::echo::Echo;
use crate::paths::join;
use crate::scalar::parsed;
use crate::secret::Secret;

/// How to speak TLS to a server. Nothing here is opened while the configuration is read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tls {
    /// Certificates of authorities, PEM.
    pub ca: String,
    /// A file with them.
    pub ca_file: String,
    /// Certificate shown to the server, PEM.
    pub cert: String,
    /// A file with it.
    pub cert_file: String,
    /// Its key, PEM.
    pub key: Secret,
    /// A file with it.
    pub key_file: String,
    /// Names in a secret manager, which this program has not; `(key, name)` as written.
    pub refs: Vec<(String, String)>,
    /// Expected name of the server; empty for the host of the URL.
    pub server_name: String,
    /// Take any certificate.
    pub insecure_skip_verify: bool,
    /// Lowest version.
    pub min_version: Option<TlsVersion>,
    /// Highest version.
    pub max_version: Option<TlsVersion>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.0
    Tls10,
    /// 1.1
    Tls11,
    /// 1.2
    Tls12,
    /// 1.3
    Tls13,
}

impl TlsVersion {
    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tls10 => "TLS10",
            Self::Tls11 => "TLS11",
            Self::Tls12 => "TLS12",
            Self::Tls13 => "TLS13",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Option<Self>, String> {
        let all = [Self::Tls10, Self::Tls11, Self::Tls12, Self::Tls13];
        let found = all.into_iter().find(|it| it.name() == text);
        found.map(Some).ok_or_else(|| format!("unknown TLS version: {text}"))
    }
}

impl Tls {
    /// Joins relative paths to `dir`.
    pub(crate) fn set_dir(&mut self, dir: &str) {
        [&mut self.ca_file, &mut self.cert_file, &mut self.key_file]
            .into_iter()
            .for_each(|it| join(dir, it));
    }

    pub(crate) fn echo(&self) -> Value {
        if *self == Self::default() {
            return Value::Null;
        }
        let mut echo = Echo::default();
        echo.text("ca", &self.ca);
        echo.text("cert", &self.cert);
        echo.secret("key", &self.key);
        echo.text("ca_file", &self.ca_file);
        echo.text("cert_file", &self.cert_file);
        echo.text("key_file", &self.key_file);
        self.refs.iter().for_each(|(key, name)| echo.text(key, name));
        echo.text("server_name", &self.server_name);
        echo.put("insecure_skip_verify", Value::Bool(self.insecure_skip_verify));
        echo.text("min_version", self.min_version.map_or("", TlsVersion::name));
        echo.text("max_version", self.max_version.map_or("", TlsVersion::name));
        echo.value()
    }

    fn check(&self) -> Result<(), Fatal> {
        let given = |value: bool, file: &str, key: &str| {
            [value, !file.is_empty(), self.refs.iter().any(|it| it.0 == key)]
                .into_iter()
                .filter(|it| *it)
                .count()
        };
        let cert = given(!self.cert.is_empty(), &self.cert_file, "cert_ref");
        let key = given(!self.key.is_empty(), &self.key_file, "key_ref");
        let text = if given(!self.ca.is_empty(), &self.ca_file, "ca_ref") > 1 {
            "at most one of ca, ca_file & ca_ref must be configured"
        } else if cert > 1 {
            "at most one of cert, cert_file & cert_ref must be configured"
        } else if key > 1 {
            "at most one of key and key_file must be configured"
        } else if cert == 1 && key == 0 {
            "exactly one of key or key_file must be configured when a client certificate is configured"
        } else if key == 1 && cert == 0 {
            "exactly one of cert or cert_file must be configured when a client key is configured"
        } else {
            return Ok(());
        };
        Err(Fatal(text.into()))
    }
}

impl Decode for Tls {
    fn go_type() -> String {
        "config.plain".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        let clean = decoder.fields(node, "config.plain", |decoder, key, value| {
            match key {
                "ca" => decoder.set(value, &mut self.ca)?,
                "ca_file" => decoder.set(value, &mut self.ca_file)?,
                "cert" => decoder.set(value, &mut self.cert)?,
                "cert_file" => decoder.set(value, &mut self.cert_file)?,
                "key" => decoder.set(value, &mut self.key)?,
                "key_file" => decoder.set(value, &mut self.key_file)?,
                "ca_ref" | "cert_ref" | "key_ref" => {
                    secret_ref(decoder, key, value, &mut self.refs)?
                }
                "server_name" => decoder.set(value, &mut self.server_name)?,
                "insecure_skip_verify" => decoder.set(value, &mut self.insecure_skip_verify)?,
                "min_version" => parsed(decoder, value, &mut self.min_version, TlsVersion::parse)?,
                "max_version" => parsed(decoder, value, &mut self.max_version, TlsVersion::parse)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        if clean { self.check() } else { Ok(()) }
    }
}

/// Reads a name in a secret manager.
pub(crate) fn secret_ref(
    decoder: &mut Decoder,
    key: &str,
    node: Node<'_>,
    refs: &mut Vec<(String, String)>,
) -> Result<(), Fatal> {
    let mut name = String::new();
    decoder.set(node, &mut name)?;
    if !name.is_empty() {
        refs.push((key.to_owned(), name));
    }
    Ok(())
}
