//! Reading single values that are more than YAML knows.

use yaml::{Decoder, Fatal, Node};

/// Reads a duration in milliseconds; null is zero.
pub(crate) fn duration(decoder: &mut Decoder, node: Node<'_>, out: &mut i64) -> Result<(), Fatal> {
    parsed(decoder, node, out, model::duration::parse)
}

/// Reads a size in bytes; null is zero.
pub(crate) fn size(decoder: &mut Decoder, node: Node<'_>, out: &mut i64) -> Result<(), Fatal> {
    parsed(decoder, node, out, crate::size::parse)
}

/// Reads a URL and keeps its text; null is empty.
pub(crate) fn url(decoder: &mut Decoder, node: Node<'_>, out: &mut String) -> Result<(), Fatal> {
    parsed(decoder, node, out, check_url)
}

/// Reads text and turns it into a value; null is the value's default.
pub(crate) fn parsed<T: Default>(
    decoder: &mut Decoder,
    node: Node<'_>,
    out: &mut T,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<(), Fatal> {
    if decoder.is_null(node)? {
        *out = T::default();
    } else if let Some(text) = decoder.text(node)? {
        *out = parse(&text).map_err(Fatal)?;
    }
    Ok(())
}

/// Go parses nearly everything as a URL; what it refuses, we refuse in its words.
fn check_url(text: &str) -> Result<String, String> {
    let quoted = model::quote(text);
    if text.chars().any(char::is_control) {
        return Err(format!("parse {quoted}: net/url: invalid control character in URL"));
    }
    if text.starts_with(':') {
        return Err(format!("parse {quoted}: missing protocol scheme"));
    }
    let before_slash = text.split('/').next().unwrap_or("");
    if !text.contains("://") && before_slash.contains(':') {
        let scheme = before_slash.split(':').next().unwrap_or("");
        if !is_scheme(scheme) {
            return Err(format!("parse {quoted}: first path segment in URL cannot contain colon"));
        }
    }
    match text.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => check_authority(rest, &quoted)?,
        _ => {}
    }
    Ok(text.to_owned())
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn check_authority(rest: &str, quoted: &str) -> Result<(), String> {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    let host = authority.rsplit('@').next().unwrap_or("");
    if let Some(at) = host.find(' ') {
        let shown = model::quote(&host[at..=at]);
        return Err(format!("parse {quoted}: invalid character {shown} in host name"));
    }
    let port_at = match host.rfind(']') {
        Some(end) => host[end..].find(':').map(|it| end + it),
        None => host.find(':'),
    };
    let port = port_at.map_or("", |it| &host[it..]);
    if port.bytes().skip(1).all(|b| b.is_ascii_digit()) {
        return Ok(());
    }
    Err(format!("parse {quoted}: invalid port {} after host", model::quote(port)))
}

/// Splits a URL into scheme and host, both empty where they are missing.
pub(crate) fn scheme_and_host(url: &str) -> (&str, &str) {
    match url.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
            (scheme, authority.rsplit('@').next().unwrap_or(""))
        }
        _ => match url.split_once(':') {
            Some((scheme, _)) if is_scheme(scheme) => (scheme, ""),
            _ => ("", ""),
        },
    }
}

/// Hides the password of a URL as Go does: `xxxxx`.
pub(crate) fn redact_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let Some((user, host)) = authority.rsplit_once('@') else { return url.to_owned() };
    let Some((user, _)) = user.split_once(':') else { return url.to_owned() };
    format!("{scheme}://{user}:xxxxx@{host}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_passwords_in_urls() {
        let check = |url, expected: &str| assert_eq!(redact_url(url), expected);
        check("http://a:b@h:1/p?q#f", "http://a:xxxxx@h:1/p?q#f");
        check("http://a@h/p:q@r", "http://a@h/p:q@r");
        check("h:9090", "h:9090");
    }

    #[test]
    fn refuses_what_go_refuses() {
        let check =
            |url, expected: &str| assert_eq!(check_url(url).err().unwrap_or_default(), expected);
        check("http://a:b@h:1/p", "");
        check("localhost:9090", "");
        check("://x", "parse \"://x\": missing protocol scheme");
        check("1.2.3.4:80", "parse \"1.2.3.4:80\": first path segment in URL cannot contain colon");
        check("http://h:x", "parse \"http://h:x\": invalid port \":x\" after host");
    }
}
