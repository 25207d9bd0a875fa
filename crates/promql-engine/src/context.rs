//! What all parts of one running query share: its account, its deadline, its notes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stdx::Clock;
use storage::Samples;

use crate::annotation::Notes;
use crate::{Cancel, Column, QueryError};

/// Bytes and samples that a query holds, and the most it may hold.
#[derive(Debug)]
pub(crate) struct Account {
    bytes: AtomicU64,
    bytes_peak: AtomicU64,
    bytes_max: u64,
    samples: AtomicU64,
    samples_peak: AtomicU64,
    samples_max: u64,
}

impl Account {
    pub(crate) fn new(bytes_max: u64, samples_max: u64) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            bytes: zero(),
            bytes_peak: zero(),
            bytes_max,
            samples: zero(),
            samples_peak: zero(),
            samples_max,
        }
    }

    pub(crate) fn peaks(&self) -> (u64, u64) {
        (self.bytes_peak.load(Ordering::Relaxed), self.samples_peak.load(Ordering::Relaxed))
    }

    fn add(&self, bytes: u64, samples: u64) -> Result<(), QueryError> {
        let samples = self.samples.fetch_add(samples, Ordering::Relaxed) + samples;
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.samples_peak.fetch_max(samples, Ordering::Relaxed);
        self.bytes_peak.fetch_max(bytes, Ordering::Relaxed);
        if self.samples_max < samples {
            return Err(QueryError::TooManySamples);
        }
        if self.bytes_max < bytes {
            return Err(QueryError::TooMuchMemory { max_bytes: self.bytes_max });
        }
        Ok(())
    }
}

/// Bytes and samples charged to an account; dropping it gives them back.
#[derive(Debug)]
pub(crate) struct Charge {
    account: Arc<Account>,
    bytes: u64,
    samples: u64,
}

impl Charge {
    pub(crate) fn new(account: &Arc<Account>) -> Self {
        Self { account: account.clone(), bytes: 0, samples: 0 }
    }

    /// Charges more. What was charged before a failure stays charged until the drop.
    pub(crate) fn add(&mut self, bytes: u64, samples: u64) -> Result<(), QueryError> {
        // More than this is past any limit, and the sum of many such numbers fits.
        const MOST: u64 = 1 << 56;
        let (bytes, samples) = (bytes.min(MOST), samples.min(MOST));
        self.bytes += bytes;
        self.samples += samples;
        self.account.add(bytes, samples)
    }

    /// Charges `n` columns of `steps` steps.
    pub(crate) fn add_columns(&mut self, n: usize, steps: usize) -> Result<(), QueryError> {
        self.add(
            (n as u64).saturating_mul(Column::bytes(steps)),
            (n as u64).saturating_mul(steps as u64),
        )
    }

    /// Charges a column that is kept, with its histograms.
    pub(crate) fn add_column(&mut self, column: &Column) -> Result<(), QueryError> {
        self.add_columns(1, column.steps())?;
        match column.histogram_bytes() {
            0 => Ok(()),
            // Upstream counts a histogram as so many floats of 16 bytes.
            bytes => self.add(bytes, bytes / 16),
        }
    }

    /// Gives a part back.
    pub(crate) fn release(&mut self, bytes: u64, samples: u64) {
        self.bytes -= bytes;
        self.samples -= samples;
        self.account.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.account.samples.fetch_sub(samples, Ordering::Relaxed);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.release(self.bytes, self.samples);
    }
}

/// One running query.
pub(crate) struct Context {
    pub(crate) account: Arc<Account>,
    pub(crate) notes: Mutex<Notes>,
    pub(crate) threads: usize,
    /// Names disappear at the end only.
    pub(crate) delayed_names: bool,
    pub(crate) type_and_unit_labels: bool,
    /// Start times of samples count.
    pub(crate) start_timestamps: bool,
    pub(crate) clock: Arc<dyn Clock>,
    /// On the clock's monotonic scale.
    pub(crate) deadline: Duration,
    pub(crate) cancel: Cancel,
    pub(crate) samples_queryable: AtomicU64,
    pub(crate) samples_read: AtomicU64,
}

impl Context {
    /// Fails once the query is given up or out of time.
    pub(crate) fn check(&self) -> Result<(), QueryError> {
        if self.cancel.is_canceled() {
            return Err(QueryError::Canceled);
        }
        if self.deadline <= self.clock.monotonic() {
            return Err(QueryError::Timeout);
        }
        Ok(())
    }

    /// Adds notes. The lock is held for that only.
    pub(crate) fn note(&self, add: impl FnOnce(&mut Notes)) {
        add(&mut self.notes.lock().expect("no holder panics"));
    }

