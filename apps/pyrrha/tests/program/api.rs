//! The HTTP API beside Debian's Prometheus: same requests, same answers.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use testkit::{http, peer, wait_for};

use crate::server::{Server, config, serve_pages, write_config};

/// Requests whose `data` must be equal.
const SAME: [&str; 15] = [
    "labels",
    "labels?match[]=m",
    "label/__name__/values",
    "label/a/values?match[]=m{b=\"1\"}",
    "label/nothing/values",
    "series?match[]=m",
    "series?match[]=m{a=~\"x|y\"}&match[]=up",
    "series?match[]={a!=\"\",b=\"1\"}",
    "metadata?metric=m",
    "metadata?metric=nothing",
    "query?query=1.5&time=1000",
    "query?query=\"text\"&time=1000.5",
    "query?query=vector(1)&time=1000",
    "query_range?query=time()&start=1000&end=1030&step=10",
    "query_exemplars?query=rate(m[5m])/other&start=1000&end=2000",
];

/// Requests that must fail alike: status and `errorType`.
const REFUSED: [&str; 15] = [
    "query?query=sum(",
    "query?query=",
    "query?query=up&time=x",
    "query?query=up&timeout=x",
    "query_range?query=up&start=10&end=5&step=1",
    "query_range?query=up&start=0&end=5&step=0",
    "query_range?query=up&start=0&end=50000&step=1",
    "query_range?query=up[5m]&start=0&end=50&step=1",
    "series",
    "series?match[]={}",
    "labels?match[]=m{",
    "label/a/values?start=x",
    "query_exemplars?query=m{",
    "query_exemplars?query=m&start=10&end=5",
    "query_exemplars?query=m&start=x",
];

/// Requests whose answers must have the same keys, all the way down.
const SAME_KEYS: [&str; 5] =
    ["targets", "targets?state=dropped", "status/tsdb", "status/buildinfo", "query?query=up"];

#[test]
fn answers_as_debians_prometheus() {
    let Some(prometheus) = peer("prometheus") else { return };
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let pages = serve_pages(|_| {
        "# HELP m Help of m.\n# TYPE m gauge\nm{a=\"x\",b=\"1\"} 1\nm{a=\"y\",b=\"1\"} 2\nm{a=\"z\"} 3\n".into()
    });
    for folder in &folders {
        write_config(folder.path(), &config("200ms", "j", &[format!("127.0.0.1:{pages}")]));
    }
    let ours = Server::ours(folders[0].path(), &[]);
    let theirs = Server::start(&prometheus, &[], folders[1].path(), &[]);
    for server in [&ours, &theirs] {
        wait_for("samples", Duration::from_secs(20), || {
            (http::query(server.port, "count(m)", "")[0]["value"][1] == "3").then_some(())
        });
    }
    let ask = |path: &str| {
        let path = format!(
            "/api/v1/{}",
            path.replace('"', "%22").replace('{', "%7B").replace('}', "%7D").replace('|', "%7C")
        );
        [&ours, &theirs].map(|it| {
            let answer = http::get(it.port, &path).unwrap();
            let json: Value = serde_json::from_str(&answer.body)
                .unwrap_or_else(|error| panic!("{path} on {}: {error}: {}", it.port, answer.body));
            (answer.status, json)
        })
    };
    for path in SAME {
        let [ours, theirs] = ask(path);
        assert_eq!((ours.0, sorted(ours.1)), (theirs.0, sorted(theirs.1)), "{path}");
    }
    for path in REFUSED {
        let [ours, theirs] = ask(path);
        assert_eq!(
            (ours.0, &ours.1["errorType"]),
            (theirs.0, &theirs.1["errorType"]),
            "{path}: {} {}",
            ours.1,
            theirs.1
        );
    }
    for path in SAME_KEYS {
        let [ours, theirs] = ask(path);
        let missing: Vec<String> = keys(&theirs.1).difference(&keys(&ours.1)).cloned().collect();
        assert!(missing.is_empty(), "{path}: we lack {missing:?}\n{}\n{}", ours.1, theirs.1);
    }
}

#[test]
fn what_only_later_versions_have() {
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &config("1s", "j", &[]));
    let server = Server::ours(folder.path(), &["--web.enable-lifecycle", "--web.route-prefix=/p"]);
    let get = |path: &str| http::get(server.port, &format!("/p{path}")).unwrap();
    let data = |path: &str| -> Value {
        serde_json::from_str::<Value>(&get(path).body).unwrap()["data"].take()
    };
    assert_eq!(data("/api/v1/format_query?query=sum%20by(a)(up)"), "sum by (a) (up)");
    let tree = data("/api/v1/parse_query?query=up%5B5m%5D");
    assert_eq!((&tree["type"], &tree["range"]), (&"matrixSelector".into(), &300_000.into()));
    assert_eq!(data("/api/v1/status/flags")["web.enable-lifecycle"], "true");
    assert_eq!(data("/api/v1/status/runtimeinfo")["storageRetention"], "15d");
    assert_eq!(data("/api/v1/scrape_pools")["scrapePools"], serde_json::json!(["j"]));
    let limited = get(
        "/api/v1/query?query=vector(1)%20or%20label_replace(vector(1),%22a%22,%22b%22,%22%22,%22%22)&limit=1",
    );
    assert!(limited.body.contains("results truncated due to limit"), "{}", limited.body);
    assert!(get("/version").body.contains("\"goVersion\""));
    assert!(get("/metrics").body.contains("\nprometheus_tsdb_head_series "));
    assert_eq!(http::get(server.port, "/").unwrap().status, 302);
    assert_eq!(get("/graph?g0.expr=up").status, 302);
    assert_eq!(get("/-/reload").status, 405);
    assert_eq!(http::post(server.port, "/p/-/quit", "").unwrap().status, 200);
    assert!(server.program.wait().success());
}

/// Lists in a fixed order: those of series and labels have none.
fn sorted(mut json: Value) -> Value {
    if let Some(list) = json["data"].as_array_mut() {
        list.sort_by_key(Value::to_string);
    }
    json
}

/// All paths of keys; lists count as their first item.
fn keys(json: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    collect(json, "", &mut all);
    all
}

fn collect(json: &Value, path: &str, all: &mut BTreeSet<String>) {
    match json {
        Value::Object(object) => {
            for (key, value) in object {
                let path = format!("{path}.{key}");
                collect(value, &path, all);
                all.insert(path);
            }
        }
        Value::Array(list) => {
            list.iter().take(1).for_each(|it| collect(it, &format!("{path}[]"), all))
        }
        _ => {}
    }
}
