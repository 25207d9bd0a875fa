//! `basic_auth`, `authorization`, `oauth2`.

use std::collections::BTreeMap;

use yaml::{Decode, Decoder, Fatal, Node, Value};

use super::http_client::Proxy;
use super::tls::{Tls, secret_ref};
use crate::echo::Echo;
use crate::paths::join;
use crate::secret::Secret;

/// Name and password. Files are read on each request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BasicAuth {
    /// The name.
    pub username: String,
    /// A file with it.
    pub username_file: String,
    /// The password.
    pub password: Secret,
    /// A file with it.
    pub password_file: String,
    /// Names in a secret manager, which this program has not; `(key, name)` as written.
    pub refs: Vec<(String, String)>,
}

/// An `Authorization` header: type and credentials.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Authorization {
    /// The first word of the header; `Bearer` if not given.
    pub kind: String,
    /// The rest of it.
    pub credentials: Secret,
    /// A file with it, read on each request.
    pub credentials_file: String,
    /// Names in a secret manager, which this program has not; `(key, name)` as written.
    pub refs: Vec<(String, String)>,
}

/// Tokens from an OAuth 2.0 server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OAuth2 {
    /// Who asks.
    pub client_id: String,
    /// With what secret.
    pub client_secret: Secret,
    /// A file with it.
    pub client_secret_file: String,
    /// Names in a secret manager, which this program has not; `(key, name)` as written.
    pub refs: Vec<(String, String)>,
    /// Key of a signed claim, for the second grant type.
    pub client_certificate_key: Secret,
    /// A file with it.
    pub client_certificate_key_file: String,
    /// Its id.
    pub client_certificate_key_id: String,
    /// `client_credentials` if empty, or `urn:ietf:params:oauth:grant-type:jwt-bearer`.
    pub grant_type: String,
    /// `RS256` if empty, `RS384`, `RS512`.
    pub signature_algorithm: String,
    /// Issuer of the claim.
    pub iss: String,
    /// Audience of the claim.
    pub audience: String,
    /// Further claims.
    pub claims: BTreeMap<String, Value>,
    /// Scopes to ask for.
    pub scopes: Vec<String>,
    /// Where to ask.
    pub token_url: String,
    /// Further parameters of the request.
    pub endpoint_params: BTreeMap<String, String>,
    /// TLS towards the token server.
    pub tls: Tls,
    /// Proxy towards the token server.
    pub proxy: Proxy,
}

impl BasicAuth {
    pub(crate) fn check(&self) -> Result<(), Fatal> {
        let given = |value: bool, file: &str, key: &str| n_given(value, file, &self.refs, key);
        if given(!self.username.is_empty(), &self.username_file, "username_ref") > 1 {
            let text = "at most one of basic_auth username, username_file & username_ref must be configured";
            return Err(Fatal(text.into()));
        }
        if given(!self.password.is_empty(), &self.password_file, "password_ref") > 1 {
            let text = "at most one of basic_auth password, password_file & password_ref must be configured";
            return Err(Fatal(text.into()));
        }
        Ok(())
    }

    pub(crate) fn set_dir(&mut self, dir: &str) {
        join(dir, &mut self.username_file);
        join(dir, &mut self.password_file);
    }

    pub(crate) fn echo(&self) -> Value {
        let mut echo = Echo::default();
        echo.text("username", &self.username);
        echo.text("username_file", &self.username_file);
        echo.secret("password", &self.password);
        echo.text("password_file", &self.password_file);
        self.refs.iter().for_each(|(key, name)| echo.text(key, name));
        echo.value()
    }
}

