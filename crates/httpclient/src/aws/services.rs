//! Services that give keys: STS, the machine's metadata service, and that of a container.

use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};
use jiff::Timestamp;
use serde_json::Value;
use stdx::xml;
use url::form_urlencoded::Serializer;

use super::credentials::Credentials;
use super::signature::Scope;
use super::{AwsEnvironment, AwsKeys, SigV4, add_signature};
use crate::options::Options;
use crate::tls::read_file;
use crate::{Client, Error, Request};

/// How long the services on the machine itself may take: where there are none, nobody answers.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(5);

const STS_TIMEOUT: Duration = Duration::from_secs(30);

const ANSWER_BYTES_MAX: usize = 1 << 20;

/// How long a session with the machine's metadata service lasts, in seconds.
const SESSION_SECONDS: &str = "21600";

/// A role to take on.
pub(super) struct Role<'a> {
    pub(super) arn: &'a str,
    /// Empty: none.
    pub(super) external_id: &'a str,
    /// The name of the session; empty: one is made up.
    pub(super) session: &'a str,
}

/// The services as the environment names them.
pub(super) struct Services {
    environment: AwsEnvironment,
    fips: bool,
    local: Client,
    sts: Client,
}

impl Services {
    pub(super) fn new(options: &SigV4) -> Result<Self, Error> {
        let environment = options.environment.clone();
        let fips = options.use_fips_sts_endpoint || environment.is_on("AWS_USE_FIPS_ENDPOINT");
        let proxy = environment.proxy();
        Ok(Self {
            environment,
            fips,
            local: Client::new(Options::default())?,
            sts: Client::new(Options { proxy, ..Options::default() })?,
        })
    }

    /// Takes a role on with keys that may do so.
    pub(super) async fn assume_role(
        &self,
        region: &str,
        keys: &AwsKeys,
        role: &Role<'_>,
    ) -> Result<Credentials, String> {
        let mut form = vec![("Action", "AssumeRole")];
        if !role.external_id.is_empty() {
            form.push(("ExternalId", role.external_id));
        }
        self.ask_sts(region, Some(keys), role, form).await
    }

    /// Takes a role on with a token that somebody else has signed.
    pub(super) async fn assume_role_with_web_identity(
        &self,
        region: &str,
        token: &str,
        role: &Role<'_>,
    ) -> Result<Credentials, String> {
        let form = vec![("Action", "AssumeRoleWithWebIdentity"), ("WebIdentityToken", token)];
        self.ask_sts(region, None, role, form).await
    }

    async fn ask_sts(
        &self,
        region: &str,
        keys: Option<&AwsKeys>,
        role: &Role<'_>,
        mut form: Vec<(&str, &str)>,
    ) -> Result<Credentials, String> {
        let made_up = format!("pyrrha-{}", Timestamp::now().as_second());
        let session = if role.session.is_empty() { &made_up } else { role.session };
        form.extend([
            ("Version", "2011-06-15"),
            ("RoleArn", role.arn),
            ("RoleSessionName", session),
        ]);
        let body = Bytes::from(Serializer::new(String::new()).extend_pairs(form).finish());
        let url = self.sts_url(region);
        let uri: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if let Some(keys) = keys {
            let scope = Scope { region, service: "sts", time: Timestamp::now() };
            add_signature(keys, &scope, &Method::POST, &uri, &mut headers, &body)
                .map_err(|error| error.to_string())?;
        }
        let request =
            Request { method: Method::POST, headers, body, ..Request::get(url, STS_TIMEOUT) };
        credentials_of_xml(&ask(&self.sts, &request).await?)
    }

    fn sts_url(&self, region: &str) -> String {
        if let Some(url) = self.environment.first(&["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"]) {
            return format!("{}/", url.trim_end_matches('/'));
        }
        let name = if self.fips { "sts-fips" } else { "sts" };
        format!("https://{name}.{region}.{}/", domain(region))
    }

