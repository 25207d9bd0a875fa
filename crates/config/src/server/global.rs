//! `global`.

use std::collections::BTreeMap;

use model::quote;
use yaml::{Decode, Decoder, Fatal, Node, Value};

use super::protocols::{Protocol, check_protocols, names};
use crate::echo::Echo;
use crate::names::{EscapingScheme, ScrapeProtocol, ValidationScheme, is_utf8};
use crate::paths::join;
use crate::scalar::{duration, parsed};

/// What holds for all jobs unless they say otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Global {
    /// Time between two scrapes of a target.
    pub scrape_interval_ms: i64,
    /// Time after which a scrape fails.
    pub scrape_timeout_ms: i64,
    /// Formats to ask for; `None` for the automatic order.
    pub scrape_protocols: Option<Vec<ScrapeProtocol>>,
    /// Time between two evaluations of a rule group.
    pub evaluation_interval_ms: i64,
    /// How far in the past rules look, for late data.
    pub rule_query_offset_ms: i64,
    /// File for a line per query; empty for none.
    pub query_log_file: String,
    /// File for a line per failed scrape; empty for none.
    pub scrape_failure_log_file: String,
    /// Labels added to what leaves this server; the environment is put in already.
    pub external_labels: BTreeMap<String, String>,
    /// Defaults of the jobs' limits.
    pub limits: Limits,
    /// Which names are valid.
    pub validation_scheme: ValidationScheme,
    /// How other names are asked for.
    pub escaping_scheme: EscapingScheme,
    /// Default of the jobs' switches.
    pub switches: Switches,
}

/// Bounds of one scrape; 0 is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an uncompressed page.
    pub body_size_bytes: i64,
    /// Samples after relabelling.
    pub samples: u64,
    /// Targets of a job.
    pub targets: u64,
    /// Labels of a sample.
    pub labels: u64,
    /// Bytes of a label name.
    pub label_name_bytes: u64,
    /// Bytes of a label value.
    pub label_value_bytes: u64,
    /// Dropped targets remembered for the user interface.
    pub keep_dropped_targets: u64,
}

/// What a scrape keeps of histograms, and reports of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// Take native histograms.
    pub scrape_native_histograms: bool,
    /// Take classic histograms although a native one is there.
    pub always_scrape_classic_histograms: bool,
    /// Turn classic histograms into native ones with custom buckets.
    pub convert_classic_histograms_to_nhcb: bool,
    /// Report timeout, limit and size of each scrape as series.
    pub extra_scrape_metrics: bool,
}

impl Default for Global {
    fn default() -> Self {
        Self {
            scrape_interval_ms: 60_000,
            scrape_timeout_ms: 10_000,
            scrape_protocols: None,
            evaluation_interval_ms: 60_000,
            rule_query_offset_ms: 0,
            query_log_file: String::new(),
            scrape_failure_log_file: String::new(),
            external_labels: BTreeMap::new(),
            limits: Limits::default(),
            validation_scheme: ValidationScheme::Utf8,
            escaping_scheme: EscapingScheme::AllowUtf8,
            switches: Switches::default(),
        }
    }
}

impl Global {
    pub(crate) fn set_dir(&mut self, dir: &str) {
        join(dir, &mut self.query_log_file);
        join(dir, &mut self.scrape_failure_log_file);
    }

    pub(crate) fn echo(&self) -> Value {
        let mut echo = Echo::default();
        echo.duration("scrape_interval", self.scrape_interval_ms);
        echo.duration("scrape_timeout", self.scrape_timeout_ms);
        echo.list("scrape_protocols", self.scrape_protocols.as_deref().map_or(Vec::new(), names));
        echo.duration("evaluation_interval", self.evaluation_interval_ms);
        echo.duration("rule_query_offset", self.rule_query_offset_ms);
        echo.text("query_log_file", &self.query_log_file);
        echo.text("scrape_failure_log_file", &self.scrape_failure_log_file);
        let labels =
            self.external_labels.iter().map(|(name, value)| (name.clone(), Value::str(value)));
        echo.section("external_labels", Value::Map(labels.collect()));
        self.limits.echo(&mut echo);
        echo.text("metric_name_validation_scheme", self.validation_scheme.name());
        echo.text("metric_name_escaping_scheme", self.escaping_scheme.name());
        self.switches.echo(&mut echo);
        echo.put("extra_scrape_metrics", Value::Bool(self.switches.extra_scrape_metrics));
        echo.value()
    }

