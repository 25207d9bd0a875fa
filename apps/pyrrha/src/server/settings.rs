//! The command line, checked and in the types that the parts take.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use tsdb::agent::AgentOptions;

use super::memory;
use crate::flag::Values;

/// What the flags say.
#[derive(Clone)]
pub(crate) struct Settings {
    /// `None`: the zero-config start.
    pub(crate) config_file: Option<PathBuf>,
    pub(crate) listen: Vec<String>,
    pub(crate) http: httpserver::Options,
    /// The file that says who may connect, and how; `None`: everybody, without TLS.
    pub(crate) web_config_file: Option<PathBuf>,
    /// How often to look for a changed configuration; `None`: never.
    pub(crate) auto_reload: Option<Duration>,
    pub(crate) lifecycle: bool,
    pub(crate) admin: bool,
    pub(crate) cors_origin: regexp::Matcher,
    pub(crate) external_url: String,
    pub(crate) route_prefix: String,
    pub(crate) data: PathBuf,
    pub(crate) database: tsdb::Options,
    /// Instead of a database there is an agent's log in `data`, with these options.
    pub(crate) agent: Option<AgentOptions>,
    /// Blocks wait to be listed here before they are merged; `None` merges all.
    pub(crate) upload_list: Option<PathBuf>,
    /// How long merged blocks get was given.
    pub(crate) block_range_max_is_given: bool,
    /// Neither flag about retention was given.
    pub(crate) retention_is_default: bool,
    /// Keep exemplars, as many as the configuration says.
    pub(crate) exemplars: bool,
    /// Store a zero where a counter began.
    pub(crate) zero_at_start: bool,
    /// Counters that do not say when they began count from when they were seen first.
    pub(crate) synthesise_starts: bool,
    /// Report series for every job that need asking for.
    pub(crate) extra_scrape_metrics: bool,
    /// A scrape this close to its tick gets the tick's time.
    pub(crate) alignment_ms_max: i64,
    /// What discovery finds is handed on not more often than that.
    pub(crate) discovery_pause: Duration,
    pub(crate) engine: promql_engine::Options,
    pub(crate) queries_max: usize,
    pub(crate) all: BTreeMap<String, String>,
}

