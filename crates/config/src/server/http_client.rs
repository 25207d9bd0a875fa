//! The keys of every HTTP client, inline wherever something is fetched.

use std::collections::BTreeMap;

use yaml::{Decode, Decoder, Fatal, Node, Value};

use super::auth::{Authorization, BasicAuth, OAuth2};
use super::tls::Tls;
use crate::echo::Echo;
use crate::paths::join;
use crate::scalar::{redact_url, url};
use crate::secret::{REDACTED, Secret};

/// How to make requests.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpClient {
    /// At most one of this, `authorization`, `oauth2`.
    pub basic_auth: Option<BasicAuth>,
    /// Old keys `bearer_token` and `bearer_token_file` are folded into it.
    pub authorization: Option<Authorization>,
    /// Tokens from elsewhere.
    pub oauth2: Option<Box<OAuth2>>,
    /// TLS towards the server.
    pub tls: Tls,
    /// Follow redirects.
    pub follow_redirects: bool,
    /// Offer HTTP/2.
    pub enable_http2: bool,
    /// Through which proxy.
    pub proxy: Proxy,
    /// Headers to add to each request.
    pub headers: BTreeMap<String, Header>,
    bearer_token: Secret,
    bearer_token_file: String,
    folded_token: bool,
}

/// Through which proxy requests go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proxy {
    /// Its URL; empty for none.
    pub url: String,
    /// Hosts to reach without it, comma-separated.
    pub no_proxy: String,
    /// Take the proxy from the environment.
    pub from_environment: bool,
    /// Headers of the `CONNECT` request.
    pub connect_header: BTreeMap<String, Vec<Secret>>,
}

/// Values of one header; all of them are sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    /// Shown values.
    pub values: Vec<String>,
    /// Hidden values.
    pub secrets: Vec<Secret>,
    /// Files with values, read on each request.
    pub files: Vec<String>,
}

impl Default for HttpClient {
    fn default() -> Self {
        Self {
            basic_auth: None,
            authorization: None,
            oauth2: None,
            tls: Tls::default(),
            follow_redirects: true,
            enable_http2: true,
            proxy: Proxy::default(),
            headers: BTreeMap::new(),
            bearer_token: Secret::default(),
            bearer_token_file: String::new(),
            folded_token: false,
        }
    }
}

/// Headers that only the client itself may set.
const RESERVED: [&str; 18] = [
    "Authorization",
    "Host",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "User-Agent",
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Www-Authenticate",
    "Accept-Encoding",
    "X-Prometheus-Remote-Write-Version",
    "X-Prometheus-Remote-Read-Version",
    "X-Prometheus-Scrape-Timeout-Seconds",
    "X-Amz-Date",
    "X-Amz-Security-Token",
    "X-Amz-Content-Sha256",
];

impl HttpClient {
    /// Reads one key if it is one of this block.
    pub(crate) fn field(
        &mut self,
        decoder: &mut Decoder,
        key: &str,
        value: Node<'_>,
    ) -> Result<bool, Fatal> {
        match key {
            "basic_auth" => decoder.set(value, &mut self.basic_auth)?,
            "authorization" => decoder.set(value, &mut self.authorization)?,
            "oauth2" => decoder.set(value, &mut self.oauth2)?,
            "bearer_token" => decoder.set(value, &mut self.bearer_token)?,
            "bearer_token_file" => decoder.set(value, &mut self.bearer_token_file)?,
            "tls_config" => decoder.set(value, &mut self.tls)?,
            "follow_redirects" => decoder.set(value, &mut self.follow_redirects)?,
            "enable_http2" => decoder.set(value, &mut self.enable_http2)?,
            "http_headers" => decoder.set(value, &mut self.headers)?,
            _ => return self.proxy.field(decoder, key, value),
        }
        Ok(true)
    }

    /// Checks the block, and folds the old token keys into `authorization`.
    pub(crate) fn finish(&mut self) -> Result<(), Fatal> {
        let refuse = |text: &str| Err(Fatal(text.into()));
        let (token, file) = (!self.bearer_token.is_empty(), !self.bearer_token_file.is_empty());
        if token && file {
            return refuse("at most one of bearer_token & bearer_token_file must be configured");
        }
        if (self.basic_auth.is_some() || self.oauth2.is_some()) && (token || file) {
            return refuse(
                "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured",
            );
        }
        if let Some(basic) = &self.basic_auth {
            basic.check()?;
        }
        if self.authorization.is_some() && (token || file) {
            return refuse("authorization is not compatible with bearer_token & bearer_token_file");
        }
        if let Some(authorization) = &mut self.authorization {
            authorization.finish()?;
        }
        let n_kinds = usize::from(self.basic_auth.is_some())
            + usize::from(self.authorization.is_some())
            + usize::from(self.oauth2.is_some());
        if n_kinds > 1 {
            return refuse("at most one of basic_auth, oauth2 & authorization must be configured");
        }
        self.folded_token = token || file;
        if self.folded_token {
            self.authorization = Some(Authorization {
                kind: "Bearer".into(),
                credentials: std::mem::take(&mut self.bearer_token),
                credentials_file: std::mem::take(&mut self.bearer_token_file),
                refs: Vec::new(),
            });
        }
        if let Some(oauth2) = &self.oauth2 {
            oauth2.check()?;
        }
        self.proxy.check()?;
        check_headers(self.headers.keys())
    }

