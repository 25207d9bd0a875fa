//! Tells when something happened in a folder.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use client::Counter;
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracing::warn;

/// A change is told once nothing more happened for this long.
const QUIET: Duration = Duration::from_millis(100);

/// A change is told after this long, even if more happens.
const DELAY_MAX: Duration = Duration::from_secs(1);

/// Watches folders. Where the system refuses, it never tells a change.
pub(super) struct Watch {
    watcher: Option<RecommendedWatcher>,
    happened: Arc<Notify>,
    errors: Arc<Counter>,
    /// Folders that could not be watched, to warn once.
    refused: HashSet<String>,
}

impl Watch {
    pub(super) fn start(errors: &Arc<Counter>) -> Self {
        let happened = Arc::new(Notify::new());
        let (told, failed) = (Arc::clone(&happened), Arc::clone(errors));
        let watcher =
            notify::recommended_watcher(move |event: notify::Result<Event>| match event {
                Ok(event) if !is_change(event.kind) => (),
                Ok(_) => told.notify_one(),
                // Events may have been lost: look.
                Err(_) => {
                    failed.inc();
                    told.notify_one();
                }
            });
        let watcher = watcher.map_err(|problem| {
            errors.inc();
            warn!(%problem, "target files cannot be watched and are only read periodically");
        });
        Watch {
            watcher: watcher.ok(),
            happened,
            errors: Arc::clone(errors),
            refused: HashSet::new(),
        }
    }

    /// Watches folders, again if they are watched already: one that was replaced is another.
    pub(super) fn watch(&mut self, folders: &HashSet<String>) {
        let Some(watcher) = &mut self.watcher else { return };
        for folder in folders {
            match watcher.watch(Path::new(folder), RecursiveMode::NonRecursive) {
                Ok(()) => _ = self.refused.remove(folder),
                Err(problem) => {
                    self.errors.inc();
                    if self.refused.insert(folder.clone()) {
                        warn!(folder, %problem, "folder of target files cannot be watched");
                    }
                }
            }
        }
    }

    /// Waits until something happened and it is quiet again.
    pub(super) async fn changed(&self) {
        self.happened.notified().await;
        let quiet = async { while timeout(QUIET, self.happened.notified()).await.is_ok() {} };
        tokio::select! {
            () = quiet => (),
            () = sleep(DELAY_MAX) => (),
        }
    }
}

/// Reading a file is not a change, nor is a change of its permissions.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => false,
        _ => true,
    }
}
