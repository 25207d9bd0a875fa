//! Decodes native histogram chunks (encoding 2: integer counts, 3: float counts).
//!
//! The bucket layout is written once for the chunk, then sample after sample: time, count, zero count,
//! sum, buckets. Integer numbers are changes of differences; floats, and the sum of both, are xored, each
//! bucket with a window of its own.

use model::{CounterResetHint, FloatHistogram, Span, is_stale_nan};
use stdx::bits::BitReader;

use crate::varbit::{take_signed, take_unsigned};
use crate::xor::{self, Value};
use crate::{ChunkData, DecodeError, Encoding};

/// The count and the flags come before the bits.
const START_BIT: usize = 24;
const GAUGE_FLAGS: u8 = 0b11 << 6;
const SCHEMA_CUSTOM: i64 = -53;
/// Buckets, spans and bounds of all samples of a chunk together.
const ENTRIES_MAX: usize = 32 << 20;

/// Appends the samples of `chunk` within `mint..=maxt` to the columns.
///
/// # Errors
/// If the data ends early or makes no sense; nothing is appended then.
pub(crate) fn decode_range(
    chunk: ChunkData<'_>,
    mint: i64,
    maxt: i64,
    out_t: &mut Vec<i64>,
    out: &mut Vec<FloatHistogram>,
) -> Result<(), DecodeError> {
    let head: &[u8; 3] = chunk.data.first_chunk().ok_or(DecodeError::Truncated)?;
    let is_gauge = head[2] & GAUGE_FLAGS == GAUGE_FLAGS;
    let n = chunk.n_samples();
    if n == 0 {
        return Ok(());
    }
    let padded = xor::pad(chunk.data);
    let mut bits = BitReader::new(&padded, START_BIT);
    // The first sample has a bit or more for each bucket, or is stale and has none.
    let layout = take_layout(&mut bits, (ENTRIES_MAX / n).min(chunk.data.len() * 8))?;
    let mut samples = Samples::new(chunk.encoding, &layout);
    let start = out.len();
    for at in 0..n {
        let (t, mut histogram) = samples.next(&mut bits, &layout);
        if bits.overran() {
            out_t.truncate(start);
            out.truncate(start);
            return Err(DecodeError::Truncated);
        }
        if maxt < t {
            break;
        }
        histogram.hint = match at {
            _ if is_gauge => CounterResetHint::Gauge,
            0 => CounterResetHint::Unknown,
            _ => CounterResetHint::NotReset,
        };
        if mint <= t {
            out_t.push(t);
            out.push(histogram);
        }
    }
    Ok(())
}

/// Takes what all samples have in common, as a histogram without counts; its buckets are zeros.
/// `entries_max`: buckets, spans and bounds it may have.
fn take_layout(
    bits: &mut BitReader<'_>,
    entries_max: usize,
) -> Result<FloatHistogram, DecodeError> {
    let zero_threshold = match bits.take(8) {
        0 => 0.0,
        255 => f64::from_bits(bits.take(64)),
        // A power of two, from 2^-243 to 2^10: its exponent is written 1267 - 1023 = 244 above.
        byte => f64::from_bits((byte + 1023 - 244) << 52),
    };
    let schema = take_signed(bits);
    let mut spans = Spans { left: entries_max, n_buckets: [0; 2] };
    let positive_spans = spans.take(bits, 0)?;
    let negative_spans = spans.take(bits, 1)?;
    let custom_values =
        if schema == SCHEMA_CUSTOM { take_custom_values(bits, spans.left)? } else { Vec::new() };
    let known = i32::try_from(schema).ok().filter(|it| matches!(it, -9..=8 | -53));
    Ok(FloatHistogram {
        schema: known.ok_or(DecodeError::UnknownSchema(schema))?,
        zero_threshold,
        positive_spans,
        negative_spans,
        positive_buckets: vec![0.0; spans.n_buckets[0]],
        negative_buckets: vec![0.0; spans.n_buckets[1]],
        custom_values,
        ..FloatHistogram::default()
    })
}

/// Takes spans, and counts what a sample will have.
struct Spans {
    /// Entries a sample may still have.
    left: usize,
    n_buckets: [usize; 2],
}