impl Settings {
    /// Reads the flags.
    ///
    /// # Errors
    /// What is wrong with the first value that is.
    pub(crate) fn new(values: &Values<'_>, zero: bool) -> Result<Self, String> {
        let listen = match (zero, values.given().contains(&"web.listen-address")) {
            (true, false) => vec!["127.0.0.1:9090".to_owned()],
            _ => values.list("web.listen-address"),
        };
        let external_url = external_url(values.text("web.external-url"), &listen)?;
        let features = Features::new(&values.list("enable-feature"));
        let (mut database, retention_is_default) = database(values)?;
        database.log_metadata = features.has("metadata-wal-records");
        database.snapshot_at_close = features.has("memory-snapshot-on-shutdown");
        if features.has("delayed-compaction") {
            const FLAG: &str = "storage.tsdb.delayed-compaction.max-percent";
            database.cut_delay_max_percent = number(values, FLAG)?;
        }
        database.store_starts = features.has("st-storage");
        database.histogram_starts = features.has("histograms-st-encoding");
        database.float_xor2 = features.has("xor2-encoding");
        let agent = values.is_on("agent").then(|| agent(values)).transpose()?;
        Ok(Self {
            config_file: (!zero).then(|| values.text("config.file").into()),
            http: httpserver::Options {
                connections_max: number(values, "web.max-connections")?,
                read_timeout: duration(values, "web.read-timeout")?,
                ..httpserver::Options::default()
            },
            web_config_file: Some(values.text("web.config.file"))
                .filter(|it| !it.is_empty())
                .map(Into::into),
            auto_reload: auto_reload(values, &features)?,
            lifecycle: values.is_on("web.enable-lifecycle"),
            admin: values.is_on("web.enable-admin-api"),
            cors_origin: regexp::Matcher::new(values.text("web.cors.origin"))
                .map_err(|error| error.to_string())?,
            route_prefix: route_prefix(values.text("web.route-prefix"), &external_url),
            external_url,
            data: values
                .text(if agent.is_some() { "storage.agent.path" } else { "storage.tsdb.path" })
                .into(),
            agent,
            database,
            upload_list: Some(values.text("storage.tsdb.delay-compact-file.path"))
                .filter(|it| !it.is_empty())
                .map(Into::into),
            retention_is_default,
            block_range_max_is_given: !values.text("storage.tsdb.max-block-duration").is_empty(),
            exemplars: features.has("exemplar-storage"),
            zero_at_start: features.has("created-timestamp-zero-ingestion"),
            synthesise_starts: features.has("st-synthesis"),
            extra_scrape_metrics: features.has("extra-scrape-metrics"),
            alignment_ms_max: if values.is_on("scrape.adjust-timestamps") {
                duration_ms(values, "scrape.timestamp-tolerance")?
            } else {
                0
            },
            discovery_pause: discovery_pause(values)?,
            engine: promql_engine::Options {
                lookback_ms: duration_ms(values, "query.lookback-delta")?,
                samples_max: number(values, "query.max-samples")?,
                memory_max_bytes: bytes(values, "query.max-bytes")?,
                timeout: duration(values, "query.timeout")?,
                threads: std::thread::available_parallelism().map_or(1, usize::from),
                delayed_name_removal: features.has("promql-delayed-name-removal"),
                type_and_unit_labels: features.has("type-and-unit-labels"),
                start_timestamps: features.has("use-start-timestamps"),
                per_step_stats: features.has("promql-per-step-stats"),
                parser: promql::Options {
                    experimental_functions: features.has("promql-experimental-functions"),
                    extended_range_selectors: features.has("promql-extended-range-selectors"),
                    fill_modifiers: features.has("promql-binop-fill-modifiers"),
                },
                ..promql_engine::Options::default()
            },
            queries_max: number(values, "query.max-concurrency")?,
            listen,
            all: values.all(),
        })
    }
}

/// Discovery paces itself: without the flag there is no further pause.
fn discovery_pause(values: &Values<'_>) -> Result<Duration, String> {
    const FLAG: &str = "scrape.discovery-reload-interval";
    if values.given().contains(&FLAG) { duration(values, FLAG) } else { Ok(Duration::ZERO) }
}

/// Retention of a server that says nothing about it.
pub(crate) const RETENTION_MS_DEFAULT: i64 = config::DEFAULT_RETENTION_MS;

fn database(values: &Values<'_>) -> Result<(tsdb::Options, bool), String> {
    let defaults = tsdb::Options::default();
    let (time, size) = (
        duration_ms(values, "storage.tsdb.retention.time")?,
        bytes(values, "storage.tsdb.retention.size")?,
    );
    let is_default = time == 0 && size == 0;
    let block_range_min_ms = duration_ms(values, "storage.tsdb.min-block-duration")?;
    let retention_ms = if is_default { RETENTION_MS_DEFAULT } else { time };
    let block_range_max_ms = match values.text("storage.tsdb.max-block-duration") {
        "" => block_range_max_ms(retention_ms),
        _ => duration_ms(values, "storage.tsdb.max-block-duration")?,
    };
    let or_default = |given: u64, default: u64| if given == 0 { default } else { given };
    let options = tsdb::Options {
        retention_ms,
        retention_bytes: size,
        min_free_percent: percent(values, "storage.min-free")?,
        block_range_min_ms,
        block_range_max_ms: block_range_max_ms.max(block_range_min_ms),
        wal_segment_bytes: or_default(
            bytes(values, "storage.tsdb.wal-segment-size")?,
            defaults.wal_segment_bytes,
        ),
        wal_compression: compression(values, "storage.tsdb.wal-compression")?,
        block_segment_bytes: or_default(
            bytes(values, "storage.tsdb.max-block-chunk-segment-size")?,
            defaults.block_segment_bytes,
        ),
        memory_limit_bytes: match values.text("memory.limit") {
            "" => memory::default_limit(),
            _ => bytes(values, "memory.limit")?,
        },
        lock: !values.is_on("storage.tsdb.no-lockfile"),
        ..defaults
    };
    Ok((options, is_default))
}

