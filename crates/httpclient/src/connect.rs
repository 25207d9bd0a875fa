//! From a URL to a connection: name lookup, proxy, TLS.

use std::path::Path;
use std::sync::Arc;

use http::Uri;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::Error;
use crate::error::{error_text, io_text};
use crate::options::Options;
use crate::proxy::{Kind, Proxies, Server};
use crate::socks;
use crate::tls::Tls;

/// What carries bytes to a peer: a socket, TLS over one, TLS within TLS.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Makes connections.
#[derive(Debug)]
pub(crate) struct Connector {
    tls: Tls,
    proxies: Proxies,
    proxy_headers: Vec<(String, String)>,
}

/// How a request reaches its peer.
pub(crate) struct Route {
    /// The proxy that forwards plain HTTP, if there is one.
    pub(crate) forwarder: Option<Arc<Server>>,
    pub(crate) stream: Box<dyn Io>,
    /// The handshake agreed on HTTP/2.
    pub(crate) http2: bool,
}

/// Where a URL leads.
struct Target<'a> {
    host: &'a str,
    port: u16,
    https: bool,
}

impl<'a> Target<'a> {
    fn of(uri: &'a Uri) -> Result<Self, Error> {
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
        Ok(Self { host, port, https })
    }

    /// The host without the brackets of an IPv6 address.
    fn bare_host(&self) -> &'a str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }
}

impl Connector {
    pub(crate) fn new(options: &Options) -> Result<Self, Error> {
        Ok(Self {
            tls: Tls::new(options.tls.clone(), options.http2)?,
            proxies: Proxies::new(&options.proxy),
            proxy_headers: options.proxy_connect_headers.clone(),
        })
    }

    /// A value that changes when connections made before should not be used any longer.
    pub(crate) fn tls_config(&self) -> Result<Arc<rustls::ClientConfig>, Error> {
        self.tls.config()
    }

    /// Connects to the host of `uri`, or through the socket of a file.
    pub(crate) async fn connect(&self, uri: &Uri, socket: Option<&Path>) -> Result<Route, Error> {
        let target = Target::of(uri)?;
        let proxy = match socket {
            Some(_) => None,
            None => self
                .proxies
                .of(target.https, target.bare_host(), target.port)
                .map_err(Error::Transport)?,
        };
        let (stream, forwarder) = match (socket, proxy) {
            (Some(path), _) => (dial_unix(path).await?, None),
            (None, Some(proxy)) => self.dial_through(proxy, &target).await?,
            (None, None) => (dial(target.bare_host(), target.port).await?, None),
        };
        if !target.https {
            return Ok(Route { forwarder, stream, http2: false });
        }
        let config = self.tls.config()?;
        let (stream, http2) = self.secure(stream, config, target.host).await?;
        Ok(Route { forwarder: None, stream, http2 })
    }

    /// A stream to the target by way of a proxy; and the proxy, if it is the one to talk HTTP to.
    async fn dial_through(
        &self,
        proxy: Arc<Server>,
        target: &Target<'_>,
    ) -> Result<(Box<dyn Io>, Option<Arc<Server>>), Error> {
        let authority = format!("{}:{}", target.host, target.port);
        if proxy.kind == Kind::Socks5 {
            let stream = dial_socks(&proxy, target).await;
            let prefix = format!("socks connect tcp {}->{authority}: ", proxy.address());
            return Ok((stream.map_err(|it| in_front(&prefix, it))?, None));
        }
        let stream = self.dial_proxy(&proxy).await;
        let stream = stream.map_err(|it| in_front("proxyconnect tcp: ", it))?;
        if target.https {
            return Ok((self.tunnel(stream, &proxy, &authority).await?, None));
        }
        Ok((stream, Some(proxy)))
    }

    async fn dial_proxy(&self, proxy: &Server) -> Result<Box<dyn Io>, Error> {
        let stream = dial(&proxy.host, proxy.port).await?;
        if proxy.kind != Kind::Https {
            return Ok(stream);
        }
        // Proxies are spoken to in HTTP/1.1.
        let mut config = (*self.tls.config()?).clone();
        config.alpn_protocols.clear();
        Ok(self.secure(stream, Arc::new(config), &proxy.host).await?.0)
    }

    /// Speaks TLS over `stream`. Returns also whether HTTP/2 was agreed on.
    async fn secure(
        &self,
        stream: Box<dyn Io>,
        config: Arc<rustls::ClientConfig>,
        host: &str,
    ) -> Result<(Box<dyn Io>, bool), Error> {
        let connector = TlsConnector::from(config);
        let stream = connector.connect(self.tls.server_name(host)?, stream).await;
        let stream = stream.map_err(|error| Error::Transport(error_text(&error)))?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok((Box::new(stream), http2))
    }

    /// Asks the proxy to connect through to `authority`.
    async fn tunnel(
        &self,
        mut stream: Box<dyn Io>,
        proxy: &Server,
        authority: &str,
    ) -> Result<Box<dyn Io>, Error> {
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        for (name, value) in &self.proxy_headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(auth) = proxy.authorization() {
            request.push_str(&format!("Proxy-Authorization: {auth}\r\n"));
        }
        request.push_str("\r\n");
        let broken = |error: std::io::Error| Error::Transport(io_text(&error));
        stream.write_all(request.as_bytes()).await.map_err(broken)?;
        stream.flush().await.map_err(broken)?;
        let head = read_head(&mut stream).await.map_err(broken)?;
        let status = head.split_once("\r\n").map_or(head.as_str(), |(line, _)| line);
        let (_, status) = status.split_once(' ').unwrap_or_default();
        if !status.starts_with("200") {
            let reason = status.split_once(' ').map_or(status, |(_, reason)| reason);
            return Err(Error::Transport(reason.to_owned()));
        }
        Ok(stream)
    }
}

/// The longest answer to a `CONNECT` that is read.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Reads up to the blank line, byte by byte so that nothing behind it is taken.
async fn read_head(stream: &mut Box<dyn Io>) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if HEAD_BYTES_MAX < head.len() {
            return Err(std::io::Error::other("the proxy's answer is too long"));
        }
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn in_front(prefix: &str, error: Error) -> Error {
    match error {
        Error::Transport(text) => Error::Transport(format!("{prefix}{text}")),
        other => other,
    }
}

async fn dial_socks(proxy: &Server, target: &Target<'_>) -> Result<Box<dyn Io>, Error> {
    let mut stream = dial(&proxy.host, proxy.port).await?;
    socks::connect(&mut stream, target.bare_host(), target.port, proxy.user.as_ref())
        .await
        .map_err(Error::Transport)?;
    Ok(stream)
}

async fn dial_unix(path: &Path) -> Result<Box<dyn Io>, Error> {
    let stream = UnixStream::connect(path).await.map_err(|error| {
        Error::Transport(format!("dial unix {}: connect: {}", path.display(), io_text(&error)))
    })?;
    Ok(Box::new(stream))
}

/// Looks the host up and tries its addresses in turn.
async fn dial(host: &str, port: u16) -> Result<Box<dyn Io>, Error> {
    let unknown = || Error::Transport(format!("dial tcp: lookup {host}: no such host"));
    let addresses = tokio::net::lookup_host((host, port)).await.map_err(|_| unknown())?;
    let mut first = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Without it a small request may wait for the acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                return Ok(Box::new(stream));
            }
            Err(error) => {
                first.get_or_insert_with(|| {
                    format!("dial tcp {address}: connect: {}", io_text(&error))
                });
            }
        }
    }
    Err(first.map_or_else(unknown, Error::Transport))
}
