//! A cluster that changes, and an API server that fails.

use serde_json::{Value, json};
use testkit::Kubernetes;

use super::Fixture;

const PODS: &str = "/api/v1/pods";

/// A pod of the namespace `ns` with an address and no port.
fn pod(name: &str, ip: &str) -> Value {
    let container = json!({"name": "c", "image": "i"});
    let spec = json!({"nodeName": "n1", "containers": [container]});
    json!({
        "kind": "Pod", "metadata": {"name": name, "namespace": "ns"},
        "spec": spec, "status": {"podIP": ip}
    })
}

async fn discover(server: &Kubernetes, entry: &str) -> Fixture {
    let entry = format!("{{api_server: 'http://127.0.0.1:{}/', {entry}}}", server.port);
    Fixture::start("kubernetes_sd_configs", &entry).await
}

/// How often a path was asked for, with a name in the query.
fn n_asked(server: &Kubernetes, path: &str, name: &str) -> usize {
    let asked = server.asked();
    asked.iter().filter(|it| it.path == path && it.query.iter().any(|it| it.0 == name)).count()
}

/// Waits until the server was asked for something so often.
async fn wait_asked(server: &Kubernetes, path: &'static str, name: &'static str, n: usize) {
    let server = server.clone();
    let waited = tokio::task::spawn_blocking(move || server.wait_asked(path, name, n)).await;
    waited.expect("it was asked");
}

#[tokio::test]
async fn follows_objects() {
    let server = Kubernetes::start();
    server.set(&pod("a", "10.0.0.1"));
    let mut it = discover(&server, "role: pod").await;
    it.expect("10.0.0.1").await;
    assert_eq!(it.groups()[0].source, "pod/ns/a");
    server.set(&pod("b", "10.0.0.2"));
    it.expect("10.0.0.1 10.0.0.2").await;
    server.set(&pod("a", "10.0.0.3"));
    it.expect("10.0.0.2 10.0.0.3").await;
    server.set(&pod("b", ""));
    it.expect("10.0.0.3").await;
    server.remove(&pod("a", ""));
    it.expect("").await;
    for (event, n) in [("add", 2.0), ("update", 2.0), ("delete", 1.0)] {
        let name =
            format!("prometheus_sd_kubernetes_events_total{{role=\"pod\",event=\"{event}\"}}");
        assert_eq!(it.metric(&name), n, "{event}");
    }
    assert_eq!(it.metric("prometheus_sd_kubernetes_failures_total"), 0.0);
    assert_eq!(n_asked(&server, PODS, "limit"), 1, "listed once");
    it.manager.shutdown().await;
}

#[tokio::test]
async fn lists_page_by_page() {
    let server = Kubernetes::start();
    server.set_page_max(2);
    for n in 1..=5 {
        server.set(&pod(&format!("p{n}"), &format!("10.0.0.{n}")));
    }
    let mut it = discover(&server, "role: pod").await;
    it.expect("10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5").await;
    assert_eq!(n_asked(&server, PODS, "continue"), 2);
    it.manager.shutdown().await;
}

#[tokio::test]
async fn goes_on_where_a_watch_was_cut() {
    let server = Kubernetes::start();
    server.set(&pod("a", "10.0.0.1"));
    let mut it = discover(&server, "role: pod").await;
    it.expect("10.0.0.1").await;
    for n in 2..5 {
        wait_asked(&server, PODS, "watch", n - 1).await;
        server.drop_watches();
        server.set(&pod("b", &format!("10.0.0.{n}")));
        it.expect(&format!("10.0.0.1 10.0.0.{n}")).await;
    }
    assert_eq!(n_asked(&server, PODS, "limit"), 1, "listed once");
    it.manager.shutdown().await;
}

#[tokio::test]
async fn lists_again_when_its_version_expired() {
    let server = Kubernetes::start();
    server.set(&pod("a", "10.0.0.1"));
    server.set(&pod("b", "10.0.0.2"));
    let mut it = discover(&server, "role: pod").await;
    it.expect("10.0.0.1 10.0.0.2").await;
    wait_asked(&server, PODS, "watch", 1).await;
    server.drop_watches();
    // What was deleted meanwhile is in no event any more.
    server.remove(&pod("a", ""));
    server.set(&pod("c", "10.0.0.3"));
    server.expire();
    it.expect("10.0.0.2 10.0.0.3").await;
    assert_eq!(n_asked(&server, PODS, "limit"), 2);
    let failures = it.metric("prometheus_sd_kubernetes_failures_total");
    assert!(failures <= 1.0, "{failures}: only the cut is one");
    it.manager.shutdown().await;
}