impl Spans {
    fn take(&mut self, bits: &mut BitReader<'_>, side: usize) -> Result<Vec<Span>, DecodeError> {
        let n = take_unsigned(bits);
        let mut spans = Vec::new();
        for _ in 0..n {
            let length = u32::try_from(take_unsigned(bits)).map_err(|_| DecodeError::Excessive)?;
            let offset = i32::try_from(take_signed(bits)).map_err(|_| DecodeError::Excessive)?;
            if bits.overran() {
                return Err(DecodeError::Truncated);
            }
            self.left = self.left.checked_sub(length as usize + 1).ok_or(DecodeError::Excessive)?;
            self.n_buckets[side] += length as usize;
            spans.push(Span { offset, length });
        }
        Ok(spans)
    }
}

fn take_custom_values(bits: &mut BitReader<'_>, n_max: usize) -> Result<Vec<f64>, DecodeError> {
    let n = take_unsigned(bits);
    if usize::try_from(n).map_or(true, |n| n_max < n) {
        return Err(DecodeError::Excessive);
    }
    let mut values = Vec::new();
    for _ in 0..n {
        values.push(match take_unsigned(bits) {
            0 => f64::from_bits(bits.take(64)),
            #[expect(clippy::cast_precision_loss, reason = "the writer checked that it is exact")]
            thousandths => (thousandths - 1) as f64 / 1000.0,
        });
        if bits.overran() {
            return Err(DecodeError::Truncated);
        }
    }
    Ok(values)
}

/// A number written as the change of its differences.
#[derive(Clone, Copy, Debug, Default)]
struct Whole {
    value: i64,
    delta: i64,
}

impl Whole {
    fn take_change(&mut self, bits: &mut BitReader<'_>) {
        self.delta = self.delta.wrapping_add(take_signed(bits));
        self.value = self.value.wrapping_add(self.delta);
    }
}

/// The samples of a chunk, one after the other.
struct Samples {
    /// False before the first sample.
    begun: bool,
    t: Whole,
    sum: Value,
    counts: Counts,
}

/// Count, zero count, then positive and negative buckets.
enum Counts {
    Whole(Vec<Whole>),
    Float(Vec<Value>),
}

impl Samples {
    fn new(encoding: Encoding, layout: &FloatHistogram) -> Self {
        let n = 2 + layout.positive_buckets.len() + layout.negative_buckets.len();
        let counts = match encoding {
            Encoding::Histogram => Counts::Whole(vec![Whole::default(); n]),
            _ => Counts::Float(vec![Value::default(); n]),
        };
        Self { begun: false, t: Whole::default(), sum: Value::default(), counts }
    }

    fn next(&mut self, bits: &mut BitReader<'_>, layout: &FloatHistogram) -> (i64, FloatHistogram) {
        let first = !self.begun;
        self.begun = true;
        if first {
            self.t.value = take_signed(bits);
        } else {
            self.t.take_change(bits);
        }
        self.counts.take(bits, 0..2, first);
        take_xored(&mut self.sum, bits, first);
        let sum = f64::from_bits(self.sum.bits);
        if is_stale_nan(sum) {
            // A stale sample has no buckets, and nothing but stale ones comes after it.
            return (self.t.value, FloatHistogram { sum, ..FloatHistogram::default() });
        }
        let n_positive = layout.positive_buckets.len();
        let n_all = 2 + n_positive + layout.negative_buckets.len();
        self.counts.take(bits, 2..n_all, first);
        let mut histogram = FloatHistogram { sum, ..layout.clone() };
        histogram.count = self.counts.get(0);
        histogram.zero_count = self.counts.get(1);
        self.counts.fill(2, &mut histogram.positive_buckets);
        self.counts.fill(2 + n_positive, &mut histogram.negative_buckets);
        (self.t.value, histogram)
    }
}

impl Counts {
    fn take(&mut self, bits: &mut BitReader<'_>, range: std::ops::Range<usize>, first: bool) {
        match self {
            Self::Whole(all) => {
                for (it, at) in all[range.clone()].iter_mut().zip(range) {
                    match at {
                        // Counts begin as unsigned numbers, buckets as signed ones.
                        0 | 1 if first => it.value = take_unsigned(bits).cast_signed(),
                        _ if first => it.value = take_signed(bits),
                        _ => it.take_change(bits),
                    }
                }
            }
            Self::Float(all) => all[range].iter_mut().for_each(|it| take_xored(it, bits, first)),
        }
    }