impl Decode for BasicAuth {
    fn go_type() -> String {
        "config.BasicAuth".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        decoder.fields(node, "config.BasicAuth", |decoder, key, value| {
            match key {
                "username" => decoder.set(value, &mut self.username)?,
                "username_file" => decoder.set(value, &mut self.username_file)?,
                "password" => decoder.set(value, &mut self.password)?,
                "password_file" => decoder.set(value, &mut self.password_file)?,
                "username_ref" | "password_ref" => secret_ref(decoder, key, value, &mut self.refs)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(())
    }
}

impl Authorization {
    /// Checks, and fills in the type.
    pub(crate) fn finish(&mut self) -> Result<(), Fatal> {
        if n_given(
            !self.credentials.is_empty(),
            &self.credentials_file,
            &self.refs,
            "credentials_ref",
        ) > 1
        {
            let text =
                "at most one of authorization credentials & credentials_file must be configured";
            return Err(Fatal(text.into()));
        }
        self.kind = self.kind.trim().to_owned();
        if self.kind.is_empty() {
            self.kind = "Bearer".into();
        }
        if self.kind.eq_ignore_ascii_case("basic") {
            let text = "authorization type cannot be set to \"basic\", use \"basic_auth\" instead";
            return Err(Fatal(text.into()));
        }
        Ok(())
    }

    pub(crate) fn set_dir(&mut self, dir: &str) {
        join(dir, &mut self.credentials_file);
    }

    pub(crate) fn echo(&self) -> Value {
        let mut echo = Echo::default();
        echo.text("type", &self.kind);
        echo.secret("credentials", &self.credentials);
        echo.text("credentials_file", &self.credentials_file);
        self.refs.iter().for_each(|(key, name)| echo.text(key, name));
        echo.value()
    }
}

impl Decode for Authorization {
    fn go_type() -> String {
        "config.Authorization".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        decoder.fields(node, "config.Authorization", |decoder, key, value| {
            match key {
                "type" => decoder.set(value, &mut self.kind)?,
                "credentials" => decoder.set(value, &mut self.credentials)?,
                "credentials_file" => decoder.set(value, &mut self.credentials_file)?,
                "credentials_ref" => secret_ref(decoder, key, value, &mut self.refs)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(())
    }
}

impl OAuth2 {
    pub(crate) fn check(&self) -> Result<(), Fatal> {
        let n_secrets = n_given(
            !self.client_secret.is_empty(),
            &self.client_secret_file,
            &self.refs,
            "client_secret_ref",
        );
        let text = if self.client_id.is_empty() {
            "oauth2 client_id must be configured"
        } else if self.token_url.is_empty() {
            "oauth2 token_url must be configured"
        } else if n_secrets > 1 {
            "at most one of oauth2 client_secret, client_secret_file & client_secret_ref must be configured \
             using grant-type=client_credentials"
        } else if !matches!(self.signature_algorithm.as_str(), "" | "RS256" | "RS384" | "RS512") {
            "valid signature algorithms are RS256, RS384 and RS512"
        } else {
            return Ok(());
        };
        Err(Fatal(text.into()))
    }

    pub(crate) fn set_dir(&mut self, dir: &str) {
        join(dir, &mut self.client_secret_file);
        join(dir, &mut self.client_certificate_key_file);
        self.tls.set_dir(dir);
    }

    pub(crate) fn echo(&self) -> Value {
        let mut echo = Echo::default();
        // Upstream prints the id even when it is empty.
        echo.put("client_id", Value::str(&self.client_id));
        echo.secret("client_secret", &self.client_secret);
        echo.text("client_secret_file", &self.client_secret_file);
        self.refs.iter().for_each(|(key, name)| echo.text(key, name));
        echo.text("client_certificate_key_id", &self.client_certificate_key_id);
        echo.secret("client_certificate_key", &self.client_certificate_key);
        echo.text("client_certificate_key_file", &self.client_certificate_key_file);
        echo.text("grant_type", &self.grant_type);
        echo.text("signature_algorithm", &self.signature_algorithm);
        echo.text("iss", &self.iss);
        echo.text("audience", &self.audience);
        let pairs = self.claims.iter().map(|(name, value)| (name.clone(), value.clone()));
        echo.section("claims", Value::Map(pairs.collect()));
        echo.texts("scopes", &self.scopes);
        echo.put("token_url", Value::str(&self.token_url));
        let pairs =
            self.endpoint_params.iter().map(|(name, value)| (name.clone(), Value::str(value)));
        echo.section("endpoint_params", Value::Map(pairs.collect()));
        echo.section("tls_config", self.tls.echo());
        echo.extend(self.proxy.echo());
        echo.value()
    }
}

impl Decode for OAuth2 {
    fn go_type() -> String {
        "config.plain".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        let clean = decoder.fields(node, "config.plain", |decoder, key, value| {
            match key {
                "client_id" => decoder.set(value, &mut self.client_id)?,
                "client_secret" => decoder.set(value, &mut self.client_secret)?,
                "client_secret_file" => decoder.set(value, &mut self.client_secret_file)?,
                "client_secret_ref" | "client_certificate_key_ref" => {
                    secret_ref(decoder, key, value, &mut self.refs)?;
                }
                "client_certificate_key" => decoder.set(value, &mut self.client_certificate_key)?,
                "client_certificate_key_file" => {
                    decoder.set(value, &mut self.client_certificate_key_file)?
                }
                "client_certificate_key_id" => {
                    decoder.set(value, &mut self.client_certificate_key_id)?
                }
                "grant_type" => decoder.set(value, &mut self.grant_type)?,
                "signature_algorithm" => decoder.set(value, &mut self.signature_algorithm)?,
                "iss" => decoder.set(value, &mut self.iss)?,
                "audience" => decoder.set(value, &mut self.audience)?,
                "claims" => decoder.set(value, &mut self.claims)?,
                "scopes" => decoder.set(value, &mut self.scopes)?,
                "token_url" => decoder.set(value, &mut self.token_url)?,
                "endpoint_params" => decoder.set(value, &mut self.endpoint_params)?,
                "tls_config" => decoder.set(value, &mut self.tls)?,
                _ => return self.proxy.field(decoder, key, value),
            }
            Ok(true)
        })?;
        if clean { self.proxy.check() } else { Ok(()) }
    }
}

/// How many of value, file and reference are given.
fn n_given(value: bool, file: &str, refs: &[(String, String)], key: &str) -> usize {
    usize::from(value)
        + usize::from(!file.is_empty())
        + usize::from(refs.iter().any(|it| it.0 == key))
}
