//! OAuth 2 tokens: fetched when the first request needs one, kept until they expire.

mod assertion;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::form_urlencoded::{self, Serializer};

use crate::auth::{basic, read};
use crate::options::{Grant, OAuth2, Options};
use crate::{Client, Error, Request};

/// How long one request for a token may take; whoever waits for it may give up earlier.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A token's answer may be so long.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A token is no longer used so long before it expires.
const EXPIRY_MARGIN: Duration = Duration::from_secs(10);

/// Where the tokens of a client come from.
pub(crate) struct TokenSource {
    options: OAuth2,
    client: Client,
    /// Held while a token is fetched: all who need one wait for the same request.
    current: Mutex<State>,
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").field("options", &self.options).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// How the server wants to see id and secret, once it is known.
    style: Option<Style>,
}

struct Token {
    header: HeaderValue,
    /// What it was fetched with: another secret wants another token.
    secret: String,
    expires: Option<Instant>,
}

/// Where id and secret stand in a request.
#[derive(Clone, Copy)]
enum Style {
    Header,
    Form,
}

impl TokenSource {
    /// Reads certificates for the token server.
    ///
    /// # Errors
    /// [`Error::Options`].
    pub(crate) fn new(options: &OAuth2) -> Result<Self, Error> {
        let client = Client::new(Options {
            tls: options.tls.clone(),
            proxy: options.proxy.clone(),
            proxy_connect_headers: options.proxy_connect_headers.clone(),
            ..Options::default()
        })?;
        Ok(Self { options: options.clone(), client, current: Mutex::default() })
    }

    /// The value of `Authorization`, from a token that is valid now.
    ///
    /// # Errors
    /// [`Error::Options`] if the secret cannot be read, else what went wrong with the request for a token.
    pub(crate) async fn header(&self) -> Result<HeaderValue, Error> {
        let secret = self.secret()?;
        let mut state = self.current.lock().await;
        let is_valid = |it: &&Token| {
            it.secret == secret && it.expires.is_none_or(|expires| Instant::now() < expires)
        };
        if let Some(token) = state.token.as_ref().filter(is_valid) {
            return Ok(token.header.clone());
        }
        state.token = None;
        let answer = self.fetch(&secret, &mut state.style).await?;
        let (header, lifetime) = answer.header()?;
        let expires = lifetime
            .map(|it| Instant::now() + Duration::from_secs(it).saturating_sub(EXPIRY_MARGIN));
        state.token = Some(Token { header: header.clone(), secret, expires });
        Ok(header)
    }

    fn secret(&self) -> Result<String, Error> {
        match &self.options.grant {
            Grant::ClientCredentials { secret } => read(secret, "oauth2 client secret"),
            Grant::JwtBearer { key, .. } => read(key, "oauth2 client certificate key"),
        }
    }

    async fn fetch(&self, secret: &str, style: &mut Option<Style>) -> Result<Answer, Error> {
        let form = self.form(secret)?;
        if let Grant::JwtBearer { .. } = self.options.grant {
            return self.ask(HeaderMap::new(), &form).await?;
        }
        if let Some(style) = *style {
            return self.ask_as(style, secret, form).await?;
        }
        // Servers understand one or the other and seldom say which.
        let mut answer = self.ask_as(Style::Header, secret, form.clone()).await?;
        *style = Some(Style::Header);
        if answer.is_err() {
            answer = self.ask_as(Style::Form, secret, form).await?;
            *style = answer.is_ok().then_some(Style::Form);
        }
        answer
    }

    /// The parameters that do not depend on the style.
    fn form(&self, secret: &str) -> Result<Vec<(String, String)>, Error> {
        let options = &self.options;
        let mut form: Vec<(String, String)> = Vec::new();
        match &options.grant {
            Grant::ClientCredentials { .. } => {
                form.push(("grant_type".into(), "client_credentials".into()));
                if !options.scopes.is_empty() {
                    form.push(("scope".into(), options.scopes.join(" ")));
                }
            }
            Grant::JwtBearer { claims, .. } => {
                form.push(("grant_type".into(), assertion::GRANT_TYPE.into()));
                let assertion = assertion::sign(options, claims, secret).map_err(Error::Options)?;
                form.push(("assertion".into(), assertion));
            }
        }
        for (name, value) in &options.endpoint_params {
            match form.iter_mut().find(|it| it.0 == *name) {
                // Some servers have grant types of their own.
                Some(known) if name == "grant_type" => known.1.clone_from(value),
                Some(_) => {
                    return Err(Error::Options(format!(
                        "oauth2: cannot overwrite parameter {name:?}"
                    )));
                }
                None => form.push((name.clone(), value.clone())),
            }
        }
        Ok(form)
    }

    async fn ask_as(
        &self,
        style: Style,
        secret: &str,
        mut form: Vec<(String, String)>,
    ) -> Result<Result<Answer, Error>, Error> {
        let mut headers = HeaderMap::new();
        let id = &self.options.client_id;
        match style {
            Style::Header => {
                let encode = |text: &str| {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
                };
                let value = HeaderValue::try_from(basic(&encode(id), &encode(secret)));
                let mut value = value.expect("base64 is a header's value");
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
            }
            Style::Form => {
                form.push(("client_id".into(), id.clone()));
                if !secret.is_empty() {
                    form.push(("client_secret".into(), secret.to_owned()));
                }
            }
        }
        self.ask(headers, &form).await
    }

