//! Writes samples anew: what is left of a trimmed chunk, what several merge to, what came out of order.

use crate::{
    Chunk, Encoding, HistogramRef, OpenChunk, OpenHistogram, OpenXor2, Sample, Value, cut,
};

/// Which chunks samples go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Samples of one chunk are written with its encoding, into one chunk.
    Trim(Encoding),
    /// Chunks that overlapped become chunks of [`cut::SAMPLES_PER_CHUNK`] samples. Floats are XOR, or XOR2
    /// if asked for; what has a start time goes where it is kept.
    Merge {
        /// Write floats without start times as XOR2 too.
        xor2: bool,
    },
    /// Chunks are cut by size alone. What has a start time goes where it is kept.
    OutOfOrder,
}

/// A chunk with the times of its first and last sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Rebuilt {
    /// Time of the first sample.
    pub mint: i64,
    /// Time of the last sample.
    pub maxt: i64,
    /// The chunk.
    pub chunk: Chunk,
}

/// Takes samples of one series, ascending in time and of any kind, and gives chunks, each of one kind.
///
/// ```
/// use chunk::{Encoding, Purpose, Rebuilder};
///
/// let mut rebuilder = Rebuilder::new(Purpose::OutOfOrder);
/// rebuilder.push_float(0, 1000, 1.5);
/// rebuilder.push_float(500, 2000, 2.5);
/// let chunks = rebuilder.finish();
/// assert_eq!((chunks[0].chunk.encoding, chunks[1].chunk.encoding), (Encoding::Xor, Encoding::Xor2));
/// ```
#[derive(Debug)]
pub struct Rebuilder {
    purpose: Purpose,
    open: Option<Open>,
    done: Vec<Rebuilt>,
}

#[derive(Debug)]
enum Open {
    Xor(OpenChunk),
    Xor2(OpenXor2),
    Histogram(OpenHistogram),
}

impl Rebuilder {
    /// Starts without a sample.
    pub fn new(purpose: Purpose) -> Self {
        Self { purpose, open: None, done: Vec::new() }
    }

    /// Adds a sample after all others.
    pub fn push(&mut self, sample: &Sample) {
        match &sample.value {
            Value::Float(v) => self.push_float(sample.st, sample.t, *v),
            Value::Histogram(it) => self.push_histogram(sample.st, sample.t, it.into()),
            Value::FloatHistogram(it) => self.push_histogram(sample.st, sample.t, it.into()),
        }
    }

    /// Adds a float after all samples. `st`: its start time; 0 is none.
    pub fn push_float(&mut self, st: i64, t: i64, v: f64) {
        let wants_starts = self.wants_starts(st);
        if self.is_full() {
            self.close();
        }
        match &mut self.open {
            Some(Open::Xor(open)) if !wants_starts => open.append(t, v),
            Some(Open::Xor2(open)) => open.append(st, t, v),
            _ => self.begin(if wants_starts {
                Open::Xor2(OpenXor2::start(st, t, v))
            } else {
                Open::Xor(OpenChunk::start(t, v))
            }),
        }
    }

    /// Adds a histogram after all samples; it is valid. `st`: its start time; 0 is none.
    pub fn push_histogram(&mut self, st: i64, t: i64, histogram: HistogramRef<'_>) {
        let wants_starts = self.wants_starts(st);
        if self.is_full() {
            self.close();
        }
        let next = match &mut self.open {
            Some(Open::Histogram(open))
                if open.takes(histogram) && (!wants_starts || open.encoding().has_starts()) =>
            {
                open.append(st, t, histogram)
            }
            _ => Some(OpenHistogram::start(wants_starts, st, t, histogram)),
        };
        if let Some(next) = next {
            self.begin(Open::Histogram(next));
        }
    }

    /// Ends the last chunk and returns all of them.
    pub fn finish(mut self) -> Vec<Rebuilt> {
        self.close();
        self.done
    }

    fn wants_starts(&self, st: i64) -> bool {
        match self.purpose {
            Purpose::Trim(encoding) => encoding.has_starts(),
            Purpose::Merge { xor2 } => xor2 || st != 0,
            Purpose::OutOfOrder => st != 0,
        }
    }

    fn is_full(&self) -> bool {
        let Some(open) = &self.open else { return false };
        let (filling, is_histogram) = match open {
            Open::Xor(it) => (it.filling(), false),
            Open::Xor2(it) => (it.filling(), false),
            Open::Histogram(it) => (it.filling(), true),
        };
        match self.purpose {
            // Histograms look after this themselves.
            Purpose::Trim(encoding) => filling.n_samples == encoding.n_samples_max(),
            Purpose::Merge { .. } => cut::SAMPLES_PER_CHUNK <= filling.n_samples,
            Purpose::OutOfOrder if is_histogram => {
                cut::HISTOGRAM_BYTES < filling.n_bytes
                    && cut::HISTOGRAM_SAMPLES_MIN < filling.n_samples
            }
            Purpose::OutOfOrder => cut::FLOAT_BYTES_MAX < filling.n_bytes,
        }
    }

    fn begin(&mut self, open: Open) {
        self.close();
        self.open = Some(open);
    }

    fn close(&mut self) {
        self.done.extend(self.open.take().map(|open| match open {
            Open::Xor(it) => rebuilt(it.first_t(), it.last_t(), it.finish()),
            Open::Xor2(it) => rebuilt(it.first_t(), it.last_t(), it.finish()),
            Open::Histogram(it) => rebuilt(it.first_t(), it.last_t(), it.finish()),
        }));
    }
}