    /// Fills in what follows from other keys, and checks.
    fn finish(&mut self, written: &Written) -> Result<(), Fatal> {
        let defaults = Self::default();
        let scheme = written.validation_scheme.unwrap_or_default();
        if let Some(name) = self.external_labels.keys().find(|it| !scheme.is_label_name(it)) {
            return Err(Fatal(format!("{} is not a valid label name", quote(name))));
        }
        if let Some(value) = self.external_labels.values().find(|it| !is_utf8(it)) {
            return Err(Fatal(format!("{} is not a valid label value", quote(value))));
        }
        if self.scrape_interval_ms == 0 {
            self.scrape_interval_ms = defaults.scrape_interval_ms;
        }
        if self.scrape_timeout_ms > self.scrape_interval_ms {
            return Err(Fatal("global scrape timeout greater than scrape interval".into()));
        }
        if self.scrape_timeout_ms == 0 {
            self.scrape_timeout_ms = defaults.scrape_timeout_ms.min(self.scrape_interval_ms);
        }
        if self.evaluation_interval_ms == 0 {
            self.evaluation_interval_ms = defaults.evaluation_interval_ms;
        }
        if let Some(protocols) = &written.protocols {
            let checked = check_protocols(protocols);
            self.scrape_protocols =
                Some(checked.map_err(|it| Fatal(format!("{it} for global config")))?);
        }
        self.validation_scheme = scheme;
        self.escaping_scheme = match written.escaping_scheme.as_str() {
            "" => default_escaping(scheme),
            text => EscapingScheme::parse(text)
                .ok_or_else(|| Fatal(unknown_escaping("global", text)))?,
        };
        Ok(())
    }
}

/// Values that mean something only together with others.
#[derive(Default)]
struct Written {
    protocols: Option<Vec<Protocol>>,
    validation_scheme: Option<ValidationScheme>,
    escaping_scheme: String,
}

impl Decode for Global {
    fn go_type() -> String {
        "config.plain".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        // Zero means "not written" below.
        (self.scrape_interval_ms, self.scrape_timeout_ms, self.evaluation_interval_ms) = (0, 0, 0);
        let mut written = Written::default();
        let clean = decoder.fields(node, "config.plain", |decoder, key, value| {
            match key {
                "scrape_interval" => duration(decoder, value, &mut self.scrape_interval_ms)?,
                "scrape_timeout" => duration(decoder, value, &mut self.scrape_timeout_ms)?,
                "scrape_protocols" => decoder.set(value, &mut written.protocols)?,
                "evaluation_interval" => {
                    duration(decoder, value, &mut self.evaluation_interval_ms)?
                }
                "rule_query_offset" => duration(decoder, value, &mut self.rule_query_offset_ms)?,
                "query_log_file" => decoder.set(value, &mut self.query_log_file)?,
                "scrape_failure_log_file" => {
                    decoder.set(value, &mut self.scrape_failure_log_file)?
                }
                "external_labels" => decoder.set(value, &mut self.external_labels)?,
                "metric_name_validation_scheme" => {
                    parsed(decoder, value, &mut written.validation_scheme, parse_validation)?;
                }
                "metric_name_escaping_scheme" => {
                    decoder.set(value, &mut written.escaping_scheme)?
                }
                _ => {
                    return Ok(self.limits.field(decoder, key, value)?
                        || self.switches.field(decoder, key, value)?);
                }
            }
            Ok(true)
        })?;
        if clean { self.finish(&written) } else { Ok(()) }
    }
}

