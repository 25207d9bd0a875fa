//! Stub servers: HTTP/1.1 on loopback, from threads that live as long as the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// What a stub is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The path.
    pub path: String,
    /// Names and values of the query, in order, without escapes.
    pub query: Vec<(String, String)>,
    /// The whole head, as received.
    pub head: String,
}

impl Asked {
    /// The first value of a name of the query; empty if there is none.
    pub fn value(&self, name: &str) -> &str {
        self.query.iter().find(|it| it.0 == name).map_or("", |it| it.1.as_str())
    }
}

/// The connection that an answer goes to.
pub struct Peer(TcpStream);

impl Peer {
    /// Answers with JSON. `headers` are whole lines. Returns whether the peer may ask again.
    pub fn json(&mut self, status: u16, headers: &str, body: &str) -> bool {
        let len = body.len();
        self.raw(&format!(
            "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\n{headers}Content-Length: {len}\r\n\r\n{body}"
        ))
    }

    /// Begins an answer that comes in pieces.
    pub fn begin(&mut self) -> bool {
        self.raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    }

    /// Sends a piece.
    pub fn piece(&mut self, text: &str) -> bool {
        self.raw(&format!("{:x}\r\n{text}\r\n", text.len()))
    }

    /// Ends an answer that came in pieces.
    pub fn end(&mut self) -> bool {
        self.raw("0\r\n\r\n")
    }

    /// Waits until the peer is gone, or says more.
    pub fn wait_closed(&mut self) {
        _ = self.0.read(&mut [0]);
    }

    /// Sends bytes as they are.
    pub fn raw(&mut self, text: &str) -> bool {
        self.0.write_all(text.as_bytes()).is_ok()
    }
}

/// Serves on a port of loopback, which is returned. `answer` returns whether the connection stays open.
///
/// # Panics
/// If there is no port.
pub fn serve(answer: impl Fn(&Asked, &mut Peer) -> bool + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().filter_map(Result::ok) {
            let answer = Arc::clone(&answer);
            thread::spawn(move || converse(stream, answer.as_ref()));
        }
    });
    port
}

fn converse(stream: TcpStream, answer: &dyn Fn(&Asked, &mut Peer) -> bool) -> Option<()> {
    // A piece must not wait for the acknowledgement of the one before.
    stream.set_nodelay(true).ok()?;
    let mut input = BufReader::new(stream.try_clone().ok()?);
    let mut peer = Peer(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if input.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        if !answer(&asked(head)?, &mut peer) {
            return None;
        }
    }
}

fn asked(head: String) -> Option<Asked> {
    let target = head.split(' ').nth(1)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query.split('&').filter(|it| !it.is_empty());
    let pair = |it: &str| {
        let (name, value) = it.split_once('=').unwrap_or((it, ""));
        (unescape(name), unescape(value))
    };
    Some(Asked { path: unescape(path), query: pairs.map(pair).collect(), head })
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|it| std::str::from_utf8(it).ok());
        match hex.and_then(|it| u8::from_str_radix(it, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
