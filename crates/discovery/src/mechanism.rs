//! The list of mechanisms.

use std::sync::Arc;
use std::time::Duration;

use config::Section;
use httpclient::Client;
use model::TargetGroup;

use crate::discoverer::{Discoverer, Failure};
use crate::file::{FileDiscoverer, FileOptions};
use crate::manager::Options;
use crate::metrics::Metrics;
use crate::refresh::{Lookup, Refresher};
use crate::{consul, dns, docker, dockerswarm, ec2, http, kubernetes};

/// One way to find targets, with its options. Equal ones find the same.
#[derive(Clone, Debug, PartialEq)]
pub enum Mechanism {
    /// Groups written in the configuration itself.
    Static(Vec<TargetGroup>),
    /// Groups in other files, read again when they change.
    File(FileOptions),
    /// Somebody who is asked.
    Service(Box<Service>),
}

/// An entry of any other of the configuration's `…_sd_configs`.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// The key that it stands under: `http_sd_configs`.
    pub key: &'static str,
    /// The entry.
    pub section: Section,
    /// How to make requests, from the entry's inline keys; the default where it has none.
    pub http: httpclient::Options,
}

/// Makes the discoverer of an entry.
type Build = fn(&Setup<'_>) -> Result<Box<dyn Discoverer>, Failure>;

/// The services that can be asked, by key.
const SERVICES: [(&str, Build); 8] = [
    ("aws_sd_configs", ec2::build_role),
    ("consul_sd_configs", consul::build),
    ("dns_sd_configs", dns::build),
    ("docker_sd_configs", docker::build),
    ("dockerswarm_sd_configs", dockerswarm::build),
    ("ec2_sd_configs", ec2::build),
    ("http_sd_configs", http::build),
    ("kubernetes_sd_configs", kubernetes::build),
];

/// A mechanism set going.
pub(crate) enum Start {
    /// It is done: these are its groups for ever.
    Done(Vec<TargetGroup>),
    /// It has to run.
    Run(Box<dyn Discoverer>),
}

/// What a discoverer is made of.
pub(crate) struct Setup<'a> {
    /// The mechanism's name: `http`.
    pub(crate) name: &'static str,
    /// The job that it was started for; others may share it.
    pub(crate) job: &'a str,
    pub(crate) section: &'a Section,
    pub(crate) http: &'a httpclient::Options,
    pub(crate) options: &'a Options,
    pub(crate) metrics: &'a Arc<Metrics>,
}

impl Mechanism {
    /// Sets it going for a job.
    ///
    /// # Errors
    /// Why it cannot be; trying again may help if files have changed.
    pub(crate) fn start(
        &self,
        job: &str,
        options: &Options,
        metrics: &Arc<Metrics>,
    ) -> Result<Start, Failure> {
        match self {
            Mechanism::Static(groups) => Ok(Start::Done(groups.clone())),
            Mechanism::File(options) => {
                let discoverer = FileDiscoverer::new(options.clone(), Arc::clone(metrics));
                Ok(Start::Run(Box::new(discoverer)))
            }
            Mechanism::Service(service) => {
                let Service { key, section, http } = service.as_ref();
                let Some((_, build)) = SERVICES.iter().find(|it| it.0 == *key) else {
                    return Err(Failure(format!("{key} is not supported yet")));
                };
                let name = name(key);
                build(&Setup { name, job, section, http, options, metrics }).map(Start::Run)
            }
        }
    }

    /// Its name: `static`, `file`, `http`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Mechanism::Static(_) => "static",
            Mechanism::File(_) => "file",
            Mechanism::Service(it) => name(it.key),
        }
    }
}

fn name(key: &'static str) -> &'static str {
    key.strip_suffix("_sd_configs").unwrap_or(key)
}

impl Setup<'_> {
    /// Returns the HTTP client that the entry describes.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Ok(Client::new(self.http.clone())?)
    }

    /// Returns the duration under a key.
    pub(crate) fn duration(&self, key: &str) -> Duration {
        Duration::from_millis(u64::try_from(self.section.int(key)).unwrap_or(0))
    }

    /// Returns a discoverer that looks everything up every `refresh_interval`.
    pub(crate) fn refreshed(&self, lookup: impl Lookup) -> Box<dyn Discoverer> {
        Box::new(Refresher::new(
            lookup,
            self.duration("refresh_interval"),
            self.name,
            self.job,
            self.metrics,
        ))
    }
}
