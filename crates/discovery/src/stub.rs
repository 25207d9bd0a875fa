//! For tests: a server on loopback that answers what it was told to.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How requests are answered.
#[derive(Clone)]
pub(crate) enum Reply {
    /// By these bytes.
    Whole(String),
    /// By these, and then by spaces without end.
    Endless(String),
    /// Not at all.
    Silence,
}

/// A server; it ends with the runtime of its test.
pub(crate) struct Stub {
    pub(crate) url: String,
    reply: Arc<Mutex<Reply>>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    pub(crate) async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let (reply, heads) = (Arc::new(Mutex::new(reply)), Arc::default());
        let shared = (Arc::clone(&reply), Arc::clone(&heads));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, Arc::clone(&shared.0), Arc::clone(&shared.1)));
            }
        });
        Self { url, reply, heads }
    }

    /// Answers so from now on.
    pub(crate) fn answer(&self, reply: Reply) {
        *lock(&self.reply) = reply;
    }

    /// The head of the last request.
    pub(crate) fn last_head(&self) -> String {
        lock(&self.heads).last().cloned().unwrap_or_default()
    }
}

/// An answer with this status line, content type and body.
pub(crate) fn reply(status: &str, kind: &str, body: &str) -> Reply {
    Reply::Whole(format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

async fn converse(mut stream: TcpStream, reply: Arc<Mutex<Reply>>, heads: Arc<Mutex<Vec<String>>>) {
    let mut head = String::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(char::from(byte));
        if !head.ends_with("\r\n\r\n") {
            continue;
        }
        lock(&heads).push(std::mem::take(&mut head));
        let reply = lock(&reply).clone();
        let sent = match reply {
            Reply::Whole(bytes) => stream.write_all(bytes.as_bytes()).await,
            Reply::Endless(bytes) => {
                let mut sent = stream.write_all(bytes.as_bytes()).await;
                while sent.is_ok() {
                    sent = stream.write_all(&[b' '; 1 << 16]).await;
                }
                sent
            }
            Reply::Silence => Ok(()),
        };
        if sent.is_err() {
            return;
        }
    }
}

fn lock<T>(it: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}
