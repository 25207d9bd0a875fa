//! `consul_sd_configs`: the services of a Consul catalog.
//!
//! ```text
//! catalog (a task, unless the services are given) ─names▶ one task for each service ─group▶ manager
//! ```
//!
//! Each task asks by blocking queries: an answer comes when something has changed, or after two minutes. Between two
//! questions of a task there is at least a refresh interval, so that a busy catalog costs no more than one answer in
//! that time. A failure changes nothing, and is tried again.

mod agent;
mod entry;
mod metrics;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use model::{Labels, TargetGroup};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{error, warn};

use self::agent::{Agent, Question};
use self::entry::{Entry, group};
pub(crate) use self::metrics::ConsulMetrics;
use crate::discoverer::{Discoverer, Failure, Stop, Updates};
use crate::mechanism::Setup;

/// The pause after a failure.
const RETRY: Duration = Duration::from_secs(15);

/// How long the first report waits for all services.
const HOLD: Duration = Duration::from_secs(5);

/// The shortest refresh interval.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Services that are watched at most: each costs a connection.
const SERVICES_MAX: usize = 16_384;

/// Reports that wait to be taken; more make their tasks wait.
const REPORTS_MAX: usize = 64;

/// What is wanted of a catalog.
#[derive(Debug)]
struct Wanted {
    /// Empty: all.
    services: Vec<String>,
    /// A service has to have all of them.
    tags: Vec<String>,
    /// Which services, in Consul's words.
    filter: String,
    /// Which of a service's instances, in Consul's words.
    health_filter: String,
    tag_separator: String,
    interval: Duration,
    /// The pause after a failure.
    retry: Duration,
    /// How long the first report waits for all services.
    hold: Duration,
}

struct ConsulDiscoverer {
    agent: Agent,
    wanted: Wanted,
}

/// The tags of each service.
type Catalog = BTreeMap<String, Option<Vec<Box<str>>>>;

/// What a task found.
#[derive(Debug)]
enum Report {
    /// The names of the services that there are.
    Catalog(BTreeSet<String>),
    /// The instances of a service.
    Service(String, TargetGroup),
    /// Nothing, yet: a service, or the catalog.
    Failed(Option<String>),
}

pub(crate) fn build(setup: &Setup<'_>) -> Result<Box<dyn Discoverer>, Failure> {
    Ok(Box::new(discoverer(setup)?))
}

fn discoverer(setup: &Setup<'_>) -> Result<ConsulDiscoverer, Failure> {
    let section = setup.section;
    let wanted = Wanted {
        services: section.texts("services").to_vec(),
        tags: section.texts("tags").to_vec(),
        filter: section.text("filter").to_owned(),
        health_filter: section.text("health_filter").to_owned(),
        tag_separator: section.text("tag_separator").to_owned(),
        interval: setup.duration("refresh_interval").max(INTERVAL_MIN),
        retry: RETRY,
        hold: HOLD,
    };
    Ok(ConsulDiscoverer { agent: Agent::new(setup)?, wanted })
}

impl Wanted {
    /// Whether the catalog has to be watched to know the services.
    fn needs_catalog(&self) -> bool {
        self.services.is_empty() || !self.tags.is_empty() || !self.filter.is_empty()
    }

    fn has_service(&self, name: &str, tags: &[Box<str>]) -> bool {
        let is_named = self.services.is_empty() || self.services.iter().any(|it| it == name);
        is_named && self.tags.iter().all(|tag| tags.iter().any(|it| it.as_ref() == tag))
    }
}

impl Discoverer for ConsulDiscoverer {
    fn run(
        self: Box<Self>,
        updates: Updates,
        stop: Stop,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.discover(updates, stop))
    }
}

impl ConsulDiscoverer {
    async fn discover(self, updates: Updates, mut stop: Stop) {
        let datacenter = tokio::select! {
            () = stop.stopped() => return,
            datacenter = self.datacenter(&updates) => datacenter,
        };
        let (reports, mut received) = mpsc::channel(REPORTS_MAX);
        let release = Instant::now() + self.wanted.hold;
        let task = Task { agent: self.agent, wanted: self.wanted, datacenter, reports };
        let mut watches = Watches::new(Arc::new(task));
        loop {
            let groups = tokio::select! {
                () = stop.stopped() => break,
                Some(report) = received.recv() => watches.take(report),
                () = sleep_until(release), if watches.held.is_some() => watches.held.take(),
            };
            if let Some(groups) = groups {
                updates.send(groups).await;
            }
        }
        watches.tasks.shutdown().await;
    }

    /// Asks the agent for its datacenter, until it tells.
    async fn datacenter(&self, updates: &Updates) -> String {
        if !self.agent.datacenter.is_empty() {
            return self.agent.datacenter.clone();
        }
        let mut connection = self.agent.connection();
        let mut is_first = true;
        loop {
            match self.agent.own_datacenter(&mut connection).await {
                Ok(datacenter) => return datacenter,
                Err(why) => {
                    error!(discovery = "consul", err = %why, "Error retrieving datacenter name");
                }
            }
            if is_first {
                // Others are not to wait for what may never come.
                updates.send(Vec::new()).await;
            }
            is_first = false;
            sleep(self.wanted.retry).await;
        }
    }
}

/// The tasks that watch, and what is known of their services.
struct Watches {
    task: Arc<Task>,
    /// Ends its tasks when it is dropped.
    tasks: JoinSet<()>,
    services: BTreeMap<String, Watch>,
    /// Groups of the first report, until all services have answered or have had their time.
    held: Option<Vec<TargetGroup>>,
    knows_catalog: bool,
}

struct Watch {
    task: AbortHandle,
    /// It has reported, if only a failure.
    has_reported: bool,
}

