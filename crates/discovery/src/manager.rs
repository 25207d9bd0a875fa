//! Owns the providers of all jobs and publishes what they find.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use model::TargetGroup;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error};

use crate::discoverer::{Failure, Running, Stop, Update, Updates};
use crate::mechanism::{Mechanism, Start};
use crate::metrics::{Metrics, seconds};
use crate::pacing::Pacing;

/// The groups of each job now. Every job of the configuration is there, also without groups.
pub type TargetSets = HashMap<String, Vec<Arc<TargetGroup>>>;

/// How a manager works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Names the manager in metrics: `scrape`, `notify`.
    pub name: String,
    /// The `User-Agent` of requests.
    pub user_agent: String,
    /// Names the servers that are asked about names.
    pub resolv_conf: PathBuf,
    /// Pause between a change and its snapshot, after quiet.
    pub pause_min: Duration,
    /// The same under constant change; also how long a new mechanism's first report is waited for.
    pub pause_max: Duration,
}

impl Options {
    /// Returns upstream's pauses, 100 ms to 5 s, and the system's `resolv.conf`.
    pub fn new(name: &str, user_agent: &str) -> Self {
        Options {
            name: name.to_owned(),
            user_agent: user_agent.to_owned(),
            resolv_conf: "/etc/resolv.conf".into(),
            pause_min: Duration::from_millis(100),
            pause_max: Duration::from_secs(5),
        }
    }
}

/// Finds the targets of a set of jobs.
///
/// Dropped without [`shutdown`](Manager::shutdown) it ends too, but nobody waits for its tasks.
#[derive(Debug)]
pub struct Manager {
    commands: mpsc::Sender<Apply>,
    task: JoinHandle<()>,
}

/// A new configuration, and whom to tell that it is in force, and what of it is not.
struct Apply {
    jobs: BTreeMap<String, Vec<Mechanism>>,
    done: oneshot::Sender<Vec<String>>,
}

/// Updates that wait for the manager; more make their providers wait.
const UPDATES_MAX: usize = 64;

impl Manager {
    /// Starts a manager without jobs. The receiver sees each new snapshot, or only the latest if it
    /// is slow.
    pub fn start(
        options: Options,
        metrics: Arc<Metrics>,
    ) -> (Self, watch::Receiver<Arc<TargetSets>>) {
        let (output, snapshots) = watch::channel(Arc::default());
        let (commands, received) = mpsc::channel(1);
        let (sender, updates) = mpsc::channel(UPDATES_MAX);
        let state = State {
            pacing: Pacing::new(options.pause_min, options.pause_max),
            options,
            metrics,
            output,
            sender,
            jobs: BTreeMap::new(),
            providers: Vec::new(),
            n_started: 0,
            holding: false,
            tasks: JoinSet::new(),
        };
        let task = tokio::spawn(run(state, received, updates));
        (Manager { commands, task }, snapshots)
    }

