//! Storage in memory that refuses what the database refuses.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::{Exemplar, Labels, Metadata, SeriesRef, is_stale_nan};
use stdx::Clock;
use storage::{AnySample, AnyValue, AppendError, Appendable, Appender, CommitError, ExemplarError};
use tokio::time::Instant;

type Samples = Vec<(i64, u64)>;

#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<Data>>);

#[derive(Clone, Default)]
struct Data {
    /// Series `n` is at `n - 1`.
    series: Vec<(Labels, Samples)>,
    /// How many series there may be; `None` is no limit.
    room: Option<usize>,
    /// Exemplars and metadata, as text, in the order of their coming.
    beside: Vec<String>,
}

impl Fake {
    /// Each series with its samples: `{a="b"} 1@1000 stale@2000`, sorted; without those that `hide` picks.
    pub(crate) fn dump(&self, hide: impl Fn(&Labels) -> bool) -> String {
        let data = self.0.lock().expect("whole");
        let shown: BTreeMap<_, _> = data
            .series
            .iter()
            .filter(|(labels, samples)| !hide(labels) && !samples.is_empty())
            .cloned()
            .collect();
        let mut out = String::new();
        for (labels, samples) in shown {
            write!(out, "{labels}").expect("a string");
            for (t, bits) in samples {
                let v = f64::from_bits(bits);
                let v = if is_stale_nan(v) { "stale".to_owned() } else { v.to_string() };
                write!(out, " {v}@{t}").expect("a string");
            }
            out.push('\n');
        }
        out
    }

    /// The samples of the series with this name, over all targets.
    pub(crate) fn of(&self, name: &str) -> Vec<(i64, String)> {
        let data = self.0.lock().expect("whole");
        let named = data.series.iter().filter(|(labels, _)| labels.metric_name() == name);
        let mut all: Vec<_> = named.flat_map(|(_, samples)| samples.clone()).collect();
        all.sort_unstable();
        let text = |v: f64| if is_stale_nan(v) { "stale".to_owned() } else { v.to_string() };
        all.into_iter().map(|(t, bits)| (t, text(f64::from_bits(bits)))).collect()
    }

    /// Exemplars and metadata that came since the last call.
    pub(crate) fn take_beside(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("whole").beside)
    }

    /// Refuses further series once there are so many.
    pub(crate) fn set_room(&self, room: usize) {
        self.0.lock().expect("whole").room = Some(room);
    }

    /// Forgets a series, as the database does when it was quiet for long.
    pub(crate) fn forget(&self, name: &str) {
        let mut data = self.0.lock().expect("whole");
        for (labels, _) in data.series.iter_mut().filter(|(labels, _)| labels.metric_name() == name)
        {
            *labels = Labels::empty();
        }
    }
}

impl Appendable for Fake {
    fn appender(&self) -> Box<dyn Appender> {
        let before = self.0.lock().expect("whole").clone();
        Box::new(Batch { fake: self.clone(), before, pending: Vec::new() })
    }
}

struct Batch {
    fake: Fake,
    before: Data,
    pending: Vec<(SeriesRef, i64, u64)>,
}

impl Appender for Batch {
    fn append_ref(&mut self, series: SeriesRef, t: i64, v: f64) -> Result<(), AppendError> {
        let at = usize::try_from(series.0).expect("small");
        let known = at.checked_sub(1).and_then(|it| self.before.series.get(it));
        let (_, samples) = known.filter(|it| !it.0.is_empty()).ok_or(AppendError::UnknownSeries)?;
        let pending = self.pending.iter().rev().find(|it| it.0 == series).map(|it| (it.1, it.2));
        let last = pending.or(samples.last().copied());
        match last {
            Some((last_t, bits)) if last_t == t && bits != v.to_bits() => {
                return Err(AppendError::Duplicate { t, existing: f64::from_bits(bits), new: v });
            }
            Some((last_t, _)) if t < last_t => return Err(AppendError::OutOfOrder),
            Some((last_t, _)) if last_t == t => {}
            _ => self.pending.push((series, t, v.to_bits())),
        }
        Ok(())
    }

