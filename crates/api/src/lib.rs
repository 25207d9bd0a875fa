//! The HTTP API v1, the management endpoints, and the pages.
//!
//! [`Api`] holds what answers need, as the app wired it; [`router`] makes the routes. An endpoint is one
//! file under `v1`: handler, parameters and JSON shape together. JSON is written straight from the
//! engine's columns as it is sent (`json`); `query` has the way of a query, from the queue to its last byte.
//!
//! Until [`Api::set_ready`], all that needs the storage answers `503 Service Unavailable`.

mod envelope;
mod json;
mod management;
mod pages;
mod param;
mod query;
mod request;
mod v1;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use axum::Router;
use client::Registry;
use promql_engine::Engine;
use stdx::Clock;
use storage::Queryable;
use tokio::sync::mpsc;

pub use management::Command;
use query::active_file::ActiveFile;
use query::running::Queries;

/// Facts and limits that do not change while the server runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Queries evaluated at once; further ones wait.
    pub queries_max: usize,
    /// Longest time of a query, waiting included.
    pub query_timeout: Duration,
    /// `/-/reload` and `/-/quit` work.
    pub lifecycle: bool,
    /// `/api/v1/admin` works.
    pub admin: bool,
    /// There is no database: what would need one says so.
    pub agent: bool,
    /// Which origins may read answers: a regular expression, anchored.
    pub cors_origin: regexp::Matcher,
    /// Path that all routes lie under, without a slash at its end: `""` or `/prefix`.
    pub route_prefix: String,
    /// Where users reach the server; replaces loopback hosts in the links of targets.
    pub external_url: String,
    /// All flags with their values as text.
    pub flags: BTreeMap<String, String>,
    /// What `/status/buildinfo` says.
    pub build: Build,
    /// The working directory, for `/status/runtimeinfo`.
    pub working_directory: String,
    /// The machine's name.
    pub hostname: String,
    /// Threads that evaluate queries.
    pub threads: usize,
}

/// What was built, and from what.
#[derive(Clone, Debug)]
pub struct Build {
    /// The version.
    pub version: String,
    /// The commit.
    pub revision: String,
    /// The branch.
    pub branch: String,
    /// When.
    pub date: String,
    /// The compiler.
    pub compiler: String,
}

/// What a reload changes.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The configuration with defaults filled in and secrets hidden.
    pub yaml: String,
    /// The same of each job, by name.
    pub jobs: Arc<BTreeMap<String, String>>,
    /// When it was loaded, in milliseconds.
    pub t: i64,
    /// False if a later load failed.
    pub ok: bool,
    /// Retention as text, such as `15d`.
    pub retention: String,
}

/// What answers are made from.
pub struct Api {
    options: Options,
    clock: Arc<dyn Clock>,
    start_t: i64,
    engine: Arc<Engine>,
    registry: Arc<Registry>,
    /// Set when the server is ready.
    parts: OnceLock<Parts>,
    /// Set when the database takes samples, which is before it is ready.
    starting: OnceLock<Arc<tsdb::Db>>,
    loaded: RwLock<Loaded>,
    commands: mpsc::Sender<Command>,
    state: AtomicU8,
    quitting: AtomicBool,
    queries: Arc<Queries>,
}

/// What is there once the server is ready.
#[derive(Clone)]
pub struct Parts {
    /// `None` for an agent.
    pub storage: Option<Storage>,
    /// Who scrapes, for targets and metadata.
    pub scrape: Arc<scrape::Manager>,
}

/// What is stored here.
#[derive(Clone)]
pub struct Storage {
    /// What queries read.
    pub queryable: Arc<dyn Queryable>,
    /// The local database, for its statistics.
    pub db: Arc<tsdb::Db>,
}

const STARTING: u8 = 0;
const READY: u8 = 1;
const STOPPING: u8 = 2;

impl Api {
    /// Wires the parts. `commands` receives what clients order: reload and quit.
    pub fn new(
        options: Options,
        clock: Arc<dyn Clock>,
        engine: Arc<Engine>,
        registry: Arc<Registry>,
        commands: mpsc::Sender<Command>,
    ) -> Arc<Self> {
        let queries = Arc::new(Queries::new(&registry, options.queries_max));
        let api = Arc::new(Self {
            start_t: clock.now_ms(),
            options,
            clock,
            engine,
            registry: Arc::clone(&registry),
            parts: OnceLock::new(),
            starting: OnceLock::new(),
            loaded: RwLock::default(),
            commands,
            state: AtomicU8::new(STARTING),
            quitting: AtomicBool::new(false),
            queries,
        });
        let weak = Arc::downgrade(&api);
        registry.gauge_fn("prometheus_ready", "Whether Prometheus startup was fully completed and the server is ready for normal operation.", move || {
            weak.upgrade().map_or(0.0, |it| f64::from(u8::from(it.is_ready())))
        });
        api
    }

    /// Hands in the database while it reads its log, to tell how far it is.
    pub fn set_starting(&self, db: Arc<tsdb::Db>) {
        assert!(self.starting.set(db).is_ok(), "the server starts once");
    }

    fn replay_status(&self) -> tsdb::ReplayStatus {
        self.starting.get().map(|it| it.replay_status()).unwrap_or_default()
    }

    /// Hands the parts in and lets all endpoints answer.
    pub fn set_ready(&self, parts: Parts) {
        assert!(self.parts.set(parts).is_ok(), "the server becomes ready once");
        self.state.store(READY, Relaxed);
    }

    /// Refuses from now on what needs the storage.
    pub fn set_stopping(&self) {
        self.state.store(STOPPING, Relaxed);
    }

    /// Keeps the file that tells after a crash which queries ran, and says what ran when the server ended last.
    /// The data directory is ours by now.
    pub fn keep_active_queries(&self, path: &Path) {
        match ActiveFile::create(path, self.options.queries_max) {
            Ok((file, left)) => {
                if let Some(queries) = left {
                    tracing::info!(queries, "These queries didn't finish in prometheus' last run:");
                }
                self.queries.set_file(file);
            }
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "there is no file of active queries");
            }
        }
    }

    /// Logs queries to this file from now on, or nowhere; it is opened anew even if it is the same.
    ///
    /// # Errors
    /// If it cannot be opened; all stays as it was.
    pub fn set_query_log(&self, path: Option<&Path>) -> std::io::Result<()> {
        self.queries.log().set_file(path)
    }

    /// Publishes a configuration that was applied.
    pub fn set_loaded(&self, loaded: Loaded) {
        *self.loaded.write().unwrap_or_else(std::sync::PoisonError::into_inner) = loaded;
    }

    /// Notes that a configuration could not be applied; the one before stays.
    pub fn set_load_failed(&self) {
        self.loaded.write().unwrap_or_else(std::sync::PoisonError::into_inner).ok = false;
    }

    fn loaded(&self) -> Loaded {
        self.loaded.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn is_ready(&self) -> bool {
        self.state.load(Relaxed) == READY
    }

    fn is_stopping(&self) -> bool {
        self.state.load(Relaxed) == STOPPING
    }
}

/// All routes, below the route prefix.
pub fn router(api: &Arc<Api>) -> Router {
    let routes = Router::new()
        .nest("/api/v1", v1::router(api))
        .merge(management::router(api))
        .merge(pages::router(api));
    if api.options.route_prefix.is_empty() {
        return routes;
    }
    let prefix = api.options.route_prefix.clone();
    let to_prefix = axum::routing::get(move || pages::redirect(format!("{prefix}/")));
    Router::new().route("/", to_prefix).nest(&api.options.route_prefix, routes)
}
