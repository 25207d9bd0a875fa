//! Where AWS keys come from: files, and services on loopback.

mod support;

use std::path::Path;

use httpclient::{AwsEnvironment, AwsKeys, Options, SigV4};
use support::{body, client, ok, serve};

/// Plays STS, the machine's metadata service and a container's.
fn answer(request: &str) -> String {
    let (first, _) = request.split_once("\r\n").expect("a line");
    let in_session = request.contains("Session\r\n");
    match first {
        "PUT /latest/api/token HTTP/1.1" => ok("Session"),
        "GET /latest/meta-data/placement/region HTTP/1.1" if in_session => ok("mars-1"),
        "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1" if in_session => ok("role\n"),
        "GET /latest/meta-data/iam/security-credentials/role HTTP/1.1" if in_session => ok(
            "{\"AccessKeyId\":\"AM\",\"SecretAccessKey\":\"s\",\"Token\":\"tm\",\"Expiration\":\"2999-01-01T00:00:00Z\"}",
        ),
        "GET /container HTTP/1.1" if request.contains("Authorization: open") => {
            ok("{\"AccessKeyId\":\"AC\",\"SecretAccessKey\":\"s\",\"Token\":\"tc\"}")
        }
        "POST / HTTP/1.1" => sts(request),
        _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into(),
    }
}

/// Gives keys whose name says how they were asked for.
fn sts(request: &str) -> String {
    let form: Vec<(String, String)> =
        url::form_urlencoded::parse(request.split_once("\r\n\r\n").expect("a body").1.as_bytes())
            .into_owned()
            .collect();
    let get = |name: &str| form.iter().find(|it| it.0 == name).map_or("", |it| it.1.as_str());
    if get("RoleArn") == "forbidden" {
        let body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not &quot;you&quot;</Message></Error></ErrorResponse>";
        return ok(body).replace("200 OK", "403 Forbidden");
    }
    let signed_by = request
        .split("Credential=")
        .nth(1)
        .map_or("nobody", |it| it.split('/').next().expect("a key"));
    let key = format!(
        "{}:{}:{}{}",
        get("RoleArn"),
        signed_by,
        get("ExternalId"),
        get("WebIdentityToken")
    );
    ok(&format!(
        "<AssumeRoleResponse xmlns=\"x\"><AssumeRoleResult><Credentials><AccessKeyId>{key}</AccessKeyId>\
         <SecretAccessKey>s</SecretAccessKey><SessionToken>ts</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration>\
         </Credentials></AssumeRoleResult></AssumeRoleResponse>"
    ))
}

/// Signs a request for the service `aps` and returns the scope and session of the signature, or the error.
async fn ask(options: SigV4) -> String {
    let (target, mut requests) = serve(|_| ok("fine")).await;
    let sigv4 = SigV4 { service: "aps".into(), ..options };
    let client = client(Options { sigv4: Some(Box::new(sigv4)), ..Options::default() });
    let url = format!("http://{target}/");
    if let Err(error) = body(&mut client.connection(), &url).await {
        return error.to_string().split_once("\": ").expect("a URL in front").1.to_owned();
    }
    let (_, request) = requests.recv().await.expect("a request");
    let line = |name: &str| request.lines().find_map(|it| it.strip_prefix(name)).unwrap_or("-");
    let scope =
        line("Authorization: AWS4-HMAC-SHA256 Credential=").split(',').next().expect("a scope");
    let parts: Vec<_> = scope.split('/').collect();
    assert_eq!(parts[3..], ["aps", "aws4_request"]);
    format!("{} {} {}", parts[0], parts[2], line("X-Amz-Security-Token: "))
}

fn environment(variables: &[(&str, &str)]) -> AwsEnvironment {
    AwsEnvironment::new(
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    )
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("written");
    path.to_str().expect("a name").to_owned()
}