    pub(crate) fn charge(&self) -> Charge {
        Charge::new(&self.account)
    }
}

/// Work between two looks at the clock, in steps or samples: well below a millisecond.
const WORK_BETWEEN_CHECKS: usize = 1 << 16;

/// One thread's share of a query: reused buffers and local counters.
pub(crate) struct Worker<'q> {
    pub(crate) context: &'q Context,
    columns: Vec<Column>,
    buffers: Vec<Samples>,
    charge: Charge,
    work: usize,
    samples_queryable: u64,
    samples_read: u64,
}

impl<'q> Worker<'q> {
    pub(crate) fn new(context: &'q Context) -> Self {
        Self {
            context,
            columns: Vec::new(),
            buffers: Vec::new(),
            charge: context.charge(),
            work: 0,
            samples_queryable: 0,
            samples_read: 0,
        }
    }

    /// Accounts for `n` steps or samples of work.
    #[inline]
    pub(crate) fn spend(&mut self, n: usize) -> Result<(), QueryError> {
        self.work += n;
        if self.work < WORK_BETWEEN_CHECKS {
            return Ok(());
        }
        self.work = 0;
        self.context.check()
    }

    /// Counts samples that windows covered.
    #[inline]
    pub(crate) fn count_queryable(&mut self, n: usize) {
        self.samples_queryable += n as u64;
    }

    /// Counts samples that were decoded.
    pub(crate) fn count_read(&mut self, n: usize) {
        self.samples_read += n as u64;
    }

    /// Lends a column of `steps` steps to `with`.
    pub(crate) fn with_column<R>(
        &mut self,
        steps: usize,
        with: impl FnOnce(&mut Self, &mut Column) -> Result<R, QueryError>,
    ) -> Result<R, QueryError> {
        let (bytes, samples) = (self.charge.bytes, self.charge.samples);
        self.charge.add_columns(1, steps)?;
        let mut column = self.columns.pop().unwrap_or_default();
        let result = with(self, &mut column);
        self.columns.push(column);
        self.charge.release(self.charge.bytes - bytes, self.charge.samples - samples);
        result
    }

    /// Lends `n` columns of `steps` steps to `with`.
    pub(crate) fn with_columns<R>(
        &mut self,
        n: usize,
        steps: usize,
        with: impl FnOnce(&mut Self, &mut [Column]) -> Result<R, QueryError>,
    ) -> Result<R, QueryError> {
        let (bytes, samples) = (self.charge.bytes, self.charge.samples);
        self.charge.add_columns(n, steps)?;
        let kept = self.columns.len().saturating_sub(n);
        let mut columns = self.columns.split_off(kept);
        columns.resize_with(n, Column::default);
        let result = with(self, &mut columns);
        self.columns.append(&mut columns);
        self.charge.release(self.charge.bytes - bytes, self.charge.samples - samples);
        result
    }

    /// Lends an empty sample buffer to `with`. Its memory is charged as `with` calls
    /// [`Worker::charge_samples`].
    pub(crate) fn with_samples<R>(
        &mut self,
        with: impl FnOnce(&mut Self, &mut Samples) -> Result<R, QueryError>,
    ) -> Result<R, QueryError> {
        let mut samples = self.buffers.pop().unwrap_or_default();
        samples.clear();
        let (bytes, n) = (self.charge.bytes, self.charge.samples);
        let result = with(self, &mut samples);
        self.charge.release(self.charge.bytes - bytes, self.charge.samples - n);
        self.buffers.push(samples);
        result
    }

    /// Charges a filled sample buffer until it is given back.
    pub(crate) fn charge_samples(&mut self, samples: &Samples) -> Result<(), QueryError> {
        let floats = samples.t.capacity() + samples.v.capacity();
        let histograms: usize = samples.histogram.iter().map(histogram_bytes).sum();
        // Upstream counts a histogram as so many floats of 16 bytes.
        let points = samples.t.len() + histograms / 16;
        self.charge.add((floats * 8 + histograms) as u64, points as u64)
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        self.context.samples_queryable.fetch_add(self.samples_queryable, Ordering::Relaxed);
        self.context.samples_read.fetch_add(self.samples_read, Ordering::Relaxed);
    }
}

/// What a histogram with its time takes.
pub(crate) fn histogram_bytes(it: &model::FloatHistogram) -> usize {
    let spans = it.positive_spans.len() + it.negative_spans.len();
    let numbers = it.positive_buckets.len() + it.negative_buckets.len() + it.custom_values.len();
    176 + 8 * (spans + numbers)
}
