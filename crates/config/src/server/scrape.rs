//! `scrape_configs`.

use std::collections::BTreeMap;

use model::quote;
use yaml::{Decode, Decoder, Fatal, Node, Value};

use super::discovery::Discovery;
use super::global::{
    Global, Limits, Switches, default_escaping, parse_validation, unknown_escaping,
};
use super::http_client::HttpClient;
use super::protocols::{Protocol, check_protocols, names};
use super::relabel::{RelabelConfig, check_all, echo_all, no_nulls};
use crate::echo::Echo;
use crate::names::{EscapingScheme, ScrapeProtocol, ValidationScheme};
use crate::paths::join;
use crate::scalar::{duration, parsed};

/// One job: which targets to scrape, and how. The values of `global` are filled in already.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrapeConfig {
    /// Its name, unique; the value of the label `job`.
    pub job_name: String,
    /// Keep labels of the target that clash with ours.
    pub honor_labels: bool,
    /// Take timestamps of the target.
    pub honor_timestamps: bool,
    /// Mark series with such timestamps stale, too.
    pub track_timestamps_staleness: bool,
    /// URL parameters.
    pub params: BTreeMap<String, Vec<String>>,
    /// Time between two scrapes of a target.
    pub scrape_interval_ms: i64,
    /// Time after which a scrape fails.
    pub scrape_timeout_ms: i64,
    /// Formats to ask for, best first.
    pub scrape_protocols: Vec<ScrapeProtocol>,
    /// True if job or `global` name the formats; an automatic order must not change them then.
    pub scrape_protocols_written: bool,
    /// Format of a page without a usable content type.
    pub fallback_scrape_protocol: Option<ScrapeProtocol>,
    /// What to keep of histograms, and to report.
    pub switches: Switches,
    /// File for a line per failed scrape; empty for none.
    pub scrape_failure_log_file: String,
    /// Path of the page.
    pub metrics_path: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Ask for compressed pages.
    pub enable_compression: bool,
    /// Bounds.
    pub limits: Limits,
    /// Buckets of a native histogram; more are merged. 0 is no bound.
    pub native_histogram_bucket_limit: u64,
    /// Least growth factor between buckets; 0 is no bound.
    pub native_histogram_min_bucket_factor: f64,
    /// Which names are valid.
    pub validation_scheme: ValidationScheme,
    /// How other names are asked for.
    pub escaping_scheme: EscapingScheme,
    /// How to make requests.
    pub http: HttpClient,
    /// Rules for targets.
    pub relabel_configs: Vec<RelabelConfig>,
    /// Rules for samples.
    pub metric_relabel_configs: Vec<RelabelConfig>,
    /// Where targets come from.
    pub discovery: Discovery,
    written: Written,
}

/// Values that mean something only together with those of `global`.
#[derive(Clone, Debug, Default, PartialEq)]
struct Written {
    protocols: Option<Vec<String>>,
    fallback_protocol: String,
    validation_scheme: Option<ValidationScheme>,
    escaping_scheme: String,
    /// Switches that the job itself sets.
    switches: Vec<String>,
}

impl Default for ScrapeConfig {
    fn default() -> Self {
        Self {
            job_name: String::new(),
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            params: BTreeMap::new(),
            scrape_interval_ms: 0,
            scrape_timeout_ms: 0,
            scrape_protocols: Vec::new(),
            scrape_protocols_written: false,
            fallback_scrape_protocol: None,
            switches: Switches::default(),
            scrape_failure_log_file: String::new(),
            metrics_path: "/metrics".into(),
            scheme: "http".into(),
            enable_compression: true,
            limits: Limits::default(),
            native_histogram_bucket_limit: 0,
            native_histogram_min_bucket_factor: 0.0,
            validation_scheme: ValidationScheme::Utf8,
            escaping_scheme: EscapingScheme::AllowUtf8,
            http: HttpClient::default(),
            relabel_configs: Vec::new(),
            metric_relabel_configs: Vec::new(),
            discovery: Discovery::default(),
            written: Written::default(),
        }
    }
}

impl ScrapeConfig {
    /// Fills in the values of `global`, and checks what depends on them.
    pub(crate) fn inherit(&mut self, global: &Global) -> Result<(), String> {
        let job = quote(&self.job_name);
        if self.scrape_interval_ms == 0 {
            self.scrape_interval_ms = global.scrape_interval_ms;
        }
        if self.scrape_timeout_ms > self.scrape_interval_ms {
            return Err(format!(
                "scrape timeout greater than scrape interval for scrape config with job name {job}"
            ));
        }
        if self.scrape_timeout_ms == 0 {
            self.scrape_timeout_ms = global.scrape_timeout_ms.min(self.scrape_interval_ms);
        }
        self.limits.inherit(&global.limits);
        if self.scrape_failure_log_file.is_empty() {
            self.scrape_failure_log_file.clone_from(&global.scrape_failure_log_file);
        }
        self.inherit_switches(&global.switches);
        self.inherit_protocols(global)?;
        self.inherit_schemes(global)?;
        check_all(&self.relabel_configs, self.validation_scheme)?;
        check_all(&self.metric_relabel_configs, self.validation_scheme)
    }

