//! Objects in JSON, and the target groups that they are: `data/*.txt`, written anew with `UPDATE_EXPECT=1`.
//!
//! ```text
//! === the entry of the configuration
//! {an object}
//!
//! {another}
//! --- the groups
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use testkit::{Consul, Kubernetes};

use super::{Fixture, print};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/registries/data").join(name)
}

/// Runs all cases of a file. Returns the names of all labels that were seen.
async fn check(name: &str, groups_of: impl AsyncFn(&str, &[Value]) -> String) -> BTreeSet<String> {
    let text = std::fs::read_to_string(data(name)).expect("a file of cases");
    let mut found = String::new();
    for case in text.split("=== ").skip(1) {
        let (entry, rest) = case.split_once('\n').expect("the entry has a line");
        let (input, _) = rest.split_once("---\n").unwrap_or((rest, ""));
        let objects: Result<Vec<Value>, _> =
            serde_json::Deserializer::from_str(input).into_iter().collect();
        let objects = objects.unwrap_or_else(|it| panic!("{entry}: {it}"));
        found += &format!(
            "=== {entry}\n{}\n---\n{}\n",
            input.trim_end(),
            groups_of(entry, &objects).await
        );
    }
    let found = format!("{}\n", found.trim_end());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(data(name), &found).expect("the file can be written");
    }
    let mut differing = found.lines().zip(text.lines()).enumerate().filter(|(_, it)| it.0 != it.1);
    if found != text {
        panic!("{name}: found and expected differ first at line {:?}", differing.next());
    }
    let names = found.lines().filter_map(|it| it.trim_start().split_once("=\"")).map(|it| it.0);
    names.filter(|it| it.starts_with("__meta_")).map(str::to_owned).collect()
}

/// Checks that each label of a list was seen; `<…>` stands for any text.
fn check_seen(prefix: &str, seen: &BTreeSet<String>) {
    let list = std::fs::read_to_string(data(&format!("{prefix}_labels.txt"))).expect("a list");
    let missing = list.split_whitespace().filter(|label| {
        let (start, rest) = label.split_once('<').unwrap_or((label, ""));
        let name = format!("__meta_{prefix}_{start}");
        let is = |it: &&String| if rest.is_empty() { **it == name } else { it.starts_with(&name) };
        !seen.iter().any(|it| is(&it))
    });
    let missing: Vec<&str> = missing.collect();
    assert!(missing.is_empty(), "no case has {missing:?}");
}

/// Waits until there are groups, and prints them.
async fn groups(mut fixture: Fixture) -> String {
    let changed = fixture.snapshots.wait_for(|it| it.contains_key("j"));
    _ = tokio::time::timeout(super::LONG, changed).await.expect("a snapshot");
    let text = fixture.groups().iter().map(|it| print(it)).collect::<Vec<_>>().join("");
    fixture.manager.shutdown().await;
    text
}

#[tokio::test]
async fn kubernetes_objects_are_groups() {
    let seen = check("kubernetes.txt", async |entry, objects| {
        let server = Kubernetes::start();
        objects.iter().for_each(|it| server.set(it));
        let entry = format!("{{api_server: 'http://127.0.0.1:{}', {entry}}}", server.port);
        groups(Fixture::start("kubernetes_sd_configs", &entry).await).await
    })
    .await;
    check_seen("kubernetes", &seen);
}

#[tokio::test]
async fn consul_services_are_groups() {
    let seen = check("consul.txt", async |entry, objects| {
        let server = Consul::start();
        server.set("web", objects);
        let entry = format!("{{server: '127.0.0.1:{}', {entry}}}", server.port);
        groups(Fixture::start("consul_sd_configs", &entry).await).await
    })
    .await;
    check_seen("consul", &seen);
}
