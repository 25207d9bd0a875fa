//! Reading.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use model::{FloatHistogram, Labels, LabelsRef, Matcher};

/// Opens views of what is stored.
pub trait Queryable: Send + Sync {
    /// Opens a consistent view of `mint..=maxt`.
    ///
    /// # Errors
    /// If the storage cannot be read.
    fn querier(&self, mint: i64, maxt: i64) -> Result<Box<dyn Querier>, ReadError>;
}

/// A consistent view of a time range.
pub trait Querier: Send + Sync {
    /// Finds the series that fulfil all matchers and may have samples in the range. No sample is
    /// read yet.
    ///
    /// # Errors
    /// If the storage cannot be read.
    fn select(
        &self,
        hints: &SelectHints,
        matchers: &[Matcher],
    ) -> Result<Box<dyn SeriesSet>, ReadError>;

    /// Lists the values of the label `name` among series that fulfil all matchers, sorted.
    ///
    /// # Errors
    /// If the storage cannot be read.
    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        hints: &ListHints,
    ) -> Result<Vec<String>, ReadError>;

    /// Lists the label names of series that fulfil all matchers, sorted.
    ///
    /// # Errors
    /// If the storage cannot be read.
    fn label_names(
        &self,
        matchers: &[Matcher],
        hints: &ListHints,
    ) -> Result<Vec<String>, ReadError>;

    /// Roughly how many entries are looked at without matchers: values of the label `name`, or without one
    /// label names. Who must not wait for many can then list a few at once.
    fn n_listed(&self, _: Option<&str>) -> usize {
        usize::MAX
    }
}

/// What a selection is for.
#[derive(Clone, Debug, Default)]
pub struct SelectHints {
    /// First sample needed.
    pub mint: i64,
    /// Last sample needed.
    pub maxt: i64,
    /// Series sorted by labels.
    pub sorted: bool,
    /// Only labels are needed, no samples.
    pub labels_only: bool,
    /// At most this many series; 0 is no limit.
    pub limit: usize,
    /// Asked now and then whether to go on, while series are looked for and when they are read.
    pub guard: Guard,
}

/// What a list of label names or values is for.
#[derive(Clone, Debug, Default)]
pub struct ListHints {
    /// At most this many entries, the first ones; 0 is no limit.
    pub limit: usize,
    /// Asked now and then whether to go on.
    pub guard: Guard,
}

impl ListHints {
    /// Collects `texts` until there are as many as wanted; they come sorted.
    ///
    /// # Errors
    /// [`ReadError::Interrupted`]
    pub fn collect<'t>(
        &self,
        texts: impl Iterator<Item = &'t str>,
    ) -> Result<Vec<String>, ReadError> {
        let limit = if self.limit == 0 { usize::MAX } else { self.limit };
        let (mut list, mut bytes) = (Vec::new(), 0);
        for text in texts.take(limit) {
            list.push(text.to_owned());
            bytes += list_bytes(text);
            if list.len() % TEXTS_PER_CHECK == 0 {
                self.guard.check(bytes)?;
            }
        }
        self.guard.check(bytes)?;
        Ok(list)
    }
}

/// Texts listed before it is asked whether to go on.
pub(crate) const TEXTS_PER_CHECK: usize = 4096;

/// Roughly what a text takes in a list: itself, where it is, and what the allocator rounds it up by.
pub fn list_bytes(text: &str) -> usize {
    size_of::<String>() + text.len() + 8
}

/// Tells a long read whether to go on. The default lets everything go on.
#[derive(Clone, Default)]
pub struct Guard(Option<Arc<GoOn>>);

type GoOn = dyn Fn(u64) -> bool + Send + Sync;