impl Limits {
    pub(crate) fn field(
        &mut self,
        decoder: &mut Decoder,
        key: &str,
        value: Node<'_>,
    ) -> Result<bool, Fatal> {
        let number = match key {
            "body_size_limit" => {
                crate::scalar::size(decoder, value, &mut self.body_size_bytes)?;
                return Ok(true);
            }
            "sample_limit" => &mut self.samples,
            "target_limit" => &mut self.targets,
            "label_limit" => &mut self.labels,
            "label_name_length_limit" => &mut self.label_name_bytes,
            "label_value_length_limit" => &mut self.label_value_bytes,
            "keep_dropped_targets" => &mut self.keep_dropped_targets,
            _ => return Ok(false),
        };
        let mut wide = usize::try_from(*number).unwrap_or(usize::MAX);
        decoder.set(value, &mut wide)?;
        *number = wide as u64;
        Ok(true)
    }

    /// Takes a limit of `global` where the own one is 0.
    pub(crate) fn inherit(&mut self, global: &Self) {
        let inherit = |own: &mut u64, other: u64| *own = if *own == 0 { other } else { *own };
        if self.body_size_bytes == 0 {
            self.body_size_bytes = global.body_size_bytes;
        }
        inherit(&mut self.samples, global.samples);
        inherit(&mut self.targets, global.targets);
        inherit(&mut self.labels, global.labels);
        inherit(&mut self.label_name_bytes, global.label_name_bytes);
        inherit(&mut self.label_value_bytes, global.label_value_bytes);
        inherit(&mut self.keep_dropped_targets, global.keep_dropped_targets);
    }

    pub(crate) fn echo(&self, echo: &mut Echo) {
        echo.size("body_size_limit", self.body_size_bytes);
        echo.count("sample_limit", self.samples);
        echo.count("target_limit", self.targets);
        echo.count("label_limit", self.labels);
        echo.count("label_name_length_limit", self.label_name_bytes);
        echo.count("label_value_length_limit", self.label_value_bytes);
        echo.count("keep_dropped_targets", self.keep_dropped_targets);
    }
}

impl Switches {
    pub(crate) fn field(
        &mut self,
        decoder: &mut Decoder,
        key: &str,
        value: Node<'_>,
    ) -> Result<bool, Fatal> {
        let switch = match key {
            "scrape_native_histograms" => &mut self.scrape_native_histograms,
            "always_scrape_classic_histograms" => &mut self.always_scrape_classic_histograms,
            "convert_classic_histograms_to_nhcb" => &mut self.convert_classic_histograms_to_nhcb,
            "extra_scrape_metrics" => &mut self.extra_scrape_metrics,
            _ => return Ok(false),
        };
        let mut written: Option<bool> = None;
        decoder.set(value, &mut written)?;
        *switch = written.unwrap_or(*switch);
        Ok(true)
    }

    /// The three about histograms; the fourth stands elsewhere.
    pub(crate) fn echo(&self, echo: &mut Echo) {
        echo.put("scrape_native_histograms", Value::Bool(self.scrape_native_histograms));
        echo.put(
            "convert_classic_histograms_to_nhcb",
            Value::Bool(self.convert_classic_histograms_to_nhcb),
        );
        echo.put(
            "always_scrape_classic_histograms",
            Value::Bool(self.always_scrape_classic_histograms),
        );
    }
}

pub(crate) fn parse_validation(text: &str) -> Result<Option<ValidationScheme>, String> {
    match text {
        "" => Ok(None),
        text => ValidationScheme::parse(text).map(Some),
    }
}

pub(crate) fn default_escaping(scheme: ValidationScheme) -> EscapingScheme {
    match scheme {
        ValidationScheme::Utf8 => EscapingScheme::AllowUtf8,
        ValidationScheme::Legacy => EscapingScheme::Underscores,
    }
}

pub(crate) fn unknown_escaping(place: &str, text: &str) -> String {
    format!(
        "unknown {place} name escaping method specified, must be one of 'allow-utf-8', 'underscores', \
         'dots', or 'values', got {}",
        quote(text)
    )
}