    fn append(&mut self, labels: &Labels, t: i64, v: f64) -> Result<SeriesRef, AppendError> {
        let series = self.make(labels)?;
        self.append_ref(series, t, v).map(|()| series)
    }

    fn append_any_ref(
        &mut self,
        series: SeriesRef,
        sample: AnySample<'_>,
    ) -> Result<(), AppendError> {
        let (t, v) = (sample.t, f64::NAN);
        let value = match sample.value {
            AnyValue::Float(v) => {
                self.append_ref(series, t, v)?;
                v.to_string()
            }
            // Only the times of histograms count here.
            AnyValue::Histogram(it) => {
                self.append_ref(series, t, v)?;
                format!("integer {} {} {:?}", it.schema, it.count, it.positive_deltas)
            }
            AnyValue::FloatHistogram(it) => {
                self.append_ref(series, t, v)?;
                format!("float {} {} {:?}", it.schema, it.count, it.positive_buckets)
            }
        };
        self.say(format!("{} {value} since {} @{t}", self.name_of(series), sample.st));
        Ok(())
    }

    fn append_any(
        &mut self,
        labels: &Labels,
        sample: AnySample<'_>,
    ) -> Result<SeriesRef, AppendError> {
        let series = self.make(labels)?;
        self.append_any_ref(series, sample).map(|()| series)
    }

    fn append_start_ref(
        &mut self,
        series: SeriesRef,
        sample: AnySample<'_>,
    ) -> Result<(), AppendError> {
        self.say(format!("{} zero @{}", self.name_of(series), sample.st));
        Ok(())
    }

    fn append_start(
        &mut self,
        labels: &Labels,
        sample: AnySample<'_>,
    ) -> Result<SeriesRef, AppendError> {
        let series = self.make(labels)?;
        self.append_start_ref(series, sample).map(|()| series)
    }

    fn append_exemplar(
        &mut self,
        series: SeriesRef,
        exemplar: &Exemplar,
    ) -> Result<(), ExemplarError> {
        let Exemplar { labels, value, t } = exemplar;
        let name = self.name_of(series);
        if *value < 0.0 {
            return Err(ExemplarError::OutOfOrder);
        }
        let t = t.expect("of its sample at least");
        self.say(format!("{name} {labels} {value}@{t}"));
        Ok(())
    }

    fn set_metadata(&mut self, series: SeriesRef, it: &Metadata) -> Result<(), AppendError> {
        self.say(format!("{} {} {:?}", self.name_of(series), it.kind.as_str(), it.help));
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), CommitError> {
        let mut data = self.fake.0.lock().expect("whole");
        for (series, t, bits) in self.pending {
            data.series[usize::try_from(series.0).expect("small") - 1].1.push((t, bits));
        }
        Ok(())
    }

    fn rollback(self: Box<Self>) {}
}

impl Batch {
    /// Finds or makes a series.
    fn make(&mut self, labels: &Labels) -> Result<SeriesRef, AppendError> {
        let found = self.before.series.iter().position(|(it, _)| it == labels);
        let mut data = self.fake.0.lock().expect("whole");
        if found.is_none() && data.room.is_some_and(|room| room <= data.series.len()) {
            return Err(AppendError::Limit("no room".into()));
        }
        let at = found.unwrap_or_else(|| {
            data.series.push((labels.clone(), Vec::new()));
            self.before.series.push((labels.clone(), Vec::new()));
            assert_eq!(data.series.len(), self.before.series.len(), "one batch at a time");
            data.series.len() - 1
        });
        Ok(SeriesRef(at as u64 + 1))
    }

    fn say(&self, text: String) {
        self.fake.0.lock().expect("whole").beside.push(text);
    }

    fn name_of(&self, series: SeriesRef) -> &str {
        let at = usize::try_from(series.0).expect("small") - 1;
        self.before.series[at].0.metric_name()
    }
}

/// The wall clock of tokio's paused time: it starts at 1,000,000 ms.
pub(crate) struct PausedClock(Instant);

impl PausedClock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for PausedClock {
    fn now_ms(&self) -> i64 {
        1_000_000 + i64::try_from(self.0.elapsed().as_millis()).expect("short")
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}
