//! One kept-alive connection and the exchanges on it.

use std::borrow::Cow;
use std::future::Future;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, LOCATION,
    PROXY_AUTHORIZATION,
};
use http::uri::PathAndQuery;
use http::{Method, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::{Instant, timeout_at};

use crate::Error;
use crate::auth;
use crate::aws::Signer;
use crate::connect::{Connector, Io, Route};
use crate::error::{DEADLINE, body_text, error_text};
use crate::oauth2::TokenSource;
use crate::options::Options;
use crate::proxy::Server;

/// Up to so many bytes the read buffer of an HTTP/1 connection grows, from 8 KiB, while bodies fill it. What is
/// larger the allocator does not keep at hand.
const READ_BUFFER_BYTES: usize = 32 * 1024;

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 10;

/// Options made ready for use. Cheap to clone; shared by the connections of a scrape pool.
#[derive(Clone, Debug)]
pub struct Client {
    options: Arc<Options>,
    connector: Arc<Connector>,
    tokens: Option<Arc<TokenSource>>,
    signer: Option<Arc<Signer>>,
    /// The socket that leads to the peer, whatever host the URL names.
    socket: Option<Arc<Path>>,
}

/// What to ask.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// An absolute URL with the scheme `http` or `https`.
    pub url: String,
    /// Headers; those of the options are added to them.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// How long the whole exchange may take, reading the body included.
    pub timeout: Duration,
}

impl Request {
    /// Asks for `url`.
    pub fn get(url: impl Into<String>, timeout: Duration) -> Self {
        Self {
            method: Method::GET,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout,
        }
    }
}

/// A connection of its own, made when it is needed and kept between exchanges. While it idles it costs
/// a socket, the read buffer of 6 KiB and no task: whoever awaits an exchange drives it.
pub struct Connection {
    client: Client,
    link: Option<Link>,
}

impl Client {
    /// Reads certificates and checks what can be checked.
    ///
    /// # Errors
    /// [`Error::Options`].
    pub fn new(options: Options) -> Result<Self, Error> {
        let connector = Arc::new(Connector::new(&options)?);
        let tokens = options.oauth2.as_deref().map(TokenSource::new).transpose()?;
        let signer = options.sigv4.as_deref().map(Signer::new).transpose()?;
        Ok(Self {
            options: Arc::new(options),
            connector,
            tokens: tokens.map(Arc::new),
            signer: signer.map(Arc::new),
            socket: None,
        })
    }

    /// The same client for a peer behind a Unix socket: no name is looked up and no proxy asked.
    #[must_use]
    pub fn over_unix_socket(&self, path: &Path) -> Self {
        Self { socket: Some(path.into()), ..self.clone() }
    }

    /// The AWS region that requests are signed for, looked up if the options do not name it.
    ///
    /// # Errors
    /// [`Error::Options`] if it is nowhere, or requests are not signed.
    pub async fn aws_region(&self) -> Result<String, Error> {
        match &self.signer {
            Some(signer) => signer.region().await,
            None => Err(Error::Options("requests are not signed".into())),
        }
    }

    /// The headers of a request, with all that the options add. Tokens and signatures are for trusted peers.
    async fn headers(
        &self,
        request: &Request,
        uri: &Uri,
        trusted: bool,
    ) -> Result<HeaderMap, Error> {
        let mut headers = request.headers.clone();
        auth::add_headers(&self.options, uri, trusted, &mut headers)?;
        if let Some(tokens) = self.tokens.as_ref().filter(|_| trusted) {
            headers.insert(AUTHORIZATION, tokens.header().await?);
        }
        if let Some(signer) = self.signer.as_ref().filter(|_| trusted) {
            signer.sign(&request.method, uri, &mut headers, &request.body).await?;
        }
        Ok(headers)
    }

    /// Makes a connection that is not connected yet.
    pub fn connection(&self) -> Connection {
        Connection { client: self.clone(), link: None }
    }

    /// Makes one exchange on a connection of its own and reads the body.
    ///
    /// # Errors
    /// As [`Connection::fetch`].
    pub async fn fetch(
        &self,
        request: &Request,
        body_bytes_max: usize,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), Error> {
        self.connection().fetch(request, body_bytes_max).await
    }
}

impl Connection {
    /// Makes one exchange and reads the body.
    ///
    /// # Errors
    /// As [`Connection::send`] and [`Response::read_into`].
    pub async fn fetch(
        &mut self,
        request: &Request,
        body_bytes_max: usize,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), Error> {
        let mut response = self.send(request).await?;
        let mut body = Vec::new();
        response.read_into(&mut body, body_bytes_max).await?;
        Ok((response.status, response.headers, body))
    }