    /// Replaces the mechanisms of all jobs. Returns once those that are new have been started and those
    /// that are gone have been told to stop; what they found is published soon after.
    ///
    /// Mechanisms that cannot be started are logged and counted, and the others run; it returns why.
    pub async fn apply(&self, jobs: BTreeMap<String, Vec<Mechanism>>) -> Vec<String> {
        let (done, wait) = oneshot::channel();
        // An error means that the manager ended, which only its owner can make it do.
        match self.commands.send(Apply { jobs, done }).await {
            Ok(()) => wait.await.unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }

    /// Stops all providers and waits for them.
    pub async fn shutdown(self) {
        drop(self.commands);
        if let Err(problem) = self.task.await {
            error!(%problem, "discovery manager failed");
        }
    }
}

/// What the manager's task holds.
struct State {
    options: Options,
    metrics: Arc<Metrics>,
    output: watch::Sender<Arc<TargetSets>>,
    /// Copied for each provider.
    sender: mpsc::Sender<Update>,
    /// The providers of each job, by id, in the order of the configuration.
    jobs: BTreeMap<String, Vec<u64>>,
    providers: Vec<Provider>,
    n_started: u64,
    pacing: Pacing,
    /// True while new providers' first reports are waited for.
    holding: bool,
    /// The tasks of the providers, also of those that were told to stop.
    tasks: JoinSet<()>,
}

struct Provider {
    id: u64,
    mechanism: Mechanism,
    /// By source.
    groups: BTreeMap<String, Arc<TargetGroup>>,
    has_reported: bool,
    /// Held so that the task runs: it stops when this is dropped.
    _running: Option<Running>,
}

async fn run(
    mut state: State,
    mut commands: mpsc::Receiver<Apply>,
    mut updates: mpsc::Receiver<Update>,
) {
    loop {
        let due = state.pacing.due();
        tokio::select! {
            command = commands.recv() => match command {
                Some(Apply { jobs, done }) => _ = done.send(state.apply(jobs)),
                None => break,
            },
            Some(update) = updates.recv() => state.take(update),
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => state.publish(),
            Some(ended) = state.tasks.join_next() => log_end(ended),
        }
    }
    // A provider that waits to send would not see that it has to stop.
    drop(updates);
    state.providers.clear();
    while let Some(ended) = state.tasks.join_next().await {
        log_end(ended);
    }
}

fn log_end(ended: Result<(), tokio::task::JoinError>) {
    match ended {
        Ok(()) => debug!("discovery provider ended"),
        Err(problem) => error!(%problem, "discovery provider failed"),
    }
}

impl State {
    fn apply(&mut self, jobs: BTreeMap<String, Vec<Mechanism>>) -> Vec<String> {
        let mut before = mem::take(&mut self.providers);
        self.forget_jobs_but(&jobs);
        let mut failed = Vec::new();
        for (job, mechanisms) in jobs {
            let mut ids = Vec::new();
            for mechanism in mechanisms {
                let kind = mechanism.name();
                match self.provider(&job, mechanism, &mut before) {
                    Ok(id) => ids.push(id),
                    Err(why) => {
                        error!(err = %why, r#type = kind, config = job, "Cannot create service discovery");
                        failed.push(why.to_string());
                    }
                }
            }
            self.jobs.insert(job, ids);
        }
        // Their tasks stop.
        drop(before);
        self.metrics.failed_configs.get(&[&self.options.name]).set(failed.len() as f64);
        self.holding = !self.all_reported();
        let now = Instant::now();
        self.pacing.hold_until(if self.holding { now + self.options.pause_max } else { now });
        failed
    }

    /// Returns the provider that runs a mechanism already, in the new configuration or the one before, or
    /// starts one.
    fn provider(
        &mut self,
        job: &str,
        mechanism: Mechanism,
        before: &mut Vec<Provider>,
    ) -> Result<u64, Failure> {
        if let Some(found) = self.providers.iter().find(|it| it.mechanism == mechanism) {
            return Ok(found.id);
        }
        let provider = match before.iter().position(|it| it.mechanism == mechanism) {
            Some(at) => before.swap_remove(at),
            None => self.start(job, mechanism)?,
        };
        let id = provider.id;
        self.providers.push(provider);
        Ok(id)
    }

    fn start(&mut self, job: &str, mechanism: Mechanism) -> Result<Provider, Failure> {
        let start = mechanism.start(job, &self.options, &self.metrics)?;
        self.n_started += 1;
        let id = self.n_started;
        let mut provider = Provider {
            id,
            mechanism,
            groups: BTreeMap::new(),
            has_reported: false,
            _running: None,
        };
        match start {
            Start::Done(groups) => _ = provider.take(groups),
            Start::Run(discoverer) => {
                let (running, stop) = Stop::new();
                provider._running = Some(running);
                let updates = Updates::new(id, self.sender.clone());
                self.tasks.spawn(discoverer.run(updates, stop));
            }
        }
        Ok(provider)
    }

    fn take(&mut self, update: Update) {
        // A provider that was told to stop may still have sent something.
        let Some(provider) = self.providers.iter_mut().find(|it| it.id == update.provider) else {
            return;
        };
        self.metrics.received_updates.get(&[&self.options.name]).inc();
        let changed = provider.take(update.groups);
        let now = Instant::now();
        if self.holding {
            if self.all_reported() {
                self.holding = false;
                self.pacing.changed_by(now);
            }
        } else if changed && self.pacing.changed(now) {
            self.metrics.delayed_updates.get(&[&self.options.name]).inc();
        }
    }

    fn all_reported(&self) -> bool {
        self.providers.iter().all(|it| it.has_reported)
    }

    fn publish(&mut self) {
        self.holding = false;
        self.pacing.published(Instant::now());
        let sets: TargetSets =
            self.jobs.iter().map(|(job, ids)| (job.clone(), self.groups(ids))).collect();
        let name = self.options.name.as_str();
        for (job, groups) in &sets {
            let n_targets: usize = groups.iter().map(|it| it.targets.len()).sum();
            self.metrics.discovered_targets.get(&[name, job]).set(n_targets as f64);
        }
        self.metrics.sent_updates.get(&[name]).inc();
        self.metrics.last_update_timestamp.get(&[name]).set(seconds(SystemTime::now()));
        self.output.send_replace(Arc::new(sets));
    }

    fn groups(&self, ids: &[u64]) -> Vec<Arc<TargetGroup>> {
        let provider = |id: &u64| self.providers.iter().find(|it| it.id == *id);
        ids.iter().filter_map(provider).flat_map(|it| it.groups.values().cloned()).collect()
    }

    /// Forgets the jobs; the metrics of those that are gone too.
    fn forget_jobs_but(&mut self, jobs: &BTreeMap<String, Vec<Mechanism>>) {
        let mut gone = mem::take(&mut self.jobs);
        gone.retain(|job, _| !jobs.contains_key(job));
        self.metrics.forget(&self.options.name, |job| gone.contains_key(job));
    }
}

impl Provider {
    /// Takes groups in. Returns whether that changed anything; a group equal to the one before
    /// stays itself.
    fn take(&mut self, groups: Vec<TargetGroup>) -> bool {
        let mut changed = !mem::replace(&mut self.has_reported, true);
        for group in groups {
            if group.targets.is_empty() {
                changed |= self.groups.remove(&group.source).is_some();
            } else if self.groups.get(&group.source).is_none_or(|it| **it != group) {
                self.groups.insert(group.source.clone(), Arc::new(group));
                changed = true;
            }
        }
        changed
    }
}
