//! Headers that the options add to a request.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::Uri;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

use crate::Error;
use crate::options::{Options, Source};
use crate::tls::read_file;

/// Headers that must not leave for another host.
pub(crate) const CREDENTIALS: [&str; 7] = [
    "authorization",
    "www-authenticate",
    "cookie",
    "cookie2",
    "proxy-authorization",
    "proxy-authenticate",
    "x-consul-token",
];

/// Adds what the options ask for, but for tokens and signatures. `trusted`: the peer is the one that the caller named, or below its
/// domain, so that it may see credentials. Reads files.
pub(crate) fn add_headers(
    options: &Options,
    uri: &Uri,
    trusted: bool,
    headers: &mut HeaderMap,
) -> Result<(), Error> {
    if trusted
        && !headers.contains_key(AUTHORIZATION)
        && let Some(value) = credentials(options)?.or_else(|| user_of(uri))
    {
        let mut value = HeaderValue::try_from(value).map_err(|_| invalid("Authorization"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    for header in &options.headers {
        let name = HeaderName::try_from(&header.name).map_err(|_| invalid(&header.name))?;
        for source in &header.values {
            let value = read_header(source)?;
            headers.append(&name, HeaderValue::try_from(value).map_err(|_| invalid(&header.name))?);
        }
    }
    Ok(())
}

/// The user and password that the URL names.
fn user_of(uri: &Uri) -> Option<String> {
    let (user, _) = uri.authority()?.as_str().rsplit_once('@')?;
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let decode = |text| percent_decode_str(text).decode_utf8_lossy();
    Some(basic(&decode(name), &decode(password)))
}

/// `Basic …` for a user and a password.
pub(crate) fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{password}")))
}

fn credentials(options: &Options) -> Result<Option<String>, Error> {
    if let Some(auth) = &options.basic_auth {
        let username = read(&auth.username, "basic auth username")?;
        let password = read(&auth.password, "basic auth password")?;
        return Ok(Some(basic(&username, &password)));
    }
    let Some(auth) = &options.authorization else { return Ok(None) };
    let credentials = read(&auth.credentials, "authorization credentials")?;
    Ok(Some(format!("{} {credentials}", auth.kind)))
}

/// Reads what is said inline or in a file; what is in a file loses blanks at both ends.
pub(crate) fn read(source: &Source, what: &str) -> Result<String, Error> {
    read_text(source).map_err(|why| Error::Options(format!("unable to read {what}: {why}")))
}

fn read_text(source: &Source) -> Result<String, String> {
    match source {
        Source::Inline(text) => Ok(text.clone()),
        Source::File(path) => {
            let bytes = read_file(path)
                .map_err(|why| format!("unable to read file {}: {why}", path.display()))?;
            Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
        }
    }
}

fn read_header(source: &Source) -> Result<String, Error> {
    let Source::File(path) = source else { return read(source, "header") };
    match read_file(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).trim().to_owned()),
        Err(why) => {
            Err(Error::Options(format!("unable to read headers file {}: {why}", path.display())))
        }
    }
}

fn invalid(name: &str) -> Error {
    Error::Options(format!("net/http: invalid header field value for {name:?}"))
}
