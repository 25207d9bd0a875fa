//! Known bytes, what a naive bit string says, and what a naive classifier decides.

mod naive;

use model::{Histogram, SCHEMA_CUSTOM, stale_nan};
use proptest::prelude::*;

use super::*;
use crate::xor::tests::hex;
use crate::{Encoding, HistogramRef};
use naive::Plain;

const T: i64 = 1_700_000_000_000;
const WHOLE: &str = "0003 00 74 8c647f0000c5e7f2b400522802800000000000118fc1d4c4e3b02e2120";
const FLOAT: &str = "0003 00 74 8c647f0000c5e7f2b40020080000000000001ff8000000000000200a0000000000001ff8000000000000\
    20000000000000007c1d4c6c0bc25fffd81784bfffb01b507f6039d80f5858";
const ENCODINGS: [Encoding; 4] = [
    Encoding::Histogram,
    Encoding::FloatHistogram,
    Encoding::HistogramSt,
    Encoding::FloatHistogramSt,
];

/// A sample of each kind.
#[derive(Clone, Debug)]
struct Both {
    st: i64,
    t: i64,
    whole: Histogram,
    float: FloatHistogram,
}

impl Both {
    fn of(st: i64, t: i64, plain: &Plain) -> Self {
        let whole = plain.whole();
        Self { st, t, float: whole.to_float(), whole }
    }

    fn histogram(&self, encoding: Encoding) -> HistogramRef<'_> {
        match Kind::of(encoding) {
            Kind::Whole => (&self.whole).into(),
            Kind::Float => (&self.float).into(),
        }
    }
}

fn start(encoding: Encoding, it: &Both) -> OpenHistogram {
    OpenHistogram::start(encoding.has_starts(), it.st, it.t, it.histogram(encoding))
}

/// Chunks of samples one after the other.
fn encode(encoding: Encoding, samples: &[Both]) -> Vec<OpenHistogram> {
    let mut chunks = vec![start(encoding, &samples[0])];
    for it in &samples[1..] {
        let open = chunks.last_mut().unwrap();
        let next = open.append(it.st, it.t, it.histogram(encoding));
        chunks.extend(next);
    }
    chunks
}

fn decode(chunk: ChunkData<'_>) -> Result<Vec<Sample>, DecodeError> {
    let mut out = Vec::new();
    decode_samples(chunk, i64::MIN, i64::MAX, &mut out).map(|()| out)
}

type AllColumns = (Vec<i64>, Vec<i64>, Vec<FloatHistogram>);

fn columns(chunk: ChunkData<'_>, mint: i64, maxt: i64) -> Result<AllColumns, DecodeError> {
    let (st, t, v) = (&mut Vec::new(), &mut Vec::new(), &mut Vec::new());
    let mut all: AllColumns = Default::default();
    let (histogram_st, histogram_t, histogram) = (&mut all.0, &mut all.1, &mut all.2);
    let mut out = Columns { st, t, v, histogram_st, histogram_t, histogram };
    decode_range(chunk, mint, maxt, &mut out).map(|()| all)
}

/// The three histograms that the known bytes hold.
fn known() -> Vec<Both> {
    let plain = |i| Plain {
        schema: 1,
        zero_threshold: 2f64.powi(-128),
        zero_count: 1 + i,
        sum: 5.0 + i as f64,
        buckets: [((0, 0), 1 + i), ((0, 1), 2 + i)].into(),
        ..Plain::default()
    };
    (0..3u64).map(|i| Both::of(0, T + 15_000 * i.cast_signed(), &plain(i))).collect()
}

