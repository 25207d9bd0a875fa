//! All jobs.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use client::Registry;
use model::{TargetGroup, duration};
use relabel::Rule;
use stdx::Clock;
use storage::Appendable;
use tokio::runtime::Handle;

use crate::failure_log::FailureLog;
use crate::job::Job;
use crate::metadata::{Interner, MetadataSize};
use crate::metrics::Metrics;
use crate::page::Buffers;
use crate::pool::{Pool, Retiring};
use crate::room::Room;
use crate::scrape_loop::{Context, JobContext, Phase};
use crate::status::PoolStatus;
use crate::target::Fnv;

/// Scrapes the targets of all jobs.
pub struct Manager {
    context: Arc<Context>,
    /// Held while jobs or targets change, and to take a snapshot; a loop takes it only to make a page of metrics.
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    pools: BTreeMap<String, Pool>,
    retiring: Vec<Retiring>,
    logs: Vec<Weak<FailureLog>>,
}

/// What the manager works with.
pub struct Parts<'a> {
    /// Where samples go.
    pub appendable: Arc<dyn Appendable>,
    /// Tells the time of scrapes.
    pub clock: Arc<dyn Clock>,
    /// Where metrics are registered.
    pub registry: &'a Registry,
    /// The `User-Agent` of requests.
    pub user_agent: String,
    /// What the bytes of all pages together may take, about: where they would take more, they are read one after
    /// the other, and none may be four times as long. 0: no bound.
    pub page_bytes: usize,
    /// A scrape this close to its tick, and not farther from it than a hundredth of the interval, gets the tick's
    /// time: equal distances compress better.
    pub alignment_ms_max: i64,
    /// Where the loops run. With few threads of its own, scraping wakes no thread in vain: a scrape is a
    /// chain of short steps that never run at the same time.
    pub runtime: Handle,
}

/// A job that cannot run: why. It goes on with its old settings, if it has any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobError {
    /// The job.
    pub job: String,
    /// Why.
    pub error: String,
}

impl std::fmt::Display for JobError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "scrape pool {}: {}", self.job, self.error)
    }
}

impl std::error::Error for JobError {}

/// Makes the number that spreads the scrapes of a server over time, so that two servers with the same
/// jobs do not scrape at the same moment.
pub fn offset_seed(hostname: &str, external_labels: &model::Labels) -> u64 {
    let mut hash = Fnv::default();
    hash.update(hostname.as_bytes());
    hash.update(external_labels.to_string().as_bytes());
    hash.0
}

impl Manager {
    /// Starts without jobs.
    pub fn new(parts: Parts<'_>) -> Self {
        let context = Context {
            appendable: parts.appendable,
            clock: parts.clock,
            metrics: Metrics::new(parts.registry),
            buffers: Buffers::default(),
            room: Room::new(parts.page_bytes),
            alignment_ms_max: parts.alignment_ms_max,
            interner: Interner::default(),
            user_agent: parts.user_agent,
            runtime: parts.runtime,
        };
        let state = Arc::<Mutex<State>>::default();
        gather_metadata(parts.registry, &state);
        Self { context: Arc::new(context), state }
    }

    /// Takes a whole configuration: starts new jobs, stops those that are missing, restarts those whose
    /// settings differ, and leaves the others alone with their connections, caches and schedules. Logs of failures are
    /// opened anew. Returns the jobs that cannot run.
    pub fn apply(&self, jobs: Vec<Job>, seed: u64) -> Vec<JobError> {
        let mut state = self.lock();
        state.logs.iter().filter_map(Weak::upgrade).for_each(|it| it.reopen());
        let mut errors = Vec::new();
        let keep: HashMap<&str, ()> = jobs.iter().map(|it| (it.name.as_str(), ())).collect();
        let gone: Vec<String> =
            state.pools.keys().filter(|it| !keep.contains_key(it.as_str())).cloned().collect();
        for name in gone {
            let stopped = state.pools.remove(&name).map(Pool::stop);
            state.retiring.extend(stopped.into_iter().flatten());
            self.context.metrics.forget(&name);
        }
        for job in jobs {
            let same = state
                .pools
                .get(&job.name)
                .is_some_and(|it| it.job.job == job && it.job.seed == seed);
            if same {
                continue;
            }
            let name = job.name.clone();
            if let Err(error) = self.start(&mut state, job, seed) {
                tracing::error!(scrape_pool = name, err = error, "error creating new scrape pool");
                errors.push(JobError { job: name, error });
            }
        }
        state.retiring.retain(|it| !it.handle.is_finished());
        errors
    }

