//! OAuth 2 against a token server on loopback.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA384, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use httpclient::{Claims, Grant, OAuth2, Options, Proxy, SignatureAlgorithm, Source, TlsOptions};
use serde_json::{Value, json};
use support::{body, client, ok, serve};

fn oauth2(token_url: String, secret: Source) -> OAuth2 {
    OAuth2 {
        client_id: "me".into(),
        grant: Grant::ClientCredentials { secret },
        scopes: vec!["a".into(), "b".into()],
        token_url,
        endpoint_params: vec![("audience".into(), "all of it".into())],
        tls: TlsOptions::default(),
        proxy: Proxy::None,
        proxy_connect_headers: Vec::new(),
    }
}

fn options(oauth2: OAuth2) -> Options {
    Options { oauth2: Some(Box::new(oauth2)), ..Options::default() }
}

fn json(body: &str) -> String {
    ok(body).replace("Content-Length", "Content-Type: application/json\r\nContent-Length")
}

/// The line of a header.
fn line<'a>(request: &'a str, name: &str) -> &'a str {
    request.lines().find_map(|it| it.strip_prefix(name)).unwrap_or("none")
}

#[tokio::test]
async fn keeps_a_token_until_it_expires_or_the_secret_changes() {
    let (target, mut requests) = serve(|_| ok("fine")).await;
    let n = Arc::new(AtomicUsize::new(0));
    let (server, mut asked) = serve(move |_| {
        let n = n.fetch_add(1, Ordering::Relaxed);
        // The first is as good as expired.
        let expires = if n == 0 { 10 } else { 3600 };
        json(&format!(
            "{{\"access_token\":\"t{n}\",\"token_type\":\"bearer\",\"expires_in\":{expires}}}"
        ))
    })
    .await;
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(secret.path(), "s1\n").expect("written");
    let oauth2 = oauth2(format!("http://{server}/token"), Source::File(secret.path().into()));
    let client = client(options(oauth2));
    let url = format!("http://{target}/");
    let mut used = Vec::new();
    for n in 0..5 {
        if n == 3 {
            std::fs::write(secret.path(), "s2").expect("written");
        }
        // Connections of one client share its token.
        assert_eq!(body(&mut client.connection(), &url).await.as_deref(), Ok("fine"));
        let (_, request) = requests.recv().await.expect("a request");
        used.push(line(&request, "Authorization: ").to_owned());
    }
    assert_eq!(used, ["Bearer t0", "Bearer t1", "Bearer t1", "Bearer t2", "Bearer t2"]);
    let (_, first) = asked.recv().await.expect("a request");
    assert!(first.starts_with("POST /token HTTP/1.1\r\n"), "{first}");
    assert_eq!(
        line(&first, "Authorization: "),
        format!("Basic {}", BASE64_STANDARD.encode("me:s1"))
    );
    let form = "grant_type=client_credentials&scope=a+b&audience=all+of+it";
    assert!(first.ends_with(&format!("\r\n\r\n{form}")), "{first}");
}

#[tokio::test]
async fn puts_the_secret_where_the_server_wants_it() {
    let (target, mut requests) = serve(|_| ok("fine")).await;
    let (server, mut asked) = serve(|request| {
        if request.contains("client_secret=s%26") {
            json("{\"access_token\":\"t\",\"expires_in\":1}")
        } else {
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno".into()
        }
    })
    .await;
    let url = format!("http://{target}/");
    let client = client(options(oauth2(format!("http://{server}/"), Source::Inline("s&".into()))));
    for _ in 0..2 {
        assert_eq!(body(&mut client.connection(), &url).await.as_deref(), Ok("fine"));
        let (_, request) = requests.recv().await.expect("a request");
        assert_eq!(line(&request, "Authorization: "), "Bearer t");
    }
    // Having learnt it, the client does not ask in the other way again.
    let mut styles = Vec::new();
    while let Ok((_, request)) = asked.try_recv() {
        styles.push(request.contains("client_secret="));
    }
    assert_eq!(styles, [false, true, true]);
}

