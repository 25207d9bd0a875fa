//! Exchanges with stub servers on loopback.

mod support;

use std::time::Duration;

use httpclient::{
    Authorization, BasicAuth, Client, Error, HeaderValues, Options, Proxy, Request, Source,
};
use support::{LONG, body, client, ok, serve, serve_tls};
use tokio::net::TcpListener;

#[tokio::test]
async fn keeps_a_connection_and_replaces_a_closed_one() {
    let (address, mut heads) =
        serve(|head| if head.contains("close") { String::new() } else { ok("hello") }).await;
    let mut connection = client(Options::default()).connection();
    let url = format!("http://{address}/a?b=c");
    for _ in 0..3 {
        assert_eq!(body(&mut connection, &url).await.as_deref(), Ok("hello"));
        let (number, head) = heads.recv().await.expect("a request");
        assert_eq!(number, 0);
        assert_eq!(head, format!("GET /a?b=c HTTP/1.1\r\nHost: {address}\r\n\r\n"));
    }
    // Closed without an answer: tried again on a fresh connection, then given up.
    let url = format!("http://{address}/close");
    let error = body(&mut connection, &url).await.expect_err("no answer");
    assert_eq!(error.to_string(), format!("Get \"{url}\": EOF"));
    assert_eq!(heads.recv().await.map(|it| it.0), Some(0));
    assert_eq!(heads.recv().await.map(|it| it.0), Some(1));
    let url = format!("http://{address}/again");
    assert_eq!(body(&mut connection, &url).await.as_deref(), Ok("hello"));
}

#[tokio::test]
async fn says_why_there_is_no_answer() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
    let mut connection = client(Options::default()).connection();
    let url = format!("http://{free}/metrics");
    let error = body(&mut connection, &url).await.expect_err("nobody listens");
    assert_eq!(
        error.to_string(),
        format!("Get \"{url}\": dial tcp {free}: connect: connection refused")
    );
    let error = body(&mut connection, "ftp://x/").await.expect_err("no such scheme");
    assert_eq!(error.to_string(), "Get \"ftp://x/\": unsupported protocol scheme \"ftp\"");

    let (address, _heads) = serve(|_| "HTTP/1.1 ".into()).await;
    let request = Request::get(format!("http://{address}/"), Duration::from_millis(50));
    let error = connection.send(&request).await.err();
    assert_eq!(
        error,
        Some(Error::Timeout(format!("Get \"http://{address}/\": context deadline exceeded")))
    );
}

#[tokio::test]
async fn stops_reading_at_the_limit() {
    let (address, _heads) = serve(|head| match head {
        head if head.contains("chunked") => {
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"
                .into()
        }
        _ => ok("abcdef"),
    })
    .await;
    let mut connection = client(Options::default()).connection();
    for path in ["chunked", "counted"] {
        let request = Request::get(format!("http://{address}/{path}"), LONG);
        for (limit, expected) in [(6, Err(Error::TooLarge)), (7, Ok(())), (0, Ok(()))] {
            let mut body = Vec::new();
            let mut response = connection.send(&request).await.expect("an answer");
            assert_eq!(response.read_into(&mut body, limit).await, expected, "{path} {limit}");
        }
    }
}

