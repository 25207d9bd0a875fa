//! The flags of `pyrrha server`: upstream's, by name, default and help.

use crate::flag::{Flag, Kind};

const fn value(name: &'static str, default: &'static str, help: &'static str) -> Flag {
    Flag { name, kind: Kind::Value, default, help }
}

const fn switch(name: &'static str, default: &'static str, help: &'static str) -> Flag {
    Flag { name, kind: Kind::Switch, default, help }
}

const fn list(name: &'static str, default: &'static str, help: &'static str) -> Flag {
    Flag { name, kind: Kind::List, default, help }
}

const fn hidden(name: &'static str, default: &'static str) -> Flag {
    Flag { name, kind: Kind::Hidden, default, help: "" }
}

/// All flags. Those in [`NOT_YET`] are taken and not acted upon.
pub(crate) const FLAGS: &[Flag] = &[
    value("config.file", "prometheus.yml", "Prometheus configuration file path."),
    list(
        "web.listen-address",
        "0.0.0.0:9090",
        "Address to listen on for UI, API, and telemetry. Can be repeated.",
    ),
    value(
        "web.read-timeout",
        "5m",
        "Maximum duration before timing out read of the request, and closing idle connections.",
    ),
    value(
        "web.max-connections",
        "512",
        "Maximum number of simultaneous connections across all listeners.",
    ),
    value("web.external-url", "", "The URL under which Prometheus is externally reachable."),
    value(
        "web.route-prefix",
        "",
        "Prefix for the internal routes of web endpoints. Defaults to path of --web.external-url.",
    ),
    switch("web.enable-lifecycle", "false", "Enable shutdown and reload via HTTP request."),
    switch("web.enable-admin-api", "false", "Enable API endpoints for admin control actions."),
    value("web.cors.origin", ".*", "Regex for CORS origin. It is fully anchored."),
    value(
        "web.page-title",
        "Prometheus Time Series Collection and Processing Server",
        "Document title of Prometheus instance.",
    ),
    value("storage.tsdb.path", "data/", "Base path for metrics storage."),
    value(
        "storage.tsdb.retention.time",
        "0s",
        "How long to retain samples in storage; 15d if neither this nor a size is set.",
    ),
    value(
        "storage.tsdb.retention.size",
        "0",
        "Maximum number of bytes that can be stored for blocks, e.g. 512MB; 0 is no limit.",
    ),
    value(
        "storage.min-free",
        "5%",
        "Share of the file system that stays free: below it the oldest blocks are removed, then compaction pauses; 0 is never. \
         (Pyrrha's own.)",
    ),
    switch("storage.tsdb.no-lockfile", "false", "Do not create lockfile in data directory."),
    value(
        "query.lookback-delta",
        "5m",
        "The maximum lookback duration for retrieving metrics during expression evaluations.",
    ),
    value("query.timeout", "2m", "Maximum time a query may take before being aborted."),
    value("query.max-concurrency", "20", "Maximum number of queries executed concurrently."),
    value(
        "query.max-samples",
        "50000000",
        "Maximum number of samples a single query can load into memory.",
    ),
    value("query.max-bytes", "1GB", "Maximum memory a single query can take. (Pyrrha's own.)"),
    value(
        "memory.limit",
        "",
        "Memory that the process may take, e.g. 2GB: near it new series are refused; 0 is no limit. Default: 80 % of \
         the machine's, or of the control group's. (Pyrrha's own.)",
    ),
    list("enable-feature", "", "Comma separated feature names to enable. Can be repeated."),
    value(
        "log.level",
        "info",
        "Only log messages with the given severity or above. One of: [debug, info, warn, error]",
    ),
    value("log.format", "logfmt", "Output format of log messages. One of: [logfmt, json]"),
    hidden("storage.tsdb.min-block-duration", "2h"),
    hidden("storage.tsdb.max-block-duration", ""),
    hidden("storage.tsdb.max-block-chunk-segment-size", "0"),
    hidden("storage.tsdb.wal-segment-size", "0"),
    hidden("storage.tsdb.wal-compression-type", "snappy"),
    Flag {
        name: "storage.tsdb.wal-compression",
        kind: Kind::Switch,
        default: "true",
        help: "Compress the tsdb WAL.",
    },
    switch("agent", "false", "Run in agent mode: scrape, and keep what was scraped to be sent on."),
    value("storage.agent.path", "data-agent/", "Base path for metrics storage."),
    switch("storage.agent.wal-compression", "true", "Compress the agent WAL."),
    hidden("storage.agent.wal-compression-type", "snappy"),
    hidden("storage.agent.wal-segment-size", "0"),
    hidden("storage.agent.wal-truncate-frequency", "2h"),
    value(
        "storage.agent.retention.min-time",
        "5m",
        "Minimum age samples may be before being considered for deletion when the WAL is truncated.",
    ),
    value(
        "storage.agent.retention.max-time",
        "4h",
        "Maximum age samples may be before being forcibly deleted when the WAL is truncated.",
    ),
    switch(
        "storage.agent.checkpoint-from-in-memory-series",
        "false",
        "Make checkpoints from the series in memory instead of reading the WAL again.",
    ),
    value(
        "storage.agent.checkpoint-batch-size",
        "1000",
        "Number of series in a batch, with --storage.agent.checkpoint-from-in-memory-series.",
    ),
    switch("storage.agent.no-lockfile", "false", "Do not create lockfile in data directory."),
    // Taken, so that nobody's command line breaks; not acted upon yet.
    switch(
        "config.auto-reload",
        "false",
        "Watch the configuration file and reload it when it changes.",
    ),
    value("config.auto-reload-interval", "30s", "How often to look for a changed configuration."),
    switch("auto-gomaxprocs", "true", "No meaning here: there is no Go runtime."),
    switch("auto-gomemlimit", "true", "No meaning here: there is no Go runtime."),
    value("auto-gomemlimit.ratio", "0.9", "No meaning here: there is no Go runtime."),
    value("auto-gomemlimit.refresh-interval", "0s", "No meaning here: there is no Go runtime."),
    value(
        "web.config.file",
        "",
        "Path to configuration file that can enable TLS or authentication.",
    ),
    value(
        "web.max-notifications-subscribers",
        "16",
        "Limits the number of live notification clients.",
    ),
    value("web.user-assets", "", "Path to static asset directory, available at /user."),
    switch(
        "web.enable-remote-write-receiver",
        "false",
        "Enable API endpoint accepting remote write requests.",
    ),
    list(
        "web.remote-write-receiver.accepted-protobuf-messages",
        "",
        "Remote write messages that are accepted.",
    ),
    switch(
        "web.enable-otlp-receiver",
        "false",
        "Enable API endpoint accepting OTLP write requests.",
    ),
    value("web.console.templates", "consoles", "Path to the console template directory."),
    value("web.console.libraries", "console_libraries", "Path to the console library directory."),
    value("web.search.max-limit", "10000", "Largest limit that the search API takes."),
    value(
        "storage.tsdb.head-chunks-write-queue-size",
        "0",
        "No meaning here: chunks are written without a queue.",
    ),
    value(
        "storage.tsdb.delay-compact-file.path",
        "",
        "File that lists uploaded blocks; others are not compacted.",
    ),
    value(
        "storage.remote.flush-deadline",
        "1m",
        "How long to wait flushing samples on shutdown or config reload.",
    ),
    value(
        "storage.remote.read-sample-limit",
        "50000000",
        "Maximum number of samples in one remote read.",
    ),
    value(
        "storage.remote.read-concurrent-limit",
        "10",
        "Maximum number of concurrent remote reads.",
    ),
    value(
        "storage.remote.read-max-bytes-in-frame",
        "1048576",
        "Maximum number of bytes in a frame of a remote read.",
    ),
    value(
        "rules.alert.for-outage-tolerance",
        "1h",
        "Max time to tolerate outage for restoring the for state of alerts.",
    ),
    value(
        "rules.alert.for-grace-period",
        "10m",
        "Minimum duration between alert and restored for state.",
    ),
    value(
        "rules.alert.resend-delay",
        "1m",
        "Minimum amount of time to wait before resending an alert.",
    ),
    value("rules.max-concurrent-evals", "4", "Global concurrency limit for independent rules."),
    value(
        "alertmanager.notification-queue-capacity",
        "10000",
        "The capacity of the queue for pending notifications.",
    ),
    value(
        "alertmanager.notification-batch-size",
        "256",
        "The maximum number of notifications per batch.",
    ),
    switch(
        "alertmanager.drain-notification-queue-on-shutdown",
        "true",
        "Send queued alerts before exiting.",
    ),
    hidden("storage.tsdb.allow-overlapping-compaction", "true"),
    hidden("storage.tsdb.samples-per-chunk", "120"),
    hidden("storage.tsdb.delayed-compaction.max-percent", "10"),
    hidden("storage.tsdb.block-reload-interval", "1m"),
    Flag { name: "scrape.adjust-timestamps", kind: Kind::HiddenSwitch, default: "true", help: "" },
    hidden("scrape.timestamp-tolerance", "2ms"),
    hidden("scrape.discovery-reload-interval", "5s"),
];