impl Guard {
    /// Asks `go_on` whether the reader is still there and may hold this many bytes more.
    pub fn new(go_on: impl Fn(u64) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(go_on)))
    }

    /// Looks whether to go on, with `bytes` more in memory. Costs about as much as a look at the clock.
    ///
    /// # Errors
    /// [`ReadError::Interrupted`] if not.
    pub fn check(&self, bytes: usize) -> Result<(), ReadError> {
        match &self.0 {
            Some(go_on) if !go_on(bytes as u64) => Err(ReadError::Interrupted),
            _ => Ok(()),
        }
    }

    /// The guard of a part of the read, while the rest of it holds `bytes` besides.
    #[must_use]
    pub fn holding(&self, bytes: usize) -> Self {
        let Some(go_on) = self.0.clone() else { return Self::default() };
        Self::new(move |more| go_on(more.saturating_add(bytes as u64)))
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Guard" } else { "no guard" })
    }
}

/// Selected series, addressed by position `0..len()`. Labels and samples are made when asked for, so
/// that counting a million series touches neither.
pub trait SeriesSet: Send + Sync {
    /// How many series there are.
    fn len(&self) -> usize;

    /// True if nothing was found.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Roughly the bytes that the set itself takes.
    fn bytes(&self) -> usize {
        16 * self.len()
    }

    /// The labels of series `at`.
    fn labels(&self, at: usize) -> Labels;

    /// Shows the labels of all series, in the order of their positions, until `each` breaks. Cheaper than
    /// asking for those of one after the other.
    fn each_labels(&self, each: &mut dyn FnMut(usize, LabelsRef<'_>) -> ControlFlow<()>) {
        let _ = (0..self.len()).try_for_each(|at| each(at, self.labels(at).borrowed()));
    }

    /// Appends the samples of series `at` within `mint..=maxt` to `out`, ascending in time.
    ///
    /// # Errors
    /// If a chunk cannot be read; `out` then holds what came before it.
    fn read(&self, at: usize, mint: i64, maxt: i64, out: &mut Samples) -> Result<(), ReadError>;

    /// As [`SeriesSet::read`] for those who need the newest sample only: older ones may be left out.
    ///
    /// # Errors
    /// As there.
    fn read_newest(
        &self,
        at: usize,
        mint: i64,
        maxt: i64,
        out: &mut Samples,
    ) -> Result<(), ReadError> {
        self.read(at, mint, maxt, out)
    }
}

/// Decoded samples of one series, in columns: floats, and beside them native histograms. Each is
/// ascending in time and no time is in both.
///
/// Start times are when the counting of a sample began; 0 is none. As most samples have none, their
/// columns are as long as the times or empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// Start times of the floats.
    pub st: Vec<i64>,
    /// Times of the floats.
    pub t: Vec<i64>,
    /// The floats, stale markers included.
    pub v: Vec<f64>,
    /// Start times of the histograms.
    pub histogram_st: Vec<i64>,
    /// Times of the histograms.
    pub histogram_t: Vec<i64>,
    /// The histograms.
    pub histogram: Vec<FloatHistogram>,
}

impl Samples {
    /// Empties the columns and keeps their memory.
    pub fn clear(&mut self) {
        self.st.clear();
        self.t.clear();
        self.v.clear();
        self.histogram_st.clear();
        self.histogram_t.clear();
        self.histogram.clear();
    }

    /// Counts floats and histograms.
    pub fn len(&self) -> usize {
        self.t.len() + self.histogram_t.len()
    }

    /// True if there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the columns take; of histograms, roughly.
    pub fn bytes(&self) -> usize {
        let times = self.st.capacity() + self.t.capacity() + self.v.capacity();
        let histograms = self.histogram_st.capacity() + self.histogram_t.capacity();
        let buckets = self.histogram.last().map_or(0, |it| {
            size_of_val(it) + 8 * (it.positive_buckets.len() + it.negative_buckets.len())
        });
        8 * (times + histograms) + self.histogram.len() * buckets
    }

    /// Where the columns end, for [`Samples::retain_since`].
    pub fn mark(&self) -> Mark {
        Mark { floats: self.t.len(), histograms: self.histogram_t.len() }
    }

