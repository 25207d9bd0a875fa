//! From a URL to a connection: name lookup, proxy, TLS.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Error;
use crate::error::{error_text, io_text};
use crate::options::{Options, Proxy};
use crate::tls::Tls;

/// A connection to a peer or a proxy.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// True if the handshake agreed on HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        matches!(self, Self::Tls(it) if it.get_ref().1.alpn_protocol() == Some(b"h2"))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(it) => Pin::new(it).poll_read(cx, buf),
            Self::Tls(it) => Pin::new(it).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(it) => Pin::new(it).poll_write(cx, buf),
            Self::Tls(it) => Pin::new(it).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(it) => Pin::new(it).poll_flush(cx),
            Self::Tls(it) => Pin::new(it).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(it) => Pin::new(it).poll_shutdown(cx),
            Self::Tls(it) => Pin::new(it).poll_shutdown(cx),
        }
    }
}

/// Makes connections.
#[derive(Debug)]
pub(crate) struct Connector {
    tls: Tls,
    proxy: Option<Matcher>,
    /// Whether the proxy is bypassed for this machine, as always where a `NO_PROXY` list is in play.
    direct_to_loopback: bool,
    proxy_headers: Vec<(String, String)>,
}

/// How a request reaches its peer.
pub(crate) struct Route {
    /// The proxy that forwards plain HTTP, if there is one.
    pub(crate) forwarder: Option<Intercept>,
    pub(crate) stream: Stream,
}

impl Connector {
    pub(crate) fn new(options: &Options) -> Result<Self, Error> {
        let tls = Tls::new(options.tls.clone(), options.http2)?;
        let (proxy, direct_to_loopback) = match &options.proxy {
            Proxy::None => (None, false),
            Proxy::Fixed { url, no_proxy } => {
                let matcher = Matcher::builder().all(url.as_str()).no(no_proxy.as_str()).build();
                (Some(matcher), !no_proxy.is_empty())
            }
            Proxy::Environment { http, https, no_proxy } => {
                let builder = Matcher::builder().http(http.as_str()).https(https.as_str());
                (Some(builder.no(no_proxy.as_str()).build()), true)
            }
        };
        let proxy_headers = options.proxy_connect_headers.clone();
        Ok(Self { tls, proxy, direct_to_loopback, proxy_headers })
    }

    /// A value that changes when connections made before should not be used any longer.
    pub(crate) fn tls_config(&self) -> Result<Arc<rustls::ClientConfig>, Error> {
        self.tls.config()
    }

    /// Connects to the host of `uri`.
    pub(crate) async fn connect(&self, uri: &Uri) -> Result<Route, Error> {
        let host = uri.host().filter(|it| !it.is_empty());
        let host = host.ok_or_else(|| Error::Transport("http: no Host in request URL".into()))?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            other => {
                let scheme = other.unwrap_or_default();
                return Err(Error::Transport(format!("unsupported protocol scheme \"{scheme}\"")));
            }
        };
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let intercept = self.intercept(uri, host);
        let tcp = match &intercept {
            None => dial(host, port).await?,
            Some(proxy) => {
                self.dial_proxy(proxy).await.map_err(|it| in_front("proxyconnect tcp: ", it))?
            }
        };
        if !https {
            return Ok(Route { forwarder: intercept, stream: Stream::Plain(tcp) });
        }
        let tcp = match &intercept {
            Some(proxy) => self.tunnel(tcp, proxy, &format!("{host}:{port}")).await?,
            None => tcp,
        };
        let connector = TlsConnector::from(self.tls.config()?);
        let stream = connector.connect(self.tls.server_name(host)?, tcp).await;
        let stream = stream.map_err(|error| Error::Transport(error_text(&error)))?;
        Ok(Route { forwarder: None, stream: Stream::Tls(Box::new(stream)) })
    }

    fn intercept(&self, uri: &Uri, host: &str) -> Option<Intercept> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let loopback = bare == "localhost"
            || bare.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback());
        if self.direct_to_loopback && loopback {
            return None;
        }
        self.proxy.as_ref()?.intercept(uri)
    }

    async fn dial_proxy(&self, proxy: &Intercept) -> Result<TcpStream, Error> {
        let uri = proxy.uri();
        if uri.scheme_str() != Some("http") {
            let scheme = uri.scheme_str().unwrap_or_default();
            return Err(Error::Transport(format!("proxy: unknown scheme: {scheme}")));
        }
        dial(uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(80)).await
    }

    /// Asks the proxy to connect through to `authority`.
    async fn tunnel(
        &self,
        mut tcp: TcpStream,
        proxy: &Intercept,
        authority: &str,
    ) -> Result<TcpStream, Error> {
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        for (name, value) in &self.proxy_headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(auth) = proxy.basic_auth().and_then(|it| it.to_str().ok()) {
            request.push_str(&format!("Proxy-Authorization: {auth}\r\n"));
        }
        request.push_str("\r\n");
        let broken = |error: std::io::Error| Error::Transport(io_text(&error));
        tcp.write_all(request.as_bytes()).await.map_err(broken)?;
        let head = read_head(&mut tcp).await.map_err(broken)?;
        let status = head.split_once("\r\n").map_or(head.as_str(), |(line, _)| line);
        let (_, status) = status.split_once(' ').unwrap_or_default();
        if !status.starts_with("200") {
            let reason = status.split_once(' ').map_or(status, |(_, reason)| reason);
            return Err(Error::Transport(reason.to_owned()));
        }
        Ok(tcp)
    }
}

/// The longest answer to a `CONNECT` that is read.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Reads up to the blank line, byte by byte so that nothing behind it is taken.
async fn read_head(tcp: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if HEAD_BYTES_MAX < head.len() {
            return Err(std::io::Error::other("the proxy's answer is too long"));
        }
        head.push(tcp.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn in_front(prefix: &str, error: Error) -> Error {
    match error {
        Error::Transport(text) => Error::Transport(format!("{prefix}{text}")),
        other => other,
    }
}

/// Looks the host up and tries its addresses in turn.
async fn dial(host: &str, port: u16) -> Result<TcpStream, Error> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let addresses = tokio::net::lookup_host((bare, port)).await;
    let addresses = addresses
        .map_err(|_| Error::Transport(format!("dial tcp: lookup {bare}: no such host")))?;
    let mut first = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Without it a small request may wait for the acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => {
                first.get_or_insert_with(|| {
                    format!("dial tcp {address}: connect: {}", io_text(&error))
                });
            }
        }
    }
    Err(Error::Transport(first.unwrap_or_else(|| format!("dial tcp: lookup {bare}: no such host"))))
}