/// A bookmark keeps the version young though no object of the kind changes.
#[tokio::test]
async fn heeds_bookmarks() {
    let server = Kubernetes::start();
    server.set(&pod("a", "10.0.0.1"));
    let mut it = discover(&server, "role: pod").await;
    it.expect("10.0.0.1").await;
    server.bookmark(PODS);
    server.set(&pod("b", "10.0.0.2"));
    it.expect("10.0.0.1 10.0.0.2").await;
    server.bookmark(PODS);
    wait_asked(&server, PODS, "watch", 1).await;
    // The bookmark and what comes behind it have been seen.
    server.set(&pod("c", "10.0.0.3"));
    it.expect("10.0.0.1 10.0.0.2 10.0.0.3").await;
    server.drop_watches();
    wait_asked(&server, PODS, "watch", 2).await;
    let asked = server.asked();
    let last = asked.iter().rfind(|it| !it.value("watch").is_empty()).expect("a watch");
    assert_eq!(last.value("resourceVersion"), "5");
    assert_eq!(last.value("allowWatchBookmarks"), "true");
    it.manager.shutdown().await;
}

/// Answers that are none: each is counted, and nothing is lost.
#[tokio::test]
async fn survives_garbage() {
    let ok = "HTTP/1.1 200 OK\r\n";
    let line = |text: &str| {
        format!("{ok}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{text}\r\n0\r\n\r\n", text.len())
    };
    let garbage = [
        "nonsense\r\n\r\n".to_owned(),
        String::new(),
        format!("{ok}Content-Length: 2\r\n\r\n{{}}"),
        format!("{ok}Content-Length: 9\r\n\r\n[1, 2, 3]"),
        format!("{ok}Content-Length: 100\r\n\r\n{{\"metadata\":"),
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 20\r\n\r\n{\"message\": \"no, no\"}".to_owned(),
        line("{}\n"),
        line("garbage\n"),
        line("{\"type\": \"ADDED\", \"object\": {\"metadata\": {\"name\": 1}}}\n"),
        line("{\"type\": \"ERROR\", \"object\": {\"code\": 500, \"message\": \"broken\"}}\n"),
        line("{\"type\": \"DANCED\", \"object\": {}}\n"),
    ];
    let mut all = tokio::task::JoinSet::new();
    garbage.into_iter().for_each(|it| drop(all.spawn(survive(it))));
    all.join_all().await;
}

/// Answers with garbage to the first list, and to a watch.
async fn survive(raw: String) {
    let server = Kubernetes::start();
    server.set(&pod("a", "10.0.0.1"));
    server.answer_next(&raw);
    let mut it = discover(&server, "role: pod").await;
    it.expect("10.0.0.1").await;
    wait_asked(&server, PODS, "watch", 1).await;
    server.answer_next(&raw);
    server.drop_watches();
    server.set(&pod("a", "10.0.0.2"));
    it.expect("10.0.0.2").await;
    let failures = it.metric("prometheus_sd_kubernetes_failures_total");
    assert!((2.0..=4.0).contains(&failures), "{failures}: {raw}");
    it.manager.shutdown().await;
}

#[tokio::test]
async fn follows_what_groups_are_made_of() {
    let server = Kubernetes::start();
    let node =
        |zone: &str| json!({"kind": "Node", "metadata": {"name": "n1", "labels": {"zone": zone}}});
    server.set(&pod("a", "10.0.0.1"));
    let mut it = discover(&server, "role: pod, attach_metadata: {node: true}").await;
    // The pod's node is not there.
    it.expect("").await;
    server.set(&node("z1"));
    it.expect("10.0.0.1").await;
    let zone =
        |it: &Fixture| it.groups()[0].labels.value("__meta_kubernetes_node_label_zone").to_owned();
    assert_eq!(zone(&it), "z1");
    server.set(&node("z2"));
    let labels = it.snapshots.wait_for(|sets| {
        let mut groups = sets["j"].iter();
        groups.any(|it| it.labels.value("__meta_kubernetes_node_label_zone") == "z2")
    });
    assert!(tokio::time::timeout(super::LONG, labels).await.is_ok());
    server.remove(&node(""));
    it.expect("").await;
    it.manager.shutdown().await;
}

#[tokio::test]
async fn endpoints_follow_their_pods() {
    let server = Kubernetes::start();
    let reference = json!({"kind": "Pod", "namespace": "ns", "name": "a"});
    server.set(&json!({
        "kind": "Endpoints", "metadata": {"name": "web", "namespace": "ns"},
        "subsets": [{
            "addresses": [{"ip": "10.0.0.1", "targetRef": reference}],
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]
        }]
    }));
    let mut it = discover(&server, "role: endpoints").await;
    it.expect("10.0.0.1:80").await;
    let mut pod = pod("a", "10.0.0.1");
    pod["spec"]["containers"][0]["ports"] = json!([{"containerPort": 81, "protocol": "TCP"}]);
    server.set(&pod);
    it.expect("10.0.0.1:80 10.0.0.1:81").await;
    server.remove(&pod);
    it.expect("10.0.0.1:80").await;
    it.manager.shutdown().await;
}

