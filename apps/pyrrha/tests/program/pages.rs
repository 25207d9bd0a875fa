//! Pages in every format, scraped by us and by Debian's Prometheus: the same series, the same values.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use exposition::{FamilyHead, HistogramParts, MetricHead, Native, put_family};
use model::{FloatHistogram, Histogram, MetricType, Span};
use serde_json::Value;
use testkit::{http, peer, wait_for};

use crate::server::{Server, pyrrha, serve_typed, write_config};

const OPEN_METRICS: &str = r#"# TYPE c counter
# HELP c Counts.
c_total{path="a b\"\\"} 5 # {trace_id="x"} 2 1500000000
c_created{path="a b\"\\"} 1500000000.5
# TYPE h histogram
h_bucket{le="0.5"} 1 # {trace_id="y"} 0.2
h_bucket{le="1.0"} 3
h_bucket{le="+Inf"} 4
h_sum 12.25
h_count 4
# TYPE i info
i_info{version="1"} 1
# TYPE s stateset
s{s="on"} 1
s{s="off"} 0
# EOF
"#;

const TEXT: &str = r#"# HELP t_total Counts.
# TYPE t_total counter
t_total 1e+06
# TYPE q summary
q{quantile="0.5"} NaN
q{quantile="0.99"} +Inf
q_sum -1.5
q_count 7
untyped{l="é"} 0.1
"#;

fn protobuf() -> Vec<u8> {
    let mut page = Vec::new();
    let named = |name, kind| FamilyHead { name, kind, help: "h", ..FamilyHead::default() };
    let head = MetricHead { labels: &[("l", "v\"w"), ("m", "")], ..MetricHead::default() };
    put_family(&mut page, named("pc_total", MetricType::Counter), |it| it.number(head, 17.5));
    put_family(&mut page, named("pg", MetricType::Gauge), |it| it.number(head, -1e-9));
    put_family(&mut page, named("pu", MetricType::Unknown), |it| it.number(head, f64::INFINITY));
    put_family(&mut page, named("ps", MetricType::Summary), |it| {
        it.summary(head, 3, 4.5, &[(0.5, 1.0), (0.999, 2.0)]);
    });
    put_family(&mut page, named("ph", MetricType::Histogram), |it| {
        let buckets = &[(1.0, 1.0), (10.0, 3.0)];
        it.histogram(head, HistogramParts { count: 4.0, sum: 25.5, buckets, native: None });
    });
    let integer = Histogram {
        schema: 2,
        zero_threshold: 0.001,
        zero_count: 2,
        count: 12,
        sum: 31.75,
        positive_spans: vec![Span { offset: -3, length: 2 }, Span { offset: 4, length: 2 }],
        negative_spans: vec![Span { offset: 0, length: 1 }],
        positive_deltas: vec![1, 1, 0, 1],
        negative_deltas: vec![2],
        ..Histogram::default()
    };
    put_family(&mut page, named("pn", MetricType::Histogram), |it| {
        let native = Some(Native::Integer(&integer));
        it.histogram(head, HistogramParts { native, ..HistogramParts::default() });
    });
    let float = FloatHistogram { count: 12.5, zero_count: 2.5, ..integer.to_float() };
    put_family(&mut page, named("pf", MetricType::GaugeHistogram), |it| {
        let native = Some(Native::Float(&float));
        it.histogram(head, HistogramParts { native, ..HistogramParts::default() });
    });
    page
}

fn config(port: u16, extra: &str) -> String {
    let job = |name: &str| {
        format!(
            "- job_name: {name}\n  metrics_path: /{name}\n{extra}  static_configs:\n  - targets: ['127.0.0.1:{port}']\n"
        )
    };
    let jobs: String = ["open", "text", "proto"].map(job).concat();
    format!("global:\n  scrape_interval: 500ms\n  scrape_timeout: 500ms\nscrape_configs:\n{jobs}")
}

/// All series of the pages with their values, once all jobs were scraped.
pub(crate) fn stored(server: &Server, n_jobs: usize) -> BTreeMap<String, String> {
    let n_jobs = n_jobs.to_string();
    wait_for("scrapes of all pages", Duration::from_secs(20), || {
        let up = http::query(server.port, "sum(up)", "");
        (up[0]["value"][1] == n_jobs).then_some(())
    });
    let found = http::query(server.port, "{job=~\".+\",__name__!~\"up|scrape_.*\"}", "");
    let read = |it: &Value| {
        let value = if it["histogram"].is_null() { &it["value"][1] } else { &it["histogram"][1] };
        (it["metric"].to_string(), value.to_string())
    };
    found.as_array().expect("a vector").iter().map(read).collect()
}

fn serve() -> u16 {
    serve_typed(|path| match path {
        "/open" => {
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", OPEN_METRICS.into())
        }
        "/proto" => (
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
            protobuf(),
        ),
        _ => ("text/plain; version=0.0.4; charset=utf-8", TEXT.into()),
    })
}

/// Starts a server with what pages may need turned on.
pub(crate) fn start(program: &Path, before: &[&str], config: &str) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_config(folder.path(), config);
    let flags = ["--enable-feature=native-histograms,exemplar-storage"];
    let server = Server::start(program, before, folder.path(), &flags);
    (folder, server)
}

/// The first exemplar of each series that has some: labels of both, and value.
pub(crate) fn exemplars(server: &Server) -> Vec<[String; 3]> {
    let query = http::escape("{job=~\".+\"}");
    let path = format!("query_exemplars?query={query}&start=1400000000&end=9999999999");
    let show = |it: &Value| {
        let exemplar = &it["exemplars"][0];
        [&it["seriesLabels"], &exemplar["labels"], &exemplar["value"]].map(Value::to_string)
    };
    let found = http::api(server.port, &path);
    let mut all: Vec<_> = found.as_array().expect("a list").iter().map(show).collect();
    all.sort();
    all
}

#[test]
fn pages_are_stored_as_upstream_stores_them() {
    let Some(prometheus) = peer("prometheus") else { return };
    let port = serve();
    let native = "  scrape_native_histograms: true\n";
    let (_ours, ours) = start(pyrrha(), &["server"], &config(port, native));
    let (_theirs, theirs) = start(&prometheus, &[], &config(port, ""));
    let (found, expected) = (stored(&ours, 3), stored(&theirs, 3));
    assert_eq!(found, expected);
    assert_eq!(found.len(), 30, "{found:?}");
    let found = exemplars(&ours);
    assert_eq!(found, exemplars(&theirs));
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn classic_histograms_become_native_ones() {
    let convert = "  convert_classic_histograms_to_nhcb: true\n";
    let (_folder, server) = start(pyrrha(), &["server"], &config(serve(), convert));
    let found = stored(&server, 3);
    let of = |name: &str| {
        let start = format!("{{\"__name__\":\"{name}\"");
        found.iter().find(|it| it.0.starts_with(&start)).map(|it| &it.1[..])
    };
    let buckets = "[[3,\"-Inf\",\"0.5\",\"1\"],[0,\"0.5\",\"1\",\"2\"],[0,\"1\",\"+Inf\",\"1\"]]";
    let expected = format!("{{\"count\":\"4\",\"sum\":\"12.25\",\"buckets\":{buckets}}}");
    assert_eq!(of("h"), Some(&expected[..]), "{found:?}");
    assert_eq!((of("h_bucket"), of("ph_sum"), of("q_sum")), (None, None, Some("\"-1.5\"")));
    let quantile = http::query(server.port, "histogram_quantile(0.5, h)", "");
    assert_eq!(quantile[0]["value"][1], "0.75");
}
