//! Families by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use exposition::HistogramParts;
use model::MetricType;

use crate::{Counter, Gauge, Histogram, Metric, NativeHistogram, Summary};

/// Receives families, and after each its samples.
pub trait Sink {
    /// Starts a family.
    fn family(&mut self, name: &str, help: &str, kind: MetricType);
    /// Adds a number to the family started last.
    fn sample(&mut self, labels: &[(&str, &str)], v: f64);
    /// Adds a summary to it: observations, their sum, and quantiles with their values.
    fn summary(&mut self, labels: &[(&str, &str)], count: u64, sum: f64, quantiles: &[(f64, f64)]);
    /// Adds a histogram to it.
    fn histogram(&mut self, labels: &[(&str, &str)], parts: HistogramParts<'_>);
}

/// All families of a program.
#[derive(Default)]
pub struct Registry {
    /// Sorted by name. The lock is held to add a family and to gather.
    families: Mutex<BTreeMap<&'static str, Box<dyn Collect>>>,
}

trait Collect: Send + Sync {
    fn collect(&self, name: &str, sink: &mut dyn Sink);
}

impl Registry {
    /// Adds a counter.
    ///
    /// # Panics
    /// As all that add: if the name is taken.
    pub fn counter(&self, name: &'static str, help: &'static str) -> Arc<Counter> {
        self.single(name, help, Counter::default())
    }

    /// Adds a gauge.
    pub fn gauge(&self, name: &'static str, help: &'static str) -> Arc<Gauge> {
        self.single(name, help, Gauge::default())
    }

    /// Adds a histogram with these upper bounds.
    pub fn histogram(
        &self,
        name: &'static str,
        help: &'static str,
        bounds: &'static [f64],
    ) -> Arc<Histogram> {
        self.single(name, help, Histogram::new(bounds))
    }

    /// Adds a native histogram.
    pub fn native_histogram(&self, name: &'static str, help: &'static str) -> Arc<NativeHistogram> {
        self.single(name, help, NativeHistogram::default())
    }

    /// Adds a summary with these quantiles.
    pub fn summary(
        &self,
        name: &'static str,
        help: &'static str,
        quantiles: &'static [f64],
    ) -> Arc<Summary> {
        self.single(name, help, Summary::new(quantiles))
    }

    /// Adds counters that differ in labels.
    pub fn counters(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Arc<Family<Counter>> {
        self.labelled(name, help, labels, Counter::default)
    }

    /// Adds gauges that differ in labels.
    pub fn gauges(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Arc<Family<Gauge>> {
        self.labelled(name, help, labels, Gauge::default)
    }

    /// Adds histograms that differ in labels.
    pub fn histograms(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        bounds: &'static [f64],
    ) -> Arc<Family<Histogram>> {
        self.labelled(name, help, labels, move || Histogram::new(bounds))
    }

    /// Adds summaries that differ in labels.
    pub fn summaries(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        quantiles: &'static [f64],
    ) -> Arc<Family<Summary>> {
        self.labelled(name, help, labels, move || Summary::new(quantiles))
    }

    /// Adds a gauge whose value is asked for when the page is made.
    pub fn gauge_fn(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.add(name, Box::new(Read { help, kind: MetricType::Gauge, read }));
    }

    /// Adds gauges that differ in one label; its values, and theirs, are asked for when the page is made.
    pub fn gauges_fn(
        &self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        read: impl Fn() -> Vec<(String, f64)> + Send + Sync + 'static,
    ) {
        self.add(name, Box::new(ReadAll { help, label, read }));
    }

    /// Adds a counter whose value is asked for when the page is made.
    pub fn counter_fn(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.add(name, Box::new(Read { help, kind: MetricType::Counter, read }));
    }

    /// Hands all families to `sink`, sorted by name; families without a metric are left out.
    pub fn gather(&self, sink: &mut dyn Sink) {
        for (name, family) in self.lock().iter() {
            family.collect(name, sink);
        }
    }

    fn single<M: Metric>(&self, name: &'static str, help: &'static str, metric: M) -> Arc<M> {
        let metric = Arc::new(metric);
        self.add(name, Box::new(Single { help, metric: Arc::clone(&metric) }));
        metric
    }

    fn labelled<M: Metric>(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        make: impl Fn() -> M + Send + Sync + 'static,
    ) -> Arc<Family<M>> {
        let family =
            Arc::new(Family { help, labels, make: Box::new(make), metrics: RwLock::default() });
        self.add(name, Box::new(Arc::clone(&family)));
        family
    }

    fn add(&self, name: &'static str, family: Box<dyn Collect>) {
        let before = self.lock().insert(name, family);
        assert!(before.is_none(), "the metric {name} is registered twice");
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Box<dyn Collect>>> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Metrics that differ in labels.
pub struct Family<M> {
    help: &'static str,
    labels: &'static [&'static str],
    make: Box<dyn Fn() -> M + Send + Sync>,
    /// By label values, in the order of `labels`.
    metrics: RwLock<BTreeMap<Vec<String>, Arc<M>>>,
}

impl<M: Metric> Family<M> {
    /// Finds or makes the metric with these label values.
    ///
    /// # Panics
    /// If the number of values is not that of the labels.
    pub fn get(&self, values: &[&str]) -> Arc<M> {
        assert_eq!(values.len(), self.labels.len(), "a value for each label");
        let key: Vec<String> = values.iter().map(|it| (*it).to_owned()).collect();
        if let Some(found) = self.metrics.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Arc::clone(found);
        }
        let mut metrics = self.metrics.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(metrics.entry(key).or_insert_with(|| Arc::new((self.make)())))
    }

    /// Forgets the metrics that `gone` picks by their label values.
    pub fn remove(&self, mut gone: impl FnMut(&[String]) -> bool) {
        self.metrics
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|values, _| !gone(values));
    }
}

impl<M: Metric> Collect for Arc<Family<M>> {
    fn collect(&self, name: &str, sink: &mut dyn Sink) {
        let metrics = self.metrics.read().unwrap_or_else(PoisonError::into_inner);
        if metrics.is_empty() {
            return;
        }
        sink.family(name, self.help, M::KIND);
        for (values, metric) in metrics.iter() {
            let labels: Vec<(&str, &str)> =
                self.labels.iter().copied().zip(values.iter().map(String::as_str)).collect();
            metric.write(&labels, sink);
        }
    }
}

struct Single<M> {
    help: &'static str,
    metric: Arc<M>,
}

impl<M: Metric> Collect for Single<M> {
    fn collect(&self, name: &str, sink: &mut dyn Sink) {
        sink.family(name, self.help, M::KIND);
        self.metric.write(&[], sink);
    }
}

struct Read<F> {
    help: &'static str,
    kind: MetricType,
    read: F,
}

impl<F: Fn() -> f64 + Send + Sync> Collect for Read<F> {
    fn collect(&self, name: &str, sink: &mut dyn Sink) {
        sink.family(name, self.help, self.kind);
        sink.sample(&[], (self.read)());
    }
}

struct ReadAll<F> {
    help: &'static str,
    label: &'static str,
    read: F,
}

impl<F: Fn() -> Vec<(String, f64)> + Send + Sync> Collect for ReadAll<F> {
    fn collect(&self, name: &str, sink: &mut dyn Sink) {
        let all = (self.read)();
        if all.is_empty() {
            return;
        }
        sink.family(name, self.help, MetricType::Gauge);
        for (value, v) in all {
            sink.sample(&[(self.label, &value)], v);
        }
    }
}
