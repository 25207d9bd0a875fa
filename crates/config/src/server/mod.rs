//! The server's file, `prometheus.yml`.

mod alerting;
mod auth;
mod clouds;
mod discovery;
mod global;
pub(crate) mod http_client;
mod kubernetes;
mod load;
mod mechanisms;
mod protocols;
pub(crate) mod relabel;
mod remote;
mod scrape;
mod selector;
mod services;
mod storage;
mod telemetry;
mod tls;

use std::collections::BTreeMap;

use model::quote;
use yaml::{Decode, Decoder, Fatal, Node, Value};

pub use alerting::{Alerting, Alertmanagers};
pub use auth::{Authorization, BasicAuth, OAuth2};
pub use discovery::{Discovery, FileDiscovery, StaticConfig};
pub use global::{Global, Limits, Switches};
pub use http_client::{Header, HttpClient, Proxy};
pub use load::Options;
pub use relabel::RelabelConfig;
pub use scrape::ScrapeConfig;
pub use storage::{
    DEFAULT_MAX_EXEMPLARS, DEFAULT_RETENTION_MS, FloatEncoding, Retention, Storage, Tsdb,
};
pub use tls::{Tls, TlsVersion};

use crate::echo::Echo;
use crate::paths::{is_pattern, join};
use crate::section::{Section, read_sections};

/// The whole configuration of the server, defaults filled in, paths joined to the file's folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What holds for all jobs.
    pub global: Global,
    /// `runtime.gogc`: read and shown; it means nothing here.
    pub gogc: i64,
    /// Who is told about alerts.
    pub alerting: Alerting,
    /// Patterns of rule files.
    pub rule_files: Vec<String>,
    /// Patterns of files with more jobs.
    pub scrape_config_files: Vec<String>,
    /// Jobs of the main file.
    pub scrape_configs: Vec<ScrapeConfig>,
    /// Jobs of the other files; filled by [`Config::load_file`].
    pub file_scrape_configs: Vec<ScrapeConfig>,
    /// How the database keeps data.
    pub storage: Storage,
    /// Where traces go.
    pub tracing: Option<Section>,
    /// Where samples are sent.
    pub remote_write: Vec<Section>,
    /// Where samples are read besides the database.
    pub remote_read: Vec<Section>,
    /// How OTLP metrics are taken.
    pub otlp: Section,
    /// What the administrator should hear of, though it is no error.
    pub warnings: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            global: Global::default(),
            gogc: 75,
            alerting: Alerting::default(),
            rule_files: Vec::new(),
            scrape_config_files: Vec::new(),
            scrape_configs: Vec::new(),
            file_scrape_configs: Vec::new(),
            storage: Storage::default(),
            tracing: None,
            remote_write: Vec::new(),
            remote_read: Vec::new(),
            otlp: Section::new(&telemetry::OTLP),
            warnings: Vec::new(),
        }
    }
}

impl Config {
    /// All jobs, those of the main file first.
    pub fn jobs(&self) -> impl Iterator<Item = &ScrapeConfig> {
        self.scrape_configs.iter().chain(&self.file_scrape_configs)
    }

    /// What is configured, read and checked, but not acted upon yet: one line for each.
    pub fn not_acted_upon(&self) -> Vec<String> {
        let mut names = Vec::new();
        let sections = [
            ("alerting", !self.alerting.is_empty()),
            ("rule_files", !self.rule_files.is_empty()),
            ("remote_write", !self.remote_write.is_empty()),
            ("remote_read", !self.remote_read.is_empty()),
            ("tracing", self.tracing.is_some()),
            ("otlp", self.otlp != Section::new(&telemetry::OTLP)),
        ];
        names.extend(sections.iter().filter(|it| it.1).map(|it| it.0.to_owned()));
        names
    }

    /// The configuration as YAML, as it took effect; secrets are hidden.
    pub fn to_yaml(&self) -> String {
        let mut echo = Echo::default();
        echo.put("global", self.global.echo());
        echo.put("runtime", Value::Map(vec![("gogc".into(), Value::Int(self.gogc))]));
        echo.section("alerting", self.alerting.echo());
        echo.texts("rule_files", &self.rule_files);
        echo.texts("scrape_config_files", &self.scrape_config_files);
        echo.list("scrape_configs", self.scrape_configs.iter().map(ScrapeConfig::echo).collect());
        echo.put("storage", self.storage.echo());
        echo.section("tracing", self.tracing.as_ref().map_or(Value::Null, Section::echo));
        echo.list("remote_write", self.remote_write.iter().map(Section::echo).collect());
        echo.list("remote_read", self.remote_read.iter().map(Section::echo).collect());
        echo.put("otlp", self.otlp.echo());
        yaml::to_string(&echo.value())
    }