    fn inherit_switches(&mut self, global: &Switches) {
        let own = |name: &str| self.written.switches.iter().any(|it| it == name);
        let pick = |name: &str, mine: bool, theirs: bool| if own(name) { mine } else { theirs };
        let mine = self.switches;
        self.switches = Switches {
            scrape_native_histograms: pick(
                "scrape_native_histograms",
                mine.scrape_native_histograms,
                global.scrape_native_histograms,
            ),
            always_scrape_classic_histograms: pick(
                "always_scrape_classic_histograms",
                mine.always_scrape_classic_histograms,
                global.always_scrape_classic_histograms,
            ),
            convert_classic_histograms_to_nhcb: pick(
                "convert_classic_histograms_to_nhcb",
                mine.convert_classic_histograms_to_nhcb,
                global.convert_classic_histograms_to_nhcb,
            ),
            extra_scrape_metrics: pick(
                "extra_scrape_metrics",
                mine.extra_scrape_metrics,
                global.extra_scrape_metrics,
            ),
        };
    }

    fn inherit_protocols(&mut self, global: &Global) -> Result<(), String> {
        let job = quote(&self.job_name);
        let own: Option<Vec<Protocol>> =
            self.written.protocols.as_ref().map(|it| it.iter().cloned().map(Protocol).collect());
        self.scrape_protocols_written = own.is_some() || global.scrape_protocols.is_some();
        self.scrape_protocols = match (own, &global.scrape_protocols) {
            (Some(own), _) => check_protocols(&own)
                .map_err(|it| format!("{it} for scrape config with job name {job}"))?,
            (None, Some(global)) => global.clone(),
            (None, None) if self.switches.scrape_native_histograms => {
                ScrapeProtocol::PROTO_FIRST.to_vec()
            }
            (None, None) => ScrapeProtocol::DEFAULT.to_vec(),
        };
        if !self.written.fallback_protocol.is_empty() {
            let found = ScrapeProtocol::parse(&self.written.fallback_protocol).map_err(|it| {
                format!(
                    "invalid fallback_scrape_protocol for scrape config with job name {job}: {it}"
                )
            })?;
            self.fallback_scrape_protocol = Some(found);
        }
        Ok(())
    }

    fn inherit_schemes(&mut self, global: &Global) -> Result<(), String> {
        let own = self.written.validation_scheme;
        self.validation_scheme = own.unwrap_or(global.validation_scheme);
        self.escaping_scheme = match self.written.escaping_scheme.as_str() {
            "" if own.is_some() => default_escaping(self.validation_scheme),
            "" => global.escaping_scheme,
            text => EscapingScheme::parse(text)
                .ok_or_else(|| unknown_escaping("scrape config", text))?,
        };
        let legacy = self.validation_scheme == ValidationScheme::Legacy;
        if legacy && self.escaping_scheme == EscapingScheme::AllowUtf8 {
            return Err(
                "utf8 metric names requested but validation scheme is not set to UTF8".into()
            );
        }
        Ok(())
    }

    pub(crate) fn set_dir(&mut self, dir: &str) {
        join(dir, &mut self.scrape_failure_log_file);
        self.http.set_dir(dir);
        self.discovery.set_dir(dir);
    }

    /// The job as YAML, as it took effect; secrets are hidden.
    pub fn to_yaml(&self) -> String {
        yaml::to_string(&self.echo())
    }

    pub(crate) fn echo(&self) -> Value {
        let mut echo = Echo::default();
        echo.put("job_name", Value::str(&self.job_name));
        echo.flag("honor_labels", self.honor_labels);
        echo.put("honor_timestamps", Value::Bool(self.honor_timestamps));
        echo.put("track_timestamps_staleness", Value::Bool(self.track_timestamps_staleness));
        let texts = |values: &[String]| Value::Seq(values.iter().map(Value::str).collect());
        let params = self.params.iter().map(|(name, values)| (name.clone(), texts(values)));
        echo.section("params", Value::Map(params.collect()));
        echo.duration("scrape_interval", self.scrape_interval_ms);
        echo.duration("scrape_timeout", self.scrape_timeout_ms);
        echo.list("scrape_protocols", names(&self.scrape_protocols));
        echo.text(
            "fallback_scrape_protocol",
            self.fallback_scrape_protocol.map_or("", ScrapeProtocol::name),
        );
        self.switches.echo(&mut echo);
        echo.text("scrape_failure_log_file", &self.scrape_failure_log_file);
        echo.text("metrics_path", &self.metrics_path);
        echo.text("scheme", &self.scheme);
        echo.put("enable_compression", Value::Bool(self.enable_compression));
        self.limits.echo(&mut echo);
        echo.count("native_histogram_bucket_limit", self.native_histogram_bucket_limit);
        echo.float("native_histogram_min_bucket_factor", self.native_histogram_min_bucket_factor);
        echo.text("metric_name_validation_scheme", self.validation_scheme.name());
        echo.text("metric_name_escaping_scheme", self.escaping_scheme.name());
        echo.put("extra_scrape_metrics", Value::Bool(self.switches.extra_scrape_metrics));
        echo.extend(self.http.echo());
        echo.list("relabel_configs", echo_all(&self.relabel_configs));
        echo.list("metric_relabel_configs", echo_all(&self.metric_relabel_configs));
        echo.extend(self.discovery.echo());
        echo.value()
    }

