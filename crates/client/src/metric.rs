//! Counters, gauges, classic histograms and summaries.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use exposition::HistogramParts;
use model::MetricType;

use crate::Sink;

/// What a family can hold.
pub trait Metric: Send + Sync + 'static {
    /// The family's type.
    const KIND: MetricType;
    /// Writes the samples of this metric, which has these labels.
    fn write(&self, labels: &[(&str, &str)], sink: &mut dyn Sink);
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter {
    whole: AtomicU64,
    /// Bits of a float: what was added that is not whole.
    rest: AtomicU64,
}

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.whole.fetch_add(1, Relaxed);
    }

    /// Adds a whole number.
    pub fn add(&self, n: u64) {
        self.whole.fetch_add(n, Relaxed);
    }

    /// Adds a number that is not negative.
    pub fn add_float(&self, v: f64) {
        debug_assert!(0.0 <= v, "a counter only grows");
        add_bits(&self.rest, v);
    }

    /// The current value.
    #[expect(clippy::cast_precision_loss, reason = "a counter past 2^53 is shown rounded")]
    pub fn value(&self) -> f64 {
        self.whole.load(Relaxed) as f64 + f64::from_bits(self.rest.load(Relaxed))
    }
}

impl Metric for Counter {
    const KIND: MetricType = MetricType::Counter;

    fn write(&self, labels: &[(&str, &str)], sink: &mut dyn Sink) {
        sink.sample(labels, self.value());
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Replaces the value.
    pub fn set(&self, v: f64) {
        self.0.store(v.to_bits(), Relaxed);
    }

    /// Adds, or takes away if negative.
    pub fn add(&self, v: f64) {
        add_bits(&self.0, v);
    }

    /// The current value.
    pub fn value(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }
}

impl Metric for Gauge {
    const KIND: MetricType = MetricType::Gauge;

    fn write(&self, labels: &[(&str, &str)], sink: &mut dyn Sink) {
        sink.sample(labels, self.value());
    }
}

/// Counts observations in buckets.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One more than bounds: the last is above all of them. Not cumulative.
    counts: Vec<AtomicU64>,
    sum: AtomicU64,
}

impl Histogram {
    /// Makes an empty histogram; `bounds` are upper bounds, ascending, without +Inf.
    pub fn new(bounds: &'static [f64]) -> Self {
        assert!(bounds.is_sorted(), "bounds ascend");
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Takes an observation in.
    pub fn observe(&self, v: f64) {
        let at = self.bounds.partition_point(|bound| *bound < v);
        self.counts[at].fetch_add(1, Relaxed);
        add_bits(&self.sum, v);
    }
}

impl Metric for Histogram {
    const KIND: MetricType = MetricType::Histogram;

    #[expect(clippy::cast_precision_loss, reason = "a count past 2^53 is shown rounded")]
    fn write(&self, labels: &[(&str, &str)], sink: &mut dyn Sink) {
        let mut total = 0;
        let mut cumulated = |it: &AtomicU64| {
            total += it.load(Relaxed);
            total as f64
        };
        let counts: Vec<f64> = self.counts.iter().map(&mut cumulated).collect();
        let buckets: Vec<(f64, f64)> = self.bounds.iter().copied().zip(counts).collect();
        let (count, sum) = (total as f64, f64::from_bits(self.sum.load(Relaxed)));
        sink.histogram(labels, HistogramParts { count, sum, buckets: &buckets, native: None });
    }
}

/// How many of the latest observations a summary's quantiles are taken from.
const SUMMARY_WINDOW: usize = 512;

/// Count, sum, and quantiles of the latest 512 observations.
#[derive(Debug)]
pub struct Summary {
    quantiles: &'static [f64],
    state: Mutex<SummaryState>,
}

#[derive(Debug, Default)]
struct SummaryState {
    count: u64,
    sum: f64,
    /// A ring, oldest overwritten first.
    latest: Vec<f64>,
}

impl Summary {
    /// Makes an empty summary with these quantiles, each within 0…1.
    pub fn new(quantiles: &'static [f64]) -> Self {
        Self { quantiles, state: Mutex::default() }
    }

    /// Takes an observation in.
    pub fn observe(&self, v: f64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.latest.len() < SUMMARY_WINDOW {
            state.latest.push(v);
        } else {
            let at =
                usize::try_from(state.count % SUMMARY_WINDOW as u64).expect("below the window");
            state.latest[at] = v;
        }
        state.count += 1;
        state.sum += v;
    }
}

impl Metric for Summary {
    const KIND: MetricType = MetricType::Summary;

    fn write(&self, labels: &[(&str, &str)], sink: &mut dyn Sink) {
        let (count, sum, mut latest) = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            (state.count, state.sum, state.latest.clone())
        };
        latest.sort_by(f64::total_cmp);
        let value = |quantile: &f64| (*quantile, rank(&latest, *quantile));
        let quantiles: Vec<(f64, f64)> = self.quantiles.iter().map(value).collect();
        sink.summary(labels, count, sum, &quantiles);
    }
}

/// The value at `quantile` of sorted values; NaN if there are none.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank among 512 values"
)]
fn rank(sorted: &[f64], quantile: f64) -> f64 {
    let at = (quantile * sorted.len() as f64).ceil() as usize;
    sorted.get(at.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

fn add_bits(bits: &AtomicU64, v: f64) {
    // `fetch_update` fails only if the closure declines, which it never does.
    let _ = bits.fetch_update(Relaxed, Relaxed, |it| Some((f64::from_bits(it) + v).to_bits()));
}