/// Flags whose feature is still to come: given, they earn a warning in the log.
pub(crate) const NOT_YET: &[&str] = &[
    "web.max-notifications-subscribers",
    "web.page-title",
    "web.user-assets",
    "web.enable-remote-write-receiver",
    "web.remote-write-receiver.accepted-protobuf-messages",
    "web.enable-otlp-receiver",
    "web.console.templates",
    "web.console.libraries",
    "web.search.max-limit",
    "storage.remote.flush-deadline",
    "storage.remote.read-sample-limit",
    "storage.remote.read-concurrent-limit",
    "storage.remote.read-max-bytes-in-frame",
    "rules.alert.for-outage-tolerance",
    "rules.alert.for-grace-period",
    "rules.alert.resend-delay",
    "rules.max-concurrent-evals",
    "alertmanager.notification-queue-capacity",
    "alertmanager.notification-batch-size",
    "alertmanager.drain-notification-queue-on-shutdown",
    "storage.tsdb.samples-per-chunk",
    "storage.tsdb.block-reload-interval",
];

/// Beginnings of the names that only a server takes.
const SERVER_ONLY: &[&str] = &[
    "alertmanager.",
    "memory.limit",
    "query.",
    "rules.",
    "storage.min-free",
    "storage.remote.read-",
    "storage.tsdb.",
    "web.search.",
];
/// Beginning of the names that only an agent takes.
const AGENT_ONLY: &str = "storage.agent.";

