//! What a scrape job is told.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use exposition::{Format, TextFormat};
use model::SCHEMA_MAX;
use relabel::Rule;

/// One entry of `scrape_configs`, checked and with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The name, unique among all jobs.
    pub name: String,
    /// Where pages come from.
    pub source: Source,
    /// Time between two scrapes of a target.
    pub interval_ms: i64,
    /// How long a scrape may take; not longer than the interval.
    pub timeout_ms: i64,
    /// Formats to ask for, the favourite first.
    pub protocols: Vec<Protocol>,
    /// What a page is taken for if its `Content-Type` does not tell.
    pub fallback_protocol: Option<Protocol>,
    /// Labels of the page win over those of the target.
    pub honor_labels: bool,
    /// Timestamps of the page are used.
    pub honor_timestamps: bool,
    /// Series with timestamps of their own get staleness markers too.
    pub track_timestamps_staleness: bool,
    /// The path of the URL.
    pub metrics_path: String,
    /// `http` or `https`.
    pub scheme: String,
    /// URL parameters, sorted by name.
    pub params: Vec<(String, Vec<String>)>,
    /// Asks for gzip.
    pub compression: bool,
    /// Limits.
    pub limits: Limits,
    /// Whether names must match `[a-zA-Z_:][a-zA-Z0-9_:]*` (labels: without `:`).
    pub legacy_names: bool,
    /// The `escaping` that formats 1.0.0 are asked for, such as `allow-utf-8`.
    pub escaping: String,
    /// Adds `scrape_timeout_seconds`, `scrape_sample_limit` and `scrape_body_size_bytes`.
    pub extra_metrics: bool,
    /// Hands what pages say about families on to storage.
    pub log_metadata: bool,
    /// Gives series the type and the unit of their family as labels.
    pub type_and_unit_labels: bool,
    /// Which histograms are taken. A target's labels may say otherwise.
    pub histograms: Histograms,
    /// What histograms are brought down to.
    pub histogram_limits: HistogramLimits,
    /// What becomes of the times at which counting began.
    pub starts: Starts,
    /// Decide about targets.
    pub relabel: Vec<Rule>,
    /// Decide about samples.
    pub metric_relabel: Vec<Rule>,
    /// How to connect.
    pub http: httpclient::Options,
    /// Where failed fetches are noted, one JSON object a line.
    pub failure_log: Option<PathBuf>,
}

impl Job {
    /// A job with upstream's defaults for everything but its name, interval and timeout.
    pub fn new(name: impl Into<String>, interval_ms: i64, timeout_ms: i64) -> Self {
        Self {
            name: name.into(),
            source: Source::Http,
            interval_ms,
            timeout_ms,
            protocols: Protocol::DEFAULT.to_vec(),
            fallback_protocol: None,
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            metrics_path: "/metrics".into(),
            scheme: "http".into(),
            params: Vec::new(),
            compression: true,
            limits: Limits::default(),
            legacy_names: false,
            escaping: "allow-utf-8".into(),
            extra_metrics: false,
            log_metadata: false,
            type_and_unit_labels: false,
            histograms: Histograms::default(),
            histogram_limits: HistogramLimits::default(),
            starts: Starts::default(),
            relabel: Vec::new(),
            metric_relabel: Vec::new(),
            http: httpclient::Options::default(),
            failure_log: None,
        }
    }

    /// True if loops of `self` may go on with the caches of `old`: nothing that shapes samples differs.
    pub(crate) fn keeps_caches_of(&self, old: &Self) -> bool {
        let mut same = old.clone();
        same.interval_ms = self.interval_ms;
        same.timeout_ms = self.timeout_ms;
        same.limits.samples = self.limits.samples;
        same.http = self.http.clone();
        same == *self
    }
}

