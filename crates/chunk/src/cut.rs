//! When a chunk is full.

/// Samples a chunk is meant to hold when it spans its whole time range.
pub const SAMPLES_PER_CHUNK: usize = 120;
/// A float chunk with more bytes takes no further sample: 1024 less the largest sample.
pub const FLOAT_BYTES_MAX: usize = 1024 - 19;

/// A histogram chunk is meant to have so many bytes, and must not take a sample more at twice as many.
pub const HISTOGRAM_BYTES: usize = 1024;
/// A histogram chunk with fewer samples is only cut at the end of its time range.
pub const HISTOGRAM_SAMPLES_MIN: usize = 10;

/// What an open chunk is like before a sample is appended.
#[derive(Clone, Copy, Debug)]
pub struct Filling {
    /// Bytes used so far.
    pub n_bytes: usize,
    /// Samples so far; not zero.
    pub n_samples: usize,
    /// Time of the first sample.
    pub first_t: i64,
    /// Time of the last sample.
    pub last_t: i64,
}

/// Returns the end of the aligned time range that holds `t`: where a chunk that starts at `t` ends at
/// the latest. `range_ms` is longer than zero.
pub fn range_end(t: i64, range_ms: i64) -> i64 {
    (t / range_ms).saturating_mul(range_ms).saturating_add(range_ms)
}

/// True if a float at `t` must go to a new chunk.
///
/// - `next_at`: when the chunk ends at the latest: first [`range_end`] of its first sample. At a
///   quarter of [`SAMPLES_PER_CHUNK`] it is pulled forward, so that chunks divide their range evenly.
pub fn before_float(chunk: Filling, t: i64, next_at: &mut i64) -> bool {
    if FLOAT_BYTES_MAX < chunk.n_bytes {
        return true;
    }
    if chunk.n_samples == SAMPLES_PER_CHUNK / 4 {
        *next_at = predict_end(chunk.first_t, chunk.last_t, *next_at, 4.0);
    }
    *next_at <= t || 2 * SAMPLES_PER_CHUNK <= chunk.n_samples
}

/// True if a histogram at `t` must go to a new chunk, whatever it holds.
///
/// - `range_ms`: length of the aligned time ranges.
/// - `is_predicted`: whether `next_at` was pulled forward already; once, at a quarter of
///   [`HISTOGRAM_BYTES`].
/// - `next_at`: when the chunk ends at the latest, as in [`before_float`].
pub fn before_histogram(
    chunk: Filling,
    t: i64,
    range_ms: i64,
    is_predicted: &mut bool,
    next_at: &mut i64,
) -> bool {
    if HISTOGRAM_BYTES / 4 <= chunk.n_bytes && !*is_predicted {
        #[expect(clippy::cast_precision_loss, reason = "as upstream computes")]
        let ratio = HISTOGRAM_BYTES as f64 / chunk.n_bytes as f64;
        *next_at = predict_end(chunk.first_t, chunk.last_t, *next_at, ratio);
        *is_predicted = true;
    }
    let latest = if *is_predicted { range_end(chunk.first_t, range_ms) } else { *next_at };
    (*next_at <= t || 2 * HISTOGRAM_BYTES <= chunk.n_bytes)
        && (HISTOGRAM_SAMPLES_MIN <= chunk.n_samples || latest <= t)
}

/// Predicts when a chunk should end so that whole chunks of its kind fill the time until `end`.
/// From `first_t` to `last_t` it became full to the share 1 / `ratio`.
pub fn predict_end(first_t: i64, last_t: i64, end: i64, ratio: f64) -> i64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "as upstream computes"
    )]
    {
        let left = end.saturating_sub(first_t) as f64;
        let n = left / ((last_t.saturating_sub(first_t).saturating_add(1)) as f64 * ratio);
        if n <= 1.0 { end } else { first_t.saturating_add((left / n.floor()) as i64) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divides_the_range_evenly() {
        assert_eq!((range_end(0, 100), range_end(99, 100), range_end(100, 100)), (100, 100, 200));
        // 15 s scrapes: 30 samples in 435 s, 120 fill 1740 s, so four chunks of 1800 s fill 7200 s.
        assert_eq!(predict_end(0, 435_000, 7_200_000, 4.0), 1_800_000);
        // A minute apart, the range ends before the chunk is full.
        assert_eq!(predict_end(0, 1_740_000, 7_200_000, 4.0), 7_200_000);
    }

    #[test]
    fn cuts_histograms_by_size_and_time() {
        let chunk = Filling { n_bytes: 256, n_samples: 5, first_t: 1000, last_t: 61_000 };
        let (mut is_predicted, mut next_at) = (false, 7_200_000);
        let mut before = |chunk, t| {
            let cut = before_histogram(chunk, t, 7_200_000, &mut is_predicted, &mut next_at);
            (cut, next_at)
        };
        assert_eq!(before(Filling { n_bytes: 255, ..chunk }, 76_000), (false, 7_200_000));
        // A quarter in 60 s: the range holds 29 whole ones of 240 s.
        let (cut, predicted) = before(chunk, 76_000);
        assert!(!cut && (240_000..250_000).contains(&predicted), "{predicted}");
        // Few samples stay together until the range ends.
        let large = Filling { n_bytes: 2048, ..chunk };
        assert_eq!(before(large, predicted), (false, predicted));
        assert_eq!(before(large, 7_200_000), (true, predicted));
        let many = Filling { n_samples: 10, ..chunk };
        assert_eq!(before(many, predicted), (true, predicted));
        assert_eq!(before(many, predicted - 1), (false, predicted));
        assert_eq!(before(Filling { n_samples: 10, ..large }, 76_000), (true, predicted));
    }

    #[test]
    fn cuts_by_time_count_and_size() {
        let chunk = Filling { n_bytes: 100, n_samples: 30, first_t: 0, last_t: 435_000 };
        let mut next_at = 7_200_000;
        assert!(!before_float(chunk, 450_000, &mut next_at));
        assert_eq!(next_at, 1_800_000);
        let chunk = Filling { n_samples: 120, last_t: 1_785_000, ..chunk };
        assert!(before_float(chunk, 1_800_000, &mut next_at));
        assert!(!before_float(chunk, 1_799_999, &mut next_at));
        assert!(before_float(Filling { n_bytes: 1006, ..chunk }, 1_785_001, &mut next_at));
        assert!(before_float(Filling { n_samples: 240, ..chunk }, 1_785_001, &mut next_at));
    }
}