#[test]
fn reads_and_writes_the_known_bytes() {
    for (encoding, data) in [(Encoding::Histogram, WHOLE), (Encoding::FloatHistogram, FLOAT)] {
        let chunks = encode(encoding, &known());
        assert_eq!((chunks.len(), chunks[0].data()), (1, &hex(data)[..]));
        let (st, t, found) = columns(chunks[0].as_data(), i64::MIN, i64::MAX).unwrap();
        assert_eq!((st, t), (vec![], vec![T, T + 15_000, T + 30_000]));
        for (at, (found, it)) in found.iter().zip(known()).enumerate() {
            let first = [CounterResetHint::Unknown, CounterResetHint::NotReset][at.min(1)];
            assert_eq!(*found, FloatHistogram { hint: first, ..it.float });
        }
        let mut gauge = hex(data);
        gauge[2] = 0b11 << 6;
        let gauge = ChunkData { encoding, data: &gauge };
        assert_eq!(columns(gauge, T, T).unwrap().2[0].hint, CounterResetHint::Gauge);
        let cut = ChunkData { encoding, data: &hex(data)[..30] };
        assert_eq!(columns(cut, i64::MIN, i64::MAX), Err(DecodeError::Truncated));
    }
}

#[test]
fn writes_start_times_after_each_sample() {
    let mut samples = known();
    (samples[0].st, samples[1].st, samples[2].st) = (T - 10_000, T - 10_000, T + 20_000);
    let chunks = encode(Encoding::HistogramSt, &samples);
    assert_eq!(chunks[0].data()[..3], hex("0003 82"));
    let (st, ..) = columns(chunks[0].as_data(), i64::MIN, i64::MAX).unwrap();
    assert_eq!(st, [T - 10_000, T - 10_000, T + 20_000]);
    // Without any, they are the chunks without.
    for (with, without) in [(Encoding::HistogramSt, WHOLE), (Encoding::FloatHistogramSt, FLOAT)] {
        let chunks = encode(with, &known());
        assert_eq!(chunks[0].data()[3..], hex(without)[3..]);
        let gauges = known().into_iter().map(|mut it| {
            it.whole.hint = CounterResetHint::Gauge;
            it.float.hint = CounterResetHint::Gauge;
            it
        });
        let chunks = encode(with, &gauges.collect::<Vec<_>>());
        assert_eq!((&chunks[0].data()[..3], chunks[0].n_samples()), (&hex("c003 00")[..], 3));
        assert_eq!(chunks[0].as_data().n_samples(), 3);
    }
}

#[test]
fn reads_a_range() {
    let data = hex(WHOLE);
    let chunk = ChunkData { encoding: Encoding::Histogram, data: &data };
    let (_, t, found) = columns(chunk, T + 1, T + 29_999).unwrap();
    assert_eq!((t, found[0].count), (vec![T + 15_000], 7.0));
}

#[test]
fn reduces_fine_schemas_and_refuses_unknown_ones() {
    for (schema, expected) in [(9, 8), (52, 8), (8, 8), (-9, -9)] {
        let fine = Plain { schema, buckets: [((0, 1), 3), ((0, 2), 4)].into(), ..Plain::default() };
        for encoding in ENCODINGS {
            let open = start(encoding, &Both::of(0, T, &fine));
            let found = columns(open.as_data(), T, T).unwrap().2.remove(0);
            let counts = if schema == expected { vec![3.0, 4.0] } else { vec![7.0] };
            assert_eq!((found.schema, found.positive_buckets), (expected, counts));
            let Some(Value::Histogram(whole)) =
                decode(open.as_data()).unwrap().pop().map(|it| it.value)
            else {
                continue;
            };
            assert_eq!(whole.schema, expected);
        }
    }
    let unknown = Plain { schema: 53, ..Plain::default() };
    let open = start(Encoding::Histogram, &Both::of(0, T, &unknown));
    assert_eq!(decode(open.as_data()), Err(DecodeError::UnknownSchema(53)));
}