#[tokio::test]
async fn finds_keys_in_the_order_of_awss_own_clients() {
    let (server, _requests) = serve(answer).await;
    let url = format!("http://{server}");
    let folder = tempfile::tempdir().expect("a folder");
    let token = write(folder.path(), "token", "web\n");
    let keys = write(
        folder.path(),
        "credentials",
        "[default]\naws_access_key_id=AD\naws_secret_access_key=s\n[base]\naws_access_key_id=AB\naws_secret_access_key=s\naws_session_token=tb\n",
    );
    let config = write(folder.path(), "config", "[default]\nregion=venus-1\n[profile r]\nregion=venus-2\nrole_arn=R\nsource_profile=base\n[profile w]\nrole_arn=W\nweb_identity_token_file=TOKEN\n".replace("TOKEN", &token).as_str());
    let services =
        [("AWS_ENDPOINT_URL_STS", url.as_str()), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)];
    let files = [("AWS_SHARED_CREDENTIALS_FILE", keys.as_str()), ("AWS_CONFIG_FILE", &config)];
    let check = async |options: SigV4, variables: &[(&str, &str)], expected: &str| {
        let environment = environment(&[&services[..], variables].concat());
        assert_eq!(ask(SigV4 { environment, ..options }).await, expected, "{variables:?}");
    };
    let none = SigV4::default;
    let in_environment = [
        ("AWS_ACCESS_KEY_ID", "AE"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_SESSION_TOKEN", "te"),
        ("AWS_REGION", "earth-1"),
    ];
    let given = AwsKeys { access_key: "A".into(), secret_key: "s".into(), ..AwsKeys::default() };
    let given = || SigV4 { keys: Some(given.clone()), region: "r".into(), ..none() };
    check(given(), &in_environment, "A r -").await;
    check(none(), &in_environment, "AE earth-1 te").await;
    check(none(), &files, "AD venus-1 -").await;
    check(none(), &[&files[..], &[("AWS_PROFILE", "base")]].concat(), "AB mars-1 tb").await;
    check(SigV4 { profile: "r".into(), ..none() }, &files, "R:AB: venus-2 ts").await;
    check(SigV4 { profile: "w".into(), ..none() }, &files, "W:nobody:web mars-1 ts").await;
    let web = [("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()), ("AWS_ROLE_ARN", "W2")];
    check(none(), &web, "W2:nobody:web mars-1 ts").await;
    let role = SigV4 { role_arn: "R2".into(), external_id: "x".into(), ..given() };
    check(role, &[], "R2:A:x r ts").await;
    let full = format!("{url}/container");
    let container = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", full.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "open"),
    ];
    check(none(), &container, "AC mars-1 tc").await;
    check(none(), &[], "AM mars-1 tm").await;
}

#[tokio::test]
async fn says_why_there_are_no_keys() {
    let (server, _requests) = serve(answer).await;
    let url = format!("http://{server}");
    let check = async |options: SigV4, variables: &[(&str, &str)], expected: &str| {
        let environment =
            environment(&[&[("AWS_ENDPOINT_URL_STS", url.as_str())], variables].concat());
        assert_eq!(ask(SigV4 { environment, ..options }).await, expected);
    };
    let disabled = [("AWS_EC2_METADATA_DISABLED", "true")];
    check(
        SigV4::default(),
        &disabled,
        "region not configured in sigv4 or in default credentials chain: access disabled to EC2 IMDS via environment variable",
    )
    .await;
    let in_region =
        |profile: &str| SigV4 { region: "r".into(), profile: profile.into(), ..SigV4::default() };
    check(
        in_region(""),
        &disabled,
        "could not get SigV4 credentials: access disabled to EC2 IMDS via environment variable",
    )
    .await;
    check(in_region("p"), &[], "could not get SigV4 credentials: no keys in profile \"p\"").await;
    let keys = AwsKeys { access_key: "A".into(), secret_key: "s".into(), ..AwsKeys::default() };
    check(
        SigV4 { role_arn: "forbidden".into(), keys: Some(keys), ..in_region("") },
        &[],
        &format!(
            "could not get SigV4 credentials: {url}/: 403 Forbidden: AccessDenied: not \"you\""
        ),
    )
    .await;
}
