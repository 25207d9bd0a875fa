//! Mechanisms that look everything up now and then.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::TargetGroup;
use tokio::time::{MissedTickBehavior, interval};
use tracing::error;

use crate::discoverer::{Discoverer, Failure, Stop, Updates};
use crate::metrics::Metrics;

/// The shortest refresh interval.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Looks everything up at once. It bounds its own time and memory.
pub(crate) trait Lookup: Send + 'static {
    /// Returns the groups as they are now. A source that is gone is named by a group without targets; one that is
    /// not named keeps its group.
    fn look_up(&mut self) -> impl Future<Output = Result<Vec<TargetGroup>, Failure>> + Send;
}

/// Looks up at once, and then at every interval. A failure is counted and logged, and changes nothing.
pub(crate) struct Refresher<L> {
    lookup: L,
    interval: Duration,
    mechanism: &'static str,
    job: String,
    metrics: Arc<Metrics>,
}

impl<L: Lookup> Refresher<L> {
    pub(crate) fn new(
        lookup: L,
        interval: Duration,
        mechanism: &'static str,
        job: &str,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let metrics = Arc::clone(metrics);
        metrics.refresh_failures.get(&[mechanism, job]).add(0);
        let interval = interval.max(INTERVAL_MIN);
        Refresher { lookup, interval, mechanism, job: job.to_owned(), metrics }
    }

    async fn keep_refreshing(mut self, updates: Updates, mut stop: Stop) {
        let mut ticks = interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut is_first = true;
        loop {
            tokio::select! {
                () = stop.stopped() => return,
                _ = ticks.tick() => (),
            }
            let found = tokio::select! {
                () = stop.stopped() => return,
                found = self.refresh() => found,
            };
            match found {
                Some(groups) => updates.send(groups).await,
                // Others are not to wait for what may never come.
                None if is_first => updates.send(Vec::new()).await,
                None => (),
            }
            is_first = false;
        }
    }

    async fn refresh(&mut self) -> Option<Vec<TargetGroup>> {
        let start = Instant::now();
        let found = self.lookup.look_up().await;
        let took = start.elapsed().as_secs_f64();
        let (mechanism, job) = (self.mechanism, self.job.as_str());
        self.metrics.refresh_duration.get(&[mechanism, job]).observe(took);
        self.metrics.refresh_duration_histogram.get(&[mechanism]).observe(took);
        found
            .inspect_err(|why| {
                self.metrics.refresh_failures.get(&[mechanism, job]).inc();
                error!(discovery = mechanism, config = job, err = %why, "Unable to refresh target groups");
            })
            .ok()
    }
}

impl<L: Lookup> Discoverer for Refresher<L> {
    fn run(
        self: Box<Self>,
        updates: Updates,
        stop: Stop,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.keep_refreshing(updates, stop))
    }
}
