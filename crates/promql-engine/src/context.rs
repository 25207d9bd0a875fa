//! What all parts of one running query share: its account, its deadline, its notes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::FloatHistogram;
use stdx::Clock;
use storage::{Guard, ReadError, Samples, SeriesSet};

use crate::account::{Account, Charge};
use crate::annotation::Notes;
use crate::counts::{Counting, Counts};
use crate::{Cancel, Column, QueryError};

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
    pub(crate) counts: Mutex<Counts>,
    /// What samples count for in the part of the query that is being opened.
    pub(crate) counting: Mutex<Counting>,
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

    /// What long reads of the storage ask whether to go on.
    pub(crate) fn guard(&self) -> Guard {
        let (account, clock) = (self.account.clone(), self.clock.clone());
        let (cancel, deadline) = (self.cancel.clone(), self.deadline);
        Guard::new(move |bytes| {
            !cancel.is_canceled() && clock.monotonic() < deadline && account.check(bytes).is_ok()
        })
    }

    /// Why the storage could not be read; if it was told not to go on, why it was.
    pub(crate) fn storage_error(&self, error: ReadError) -> QueryError {
        match error {
            ReadError::Interrupted => self
                .check()
                .err()
                .or_else(|| self.account.refusal())
                .unwrap_or(QueryError::Storage(error)),
            error => QueryError::Storage(error),
        }
    }

    /// Adds notes. The lock is held for that only.
    pub(crate) fn note(&self, add: impl FnOnce(&mut Notes)) {
        add(&mut self.notes.lock().expect("no holder panics"));
    }

    /// Opens a part of the query in which samples count for `counting`.
    pub(crate) fn with_counting<R>(&self, counting: Counting, open: impl FnOnce() -> R) -> R {
        let around = {
            let mut now = self.counting.lock().expect("no holder panics");
            let within = counting.within(*now);
            std::mem::replace(&mut *now, within)
        };
        let opened = open();
        *self.counting.lock().expect("no holder panics") = around;
        opened
    }

    pub(crate) fn charge(&self) -> Charge {
        Charge::new(&self.account)
    }
}

/// Work between two looks at the clock, in steps or samples: well below a millisecond.
pub(crate) const WORK_BETWEEN_CHECKS: usize = 1 << 16;

/// One thread's share of a query: reused buffers and local counters.
pub(crate) struct Worker<'q> {
    pub(crate) context: &'q Context,
    columns: Vec<Column>,
    buffers: Vec<Samples>,
    charge: Charge,
    work: usize,
    counts: Counts,
    counting: Counting,
}

impl<'q> Worker<'q> {
    pub(crate) fn new(context: &'q Context) -> Self {
        Self {
            context,
            columns: Vec::new(),
            buffers: Vec::new(),
            charge: context.charge(),
            work: 0,
            counts: Counts::new(context.counts.lock().expect("no holder panics").n_steps()),
            counting: *context.counting.lock().expect("no holder panics"),
        }
    }

    /// Reads the samples of a series into an empty buffer and charges it.
    pub(crate) fn read(
        &mut self,
        set: &dyn SeriesSet,
        at: usize,
        (mint, maxt): (i64, i64),
        out: &mut Samples,
    ) -> Result<(), QueryError> {
        self.take_read(set.read(at, mint, maxt, out), out)
    }

    /// As [`Worker::read`] where older samples than the newest one may be left out.
    pub(crate) fn read_newest(
        &mut self,
        set: &dyn SeriesSet,
        at: usize,
        (mint, maxt): (i64, i64),
        out: &mut Samples,
    ) -> Result<(), QueryError> {
        self.take_read(set.read_newest(at, mint, maxt, out), out)
    }

