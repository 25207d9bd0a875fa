//! What an exporter says about a metric.

/// The type of a metric family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum MetricType {
    /// Not said (`untyped` in the text format).
    #[default]
    Unknown,
    /// Only grows, but for resets.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations in buckets.
    Histogram,
    /// A histogram whose buckets go up and down.
    GaugeHistogram,
    /// Quantiles computed by the exporter.
    Summary,
    /// Constant 1 with labels that inform.
    Info,
    /// A set of booleans.
    StateSet,
}

impl MetricType {
    /// The name in the HTTP API and OpenMetrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }
}

/// Type, help and unit of a metric family.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Metadata {
    /// The type.
    pub kind: MetricType,
    /// The unit, or `""`.
    pub unit: String,
    /// The help text, unescaped, or `""`.
    pub help: String,
}
