//! The loop that scrapes one target.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use client::{Histogram, Summary};
use exposition::{Format, TextFormat};
use stdx::Clock;
use storage::{Appendable, Appender};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::cache::Cache;
use crate::failure_log::FailureLog;
use crate::ingest::{Counts, Failure, Ingest};
use crate::job::Job;
use crate::metadata::Interner;
use crate::metrics::Metrics;
use crate::page::{Buffers, Destination, FetchError, Fetcher};
use crate::report::{self, Report};
use crate::room::Room;
use crate::status::{Health, LastScrape, Status};
use crate::target::Target;

/// What all loops share.
pub(crate) struct Context {
    pub(crate) appendable: Arc<dyn Appendable>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) buffers: Buffers,
    pub(crate) room: Room,
    pub(crate) alignment_ms_max: i64,
    pub(crate) interner: Interner,
    pub(crate) user_agent: String,
    pub(crate) runtime: Handle,
}

/// What the loops of a job share.
pub(crate) struct JobContext {
    pub(crate) job: Job,
    pub(crate) client: httpclient::Client,
    pub(crate) failure_log: Option<Arc<FailureLog>>,
    /// Spreads the targets of servers with the same configuration.
    pub(crate) seed: u64,
    /// How many targets the job has, if those are more than it may have; else 0.
    pub(crate) over_target_limit: AtomicUsize,
}

/// What a loop is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Scrape.
    Running,
    /// Stop after the scrape at hand. With `markers`, end all series if nobody goes on with them.
    Retired { markers: bool },
    /// Stop at once.
    Shutdown,
}

/// Scrapes one target.
pub(crate) struct Loop {
    pub(crate) context: Arc<Context>,
    pub(crate) job: Arc<JobContext>,
    pub(crate) target: Arc<Target>,
    pub(crate) status: Arc<Status>,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) cache: Cache,
}

/// Pages above this size are not read on a thread that others wait for.
const INLINE_BYTES_MAX: usize = 256 << 10;

impl Loop {
    /// Scrapes until told to stop; returns the cache. `before` is a loop whose cache this one goes on with.
    pub(crate) async fn run(mut self, before: Option<JoinHandle<Cache>>) -> Cache {
        self.inherit(before).await;
        let now = self.context.clock.now_ms();
        let wait = self.target.first_tick_ms(now, self.job.seed);
        let mut tick_ms = now + wait;
        let mut ticks = interval(wait, self.target.interval_ms);
        let mut fetcher =
            Fetcher::new(&self.job.job, &self.job.client, &self.target, &self.context.user_agent);
        let length = model::duration::format(self.target.interval_ms);
        let metrics = &self.context.metrics;
        let length = (
            metrics.interval_length.get(&[&length]),
            metrics.interval_length_histogram.get(&[&length]),
        );
        let mut last = None;
        while self.next_tick(&mut ticks).await {
            let t = self.scrape_time(&mut tick_ms);
            self.observe_length(&length, &mut last);
            // Boxed: an idle loop holds nothing of a scrape.
            let mut phase = self.phase.clone();
            let scrape = Box::pin(self.scrape(&mut fetcher, t));
            tokio::select! {
                biased;
                _ = phase.wait_for(|it| *it == Phase::Shutdown) => break,
                () = scrape => {}
            }
        }
        let phase = *self.phase.borrow();
        if phase == (Phase::Retired { markers: true }) && last.is_some() {
            self.end(ticks).await;
        }
        self.cache
    }

    async fn inherit(&mut self, before: Option<JoinHandle<Cache>>) {
        let Some(before) = before else { return };
        let Ok(cache) = before.await else { return };
        let families = std::mem::take(&mut *cache.families());
        self.cache = cache;
        self.cache.families = Arc::clone(&self.status.families);
        *self.cache.families() = families;
    }

    /// Awaits the next tick. False if the loop is to stop.
    async fn next_tick(&mut self, ticks: &mut Interval) -> bool {
        tokio::select! {
            biased;
            _ = self.phase.wait_for(|it| *it != Phase::Running) => false,
            _ = ticks.tick() => true,
        }
    }

    /// The time that samples of this scrape get. `tick_ms`: the last tick, moved on to this one.
    fn scrape_time(&self, tick_ms: &mut i64) -> i64 {
        let (now, interval) = (self.context.clock.now_ms(), self.target.interval_ms);
        *tick_ms += (now - *tick_ms).div_euclid(interval).max(0) * interval;
        aligned(now, *tick_ms, self.context.alignment_ms_max.min(interval / 100))
    }