    /// Takes what discovery has found for a job: all of it, in groups that are shared with discovery and do not
    /// change. Unknown jobs are passed over.
    pub fn update(&self, job: &str, groups: &[Arc<TargetGroup>]) {
        let start = self.context.clock.monotonic();
        let mut state = self.lock();
        let Some(pool) = state.pools.get_mut(job) else { return };
        let retiring = pool.sync(groups);
        state.retiring.extend(retiring);
        state.retiring.retain(|it| !it.handle.is_finished());
        let took = self.context.clock.monotonic().saturating_sub(start);
        self.context.metrics.sync_length.get(&[job]).observe(took.as_secs_f64());
        self.context.metrics.sync_length_histogram.get(&[job]).observe(took.as_secs_f64());
    }

    /// All jobs with their targets, sorted by name.
    pub fn pools(&self) -> Vec<PoolStatus> {
        self.lock().pools.values().map(Pool::status).collect()
    }

    /// The rules that decide about a job's targets; `None` if there is no such job.
    pub fn relabel_rules(&self, job: &str) -> Option<Vec<Rule>> {
        self.lock().pools.get(job).map(|it| it.job.job.relabel.clone())
    }

    /// Stops all loops at once, without marking the end of series, and awaits them.
    pub async fn stop(&self) {
        let stopping: Vec<Retiring> = {
            let mut state = self.lock();
            let pools = std::mem::take(&mut state.pools);
            let mut stopping: Vec<_> = pools.into_values().flat_map(Pool::stop).collect();
            stopping.append(&mut state.retiring);
            stopping
        };
        for one in &stopping {
            one.phase.send_replace(Phase::Shutdown);
        }
        for one in stopping {
            // A loop that panicked has nothing left to stop.
            let _ = one.handle.await;
        }
    }

    fn start(&self, state: &mut State, job: Job, seed: u64) -> Result<(), String> {
        let metrics = &self.context.metrics;
        let begin = self.context.clock.monotonic();
        let old = state.pools.contains_key(&job.name);
        let (tries, failures) = if old {
            (&metrics.reloads, &metrics.reloads_failed)
        } else {
            (&metrics.pools, &metrics.pools_failed)
        };
        tries.inc();
        let failed = |error: String| {
            failures.inc();
            error
        };
        let client = httpclient::Client::new(job.http.clone());
        let client =
            client.map_err(|error| failed(format!("error creating HTTP client: {error}")))?;
        let failure_log = match &job.failure_log {
            Some(path) => Some(
                FailureLog::open(path, &mut state.logs)
                    .map_err(|error| failed(error.to_string()))?,
            ),
            None => None,
        };
        let (name, interval_ms) = (job.name.clone(), job.interval_ms);
        let job =
            JobContext { job, client, failure_log, seed, over_target_limit: AtomicUsize::new(0) };
        let mut pool = Pool::new(Arc::clone(&self.context), job);
        if let Some(old) = state.pools.remove(&name) {
            let retiring = pool.replace(old);
            state.retiring.extend(retiring);
            let took = self.context.clock.monotonic().saturating_sub(begin);
            metrics
                .reload_length
                .get(&[&duration::format(interval_ms)])
                .observe(took.as_secs_f64());
        }
        state.pools.insert(name, pool);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets metrics tell what is known of the metadata of each job.
#[expect(clippy::cast_precision_loss, reason = "counts and sizes are small")]
fn gather_metadata(registry: &Registry, state: &Arc<Mutex<State>>) {
    let all = |read: fn(MetadataSize) -> usize| {
        let state = Arc::downgrade(state);
        move || {
            let Some(state) = state.upgrade() else { return Vec::new() };
            let pools = &lock(&state).pools;
            pools.iter().map(|(job, pool)| (job.clone(), read(pool.metadata()) as f64)).collect()
        }
    };
    registry.gauges_fn(
        "prometheus_target_metadata_cache_entries",
        "Total number of metric metadata entries in the cache",
        "scrape_job",
        all(|it| it.entries),
    );
    registry.gauges_fn(
        "prometheus_target_metadata_cache_bytes",
        "The number of bytes that are currently used for storing metric metadata in the cache",
        "scrape_job",
        all(|it| it.bytes),
    );
}
