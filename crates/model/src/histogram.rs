//! Native histograms: sparse buckets on an exponential or a custom scale.

/// What is known about a counter reset between a histogram and the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CounterResetHint {
    /// Nothing is known; compare the buckets.
    #[default]
    Unknown,
    /// This histogram starts anew.
    Reset,
    /// It continues the one before.
    NotReset,
    /// It is a gauge: resets have no meaning.
    Gauge,
}

/// A run of neighbouring buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Gap to the end of the span before; for the first span the index of its first bucket.
    pub offset: i32,
    /// How many buckets follow.
    pub length: u32,
}

/// A native histogram with integer counts, as scraped and stored.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Histogram {
    /// Counter reset hint.
    pub hint: CounterResetHint,
    /// Resolution: -4…8 exponential, -53 custom bounds.
    pub schema: i32,
    /// Width of the zero bucket.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: u64,
    /// All observations.
    pub count: u64,
    /// Sum of all observations; the stale marker here makes the histogram stale.
    pub sum: f64,
    /// Layout of the positive buckets.
    pub positive_spans: Vec<Span>,
    /// Layout of the negative buckets.
    pub negative_spans: Vec<Span>,
    /// Positive counts; the first absolute, the rest as difference to the one before.
    pub positive_deltas: Vec<i64>,
    /// Negative counts, as above.
    pub negative_deltas: Vec<i64>,
    /// Upper bounds, only with schema -53, ascending, without +Inf.
    pub custom_values: Vec<f64>,
}

/// A native histogram with float counts, absolute for each bucket: what queries compute with.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct FloatHistogram {
    /// Counter reset hint.
    pub hint: CounterResetHint,
    /// Resolution: -4…8 exponential, -53 custom bounds.
    pub schema: i32,
    /// Width of the zero bucket.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: f64,
    /// All observations.
    pub count: f64,
    /// Sum of all observations; the stale marker here makes the histogram stale.
    pub sum: f64,
    /// Layout of the positive buckets.
    pub positive_spans: Vec<Span>,
    /// Layout of the negative buckets.
    pub negative_spans: Vec<Span>,
    /// Positive counts, absolute.
    pub positive_buckets: Vec<f64>,
    /// Negative counts, absolute.
    pub negative_buckets: Vec<f64>,
    /// Upper bounds, only with schema -53, ascending, without +Inf.
    pub custom_values: Vec<f64>,
}