    fn observe_length(
        &self,
        (summary, histogram): &(Arc<Summary>, Arc<Histogram>),
        last: &mut Option<Duration>,
    ) {
        let now = self.context.clock.monotonic();
        if let Some(last) = last.replace(now) {
            let length = now.saturating_sub(last).as_secs_f64();
            summary.observe(length);
            histogram.observe(length);
        }
    }

    async fn scrape(&mut self, fetcher: &mut Fetcher, t: i64) {
        let start = self.context.clock.monotonic();
        let mut body = self.context.buffers.take();
        // Until the body is given back.
        let mut held = self.context.room.page();
        let fetched = match self.over_target_limit() {
            Some(error) => Err(FetchError::Format(error)),
            None => {
                let buffers = &self.context.buffers;
                let into = Destination { body: &mut body, held: &mut held, buffers };
                fetcher.fetch(&self.job.job, into).await
            }
        };
        self.note_failure(&fetched);
        let long = INLINE_BYTES_MAX < body.len();
        off_the_runtime(long, || self.store(&fetched, &body, start, t));
        self.context.buffers.give(body);
    }

    fn over_target_limit(&self) -> Option<String> {
        let n = self.job.over_target_limit.load(Relaxed);
        let limit = self.job.job.limits.targets;
        (n != 0).then(|| format!("target_limit exceeded (number of targets: {n}, limit: {limit})"))
    }

    fn note_failure(&self, fetched: &Result<Option<Format>, FetchError>) {
        let Err(error) = fetched else { return };
        tracing::debug!(job = self.job.job.name, target = %self.target.shown_url(), err = %error, "Scrape failed");
        if *error == FetchError::TooLarge {
            self.context.metrics.refused.over_body_limit.inc();
        }
        if let (Some(log), FetchError::Fetch(_) | FetchError::TooLarge) =
            (&self.job.failure_log, error)
        {
            log.write(
                self.context.clock.now_ms(),
                &self.job.job.name,
                &self.target.shown_url(),
                &error.to_string(),
            );
        }
    }

    /// Appends what was fetched and the report, as one batch.
    fn store(
        &mut self,
        fetched: &Result<Option<Format>, FetchError>,
        body: &[u8],
        start: Duration,
        t: i64,
    ) {
        let mut appender = self.context.appendable.appender();
        let (mut counts, mut error, mut refusal) = (Counts::default(), None, None);
        match fetched {
            Ok(format) => {
                let format = format.unwrap_or(Format::Text(TextFormat::Prometheus));
                let (job, target) = (&self.job.job, &self.target);
                let mut ingest = Ingest::new(
                    job,
                    target,
                    &mut self.cache,
                    &self.context.interner,
                    &mut *appender,
                    t,
                );
                let read = ingest.page(body, format);
                (counts, refusal) = (ingest.counts, ingest.refusal.take());
                self.count(&counts, read.as_ref().err());
                if let Err(failure) = read {
                    error = Some(failure.to_string());
                    appender.rollback();
                    appender = self.context.appendable.appender();
                    self.cache.end_all(&mut *appender, t);
                }
            }
            Err(failure) => {
                error = Some(failure.to_string());
                self.cache.end_all(&mut *appender, t);
            }
        }
        let duration = self.context.clock.monotonic().saturating_sub(start);
        let report = Report {
            up: error.is_none(),
            duration_s: duration.as_secs_f64(),
            scraped: counts.scraped,
            kept: counts.kept,
            added: counts.added,
            body_bytes: match fetched {
                Ok(_) => i64::try_from(body.len()).unwrap_or(i64::MAX),
                Err(FetchError::TooLarge) => -1,
                Err(_) => 0,
            },
        };
        report::append(&mut *appender, &mut self.cache, &self.job.job, &self.target, &report, t);
        let error = error.or(self.commit(appender));
        if self.job.job.extra_metrics {
            let duration = self.context.clock.monotonic().saturating_sub(start);
            self.context.metrics.duration.observe(duration.as_secs_f64());
        }
        let health = if error.is_none() { Health::Up } else { Health::Down };
        // A scrape that lacks new series is a good one for all others, so it is marked and not failed.
        let refused = refusal.map(|why| format!("{} samples dropped: {why}", counts.limited));
        let error = error.or(refused).unwrap_or_default();
        *self.status.last() =
            LastScrape { health, error, t: Some(t), duration_s: report.duration_s };
    }

