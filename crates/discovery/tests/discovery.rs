//! A manager with static and file mechanisms, seen through its snapshots.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use client::Registry;
use discovery::{FileOptions, Manager, Mechanism, Metrics, Options, Service, TargetSets};
use model::{Labels, TargetGroup};
use tokio::sync::watch;
use tokio::time::timeout;

struct Fixture {
    manager: Manager,
    snapshots: watch::Receiver<Arc<TargetSets>>,
    registry: Registry,
    folder: tempfile::TempDir,
}

impl Fixture {
    fn start() -> Self {
        let registry = Registry::default();
        let options = Options {
            pause_min: Duration::from_millis(1),
            pause_max: Duration::from_secs(30),
            ..Options::new("scrape", "test")
        };
        let (manager, snapshots) = Manager::start(options, Arc::new(Metrics::new(&registry)));
        Fixture { manager, snapshots, registry, folder: tempfile::tempdir().expect("a folder") }
    }

    async fn apply(&self, jobs: &[(&str, &[Mechanism])]) {
        let jobs = jobs.iter().map(|(job, mechanisms)| ((*job).to_owned(), mechanisms.to_vec()));
        self.manager.apply(jobs.collect::<BTreeMap<_, _>>()).await;
    }

    fn write(&self, name: &str, content: &str) {
        // Renamed into place: a reader sees the old file or the new one.
        let part = self.folder.path().join("part");
        fs::write(&part, content).expect("a file");
        fs::rename(part, self.folder.path().join(name)).expect("a renamed file");
    }

    /// Files of the folder; they change only by being watched, unless `refresh` is short.
    fn files(&self, pattern: &str, refresh: Duration) -> Mechanism {
        let files = vec![format!("{}/{pattern}", self.folder.path().display())];
        Mechanism::File(FileOptions { files, refresh_interval: refresh })
    }

    /// Waits for a snapshot that prints as expected: `job: address,address; job: `.
    async fn expect(&mut self, expected: &str) {
        let found = self.snapshots.wait_for(|sets| print(sets) == expected);
        let found = timeout(Duration::from_secs(20), found).await.map(|it| it.is_ok());
        assert_eq!(
            found,
            Ok(true),
            "expected {expected}, found {}",
            print(&self.snapshots.borrow())
        );
    }

    fn groups(&self, job: &str) -> Vec<Arc<TargetGroup>> {
        self.snapshots.borrow()[job].clone()
    }
}

fn print(sets: &TargetSets) -> String {
    let sorted: BTreeMap<_, _> = sets.iter().collect();
    let job = |(job, groups): (&String, &Vec<Arc<TargetGroup>>)| {
        let targets = groups.iter().flat_map(|it| &it.targets).map(|it| it.value("__address__"));
        format!("{job}: {}", targets.collect::<Vec<_>>().join(","))
    };
    sorted.into_iter().map(job).collect::<Vec<_>>().join("; ")
}

fn fixed(targets: &str) -> Mechanism {
    let targets =
        targets.split_whitespace().map(|it| Labels::from_pairs([("__address__", it)])).collect();
    Mechanism::Static(vec![TargetGroup {
        source: "0".to_owned(),
        targets,
        labels: Labels::empty(),
    }])
}

