//! What queries hold: each charges its own account before it allocates, and all accounts draw on one pool.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use storage::Samples;

use crate::context::histogram_bytes;
use crate::{Column, QueryError};

/// Bytes that all queries of an engine hold together, and the most they may.
#[derive(Debug)]
pub struct Pool {
    held: AtomicU64,
    max: AtomicU64,
}

impl Default for Pool {
    fn default() -> Self {
        Self { held: AtomicU64::new(0), max: AtomicU64::new(u64::MAX) }
    }
}

impl Pool {
    /// Bytes that running queries, and answers not yet sent, hold or have set aside.
    pub fn held(&self) -> u64 {
        self.held.load(Relaxed)
    }

    /// The most that all may hold together.
    pub fn max(&self) -> u64 {
        self.max.load(Relaxed)
    }

    /// Changes the most that all may hold together. What is held already stays.
    pub fn set_max(&self, bytes: u64) {
        self.max.store(bytes, Relaxed);
    }

    fn take(&self, bytes: u64) -> Result<(), QueryError> {
        let held = self.held.fetch_add(bytes, Relaxed).saturating_add(bytes);
        let max_bytes = self.max();
        if held <= max_bytes {
            return Ok(());
        }
        self.give(bytes);
        Err(QueryError::ServerMemory { max_bytes })
    }

    fn give(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Relaxed);
    }
}

/// Shows what a running query holds. Clones show the same query.
#[derive(Clone, Debug, Default)]
pub struct Usage(Arc<AtomicU64>);

impl Usage {
    /// Bytes held now.
    pub fn bytes(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Accounts draw on the pool in steps of this many bytes, so that they rarely meet there.
const GRANT_BYTES: u64 = 1 << 20;

/// Bytes and samples that a query holds, and the most it may hold.
#[derive(Debug)]
pub(crate) struct Account {
    pool: Arc<Pool>,
    /// What the pool has set aside for this query; changed under `growing` only.
    granted: AtomicU64,
    growing: Mutex<()>,
    usage: Usage,
    bytes_peak: AtomicU64,
    bytes_max: u64,
    samples: AtomicU64,
    samples_peak: AtomicU64,
    samples_max: u64,
    /// The first refusal, for who learns only that there was one.
    refusal: OnceLock<QueryError>,
}

impl Account {
    pub(crate) fn new(pool: Arc<Pool>, usage: Usage, bytes_max: u64, samples_max: u64) -> Self {
        Self {
            pool,
            granted: AtomicU64::new(0),
            growing: Mutex::default(),
            usage,
            bytes_peak: AtomicU64::new(0),
            bytes_max,
            samples: AtomicU64::new(0),
            samples_peak: AtomicU64::new(0),
            samples_max,
            refusal: OnceLock::new(),
        }
    }

    /// Most bytes and samples held at once.
    pub(crate) fn peaks(&self) -> (u64, u64) {
        (self.bytes_peak.load(Relaxed), self.samples_peak.load(Relaxed))
    }

    /// Why the query was refused memory, if it was.
    pub(crate) fn refusal(&self) -> Option<QueryError> {
        self.refusal.get().cloned()
    }

    /// Fails if this many bytes more would be too much.
    pub(crate) fn check(&self, more: u64) -> Result<(), QueryError> {
        let bytes = self.usage.0.load(Relaxed).saturating_add(more);
        self.allow(bytes)
    }

    fn add(&self, bytes: u64, samples: u64) -> Result<(), QueryError> {
        let samples = self.samples.fetch_add(samples, Relaxed) + samples;
        let bytes = self.usage.0.fetch_add(bytes, Relaxed) + bytes;
        self.samples_peak.fetch_max(samples, Relaxed);
        self.bytes_peak.fetch_max(bytes, Relaxed);
        if self.samples_max < samples {
            return Err(self.refuse(QueryError::TooManySamples));
        }
        self.allow(bytes)
    }

    fn allow(&self, bytes: u64) -> Result<(), QueryError> {
        if self.bytes_max < bytes {
            return Err(self.refuse(QueryError::TooMuchMemory { max_bytes: self.bytes_max }));
        }
        if self.granted.load(Relaxed) < bytes { self.grow(bytes) } else { Ok(()) }
    }

    #[cold]
    fn grow(&self, bytes: u64) -> Result<(), QueryError> {
        let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let granted = self.granted.load(Relaxed);
        if bytes <= granted {
            return Ok(());
        }
        let more = (bytes - granted).next_multiple_of(GRANT_BYTES);
        self.pool.take(more).map_err(|error| self.refuse(error))?;
        self.granted.store(granted + more, Relaxed);
        Ok(())
    }

    /// Gives what is set aside and not held back to the pool.
    pub(crate) fn trim(&self) {
        let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let needed = self.usage.bytes().next_multiple_of(GRANT_BYTES);
        let granted = self.granted.load(Relaxed);
        if needed < granted {
            self.granted.store(needed, Relaxed);
            self.pool.give(granted - needed);
        }
    }

    fn refuse(&self, error: QueryError) -> QueryError {
        self.refusal.get_or_init(|| error.clone());
        error
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.pool.give(*self.granted.get_mut());
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

    /// Fails if this many bytes more would be too much.
    pub(crate) fn check(&self, bytes: usize) -> Result<(), QueryError> {
        self.account.check(bytes as u64)
    }

    /// Charges room for `n` values of a type.
    pub(crate) fn add_room<T>(&mut self, n: usize) -> Result<(), QueryError> {
        self.add((n as u64).saturating_mul(size_of::<T>() as u64), 0)
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

    /// Charges samples that are kept.
    pub(crate) fn add_samples(&mut self, samples: &Samples) -> Result<(), QueryError> {
        let floats = samples.t.capacity() + samples.v.capacity() + samples.st.capacity();
        let histograms: usize = samples.histogram.iter().map(histogram_bytes).sum();
        let points = samples.t.len() + histograms / 16;
        self.add((floats * 8 + histograms) as u64, points as u64)
    }

    /// What is charged: bytes and samples.
    pub(crate) fn amount(&self) -> (u64, u64) {
        (self.bytes, self.samples)
    }

    /// Hands out what was charged since [`Charge::amount`] was this.
    pub(crate) fn split_off(&mut self, (bytes, samples): (u64, u64)) -> Self {
        let (more_bytes, more_samples) = (self.bytes - bytes, self.samples - samples);
        (self.bytes, self.samples) = (bytes, samples);
        Self { account: self.account.clone(), bytes: more_bytes, samples: more_samples }
    }

    /// Gives back what was charged since [`Charge::amount`] was this.
    pub(crate) fn release_to(&mut self, (bytes, samples): (u64, u64)) {
        let (more_bytes, more_samples) = (self.bytes - bytes, self.samples - samples);
        (self.bytes, self.samples) = (bytes, samples);
        self.account.usage.0.fetch_sub(more_bytes, Relaxed);
        self.account.samples.fetch_sub(more_samples, Relaxed);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.release_to((0, 0));
    }
}

/// Keeps an answer charged to its query's account, and to the pool, until it is dropped.
#[derive(Clone, Debug)]
pub struct Hold(#[expect(dead_code, reason = "dropping it is all it does")] Arc<Charge>);

impl Hold {
    pub(crate) fn new(charge: Charge) -> Self {
        charge.account.trim();
        Self(Arc::new(charge))
    }
}