    /// What depends on more than one section, in upstream's order.
    fn finish(&mut self, scrape_configs: Vec<Option<ScrapeConfig>>) -> Result<(), Fatal> {
        self.check_patterns()?;
        let mut names = BTreeMap::new();
        for job in scrape_configs {
            let mut job = job.ok_or_else(|| Fatal("empty or null scrape config section".into()))?;
            job.inherit(&self.global).map_err(Fatal)?;
            if names.insert(job.job_name.clone(), ()).is_some() {
                let name = quote(&job.job_name);
                return Err(Fatal(format!("found multiple scrape configs with job name {name}")));
            }
            self.scrape_configs.push(job);
        }
        let scheme = self.global.validation_scheme;
        self.alerting.check(scheme).map_err(Fatal)?;
        self.remote_write.iter().try_for_each(|it| it.check_rules(scheme)).map_err(Fatal)?;
        remote::check_names(&self.remote_write, "remote write").map_err(Fatal)?;
        remote::check_names(&self.remote_read, "remote read").map_err(Fatal)?;
        telemetry::check_translation(&self.otlp, scheme).map_err(Fatal)
    }

    fn check_patterns(&self) -> Result<(), Fatal> {
        let lists = [("rule", &self.rule_files), ("scrape config", &self.scrape_config_files)];
        for (what, patterns) in lists {
            if let Some(bad) = patterns.iter().find(|it| !is_pattern(it)) {
                return Err(Fatal(format!("invalid {what} file path {}", quote(bad))));
            }
        }
        Ok(())
    }

    /// Joins relative paths of the main file to its folder.
    fn set_dir(&mut self, dir: &str) {
        self.global.set_dir(dir);
        self.alerting.set_dir(dir);
        self.rule_files.iter_mut().for_each(|it| join(dir, it));
        self.scrape_config_files.iter_mut().for_each(|it| join(dir, it));
        self.scrape_configs.iter_mut().for_each(|it| it.set_dir(dir));
        self.tracing.iter_mut().for_each(|it| it.set_dir(dir));
        self.remote_write.iter_mut().for_each(|it| it.set_dir(dir));
        self.remote_read.iter_mut().for_each(|it| it.set_dir(dir));
    }

    fn read_runtime(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        decoder.follow(node, |decoder, node| {
            decoder.fields(node, "config.RuntimeConfig", |decoder, key, value| {
                let known = key == "gogc";
                if known {
                    decoder.set(value, &mut self.gogc)?;
                }
                Ok(known)
            })?;
            Ok(())
        })
    }
}

impl Decode for Config {
    fn go_type() -> String {
        "config.plain".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        let mut jobs = Vec::new();
        let mut otlp = None;
        let clean = decoder.fields(node, "config.plain", |decoder, key, value| {
            match key {
                "global" => decoder.set(value, &mut self.global)?,
                "runtime" if decoder.is_null(value)? => {}
                "runtime" => self.read_runtime(value, decoder)?,
                "alerting" => decoder.set(value, &mut self.alerting)?,
                "rule_files" => decoder.set(value, &mut self.rule_files)?,
                "scrape_config_files" => decoder.set(value, &mut self.scrape_config_files)?,
                "scrape_configs" => decoder.set(value, &mut jobs)?,
                "storage" => decoder.set(value, &mut self.storage)?,
                "tracing" => read_optional(decoder, value, &telemetry::TRACING, &mut self.tracing)?,
                "remote_write" => {
                    let text = "empty or null remote write config section";
                    self.remote_write = read_sections(decoder, value, &remote::REMOTE_WRITE, text)?;
                }
                "remote_read" => {
                    let text = "empty or null remote read config section";
                    self.remote_read = read_sections(decoder, value, &remote::REMOTE_READ, text)?;
                }
                "otlp" => read_optional(decoder, value, &telemetry::OTLP, &mut otlp)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        if let Some(otlp) = otlp {
            self.otlp = otlp;
        }
        if clean { self.finish(jobs) } else { Ok(()) }
    }
}

fn read_optional(
    decoder: &mut Decoder,
    node: Node<'_>,
    schema: &'static crate::section::Schema,
    out: &mut Option<Section>,
) -> Result<(), Fatal> {
    if decoder.is_null(node)? {
        return Ok(());
    }
    let mut section = Section::new(schema);
    decoder.follow(node, |decoder, node| section.decode(node, decoder))?;
    *out = Some(section);
    Ok(())
}