    fn take_read(&mut self, read: Result<(), ReadError>, out: &Samples) -> Result<(), QueryError> {
        read.map_err(|error| self.context.storage_error(error))?;
        self.charge_samples(out)
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

    /// Counts samples that were looked at at one step, or at all together if [`Worker::counts_by_step`] is false;
    /// see [`Counts::add`].
    #[inline]
    pub(crate) fn count(&mut self, step: usize, queryable: usize, read: usize) {
        self.counts.add(self.counting, step, queryable, read);
    }

    /// True if it matters at which step a sample is looked at.
    pub(crate) fn counts_by_step(&self) -> bool {
        self.counts.by_step()
    }

    /// Evaluates a part of the query in which samples count for `counting`.
    pub(crate) fn with_counting<R>(
        &mut self,
        counting: Counting,
        with: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let around = self.counting;
        self.counting = counting.within(around);
        let result = with(self);
        self.counting = around;
        result
    }

    /// Lends a column of `steps` steps to `with`.
    pub(crate) fn with_column<R>(
        &mut self,
        steps: usize,
        with: impl FnOnce(&mut Self, &mut Column) -> Result<R, QueryError>,
    ) -> Result<R, QueryError> {
        let before = self.charge.amount();
        self.charge.add_columns(1, steps)?;
        let mut column = self.columns.pop().unwrap_or_default();
        let result = with(self, &mut column);
        self.columns.push(column);
        self.charge.release_to(before);
        result
    }

    /// Lends `n` columns of `steps` steps to `with`.
    pub(crate) fn with_columns<R>(
        &mut self,
        n: usize,
        steps: usize,
        with: impl FnOnce(&mut Self, &mut [Column]) -> Result<R, QueryError>,
    ) -> Result<R, QueryError> {
        let before = self.charge.amount();
        self.charge.add_columns(n, steps)?;
        let kept = self.columns.len().saturating_sub(n);
        let mut columns = self.columns.split_off(kept);
        columns.resize_with(n, Column::default);
        let result = with(self, &mut columns);
        self.columns.append(&mut columns);
        self.charge.release_to(before);
        result
    }

    /// Lends an empty sample buffer to `with`. Its memory is charged as `with` calls
    /// [`Worker::read`] or [`Worker::charge_points`].
    pub(crate) fn with_samples<R>(
        &mut self,
        with: impl FnOnce(&mut Self, &mut Samples) -> Result<R, QueryError>,
    ) -> Result<R, QueryError> {
        let mut samples = self.buffers.pop().unwrap_or_default();
        samples.clear();
        let before = self.charge.amount();
        let result = with(self, &mut samples);
        self.charge.release_to(before);
        self.buffers.push(samples);
        result
    }

    /// Charges the points of a column once more, as they are about to be copied, until the innermost loan ends.
    pub(crate) fn charge_points(&mut self, column: &Column) -> Result<(), QueryError> {
        let (floats, histograms) = (column.present().count() as u64, column.histogram_bytes());
        self.charge.add(16 * floats + histograms, floats + histograms / 16)
    }

    /// Charges the histograms of a column, as they are about to be replaced, until the innermost loan ends.
    pub(crate) fn charge_histograms(&mut self, column: &Column) -> Result<(), QueryError> {
        match column.histogram_bytes() {
            0 => Ok(()),
            bytes => self.charge.add(bytes, 0),
        }
    }

    /// Charges a histogram at each of `steps` steps, as large as the largest of these, until the innermost
    /// loan ends.
    pub(crate) fn charge_like(
        &mut self,
        histograms: &[FloatHistogram],
        steps: usize,
    ) -> Result<(), QueryError> {
        match histograms.iter().map(histogram_bytes).max() {
            None => Ok(()),
            Some(bytes) => self.charge.add((bytes as u64).saturating_mul(steps as u64), 0),
        }
    }

    /// Gives back what `with` charges and does not give back itself.
    pub(crate) fn with_charges<R>(
        &mut self,
        with: impl FnOnce(&mut Self) -> Result<R, QueryError>,
    ) -> Result<R, QueryError> {
        let before = self.charge.amount();
        let result = with(self);
        self.charge.release_to(before);
        result
    }

    /// As [`Worker::with_charges`], but hands out what is charged still.
    pub(crate) fn with_charges_taken<R>(
        &mut self,
        with: impl FnOnce(&mut Self) -> Result<R, QueryError>,
    ) -> (Result<R, QueryError>, Charge) {
        let before = self.charge.amount();
        let result = with(self);
        (result, self.charge.split_off(before))
    }

    /// Charges a filled sample buffer until it is given back.
    fn charge_samples(&mut self, samples: &Samples) -> Result<(), QueryError> {
        self.charge.add_samples(samples)
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        // Whoever panicked holding it is about to say so.
        if let Ok(mut counts) = self.context.counts.lock() {
            counts.join(&self.counts);
        }
    }
}

/// What a histogram with its time takes.
pub(crate) fn histogram_bytes(it: &model::FloatHistogram) -> usize {
    let spans = it.positive_spans.capacity() + it.negative_spans.capacity();
    let buckets = it.positive_buckets.capacity() + it.negative_buckets.capacity();
    176 + 8 * (spans + buckets + it.custom_values.len())
}
