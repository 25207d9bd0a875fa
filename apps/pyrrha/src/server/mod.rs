//! `pyrrha server`, and the zero-config start: the parts, wired.
//!
//! Start: flags and configuration are checked (exit 2), the listeners open at once and answer "not ready", the
//! database starts and takes samples, the configuration is applied and scraping begins, and when the log has been
//! read the server is ready. From then on, and already before, one loop takes signals and what clients order, until
//! the end: not ready, discovery, scraping, database, HTTP.

mod changes;
mod facts;
mod flags;
mod found;
pub(crate) mod mechanisms;
mod memory;
mod reload;
mod settings;
mod store;
pub(crate) mod translate;
mod zero;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use api::{Api, Command, Parts, Storage};
use client::Registry;
use httpserver::{Guard, Listeners};
use stdx::{Clock, Directory, SystemClock, SystemDirectory};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, interval_at};

use crate::flag::{self, Values};
use crate::log;
use reload::Reloader;
use settings::Settings;
use store::Store;

/// Commands from clients that wait; more make their senders wait.
const COMMANDS_MAX: usize = 8;

/// Stacks of worker threads: a query nested as deep as the parser allows needs 2 MiB in a debug build.
const STACK_BYTES: usize = 8 << 20;

/// A mistake on the command line or in the configuration.
const EXIT_USAGE: u8 = 2;
/// A flag of the other mode.
const EXIT_MODE: u8 = 3;