#[tokio::test]
async fn reads_piece_by_piece() {
    let (address, mut heads) = serve(|head| match head {
        head if head.contains("ends") => {
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"
                .into()
        }
        head if head.contains("hangs") => {
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n".into()
        }
        _ => ok(&"x".repeat(1 << 20)),
    })
    .await;
    let mut connection = client(Options::default()).connection();
    let ask = |path: &str| Request::get(format!("http://{address}/{path}"), LONG);

    let mut response = connection.send(&ask("ends")).await.expect("a head");
    let mut text = Vec::new();
    while let Some(piece) = response.chunk(LONG).await.expect("a piece or the end") {
        text.extend_from_slice(&piece);
    }
    assert_eq!(text, b"abcdef");

    let mut response = connection.send(&ask("long")).await.expect("a head");
    let mut n_bytes = 0;
    while let Some(piece) = response.chunk(LONG).await.expect("a piece or the end") {
        assert!(piece.len() <= 64 * 1024, "{}", piece.len());
        n_bytes += piece.len();
    }
    assert_eq!(n_bytes, 1 << 20);

    let mut response = connection.send(&ask("hangs")).await.expect("a head");
    assert_eq!(response.chunk(LONG).await.map(|it| it.is_some()), Ok(true));
    let silent = response.chunk(Duration::from_millis(50)).await;
    assert_eq!(silent, Err(Error::Timeout("context deadline exceeded".into())));
    assert!(connection.send(&ask("ends")).await.is_ok());
    let mut numbers = Vec::new();
    while let Ok((number, _)) = heads.try_recv() {
        numbers.push(number);
    }
    assert_eq!(numbers, [0, 0, 0, 1], "only the one that failed was given up");
}

#[tokio::test]
async fn goes_on_after_a_body_that_was_not_read() {
    let (address, mut heads) = serve(|head| match head {
        head if head.contains("hangs") => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc".into(),
        head if head.contains("long") => ok(&"x".repeat(1 << 20)),
        _ => ok("fine"),
    })
    .await;
    let mut connection = client(Options::default()).connection();
    let mut body_read = Vec::new();
    let request = Request::get(format!("http://{address}/hangs"), Duration::from_millis(50));
    let mut response = connection.send(&request).await.expect("a head");
    let read = response.read_into(&mut body_read, 0).await;
    assert_eq!(read, Err(Error::Timeout("context deadline exceeded".into())));
    assert_eq!(body(&mut connection, &format!("http://{address}/")).await.as_deref(), Ok("fine"));
    let request = Request::get(format!("http://{address}/long"), LONG);
    assert_eq!(connection.send(&request).await.map(|it| it.status.as_u16()).ok(), Some(200));
    assert_eq!(body(&mut connection, &format!("http://{address}/")).await.as_deref(), Ok("fine"));
    let mut numbers = Vec::new();
    while let Ok((number, _)) = heads.try_recv() {
        numbers.push(number);
    }
    assert_eq!(numbers[..3], [0, 1, 1]);
}

#[tokio::test]
async fn adds_headers_and_keeps_credentials_at_home() {
    let (other, mut other_heads) = serve(|_| ok("there")).await;
    let (address, mut heads) = serve(|head| {
        let port = head.split("to=").nth(1).and_then(|it| it.split(' ').next()).unwrap_or_default();
        format!("HTTP/1.1 302 Found\r\nLocation: http://localhost:{port}/next\r\nContent-Length: 0\r\n\r\n")
    })
    .await;
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(secret.path(), "open sesame\n").expect("written");
    let authorization =
        Authorization { kind: "Bearer".into(), credentials: Source::File(secret.path().into()) };
    let header = HeaderValues {
        name: "X-Scope".into(),
        values: vec![Source::Inline("a".into()), Source::Inline("b".into())],
    };
    let options =
        Options { authorization: Some(authorization), headers: vec![header], ..Options::default() };
    let url = format!("http://{address}/?to={}", other.port());
    assert_eq!(body(&mut client(options).connection(), &url).await.as_deref(), Ok("there"));
    let (_, first) = heads.recv().await.expect("a request");
    assert!(
        first.contains("Authorization: Bearer open sesame\r\nX-Scope: a\r\nX-Scope: b\r\n"),
        "{first}"
    );
    let (_, second) = other_heads.recv().await.expect("a request");
    assert!(!second.contains("Authorization") && second.contains("X-Scope: a"), "{second}");

    let basic_auth = BasicAuth {
        username: Source::Inline("u".into()),
        password: Source::File("/nonexistent".into()),
    };
    let mut connection =
        client(Options { basic_auth: Some(basic_auth), ..Options::default() }).connection();
    let error = body(&mut connection, &url).await.expect_err("no password");
    let expected = "unable to read basic auth password: unable to read file /nonexistent: open /nonexistent: no such file or directory";
    assert_eq!(error.to_string(), format!("Get \"{url}\": {expected}"));
    let mut connection =
        client(Options { follow_redirects: false, ..Options::default() }).connection();
    let with_user = format!("http://u:p%40@{address}/");
    assert_eq!(
        connection.send(&Request::get(with_user, LONG)).await.map(|it| it.status.as_u16()).ok(),
        Some(302)
    );
    let (_, head) = heads.recv().await.expect("a request");
    assert!(head.contains("Authorization: Basic dTpwQA==\r\n"), "{head}");
}

