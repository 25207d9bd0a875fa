//! What can go wrong.

use std::borrow::Cow;
use std::fmt;
use std::io;

/// Why an exchange failed. `Display` is the text that upstream shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The options cannot work: a certificate is missing or wrong. Trying again may help after the
    /// file is mended.
    Options(String),
    /// No answer, or a broken one.
    Transport(String),
    /// The time is over.
    Timeout(String),
    /// The body is as long as the limit, or longer.
    TooLarge,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Options(text) | Self::Transport(text) | Self::Timeout(text) => f.write_str(text),
            Self::TooLarge => f.write_str("body size limit exceeded"),
        }
    }
}

impl std::error::Error for Error {}

pub(crate) const DEADLINE: &str = "context deadline exceeded";

impl Error {
    /// Puts Go's `Get "URL": ` in front.
    pub(crate) fn during(self, method: &http::Method, url: &str) -> Self {
        let name = match method.as_str() {
            "GET" => "Get".to_owned(),
            "POST" => "Post".to_owned(),
            "HEAD" => "Head".to_owned(),
            "PUT" => "Put".to_owned(),
            other => other.to_owned(),
        };
        let prefix = |text: String| format!("{name} \"{}\": {text}", without_password(url, "***"));
        match self {
            Self::Options(text) => Self::Options(prefix(text)),
            Self::Transport(text) => Self::Transport(prefix(text)),
            Self::Timeout(text) => Self::Timeout(prefix(text)),
            Self::TooLarge => Self::TooLarge,
        }
    }
}

/// Words an I/O error as Go does: `connection refused`, without the number.
pub(crate) fn io_text(error: &io::Error) -> String {
    if let Some(inner) = error.get_ref() {
        return error_text(inner);
    }
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "EOF".into(),
        io::ErrorKind::TimedOut => "connection timed out".into(),
        _ => {
            let mut letters = text.chars();
            let first = letters.next().map(|it| it.to_lowercase().to_string()).unwrap_or_default();
            first + letters.as_str()
        }
    }
}

/// Words what TLS or HTTP says, following causes.
pub(crate) fn error_text(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return io_text(error);
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return tls_text(error);
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            return "EOF".into();
        }
        if error.is_parse() {
            return format!(
                "net/http: HTTP/1.x transport connection broken: malformed HTTP response: {error}"
            );
        }
    }
    error.source().map_or_else(|| error.to_string(), error_text)
}

/// Words why a body could not be read.
pub(crate) fn body_text(error: &hyper::Error) -> String {
    let cause = std::error::Error::source(error).and_then(|it| it.downcast_ref::<io::Error>());
    let has_ended = cause.is_some_and(|it| it.kind() == io::ErrorKind::UnexpectedEof);
    if has_ended || error.is_incomplete_message() || error.is_body_write_aborted() {
        return "unexpected EOF".into();
    }
    error_text(error)
}

fn tls_text(error: &rustls::Error) -> String {
    use rustls::CertificateError as Certificate;
    let reason = match error {
        rustls::Error::InvalidCertificate(reason) => reason,
        rustls::Error::InvalidMessage(_) => {
            return "tls: first record does not look like a TLS handshake".into();
        }
        rustls::Error::AlertReceived(alert) => return format!("remote error: tls: {alert:?}"),
        other => return format!("tls: {other}"),
    };
    let reason = match reason {
        // The second: by another authority of the same name.
        Certificate::UnknownIssuer | Certificate::BadSignature => {
            "certificate signed by unknown authority".to_owned()
        }
        Certificate::Expired
        | Certificate::ExpiredContext { .. }
        | Certificate::NotValidYet
        | Certificate::NotValidYetContext { .. } => {
            "certificate has expired or is not yet valid".to_owned()
        }
        Certificate::NotValidForNameContext { expected, presented } => {
            let inner = |name: &String| name.split('"').nth(1).unwrap_or(name).to_owned();
            let presented: Vec<_> = presented.iter().map(inner).collect();
            format!("certificate is valid for {}, not {}", presented.join(", "), expected.to_str())
        }
        other => other.to_string(),
    };
    format!("tls: failed to verify certificate: x509: {reason}")
}

/// Puts `mask` in the place of a URL's password. Go writes `***` in errors, and `xxxxx` elsewhere.
pub fn without_password<'a>(url: &'a str, mask: &str) -> Cow<'a, str> {
    let hidden = url.split_once("://").and_then(|(scheme, rest)| {
        let authority = rest.split(['/', '?', '#']).next()?;
        let (user, _) = authority.rsplit_once('@')?;
        let (name, _) = user.split_once(':')?;
        Some(format!("{scheme}://{name}:{mask}{}", &rest[user.len()..]))
    });
    hidden.map_or(Cow::Borrowed(url), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_errors_as_go() {
        let refused = Error::Transport("connection refused".into())
            .during(&http::Method::GET, "http://u:p@h/x?a:b@c");
        assert_eq!(refused.to_string(), "Get \"http://u:***@h/x?a:b@c\": connection refused");
        assert_eq!(io_text(&io::Error::from_raw_os_error(111)), "connection refused");
        assert_eq!(without_password("http://h:80/@", "***"), "http://h:80/@");
    }
}
