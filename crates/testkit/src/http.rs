//! A small HTTP client for servers on loopback.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::WriteRequest;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The head, as received.
    pub head: String,
    /// The body.
    pub body: String,
}

/// Asks for `path` with `GET`; `None` if nobody answers.
pub fn get(port: u16, path: &str) -> Option<Answer> {
    send(port, "GET", path, FORM, &[])
}

/// Sends `body`, form-encoded, with `POST`; `None` if nobody answers.
pub fn post(port: u16, path: &str, body: &str) -> Option<Answer> {
    send(port, "POST", path, FORM, body.as_bytes())
}

/// Sends `DELETE` for `path`; `None` if nobody answers.
pub fn delete(port: u16, path: &str) -> Option<Answer> {
    send(port, "DELETE", path, FORM, &[])
}

/// Sends samples by remote write; `None` if nobody answers.
pub fn write(port: u16, request: &WriteRequest) -> Option<Answer> {
    send(port, "POST", "/api/v1/write", PROTOBUF, &request.body())
}

const FORM: &str = "application/x-www-form-urlencoded";
const PROTOBUF: &str = "application/x-protobuf\r\nContent-Encoding: snappy";

fn send(port: u16, method: &str, path: &str, kind: &str, body: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[request.as_bytes(), body].concat()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let at = bytes.windows(4).position(|it| it == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = bytes.split_off(at + 4);
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunk(&body)? } else { body };
    Some(Answer { status, head, body: String::from_utf8_lossy(&body).into_owned() })
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        let at = rest.windows(2).position(|it| it == b"\r\n")?;
        let len = usize::from_str_radix(std::str::from_utf8(&rest[..at]).ok()?.trim(), 16).ok()?;
        if len == 0 {
            return Some(out);
        }
        out.extend_from_slice(rest.get(at + 2..at + 2 + len)?);
        rest = rest.get(at + 4 + len..)?;
    }
}

/// Escapes a parameter's value.
pub fn escape(text: &str) -> String {
    text.bytes().fold(String::new(), |out, byte| {
        if byte.is_ascii_alphanumeric() {
            out + &char::from(byte).to_string()
        } else {
            format!("{out}%{byte:02X}")
        }
    })
}

/// Asks for `path` below `/api/v1` and returns the `data` of the answer.
///
/// # Panics
/// If the answer is not a success.
pub fn api(port: u16, path: &str) -> Value {
    let answer =
        get(port, &format!("/api/v1/{path}")).unwrap_or_else(|| panic!("nobody answers on {port}"));
    let mut json: Value = serde_json::from_str(&answer.body)
        .unwrap_or_else(|error| panic!("{path}: {error}: {}", answer.body));
    assert_eq!(json["status"], "success", "{path}: {}", answer.body);
    json["data"].take()
}

/// Evaluates a query at `time` (seconds; empty: now) and returns its `result`.
///
/// # Panics
/// If the answer is not a success.
pub fn query(port: u16, expr: &str, time: &str) -> Value {
    let time = if time.is_empty() { String::new() } else { format!("&time={time}") };
    api(port, &format!("query?query={}{time}", escape(expr)))["result"].take()
}