    /// Joins relative paths to `dir`.
    pub(crate) fn set_dir(&mut self, dir: &str) {
        self.basic_auth.iter_mut().for_each(|it| it.set_dir(dir));
        self.authorization.iter_mut().for_each(|it| it.set_dir(dir));
        self.oauth2.iter_mut().for_each(|it| it.set_dir(dir));
        self.tls.set_dir(dir);
        self.headers.values_mut().flat_map(|it| &mut it.files).for_each(|it| join(dir, it));
    }

    /// True if the old keys for a token were used.
    pub(crate) fn had_bearer_token(&self) -> bool {
        self.folded_token
    }

    /// All files that this client will read: to be checked for being there.
    pub fn files(&self) -> Vec<&str> {
        let mut files: Vec<&str> = Vec::new();
        files
            .extend(self.basic_auth.iter().flat_map(|it| [&*it.username_file, &*it.password_file]));
        files.extend(self.authorization.iter().map(|it| &*it.credentials_file));
        files.extend([&*self.tls.ca_file, &*self.tls.cert_file, &*self.tls.key_file]);
        files.retain(|it| !it.is_empty());
        files
    }

    pub(crate) fn echo(&self) -> Echo {
        let mut echo = Echo::default();
        echo.section("basic_auth", self.basic_auth.as_ref().map_or(Value::Null, BasicAuth::echo));
        echo.section(
            "authorization",
            self.authorization.as_ref().map_or(Value::Null, Authorization::echo),
        );
        echo.section("oauth2", self.oauth2.as_ref().map_or(Value::Null, |it| it.echo()));
        echo.section("tls_config", self.tls.echo());
        echo.put("follow_redirects", Value::Bool(self.follow_redirects));
        echo.put("enable_http2", Value::Bool(self.enable_http2));
        echo.extend(self.proxy.echo());
        let headers = self.headers.iter().map(|(name, header)| (name.clone(), header.echo()));
        echo.section("http_headers", Value::Map(headers.collect()));
        echo
    }
}

/// A block of its own, as in a file for `--http.config.file`.
impl Decode for HttpClient {
    fn go_type() -> String {
        "config.plain".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        let clean = decoder
            .fields(node, "config.plain", |decoder, key, value| self.field(decoder, key, value))?;
        if clean { self.finish() } else { Ok(()) }
    }
}

impl Proxy {
    pub(crate) fn field(
        &mut self,
        decoder: &mut Decoder,
        key: &str,
        value: Node<'_>,
    ) -> Result<bool, Fatal> {
        match key {
            "proxy_url" => url(decoder, value, &mut self.url)?,
            "no_proxy" => decoder.set(value, &mut self.no_proxy)?,
            "proxy_from_environment" => decoder.set(value, &mut self.from_environment)?,
            "proxy_connect_header" => decoder.set(value, &mut self.connect_header)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(crate) fn check(&self) -> Result<(), Fatal> {
        let (url, no_proxy) = (!self.url.is_empty(), !self.no_proxy.is_empty());
        let text = if !self.connect_header.is_empty() && !self.from_environment && !url {
            "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured"
        } else if self.from_environment && url {
            "if proxy_from_environment is configured, proxy_url must not be configured"
        } else if self.from_environment && no_proxy {
            "if proxy_from_environment is configured, no_proxy must not be configured"
        } else if !url && no_proxy {
            "if no_proxy is configured, proxy_url must also be configured"
        } else {
            return Ok(());
        };
        Err(Fatal(text.into()))
    }

    pub(crate) fn echo(&self) -> Echo {
        let mut echo = Echo::default();
        echo.text("proxy_url", &redact_url(&self.url));
        echo.text("no_proxy", &self.no_proxy);
        echo.flag("proxy_from_environment", self.from_environment);
        let headers =
            self.connect_header.iter().map(|(name, values)| (name.clone(), hidden(values.len())));
        echo.section("proxy_connect_header", Value::Map(headers.collect()));
        echo
    }
}

impl Header {
    fn echo(&self) -> Value {
        let mut echo = Echo::default();
        echo.texts("values", &self.values);
        if !self.secrets.is_empty() {
            echo.put("secrets", hidden(self.secrets.len()));
        }
        echo.texts("files", &self.files);
        echo.value()
    }
}

impl Decode for Header {
    fn go_type() -> String {
        "config.Header".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        decoder.fields(node, "config.Header", |decoder, key, value| {
            match key {
                "values" => decoder.set(value, &mut self.values)?,
                "secrets" => decoder.set(value, &mut self.secrets)?,
                "files" => decoder.set(value, &mut self.files)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(())
    }
}

/// Refuses reserved names, whatever their case.
fn check_headers<'a>(mut names: impl Iterator<Item = &'a String>) -> Result<(), Fatal> {
    let reserved = names.find_map(|name| RESERVED.iter().find(|it| it.eq_ignore_ascii_case(name)));
    match reserved {
        Some(name) => Err(Fatal(format!("setting header {} is not allowed", model::quote(name)))),
        None => Ok(()),
    }
}

fn hidden(n: usize) -> Value {
    Value::Seq(vec![Value::str(REDACTED); n])
}