#[test]
fn keeps_thresholds_and_bounds_exactly() {
    let bounds = [-1.0, 0.0, 0.001, 0.1, 0.30000000000000004, 5.0, 33_554.43, 33_554.431, 1e300];
    let powers = (-250..15).map(|e| 2f64.powi(e));
    for zero_threshold in powers.chain([0.0, 0.001, 3.0, f64::MIN_POSITIVE, 5e-324]) {
        let plain = Plain { zero_threshold, ..Plain::default() };
        let open = start(Encoding::Histogram, &Both::of(0, T, &plain));
        let found = columns(open.as_data(), T, T).unwrap().2.remove(0);
        assert_eq!(found.zero_threshold.to_bits(), zero_threshold.to_bits());
        let is_short = zero_threshold == 0.0
            || (zero_threshold.to_bits() << 12 == 0
                && (2f64.powi(-243)..=1024.0).contains(&zero_threshold));
        assert_eq!(open.data()[3] != 255, is_short, "{zero_threshold}");
    }
    let plain = Plain { schema: SCHEMA_CUSTOM, custom_values: bounds.to_vec(), ..Plain::default() };
    let open = start(Encoding::Histogram, &Both::of(0, T, &plain));
    let found = columns(open.as_data(), T, T).unwrap().2.remove(0);
    assert_eq!(found.custom_values, bounds);
}

/// Histograms that grow, get and lose buckets, fall, become stale or another kind.
fn series() -> impl Strategy<Value = Vec<(i64, i64, Plain)>> {
    let bucket = (0usize..2, -3i64..12, 0u64..40);
    let change = (0u8..40, prop::collection::vec(bucket, 0..4), 1i64..100_000, -10i64..3000);
    let start = prop_oneof![Just(0u8), Just(1), Just(2)];
    (start, any::<bool>(), prop::collection::vec(change, 1..160)).prop_map(
        |(kind, with_starts, changes)| {
            let mut now = Plain { sum: 1.0, ..Plain::default() };
            if kind == 1 {
                now.hint = CounterResetHint::Gauge;
            }
            if kind == 2 {
                (now.schema, now.custom_values) = (SCHEMA_CUSTOM, vec![1.0, 2.0, 7.0]);
            }
            let (mut st, mut t) = (0, T);
            let mut all = Vec::new();
            for (what, buckets, step, sum) in changes {
                t += if what % 2 == 0 { 15_000 } else { step };
                st = match what {
                    _ if !with_starts => 0,
                    0 | 1 => t - step,
                    2 => 0,
                    _ => st,
                };
                now.hint = match (now.hint, what) {
                    (CounterResetHint::Gauge, _) => CounterResetHint::Gauge,
                    (_, 3) => CounterResetHint::Reset,
                    _ => CounterResetHint::Unknown,
                };
                now.sum = if what == 4 { stale_nan() } else { sum as f64 / 4.0 };
                match what {
                    5 => now.schema = [3, 4][usize::from(now.schema == 3)],
                    6 => now.zero_threshold = 0.25,
                    7 => now.zero_threshold = 0.001,
                    8 => now.zero_count = now.zero_count.saturating_sub(3),
                    9 => _ = now.buckets.pop_first(),
                    10 => now.buckets.values_mut().for_each(|it| *it /= 2),
                    11 => now.buckets.retain(|_, count| 0 < *count),
                    12 if !now.custom_values.is_empty() => {
                        now.custom_values.push(now.custom_values.len() as f64 * 10.0)
                    }
                    13 => now.extra += 7,
                    14 => now.hint = CounterResetHint::Gauge,
                    15 => now.hint = CounterResetHint::Unknown,
                    _ => now.zero_count += step.cast_unsigned() % 3,
                }
                if now.schema != SCHEMA_CUSTOM {
                    now.custom_values.clear();
                }
                for (side, index, more) in buckets {
                    *now.buckets.entry((side, index)).or_default() += more;
                }
                all.push((st, t, now.clone()));
            }
            all
        },
    )
}