#[tokio::test]
async fn speaks_tls() {
    let (port, pem) = serve_tls().await;
    let url = format!("https://localhost:{port}/");
    let ask = async |options: Options| body(&mut client(options).connection(), &url).await;
    let error = ask(Options::default()).await.expect_err("a stranger");
    let expected =
        "tls: failed to verify certificate: x509: certificate signed by unknown authority";
    assert_eq!(error.to_string(), format!("Get \"{url}\": {expected}"));

    let mut options = Options::default();
    options.tls.insecure_skip_verify = true;
    assert_eq!(ask(options.clone()).await.as_deref(), Ok("HTTP/2.0"));
    let mut twice = client(options.clone()).connection();
    assert_eq!(body(&mut twice, &url).await.as_deref(), Ok("HTTP/2.0"));
    assert_eq!(body(&mut twice, &url).await.as_deref(), Ok("HTTP/2.0"));
    options.http2 = false;
    assert_eq!(ask(options).await.as_deref(), Ok("HTTP/1.1"));

    let mut options = Options::default();
    options.tls.ca = Some(Source::Inline(pem));
    assert_eq!(ask(options.clone()).await.as_deref(), Ok("HTTP/2.0"));
    options.tls.server_name = "elsewhere".into();
    let error = ask(options).await.expect_err("another name").to_string();
    assert!(error.ends_with("x509: certificate is valid for localhost, not elsewhere"), "{error}");

    let mut options = Options::default();
    options.tls.ca = Some(Source::File("/nonexistent".into()));
    let error = Client::new(options).err().map(|it| it.to_string());
    let expected = "unable to read CA cert: unable to read file /nonexistent: open /nonexistent: no such file or directory";
    assert_eq!(error.as_deref(), Some(expected));
}

#[tokio::test]
async fn goes_through_a_proxy() {
    let (address, mut heads) = serve(|head| match head {
        head if head.starts_with("CONNECT") => {
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n".into()
        }
        _ => ok("by proxy"),
    })
    .await;
    let proxy = Proxy::Fixed { url: format!("http://u:p@{address}"), no_proxy: String::new() };
    let mut connection = client(Options { proxy, ..Options::default() }).connection();
    assert_eq!(body(&mut connection, "http://far.test:81/x").await.as_deref(), Ok("by proxy"));
    let (_, head) = heads.recv().await.expect("a request");
    assert!(
        head.starts_with("GET http://far.test:81/x HTTP/1.1\r\nHost: far.test:81\r\n"),
        "{head}"
    );
    assert!(head.contains("Proxy-Authorization: Basic dTpw\r\n"), "{head}");
    let error = body(&mut connection, "https://far.test/").await.expect_err("refused");
    assert_eq!(error.to_string(), "Get \"https://far.test/\": Proxy Authentication Required");

    let proxy = Proxy::Fixed { url: "http://127.0.0.1:1".into(), no_proxy: "far.test".into() };
    let mut connection = client(Options { proxy, ..Options::default() }).connection();
    assert_eq!(
        body(&mut connection, &format!("http://{address}/")).await.as_deref(),
        Ok("by proxy")
    );
}
