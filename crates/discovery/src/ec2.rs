//! `ec2_sd_configs`: the instances of an AWS region, one target each.
//!
//! They are asked for page by page, of which each may have 64 MiB; the names of availability zones are translated
//! into ids if the account may ask for these. All instances are one group, named by the region.

mod instance;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use httpclient::{AwsEnvironment, AwsKeys, Client, Connection, Options, Request, SigV4};
use model::{Labels, TargetGroup};
use stdx::xml::{self, Element};
use tokio::task::spawn_blocking;
use tracing::debug;
use url::form_urlencoded::Serializer;

use crate::discoverer::{Discoverer, Failure};
use crate::mechanism::Setup;
use crate::refresh::Lookup;

/// The version of the service's protocol.
const VERSION: &str = "2016-11-15";

/// Instances on a page: the most that the service gives.
const PAGE_INSTANCES: &str = "1000";

/// Pages after which the service is not believed any more.
const PAGES_MAX: usize = 1000;

const PAGE_BYTES_MAX: usize = 64 << 20;

const TIMEOUT: Duration = Duration::from_secs(60);

struct Ec2Lookup {
    client: Client,
    connection: Connection,
    headers: HeaderMap,
    endpoint: String,
    port: i64,
    /// The filters as the service wants them.
    filters: Vec<(String, String)>,
    /// The ids of the zones, by name; `None` before they are known.
    zones: Option<HashMap<String, String>>,
}

pub(crate) fn build(setup: &Setup<'_>) -> Result<Box<dyn Discoverer>, Failure> {
    let lookup = Ec2Lookup::new(setup, AwsEnvironment::of_process())?;
    Ok(setup.refreshed(lookup))
}

/// `aws_sd_configs`, as far as its role is `ec2`.
pub(crate) fn build_role(setup: &Setup<'_>) -> Result<Box<dyn Discoverer>, Failure> {
    match setup.section.text("role") {
        "ec2" => build(setup),
        role => Err(Failure(format!("the role {role:?} is not supported yet"))),
    }
}

impl Ec2Lookup {
    fn new(setup: &Setup<'_>, environment: AwsEnvironment) -> Result<Self, Failure> {
        let section = setup.section;
        let text = |key: &str| section.text(key).to_owned();
        let keys = AwsKeys {
            access_key: text("access_key"),
            secret_key: text("secret_key"),
            ..AwsKeys::default()
        };
        let sigv4 = SigV4 {
            region: text("region"),
            service: "ec2".into(),
            // One of the two alone is passed over, as upstream does.
            keys: Some(keys).filter(|it| !it.access_key.is_empty() && !it.secret_key.is_empty()),
            profile: text("profile"),
            role_arn: text("role_arn"),
            external_id: text("external_id"),
            use_fips_sts_endpoint: false,
            environment,
        };
        let client = Client::new(Options { sigv4: Some(Box::new(sigv4)), ..setup.http.clone() })?;
        let user_agent = HeaderValue::try_from(&setup.options.user_agent);
        let user_agent = user_agent.map_err(|error| Failure(error.to_string()))?;
        let form = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
        Ok(Self {
            connection: client.connection(),
            client,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, form), (USER_AGENT, user_agent)]),
            endpoint: text("endpoint"),
            port: section.int("port"),
            filters: filters(section),
            zones: None,
        })
    }

    fn url(&self, region: &str) -> String {
        match self.endpoint.as_str() {
            "" if region.starts_with("cn-") => format!("https://ec2.{region}.amazonaws.com.cn/"),
            "" => format!("https://ec2.{region}.amazonaws.com/"),
            endpoint if endpoint.contains("://") => endpoint.to_owned(),
            endpoint => format!("https://{endpoint}"),
        }
    }

    /// Asks the service to do something, and returns the root of its answer.
    async fn ask(&mut self, url: &str, parameters: &[(&str, &str)]) -> Result<Element, Failure> {
        let mut form = vec![("Version", VERSION)];
        form.extend_from_slice(parameters);
        let request = Request {
            method: Method::POST,
            headers: self.headers.clone(),
            body: Serializer::new(String::new()).extend_pairs(form).finish().into(),
            ..Request::get(url, TIMEOUT)
        };
        let (status, _, body) = self.connection.fetch(&request, PAGE_BYTES_MAX).await?;
        let parse = move || xml::parse(&String::from_utf8_lossy(&body));
        let root = spawn_blocking(parse).await.map_err(|error| Failure(error.to_string()))?;
        if status.is_success() {
            return root.map_err(|error| Failure(error.to_string()));
        }
        let error =
            root.ok().and_then(|it| it.items("Errors").first().cloned()).unwrap_or_default();
        let (code, message) = (error.text_at(&["Code"]), error.text_at(&["Message"]));
        Err(Failure(format!("{status}: {code}: {message}")))
    }

    /// Learns the ids of the zones, if that is allowed.
    async fn learn_zones(&mut self, url: &str) {
        match self.ask(url, &[("Action", "DescribeAvailabilityZones")]).await {
            Ok(answer) => {
                let text = |zone: &Element, name: &str| zone.text_at(&[name]).to_owned();
                let zones = answer.items("availabilityZoneInfo").iter();
                self.zones =
                    Some(zones.map(|it| (text(it, "zoneName"), text(it, "zoneId"))).collect());
            }
            Err(why) => debug!(%why, "Unable to describe availability zones"),
        }
    }

    async fn instances(&mut self, url: &str, region: &str) -> Result<Vec<Labels>, Failure> {
        let filters = self.filters.clone();
        let mut targets = Vec::new();
        let mut token = String::new();
        for _ in 0..PAGES_MAX {
            let mut form = vec![("Action", "DescribeInstances"), ("MaxResults", PAGE_INSTANCES)];
            form.extend(filters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            if !token.is_empty() {
                form.push(("NextToken", &token));
            }
            let page = self.ask(url, &form).await?;
            let place = instance::Place { region, zones: self.zones.as_ref(), port: self.port };
            targets.extend(instance::targets(&page, &place));
            token = page.text_at(&["nextToken"]).to_owned();
            if token.is_empty() {
                return Ok(targets);
            }
        }
        Err(Failure(format!("more than {PAGES_MAX} pages")))
    }
}

impl Lookup for Ec2Lookup {
    async fn look_up(&mut self) -> Result<Vec<TargetGroup>, Failure> {
        let region = self.client.aws_region().await?;
        let url = self.url(&region);
        if self.zones.is_none() {
            self.learn_zones(&url).await;
        }
        let targets = self.instances(&url, &region).await;
        let targets =
            targets.map_err(|why| Failure(format!("could not describe instances: {why}")))?;
        Ok(vec![TargetGroup { source: region, targets, labels: Labels::empty() }])
    }
}

/// The filters of the entry, numbered.
fn filters(section: &config::Section) -> Vec<(String, String)> {
    let mut numbered = Vec::new();
    for (i, filter) in section.sections("filters").iter().enumerate() {
        let prefix = format!("Filter.{}", i + 1);
        numbered.push((format!("{prefix}.Name"), filter.text("name").to_owned()));
        for (j, value) in filter.texts("values").iter().enumerate() {
            numbered.push((format!("{prefix}.Value.{}", j + 1), value.clone()));
        }
    }
    numbered
}

#[cfg(any(fuzzing, test))]
pub(crate) fn fuzz(body: &[u8]) {
    if let Ok(page) = xml::parse(&String::from_utf8_lossy(body)) {
        instance::targets(&page, &instance::Place { region: "r", zones: None, port: 80 });
    }
}
