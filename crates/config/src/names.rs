//! The small closed sets of names: schemes and protocols.

use std::fmt;

use model::quote;

/// Which names of metrics and labels are valid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValidationScheme {
    /// Any UTF-8 text but the empty one.
    #[default]
    Utf8,
    /// Letters, digits and `_` (`:` in metric names); no digit first.
    Legacy,
}

impl ValidationScheme {
    /// Reads `utf8` or `legacy`.
    ///
    /// # Errors
    /// Upstream's text.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "utf8" => Ok(Self::Utf8),
            "legacy" => Ok(Self::Legacy),
            _ => Err(format!("unrecognized ValidationScheme: {}", quote(text))),
        }
    }

    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf8",
            Self::Legacy => "legacy",
        }
    }

    /// True if `name` may name a label.
    pub fn is_label_name(self, name: &str) -> bool {
        match self {
            Self::Utf8 => !name.is_empty() && is_utf8(name),
            Self::Legacy => model::is_legacy_label_name(name),
        }
    }

    /// True if `name` may name a metric.
    pub fn is_metric_name(self, name: &str) -> bool {
        match self {
            Self::Utf8 => self.is_label_name(name),
            Self::Legacy => model::is_legacy_metric_name(name),
        }
    }
}

/// False for text that stands for bytes that are none.
pub(crate) fn is_utf8(text: &str) -> bool {
    !text.contains(|c| c == char::REPLACEMENT_CHARACTER || stdx::undecodable::byte_of(c).is_some())
}

/// How names beyond the old character set are asked for in a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EscapingScheme {
    /// As they are.
    AllowUtf8,
    /// Each other character becomes `_`.
    Underscores,
    /// Dots become `_dot_`.
    Dots,
    /// Each other character becomes `_` and its code.
    Values,
}

impl EscapingScheme {
    /// Reads a name; `None` if there is no such scheme.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::AllowUtf8, Self::Underscores, Self::Dots, Self::Values]
            .into_iter()
            .find(|it| it.name() == text)
    }

    /// Its name in the file and in the `Accept` header.
    pub fn name(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }
}

/// A format that a target may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScrapeProtocol {
    /// `OpenMetricsText0.0.1`
    OpenMetricsText0_0_1,
    /// `OpenMetricsText1.0.0`
    OpenMetricsText1_0_0,
    /// `PrometheusProto`
    PrometheusProto,
    /// `PrometheusText0.0.4`
    PrometheusText0_0_4,
    /// `PrometheusText1.0.0`
    PrometheusText1_0_0,
}

impl ScrapeProtocol {
    /// All, in the order of their names.
    pub const ALL: [Self; 5] = [
        Self::OpenMetricsText0_0_1,
        Self::OpenMetricsText1_0_0,
        Self::PrometheusProto,
        Self::PrometheusText0_0_4,
        Self::PrometheusText1_0_0,
    ];

    /// The order to ask in unless the file says another.
    pub const DEFAULT: [Self; 4] = [
        Self::OpenMetricsText1_0_0,
        Self::OpenMetricsText0_0_1,
        Self::PrometheusText1_0_0,
        Self::PrometheusText0_0_4,
    ];

    /// The order to ask in where native histograms are wanted.
    pub const PROTO_FIRST: [Self; 5] = [
        Self::PrometheusProto,
        Self::OpenMetricsText1_0_0,
        Self::OpenMetricsText0_0_1,
        Self::PrometheusText1_0_0,
        Self::PrometheusText0_0_4,
    ];

    /// Reads a name.
    ///
    /// # Errors
    /// Upstream's text.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|it| it.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(" ");
            format!("unknown scrape protocol {text}, supported: [{names}]")
        })
    }

    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenMetricsText0_0_1 => "OpenMetricsText0.0.1",
            Self::OpenMetricsText1_0_0 => "OpenMetricsText1.0.0",
            Self::PrometheusProto => "PrometheusProto",
            Self::PrometheusText0_0_4 => "PrometheusText0.0.4",
            Self::PrometheusText1_0_0 => "PrometheusText1.0.0",
        }
    }
}

impl fmt::Display for ScrapeProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
