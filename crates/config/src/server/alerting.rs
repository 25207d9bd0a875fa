//! `alerting`: read and checked; nothing is sent yet.

use yaml::{Decode, Decoder, Fatal, Node, Value};

use super::discovery::Discovery;
use super::relabel::{RelabelConfig, check_all, echo_all, no_nulls};
use super::remote::SIGV4;
use crate::echo::Echo;
use crate::names::ValidationScheme;
use crate::section::{Http, Kind, Preset, Schema, Section, field, kept, preset};

/// Who is told about alerts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alerting {
    /// Rules for alerts.
    pub alert_relabel_configs: Vec<RelabelConfig>,
    /// Groups of Alertmanagers.
    pub alertmanagers: Vec<Alertmanagers>,
}

/// A group of Alertmanagers that are reached in the same way.
#[derive(Clone, Debug, PartialEq)]
pub struct Alertmanagers {
    /// Its own keys and those of the HTTP client.
    pub section: Section,
    /// Where they are.
    pub discovery: Discovery,
}

static ALERTMANAGER: Schema = Schema {
    go_type: "config.AlertmanagerConfig",
    fields: &[
        field("", Kind::HttpHere),
        field("sigv4", Kind::Section(&SIGV4)),
        preset("scheme", Kind::Text, Preset::Text("http")),
        field("path_prefix", Kind::Text),
        preset("timeout", Kind::Duration, Preset::Int(10_000)),
        kept("api_version", Kind::Text, Preset::Text("v2")),
        field(
            "relabel_configs",
            Kind::Relabel("empty or null Alertmanager target relabeling rule"),
        ),
        field(
            "alert_relabel_configs",
            Kind::Relabel("empty or null Alertmanager alert relabeling rule"),
        ),
    ],
    http: Http::Client { http2: true },
    check: |it| {
        let version = it.text("api_version");
        if version != "v2" {
            return Err(format!(
                "expected Alertmanager api version to be one of [v2] but got {version}"
            ));
        }
        let http_auth = it.http.as_ref().is_some_and(|http| {
            http.basic_auth.is_some() || http.authorization.is_some() || http.oauth2.is_some()
        });
        if http_auth && it.section("sigv4").is_some() {
            let text =
                "at most one of basic_auth, authorization, oauth2, & sigv4 must be configured";
            return Err(text.into());
        }
        Ok(())
    },
};

impl Alerting {
    /// True if nothing is configured.
    pub fn is_empty(&self) -> bool {
        self.alert_relabel_configs.is_empty() && self.alertmanagers.is_empty()
    }

    pub(crate) fn check(&self, scheme: ValidationScheme) -> Result<(), String> {
        check_all(&self.alert_relabel_configs, scheme)?;
        self.alertmanagers.iter().try_for_each(|it| it.section.check_rules(scheme))
    }

    pub(crate) fn set_dir(&mut self, dir: &str) {
        for group in &mut self.alertmanagers {
            group.section.set_dir(dir);
            group.discovery.set_dir(dir);
        }
    }

    pub(crate) fn echo(&self) -> Value {
        let mut echo = Echo::default();
        echo.list("alert_relabel_configs", echo_all(&self.alert_relabel_configs));
        let groups = self.alertmanagers.iter().map(|group| {
            let mut echo = group.section.echo_fields();
            echo.extend(group.discovery.echo());
            echo.value()
        });
        echo.list("alertmanagers", groups.collect());
        echo.value()
    }
}

impl Decode for Alerting {
    fn go_type() -> String {
        "config.plain".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        let (mut rules, mut groups) = (Vec::new(), Vec::new());
        let clean = decoder.fields(node, "config.plain", |decoder, key, value| {
            match key {
                "alert_relabel_configs" => decoder.set(value, &mut rules)?,
                "alertmanagers" => decoder.set(value, &mut groups)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        if clean {
            self.alert_relabel_configs = no_nulls(rules, "empty or null alert relabeling rule")?;
            self.alertmanagers = no_nulls(groups, "empty or null alertmanager section")?;
        }
        Ok(())
    }
}

impl Default for Alertmanagers {
    fn default() -> Self {
        Self { section: Section::new(&ALERTMANAGER), discovery: Discovery::default() }
    }
}

impl Decode for Alertmanagers {
    fn go_type() -> String {
        "config.AlertmanagerConfig".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        let Self { section, discovery } = self;
        let clean = section.decode_with(node, decoder, |decoder, key, value| {
            discovery.field(decoder, key, value)
        })?;
        if clean && section.rules("relabel_configs").is_empty() {
            discovery.check_static_targets()?;
        }
        Ok(())
    }
}
