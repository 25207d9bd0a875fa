//! Facts about this process and this build.

use std::fs;
use std::sync::Arc;

use api::Build;
use client::Registry;
use stdx::Clock;

use super::settings::Settings;

/// What the API needs to know.
pub(super) fn api_options(settings: &Settings) -> api::Options {
    api::Options {
        queries_max: settings.queries_max,
        query_timeout: settings.engine.timeout,
        lifecycle: settings.lifecycle,
        admin: settings.admin,
        agent: settings.agent.is_some(),
        cors_origin: settings.cors_origin.clone(),
        route_prefix: settings.route_prefix.clone(),
        external_url: settings.external_url.clone(),
        flags: settings.all.clone(),
        build: build(),
        working_directory: std::env::current_dir()
            .map_or_else(|_| String::new(), |it| it.display().to_string()),
        hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        threads: settings.engine.threads,
    }
}

fn build() -> Build {
    Build {
        version: crate::VERSION.into(),
        revision: String::new(),
        branch: String::new(),
        date: String::new(),
        compiler: format!("rust {}", env!("CARGO_PKG_RUST_VERSION")),
    }
}

/// Registers `prometheus_build_info` and the `process_*` family.
pub(super) fn register(registry: &Arc<Registry>, clock: &dyn Clock) {
    let labels = &["version", "revision", "branch", "goversion", "goos", "goarch", "tags"];
    let info = registry.gauges(
        "prometheus_build_info",
        "A metric with a constant '1' value labeled by version, revision, branch, goversion from which prometheus was built, and the goos and goarch for the build.",
        labels,
    );
    info.get(&[crate::VERSION, "", "", &build().compiler, "linux", std::env::consts::ARCH, ""])
        .set(1.0);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
    registry
        .gauge(
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
        )
        .set(clock.now_ms() as f64 / 1000.0);
    registry.counter_fn(
        "process_cpu_seconds_total",
        "Total user and system CPU time spent in seconds.",
        cpu_seconds,
    );
    registry.gauge_fn("process_resident_memory_bytes", "Resident memory size in bytes.", || {
        memory_pages(1)
    });
    registry.gauge_fn("process_virtual_memory_bytes", "Virtual memory size in bytes.", || {
        memory_pages(0)
    });
    registry.gauge_fn("process_open_fds", "Number of open file descriptors.", || {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        fs::read_dir("/proc/self/fd").map_or(0.0, |it| it.count() as f64)
    });
}

/// Ticks of `/proc/self/stat` in a second.
const USER_HZ: f64 = 100.0;

fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The program's name may hold blanks; it ends with the last parenthesis.
    let after_name = stat.rsplit_once(')').map_or("", |it| it.1);
    let ticks = |at: usize| {
        after_name.split_whitespace().nth(at).and_then(|it| it.parse::<f64>().ok()).unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / USER_HZ
}

fn memory_pages(field: usize) -> f64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages =
        statm.split_whitespace().nth(field).and_then(|it| it.parse::<f64>().ok()).unwrap_or(0.0);
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let page = rustix::param::page_size() as f64;
    pages * page
}