/// Limits; 0 is none.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Limits {
    /// Bytes of an uncompressed page.
    pub body_bytes: usize,
    /// Samples of a page, behind relabelling.
    pub samples: usize,
    /// Targets of the job.
    pub targets: usize,
    /// Labels of a series.
    pub labels: usize,
    /// Bytes of a label name.
    pub label_name_bytes: usize,
    /// Bytes of a label value.
    pub label_value_bytes: usize,
    /// Dropped targets whose labels are kept to be shown.
    pub kept_dropped_targets: usize,
}

/// Which histograms are taken of a page that has them in several forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Histograms {
    /// Native ones, instead of their classic buckets.
    pub native: bool,
    /// Classic buckets, even where a native histogram is taken.
    pub classic: bool,
    /// Native ones with custom bounds, made of classic buckets.
    pub convert: bool,
}

/// Limits of native histograms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistogramLimits {
    /// The finest resolution that is stored.
    pub schema_max: i32,
    /// Buckets of one; 0 is no limit.
    pub buckets: usize,
}

impl Default for HistogramLimits {
    fn default() -> Self {
        Self { schema_max: SCHEMA_MAX, buckets: 0 }
    }
}

/// What becomes of the times at which counting began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Starts {
    /// They are stored with the samples.
    pub stored: bool,
    /// A zero is stored at such a time.
    pub zero: bool,
    /// Counters that do not say count from when they were seen first.
    pub synthesised: bool,
}

impl Starts {
    /// True if those that pages name are asked for.
    pub fn is_any(self) -> bool {
        self.stored || self.zero
    }
}

/// Formats of pages, by their names in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `PrometheusProto`.
    Protobuf,
    /// `PrometheusText0.0.4`.
    Text004,
    /// `PrometheusText1.0.0`.
    Text100,
    /// `OpenMetricsText0.0.1`.
    OpenMetrics001,
    /// `OpenMetricsText1.0.0`.
    OpenMetrics100,
}

impl Protocol {
    /// The order that is used unless the configuration has one.
    pub const DEFAULT: [Self; 4] =
        [Self::OpenMetrics100, Self::OpenMetrics001, Self::Text100, Self::Text004];

    /// The order where start times are wanted.
    pub const PROTOBUF_FIRST: [Self; 5] =
        [Self::Protobuf, Self::OpenMetrics100, Self::OpenMetrics001, Self::Text100, Self::Text004];

    /// The grammar of pages.
    pub(crate) fn format(self) -> Format {
        match self {
            Self::Protobuf => Format::Protobuf,
            Self::Text004 | Self::Text100 => Format::Text(TextFormat::Prometheus),
            Self::OpenMetrics001 | Self::OpenMetrics100 => Format::Text(TextFormat::OpenMetrics),
        }
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Protobuf => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
            }
            Self::Text004 => "text/plain;version=0.0.4",
            Self::Text100 => "text/plain;version=1.0.0",
            Self::OpenMetrics001 => "application/openmetrics-text;version=0.0.1",
            Self::OpenMetrics100 => "application/openmetrics-text;version=1.0.0",
        }
    }

    pub(crate) fn takes_escaping(self) -> bool {
        matches!(self, Self::Text100 | Self::OpenMetrics100)
    }
}

/// Where the pages of a job's targets come from.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Source {
    /// Each target's URL.
    #[default]
    Http,
    /// This process: the URL is only shown.
    Page(Page),
}

type Render = dyn Fn(&mut Vec<u8>) -> TextFormat + Send + Sync;

/// Makes a page in this process, which then goes the way of every other page.
#[derive(Clone)]
pub struct Page(Arc<Render>);

impl Page {
    /// `render` appends a page to the buffer and says in which format. It runs in a scrape loop.
    pub fn new(render: impl Fn(&mut Vec<u8>) -> TextFormat + Send + Sync + 'static) -> Self {
        Self(Arc::new(render))
    }

    pub(crate) fn render(&self, out: &mut Vec<u8>) -> TextFormat {
        (self.0)(out)
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Page")
    }
}

/// Pages are equal if they are the same one.
impl PartialEq for Page {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