#[tokio::test]
async fn asks_for_what_is_selected() {
    let server = Kubernetes::start();
    let in_namespace = |namespace: &str, ip: &str| {
        let mut pod = pod("a", ip);
        pod["metadata"]["namespace"] = json!(namespace);
        pod
    };
    for (n, namespace) in ["one", "two", "three"].into_iter().enumerate() {
        server.set(&in_namespace(namespace, &format!("10.0.0.{n}")));
    }
    let entry = "role: pod, namespaces: {names: [one, two]}, selectors: [{role: pod, label: 'a in (b,c)', field: 'x=y'}]";
    let mut it = discover(&server, entry).await;
    it.expect("10.0.0.0 10.0.0.1").await;
    server.remove(&in_namespace("one", ""));
    it.expect("10.0.0.1").await;
    for asked in server.asked() {
        assert_eq!(
            (asked.value("labelSelector"), asked.value("fieldSelector")),
            ("a in (b,c)", "x=y")
        );
        assert!(asked.path.starts_with("/api/v1/namespaces/"), "{}", asked.path);
    }
    it.manager.shutdown().await;
}

/// Metadata alone is enough of those that only name an owner.
#[tokio::test]
async fn asks_for_no_more_than_it_needs() {
    let server = Kubernetes::start();
    let mut it = discover(&server, "role: pod, attach_metadata: {cronjob: true}").await;
    it.expect("").await;
    let asked = server.asked();
    let head = |path: &str| asked.iter().find(|it| it.path == path).map(|it| it.head.clone());
    let jobs = head("/apis/batch/v1/jobs").expect("jobs are listed");
    assert!(jobs.contains("as=PartialObjectMetadataList"), "{jobs}");
    assert!(head(PODS).is_some_and(|it| it.contains("Accept: application/json\r\n")));
    it.manager.shutdown().await;
}

/// Discovers pods by a kubeconfig file until one is found. `user` is the file's user, FOLDER in it where the file is,
/// beside a file `token` with this text. Returns what was asked.
async fn by_kubeconfig(user: &str, token: &str, first_answer: &str) -> Vec<testkit::stub::Asked> {
    let server = Kubernetes::start();
    server.set(&pod("a", "10.0.0.1"));
    if !first_answer.is_empty() {
        server.answer_next(first_answer);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config");
    let user = user.replace("FOLDER", &folder.path().display().to_string());
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters:\n- name: k\n  cluster: {{server: 'http://127.0.0.1:{}'}}\n\
         contexts:\n- {{name: c, context: {{cluster: k, user: u}}}}\nusers:\n- name: u\n  user: {user}\n",
        server.port
    );
    std::fs::write(&path, text).expect("a file");
    std::fs::write(folder.path().join("token"), token).expect("a file");
    let entry = format!("{{role: pod, kubeconfig_file: '{}'}}", path.display());
    let mut it = Fixture::start("kubernetes_sd_configs", &entry).await;
    it.expect("10.0.0.1").await;
    it.manager.shutdown().await;
    server.asked()
}

#[tokio::test]
async fn reads_kubeconfig() {
    let asked = by_kubeconfig("{tokenFile: token, as: someone}", "secret\n", "").await;
    let head = &asked[0].head;
    assert!(head.contains("Authorization: Bearer secret\r\n"), "{head}");
    assert!(head.contains("Impersonate-User: someone\r\n"), "{head}");
    assert!(head.contains("User-Agent: Pyrrha/test\r\n"), "{head}");
}

/// A token that is refused is not shown again.
#[tokio::test]
async fn takes_tokens_from_a_program() {
    let user = "{exec: {command: sh, args: [FOLDER/token], env: [{name: AT, value: FOLDER/n}]}}";
    let script = r#"echo x >> $AT; echo "{\"status\": {\"token\": \"t$(wc -l < $AT)\"}}""#;
    let refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    let asked = by_kubeconfig(user, script, refusal).await;
    let token =
        |at: usize| asked[at].head.lines().find_map(|it| it.strip_prefix("Authorization: "));
    assert_eq!((token(0), token(1)), (Some("Bearer t1"), Some("Bearer t2")));
}