impl Watches {
    fn new(task: Arc<Task>) -> Self {
        let mut watches = Watches {
            tasks: JoinSet::new(),
            services: BTreeMap::new(),
            held: Some(Vec::new()),
            knows_catalog: !task.wanted.needs_catalog(),
            task,
        };
        let task = Arc::clone(&watches.task);
        if watches.knows_catalog {
            watches.watch(&task.wanted.services.iter().cloned().collect());
        } else {
            watches.tasks.spawn(task.watch_catalog());
        }
        watches
    }

    /// Takes a report. Returns groups to pass on; those of the first reports are passed on together.
    fn take(&mut self, report: Report) -> Option<Vec<TargetGroup>> {
        let mut groups = match report {
            Report::Catalog(names) => self.watch(&names),
            Report::Service(name, group) => {
                // It may have been told to end after it sent this.
                self.services.get_mut(&name)?.has_reported = true;
                vec![group]
            }
            Report::Failed(Some(name)) => {
                self.services.get_mut(&name)?.has_reported = true;
                Vec::new()
            }
            Report::Failed(None) => {
                self.knows_catalog = true;
                Vec::new()
            }
        };
        let Some(held) = &mut self.held else {
            return (!groups.is_empty()).then_some(groups);
        };
        held.append(&mut groups);
        let is_whole = self.knows_catalog && self.services.values().all(|it| it.has_reported);
        if is_whole { self.held.take() } else { None }
    }

    /// Watches these services and no others. Returns empty groups for those that are gone.
    fn watch(&mut self, names: &BTreeSet<String>) -> Vec<TargetGroup> {
        self.knows_catalog = true;
        let mut gone = Vec::new();
        self.services.retain(|name, watch| {
            let stays = names.contains(name);
            if !stays {
                watch.task.abort();
                let (source, labels) = (name.clone(), Labels::empty());
                gone.push(TargetGroup { source, targets: Vec::new(), labels });
            }
            stays
        });
        // The ends of those that were told to.
        while self.tasks.try_join_next().is_some() {}
        for name in names {
            if self.services.contains_key(name) {
                continue;
            }
            if SERVICES_MAX <= self.services.len() {
                warn!(
                    discovery = "consul",
                    max = SERVICES_MAX,
                    "too many services, some are not watched"
                );
                break;
            }
            let task = self.tasks.spawn(Arc::clone(&self.task).watch_service(name.clone()));
            self.services.insert(name.clone(), Watch { task, has_reported: false });
        }
        gone
    }
}

/// What the tasks share.
struct Task {
    agent: Agent,
    wanted: Wanted,
    datacenter: String,
    reports: mpsc::Sender<Report>,
}

impl Task {
    async fn watch_catalog(self: Arc<Self>) {
        let question = Question {
            endpoint: "catalog",
            call: "services",
            path: "/v1/catalog/services".to_owned(),
            tags: &[],
            filter: &self.wanted.filter,
        };
        let report = |answer: Option<Catalog>| {
            let Some(mut catalog) = answer else { return Report::Failed(None) };
            catalog.retain(|name, tags| {
                self.wanted.has_service(name, tags.as_deref().unwrap_or_default())
            });
            Report::Catalog(catalog.into_keys().collect())
        };
        self.follow(&question, report).await;
    }

    async fn watch_service(self: Arc<Self>, name: String) {
        let question = Question {
            endpoint: "health",
            call: "service",
            path: format!("/v1/health/service/{}", crate::query::escape(&name)),
            tags: &self.wanted.tags,
            filter: &self.wanted.health_filter,
        };
        let (datacenter, separator) = (&self.datacenter, &self.wanted.tag_separator);
        let report = |answer: Option<Vec<Entry>>| match answer {
            Some(entries) => {
                Report::Service(name.clone(), group(&name, datacenter, separator, &entries))
            }
            None => Report::Failed(Some(name.clone())),
        };
        self.follow(&question, report).await;
    }

    /// Asks for ever, and reports every answer that says something new, and a first failure.
    async fn follow<T: DeserializeOwned + Send + 'static>(
        &self,
        question: &Question<'_>,
        report: impl Fn(Option<T>) -> Report,
    ) {
        let mut connection = self.agent.connection();
        let (mut index, mut is_first) = (0, true);
        loop {
            let start = Instant::now();
            match self.agent.ask(&mut connection, question, index).await {
                Ok((answer, answered)) => {
                    if is_news(index, answered) {
                        self.report(report(Some(answer))).await;
                    }
                    index = next_index(index, answered);
                    sleep_until(start + self.wanted.interval).await;
                }
                Err(why) => {
                    error!(discovery = "consul", err = %why, path = question.path, "Error refreshing service");
                    if is_first {
                        self.report(report(None)).await;
                    }
                    sleep(self.wanted.retry).await;
                }
            }
            is_first = false;
        }
    }

    async fn report(&self, report: Report) {
        // Nobody takes it only when the whole discovery ends, and this with it.
        _ = self.reports.send(report).await;
    }
}

/// Whether an answer differs from the one before. Servers that do not count are always believed.
fn is_news(before: u64, now: u64) -> bool {
    now != before || now == 0
}

/// What the next question waits for a change of. A server that counts backwards has begun anew.
fn next_index(before: u64, now: u64) -> u64 {
    if now < before { 0 } else { now }
}

#[cfg(any(fuzzing, test))]
pub(crate) fn fuzz(body: &[u8]) {
    let _ = crate::json::parse::<Catalog>(body);
    if let Ok(entries) = crate::json::parse::<Vec<Entry>>(body) {
        group("service", "dc", ",", &entries);
    }
}

#[cfg(test)]
mod tests;
