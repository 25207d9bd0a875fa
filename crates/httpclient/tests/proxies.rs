//! By way of proxies and sockets that stand on loopback.

mod support;

use std::net::SocketAddr;

use httpclient::{Options, Proxy, Source};
use support::{body, certificate, client, converse, ok, read_request, serve, serve_tls};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::mpsc;

fn through(url: String) -> Options {
    Options { proxy: Proxy::Fixed { url, no_proxy: String::new() }, ..Options::default() }
}

/// A SOCKS 5 proxy that wants the user `u` with the password `p` and knows one host, `inside`, at `peer`.
async fn serve_socks(peer: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse_socks(stream, peer));
        }
    });
    address
}

async fn converse_socks(mut stream: TcpStream, peer: SocketAddr) -> std::io::Result<()> {
    assert_eq!(stream.read_u8().await?, 5);
    let n_methods = stream.read_u8().await?;
    let mut methods = vec![0; usize::from(n_methods)];
    stream.read_exact(&mut methods).await?;
    if !methods.contains(&2) {
        return stream.write_all(&[5, 0xff]).await;
    }
    stream.write_all(&[5, 2]).await?;
    let mut login = [0; 5];
    stream.read_exact(&mut login).await?;
    let is_known = login == [1, 1, b'u', 1, b'p'];
    stream.write_all(&[1, u8::from(!is_known)]).await?;
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    assert_eq!(head, [5, 1, 0, 3], "a name");
    let mut host = vec![0; usize::from(stream.read_u8().await?)];
    stream.read_exact(&mut host).await?;
    stream.read_u16().await?;
    if host != b"inside" {
        return stream.write_all(&[5, 4, 0, 1, 0, 0, 0, 0, 0, 0]).await;
    }
    stream.write_all(&[5, 0, 0, 3, 1, b'x', 0, 80]).await?;
    copy_bidirectional(&mut stream, &mut TcpStream::connect(peer).await?).await.map(drop)
}

#[tokio::test]
async fn goes_through_socks() {
    let (peer, mut requests) = serve(|_| ok("inside")).await;
    let proxy = serve_socks(peer).await;
    let ask = async |user: &str, url: &str| {
        let mut connection = client(through(format!("socks5://{user}{proxy}"))).connection();
        body(&mut connection, url).await.map_err(|error| error.to_string())
    };
    assert_eq!(ask("u:p@", "http://inside:81/x").await.as_deref(), Ok("inside"));
    let (_, request) = requests.recv().await.expect("a request");
    assert_eq!(request, "GET /x HTTP/1.1\r\nHost: inside:81\r\n\r\n");

    let failed = |host: &str, why: &str| {
        Err(format!("Get \"http://{host}/\": socks connect tcp {proxy}->{host}:80: {why}"))
    };
    assert_eq!(ask("u:p@", "http://far/").await, failed("far", "unknown error host unreachable"));
    assert_eq!(ask("", "http://far/").await, failed("far", "no acceptable authentication methods"));
    assert_eq!(
        ask("u:q@", "http://far/").await,
        failed("far", "username/password authentication failed")
    );
}

/// A proxy that connects through to ports on loopback, whatever host is asked for.
async fn tunnel(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    heads: mpsc::UnboundedSender<String>,
) {
    let Some(head) = read_request(&mut stream).await else { return };
    let port = head.split([':', ' ']).nth(2).expect("a port").parse().expect("a number");
    let _ = heads.send(head);
    let mut peer = TcpStream::connect(("127.0.0.1", port)).await.expect("the peer listens");
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.expect("written");
    // The end of a connection is no error here.
    let _ = copy_bidirectional(&mut stream, &mut peer).await;
}

#[tokio::test]
async fn connects_through_http_and_https_proxies() {
    let (port, peer_pem) = serve_tls().await;
    let (proxy_pem, acceptor) = certificate();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let proxy = listener.local_addr().expect("bound").port();
    let (sender, mut heads) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut first = [0];
            stream.peek(&mut first).await.expect("a byte");
            // A TLS handshake begins with 22.
            if first == [22] {
                tokio::spawn(tunnel(
                    acceptor.accept(stream).await.expect("a handshake"),
                    sender.clone(),
                ));
            } else {
                tokio::spawn(tunnel(stream, sender.clone()));
            }
        }
    });
    for (scheme, user, expected) in [
        ("http", "u:p@", "Proxy-Authorization: Basic dTpw\r\n"),
        ("https", "", "X-Token: secret\r\n"),
    ] {
        let mut options = through(format!("{scheme}://{user}localhost:{proxy}"));
        options.tls.ca = Some(Source::Inline(format!("{peer_pem}{proxy_pem}")));
        options.proxy_connect_headers = vec![("X-Token".into(), "secret".into())];
        let url = format!("https://localhost:{port}/");
        let answer = body(&mut client(options).connection(), &url).await;
        assert_eq!(answer.as_deref(), Ok("HTTP/2.0"), "{scheme}");
        let head = heads.recv().await.expect("a request");
        let first = format!("CONNECT localhost:{port} HTTP/1.1\r\nHost: localhost:{port}\r\n");
        assert!(head.starts_with(&first) && head.contains(expected), "{head}");
    }
}

#[tokio::test]
async fn asks_over_a_unix_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).expect("a socket");
    let (sender, mut requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, 0, |_: &str| ok("local"), sender.clone()));
        }
    });
    // The proxy is not asked.
    let client = client(through("http://127.0.0.1:1".into()));
    let mut connection = client.over_unix_socket(&path).connection();
    for _ in 0..2 {
        assert_eq!(body(&mut connection, "http://any.test/x").await.as_deref(), Ok("local"));
        let (_, request) = requests.recv().await.expect("a request");
        assert_eq!(request, "GET /x HTTP/1.1\r\nHost: any.test\r\n\r\n");
    }
    let none = folder.path().join("none");
    let error = body(&mut client.over_unix_socket(&none).connection(), "http://a/").await;
    let expected = format!(
        "Get \"http://a/\": dial unix {}: connect: no such file or directory",
        none.display()
    );
    assert_eq!(error.map_err(|it| it.to_string()), Err(expected));
}