/// Refuses what belongs to the other mode.
///
/// # Errors
/// Upstream's words.
pub(crate) fn check_mode(agent: bool, given: &[&str]) -> Result<(), String> {
    let is_wrong = |it: &&&str| match agent {
        true => SERVER_ONLY.iter().any(|start| it.starts_with(start)),
        false => it.starts_with(AGENT_ONLY),
    };
    let wrong: Vec<String> =
        given.iter().filter(is_wrong).map(|it| format!("\"--{it}\"")).collect();
    let how = if agent { "not be used" } else { "only be used" };
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("The following flag(s) can {how} in agent mode: [{}]", wrong.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::check_mode;

    #[test]
    fn modes_have_flags_of_their_own() {
        let given = ["config.file", "storage.tsdb.path", "storage.agent.path", "query.timeout"];
        assert_eq!(
            check_mode(true, &given).unwrap_err(),
            "The following flag(s) can not be used in agent mode: [\"--storage.tsdb.path\" \"--query.timeout\"]"
        );
        assert_eq!(
            check_mode(false, &given).unwrap_err(),
            "The following flag(s) can only be used in agent mode: [\"--storage.agent.path\"]"
        );
        assert_eq!(check_mode(true, &["agent", "web.listen-address"]), Ok(()));
    }
}
