//! What is asked.

/// A question. Range queries have how long they look back from the end, and their step.
pub(super) struct Ask {
    pub(super) name: &'static str,
    pub(super) what: What,
}

/// An endpoint and its parameters.
#[derive(Clone, Copy)]
pub(super) enum What {
    Instant(&'static str),
    /// Hours back, step in seconds.
    Range(&'static str, i64, i64),
    /// Anything below `/api/v1/` about the last day.
    Meta(&'static str),
}

use What::{Instant, Meta, Range};

/// The instant rate and the range query that have goals of their own.
pub(super) const INSTANT_RATE: &str = "I1";
pub(super) const RANGE_RATE: &str = "R1";
/// The query that needs the most memory.
pub(super) const HEAVIEST: &str = "H10";

/// The list of old, then ten heavier ones.
pub(super) const DAY: [Ask; 32] = [
    ask("I1", Instant("sum(rate(http_requests_total[5m])) by (job)")),
    ask("I2", Instant("http_requests_total")),
    ask(
        "I3",
        Instant(
            "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
        ),
    ),
    ask("I4", Instant("topk(10, rate(http_requests_total[5m]))")),
    ask(
        "I5",
        Instant(r#"count({__name__=~"container_.*",handler=~"/api/v[12]/.*items/.*search.*"})"#),
    ),
    ask("I6", Instant(r#"count({__name__=~".+",cluster!=""})"#)),
    ask("I7", Instant("sum(increase(http_requests_total[24h])) by (job)")),
    ask("I8", Instant("avg by (instance) (avg_over_time(container_memory_working_set_bytes[6h]))")),
    ask("R1", Range("sum by (instance) (rate(http_requests_total[5m]))", 6, 15)),
    ask("R2", Range("sum by (instance) (rate(http_requests_total[5m]))", 6, 30)),
    ask(
        "R3",
        Range(
            "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
            6,
            30,
        ),
    ),
    ask("R4", Range("topk(10, rate(http_requests_total[5m]))", 6, 30)),
    ask("R5", Range("http_requests_total", 6, 30)),
    ask("R6", Range("sum by (job) (rate(http_requests_total[5m]))", 1, 15)),
    ask("R7", Range("sum by (job) (rate(http_requests_total[5m]))", 23, 60)),
    ask(
        "R8",
        Range(
            r#"sum by (handler) (rate(http_requests_total{code="500"}[5m])) / sum by (handler) (rate(http_requests_total[5m]))"#,
            1,
            15,
        ),
    ),
    ask(
        "R9",
        Range("max by (instance) (max_over_time(container_memory_working_set_bytes[1h]))", 6, 60),
    ),
    ask("M1", Meta("labels")),
    ask("M2", Meta("label/instance/values")),
    ask("M3", Meta("label/__name__/values")),
    ask("M4", Meta("series?match[]=http_requests_total")),
    ask("M5", Meta(r#"series?match[]={job="app-1"}"#)),
    ask("H1", Range("sum by (instance) (rate(http_request_duration_seconds_bucket[5m]))", 6, 15)),
    ask(
        "H2",
        Range(
            "histogram_quantile(0.9, sum by (le, handler) (rate(http_request_duration_seconds_bucket[10m])))",
            23,
            60,
        ),
    ),
    ask(
        "H3",
        Range(
            "rate(http_requests_total[5m]) / on (instance) group_left sum by (instance) (rate(http_requests_total[5m]))",
            6,
            30,
        ),
    ),
    ask("H4", Range("quantile_over_time(0.9, node_hwmon_temp_celsius[30m])", 3, 60)),
    ask("H5", Range("max_over_time(sum by (job) (rate(http_requests_total[5m]))[1h:1m])", 6, 60)),
    ask("H6", Range("stddev by (job) (container_memory_working_set_bytes)", 12, 60)),
    ask("H7", Range("count by (job) (node_hwmon_temp_celsius > 50)", 12, 60)),
    ask("H8", Range("avg by (handler) (deriv(container_cpu_usage_seconds_total[15m]))", 3, 60)),
    ask("H9", Instant("topk(10, increase(container_cpu_usage_seconds_total[24h]))")),
    ask("H10", Range(r#"sum by (__name__) ({cluster!=""})"#, 23, 60)),
];

/// A million series, all in the head.
pub(super) const LIVE: [Ask; 6] = [
    ask("L1", Instant("sum by (job) (rate(http_requests_total[2m]))")),
    ask("L3", Instant(r#"http_requests_total{instance="10.16.0.5:9100"}"#)),
    ask("L4", Instant("topk(10, rate(http_requests_total[2m]))")),
    ask("L6", Instant(r#"count({__name__=~".+"})"#)),
    ask("L8", Instant(r#"count by (__name__) ({job="app-1"})"#)),
    ask("L9", Meta("label/instance/values")),
];

const fn ask(name: &'static str, what: What) -> Ask {
    Ask { name, what }
}

impl Ask {
    /// What to ask a server for when the data ends at `end_s`. VictoriaMetrics would remember answers.
    pub(super) fn path(&self, end_s: i64) -> String {
        use testkit::http::escape;
        match self.what {
            Instant(expr) => {
                format!("/api/v1/query?query={}&time={end_s}&nocache=1", escape(expr))
            }
            Range(expr, hours, step) => format!(
                "/api/v1/query_range?query={}&start={}&end={end_s}&step={step}&nocache=1",
                escape(expr),
                end_s - hours * 3600
            ),
            Meta(path) => {
                let (path, selector) = path.split_once("?match[]=").unwrap_or((path, ""));
                let selector = match selector {
                    "" => String::new(),
                    _ => format!("match%5B%5D={}&", escape(selector)),
                };
                format!("/api/v1/{path}?{selector}start={}&end={end_s}", end_s - 24 * 3600)
            }
        }
    }

    /// As people read it.
    pub(super) fn text(&self) -> String {
        match self.what {
            Instant(expr) => expr.to_owned(),
            Range(expr, hours, step) => format!("{hours}h/{step}s {expr}"),
            Meta(path) => path.to_owned(),
        }
    }
}
