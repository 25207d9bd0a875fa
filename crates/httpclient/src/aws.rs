//! Requests to AWS: where keys and region come from, and the signature (version 4).

mod credentials;
mod environment;
mod profile;
mod services;
mod signature;

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};
use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::Error;
use credentials::{Credentials, Provider};
pub use environment::AwsEnvironment;
use signature::Scope;

/// Keys that came from somewhere are replaced so long before they expire.
const EXPIRY_MARGIN: Duration = Duration::from_secs(5 * 60);

/// Who signs, and for what.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SigV4 {
    /// Empty: what the environment, the profile or the machine says.
    pub region: String,
    /// The service's name in signatures: `aps`, `ec2`.
    pub service: String,
    /// Keys to use instead of those of environment, profile or machine.
    pub keys: Option<AwsKeys>,
    /// The profile of the user's files; empty: the environment's, or `default`.
    pub profile: String,
    /// A role to take on; empty: none.
    pub role_arn: String,
    /// What the role's owner asks for.
    pub external_id: String,
    /// Takes the role on at the endpoint for FIPS.
    pub use_fips_sts_endpoint: bool,
    /// What the program's environment says.
    pub environment: AwsEnvironment,
}

/// An access key.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct AwsKeys {
    /// Its name.
    pub access_key: String,
    /// The secret.
    pub secret_key: String,
    /// What goes with keys for a time; empty: nothing.
    pub session_token: String,
}

/// Shows no secret.
impl fmt::Debug for AwsKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsKeys").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// Signs the requests of a client.
pub(crate) struct Signer {
    provider: Provider,
    /// Held while keys are fetched: all who need them wait for the same request.
    current: Mutex<State>,
}

#[derive(Default)]
struct State {
    region: Option<String>,
    credentials: Option<Credentials>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

impl Signer {
    pub(crate) fn new(options: &SigV4) -> Result<Self, Error> {
        Ok(Self { provider: Provider::new(options.clone())?, current: Mutex::default() })
    }

    /// Adds the headers that sign the request.
    ///
    /// # Errors
    /// Why there are no keys, or no region.
    pub(crate) async fn sign(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &mut HeaderMap,
        body: &Bytes,
    ) -> Result<(), Error> {
        let (region, keys) = self.region_and_keys().await?;
        let service = &self.provider.options().service;
        let scope = Scope { region: &region, service, time: Timestamp::now() };
        add_signature(&keys, &scope, method, uri, headers, body)
    }

    /// The region, looked up if need be.
    pub(crate) async fn region(&self) -> Result<String, Error> {
        let mut state = self.current.lock().await;
        if state.region.is_none() {
            state.region = Some(self.provider.region().await?);
        }
        Ok(state.region.clone().unwrap_or_default())
    }

    async fn region_and_keys(&self) -> Result<(String, AwsKeys), Error> {
        let region = self.region().await?;
        let mut state = self.current.lock().await;
        let soon = SystemTime::now() + EXPIRY_MARGIN;
        let is_valid = |it: &&Credentials| it.expires.is_none_or(|expires| soon < expires);
        if let Some(known) = state.credentials.as_ref().filter(is_valid) {
            return Ok((region, known.keys.clone()));
        }
        let found = self.provider.credentials(&region).await?;
        let keys = found.keys.clone();
        state.credentials = Some(found);
        Ok((region, keys))
    }
}

/// Adds time, session and signature to the headers of a request.
fn add_signature(
    keys: &AwsKeys,
    scope: &Scope<'_>,
    method: &Method,
    uri: &Uri,
    headers: &mut HeaderMap,
    body: &[u8],
) -> Result<(), Error> {
    let invalid = |_| Error::Options("sigv4: a key is no valid header value".into());
    let value = |text: &str| HeaderValue::try_from(text).map_err(invalid);
    headers.insert(HOST, value(&host(uri))?);
    headers.insert(HeaderName::from_static("x-amz-date"), value(&scope.date_and_time())?);
    if !keys.session_token.is_empty() {
        let mut token = value(&keys.session_token)?;
        token.set_sensitive(true);
        headers.insert(HeaderName::from_static("x-amz-security-token"), token);
    }
    let authorization = signature::authorization(keys, scope, method, uri, headers, body);
    let mut authorization = value(&authorization)?;
    authorization.set_sensitive(true);
    headers.insert(AUTHORIZATION, authorization);
    Ok(())
}

/// The host as the `Host` header says it.
fn host(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", http::uri::Authority::as_str);
    authority.rsplit_once('@').map_or(authority, |(_, it)| it).to_owned()
}