const NEVER: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn publishes_static_groups() {
    let mut it = Fixture::start();
    it.apply(&[("a", &[fixed("a:1 a:2"), fixed("b:1")]), ("none", &[]), ("empty", &[fixed("")])])
        .await;
    it.expect("a: a:1,a:2,b:1; empty: ; none: ").await;
    it.apply(&[("a", &[fixed("a:2")])]).await;
    it.expect("a: a:2").await;
    let page = client::text_page(&it.registry);
    assert!(
        page.contains(r#"prometheus_sd_discovered_targets{name="scrape",config="a"} 1"#),
        "{page}"
    );
    assert!(!page.contains(r#"config="none""#), "{page}");
    it.manager.shutdown().await;
}

/// An entry that asks somebody, written as in `prometheus.yml`.
fn service(entry: &str) -> Mechanism {
    let text = format!("scrape_configs: [{{job_name: j, {entry}}}]");
    let config = config::Config::load(text.as_bytes(), &config::Options::default());
    let others = &config.expect("a good configuration").scrape_configs[0].discovery.others;
    let (key, sections) = others.first_key_value().expect("there is an entry");
    let http = httpclient::Options::default();
    Mechanism::Service(Box::new(Service { key, section: sections[0].clone(), http }))
}

/// What cannot be started is told and counted, who does not answer is not waited for, and nothing is told of jobs
/// that are gone.
#[tokio::test]
async fn goes_on_without_those_that_fail() {
    let mut it = Fixture::start();
    let port = testkit::free_port();
    let dead = service(&format!("http_sd_configs: [{{url: 'http://127.0.0.1:{port}'}}]"));
    let absent = service("eureka_sd_configs: [{server: 'http://127.0.0.1'}]");
    let jobs = [("a", vec![dead, fixed("a:1")]), ("b", vec![absent, fixed("b:1")])];
    let jobs = jobs.map(|(job, mechanisms)| (job.to_owned(), mechanisms));
    let failed = it.manager.apply(BTreeMap::from(jobs)).await;
    assert_eq!(failed, ["eureka_sd_configs is not supported yet"]);
    it.expect("a: a:1; b: b:1").await;
    let page = client::text_page(&it.registry);
    let of_a = r#"prometheus_sd_refresh_failures_total{mechanism="http",config="a"} 1"#;
    assert!(page.contains(of_a), "{page}");
    assert!(page.contains(r#"prometheus_sd_failed_configs{name="scrape"} 1"#), "{page}");

    it.apply(&[("b", &[fixed("b:2")])]).await;
    it.expect("b: b:2").await;
    let page = client::text_page(&it.registry);
    assert!(!page.contains(r#"config="a""#), "{page}");
    assert!(page.contains(r#"prometheus_sd_failed_configs{name="scrape"} 0"#), "{page}");
    it.manager.shutdown().await;
}

#[tokio::test]
async fn follows_files() {
    let mut it = Fixture::start();
    it.write("a.json", r#"[{"targets":["a:1"]},{"targets":["a:2"]}]"#);
    it.apply(&[
        ("files", &[it.files("*.json", NEVER), it.files("*.yml", NEVER)]),
        ("fixed", &[fixed("x")]),
    ])
    .await;
    it.expect("files: a:1,a:2; fixed: x").await;

    it.write("b.yml", "- targets: ['b:1']");
    it.expect("files: a:1,a:2,b:1; fixed: x").await;
    it.write("a.json", r#"[{"targets":["a:3"]}]"#);
    it.expect("files: a:3,b:1; fixed: x").await;

    it.write("b.yml", "- targets: [");
    it.write("c.yml", "- targets: ['c:1']");
    it.expect("files: a:3,b:1,c:1; fixed: x").await;
    let page = client::text_page(&it.registry);
    assert!(!page.contains("prometheus_sd_file_read_errors_total 0"), "{page}");

    fs::remove_file(it.folder.path().join("a.json")).expect("a removed file");
    it.expect("files: b:1,c:1; fixed: x").await;
    it.manager.shutdown().await;
}

#[tokio::test]
async fn follows_folders_behind_links() {
    let mut it = Fixture::start();
    let root = it.folder.path().to_owned();
    let add = |version: &str, target: &str| {
        fs::create_dir(root.join(version)).expect("a folder");
        fs::write(root.join(version).join("t.json"), format!(r#"[{{"targets":["{target}"]}}]"#))
            .expect("a file");
    };
    add("v1", "a:1");
    link("v1", &root.join("..data"));
    link("..data/t.json", &root.join("t.json"));
    it.apply(&[("a", &[it.files("t.json", NEVER)])]).await;
    it.expect("a: a:1").await;
    add("v2", "a:2");
    link("v2", &root.join("..new"));
    fs::rename(root.join("..new"), root.join("..data")).expect("a switched link");
    it.expect("a: a:2").await;
    it.manager.shutdown().await;
}

fn link(to: &str, at: &Path) {
    std::os::unix::fs::symlink(to, at).expect("a link");
}

#[tokio::test]
async fn reads_again_without_being_told() {
    let mut it = Fixture::start();
    // The folder does not exist yet, so it cannot be watched.
    it.apply(&[("a", &[it.files("later/*.json", Duration::ZERO)])]).await;
    it.expect("a: ").await;
    fs::create_dir(it.folder.path().join("later")).expect("a folder");
    it.write("later/t.json", r#"[{"targets":["a:1"],"labels":{"x":"1"}}]"#);
    it.expect("a: a:1").await;
    let path = it.folder.path().join("later/t.json").display().to_string();
    let group = it.groups("a").remove(0);
    assert_eq!(group.source, format!("{path}:0"));
    assert_eq!(group.labels, Labels::from_pairs([("__meta_filepath", path.as_str()), ("x", "1")]));
    it.manager.shutdown().await;
}

#[tokio::test]
async fn keeps_what_did_not_change() {
    let mut it = Fixture::start();
    it.write("a.json", r#"[{"targets":["a:1"]}]"#);
    let files = it.files("a.json", NEVER);
    it.apply(&[("a", std::slice::from_ref(&files))]).await;
    it.expect("a: a:1").await;
    let before = it.groups("a").remove(0);

    it.apply(&[("b", &[files.clone(), fixed("x")]), ("a", &[files])]).await;
    it.expect("a: a:1; b: a:1,x").await;
    assert!(Arc::ptr_eq(&before, &it.groups("a")[0]), "the provider kept running");
    assert!(Arc::ptr_eq(&before, &it.groups("b")[0]), "the provider is shared");

    it.apply(&[("b", &[fixed("x")])]).await;
    it.expect("b: x").await;
    it.manager.shutdown().await;
}

/// The snapshot after a change waits for the new mechanism: a target both know never goes.
#[tokio::test]
async fn does_not_lose_targets_between_configurations() {
    let mut it = Fixture::start();
    it.write("a.json", r#"[{"targets":["a:1"]}]"#);
    it.apply(&[("a", &[it.files("a.json", NEVER)])]).await;
    it.expect("a: a:1").await;
    it.snapshots.mark_unchanged();
    it.apply(&[("a", &[it.files("*.json", NEVER)])]).await;
    let changed = timeout(Duration::from_secs(20), it.snapshots.changed()).await;
    assert!(changed.is_ok_and(|it| it.is_ok()));
    assert_eq!(print(&it.snapshots.borrow()), "a: a:1");
    it.manager.shutdown().await;
}
