//! Each rule broken, and what is said then.

use super::*;

fn spans(all: &[(i32, u32)]) -> Vec<Span> {
    all.iter().map(|&(offset, length)| Span { offset, length }).collect()
}

fn sound() -> Histogram {
    Histogram {
        zero_count: 1,
        count: 6,
        sum: 3.0,
        positive_spans: spans(&[(-1, 1), (1, 1)]),
        positive_deltas: vec![1, 1],
        negative_spans: spans(&[(0, 1)]),
        negative_deltas: vec![2],
        ..Histogram::default()
    }
}

fn custom() -> Histogram {
    Histogram {
        schema: SCHEMA_CUSTOM,
        count: 3,
        positive_spans: spans(&[(0, 2)]),
        positive_deltas: vec![1, 1],
        custom_values: vec![1.0],
        ..Histogram::default()
    }
}

fn check(histogram: &Histogram, expected: &str) {
    assert_eq!(histogram.validate().unwrap_err().to_string(), expected);
}

/// Integer and float say the same.
fn check_both(histogram: &Histogram, expected: &str) {
    check(histogram, expected);
    assert_eq!(histogram.to_float().validate().unwrap_err().to_string(), expected);
}

#[test]
fn takes_sound_ones() {
    for it in [sound(), custom(), Histogram { sum: f64::NAN, count: 9, ..sound() }] {
        assert_eq!((it.validate(), it.to_float().validate()), (Ok(()), Ok(())));
    }
}

#[test]
fn refuses_broken_layouts() {
    check_both(
        &Histogram { positive_deltas: vec![1], ..sound() },
        "positive side: spans need 2 buckets, have 1 buckets: histogram spans specify different number of buckets than provided",
    );
    check_both(
        &Histogram { negative_spans: spans(&[(0, 1), (-2, 0)]), ..sound() },
        "negative side: span number 2 with offset -2: histogram has a span whose offset is negative",
    );
    check_both(
        &Histogram { custom_values: vec![1.0], ..sound() },
        "histogram with exponential schema must not have custom bounds",
    );
    check_both(
        &Histogram { schema: 9, ..sound() },
        "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for custom buckets, got schema 9",
    );
    check_both(
        &Histogram { schema: 53, ..sound() },
        "histogram has an unknown schema, which must be between -9 and 52 for exponential buckets, or -53 for custom buckets, got schema 53",
    );
}

#[test]
fn refuses_wrong_counts() {
    check(
        &Histogram { positive_deltas: vec![1, -2], ..sound() },
        "positive side: bucket number 2 has observation count of -1: histogram has a bucket whose observation count is negative",
    );
    check(
        &Histogram { count: 5, ..sound() },
        "6 observations found in buckets, but the Count field is 5: histogram's observation count should equal the number of observations found in the buckets (in absence of NaN)",
    );
    check(
        &Histogram { count: 5, sum: f64::NAN, ..sound() },
        "6 observations found in buckets, but the Count field is 5: histogram's observation count should be at least the number of observations found in the buckets",
    );
    let float = |change: fn(&mut FloatHistogram)| {
        let mut it = sound().to_float();
        change(&mut it);
        it.validate().unwrap_err().to_string()
    };
    assert_eq!(
        float(|it| it.zero_count = -0.5),
        "zero bucket has observation count of -0.5: histogram has a bucket whose observation count is negative"
    );
    assert_eq!(
        float(|it| it.count = -1.0),
        "observation count is  -1: histogram's observation count is negative"
    );
    assert_eq!(
        float(|it| it.negative_buckets[0] = -1.5),
        "negative side: bucket number 1 has observation count of -1.5: histogram has a bucket whose observation count is negative"
    );
}

#[test]
fn refuses_broken_bounds() {
    let bounds = |all: &[f64]| Histogram { custom_values: all.to_vec(), ..custom() };
    check_both(
        &bounds(&[2.0, 1.0]),
        "custom buckets: previous bound is 2.000000 and current is 1.000000: histogram custom bounds must be in strictly increasing order",
    );
    check_both(
        &bounds(&[1.0, f64::INFINITY]),
        "custom buckets: last +Inf bound must not be explicitly defined: histogram custom bounds must be finite",
    );
    check_both(&bounds(&[f64::NAN]), "custom buckets: histogram custom bounds must not be NaN");
    check_both(
        &bounds(&[]),
        "custom buckets: only 0 custom bounds defined which is insufficient to cover total span length of 2: histogram custom bounds are too few",
    );
    check_both(
        &Histogram { zero_count: 1, ..custom() },
        "custom buckets: must have zero count of 0",
    );
    check_both(
        &Histogram { zero_threshold: 0.5, ..custom() },
        "custom buckets: must have zero threshold of 0",
    );
    check_both(
        &Histogram { negative_spans: spans(&[(0, 0)]), ..custom() },
        "custom buckets: must not have negative spans",
    );
    check_both(
        &Histogram { negative_deltas: vec![1], ..custom() },
        "custom buckets: must not have negative buckets",
    );
}
