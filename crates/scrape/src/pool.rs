//! A job and the loops of its targets.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use model::{Labels, TargetGroup};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cache::Cache;
use crate::metadata::MetadataSize;
use crate::scrape_loop::{Context, JobContext, Loop, Phase};
use crate::status::{ActiveTarget, PoolStatus, Status};
use crate::target::{self, Fnv, Populated, Target};

/// A job and the loops of its targets.
pub(crate) struct Pool {
    context: Arc<Context>,
    pub(crate) job: Arc<JobContext>,
    /// What discovery found last.
    groups: Vec<Arc<TargetGroup>>,
    active: HashMap<u64, Active>,
    dropped: Vec<Labels>,
    n_dropped: usize,
}

/// A running loop.
struct Active {
    target: Arc<Target>,
    discovered: Labels,
    status: Arc<Status>,
    phase: watch::Sender<Phase>,
    handle: JoinHandle<Cache>,
}

/// A loop that was told to stop.
pub(crate) struct Retiring {
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) handle: JoinHandle<Cache>,
}

impl Active {
    fn retire(self, markers: bool) -> Retiring {
        self.phase.send_replace(Phase::Retired { markers });
        Retiring { phase: self.phase, handle: self.handle }
    }
}

impl Pool {
    pub(crate) fn new(context: Arc<Context>, job: JobContext) -> Self {
        let job = Arc::new(job);
        Self {
            context,
            job,
            groups: Vec::new(),
            active: HashMap::new(),
            dropped: Vec::new(),
            n_dropped: 0,
        }
    }

    /// Takes what discovery found: starts loops of new targets, retires those of lost ones, leaves the
    /// others alone. Nothing at all is done for the very groups that it has.
    pub(crate) fn sync(&mut self, groups: &[Arc<TargetGroup>]) -> Vec<Retiring> {
        let pairs = self.groups.iter().zip(groups);
        if self.groups.len() == groups.len() && pairs.into_iter().all(|(a, b)| Arc::ptr_eq(a, b)) {
            return Vec::new();
        }
        self.groups = groups.to_vec();
        let targets = self.populate();
        let lost: Vec<u64> =
            self.active.keys().filter(|it| !targets.contains_key(it)).copied().collect();
        let lost = lost.iter().filter_map(|it| self.active.remove(it));
        let retiring = lost.map(|it| it.retire(true)).collect();
        for (hash, target) in targets {
            match self.active.get_mut(&hash) {
                Some(active) => active.discovered = target.discovered,
                None => self.start(hash, target, None),
            }
        }
        self.note_size();
        retiring
    }

    /// Takes over from a pool of the same job with other settings.
    pub(crate) fn replace(&mut self, old: Self) -> Vec<Retiring> {
        let inherits = self.job.job.keeps_caches_of(&old.job.job);
        self.groups = old.groups;
        let mut donors: HashMap<u64, Active> =
            old.active.into_values().map(|it| (series_identity(&it.target), it)).collect();
        for (hash, target) in self.populate() {
            let donor = if inherits { donors.remove(&series_identity(&target)) } else { None };
            let before = donor.map(|it| {
                it.phase.send_replace(Phase::Retired { markers: false });
                it.handle
            });
            self.start(hash, target, before);
        }
        self.note_size();
        donors.into_values().map(|it| it.retire(true)).collect()
    }

    /// Retires all loops.
    pub(crate) fn stop(self) -> Vec<Retiring> {
        self.active.into_values().map(|it| it.retire(true)).collect()
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let name = self.job.job.name.clone();
        let mut active: Vec<ActiveTarget> = self.active.values().map(|it| it.view(&name)).collect();
        active.sort_by(|a, b| (&a.labels, &a.url).cmp(&(&b.labels, &b.url)));
        PoolStatus { name, active, dropped: self.dropped.clone(), n_dropped: self.n_dropped }
    }

    /// What is known of the families of all targets.
    pub(crate) fn metadata(&self) -> MetadataSize {
        let mut size = MetadataSize::default();
        for target in self.active.values() {
            size.add(target.status.families().size());
        }
        size
    }

    /// Makes targets of the groups; equal ones are one.
    fn populate(&mut self) -> HashMap<u64, Target> {
        let job = &self.job.job;
        let mut targets = HashMap::new();
        self.dropped.clear();
        self.n_dropped = 0;
        for made in self.groups.iter().flat_map(|group| target::from_group(job, group)) {
            match made {
                Ok(Populated::Target(target)) => drop(targets.insert(target.hash(), *target)),
                Ok(Populated::Dropped(labels)) => {
                    self.n_dropped += 1;
                    let kept = job.limits.kept_dropped_targets;
                    if kept == 0 || self.dropped.len() < kept {
                        self.dropped.push(labels);
                    }
                }
                Err(error) => {
                    tracing::error!(scrape_pool = job.name, err = error, "Creating target failed");
                    self.context.metrics.syncs_failed.get(&[&job.name]).inc();
                }
            }
        }
        targets
    }

    fn start(&mut self, hash: u64, target: Target, before: Option<JoinHandle<Cache>>) {
        let (phase, receiver) = watch::channel(Phase::Running);
        let (target, status) = (Arc::new(target), Arc::new(Status::default()));
        let cache = Cache { families: Arc::clone(&status.families), ..Cache::default() };
        let run = Loop {
            context: Arc::clone(&self.context),
            job: Arc::clone(&self.job),
            target: Arc::clone(&target),
            status: Arc::clone(&status),
            phase: receiver,
            cache,
        };
        let handle = self.context.runtime.spawn(run.run(before));
        let discovered = target.discovered.clone();
        self.active.insert(hash, Active { target, discovered, status, phase, handle });
    }

    /// Tells the loops whether there are too many of them, and whoever watches how many there are.
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    fn note_size(&self) {
        let (n, limit, name) = (self.active.len(), self.job.job.limits.targets, &self.job.job.name);
        let metrics = &self.context.metrics;
        let over = limit != 0 && limit < n;
        self.job.over_target_limit.store(if over { n } else { 0 }, Relaxed);
        if over {
            metrics.over_target_limit.inc();
        }
        metrics.targets.get(&[name]).set(n as f64);
        metrics.target_limit.get(&[name]).set(limit as f64);
        // Labels are shared by the whole database: no pool has a table of its own.
        metrics.symbols.get(&[name]).set(0.0);
        metrics.syncs.get(&[name]).inc();
    }
}

impl Active {
    fn view(&self, pool: &str) -> ActiveTarget {
        ActiveTarget {
            discovered: self.discovered.clone(),
            labels: self.target.public.clone(),
            pool: pool.to_owned(),
            url: self.target.shown_url().into_owned(),
            interval_ms: self.target.interval_ms,
            timeout_ms: self.target.timeout_ms,
            last: self.status.last().clone(),
            status: Arc::clone(&self.status),
        }
    }
}

/// Targets that are equal in this write the same series from the same page.
fn series_identity(target: &Target) -> u64 {
    let mut hash = Fnv::default();
    hash.update(target.public.as_bytes());
    hash.update(target.url.as_bytes());
    hash.0
}