    /// Removes those of the samples added since `mark` whose time `keep` does not take.
    pub fn retain_since(&mut self, mark: Mark, keep: impl Fn(i64) -> bool) {
        self.retain_floats(mark.floats, |t, _| keep(t));
        self.retain_histograms(mark.histograms, |t, _| keep(t));
    }

    /// Removes the newest `n`, of whatever kind, of the samples added since `mark`.
    pub fn drop_newest_since(&mut self, mark: Mark, n: usize) {
        let (mut floats, mut histograms) = (self.t.len(), self.histogram_t.len());
        for _ in 0..n {
            let float = self.t[mark.floats..floats].last();
            let histogram = self.histogram_t[mark.histograms..histograms].last();
            // None is less than all.
            if float < histogram {
                histograms -= 1;
            } else if float.is_some() {
                floats -= 1;
            }
        }
        self.truncate_floats(floats);
        self.truncate_histograms(histograms);
    }

    /// Adds a float without a start time.
    pub fn push(&mut self, t: i64, v: f64) {
        debug_assert!(self.t.last().is_none_or(|last| *last < t), "times ascend");
        if !self.st.is_empty() {
            self.st.push(0);
        }
        self.t.push(t);
        self.v.push(v);
    }

    /// The start time of float `at`; 0 if it has none.
    pub fn start(&self, at: usize) -> i64 {
        self.st.get(at).copied().unwrap_or(0)
    }

    /// The start time of histogram `at`; 0 if it has none.
    pub fn histogram_start(&self, at: usize) -> i64 {
        self.histogram_st.get(at).copied().unwrap_or(0)
    }

    /// Keeps the floats for which `keep` says so, given their time and value, from float `from` on.
    pub fn retain_floats(&mut self, from: usize, mut keep: impl FnMut(i64, f64) -> bool) {
        let mut kept = from;
        for at in from..self.t.len() {
            if keep(self.t[at], self.v[at]) {
                (self.t[kept], self.v[kept]) = (self.t[at], self.v[at]);
                if let Some(st) = self.st.get(at).copied() {
                    self.st[kept] = st;
                }
                kept += 1;
            }
        }
        self.truncate_floats(kept);
    }

    /// Keeps the histograms for which `keep` says so, given their time and value, from histogram `from`
    /// on.
    pub fn retain_histograms(
        &mut self,
        from: usize,
        mut keep: impl FnMut(i64, &FloatHistogram) -> bool,
    ) {
        let mut kept = from;
        for at in from..self.histogram_t.len() {
            if keep(self.histogram_t[at], &self.histogram[at]) {
                self.histogram_t[kept] = self.histogram_t[at];
                self.histogram.swap(kept, at);
                if let Some(st) = self.histogram_st.get(at).copied() {
                    self.histogram_st[kept] = st;
                }
                kept += 1;
            }
        }
        self.truncate_histograms(kept);
    }

    /// Keeps the first `n` floats.
    pub fn truncate_floats(&mut self, n: usize) {
        self.st.truncate(n);
        self.t.truncate(n);
        self.v.truncate(n);
    }

    /// Keeps the first `n` histograms.
    pub fn truncate_histograms(&mut self, n: usize) {
        self.histogram_st.truncate(n);
        self.histogram_t.truncate(n);
        self.histogram.truncate(n);
    }
}

/// A position in the columns of [`Samples`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub(crate) floats: usize,
    pub(crate) histograms: usize,
}

/// Why stored data could not be read.
#[derive(Clone, Debug, PartialEq)]
pub enum ReadError {
    /// The disk refused. Trying again may help.
    Io {
        /// Which file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The bytes are wrong. Trying again never helps.
    Corrupt {
        /// Which file, and where in it.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// The storage is shutting down or not ready.
    Unavailable(String),
    /// The [`Guard`] of the read said not to go on.
    Interrupted,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, reason } => write!(f, "{path}: {reason}"),
            Self::Corrupt { place, reason } => write!(f, "{place}: {reason}"),
            Self::Unavailable(why) => f.write_str(why),
            Self::Interrupted => f.write_str("the reader has given up"),
        }
    }
}

impl std::error::Error for ReadError {}