    fn read(
        &mut self,
        node: Node<'_>,
        decoder: &mut Decoder,
        rules: &mut Rules,
    ) -> Result<bool, Fatal> {
        decoder.fields(node, "config.ScrapeConfig", |decoder, key, value| {
            match key {
                "job_name" => decoder.set(value, &mut self.job_name)?,
                "honor_labels" => decoder.set(value, &mut self.honor_labels)?,
                "honor_timestamps" => decoder.set(value, &mut self.honor_timestamps)?,
                "track_timestamps_staleness" => {
                    decoder.set(value, &mut self.track_timestamps_staleness)?
                }
                "params" => decoder.set(value, &mut self.params)?,
                "scrape_interval" => duration(decoder, value, &mut self.scrape_interval_ms)?,
                "scrape_timeout" => duration(decoder, value, &mut self.scrape_timeout_ms)?,
                "scrape_protocols" => {
                    let mut protocols: Option<Vec<Protocol>> = None;
                    decoder.set(value, &mut protocols)?;
                    self.written.protocols =
                        protocols.map(|it| it.into_iter().map(|it| it.0).collect());
                }
                "fallback_scrape_protocol" => {
                    let mut protocol = Protocol::default();
                    decoder.set(value, &mut protocol)?;
                    self.written.fallback_protocol = protocol.0;
                }
                "scrape_failure_log_file" => {
                    decoder.set(value, &mut self.scrape_failure_log_file)?
                }
                "metrics_path" => decoder.set(value, &mut self.metrics_path)?,
                "scheme" => decoder.set(value, &mut self.scheme)?,
                "enable_compression" => decoder.set(value, &mut self.enable_compression)?,
                "native_histogram_bucket_limit" => {
                    decoder.set(value, &mut self.native_histogram_bucket_limit)?;
                }
                "native_histogram_min_bucket_factor" => {
                    decoder.set(value, &mut self.native_histogram_min_bucket_factor)?;
                }
                "metric_name_validation_scheme" => {
                    parsed(decoder, value, &mut self.written.validation_scheme, parse_validation)?;
                }
                "metric_name_escaping_scheme" => {
                    decoder.set(value, &mut self.written.escaping_scheme)?
                }
                "relabel_configs" => decoder.set(value, &mut rules.targets)?,
                "metric_relabel_configs" => decoder.set(value, &mut rules.metrics)?,
                _ => return self.read_block_key(decoder, key, value),
            }
            Ok(true)
        })
    }

    /// Reads a key of one of the inline blocks.
    fn read_block_key(
        &mut self,
        decoder: &mut Decoder,
        key: &str,
        value: Node<'_>,
    ) -> Result<bool, Fatal> {
        if self.switches.field(decoder, key, value)? {
            if !decoder.is_null(value)? {
                self.written.switches.push(key.to_owned());
            }
            return Ok(true);
        }
        Ok(self.limits.field(decoder, key, value)?
            || self.discovery.field(decoder, key, value)?
            || self.http.field(decoder, key, value)?)
    }
}

/// Rules as read: null items are found when all is read.
#[derive(Default)]
struct Rules {
    targets: Vec<Option<RelabelConfig>>,
    metrics: Vec<Option<RelabelConfig>>,
}

impl Decode for ScrapeConfig {
    fn go_type() -> String {
        "config.ScrapeConfig".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        let mut rules = Rules::default();
        if !self.read(node, decoder, &mut rules)? {
            return Ok(());
        }
        if self.job_name.is_empty() {
            return Err(Fatal("job_name is empty".into()));
        }
        self.http.finish()?;
        if rules.targets.is_empty() {
            self.discovery.check_static_targets()?;
        }
        let text = "empty or null target relabeling rule in scrape config";
        self.relabel_configs = no_nulls(rules.targets, text)?;
        let text = "empty or null metric relabeling rule in scrape config";
        self.metric_relabel_configs = no_nulls(rules.metrics, text)?;
        Ok(())
    }
}
