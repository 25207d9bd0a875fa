//! Listeners and connections.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::HeaderMap;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::web::Guard;

/// How long a client may take for the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Limits of a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections at once, over all listeners.
    pub connections_max: usize,
    /// How long a client may take to send its request's head, and may keep a connection idle.
    pub read_timeout: Duration,
    /// How long requests under way may go on after the stop.
    pub drain: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections_max: 512,
            read_timeout: Duration::from_secs(300),
            drain: Duration::from_secs(10),
        }
    }
}

/// Open listeners. Connections wait in the system's backlog until [`serve`] runs.
#[derive(Debug)]
pub struct Listeners(Vec<TcpListener>);

/// An address that could not be opened.
#[derive(Debug)]
pub struct BindError {
    /// The address as given.
    pub address: String,
    /// Why.
    pub source: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "listen tcp {}: bind: {}", self.address, self.source)
    }
}

impl std::error::Error for BindError {}

impl Listeners {
    /// Opens all addresses, each `host:port`; an empty host is every interface.
    ///
    /// # Errors
    /// The first address that cannot be opened; none stays open then.
    pub async fn bind(addresses: &[String]) -> Result<Self, BindError> {
        let mut listeners = Vec::with_capacity(addresses.len());
        for address in addresses {
            let fail = |source| BindError { address: address.clone(), source };
            let full =
                if address.starts_with(':') { format!("[::]{address}") } else { address.clone() };
            let resolved: Vec<SocketAddr> = full.to_socket_addrs().map_err(fail)?.collect();
            listeners.push(TcpListener::bind(&resolved[..]).await.map_err(fail)?);
        }
        Ok(Self(listeners))
    }

    /// The addresses, with the ports the system chose where 0 was asked for.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().filter_map(|it| it.local_addr().ok()).collect()
    }
}

/// What the connections of a server share.
#[derive(Clone)]
struct Server {
    router: Router,
    options: Options,
    guard: Option<Arc<Guard>>,
}

/// Answers on all listeners with `router`, to whom `guard` lets in, until `stop` turns true or its sender is gone;
/// returns when the last connection is closed or the drain time is over.
pub async fn serve(
    listeners: Listeners,
    router: Router,
    options: Options,
    guard: Option<Arc<Guard>>,
    stop: watch::Receiver<bool>,
) {
    let slots = Arc::new(Semaphore::new(options.connections_max));
    let server = Server { router, options, guard };
    let loops: Vec<_> = listeners
        .0
        .into_iter()
        .map(|listener| {
            tokio::spawn(accept_loop(listener, server.clone(), Arc::clone(&slots), stop.clone()))
        })
        .collect();
    for task in loops {
        if let Err(error) = task.await {
            tracing::error!(%error, "a listener ended badly");
        }
    }
}

async fn accept_loop(
    listener: TcpListener,
    server: Server,
    slots: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is never closed");
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|it| *it) => break,
        };
        let (stream, peer) = match accepted {
            Ok(it) => it,
            Err(error) => {
                // Out of descriptors, mostly: others must close first.
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (server, connection) = (server.clone(), graceful.watcher());
        tokio::spawn(async move {
            server.converse(stream, peer, connection).await;
            drop(slot);
        });
    }
    if timeout(server.options.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still under way at the end of the drain time");
    }
}

impl Server {
    /// Runs one connection to its end.
    async fn converse(self, stream: TcpStream, peer: SocketAddr, connection: Watcher) {
        // A small answer should leave at once.
        let _ = stream.set_nodelay(true);
        let tls = match self.guard.as_ref().map_or(Ok(None), |it| it.tls()) {
            Ok(tls) => tls,
            Err(why) => return tracing::error!(err = %why, "Unable to parse configuration"),
        };
        let Some(tls) = tls else { return self.answer(stream, peer, connection).await };
        match timeout(HANDSHAKE_TIMEOUT, TlsAcceptor::from(tls).accept(stream)).await {
            Ok(Ok(stream)) => self.answer(stream, peer, connection).await,
            Ok(Err(error)) => tracing::debug!(%error, %peer, "TLS handshake error"),
            Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
        }
    }

    /// Answers the requests of a connection, under a graceful-shutdown watcher.
    async fn answer(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
        connection: Watcher,
    ) {
        let (router, guard) = (self.router, self.guard);
        let service = service_fn(move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            let (router, guard) = (router.clone(), guard.clone());
            async move { Ok::<_, Infallible>(answer_one(router, guard, request).await) }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.options.read_timeout);
        let served =
            builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        if let Err(error) = connection.watch(served).await {
            tracing::debug!(%error, %peer, "connection ended");
        }
    }
}

async fn answer_one(
    router: Router,
    guard: Option<Arc<Guard>>,
    request: http::Request<Incoming>,
) -> Response {
    let headers = match &guard {
        None => HeaderMap::new(),
        Some(guard) => match guard.admit(&request).await {
            Ok(headers) => headers,
            Err(refusal) => return refusal,
        },
    };
    let mut response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
    for (name, value) in &headers {
        response.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
    response
}