    fn get(&self, at: usize) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "queries compute with floats")]
            Self::Whole(all) => all[at].value.cast_unsigned() as f64,
            Self::Float(all) => f64::from_bits(all[at].bits),
        }
    }

    /// Fills in absolute counts; whole ones are written as difference to the bucket before.
    fn fill(&self, from: usize, buckets: &mut [f64]) {
        match self {
            Self::Whole(all) => {
                let mut count = 0i64;
                for (bucket, it) in buckets.iter_mut().zip(&all[from..]) {
                    count = count.wrapping_add(it.value);
                    #[expect(clippy::cast_precision_loss, reason = "queries compute with floats")]
                    {
                        *bucket = count as f64;
                    }
                }
            }
            Self::Float(all) => {
                for (bucket, it) in buckets.iter_mut().zip(&all[from..]) {
                    *bucket = f64::from_bits(it.bits);
                }
            }
        }
    }
}

fn take_xored(value: &mut Value, bits: &mut BitReader<'_>, first: bool) {
    if first {
        value.bits = bits.take(64);
    } else {
        let next = bits.peek();
        value.take(bits, next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xor::tests::hex;
    use proptest::prelude::*;

    const T: i64 = 1_700_000_000_000;
    const WHOLE: &str = "0003 00 74 8c647f0000c5e7f2b400522802800000000000118fc1d4c4e3b02e2120";
    const FLOAT: &str = "0003 00 74 8c647f0000c5e7f2b40020080000000000001ff8000000000000200a0000000000001ff8000000000000\
        20000000000000007c1d4c6c0bc25fffd81784bfffb01b507f6039d80f5858";

    fn decode(
        encoding: Encoding,
        data: &[u8],
    ) -> Result<(Vec<i64>, Vec<FloatHistogram>), DecodeError> {
        let (mut t, mut histograms) = (Vec::new(), Vec::new());
        let chunk = ChunkData { encoding, data };
        decode_range(chunk, i64::MIN, i64::MAX, &mut t, &mut histograms).map(|()| (t, histograms))
    }

    /// The three histograms that the known bytes hold.
    fn expected() -> Vec<FloatHistogram> {
        let histogram = |i: f64| FloatHistogram {
            hint: if i == 0.0 { CounterResetHint::Unknown } else { CounterResetHint::NotReset },
            schema: 1,
            zero_threshold: 2f64.powi(-128),
            zero_count: 1.0 + i,
            count: 4.0 + 3.0 * i,
            sum: 5.0 + i,
            positive_spans: vec![Span { offset: 0, length: 2 }],
            positive_buckets: vec![1.0 + i, 2.0 + i],
            ..FloatHistogram::default()
        };
        [0.0, 1.0, 2.0].map(histogram).to_vec()
    }

    #[test]
    fn reads_the_known_bytes() {
        for (encoding, data) in [(Encoding::Histogram, WHOLE), (Encoding::FloatHistogram, FLOAT)] {
            let (t, histograms) = decode(encoding, &hex(data)).unwrap();
            assert_eq!(t, [T, T + 15_000, T + 30_000]);
            assert_eq!(histograms, expected());
            let mut gauge = hex(data);
            gauge[2] = GAUGE_FLAGS;
            assert_eq!(decode(encoding, &gauge).unwrap().1[0].hint, CounterResetHint::Gauge);
            let cut = &hex(data)[..30];
            assert_eq!(decode(encoding, cut), Err(DecodeError::Truncated));
        }
    }

    #[test]
    fn reads_a_range() {
        let chunk = ChunkData { encoding: Encoding::Histogram, data: &hex(WHOLE) };
        let (mut t, mut histograms) = (vec![1], vec![FloatHistogram::default()]);
        decode_range(chunk, T + 1, T + 29_999, &mut t, &mut histograms).unwrap();
        assert_eq!((t, histograms.len(), histograms[1].count), (vec![1, T + 15_000], 2, 7.0));
    }

    proptest! {
        #[test]
        fn survives_any_bytes(data in prop::collection::vec(any::<u8>(), 0..120), float: bool, keep in 0usize..30) {
            let encoding = if float { Encoding::FloatHistogram } else { Encoding::Histogram };
            // A good beginning leads further in.
            let mut all = hex(if float { FLOAT } else { WHOLE });
            all.truncate(keep);
            all.extend(data);
            let _ = decode(encoding, &all);
        }
    }
}