fn rebuilt(mint: i64, maxt: i64, chunk: Chunk) -> Rebuilt {
    Rebuilt { mint, maxt, chunk }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode_samples;
    use model::{FloatHistogram, Histogram, Span, stale_nan};
    use proptest::prelude::*;

    fn histogram(n: i64) -> Histogram {
        Histogram {
            count: n.cast_unsigned() * 2 + 3,
            sum: 1.5,
            positive_spans: vec![Span { offset: 0, length: 2 }],
            positive_deltas: vec![n + 1, 1],
            ..Histogram::default()
        }
    }

    fn build(purpose: Purpose, samples: &[Sample]) -> Vec<Rebuilt> {
        let mut rebuilder = Rebuilder::new(purpose);
        samples.iter().for_each(|it| rebuilder.push(it));
        rebuilder.finish()
    }

    fn decode(chunks: &[Rebuilt]) -> Vec<Sample> {
        let mut all = Vec::new();
        for it in chunks {
            let from = all.len();
            decode_samples(it.chunk.as_data(), i64::MIN, i64::MAX, &mut all).unwrap();
            assert_eq!((all[from].t, all.last().unwrap().t), (it.mint, it.maxt));
        }
        all
    }

    fn is_same(a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
            (Value::Histogram(a), Value::Histogram(b)) => a.is_same(b),
            (Value::FloatHistogram(a), Value::FloatHistogram(b)) => a.is_same(b),
            _ => false,
        }
    }

    fn are_same(a: &[Sample], b: &[Sample]) -> bool {
        let is_same =
            |(a, b): (&Sample, &Sample)| (a.st, a.t) == (b.st, b.t) && is_same(&a.value, &b.value);
        a.len() == b.len() && a.iter().zip(b).all(is_same)
    }

    fn float(st: i64, t: i64) -> Sample {
        Sample { st, t, value: Value::Float(t as f64) }
    }

    #[test]
    fn cuts_for_each_purpose() {
        let encodings = |purpose, samples: &[Sample]| -> Vec<(u8, usize)> {
            build(purpose, samples)
                .iter()
                .map(|it| (it.chunk.encoding.byte(), it.chunk.as_data().n_samples()))
                .collect()
        };
        let floats: Vec<Sample> = (0..300).map(|t| float(0, t)).collect();
        let merge = Purpose::Merge { xor2: false };
        assert_eq!(encodings(merge, &floats), [(1, 120), (1, 120), (1, 60)]);
        assert_eq!(encodings(Purpose::Merge { xor2: true }, &floats)[2], (4, 60));
        assert_eq!(encodings(Purpose::Trim(Encoding::Xor2), &floats), [(4, 300)]);
        let mut mixed = vec![float(0, 0), float(1, 1), float(0, 2)];
        for t in 3..50 {
            let value = Value::Histogram(histogram(t));
            mixed.push(Sample { st: if t == 5 { 1 } else { 0 }, t, value });
        }
        let value = Value::FloatHistogram(histogram(1).to_float());
        mixed.push(Sample { st: 0, t: 50, value });
        for purpose in [merge, Purpose::OutOfOrder] {
            assert_eq!(encodings(purpose, &mixed), [(1, 1), (4, 2), (2, 2), (5, 45), (3, 1)]);
        }
    }

    #[test]
    fn cuts_by_size_out_of_order() {
        let value =
            |i: i64| Value::Float(f64::from_bits((i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)));
        let floats: Vec<_> =
            (0..400).map(|t| Sample { st: 0, t: t * t, value: value(t) }).collect();
        let chunks = build(Purpose::OutOfOrder, &floats);
        assert!(chunks.len() == 4 || chunks.len() == 5, "{}", chunks.len());
        let bytes = |it: &Rebuilt| it.chunk.data.len();
        assert!(chunks[..chunks.len() - 1].iter().all(|it| (1006..=1025).contains(&bytes(it))));
        assert_eq!(decode(&chunks), floats);
    }

    fn samples() -> impl Strategy<Value = Vec<Sample>> {
        let each = (0u8..40, 1i64..50_000, 0i64..20);
        prop::collection::vec(each, 1..400).prop_map(|all| {
            let (mut kind, mut st, mut t) = (0, 0, 1_700_000_000_000);
            let each = |(what, step, n): (u8, i64, i64)| {
                (kind, t) = (if what < 3 { what } else { kind }, t + step);
                st = [0, t - step, st][usize::from(what.saturating_sub(10) % 3).min(2)];
                let mut value = histogram(n);
                if what == 30 {
                    value.sum = stale_nan();
                }
                if what == 31 {
                    value.hint = model::CounterResetHint::Gauge;
                }
                let value = match kind {
                    0 => Value::Float(n as f64),
                    1 => Value::Histogram(value),
                    _ => Value::FloatHistogram(FloatHistogram {
                        hint: value.hint,
                        ..value.to_float()
                    }),
                };
                Sample { st, t, value }
            };
            all.into_iter().map(each).collect()
        })
    }

    proptest! {
        #[test]
        fn loses_nothing(samples in samples(), which in 0u8..3) {
            let purpose = [Purpose::Merge { xor2: false }, Purpose::Merge { xor2: true }, Purpose::OutOfOrder];
            let chunks = build(purpose[usize::from(which)], &samples);
            prop_assert!(are_same(&decode(&chunks), &samples));
            // What is rebuilt chunk by chunk is the same chunk.
            for it in chunks {
                let again = build(Purpose::Trim(it.chunk.encoding), &decode(std::slice::from_ref(&it)));
                prop_assert_eq!(again.len(), 1);
                prop_assert!(are_same(&decode(&again), &decode(&[it])));
            }
        }
    }
}
