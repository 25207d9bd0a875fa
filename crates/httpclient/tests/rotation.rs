//! Files with secrets that change while connections live.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use httpclient::{Authorization, BasicAuth, HeaderValues, Options, Source};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::RootCertStore;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use support::{body, client, converse, ok, serve};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_rustls::TlsAcceptor;

/// Puts a file in place as a whole, as who rotates secrets does.
fn write(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).expect("written");
    std::fs::rename(new, path).expect("renamed");
}

/// Sends a request with one secret in a file and one with another; returns what came in the header `name`.
async fn sent(name: &str, options: impl Fn(Source) -> Options) -> [String; 2] {
    let (address, mut requests) = serve(|_| ok("fine")).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("secret");
    write(&file, "one\n");
    let mut connection = client(options(Source::File(file.clone()))).connection();
    let url = format!("http://{address}/");
    let mut found = Vec::new();
    for secret in ["one", "two"] {
        write(&file, &format!(" {secret}\n"));
        assert_eq!(body(&mut connection, &url).await.as_deref(), Ok("fine"));
        let (number, request) = requests.recv().await.expect("a request");
        assert_eq!(number, 0, "the connection stays");
        let line = request.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(": "));
        found.push(line.unwrap_or_default().to_owned());
    }
    found.try_into().expect("two requests")
}

fn inline(text: &str) -> Source {
    Source::Inline(text.to_owned())
}

#[tokio::test]
async fn secrets_are_read_for_each_request() {
    let basic = |username, password| Options {
        basic_auth: Some(BasicAuth { username, password }),
        ..Options::default()
    };
    let encoded = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
    let passwords = sent("Authorization", |it| basic(inline("me"), it)).await;
    assert_eq!(passwords, [encoded("me:one"), encoded("me:two")]);
    let users = sent("Authorization", |it| basic(it, inline("x"))).await;
    assert_eq!(users, [encoded("one:x"), encoded("two:x")]);
    let bearer = |credentials| Options {
        authorization: Some(Authorization { kind: "Bearer".into(), credentials }),
        ..Options::default()
    };
    assert_eq!(sent("Authorization", bearer).await, ["Bearer one", "Bearer two"]);
    let header = |it| Options {
        headers: vec![HeaderValues { name: "X-Key".into(), values: vec![it] }],
        ..Options::default()
    };
    assert_eq!(sent("X-Key", header).await, ["one", "two"]);
}

fn identity(name: &str) -> CertifiedKey<KeyPair> {
    generate_simple_self_signed([name.to_owned()]).expect("a certificate")
}

/// A server that trusts these clients. Returns its port, and the certificate of the client of each connection.
async fn serve_known(
    own: &CertifiedKey<KeyPair>,
    clients: [&CertifiedKey<KeyPair>; 2],
) -> (u16, UnboundedReceiver<Vec<u8>>) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    clients.iter().for_each(|it| roots.add(it.cert.der().clone()).expect("a root"));
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(vec![own.cert.der().clone()], key)
        .expect("a pair");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let peer = stream.get_ref().1.peer_certificates().and_then(|it| it.first());
            let _ = sender.send(peer.map(|it| it.to_vec()).unwrap_or_default());
            tokio::spawn(converse(stream, 0, |_| ok("fine"), unbounded_channel().0));
        }
    });
    (port, receiver)
}

#[tokio::test]
async fn certificates_are_exchanged_when_their_files_change() {
    let (server, first, second) = (identity("localhost"), identity("first"), identity("second"));
    let (port, mut connections) = serve_known(&server, [&first, &second]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let put = |it: &CertifiedKey<KeyPair>| {
        write(&path("cert"), &it.cert.pem());
        write(&path("key"), &it.signing_key.serialize_pem());
    };
    put(&first);
    write(&path("ca"), &server.cert.pem());
    let mut options = Options::default();
    options.tls.ca = Some(Source::File(path("ca")));
    options.tls.cert = Some(Source::File(path("cert")));
    options.tls.key = Some(Source::File(path("key")));
    let mut connection = client(options).connection();
    let url = format!("https://localhost:{port}/");
    for _ in 0..2 {
        assert_eq!(body(&mut connection, &url).await.as_deref(), Ok("fine"));
    }
    assert_eq!(connections.recv().await.as_deref(), Some(&first.cert.der()[..]));
    put(&second);
    assert_eq!(body(&mut connection, &url).await.as_deref(), Ok("fine"));
    assert_eq!(connections.recv().await.as_deref(), Some(&second.cert.der()[..]));
    // Whom the new file does not trust is not talked to, also where a connection is open.
    write(&path("ca"), &first.cert.pem());
    let error = body(&mut connection, &url).await.expect_err("a stranger").to_string();
    assert!(error.ends_with("x509: certificate signed by unknown authority"), "{error}");
    write(&path("ca"), "half of a certif");
    let error = body(&mut connection, &url).await.expect_err("no certificate").to_string();
    let expected = format!("unable to use specified CA cert file {}", path("ca").display());
    assert!(error.ends_with(&expected), "{error}");
    write(&path("ca"), &server.cert.pem());
    assert_eq!(body(&mut connection, &url).await.as_deref(), Ok("fine"));
    assert_eq!(connections.recv().await.as_deref(), Some(&second.cert.der()[..]));
    assert!(connections.try_recv().is_err(), "no other connection was made");
}
