//! Pages made in this process for the zero-config start: the host's numbers, and the server's own.

use std::sync::{Arc, Mutex};

use client::{Page as Writer, Registry};
use exposition::TextFormat;
use scrape::Page;
use stdx::Clock;

/// The host's numbers under node_exporter's names.
///
/// A collector that hangs (a dead network mount) holds up its own job's scrapes only: each waits for the
/// one before.
pub(crate) fn host_page(clock: Arc<dyn Clock>) -> Page {
    let paths = collectors::Paths::default();
    let reported = Mutex::new(Vec::<String>::new());
    Page::new(move |out| {
        let mut page = Writer::new(out, TextFormat::Prometheus);
        collectors::collect(&paths, clock.as_ref(), &mut page, |name, error| {
            let text = format!("{name}: {error}");
            let mut reported = reported.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if !reported.contains(&text) {
                tracing::warn!(collector = name, %error, "collector failed");
                reported.push(text);
            }
        });
        page.finish();
        TextFormat::Prometheus
    })
}

/// The server's own numbers: what `/metrics` shows.
pub(crate) fn own_page(registry: Arc<Registry>) -> Page {
    Page::new(move |out| {
        let mut page = Writer::new(out, TextFormat::Prometheus);
        registry.gather(&mut page);
        page.finish();
        TextFormat::Prometheus
    })
}