    /// Sends a request and awaits status and headers. A connection that the peer has closed meanwhile is
    /// made anew.
    ///
    /// # Errors
    /// [`Error::Options`] if a file of the options cannot be read, [`Error::Timeout`],
    /// [`Error::Transport`]; each with the method and URL in front.
    pub async fn send(&mut self, request: &Request) -> Result<Response<'_>, Error> {
        let deadline = Instant::now() + request.timeout;
        let mut url = Cow::from(&request.url);
        let sent = timeout_at(deadline, self.send_following(request, &mut url)).await;
        let sent = sent.unwrap_or_else(|_| Err(Error::Timeout(DEADLINE.into())));
        match sent {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                let driver = self.link.as_mut().map(|it| &mut it.driver);
                Ok(Response {
                    status: parts.status,
                    headers: parts.headers,
                    body,
                    driver,
                    deadline,
                })
            }
            Err(error) => {
                self.link = None;
                Err(error.during(&request.method, &url))
            }
        }
    }

    /// Sends, and follows redirects; `url` is the one that was asked last.
    async fn send_following(
        &mut self,
        request: &Request,
        url: &mut Cow<'_, str>,
    ) -> Result<http::Response<Incoming>, Error> {
        let mut request = Cow::Borrowed(request);
        let mut trusted = true;
        for _ in 0..=REDIRECTS_MAX {
            let response = self.exchange(&request, url, trusted).await?;
            let Some(next) = self.redirect(&response, url) else { return Ok(response) };
            let request = request.to_mut();
            // Once the chain has left the first host, nothing on it sees credentials again.
            trusted &= same_site(&host_of(&request.url), &host_of(&next));
            if !trusted {
                auth::CREDENTIALS.iter().for_each(|it| drop(request.headers.remove(*it)));
            }
            let keeps_method = matches!(response.status().as_u16(), 307 | 308);
            if !keeps_method && !matches!(request.method, Method::GET | Method::HEAD) {
                request.method = Method::GET;
                request.body = Bytes::new();
                request.headers.remove(CONTENT_TYPE);
                request.headers.remove(CONTENT_LENGTH);
            }
            *url = Cow::Owned(next);
        }
        Err(Error::Transport(format!("stopped after {REDIRECTS_MAX} redirects")))
    }

    fn redirect(&self, response: &http::Response<Incoming>, url: &str) -> Option<String> {
        let redirects = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
        if !redirects || !self.client.options.follow_redirects {
            return None;
        }
        let location = response.headers().get(LOCATION)?.to_str().ok()?;
        let base = url::Url::parse(url).ok()?;
        base.join(location).ok().map(String::from)
    }

    /// Makes one exchange, on the connection at hand if it leads to the right place and lives.
    async fn exchange(
        &mut self,
        request: &Request,
        url: &str,
        trusted: bool,
    ) -> Result<http::Response<Incoming>, Error> {
        let uri: Uri = url.parse().map_err(|error| Error::Transport(format!("{error}")))?;
        let secure = uri.scheme_str() == Some("https");
        let tls = if secure { Some(self.client.connector.tls_config()?) } else { None };
        let place = (uri.scheme().cloned(), uri.authority().cloned());
        if let Some(mut link) = self.link.take()
            && link.leads_to(&place, tls.as_ref())
            && link.ready().await
        {
            let headers = self.client.headers(request, &uri, trusted).await?;
            match link.send(link.request(request, &uri, headers)?).await {
                Ok(response) => {
                    self.link = Some(link);
                    return Ok(response);
                }
                // The peer closed it just now, or answered nothing: a fresh connection decides.
                Err(error)
                    if error.is_canceled()
                        || error.is_incomplete_message()
                        || error.is_closed() => {}
                Err(error) => return Err(Error::Transport(error_text(&error))),
            }
        }
        let headers = self.client.headers(request, &uri, trusted).await?;
        let route = self.client.connector.connect(&uri, self.client.socket.as_deref()).await?;
        let mut link = Link::open(route, place, tls).await?;
        let response = link.send(link.request(request, &uri, headers)?).await;
        let response = response.map_err(|error| Error::Transport(error_text(&error)))?;
        self.link = Some(link);
        Ok(response)
    }
}

/// Where a body is put has a bound.
pub trait Room {
    /// Awaits that there is room for so many bytes in all.
    fn grow_to(&mut self, bytes: usize) -> impl Future<Output = ()> + Send;
}

/// Room without a bound.
struct Plenty;

impl Room for Plenty {
    async fn grow_to(&mut self, _: usize) {}
}