/// Runs the server with its arguments, its own name first. `zero`: without a configuration file.
pub(crate) fn main(args: Vec<String>, zero: bool) -> ExitCode {
    let command = clap::Command::new(if zero { "pyrrha" } else { "prometheus" })
        .about("The Prometheus monitoring server")
        .version(crate::VERSION);
    let matches = flag::add(command, flags::FLAGS).get_matches_from(args);
    let values = Values::new(&matches, flags::FLAGS);
    let level = if zero && !values.given().contains(&"log.level") {
        "warn"
    } else {
        values.text("log.level")
    };
    if let Err(error) = flags::check_mode(values.is_on("agent"), &values.given()) {
        eprintln!("{error}");
        return ExitCode::from(EXIT_MODE);
    }
    let settings =
        log::init(level, values.text("log.format")).and_then(|()| Settings::new(&values, zero));
    let settings = match settings {
        Ok(it) => it,
        Err(error) => {
            eprintln!("Error parsing command line arguments: {error}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    for name in values.given().iter().filter(|it| flags::NOT_YET.contains(it)) {
        tracing::warn!(flag = name, "flag is taken and not acted upon yet");
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = |name, threads| {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .worker_threads(threads)
            .thread_name(name)
            .thread_stack_size(STACK_BYTES)
            .build()
    };
    // Scraping has threads of its own: half of the cores keep up with what all of them can store, and the more
    // threads there are, the more of them are woken in vain.
    let (runtime, scraping) = match (runtime("server", cores), runtime("scrape", cores.div_ceil(2)))
    {
        (Ok(runtime), Ok(scraping)) => (runtime, scraping),
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "the runtime did not start");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(run(settings, scraping.handle()))
}

/// Ends the start if a share of the disk is to be kept and nobody knows how large it is.
fn refuse_share_of_unknown(settings: &Settings, config: &config::Config) -> Result<(), String> {
    let percentage = config.storage.tsdb.retention.as_ref().map_or(0.0, |it| it.percentage);
    if percentage == 0.0 {
        return Ok(());
    }
    let space = SystemDirectory::new(&settings.data).space();
    space.map(drop).map_err(|error| {
        let data = settings.data.display();
        format!("unable to detect total capacity of metric storage at {data}, please disable retention percentage ({percentage}%): {error}")
    })
}

async fn run(settings: Settings, scraping: &Handle) -> ExitCode {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let registry = Arc::new(Registry::default());
    let mut reloader = Reloader::new(&settings, &registry);
    let loaded = reloader.load();
    let config = match loaded.and_then(|it| refuse_share_of_unknown(&settings, &it).map(|()| it)) {
        Ok(it) => it,
        Err(error) => {
            tracing::error!(file = %reloader.file(), err = %error, "Error loading config");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let (listeners, guard) = match listen(&settings).await {
        Ok(it) => it,
        Err(code) => return code,
    };
    let addresses = listeners.addresses();
    facts::register(&registry, clock.as_ref());
    let engine = Arc::new(promql_engine::Engine::new(settings.engine.clone(), Arc::clone(&clock)));
    let (commands, mut received) = mpsc::channel(COMMANDS_MAX);
    let options = facts::api_options(&settings);
    let api =
        Api::new(options, Arc::clone(&clock), Arc::clone(&engine), Arc::clone(&registry), commands);
    if let Err(error) = Reloader::open_query_log(&config, &api) {
        tracing::error!(file = %reloader.file(), err = %error, "Error loading config");
        return ExitCode::FAILURE;
    }
    let metrics = httpserver::Metrics::new(&registry);
    let (stop, stopped) = watch::channel(false);
    let router = httpserver::layers(api::router(&api), &metrics);
    let http =
        tokio::spawn(httpserver::serve(listeners, router, settings.http.clone(), guard, stopped));

    let code = match open(&settings, &reloader, &config, &clock, &registry).await {
        Ok(store) => {
            if store.database().is_some() {
                api.keep_active_queries(&settings.data.join("queries.active"));
            }
            let watch = |db| memory::Watch::start(Arc::clone(db), Arc::clone(&engine));
            let memory = store.database().map(watch);
            if let Some(Err(error)) = &memory {
                tracing::error!(%error, "memory is not watched, so its limit does not hold");
            }
            reloader.start(
                store.clone(),
                Arc::clone(&engine),
                Arc::clone(&clock),
                &registry,
                scraping,
            );
            reloader.apply(config, &api).await;
            if let Some(db) = store.database() {
                api.set_starting(Arc::clone(db));
            }
            let scrape = reloader.scrape().expect("it was started");
            let set_ready = || {
                let of_db = |db: &Arc<tsdb::Db>| Storage {
                    queryable: Arc::clone(db) as _,
                    db: Arc::clone(db),
                };
                api.set_ready(Parts { storage: store.database().map(of_db), scrape });
                tracing::info!("Server is ready to receive web requests.");
                if settings.config_file.is_none() {
                    zero::print(&addresses, &settings);
                }
            };
            let end = tokio::select! {
                () = serve_until_told(&mut received, &mut reloader, &api, settings.auto_reload) => Ok(()),
                error = when_loaded(store.clone(), set_ready) => Err(error),
            };
            api.set_stopping();
            reloader.shutdown().await;
            drop(memory);
            let closed = close(store).await;
            match end {
                Ok(()) => closed,
                Err(error) => {
                    tracing::error!(err = %error, "opening storage failed");
                    ExitCode::FAILURE
                }
            }
        }
        Err(error) => {
            tracing::error!(err = %error, "opening storage failed");
            ExitCode::FAILURE
        }
    };
    // The receiver lives as long as the HTTP task.
    let _ = stop.send(true);
    let _ = http.await;
    tracing::info!("See you next time!");
    code
}

/// Opens the listeners, and reads who is let in; what goes wrong is logged.
async fn listen(settings: &Settings) -> Result<(Listeners, Option<Arc<Guard>>), ExitCode> {
    let listeners = Listeners::bind(&settings.listen).await.map_err(|error| {
        tracing::error!(err = %error, "Unable to start web listener");
        ExitCode::FAILURE
    })?;
    let guard = settings.web_config_file.as_ref().map(Guard::new).transpose().map_err(|error| {
        tracing::error!(err = %error, "Unable to validate web configuration file");
        ExitCode::FAILURE
    })?;
    let tls = guard.as_ref().is_some_and(Guard::is_tls);
    for address in listeners.addresses() {
        tracing::info!(%address, tls, "Start listening for connections");
    }
    Ok((listeners, guard.map(Arc::new)))
}

async fn open(
    settings: &Settings,
    reloader: &Reloader,
    config: &config::Config,
    clock: &Arc<dyn Clock>,
    registry: &Arc<Registry>,
) -> Result<Store, String> {
    let (settings, options) = (settings.clone(), reloader.database_options(config));
    let (clock, registry) = (Arc::clone(clock), Arc::clone(registry));
    let open = move || Store::open(&settings, options, clock, &registry);
    match tokio::task::spawn_blocking(open).await {
        Ok(Ok(store)) => Ok(store),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Waits until all that is stored can be read, then says so; goes on for ever if that succeeds.
async fn when_loaded(store: Store, say_so: impl FnOnce()) -> String {
    match tokio::task::spawn_blocking(move || store.wait_loaded()).await {
        Ok(Ok(())) => {
            say_so();
            std::future::pending().await
        }
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    }
}

async fn close(store: Store) -> ExitCode {
    match tokio::task::spawn_blocking(move || store.close()).await {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            tracing::error!(err = %error, "closing storage failed");
            ExitCode::FAILURE
        }
        Err(error) => {
            tracing::error!(err = %error, "closing storage failed");
            ExitCode::FAILURE
        }
    }
}

/// Waits for the next tick; for ever if there are none.
async fn next(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => _ = ticks.tick().await,
        None => std::future::pending().await,
    }
}

/// Takes signals and orders until one ends the server.
async fn serve_until_told(
    received: &mut mpsc::Receiver<Command>,
    reloader: &mut Reloader,
    api: &Arc<Api>,
    auto_reload: Option<Duration>,
) {
    let mut looks = auto_reload.map(|every| interval_at(Instant::now() + every, every));
    let listen = |kind| signal(kind).expect("the runtime handles signals");
    let mut hangup = listen(SignalKind::hangup());
    let mut terminate = listen(SignalKind::terminate());
    let mut interrupt = listen(SignalKind::interrupt());
    loop {
        tokio::select! {
            _ = hangup.recv() => {
                if let Err(error) = reloader.reload(api).await {
                    tracing::error!(err = %error, "Error reloading config");
                }
            }
            () = next(&mut looks) => if reloader.has_changed()
                && let Err(error) = reloader.reload(api).await
            {
                tracing::error!(err = %error, "Error reloading config");
            },
            _ = terminate.recv() => break tracing::warn!(signal = "terminated", "Received an OS signal, exiting gracefully..."),
            _ = interrupt.recv() => break tracing::warn!(signal = "interrupt", "Received an OS signal, exiting gracefully..."),
            command = received.recv() => match command {
                Some(Command::Reload(answer)) => {
                    let result = reloader.reload(api).await;
                    if let Err(error) = &result {
                        tracing::error!(err = %error, "Error reloading config");
                    }
                    // The client may be gone.
                    let _ = answer.send(result);
                }
                Some(Command::Quit) | None => break tracing::warn!("Received termination request via web service, exiting gracefully..."),
            },
        }
    }
}
