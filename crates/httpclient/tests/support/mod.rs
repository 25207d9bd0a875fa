//! Stub servers on loopback.

#![allow(dead_code, reason = "each test program uses a part")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use httpclient::{Client, Connection, Error, Options, Request};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Answers each request by what `answer` says for its head and body; an empty answer closes the
/// connection. The requests go to the channel, each behind the number of its connection.
pub(crate) async fn serve(
    answer: impl Fn(&str) -> String + Clone + Send + 'static,
) -> (SocketAddr, mpsc::UnboundedReceiver<(usize, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else { break };
            tokio::spawn(converse(stream, number, answer.clone(), sender.clone()));
        }
    });
    (address, receiver)
}

pub(crate) async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    number: usize,
    answer: impl Fn(&str) -> String,
    requests: mpsc::UnboundedSender<(usize, String)>,
) {
    while let Some(request) = read_request(&mut stream).await {
        let reply = answer(&request);
        let _ = requests.send((number, request));
        if reply.is_empty() || stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Head and body of a request; `None` at the end.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        request.push(char::from(stream.read_u8().await.ok()?));
    }
    let len = request.lines().find_map(|it| it.strip_prefix("Content-Length: "));
    for _ in 0..len.map_or(0, |it| it.parse().expect("a number")) {
        request.push(char::from(stream.read_u8().await.ok()?));
    }
    Some(request)
}

pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

pub(crate) fn client(options: Options) -> Client {
    Client::new(options).expect("options that work")
}

pub(crate) async fn body(connection: &mut Connection, url: &str) -> Result<String, Error> {
    let mut response = connection.send(&Request::get(url, LONG)).await?;
    let mut body = Vec::new();
    response.read_into(&mut body, 0).await?;
    Ok(String::from_utf8(body).expect("text"))
}

/// A server certificate for `localhost`, and the configuration of a server that has it.
pub(crate) fn certificate() -> (String, TlsAcceptor) {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key =
        rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a pair");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (cert.pem(), TlsAcceptor::from(Arc::new(config)))
}

/// A server that answers with the version of HTTP it was asked in. Returns its port and certificate.
pub(crate) async fn serve_tls() -> (u16, String) {
    use http_body_util::Full;
    let (pem, acceptor) = certificate();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let answer = |request: http::Request<hyper::body::Incoming>| async move {
                    let text = format!("{:?}", request.version());
                    Ok::<_, std::convert::Infallible>(http::Response::new(Full::new(
                        bytes::Bytes::from(text),
                    )))
                };
                let builder = hyper_util::server::conn::auto::Builder::new(
                    hyper_util::rt::TokioExecutor::new(),
                );
                let io = hyper_util::rt::TokioIo::new(stream);
                let _ = builder.serve_connection(io, hyper::service::service_fn(answer)).await;
            });
        }
    });
    (port, pem)
}