/// The shortest time between two looks for a changed configuration.
const AUTO_RELOAD_MIN: Duration = Duration::from_secs(1);

fn auto_reload(values: &Values<'_>, features: &Features) -> Result<Option<Duration>, String> {
    let interval = duration(values, "config.auto-reload-interval")?;
    let is_on = features.has("auto-reload-config") || values.is_on("config.auto-reload");
    Ok(is_on.then(|| interval.max(AUTO_RELOAD_MIN)))
}

fn agent(values: &Values<'_>) -> Result<AgentOptions, String> {
    let defaults = AgentOptions::default();
    let segment_bytes = bytes(values, "storage.agent.wal-segment-size")?;
    let checkpoint_batch: NonZeroUsize = number(values, "storage.agent.checkpoint-batch-size")?;
    Ok(AgentOptions {
        wal_segment_bytes: if segment_bytes == 0 {
            defaults.wal_segment_bytes
        } else {
            segment_bytes
        },
        wal_compression: compression(values, "storage.agent.wal-compression")?,
        truncate_every: duration(values, "storage.agent.wal-truncate-frequency")?,
        age_min_ms: duration_ms(values, "storage.agent.retention.min-time")?,
        age_max_ms: duration_ms(values, "storage.agent.retention.max-time")?,
        lock: !values.is_on("storage.agent.no-lockfile"),
        checkpoint_batch: values
            .is_on("storage.agent.checkpoint-from-in-memory-series")
            .then_some(checkpoint_batch),
        ..defaults
    })
}

/// Blocks are never merged to more than 31 days.
const BLOCK_RANGE_MAX_MS: i64 = 31 * 24 * 3600 * 1000;

/// How long merged blocks get, unless told otherwise: a tenth of what is kept.
pub(crate) fn block_range_max_ms(retention_ms: i64) -> i64 {
    if retention_ms == 0 { BLOCK_RANGE_MAX_MS } else { (retention_ms / 10).min(BLOCK_RANGE_MAX_MS) }
}

/// `flag` is the switch; with `-type` it says how.
fn compression(values: &Values<'_>, flag: &str) -> Result<wal::Compression, String> {
    match (values.is_on(flag), values.text(&format!("{flag}-type"))) {
        (false, _) => Ok(wal::Compression::None),
        (true, "snappy") => Ok(wal::Compression::Snappy),
        (true, "zstd") => Ok(wal::Compression::Zstd),
        (true, other) => Err(format!("enum value must be one of snappy,zstd, got '{other}'")),
    }
}

fn number<T: std::str::FromStr>(values: &Values<'_>, name: &str) -> Result<T, String> {
    let text = values.text(name);
    text.parse().map_err(|_| format!("--{name}: {text:?} is not a number that fits"))
}

fn duration_ms(values: &Values<'_>, name: &str) -> Result<i64, String> {
    model::duration::parse(values.text(name)).map_err(|error| format!("--{name}: {error}"))
}

fn duration(values: &Values<'_>, name: &str) -> Result<Duration, String> {
    let ms = duration_ms(values, name)?;
    Ok(Duration::from_millis(u64::try_from(ms).expect("durations are not negative")))
}

fn bytes(values: &Values<'_>, name: &str) -> Result<u64, String> {
    let size =
        config::size::parse(values.text(name)).map_err(|error| format!("--{name}: {error}"))?;
    u64::try_from(size).map_err(|_| format!("--{name}: a size is not negative"))
}

/// A share in percent, with or without its sign.
fn percent(values: &Values<'_>, name: &str) -> Result<f64, String> {
    let text = values.text(name);
    let number: f64 = text
        .trim_end_matches('%')
        .parse()
        .map_err(|_| format!("--{name}: {text:?} is not a percentage"))?;
    if (0.0..=100.0).contains(&number) {
        Ok(number)
    } else {
        Err(format!("--{name}: {text:?} is not between 0 and 100"))
    }
}