fn both(series: &[(i64, i64, Plain)]) -> Vec<Both> {
    series.iter().map(|(st, t, plain)| Both::of(*st, *t, plain)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn equals_the_naive_encoding(series in series()) {
        for encoding in ENCODINGS {
            let chunks = encode(encoding, &both(&series));
            let expected = naive::chunks(Kind::of(encoding) == Kind::Whole, &series);
            let found: Vec<_> = chunks.iter().map(|it| (it.header(), usize::from(it.n_samples()))).collect();
            prop_assert_eq!(&found, &expected);
            let mut from = 0;
            for (open, (header, n)) in chunks.iter().zip(expected) {
                let bits = naive::bits(encoding, header, &series[from..from + n]);
                prop_assert_eq!(crate::naive::text(open.data()), bits);
                from += n;
            }
        }
    }

    #[test]
    fn decodes_what_was_appended(series in series()) {
        for encoding in ENCODINGS {
            let mut at = 0;
            for open in encode(encoding, &both(&series)) {
                let (st, t, floats) = columns(open.as_data(), i64::MIN, i64::MAX).unwrap();
                let all = decode(open.as_data()).unwrap();
                prop_assert_eq!(open.first_t(), t[0]);
                for (i, sample) in all.iter().enumerate() {
                    let (want_st, want_t, plain) = &series[at];
                    let whole = plain.whole();
                    let is_same = match &sample.value {
                        Value::Histogram(it) => it.is_same(&whole),
                        Value::FloatHistogram(it) => it.is_same(&whole.to_float()),
                        Value::Float(_) => false,
                    };
                    prop_assert!(is_same && floats[i].is_same(&whole.to_float()));
                    let st = st.get(i).copied().unwrap_or(0);
                    let want_st = if encoding.has_starts() { *want_st } else { 0 };
                    prop_assert_eq!((sample.st, sample.t, st, t[i]), (want_st, *want_t, want_st, *want_t));
                    at += 1;
                }
                let last = Both::of(0, 0, &series[at - 1].2);
                prop_assert!(open.is_last(last.histogram(encoding)));
            }
            prop_assert_eq!(at, series.len());
        }
    }

    #[test]
    fn continues_from_data(series in series(), at in 0usize..160) {
        let at = at.min(series.len() - 1);
        for encoding in ENCODINGS {
            let samples = both(&series);
            let mut chunks = encode(encoding, &samples[..=at]);
            let last = chunks.pop().unwrap();
            chunks.push(OpenHistogram::resume(last.as_data()).unwrap());
            for it in &samples[at + 1..] {
                let next = chunks.last_mut().unwrap().append(it.st, it.t, it.histogram(encoding));
                chunks.extend(next);
            }
            let data = |all: &[OpenHistogram]| all.iter().map(|it| it.data().to_vec()).collect::<Vec<_>>();
            prop_assert_eq!(data(&chunks), data(&encode(encoding, &samples)));
        }
    }

    #[test]
    fn follows_as_the_classifier_says(series in series()) {
        use CounterResetHint::{Gauge, NotReset, Reset};
        for (encoding, pair) in ENCODINGS.into_iter().flat_map(|it| series.windows(2).map(move |pair| (it, pair))) {
            let is_whole = Kind::of(encoding) == Kind::Whole;
            let open = start(encoding, &Both::of(0, T, &pair[0].2));
            let next = Both::of(0, T + 1, &pair[1].2);
            let found = open.follow(false, 0, T + 1, next.histogram(encoding)).header();
            let expected = match naive::verdict(is_whole, open.header(), &pair[0].2, &pair[1].2) {
                _ if pair[1].2.hint == Gauge => Gauge,
                _ if pair[1].2.hint == Reset => Reset,
                Some(Reset) => Reset,
                Some(header) if is_whole => header,
                _ => NotReset,
            };
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn survives_any_bytes(data in prop::collection::vec(any::<u8>(), 0..120), which in 0usize..4, keep in 0usize..30) {
        // A good beginning leads further in.
        let encoding = ENCODINGS[which];
        let mut all = hex(if which % 2 == 0 { WHOLE } else { FLOAT });
        all.truncate(keep);
        all.extend(data);
        let chunk = ChunkData { encoding, data: &all };
        prop_assert_eq!(decode(chunk).is_ok(), columns(chunk, i64::MIN, i64::MAX).is_ok());
        if let Ok(mut open) = OpenHistogram::resume(chunk) {
            let next = &known()[0];
            let _ = open.append(1, T, next.histogram(encoding));
        }
    }

    #[test]
    fn cut_data_never_decodes(series in series(), at in 0usize..3000) {
        for encoding in ENCODINGS {
            let open = &encode(encoding, &both(&series))[0];
            let data = &open.data()[..at % open.data().len()];
            let chunk = ChunkData { encoding, data };
            prop_assert!(decode(chunk).is_err());
        }
    }
}
