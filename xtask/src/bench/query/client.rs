//! One connection that is kept, so that nobody is timed for opening it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

pub(super) struct Client {
    port: u16,
    input: BufReader<TcpStream>,
}

impl Client {
    pub(super) fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(180)))?;
        Ok(Self { port, input: BufReader::with_capacity(1 << 16, stream) })
    }

    /// Asks for `path` and returns the body.
    ///
    /// # Errors
    /// If nobody answers, or not with a success.
    pub(super) fn get(&mut self, path: &str) -> Result<Vec<u8>> {
        self.send("GET", path, &[])
    }

    /// As [`Client::get`], with `body` in a `POST`.
    pub(super) fn post(&mut self, path: &str, body: &[u8]) -> Result<Vec<u8>> {
        self.send("POST", path, body)
    }

    fn send(&mut self, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: {}\r\n\r\n",
            self.port,
            body.len()
        );
        let out = self.input.get_mut();
        out.write_all(head.as_bytes())?;
        out.write_all(body)?;
        let status = self.line()?;
        let mut length = Some(0);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(it) = line.strip_prefix("content-length:") {
                length = Some(it.trim().parse()?);
            } else if line.starts_with("transfer-encoding:") {
                length = None;
            }
        }
        let answer = match length {
            Some(n) => self.exactly(n)?,
            None => self.chunks()?,
        };
        let is_success = status.split(' ').nth(1).is_some_and(|it| it.starts_with('2'));
        ensure!(is_success, "{path}: {status}: {}", String::from_utf8_lossy(&answer));
        Ok(answer)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(0 < self.input.read_line(&mut line)?, "the connection was closed");
        Ok(line.trim_end().to_owned())
    }

    fn exactly(&mut self, n: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; n];
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let n = usize::from_str_radix(&self.line()?, 16).context("no chunk length")?;
            let from = all.len();
            all.resize(from + n, 0);
            self.input.read_exact(&mut all[from..])?;
            self.line()?;
            if n == 0 {
                return Ok(all);
            }
        }
    }
}