    /// Asks for a token. The outer error: there was no answer; the inner one: the server's refusal.
    async fn ask(
        &self,
        mut headers: HeaderMap,
        form: &[(String, String)],
    ) -> Result<Result<Answer, Error>, Error> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request {
            method: Method::POST,
            headers,
            body: Bytes::from(body),
            ..Request::get(self.options.token_url.clone(), TIMEOUT)
        };
        // A token's request may not need a token: this recursion ends at once, but its type must end too.
        let (status, headers, body) =
            Box::pin(self.client.fetch(&request, ANSWER_BYTES_MAX)).await?;
        Ok(Answer::read(status, &headers, &body))
    }
}

/// What the token server said.
#[derive(Debug, Default)]
struct Answer {
    access_token: String,
    token_type: String,
    /// Seconds; 0: not said.
    expires_in: u64,
}

impl Answer {
    fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<Self, Error> {
        let kind = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let field: Box<dyn Fn(&str) -> String> = match kind {
            "application/x-www-form-urlencoded" | "text/plain" => Box::new(|name: &str| {
                let mut pairs = form_urlencoded::parse(body);
                pairs.find(|it| it.0 == name).map_or(String::new(), |it| it.1.into_owned())
            }),
            _ => {
                let json: Result<Value, _> = serde_json::from_slice(body);
                match json {
                    Err(error) if status.is_success() => {
                        return Err(refusal(format!("oauth2: cannot parse json: {error}")));
                    }
                    json => {
                        let json = json.unwrap_or_default();
                        Box::new(move |name: &str| text_of(&json[name]))
                    }
                }
            }
        };
        let error = field("error");
        if !error.is_empty() {
            let more = ["error_description", "error_uri"].map(field);
            let more = more.iter().filter(|it| !it.is_empty()).map(|it| format!(" {it:?}"));
            return Err(refusal(format!("oauth2: {error:?}{}", more.collect::<String>())));
        }
        if !status.is_success() {
            let body = String::from_utf8_lossy(body);
            return Err(refusal(format!("oauth2: cannot fetch token: {status}\nResponse: {body}")));
        }
        let expires_in = field("expires_in").parse().unwrap_or(0.0_f64);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let expires_in = expires_in as u64;
        Ok(Self {
            access_token: field("access_token"),
            token_type: field("token_type"),
            expires_in,
        })
    }

    /// The header's value, and how long it is good in seconds, if that is known.
    fn header(&self) -> Result<(HeaderValue, Option<u64>), Error> {
        if self.access_token.is_empty() {
            return Err(refusal("oauth2: server response missing access_token".into()));
        }
        let kind = match self.token_type.to_ascii_lowercase().as_str() {
            "" | "bearer" => "Bearer",
            "mac" => "MAC",
            "basic" => "Basic",
            _ => &self.token_type,
        };
        let header = HeaderValue::try_from(format!("{kind} {}", self.access_token));
        let mut header =
            header.map_err(|_| refusal("oauth2: the token is no valid header value".into()))?;
        header.set_sensitive(true);
        // What would overflow a clock is as good as for ever.
        let lifetime = Some(self.expires_in).filter(|it| (1..u64::from(u32::MAX)).contains(it));
        Ok((header, lifetime))
    }
}

fn refusal(text: String) -> Error {
    Error::Transport(text)
}

/// A text, or a number as text.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, kind: &'static str, body: &str, expected: &str) {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        let status = StatusCode::from_u16(status).expect("a status");
        let found = Answer::read(status, &headers, body.as_bytes()).and_then(|it| it.header());
        let found = match found {
            Ok((header, lifetime)) => format!("{} {lifetime:?}", header.to_str().expect("text")),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{body}");
    }

    #[test]
    fn reads_answers() {
        let json = "application/json; charset=utf-8";
        check(
            200,
            json,
            r#"{"access_token":"t","token_type":"bearer","expires_in":60}"#,
            "Bearer t Some(60)",
        );
        check(200, json, r#"{"access_token":"t","expires_in":"60"}"#, "Bearer t Some(60)");
        check(
            200,
            json,
            r#"{"access_token":"t","token_type":"DPoP","expires_in":-1}"#,
            "DPoP t None",
        );
        check(200, json, r#"{"access_token":"t","expires_in":1e300}"#, "Bearer t None");
        check(200, "text/plain", "access_token=t%2B&expires_in=5", "Bearer t+ Some(5)");
        check(200, json, "{}", "oauth2: server response missing access_token");
        check(
            200,
            json,
            "[1",
            "oauth2: cannot parse json: EOF while parsing a list at line 1 column 2",
        );
        check(
            200,
            json,
            r#"{"error":"invalid_client","error_description":"no \"x\""}"#,
            r#"oauth2: "invalid_client" "no \"x\"""#,
        );
        check(
            401,
            json,
            "go away",
            "oauth2: cannot fetch token: 401 Unauthorized\nResponse: go away",
        );
        check(
            200,
            json,
            "{\"access_token\":\"a\\nb\"}",
            "oauth2: the token is no valid header value",
        );
    }
}
