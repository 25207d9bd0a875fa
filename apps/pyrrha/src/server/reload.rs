//! Loads the configuration and applies it to the running parts: whole, or not at all.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use api::{Api, Loaded};
use client::{Gauge, Registry};
use config::{Config, FloatEncoding};
use discovery::Mechanism;
use promql_engine::Engine;
use scrape::{Job, Protocol};
use stdx::{Clock, SystemDirectory};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tsdb::retention::Retention;

use super::changes::Files;
use super::found;
use super::mechanisms::mechanisms;
use super::settings::{self, RETENTION_MS_DEFAULT, Settings};
use super::store::Store;
use super::{translate, zero};
use crate::host;

/// Owns the parts that a configuration steers.
pub(super) struct Reloader {
    /// `None`: the zero-config start.
    file: Option<String>,
    database: tsdb::Options,
    retention_is_default: bool,
    block_range_max_is_given: bool,
    exemplars: bool,
    agent: bool,
    /// A zero is stored where a counter began.
    zero_at_start: bool,
    synthesise_starts: bool,
    type_and_unit_labels: bool,
    extra_metrics: bool,
    alignment_ms_max: i64,
    discovery_pause: Duration,
    registry: Arc<Registry>,
    successful: Arc<Gauge>,
    success_timestamp: Arc<Gauge>,
    running: Option<Running>,
    /// What the configuration in force was loaded from.
    loaded_from: Option<Files>,
}

struct Running {
    store: Store,
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    scrape: Arc<scrape::Manager>,
    discovery: discovery::Manager,
    /// Hands what discovery finds to scraping.
    targets: JoinHandle<()>,
    own_page: scrape::Page,
    host_page: scrape::Page,
}

/// Why start times and XOR chunks exclude each other, in upstream's words.
const XOR_WITHOUT_STARTS: &str = "float chunk encoding \"xor\" is incompatible with start-timestamp storage; XOR chunks do not store start timestamps, use \"xor2\"";

/// Pages that are being scraped may take this share of the memory limit, and never less than so many bytes.
const PAGES_SHARE: u64 = 32;
const PAGES_BYTES_MIN: u64 = 16 << 20;

/// What all pages that are being scraped may take; 0 is no bound.
fn page_bytes(memory_limit: u64) -> usize {
    match memory_limit {
        0 => 0,
        limit => usize::try_from((limit / PAGES_SHARE).max(PAGES_BYTES_MIN)).unwrap_or(usize::MAX),
    }
}

impl Reloader {
    pub(super) fn new(settings: &Settings, registry: &Arc<Registry>) -> Self {
        Self {
            file: settings.config_file.as_ref().map(|it| it.to_string_lossy().into_owned()),
            database: settings.database.clone(),
            retention_is_default: settings.retention_is_default,
            block_range_max_is_given: settings.block_range_max_is_given,
            exemplars: settings.exemplars,
            agent: settings.agent.is_some(),
            zero_at_start: settings.zero_at_start,
            synthesise_starts: settings.synthesise_starts,
            type_and_unit_labels: settings.engine.type_and_unit_labels,
            extra_metrics: settings.extra_scrape_metrics,
            alignment_ms_max: settings.alignment_ms_max,
            discovery_pause: settings.discovery_pause,
            registry: Arc::clone(registry),
            successful: registry.gauge(
                "prometheus_config_last_reload_successful",
                "Whether the last configuration reload attempt was successful.",
            ),
            success_timestamp: registry.gauge(
                "prometheus_config_last_reload_success_timestamp_seconds",
                "Timestamp of the last successful configuration reload.",
            ),
            running: None,
            loaded_from: None,
        }
    }

    /// True if what is in force is not what the files say, or they cannot be read.
    pub(super) fn has_changed(&self) -> bool {
        self.loaded_from.as_ref().is_some_and(Files::have_changed)
    }

    /// The configuration's file, for messages.
    pub(super) fn file(&self) -> &str {
        self.file.as_deref().unwrap_or("(none)")
    }

    /// Reads and checks the configuration, and applies nothing.
    pub(super) fn load(&self) -> Result<Config, String> {
        let Some(file) = &self.file else {
            return Config::load(zero::CONFIG, &config::Options::default());
        };
        let env = |name: &str| std::env::var(name).ok();
        let options =
            config::Options { agent: self.agent, env: &env, ..config::Options::default() };
        let config = Config::load_file(Path::new(file), &SystemDirectory::new(""), &options)
            .map_err(|error| {
                format!("couldn't load configuration (--config.file={file:?}): {error}")
            })?;
        let database = self.database_options(&config);
        if database.store_starts && !database.float_xor2 {
            return Err(XOR_WITHOUT_STARTS.to_owned());
        }
        // What cannot be translated must be refused before anything is applied.
        for job in config.jobs() {
            translate::job(job)?;
            mechanisms(job)?;
        }
        Ok(config)
    }

