//! Where keys and region come from, in the order in which AWS's own clients look.

use std::path::Path;
use std::time::SystemTime;

use super::profile::Profile;
use super::services::{Role, Services};
use super::{AwsKeys, SigV4};
use crate::Error;
use crate::tls::read_file;

/// Roles that take on roles that take on roles: more profiles than these are a circle.
const SOURCE_PROFILES_MAX: usize = 5;

/// Keys, and when they end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) keys: AwsKeys,
    /// `None`: never.
    pub(super) expires: Option<SystemTime>,
}

impl Credentials {
    fn lasting(keys: AwsKeys) -> Self {
        Self { keys, expires: None }
    }
}

/// Finds keys and region.
pub(super) struct Provider {
    options: SigV4,
    services: Services,
}

impl Provider {
    pub(super) fn new(options: SigV4) -> Result<Self, Error> {
        let services = Services::new(&options)?;
        Ok(Self { options, services })
    }

    pub(super) fn options(&self) -> &SigV4 {
        &self.options
    }

    fn profile_name(&self) -> &str {
        let given = Some(self.options.profile.as_str()).filter(|it| !it.is_empty());
        let environment = &self.options.environment;
        given
            .or_else(|| environment.first(&["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]))
            .unwrap_or("default")
    }

    /// The region: the options', the environment's, the profile's, the machine's.
    pub(super) async fn region(&self) -> Result<String, Error> {
        let environment = &self.options.environment;
        let given = Some(self.options.region.as_str()).filter(|it| !it.is_empty());
        let given = given.or_else(|| environment.first(&["AWS_REGION", "AWS_DEFAULT_REGION"]));
        if let Some(region) = given {
            return Ok(region.to_owned());
        }
        let profile = Profile::load(environment, self.profile_name());
        match profile.get("region") {
            "" => self.services.region_of_machine().await.map_err(|why| {
                Error::Options(format!(
                    "region not configured in sigv4 or in default credentials chain: {why}"
                ))
            }),
            region => Ok(region.to_owned()),
        }
    }

    /// The keys to sign with: those found, or those of the role that they may take on.
    pub(super) async fn credentials(&self, region: &str) -> Result<Credentials, Error> {
        let found = match &self.options.keys {
            Some(keys) => Ok(Credentials::lasting(keys.clone())),
            None => self.of_chain(region).await,
        };
        let failed = |why| Error::Options(format!("could not get SigV4 credentials: {why}"));
        let found = found.map_err(failed)?;
        if self.options.role_arn.is_empty() {
            return Ok(found);
        }
        let role = Role {
            arn: &self.options.role_arn,
            external_id: &self.options.external_id,
            session: "",
        };
        self.services.assume_role(region, &found.keys, &role).await.map_err(failed)
    }

    async fn of_chain(&self, region: &str) -> Result<Credentials, String> {
        let environment = &self.options.environment;
        if self.options.profile.is_empty() {
            if let Some(keys) = self.of_environment() {
                return Ok(Credentials::lasting(keys));
            }
            if let (Some(file), Some(arn)) =
                (environment.get("AWS_WEB_IDENTITY_TOKEN_FILE"), environment.get("AWS_ROLE_ARN"))
            {
                let session = environment.get("AWS_ROLE_SESSION_NAME").unwrap_or_default();
                return self.of_web_identity(region, file, arn, session).await;
            }
        }
        if let Some(found) = self.of_profile(region).await? {
            return Ok(found);
        }
        if !self.options.profile.is_empty() {
            return Err(format!("no keys in profile {:?}", self.options.profile));
        }
        match self.services.of_container().await? {
            Some(found) => Ok(found),
            None => self.services.of_machine().await,
        }
    }

    fn of_environment(&self) -> Option<AwsKeys> {
        let get = |names: &[&str]| self.options.environment.first(names).map(str::to_owned);
        Some(AwsKeys {
            access_key: get(&["AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"])?,
            secret_key: get(&["AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"])?,
            session_token: get(&["AWS_SESSION_TOKEN"]).unwrap_or_default(),
        })
    }

    async fn of_web_identity(
        &self,
        region: &str,
        file: &str,
        arn: &str,
        session: &str,
    ) -> Result<Credentials, String> {
        let token = read_file(Path::new(file))?;
        let token = String::from_utf8_lossy(&token).trim().to_owned();
        let role = Role { arn, external_id: "", session };
        self.services.assume_role_with_web_identity(region, &token, &role).await
    }

    /// Follows the profile to those whose keys may take its role on, then takes the roles on.
    async fn of_profile(&self, region: &str) -> Result<Option<Credentials>, String> {
        let environment = &self.options.environment;
        let mut roles = Vec::new();
        let mut name = self.profile_name().to_owned();
        let mut found = None;
        for _ in 0..SOURCE_PROFILES_MAX {
            let profile = Profile::load(environment, &name);
            let source = profile.get("source_profile").to_owned();
            let (arn, token_file) =
                (profile.get("role_arn"), profile.get("web_identity_token_file"));
            if !arn.is_empty() && !token_file.is_empty() {
                let session = profile.get("role_session_name");
                found = Some(self.of_web_identity(region, token_file, arn, session).await?);
                break;
            }
            // A profile may be its own source: its keys then take its role on.
            let ends = arn.is_empty() || source.is_empty() || source == name;
            if !arn.is_empty() {
                roles.push(profile.clone());
            }
            if ends {
                found = profile.keys().map(Credentials::lasting);
                break;
            }
            name = source;
        }
        let Some(mut found) = found else { return Ok(None) };
        for profile in roles.iter().rev() {
            let role = Role {
                arn: profile.get("role_arn"),
                external_id: profile.get("external_id"),
                session: profile.get("role_session_name"),
            };
            found = self.services.assume_role(region, &found.keys, &role).await?;
        }
        Ok(Some(found))
    }
}
