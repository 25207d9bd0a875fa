//! Records: known bytes, and every kind there and back.

use model::{
    CounterResetHint, FloatHistogram, Histogram, Labels, Metadata, MetricType, SeriesRef, Span,
};
use proptest::prelude::*;
use wal::record::{
    self, DecodeError, HistogramBody, Kind, MmapMarker, RefExemplar, RefHistogram, RefSample,
    Tombstone,
};

const T: i64 = 1_700_000_000_000;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair =
        |it: &[u8]| u8::from_str_radix(std::str::from_utf8(it).expect("ascii"), 16).expect("hex");
    digits.chunks(2).map(pair).collect()
}

fn body(kind: Kind, record: &[u8]) -> &[u8] {
    let (found, body) = record::split(record).expect("a known kind");
    assert_eq!(found, kind);
    body
}

#[test]
fn samples_with_start_times_have_known_bytes() {
    let bytes =
        hex("0b  02 80a0abfef962 e083aafef962 3ff0000000000000  02 b0ea01 01 4000000000000000
         00 b0ea01 00 4000000000000000");
    let sample = |series, t, v| RefSample { series: SeriesRef(series), t, v };
    let all = [
        (sample(1, T, 1.0), T - 10_000),
        (sample(2, T + 15_000, 2.0), T - 10_000),
        (sample(2, T + 15_000, 2.0), 0),
    ];
    let mut read = Vec::new();
    record::samples_v2(body(Kind::SamplesV2, &bytes), |it, st| read.push((it, st))).expect("reads");
    assert_eq!(read, all);
    let mut out = Vec::new();
    record::put_samples_v2(&mut out, all);
    assert_eq!(out, bytes);
}

/// Schema 1, two buckets, at the place of the worked examples of floats.
fn histogram() -> Histogram {
    Histogram {
        hint: CounterResetHint::NotReset,
        schema: 1,
        zero_threshold: 0.001,
        zero_count: 1,
        count: 4,
        sum: 5.0,
        positive_spans: vec![Span { offset: -1, length: 2 }],
        positive_deltas: vec![1, 1],
        ..Histogram::default()
    }
}

#[test]
fn histograms_have_known_bytes() {
    let exponential = histogram();
    let custom = Histogram {
        schema: -53,
        zero_threshold: 0.0,
        custom_values: vec![0.5],
        ..exponential.clone()
    };
    let float = FloatHistogram {
        hint: CounterResetHint::Gauge,
        schema: 1,
        zero_threshold: 0.001,
        zero_count: 1.0,
        count: 2.5,
        sum: 5.0,
        negative_spans: vec![Span { offset: 3, length: 1 }],
        negative_buckets: vec![1.5],
        ..FloatHistogram::default()
    };
    let exponential_bytes = hex("02 02 3f50624dd2f1a9fc 01 04 4014000000000000
         01 01 02  00  02 02 02  00");
    let custom_bytes = hex("02 69 0000000000000000 01 04 4014000000000000
         01 01 02  00  02 02 02  00  01 3fe0000000000000");
    let float_bytes =
        hex("03 02 3f50624dd2f1a9fc 3ff0000000000000 4004000000000000 4014000000000000
         00  01 06 01  00  01 3ff8000000000000");
    let mut out = Vec::new();
    exponential.put(&mut out);
    assert_eq!(out, exponential_bytes);
    out.clear();
    float.put(&mut out);
    assert_eq!(out, float_bytes);

    // A custom one first: the record of the others counts from it all the same.
    let place =
        |series, t, histogram| RefHistogram { series: SeriesRef(series), t, st: 0, histogram };
    let (mut first, mut second) = (Vec::new(), vec![9]);
    let batch = [place(5, T, &custom), place(7, T + 1, &exponential), place(4, T - 1, &custom)];
    record::put_histograms(&mut first, &mut second, batch);
    let base = hex("0000000000000005 0000018bcfe56800");
    assert_eq!(first, [&[7][..], &base, &[4, 2], &exponential_bytes].concat());
    let custom_record = [&[9][..], &base, &[0, 0], &custom_bytes, &[1, 1], &custom_bytes].concat();
    assert_eq!(second, custom_record);
    record::put_histograms(&mut first, &mut second, [batch[0], batch[2]]);
    assert!(first.is_empty() && second == custom_record);

    let mut all = RefHistogram { st: T - 10_000, ..batch[0] };
    all.series = SeriesRef(1);
    record::put_histograms_v2(&mut out, [all, batch[1]]);
    let start = hex("0c  02 80a0abfef962 e083aafef962");
    assert_eq!(out, [&start[..], &custom_bytes, &[12, 2, 0], &exponential_bytes].concat());
}

#[test]
fn histograms_of_unknown_schemas_are_counted_and_fine_ones_reduced() {
    let with = |schema| Histogram { schema, ..histogram() };
    let batch: Vec<_> = [1, -10, -9, -54, 53, 20, 8, i32::MAX].into_iter().map(with).collect();
    let entry = |histogram| RefHistogram { series: SeriesRef(1), t: T, st: 0, histogram };
    let (mut out, mut custom) = (Vec::new(), Vec::new());
    record::put_histograms(&mut out, &mut custom, batch.iter().map(entry));
    let mut schemas = Vec::new();
    let n_unknown = record::histograms(
        Kind::Histograms,
        body(Kind::Histograms, &out),
        |it: RefHistogram<Histogram>| schemas.push(it.histogram.schema),
    );
    assert_eq!((n_unknown, schemas), (Ok(4), vec![1, -9, 8, 8]));
}

/// A record of histograms that claims more than it holds.
#[test]
fn a_count_beyond_the_record_is_an_error() {
    let mut out = Vec::new();
    histogram().put(&mut out);
    let n_deltas = out.len() - 4;
    assert_eq!(out[n_deltas], 2);
    let mut lying = vec![0; 16];
    lying.extend([0, 0]);
    lying.extend(&out[..n_deltas]);
    lying.extend([0xff; 9]);
    lying.push(1);
    let read = record::histograms(Kind::Histograms, &lying, |_: RefHistogram<Histogram>| ());
    assert_eq!(read, Err(DecodeError { rule: "record ends within an entry" }));
}

fn series() -> impl Strategy<Value = SeriesRef> {
    prop_oneof![1u64..50, any::<u64>()].prop_map(SeriesRef)
}

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![T..T + 50, any::<i64>(), Just(0)]
}

/// Any bits, but never a NaN: those do not equal themselves.
fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(1.0),
        any::<f64>().prop_filter("equal to itself", |it| !it.is_nan())
    ]
}

fn hint() -> impl Strategy<Value = CounterResetHint> {
    use CounterResetHint::{Gauge, NotReset, Reset, Unknown};
    prop_oneof![Just(Unknown), Just(Reset), Just(NotReset), Just(Gauge)]
}

fn spans() -> impl Strategy<Value = Vec<Span>> {
    let span = (any::<i32>(), any::<u32>());
    prop::collection::vec(span.prop_map(|(offset, length)| Span { offset, length }), 0..4)
}

fn many<T: std::fmt::Debug>(one: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(one, 0..5)
}

fn schema() -> impl Strategy<Value = i32> {
    prop_oneof![-9..=8i32, Just(-53)]
}

fn any_histogram() -> impl Strategy<Value = Histogram> {
    let numbers = (hint(), schema(), float(), any::<u64>(), any::<u64>(), float());
    let lists = (spans(), spans(), many(any::<i64>()), many(any::<i64>()), many(float()));
    (numbers, lists).prop_map(|(numbers, lists)| {
        let (hint, schema, zero_threshold, zero_count, count, sum) = numbers;
        let (positive_spans, negative_spans, positive_deltas, negative_deltas, bounds) = lists;
        Histogram {
            hint,
            schema,
            zero_threshold,
            zero_count,
            count,
            sum,
            positive_spans,
            negative_spans,
            positive_deltas,
            negative_deltas,
            custom_values: if schema == -53 { bounds } else { Vec::new() },
        }
    })
}

fn any_float_histogram() -> impl Strategy<Value = FloatHistogram> {
    let numbers = (hint(), schema(), float(), float(), float(), float());
    let lists = (spans(), spans(), many(float()), many(float()), many(float()));
    (numbers, lists).prop_map(|(numbers, lists)| {
        let (hint, schema, zero_threshold, zero_count, count, sum) = numbers;
        let (positive_spans, negative_spans, positive_buckets, negative_buckets, bounds) = lists;
        FloatHistogram {
            hint,
            schema,
            zero_threshold,
            zero_count,
            count,
            sum,
            positive_spans,
            negative_spans,
            positive_buckets,
            negative_buckets,
            custom_values: if schema == -53 { bounds } else { Vec::new() },
        }
    })
}

fn batch<H: std::fmt::Debug>(
    histogram: impl Strategy<Value = H>,
) -> impl Strategy<Value = Vec<RefHistogram<H>>> {
    let entry = (series(), time(), time(), histogram);
    let entry =
        entry.prop_map(|(series, t, st, histogram)| RefHistogram { series, t, st, histogram });
    prop::collection::vec(entry, 0..8)
}

/// Both ways there and back; the older one forgets start times and brings custom ones last.
fn check_histograms<H: HistogramBody + Clone + PartialEq + std::fmt::Debug>(
    batch: &[RefHistogram<H>],
) {
    let [exponential_kind, custom_kind, newer_kind] = H::KINDS;
    let mut out = Vec::new();
    record::put_histograms_v2(&mut out, batch.iter().map(RefHistogram::as_ref));
    let mut read = Vec::new();
    let n_unknown =
        record::histograms(newer_kind, body(newer_kind, &out), |it: RefHistogram<H>| read.push(it));
    assert_eq!((n_unknown, &read[..]), (Ok(0), batch));

    let mut custom = Vec::new();
    record::put_histograms(&mut out, &mut custom, batch.iter().map(RefHistogram::as_ref));
    let mut read: Vec<RefHistogram<H>> = Vec::new();
    for (kind, record) in [(exponential_kind, &out), (custom_kind, &custom)] {
        if !record.is_empty() {
            let body = body(kind, record);
            assert!(!body.is_empty(), "a record without entries");
            record::histograms(kind, body, |it| read.push(it)).expect("reads");
        }
    }
    let is_custom = |it: &&RefHistogram<H>| it.histogram.schema() == -53;
    let expected: Vec<_> = batch
        .iter()
        .filter(|it| !is_custom(it))
        .chain(batch.iter().filter(is_custom))
        .map(|it| RefHistogram { st: 0, ..it.clone() })
        .collect();
    assert_eq!(read, expected);
}

fn labels() -> impl Strategy<Value = Labels> {
    prop::collection::btree_map("[a-z_]{1,8}", "\\PC{1,12}", 0..4).prop_map(Labels::from_pairs)
}

proptest! {
    #[test]
    fn histograms_come_back(batch in batch(any_histogram())) {
        check_histograms(&batch);
    }

    #[test]
    fn float_histograms_come_back(batch in batch(any_float_histogram())) {
        check_histograms(&batch);
    }

    #[test]
    fn samples_come_back(all in prop::collection::vec((series(), time(), any::<u64>(), time()), 1..20)) {
        let all: Vec<_> = all
            .into_iter()
            .map(|(series, t, bits, st)| (RefSample { series, t, v: f64::from_bits(bits) }, st))
            .collect();
        let bits = |it: RefSample, st| (it.series, it.t, it.v.to_bits(), st);
        let mut out = Vec::new();
        let mut read = Vec::new();
        record::put_samples(&mut out, all.iter().map(|(it, _)| *it));
        record::samples(body(Kind::Samples, &out), |it| read.push(bits(it, 0))).expect("reads");
        let expected: Vec<_> = all.iter().map(|(it, _)| bits(*it, 0)).collect();
        prop_assert_eq!(&read, &expected);
        read.clear();
        record::put_samples_v2(&mut out, all.iter().copied());
        record::samples_v2(body(Kind::SamplesV2, &out), |it, st| read.push(bits(it, st))).expect("reads");
        let expected: Vec<_> = all.iter().map(|(it, st)| bits(*it, *st)).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn other_kinds_come_back(
        series in series(), a in any::<u64>(), mint in any::<i64>(), maxt in any::<i64>(),
        v in float(), labels in labels(), text in "\\PC{0,20}", kind in 0usize..8,
    ) {
        let mut out = Vec::new();
        record::start(Kind::Series, &mut out);
        record::put_series(&mut out, series, &labels);
        record::put_series(&mut out, SeriesRef(a), &labels);
        let mut read = Vec::new();
        record::series(body(Kind::Series, &out), |series, it| read.push((series, it))).expect("reads");
        prop_assert_eq!(read, [(series, labels.clone()), (SeriesRef(a), labels.clone())]);

        record::start(Kind::Tombstones, &mut out);
        let stone = Tombstone { series, mint, maxt };
        record::put_tombstone(&mut out, stone);
        record::put_tombstone(&mut out, stone);
        let mut read = Vec::new();
        record::tombstones(body(Kind::Tombstones, &out), |it| read.push(it)).expect("reads");
        prop_assert_eq!(read, [stone; 2]);

        record::start(Kind::MmapMarkers, &mut out);
        let marker = MmapMarker { series, chunk: a };
        record::put_mmap_marker(&mut out, marker);
        record::put_mmap_marker(&mut out, marker);
        let mut read = Vec::new();
        record::mmap_markers(body(Kind::MmapMarkers, &out), |it| read.push(it)).expect("reads");
        prop_assert_eq!(read, [marker; 2]);

        let exemplar = RefExemplar { series, t: mint, v, labels };
        let other = RefExemplar { series: SeriesRef(a), t: maxt, ..exemplar.clone() };
        record::put_exemplars(&mut out, [&exemplar, &other]);
        let mut read = Vec::new();
        record::exemplars(body(Kind::Exemplars, &out), |it| read.push(it)).expect("reads");
        prop_assert_eq!(read, [exemplar, other]);

        use MetricType::{Counter, Gauge, GaugeHistogram, Histogram, Info, StateSet, Summary, Unknown};
        let kinds = [Unknown, Counter, Gauge, Histogram, GaugeHistogram, Summary, Info, StateSet];
        let metadata = Metadata { kind: kinds[kind], unit: text.clone(), help: text };
        record::start(Kind::Metadata, &mut out);
        record::put_metadata(&mut out, series, &metadata);
        let mut read = Vec::new();
        record::metadata(body(Kind::Metadata, &out), |series, it| read.push((series, it))).expect("reads");
        prop_assert_eq!(read, [(series, metadata)]);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(kind in 0u8..16, mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        bytes.insert(0, kind);
        let _ = record::check(&bytes);
    }

    /// Cut at any byte, a record either ends at an entry or is an error; it never hands over what is not there.
    #[test]
    fn cut_records_hand_over_a_prefix(batch in batch(any_histogram())) {
        let mut out = Vec::new();
        record::put_histograms_v2(&mut out, batch.iter().map(RefHistogram::as_ref));
        for cut in 1..out.len() {
            let mut read = Vec::new();
            let _ = record::histograms(Kind::HistogramsV2, &out[1..cut], |it: RefHistogram<Histogram>| read.push(it));
            prop_assert!(batch.starts_with(&read), "cut at {}", cut);
        }
    }
}