/// Status and headers, with the body still to come.
pub struct Response<'a> {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
    driver: Option<&'a mut Driver>,
    deadline: Instant,
}

impl Response<'_> {
    /// Appends the whole body to `out`. On an error `out` may hold a part of it, and the connection is
    /// given up.
    ///
    /// # Errors
    /// [`Error::TooLarge`] once the body has `bytes_max` bytes (0: no limit), [`Error::Timeout`],
    /// [`Error::Transport`].
    pub async fn read_into(&mut self, out: &mut Vec<u8>, bytes_max: usize) -> Result<(), Error> {
        self.read_into_room(out, bytes_max, &mut Plenty).await
    }

    /// As [`Response::read_into`], but before `out` grows there must be room for it. The peer waits meanwhile, and the
    /// request's timeout goes on.
    ///
    /// # Errors
    /// As [`Response::read_into`].
    pub async fn read_into_room(
        &mut self,
        out: &mut Vec<u8>,
        bytes_max: usize,
        room: &mut impl Room,
    ) -> Result<(), Error> {
        let read = self.read(out, bytes_max, room).await;
        if let (Err(_), Some(driver)) = (&read, &mut self.driver) {
            **driver = None;
        }
        read
    }

    async fn read(
        &mut self,
        out: &mut Vec<u8>,
        bytes_max: usize,
        room: &mut impl Room,
    ) -> Result<(), Error> {
        let start = out.len();
        let expected = usize::try_from(self.body.size_hint().lower()).unwrap_or(0);
        let limit = if bytes_max == 0 { usize::MAX } else { bytes_max };
        if limit <= expected {
            return Err(Error::TooLarge);
        }
        out.reserve(expected.min(READ_AHEAD_BYTES_MAX));
        while let Some(data) = self.data(self.deadline).await? {
            if limit <= out.len() - start + data.len() {
                return Err(Error::TooLarge);
            }
            let grown = timeout_at(self.deadline, room.grow_to(out.len() + data.len()));
            grown.await.map_err(|_| Error::Timeout(DEADLINE.into()))?;
            out.extend_from_slice(&data);
        }
        Ok(())
    }

    /// Returns the next piece of a body that may never end, or `None` at its end. Waits for it for at most `pause_max`,
    /// whatever the request's timeout: that was for the head. A piece is not much larger than the read buffer
    /// (32 KiB; a frame in HTTP/2), so that a slow caller slows the peer down. After an error the connection is given up.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Transport`].
    pub async fn chunk(&mut self, pause_max: Duration) -> Result<Option<Bytes>, Error> {
        let data = self.data(Instant::now() + pause_max).await;
        if let (Err(_), Some(driver)) = (&data, &mut self.driver) {
            **driver = None;
        }
        data
    }

    /// The next piece of the body, which has at least one byte.
    async fn data(&mut self, deadline: Instant) -> Result<Option<Bytes>, Error> {
        loop {
            let mut none = None;
            let driver = self.driver.as_deref_mut().unwrap_or(&mut none);
            let frame = timeout_at(deadline, drive(driver, self.body.frame())).await;
            let frame = frame.map_err(|_| Error::Timeout(DEADLINE.into()))?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| Error::Transport(body_text(&error)))?;
            // What is no data are trailers.
            if let Ok(data) = frame.into_data()
                && !data.is_empty()
            {
                return Ok(Some(data));
            }
        }
    }
}

/// Memory that a peer's promise of a long body may claim before the body comes.
const READ_AHEAD_BYTES_MAX: usize = 1 << 20;

/// The future that moves bytes between socket and exchange; `None` once it has ended.
type Driver = Option<Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>>;

type Place = (Option<http::uri::Scheme>, Option<http::uri::Authority>);