#[tokio::test]
async fn says_why_there_is_no_token() {
    let (server, _asked) = serve(|_| {
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 25\r\n\r\n{\"error\":\"invalid_scope\"}".into()
    })
    .await;
    let url = "http://127.0.0.1:1/";
    let check = async |oauth2: OAuth2, expected: &str| {
        let found = body(&mut client(options(oauth2)).connection(), url).await;
        assert_eq!(found.map_err(|it| it.to_string()), Err(format!("Get \"{url}\": {expected}")));
    };
    let inline = || Source::Inline("s".into());
    check(oauth2(format!("http://{server}/"), inline()), "oauth2: \"invalid_scope\"").await;
    let free = "http://127.0.0.1:1/t";
    let expected = format!("Post \"{free}\": dial tcp 127.0.0.1:1: connect: connection refused");
    check(oauth2(free.into(), inline()), &expected).await;
    check(
        oauth2(free.into(), Source::File("/nonexistent".into())),
        "unable to read oauth2 client secret: unable to read file /nonexistent: open /nonexistent: no such file or directory",
    )
    .await;
    let mut twice = oauth2(free.into(), inline());
    twice.endpoint_params.push(("scope".into(), "x".into()));
    check(twice, "oauth2: cannot overwrite parameter \"scope\"").await;
    let key = Grant::JwtBearer { key: inline(), claims: Claims::default() };
    check(
        OAuth2 { grant: key, ..oauth2(free.into(), inline()) },
        "oauth2: private key should be a PEM or plain PKCS1 or PKCS8; parse error: no items found",
    )
    .await;
}

#[tokio::test]
async fn signs_a_claim() {
    let (target, mut requests) = serve(|_| ok("fine")).await;
    let (server, mut asked) = serve(|_| json("{\"access_token\":\"t\"}")).await;
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der: Pkcs8V1Der<'_> = pair.as_der().expect("a key");
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        BASE64_STANDARD.encode(der.as_ref())
    );
    let claims = Claims {
        key_id: "k1".into(),
        algorithm: SignatureAlgorithm::Rs384,
        audience: "all".into(),
        more: [("roles".to_owned(), json!(["r"]))].into_iter().collect(),
        ..Claims::default()
    };
    let grant = Grant::JwtBearer { key: Source::Inline(pem), claims };
    let oauth2 = OAuth2 { grant, ..oauth2(format!("http://{server}/"), Source::default()) };
    let url = format!("http://{target}/");
    assert_eq!(body(&mut client(options(oauth2)).connection(), &url).await.as_deref(), Ok("fine"));
    let (_, request) = requests.recv().await.expect("a request");
    assert_eq!(line(&request, "Authorization: "), "Bearer t");

    let (_, request) = asked.recv().await.expect("a request");
    let (_, form) = request.split_once("\r\n\r\n").expect("a body");
    let parts: Vec<_> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    assert_eq!(parts[0].1, "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let (signed, signature) = parts[1].1.rsplit_once('.').expect("three parts");
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).expect("base64");
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA384, pair.public_key())
        .verify(signed.as_bytes(), &signature)
        .expect("the signature is right");
    let parts: Vec<Value> = signed
        .split('.')
        .map(|it| BASE64_URL_SAFE_NO_PAD.decode(it).expect("base64"))
        .map(|it| serde_json::from_slice(&it).expect("JSON"))
        .collect();
    assert_eq!(parts[0], json!({ "alg": "RS384", "typ": "JWT", "kid": "k1" }));
    let claim = |name: &str| parts[1][name].clone();
    assert_eq!(
        (claim("iss"), claim("sub"), claim("aud")),
        (json!("me"), json!("me"), json!("all"))
    );
    assert_eq!((claim("scope"), claim("roles")), (json!("a b"), json!(["r"])));
    assert_eq!(claim("exp").as_u64(), claim("iat").as_u64().map(|it| it + 3600));
}
