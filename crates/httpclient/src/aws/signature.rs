//! The signature: a hash of the request, signed with a key made for day, region and service.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use http::{HeaderMap, Method, Uri};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use super::AwsKeys;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What stays as it is: letters, digits and these.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Where and when a signature is good.
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    pub(super) time: Timestamp,
}

impl Scope<'_> {
    /// `20150830T123600Z`.
    pub(super) fn date_and_time(&self) -> String {
        self.time.strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    fn date(&self) -> String {
        self.time.strftime("%Y%m%d").to_string()
    }

    fn name(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date(), self.region, self.service)
    }

    fn key(&self, secret: &str) -> Key {
        let parts =
            [self.date().as_str(), self.region, self.service, "aws4_request"].map(str::to_owned);
        let first = Key::new(HMAC_SHA256, format!("AWS4{secret}").as_bytes());
        parts
            .iter()
            .fold(first, |key, part| Key::new(HMAC_SHA256, sign(&key, part.as_bytes()).as_ref()))
    }
}

/// The value of `Authorization`. Signs `host`, `content-type` and `x-amz-…`, which must be among the headers.
pub(super) fn authorization(
    keys: &AwsKeys,
    scope: &Scope<'_>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> String {
    let (lines, names) = signed_headers(headers);
    let request = format!(
        "{method}\n{}\n{}\n{lines}\n{names}\n{}",
        path(uri.path()),
        query(uri.query().unwrap_or_default()),
        hash(body)
    );
    let name = scope.name();
    let text =
        format!("{ALGORITHM}\n{}\n{name}\n{}", scope.date_and_time(), hash(request.as_bytes()));
    let signature = hex(sign(&scope.key(&keys.secret_key), text.as_bytes()).as_ref());
    let credential = format!("{}/{name}", keys.access_key);
    format!("{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}")
}

/// The lines of the headers to be signed, and their names.
fn signed_headers(headers: &HeaderMap) -> (String, String) {
    let is_signed =
        |name: &str| matches!(name, "host" | "content-type") || name.starts_with("x-amz-");
    let mut names: Vec<&str> =
        headers.keys().map(|it| it.as_str()).filter(|it| is_signed(it)).collect();
    names.sort_unstable();
    let mut lines = String::new();
    for name in &names {
        let values = headers.get_all(*name).iter();
        let values: Vec<String> = values
            .map(|it| {
                String::from_utf8_lossy(it.as_bytes())
                    .split_ascii_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        lines.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    (lines, names.join(";"))
}

/// The path without `.`, `..` and repeated slashes, encoded once more: it is signed as a text.
fn path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            _ => parts.push(part),
        }
    }
    let mut out = String::new();
    for part in &parts {
        out.push('/');
        out.extend(percent_encode(part.as_bytes(), STRICT));
    }
    if path.ends_with('/') || out.is_empty() {
        out.push('/');
    }
    out
}

/// The parameters in order, encoded in one way.
fn query(query: &str) -> String {
    let encode = |text: &str| {
        let bytes: Vec<u8> = percent_decode_str(&text.replace('+', " ")).collect();
        percent_encode(&bytes, STRICT).to_string()
    };
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|it| !it.is_empty())
        .map(|it| it.split_once('=').unwrap_or((it, "")))
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

fn hash(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signs as AWS's published examples do. `request`: the lines of a request without its version.
    fn check(service: &str, request: &str, expected_headers: &str, expected: &str) {
        let keys = AwsKeys {
            access_key: "AKIDEXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: String::new(),
        };
        let time = "2015-08-30T12:36:00Z".parse().expect("a time");
        let scope = Scope { region: "us-east-1", service, time };
        let (first, rest) = request.split_once('\n').unwrap_or((request, ""));
        let (method, url) = first.split_once(' ').expect("two words");
        let mut headers: HeaderMap = rest
            .lines()
            .filter_map(|it| it.split_once(": "))
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect::<Vec<_>>()
            .into_iter()
            .collect();
        let (method, uri): (Method, Uri) =
            (method.parse().expect("one"), url.parse().expect("one"));
        super::super::add_signature(&keys, &scope, &method, &uri, &mut headers, b"")
            .expect("good keys");
        let found = headers["authorization"].to_str().expect("text");
        let name = format!("20150830/us-east-1/{service}/aws4_request");
        assert_eq!(
            found,
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{name}, SignedHeaders={expected_headers}, Signature={expected}"
            ),
            "{request}"
        );
    }

    #[test]
    fn signs_as_published() {
        let names = "host;x-amz-date";
        check(
            "service",
            "GET https://example.amazonaws.com/",
            names,
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        );
        check(
            "service",
            "GET https://example.amazonaws.com/./example/..//",
            names,
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        );
        check(
            "service",
            "POST https://example.amazonaws.com/",
            names,
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        );
        check(
            "service",
            "GET https://example.amazonaws.com/?Param2=value2&Param1=value1",
            names,
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        );
        check(
            "iam",
            "GET https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08\nContent-Type: application/x-www-form-urlencoded; charset=utf-8",
            "content-type;host;x-amz-date",
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        );
    }

    #[test]
    fn brings_requests_into_one_form() {
        assert_eq!(path("/a%20b/c:d/"), "/a%2520b/c%3Ad/");
        assert_eq!(path("/.."), "/");
        assert_eq!(query("b=1&a=x+y%2f&a&&c=%ff"), "a=&a=x%20y%2F&b=1&c=%FF");
    }
}