/// An open connection.
struct Link {
    place: Place,
    tls: Option<Arc<rustls::ClientConfig>>,
    sender: Sender,
    driver: Driver,
    forwarder: Option<Arc<Server>>,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Link {
    async fn open(
        route: Route,
        place: Place,
        tls: Option<Arc<rustls::ClientConfig>>,
    ) -> Result<Self, Error> {
        let (sender, driver) = handshake(route.stream, route.http2)
            .await
            .map_err(|error| Error::Transport(error_text(&error)))?;
        Ok(Self { place, tls, sender, driver, forwarder: route.forwarder })
    }

    /// True if the connection was made to this place with these keys.
    fn leads_to(&self, place: &Place, tls: Option<&Arc<rustls::ClientConfig>>) -> bool {
        let is_same = match (&self.tls, tls) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        is_same && self.place == *place
    }

    /// Lets the connection notice what has happened while it idled. False if it is of no use any more.
    async fn ready(&mut self) -> bool {
        let ready = match &mut self.sender {
            Sender::Http1(it) => drive(&mut self.driver, it.ready()).await,
            Sender::Http2(it) => drive(&mut self.driver, it.ready()).await,
        };
        // The sender may be ready although the peer has just closed: look once more at the socket.
        let _ = drive(&mut self.driver, std::future::ready(())).await;
        ready.is_ok() && self.driver.is_some()
    }

    async fn send(
        &mut self,
        request: http::Request<Full<Bytes>>,
    ) -> hyper::Result<http::Response<Incoming>> {
        match &mut self.sender {
            Sender::Http1(it) => drive(&mut self.driver, it.send_request(request)).await,
            Sender::Http2(it) => drive(&mut self.driver, it.send_request(request)).await,
        }
    }

    /// Puts a request in the form that this connection wants.
    fn request(
        &self,
        asked: &Request,
        uri: &Uri,
        headers: HeaderMap,
    ) -> Result<http::Request<Full<Bytes>>, Error> {
        let broken = |error: http::Error| Error::Transport(error.to_string());
        let mut request = http::Request::new(Full::new(asked.body.clone()));
        *request.method_mut() = asked.method.clone();
        *request.headers_mut() = headers;
        let whole = self.forwarder.is_some() || matches!(self.sender, Sender::Http2(_));
        *request.uri_mut() = if whole {
            without_user(uri).map_err(broken)?
        } else {
            let root = || PathAndQuery::from_static("/");
            Uri::from(uri.path_and_query().cloned().unwrap_or_else(root))
        };
        if let Sender::Http1(_) = self.sender {
            let host = host_and_port(uri);
            let host = HeaderValue::try_from(host).map_err(|error| broken(error.into()))?;
            request.headers_mut().entry(HOST).or_insert(host);
        }
        if let Some(auth) = self.forwarder.as_ref().and_then(|it| it.authorization()) {
            let mut auth = HeaderValue::try_from(auth).map_err(|error| broken(error.into()))?;
            auth.set_sensitive(true);
            request.headers_mut().insert(PROXY_AUTHORIZATION, auth);
        }
        Ok(request)
    }
}

async fn handshake(stream: Box<dyn Io>, http2: bool) -> hyper::Result<(Sender, Driver)> {
    let io = TokioIo::new(stream);
    if http2 {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new()).handshake(io).await?;
        return Ok((Sender::Http2(sender), Some(Box::pin(connection))));
    }
    let mut builder = http1::Builder::new();
    builder.title_case_headers(true).max_buf_size(READ_BUFFER_BYTES);
    let (sender, connection) = builder.handshake(io).await?;
    Ok((Sender::Http1(sender), Some(Box::pin(connection))))
}

/// Awaits `wanted` while moving the connection forward.
async fn drive<T>(driver: &mut Driver, wanted: impl Future<Output = T>) -> T {
    let mut wanted = pin!(wanted);
    std::future::poll_fn(|cx| {
        if let Some(connection) = driver
            && connection.as_mut().poll(cx).is_ready()
        {
            *driver = None;
        }
        if let Poll::Ready(done) = wanted.as_mut().poll(cx) {
            return Poll::Ready(done);
        }
        // The wanted future has just told the connection what it needs.
        if let Some(connection) = driver
            && connection.as_mut().poll(cx).is_ready()
        {
            *driver = None;
        }
        wanted.as_mut().poll(cx)
    })
    .await
}

fn host_of(url: &str) -> String {
    let uri: Option<Uri> = url.parse().ok();
    uri.as_ref().and_then(Uri::host).unwrap_or_default().to_ascii_lowercase()
}

/// True if `host` is `origin` or below it.
fn same_site(origin: &str, host: &str) -> bool {
    host == origin
        || host.strip_suffix(origin).is_some_and(|it| it.ends_with('.')) && !origin.is_empty()
}

fn host_and_port(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", http::uri::Authority::as_str);
    authority.rsplit_once('@').map_or(authority, |(_, it)| it).to_owned()
}

fn without_user(uri: &Uri) -> Result<Uri, http::Error> {
    let path = uri.path_and_query().map_or("/", |it| it.as_str());
    let scheme = uri.scheme_str().unwrap_or("http");
    Uri::builder().scheme(scheme).authority(host_and_port(uri)).path_and_query(path).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_own_site() {
        assert!(same_site("a.org", "a.org") && same_site("a.org", "x.a.org"));
        assert!(
            !same_site("a.org", "ba.org") && !same_site("a.org", "a.com") && !same_site("", "x.")
        );
    }
}