    /// Keys from the service that the container's environment names; `None` if it names none.
    pub(super) async fn of_container(&self) -> Result<Option<Credentials>, String> {
        let environment = &self.environment;
        let relative = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        let url = match (relative, environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
            (Some(path), _) => format!("http://169.254.170.2{path}"),
            (None, Some(url)) => url.to_owned(),
            (None, None) => return Ok(None),
        };
        let mut headers = HeaderMap::new();
        let token = match environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            Some(file) => String::from_utf8_lossy(&read_file(Path::new(file))?).trim().to_owned(),
            None => {
                environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").unwrap_or_default().to_owned()
            }
        };
        if !token.is_empty() {
            headers.insert(AUTHORIZATION, secret(&token)?);
        }
        let request = Request { headers, ..Request::get(url, LOCAL_TIMEOUT) };
        credentials_of_json(&ask(&self.local, &request).await?).map(Some)
    }

    /// Keys of the role that the machine has.
    pub(super) async fn of_machine(&self) -> Result<Credentials, String> {
        let path = "/latest/meta-data/iam/security-credentials/";
        let roles = self.ask_machine(path).await?;
        let role = roles.lines().next().map(str::trim).filter(|it| !it.is_empty());
        let role = role.ok_or("no EC2 IMDS role found")?;
        credentials_of_json(&self.ask_machine(&format!("{path}{role}")).await?)
    }

    /// The region that the machine is in.
    pub(super) async fn region_of_machine(&self) -> Result<String, String> {
        let region = self.ask_machine("/latest/meta-data/placement/region").await?;
        Ok(region.trim().to_owned())
    }

    /// Asks the metadata service, in a session as its second version wants it.
    async fn ask_machine(&self, path: &str) -> Result<String, String> {
        if self.environment.is_on("AWS_EC2_METADATA_DISABLED") {
            return Err("access disabled to EC2 IMDS via environment variable".into());
        }
        let host = self.environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        let host = host.unwrap_or("http://169.254.169.254").trim_end_matches('/');
        let mut headers = HeaderMap::new();
        let lifetime = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
        headers.insert(lifetime, HeaderValue::from_static(SESSION_SECONDS));
        let request = Request {
            method: Method::PUT,
            headers,
            ..Request::get(format!("{host}/latest/api/token"), LOCAL_TIMEOUT)
        };
        let token = ask(&self.local, &request).await?;
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("x-aws-ec2-metadata-token"), secret(token.trim())?);
        let request = Request { headers, ..Request::get(format!("{host}{path}"), LOCAL_TIMEOUT) };
        ask(&self.local, &request).await
    }
}

/// The domain of a region's services.
fn domain(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

fn secret(text: &str) -> Result<HeaderValue, String> {
    let mut value =
        HeaderValue::try_from(text).map_err(|_| "a token is no valid header value".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// Makes one exchange. Answers without success are errors.
async fn ask(client: &Client, request: &Request) -> Result<String, String> {
    // These clients sign nothing, so this recursion ends at once; its type must end too.
    let answer = Box::pin(client.fetch(request, ANSWER_BYTES_MAX)).await;
    let (status, _, body) = answer.map_err(|error| error.to_string())?;
    let body = String::from_utf8_lossy(&body).into_owned();
    if status.is_success() {
        Ok(body)
    } else {
        Err(format!("{}: {status}: {}", request.url, refusal(&body)))
    }
}

/// What a service says about why it refuses.
fn refusal(body: &str) -> String {
    let error = xml::parse(body).ok().and_then(|it| it.child("Error").cloned());
    error.map_or_else(
        || body.chars().take(200).collect(),
        |it| format!("{}: {}", it.text_at(&["Code"]), it.text_at(&["Message"])),
    )
}

fn credentials_of_xml(body: &str) -> Result<Credentials, String> {
    let root = xml::parse(body).map_err(|error| error.to_string())?;
    let found = root.children.iter().find_map(|it| it.child("Credentials"));
    let found = found.ok_or("an answer without credentials")?;
    let text = |name: &str| found.text_at(&[name]).to_owned();
    credentials(
        text("AccessKeyId"),
        text("SecretAccessKey"),
        text("SessionToken"),
        &text("Expiration"),
    )
}

fn credentials_of_json(body: &str) -> Result<Credentials, String> {
    let json: Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    credentials(text("AccessKeyId"), text("SecretAccessKey"), text("Token"), &text("Expiration"))
}

fn credentials(
    access_key: String,
    secret_key: String,
    session_token: String,
    expiration: &str,
) -> Result<Credentials, String> {
    if access_key.is_empty() || secret_key.is_empty() {
        return Err("an answer without keys".into());
    }
    let expires: Option<Timestamp> = expiration.parse().ok();
    Ok(Credentials {
        keys: AwsKeys { access_key, secret_key, session_token },
        expires: expires.map(SystemTime::from),
    })
}