/// The names given with `--enable-feature`.
struct Features(Vec<String>);

/// What `--enable-feature` can switch on here; other names of upstream's are taken with a warning.
const FEATURES: &[&str] = &[
    "auto-reload-config",
    "delayed-compaction",
    "fast-startup",
    "memory-snapshot-on-shutdown",
    "created-timestamp-zero-ingestion",
    "extra-scrape-metrics",
    "exemplar-storage",
    "metadata-wal-records",
    "native-histograms",
    "ooo-native-histograms",
    "st-storage",
    "st-synthesis",
    "histograms-st-encoding",
    "xor2-encoding",
    "promql-experimental-functions",
    "promql-per-step-stats",
    "promql-extended-range-selectors",
    "promql-binop-fill-modifiers",
    "promql-delayed-name-removal",
    "type-and-unit-labels",
    "use-start-timestamps",
    "promql-duration-expr",
];

/// Features that have another place by now, or none, and what is said to whoever names them.
const RETIRED: &[(&str, &str)] = &[
    (
        "auto-reload-config",
        "This option for --enable-feature is deprecated, use the flag --config.auto-reload.",
    ),
    (
        "extra-scrape-metrics",
        "This option for --enable-feature is deprecated, set extra_scrape_metrics in the configuration.",
    ),
    (
        "xor2-encoding",
        "This option for --enable-feature is deprecated, set storage.tsdb.chunk_encoding.floats to xor2 in the configuration.",
    ),
    (
        "native-histograms",
        "This option for --enable-feature is a no-op. To scrape native histograms, set the scrape_native_histograms scrape config setting to true.",
    ),
    ("ooo-native-histograms", PERMANENT),
    ("promql-duration-expr", PERMANENT),
];

const PERMANENT: &str =
    "This option for --enable-feature is now permanently enabled and therefore a no-op.";

impl Features {
    fn new(lists: &[String]) -> Self {
        let names: Vec<String> =
            lists.iter().flat_map(|it| it.split(',')).map(str::to_owned).collect();
        for name in names.iter().filter(|it| !it.is_empty() && !FEATURES.contains(&&it[..])) {
            tracing::warn!(option = %name, "Unknown option for --enable-feature");
        }
        for (option, why) in RETIRED.iter().filter(|it| names.iter().any(|name| name == it.0)) {
            tracing::warn!(option, "{why}");
        }
        Self(names)
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|it| it == name)
    }
}

fn external_url(text: &str, listen: &[String]) -> Result<String, String> {
    if text.is_empty() {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let port = listen.first().and_then(|it| it.rsplit_once(':')).map_or("9090", |it| it.1);
        return Ok(format!("http://{host}:{port}/"));
    }
    let is_quote = |c: char| c == '"' || c == '\'';
    if text.starts_with(is_quote) || text.ends_with(is_quote) {
        return Err("parse external URL: URL must not begin or end with quotes".into());
    }
    if !text.contains("://") {
        return Err(format!("parse external URL {text:?}: it has no scheme"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// One slash in front and none behind; the external URL's path unless given.
fn route_prefix(given: &str, external_url: &str) -> String {
    let after_host =
        external_url.split_once("://").map_or("", |it| it.1).split_once('/').map_or("", |it| it.1);
    let path = if given.is_empty() { after_host } else { given };
    match path.trim_matches('/') {
        "" => String::new(),
        path => format!("/{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::route_prefix;

    #[test]
    fn finds_the_prefix() {
        for (given, url, expected) in [
            ("", "http://host:9090/", ""),
            ("", "https://host/prom/", "/prom"),
            ("/", "https://host/prom", ""),
            ("x/y/", "http://host", "/x/y"),
        ] {
            assert_eq!(route_prefix(given, url), expected);
        }
    }
}