    fn count(&self, counts: &Counts, failure: Option<&Failure>) {
        let metrics = &self.context.metrics.refused;
        for (n, metric, what) in [
            (counts.out_of_order, &metrics.out_of_order, "Error on ingesting out-of-order samples"),
            (
                counts.duplicate,
                &metrics.duplicate,
                "Error on ingesting samples with different value but same timestamp",
            ),
            (
                counts.out_of_bounds,
                &metrics.out_of_bounds,
                "Error on ingesting samples that are too old or are too far into the future",
            ),
            (
                counts.exemplars_out_of_order,
                &metrics.exemplars_out_of_order,
                "Error on ingesting out-of-order exemplars",
            ),
        ] {
            if 0 < n {
                metric.add(n as u64);
                tracing::warn!(
                    job = self.job.job.name,
                    target = %self.target.shown_url(),
                    num_dropped = n,
                    "{what}"
                );
            }
        }
        if 0 < counts.limited {
            let n = counts.limited;
            tracing::warn!(
                job = self.job.job.name,
                target = %self.target.shown_url(),
                num_dropped = n,
                "Series refused by a limit"
            );
        }
        match failure {
            Some(Failure::SampleLimit) => metrics.over_sample_limit.inc(),
            Some(Failure::BucketLimit) => metrics.over_bucket_limit.inc(),
            Some(Failure::LabelLimit(_)) => metrics.over_label_limits.inc(),
            _ => {}
        }
    }

    /// Commits; returns why nothing was kept, if so. The targets page shows it: `up` cannot.
    fn commit(&self, appender: Box<dyn Appender>) -> Option<String> {
        let error = appender.commit().err()?;
        tracing::error!(job = self.job.job.name, target = %self.target.shown_url(), err = %error, "Scrape commit failed");
        Some(format!("commit failed: {error}"))
    }

    /// Ends all series, once it is certain that no other loop goes on with them: the markers have the time
    /// of the first scrape that was missed, so they are refused where another loop has written since.
    async fn end(&mut self, mut ticks: Interval) {
        let tenth = Duration::from_millis(self.target.interval_ms.unsigned_abs() / 10);
        let wait = async {
            ticks.tick().await;
            let missed = self.context.clock.now_ms();
            ticks.tick().await;
            tokio::time::sleep(tenth).await;
            missed
        };
        let mut phase = self.phase.clone();
        let t = tokio::select! {
            biased;
            _ = phase.wait_for(|it| *it == Phase::Shutdown) => return,
            t = wait => t,
        };
        let mut appender = self.context.appendable.appender();
        self.cache.end_all(&mut *appender, t);
        report::end(&mut *appender, &mut self.cache, &self.job.job, &self.target, t);
        let _ = self.commit(appender);
    }
}

/// The time of a scrape at `now`: that of its tick, if that is not farther off than `close`.
fn aligned(now: i64, tick: i64, close: i64) -> i64 {
    if (now - tick).abs() <= close { tick } else { now }
}

/// Runs `work`, which may take a while if `long`, without holding up other tasks where that is possible.
pub(crate) fn off_the_runtime<T>(long: bool, work: impl FnOnce() -> T) -> T {
    if long && Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
        return tokio::task::block_in_place(work);
    }
    work()
}

/// Ticks after `wait_ms` and every `interval_ms` from then on; a tick that is missed is not made up for.
fn interval(wait_ms: i64, interval_ms: i64) -> Interval {
    let wait = Duration::from_millis(wait_ms.unsigned_abs());
    let interval = Duration::from_millis(interval_ms.unsigned_abs().max(1));
    let mut ticks = tokio::time::interval_at(Instant::now() + wait, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_close_to_its_tick_has_its_time() {
        for (now, close, expected) in [
            (1000, 2, 1000),
            (1002, 2, 1000),
            (1003, 2, 1003),
            (999, 2, 1000),
            (1001, 0, 1001),
            (1000, 0, 1000),
        ] {
            assert_eq!(aligned(now, 1000, close), expected, "{now} {close}");
        }
    }
}
