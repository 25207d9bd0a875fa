//! What there is to say about head checkpoints.

use std::sync::Arc;

use client::{Counter, Gauge, Registry};

/// Counters of head checkpoints.
#[derive(Clone, Default)]
pub(crate) struct HeadCheckpointMetrics {
    written: Arc<Counter>,
    failed: Arc<Counter>,
    seconds: Arc<Gauge>,
    pub(crate) loaded: Arc<Gauge>,
}

impl HeadCheckpointMetrics {
    pub(crate) fn register(registry: &Registry) -> Self {
        Self {
            written: registry
                .counter("pyrrha_tsdb_head_checkpoints_total", "Head checkpoints written."),
            failed: registry.counter(
                "pyrrha_tsdb_head_checkpoints_failed_total",
                "Head checkpoints that could not be written.",
            ),
            seconds: registry.gauge(
                "pyrrha_tsdb_head_checkpoint_duration_seconds",
                "How long the last head checkpoint took to write.",
            ),
            loaded: registry.gauge(
                "pyrrha_tsdb_head_checkpoint_loaded",
                "1 if the start read a head checkpoint, 0 if it read the whole log.",
            ),
        }
    }

    /// Counts one, and how long it took.
    pub(crate) fn written(&self, seconds: f64) {
        self.written.inc();
        self.seconds.set(seconds);
    }

    /// Counts a failure.
    pub(crate) fn failed(&self) {
        self.failed.inc();
    }
}