    /// The database's options: the flags', unless the configuration has a section about retention.
    pub(super) fn database_options(&self, config: &Config) -> tsdb::Options {
        let mut options = self.database.clone();
        if let Some(retention) = &config.storage.tsdb.retention {
            options.retention_ms = retention.time_ms.unwrap_or(0);
            options.retention_bytes = u64::try_from(retention.size_bytes).unwrap_or(0);
            options.retention_percentage = retention.percentage;
            if !self.block_range_max_is_given {
                let max = settings::block_range_max_ms(options.retention_ms);
                options.block_range_max_ms = max.max(options.block_range_min_ms);
            }
        } else if self.retention_is_default {
            options.retention_ms = RETENTION_MS_DEFAULT;
        }
        options.float_xor2 = match config.storage.tsdb.float_encoding {
            FloatEncoding::Unset => options.float_xor2,
            FloatEncoding::Xor => false,
            FloatEncoding::Xor2 => true,
        };
        options.out_of_order_window_ms = config.storage.tsdb.out_of_order_time_window_ms;
        options.stale_series_threshold = config.storage.tsdb.stale_series_compaction_threshold;
        if self.exemplars {
            let max = config.storage.max_exemplars.unwrap_or(config::DEFAULT_MAX_EXEMPLARS);
            options.exemplars_max = usize::try_from(max).unwrap_or(0);
        }
        options
    }

    /// Starts discovery and scraping, without jobs.
    pub(super) fn start(
        &mut self,
        store: Store,
        engine: Arc<Engine>,
        clock: Arc<dyn Clock>,
        registry: &Arc<Registry>,
        scraping: &Handle,
    ) {
        let metrics = Arc::new(discovery::Metrics::new(registry));
        let user_agent = format!("Pyrrha/{}", crate::VERSION);
        let (discovery, found) =
            discovery::Manager::start(discovery::Options::new("scrape", &user_agent), metrics);
        let scrape = Arc::new(scrape::Manager::new(scrape::Parts {
            appendable: store.appendable(),
            clock: Arc::clone(&clock),
            registry,
            user_agent,
            page_bytes: page_bytes(self.database.memory_limit_bytes),
            alignment_ms_max: self.alignment_ms_max,
            runtime: scraping.clone(),
        }));
        let manager = Arc::clone(&scrape);
        let update = move |job: &str, groups: &[_]| manager.update(job, groups);
        let targets = tokio::spawn(found::hand_on(found, self.discovery_pause, update));
        let own_page = host::own_page(Arc::clone(&self.registry));
        let host_page = host::host_page(Arc::clone(&clock));
        self.running =
            Some(Running { store, engine, clock, scrape, discovery, targets, own_page, host_page });
    }

    /// Who scrapes, once started.
    pub(super) fn scrape(&self) -> Option<Arc<scrape::Manager>> {
        self.running.as_ref().map(|it| Arc::clone(&it.scrape))
    }

    /// Opens the query log that the configuration names, anew even if it is the same.
    ///
    /// # Errors
    /// If it cannot be opened; the one before stays.
    pub(super) fn open_query_log(config: &Config, api: &Api) -> Result<(), String> {
        let file = &config.global.query_log_file;
        let path = (!file.is_empty()).then(|| Path::new(file));
        api.set_query_log(path)
            .map_err(|error| format!("can't create json log file: open {file}: {error}"))
    }

    /// Applies a configuration that [`Reloader::load`] returned.
    pub(super) async fn apply(&mut self, config: Config, api: &Api) {
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        for section in config.not_acted_upon() {
            tracing::warn!(%section, "section is read and not acted upon yet");
        }
        self.loaded_from = self.file.as_ref().map(|it| Files::of(it, &config));
        let options = self.database_options(&config);
        let running = self.running.as_ref().expect("the parts are started first");
        if 0 < options.retention_bytes && 0.0 < options.retention_percentage {
            tracing::warn!(
                "storage.tsdb.retention.percentage takes precedence over storage.tsdb.retention.size"
            );
        }
        if let Some(db) = running.store.database() {
            apply_to(db, &options);
        }
        running.engine.set_subquery_step_ms(config.global.evaluation_interval_ms);
        let seed = scrape::offset_seed(
            &hostname(),
            &model::Labels::from_pairs(&config.global.external_labels),
        );
        for error in running.scrape.apply(self.jobs(&config, running), seed) {
            tracing::error!(err = %error, "a scrape job cannot run");
        }
        running.discovery.apply(mechanisms_of_jobs(&config)).await;
        let t = running.clock.now_ms();
        api.set_loaded(Loaded {
            yaml: config.to_yaml(),
            jobs: Arc::new(config.jobs().map(|it| (it.job_name.clone(), it.to_yaml())).collect()),
            t,
            ok: true,
            retention: retention_text(&options),
        });
        self.successful.set(1.0);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
        self.success_timestamp.set(t as f64 / 1000.0);
    }

