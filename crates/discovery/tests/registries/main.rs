//! Consul and Kubernetes against stub servers, seen through a manager's snapshots.

mod consul;
mod kubernetes;
mod labels;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use client::Registry;
use discovery::{Manager, Mechanism, Metrics, Options, Service, TargetSets};
use model::{Labels, TargetGroup};
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a change may take to be seen.
const LONG: Duration = Duration::from_secs(20);

/// A manager with one job.
struct Fixture {
    manager: Manager,
    snapshots: watch::Receiver<Arc<TargetSets>>,
    registry: Registry,
}

impl Fixture {
    /// Starts with one entry under a key, written as in `prometheus.yml`.
    async fn start(key: &str, entry: &str) -> Self {
        let registry = Registry::default();
        let pause_min = Duration::from_millis(1);
        let pause_max = Duration::from_secs(30);
        let options = Options { pause_min, pause_max, ..Options::new("scrape", "Pyrrha/test") };
        let (manager, snapshots) = Manager::start(options, Arc::new(Metrics::new(&registry)));
        let jobs = BTreeMap::from([("j".to_owned(), vec![mechanism(key, entry)])]);
        manager.apply(jobs).await;
        Fixture { manager, snapshots, registry }
    }

    /// Waits until the addresses of all targets, sorted, are as expected.
    async fn expect(&mut self, expected: &str) {
        let is_there = |sets: &Arc<TargetSets>| addresses(sets).is_some_and(|it| it == expected);
        let found = self.snapshots.wait_for(is_there);
        if timeout(LONG, found).await.is_err() {
            panic!("expected {expected:?}, found {:?}", addresses(&self.snapshots.borrow()));
        }
    }

    /// The groups, sorted by source.
    fn groups(&self) -> Vec<Arc<TargetGroup>> {
        let mut groups = self.snapshots.borrow().get("j").cloned().unwrap_or_default();
        groups.sort_by(|a, b| a.source.cmp(&b.source));
        groups
    }

    /// The value of a sample of the metrics page.
    fn metric(&self, sample: &str) -> f64 {
        let page = client::text_page(&self.registry);
        let line = page.lines().find_map(|it| it.strip_prefix(sample)?.strip_prefix(' '));
        line.and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("no {sample} in {page}"))
    }
}

fn mechanism(key: &str, entry: &str) -> Mechanism {
    let text = format!("scrape_configs: [{{job_name: j, {key}: [{entry}]}}]");
    let config = config::Config::load(text.as_bytes(), &config::Options::default());
    let config = config.unwrap_or_else(|it| panic!("{it}: {text}"));
    let others = &config.scrape_configs[0].discovery.others;
    let (key, sections) = others.first_key_value().expect("there is an entry");
    let http = httpclient::Options::default();
    Mechanism::Service(Box::new(Service { key, section: sections[0].clone(), http }))
}

/// `None`: nothing was published yet.
fn addresses(sets: &TargetSets) -> Option<String> {
    let targets = sets.get("j")?.iter().flat_map(|it| &it.targets);
    let mut addresses: Vec<_> = targets.map(|it| it.value("__address__").to_owned()).collect();
    addresses.sort();
    Some(addresses.join(" "))
}

/// A group as text: its source, the labels that all share, and those of each target.
fn print(group: &TargetGroup) -> String {
    let print = |labels: &Labels, indent: &str| -> String {
        labels.iter().map(|(name, value)| format!("{indent}{name}={value:?}\n")).collect()
    };
    let targets = group.targets.iter().map(|it| format!("  target\n{}", print(it, "    ")));
    let targets: String = targets.collect();
    format!("{}\n{}{targets}", group.source, print(&group.labels, "  "))
}