    /// Loads and applies.
    ///
    /// # Errors
    /// What is wrong with the configuration; the one before stays in force.
    pub(super) async fn reload(&mut self, api: &Api) -> Result<(), String> {
        tracing::info!(filename = %self.file(), "Loading configuration file");
        match self.load().and_then(|config| {
            check_clients(&config)?;
            // The last that can fail, as it takes effect.
            Self::open_query_log(&config, api)?;
            Ok(config)
        }) {
            Ok(config) => {
                self.apply(config, api).await;
                tracing::info!(filename = %self.file(), "Completed loading of configuration file");
                Ok(())
            }
            Err(error) => {
                self.successful.set(0.0);
                api.set_load_failed();
                Err(error)
            }
        }
    }

    /// Stops discovery, then scraping.
    pub(super) async fn shutdown(&mut self) {
        let Some(running) = self.running.take() else { return };
        running.discovery.shutdown().await;
        // It ends with discovery; a panic in it was logged when it happened.
        let _ = running.targets.await;
        running.scrape.stop().await;
    }

    /// What is switched on for all jobs.
    fn with_features(&self, job: Job, protocols_are_written: bool) -> Job {
        let starts = scrape::Starts {
            stored: self.database.store_starts,
            zero: self.zero_at_start,
            synthesised: self.synthesise_starts,
        };
        let protocols = if starts.is_any() && !protocols_are_written {
            Protocol::PROTOBUF_FIRST.to_vec()
        } else {
            job.protocols
        };
        let extra_metrics = job.extra_metrics || self.extra_metrics;
        Job {
            log_metadata: self.database.log_metadata,
            type_and_unit_labels: self.type_and_unit_labels,
            starts,
            protocols,
            extra_metrics,
            ..job
        }
    }

    fn jobs(&self, config: &Config, running: &Running) -> Vec<Job> {
        let mut jobs: Vec<Job> = config
            .jobs()
            .map(|it| {
                let job = translate::job(it).expect("a loaded configuration was translated before");
                self.with_features(job, it.scrape_protocols_written)
            })
            .collect();
        if self.file.is_none() {
            zero::set_sources(&mut jobs, &running.own_page, &running.host_page);
        }
        jobs
    }
}

fn apply_to(db: &tsdb::Db, options: &tsdb::Options) {
    db.set_retention(Retention {
        time_ms: options.retention_ms,
        bytes: options.retention_bytes,
        percentage: options.retention_percentage,
    });
    db.set_exemplars_max(options.exemplars_max);
    db.set_float_xor2(options.float_xor2);
    db.set_out_of_order_window(options.out_of_order_window_ms);
    db.set_stale_series_threshold(options.stale_series_threshold);
}

/// Builds every job's HTTP client once, so that a certificate that cannot be read refuses the whole reload. (At the
/// start it stops its own job only, as upstream.)
fn check_clients(config: &Config) -> Result<(), String> {
    for job in config.jobs() {
        let options = translate::job(job)?.http;
        httpclient::Client::new(options)
            .map_err(|error| format!("scrape job {:?}: {error}", job.job_name))?;
    }
    Ok(())
}

/// How the targets of each job are found.
fn mechanisms_of_jobs(config: &Config) -> BTreeMap<String, Vec<Mechanism>> {
    let of_job = |job: &config::ScrapeConfig| {
        let all = mechanisms(job).expect("a loaded configuration was translated before");
        (job.job_name.clone(), all)
    };
    config.jobs().map(of_job).collect()
}

fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// As `/status/runtimeinfo` shows it: `15d`, `1GiB`, `15d or 1GiB or 50%`.
fn retention_text(options: &tsdb::Options) -> String {
    let mut parts = Vec::new();
    if 0 < options.retention_ms {
        parts.push(model::duration::format(options.retention_ms));
    }
    if 0 < options.retention_bytes {
        parts
            .push(config::size::format(i64::try_from(options.retention_bytes).unwrap_or(i64::MAX)));
    }
    if 0.0 < options.retention_percentage {
        parts.push(format!("{}%", stdx::gofloat::format_g(options.retention_percentage)));
    }
    parts.join(" or ")
}
